//! Completions for bash, zsh and fish, made from the options of a command.
//!
//! The generators that come with clap_complete do not know values that can only be attached (`--net=FILE`),
//! lists with commas, or where the options of a launcher end. So these three are our own, behind its trait.

use std::fmt::Write as _;
use std::io::Write;

use clap::{Arg, ArgAction, Command};
use clap_complete::Generator;
use common::ns::create::PROPAGATIONS;
use common::proc::mapping::SETGROUPS;
use common::tool::paint::COLORS;
use nix::sys::signal::Signal;

use super::rlsns::{DEPTHS, RELATIONS};
use crate::tools::nsinfo::view::VIEWS;

/// A word that an option's value can be, and what it means.
type Word = (String, String);

/// What the value of an option can be.
pub enum Values {
    /// One of these words.
    Words(Vec<Word>),
    Files,
    Directories,
    /// What the tool itself answers to `--complete` with this kind.
    Asked(&'static str),
    /// Some of those words, with commas between.
    List(&'static str),
    /// Nothing that could be guessed.
    Unknown,
}

/// Words of this kind may be typed in any case.
fn any_case(kind: &str) -> bool {
    kind == "column"
}

/// The values of an option, by what its help calls them: a line here for each name.
pub fn values(name: &str) -> Values {
    let word = |name: &str, help: &str| (name.to_string(), help.to_string());
    match name {
        "DIR" => Values::Directories,
        "FILE" => Values::Files,
        "PID" | "REF" => Values::Asked("reference"),
        "NAMESPACE" => Values::Asked("namespace"),
        "TYPE" => Values::List("kind"),
        "LIST" => Values::List("column"),
        "PARTS" | "SECTIONS" => Values::List("part"),
        "UID|follow" => Values::Words(vec![word("follow", "the user of the target")]),
        "GID|follow" => Values::Words(vec![word("follow", "the group of the target")]),
        "UID" | "GID" | "US" | "SIZE" | "N" | "GROUP" | "EXPR" | "CONTROLLERS:PATH" => Values::Unknown,
        "UID|NAME" | "GID|NAME" | "UID:GID" | "NAME" | "NAMES" | "OFFSET" | "STRING" | "FD" => {
            Values::Unknown
        }
        "CPUS" | "NODES" | "TIME" | "FILE=VALUE" => Values::Unknown,
        "US|P%" => Values::Words(vec![word("max", "no limit")]),
        "N|idle" => Values::Words(vec![word("idle", "only what nobody else wants")]),
        "SRC:DST[:ro]" | "PATH:RATE" | "PATH:N" | "FILE|fd:N" => Values::Files,
        "RANGE" => Values::Words(vec![
            word("auto", "subordinate ids, from 0 on inside"),
            word("subids", "subordinate ids, the same inside"),
            word("all", "all ids, the same inside"),
        ]),
        "allow|deny" => Values::Words(SETGROUPS.iter().map(|(name, _)| word(name, "")).collect()),
        "N|all" => Values::Words(vec![word("all", "every descriptor")]),
        "DEPTH" => Values::Words(DEPTHS.iter().map(|(name, _)| word(name, "")).collect()),
        "VIEW" => Values::Words(VIEWS.iter().map(|(name, _)| word(name, "")).collect()),
        "WHEN" => Values::Words(COLORS.iter().map(|(name, _)| word(name, "")).collect()),
        "RELATION" => Values::Words(RELATIONS.iter().map(|(name, _)| word(name, "")).collect()),
        "MODE" => Values::Words(PROPAGATIONS.iter().map(|(name, _, help)| word(name, help)).collect()),
        "SIGNAL" => Values::Words(Signal::iterator().map(|signal| word(&signal.as_str()[3..], "")).collect()),
        _ => panic!("how is {name} completed? say it in tests/docs/completions.rs"),
    }
}

/// How an option takes its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    /// Only attached.
    Optional,
    Required,
}

/// An option.
pub struct Opt<'a> {
    pub long: &'a str,
    pub short: Option<char>,
    pub help: String,
    pub takes: Takes,
    pub value: String,
    repeatable: bool,
}

impl Opt<'_> {
    fn of(arg: &Arg) -> Option<Opt<'_>> {
        let takes = match arg.get_num_args() {
            _ if !arg.get_action().takes_values() => Takes::Nothing,
            Some(range) if range.min_values() == 0 => Takes::Optional,
            _ => Takes::Required,
        };
        Some(Opt {
            long: arg.get_long()?,
            short: arg.get_short(),
            help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
            takes,
            value: value_name(arg),
            repeatable: matches!(arg.get_action(), ArgAction::Append),
        })
    }

    fn values(&self) -> Values {
        if self.takes == Takes::Nothing { Values::Unknown } else { values(&self.value) }
    }
}

fn value_name(arg: &Arg) -> String {
    arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default()
}

/// The options of a command, in its order; it must have been built.
pub fn options(command: &Command) -> Vec<Opt<'_>> {
    command.get_arguments().filter_map(Opt::of).collect()
}

/// What stands on the command line beside options.
enum Operand {
    Program,
    Values(Values),
}

fn operand(command: &Command) -> Operand {
    let arg = command.get_positionals().next().expect("every tool has an operand");
    match value_name(arg).as_str() {
        "PROGRAM [ARG]..." => Operand::Program,
        name => Operand::Values(values(name)),
    }
}

/// Is there anything of which the tool itself has to be asked?
fn asks(command: &Command) -> bool {
    let asked = |values: &Values| matches!(values, Values::Asked(_) | Values::List(_));
    let operand = matches!(operand(command), Operand::Values(values) if asked(&values));
    operand || options(command).iter().any(|option| asked(&option.values()))
}

fn note(shell: &str, name: &str) -> String {
    format!("# {name}: completion for {shell}. Made by `make docs` out of the options: do not edit.\n")
}

/// Letters of the options that take values in these ways.
fn letters(options: &[Opt<'_>], ways: &[Takes]) -> String {
    options.iter().filter(|option| ways.contains(&option.takes)).filter_map(|option| option.short).collect()
}

/// A regular expression for one of these letters; for none, one that nothing matches.
fn one_of(letters: &str) -> String {
    if letters.is_empty() { "$.".into() } else { format!("[{letters}]") }
}

fn join<S: AsRef<str>>(words: impl IntoIterator<Item = S>, between: &str) -> String {
    words.into_iter().map(|word| word.as_ref().to_string()).collect::<Vec<_>>().join(between)
}

/// `complete -F`.
pub struct Bash {
    /// May a short option have its optional value attached?
    pub attached: bool,
}

impl Bash {
    /// Sets COMPREPLY to what the values can be that begin with `$cur`.
    fn reply(&self, tool: &str, values: &Values) -> String {
        let reply = |what: String| format!("mapfile -t COMPREPLY < <(compgen -P \"$before\" {what})");
        let names = |words: &[Word]| join(words.iter().map(|(name, _)| name), " ");
        match values {
            Values::Words(words) => reply(format!("-W '{}' -- \"$cur\"", names(words))),
            Values::Asked(kind) => format!("_{tool}_ask {kind} \"$cur\""),
            Values::List(kind) => {
                let last = if any_case(kind) { "${last^^}" } else { "$last" };
                let list = format!("_{tool}_ask {kind} \"{last}\"");
                format!("last=${{cur##*[,+]}} before+=${{cur%\"$last\"}}; {list}; compopt -o nospace")
            }
            Values::Files => format!("{}; compopt -o filenames", reply("-f -- \"$cur\"".into())),
            Values::Directories => format!("{}; compopt -o filenames", reply("-d -- \"$cur\"".into())),
            Values::Unknown => ":".into(),
        }
    }

    fn text(&self, command: &Command) -> String {
        let name = command.get_name();
        let options = options(command);
        let flags = letters(&options, &[Takes::Nothing]);
        let required = letters(&options, &[Takes::Required]);
        let valued = letters(
            &options,
            if self.attached { &[Takes::Required, Takes::Optional] } else { &[Takes::Required] },
        );
        let required_long = join(
            options.iter().filter(|option| option.takes == Takes::Required).map(|option| option.long),
            "|",
        );
        let longs = join(options.iter().map(|option| format!("--{}", option.long)), " ");
        let mut cases = String::new();
        for option in options.iter().filter(|option| option.takes != Takes::Nothing) {
            let short = option.short.map(|short| format!("-{short} | ")).unwrap_or_default();
            let _ = writeln!(
                cases,
                "            {short}--{}) {} ;;",
                option.long,
                self.reply(name, &option.values())
            );
        }
        let operand = operand(command);
        let at_operand = match operand {
            Operand::Program => "ended=1; break",
            Operand::Values(_) => ":",
        };
        let operands = match &operand {
            Operand::Values(values) => format!("        {}\n", self.reply(name, values)),
            Operand::Program => BASH_PROGRAM.to_string(),
        };
        let mut out = note("bash", name);
        out.push_str(
            &BASH
                .replace("@ASK@", if asks(command) { BASH_ASK } else { "" })
                .replace("@NAME@", name)
                .replace("@FLAGS@", &flags)
                .replace("@REQUIRED@", &one_of(&required))
                .replace("@REQUIRED_LONG@", &required_long)
                .replace("@VALUED@", &one_of(&valued))
                .replace("@LONGS@", &longs)
                .replace("@CASES@\n", &cases)
                .replace("@AT_OPERAND@", at_operand)
                .replace("@OPERANDS@\n", &operands),
        );
        out
    }
}

const BASH_ASK: &str = r#"# Offers what the tool knows of this machine, brackets quoted, and without what stands before a ":": for bash
# that is another word, unless a quote is open.
_@NAME@_ask() {
    local word typed=${2//\\/} colon=
    if [[ $typed == [\'\"]* ]]; then
        typed=${typed:1} before=
    elif [[ $COMP_WORDBREAKS == *:* ]]; then
        colon=$before$2 colon=${colon%"${colon##*:}"}
    fi
    while IFS=$'\t' read -r word _; do
        [[ $2 == [\'\"]* ]] || word=${word//[/\\[} word=${word//]/\\]}
        word=$before$word
        COMPREPLY+=("${word#"$colon"}")
    done < <(@NAME@ --complete "$1" "$typed" 2>/dev/null)
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *: ]] || compopt -o nospace
}

"#;

const BASH: &str = r#"@ASK@_@NAME@() {
    local cur before= option= last= ended= at word rest=$COMP_LINE words=() places=()
    COMPREPLY=()
    # Bash makes "=" and ":" words of their own. Here ":" and what it touches are one.
    for ((at = 0; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if ((at)) && [[ $rest != [[:space:]]* && "${words[-1]} $word" =~ (": "|" :") ]]; then
            words[-1]+=$word
        else
            words+=("$word") places+=("$at")
        fi
        rest=${rest#*"$word"}
    done
    cur=${words[-1]}
    # The option whose value is being typed, and where the operands begin.
    for ((at = 1; at < ${#words[@]} - 1; at++)); do
        word=${words[at]}
        if [[ $word == "=" && $last ]]; then
            option=$last
        elif [[ $option ]]; then
            option= last=
        elif [[ $word == -- ]]; then
            ended=1; ((at++)); break
        elif [[ $word =~ ^-[@FLAGS@]*@REQUIRED@$ ]]; then
            option=-${word: -1} last=$option
        elif [[ $word =~ ^--(@REQUIRED_LONG@)$ ]]; then
            option=$word last=$word
        elif [[ $word == -?* ]]; then
            last=$word
        else
            @AT_OPERAND@
        fi
    done
    if [[ -z $ended && $cur == "=" && $last ]]; then
        option=$last cur=
    elif [[ -z $ended$option && $cur =~ ^-[@FLAGS@]*(@VALUED@)(.+)$ ]]; then
        option=-${BASH_REMATCH[1]} before=${cur%"${BASH_REMATCH[2]}"} cur=${BASH_REMATCH[2]}
    fi
    if [[ $option ]]; then
        case $option in
@CASES@
        esac
    elif [[ -z $ended && $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '@LONGS@' -- "$cur")
    else
@OPERANDS@
    fi
}
complete -F _@NAME@ @NAME@
"#;

const BASH_PROGRAM: &str = r#"        # The program completes its own arguments, where bash-completion is there to ask it.
        if declare -F _comp_command_offset >/dev/null; then
            _comp_command_offset "${places[at]}"
        elif declare -F _command_offset >/dev/null; then
            _command_offset "${places[at]}"
        elif ((at == ${#words[@]} - 1)); then
            mapfile -t COMPREPLY < <(compgen -c -- "$cur")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$cur"); compopt -o filenames
        fi
"#;

impl Generator for Bash {
    fn file_name(&self, name: &str) -> String {
        format!("completions/bash/{name}")
    }

    fn generate(&self, command: &Command, out: &mut dyn Write) {
        self.try_generate(command, out).unwrap();
    }

    fn try_generate(&self, command: &Command, out: &mut dyn Write) -> std::io::Result<()> {
        out.write_all(self.text(command).as_bytes())
    }
}

/// `_arguments`.
pub struct Zsh;

impl Zsh {
    fn action(tool: &str, option: &str, values: &Values) -> String {
        match values {
            Values::Words(words) if words.iter().all(|(_, help)| help.is_empty()) => {
                format!("({})", join(words.iter().map(|(name, _)| name), " "))
            }
            Values::Words(_) => format!("_{tool}_{option}"),
            Values::Files => "_files".into(),
            Values::Directories => "_files -/".into(),
            // With a space before it no options are added.
            Values::Asked(kind) => format!(" _{tool}_ask {kind}"),
            Values::List(kind) => {
                let case = if any_case(kind) { "U" } else { "L" };
                format!(" _{tool}_list {kind} {case}")
            }
            Values::Unknown => " ".into(),
        }
    }

    /// The function that knows words and what they mean.
    fn function(tool: &str, option: &str, values: &Values) -> String {
        let words = match values {
            Values::Words(words) if words.iter().any(|(_, help)| !help.is_empty()) => words,
            _ => return String::new(),
        };
        let words = words.iter().map(|(name, help)| format!(" \\\n        '{name}[{}]'", zsh(help)));
        format!("_{tool}_{option}() {{\n    _values {option}{}\n}}\n\n", words.collect::<String>())
    }

    fn text(&self, command: &Command) -> String {
        let name = command.get_name();
        let mut out = format!("#compdef {name}\n{}\n", note("zsh", name));
        let options = options(command);
        if asks(command) {
            out.push_str(&ZSH_ASK.replace("@NAME@", name));
        }
        if options.iter().any(|option| matches!(option.values(), Values::List(_))) {
            out.push_str(&ZSH_LIST.replace("@NAME@", name));
        }
        for option in &options {
            out.push_str(&Zsh::function(name, option.long, &option.values()));
        }
        let (program, operand) = match operand(command) {
            Operand::Program => {
                (true, "'(-)1:program: _command_names -e' \\\n    '*::argument: _normal'".into())
            }
            Operand::Values(values) => {
                (false, format!("'::operand:{}'", Zsh::action(name, "operand", &values)))
            }
        };
        let ends = if program { " -A '-*'" } else { "" };
        let _ = writeln!(out, "_arguments -s -S{ends} : \\");
        for option in &options {
            let called = option.value.replace(':', "\\:");
            let value = match option.takes {
                Takes::Nothing => String::new(),
                Takes::Optional => {
                    format!("::{called}:{}", Zsh::action(name, option.long, &option.values()))
                }
                Takes::Required => {
                    format!(":{called}:{}", Zsh::action(name, option.long, &option.values()))
                }
            };
            let short = option.short.map(|short| format!("-{short}"));
            let long = format!("--{}", option.long);
            let both = join(short.iter().chain([&long]), " ");
            let before = if option.repeatable { "*".into() } else { format!("({both})") };
            let [to_short, to_long] = match option.takes {
                Takes::Nothing => ["", ""],
                Takes::Optional => ["-", "=-"],
                Takes::Required => ["+", "="],
            };
            let help = zsh(&option.help);
            for (spelled, to) in short.iter().map(|short| (short, to_short)).chain([(&long, to_long)]) {
                let _ = writeln!(out, "    '{before}{spelled}{to}[{help}]{value}' \\");
            }
        }
        let _ = writeln!(out, "    {operand}");
        out
    }
}

const ZSH_ASK: &str = r#"# Offers what the tool knows of this machine: a kind of word, and options of compadd. No space follows a prefix.
_@NAME@_ask() {
    local kind=$1 line word
    local -a whole open
    shift
    for line in ${(f)"$(@NAME@ --complete $kind "${(Q)PREFIX}" 2>/dev/null)"}; do
        word=${line%%$'\t'*}
        line=${word//:/\\:}:${line#*$'\t'}
        if [[ $word == *: ]]; then open+=("$line"); else whole+=("$line"); fi
    done
    _describe -t $kind $kind whole "$@" -- open "$@" -S ''
}

"#;

const ZSH_LIST: &str = r#"# The same with commas between, and perhaps a "+" before; all in upper or lower case. None twice.
_@NAME@_list() {
    local -a used
    [[ $PREFIX != *,* ]] || used=(${(s:,:)${${PREFIX%,*}#+}})
    compset -P '*[,+]'
    if [[ $2 == U ]]; then PREFIX=${(U)PREFIX}; else PREFIX=${(L)PREFIX}; fi
    _@NAME@_ask $1 -F used -qS ,
}

"#;

/// Text inside of brackets inside of single quotes.
fn zsh(text: &str) -> String {
    text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

impl Generator for Zsh {
    fn file_name(&self, name: &str) -> String {
        format!("completions/zsh/_{name}")
    }

    fn generate(&self, command: &Command, out: &mut dyn Write) {
        self.try_generate(command, out).unwrap();
    }

    fn try_generate(&self, command: &Command, out: &mut dyn Write) -> std::io::Result<()> {
        out.write_all(self.text(command).as_bytes())
    }
}

/// `complete -c`.
pub struct Fish;

impl Fish {
    fn words(words: &[Word]) -> String {
        join(words.iter().map(|(name, help)| fish(format!("{name}\t{help}").trim_end())), " ")
    }

    fn text(command: &Command) -> String {
        let name = command.get_name();
        let options = options(command);
        let mut out = note("fish", name);
        if asks(command) {
            let flags = letters(&options, &[Takes::Nothing]);
            let valued = letters(&options, &[Takes::Required, Takes::Optional]);
            let ask = FISH_ASK.replace("@NAME@", name).replace("@FLAGS@", &flags);
            out.push_str(&ask.replace("@VALUED@", &one_of(&valued)));
        }
        if options.iter().any(|option| matches!(option.values(), Values::List(_))) {
            out.push_str(&FISH_LIST.replace("@NAME@", name));
        }
        let operand = operand(command);
        let when = match &operand {
            Operand::Values(_) => String::new(),
            Operand::Program => {
                let specs = options.iter().map(|option| {
                    let short = option.short.map(|short| format!("{short}/")).unwrap_or_default();
                    let takes = match option.takes {
                        Takes::Nothing => "",
                        Takes::Optional => "=?",
                        Takes::Required => "=+",
                    };
                    format!("'{short}{}{takes}'", option.long)
                });
                out.push_str(&FISH_PROGRAM.replace("@NAME@", name).replace("@SPECS@", &join(specs, " ")));
                format!(" -n 'not __{name}_program >/dev/null'")
            }
        };
        out.push('\n');
        for option in &options {
            let short = option.short.map(|short| format!(" -s {short}")).unwrap_or_default();
            let must = if option.takes == Takes::Required { " -r" } else { "" };
            let arguments = match option.values() {
                Values::Words(words) => format!(" -f -a {}", fish(&Fish::words(&words))),
                Values::Asked(kind) => format!(" -f -a '(__{name}_ask {kind})'"),
                Values::List(kind) => {
                    let case = if any_case(kind) { "upper" } else { "lower" };
                    format!(" -f -a '(__{name}_list {kind} {case})'")
                }
                Values::Files => " -F".into(),
                Values::Directories => " -f -a '(__fish_complete_directories)'".into(),
                Values::Unknown if option.takes == Takes::Nothing => String::new(),
                Values::Unknown => " -f".into(),
            };
            let help = fish(&option.help);
            let _ = writeln!(
                out,
                "complete -c {name}{when}{short} -l {}{must}{arguments} -d {help}",
                option.long
            );
        }
        let _ = match operand {
            Operand::Program => writeln!(out, "complete -c {name} -f -a '(__{name}_complete_program)'"),
            Operand::Values(Values::Asked(kind)) => {
                writeln!(out, "complete -c {name} -f -a '(__{name}_ask {kind})'")
            }
            Operand::Values(_) => panic!("an operand of a new kind: say how fish completes it"),
        };
        out
    }
}

const FISH_ASK: &str = r#"
# Prints the value that is being typed, without the option before it and without quotes.
function __@NAME@_typed
    set -l typed (commandline -ct | string replace -r -- '^(--[^=]*=|-[@FLAGS@]*@VALUED@)' '')
    string trim -l -c '\'"' -- "$typed" | string unescape
end

# Offers what the tool knows of this machine.
function __@NAME@_ask
    @NAME@ --complete $argv[1] (__@NAME@_typed | string collect --allow-empty) 2>/dev/null
end
"#;

const FISH_LIST: &str = r#"
# The same with commas between, and perhaps a "+" before; all in upper or lower case.
function __@NAME@_list
    set -l typed (__@NAME@_typed)
    set -l before (string replace -r '[^,+]*$' '' -- "$typed")
    set -l last (string replace -r '.*[,+]' '' -- "$typed" | string $argv[2])
    set -l found (@NAME@ --complete $argv[1] "$last" 2>/dev/null)
    set -q found[1]; and printf '%s\n' "$before"$found
end
"#;

const FISH_PROGRAM: &str = r#"
# Prints the program and its arguments, each with a NUL after it; fails while options are still typed.
function __@NAME@_program
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    argparse -s @SPECS@ -- $words 2>/dev/null
    or return 1
    set -q argv[1]; and not string match -q -- '-*' "$argv[1]"
    or return 1
    string join0 -- $argv
end

function __@NAME@_complete_program
    __fish_complete_subcommand --commandline (__@NAME@_program | string split0)
end
"#;

/// Text in single quotes.
fn fish(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Generator for Fish {
    fn file_name(&self, name: &str) -> String {
        format!("completions/fish/{name}.fish")
    }

    fn generate(&self, command: &Command, out: &mut dyn Write) {
        self.try_generate(command, out).unwrap();
    }

    fn try_generate(&self, command: &Command, out: &mut dyn Write) -> std::io::Result<()> {
        out.write_all(Fish::text(command).as_bytes())
    }
}
