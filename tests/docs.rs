//! The documents: completions and man pages are made here out of the tools' own options and tables, and the
//! checked-in ones must be those. Their examples, and README's, are run.

mod completions;
mod examples;
mod install;
mod man;
mod shells;

use std::sync::OnceLock;

use clap::Command;
use clap_complete::Generator;
use common::cgroup::knobs::KNOBS;
use common::kind::KINDS;
use common::ns::refer::FORMS;
use common::tool::Tool;

use crate::harness::{Test, project};
use crate::tools::rlsns::columns::COLUMNS;
use crate::tools::{
    nsinfo::cli as nsinfo, rcgexec::cli as rcgexec, rlsns::cli as rlsns, rnsenter::cli as rnsenter,
    runshare::cli as runshare,
};
use completions::{Bash, Fish, Takes, Zsh};

/// Every tool, and the section of the manual that it is in: a line here for each.
const TOOLS: &[(Tool, u8)] =
    &[(rcgexec::TOOL, 1), (rlsns::TOOL, 8), (rnsenter::TOOL, 1), (runshare::TOOL, 1), (nsinfo::TOOL, 1)];

/// Pages of the manual that are about no tool alone: a name and a section for each.
const PAGES: &[(&str, u8)] = &[("nskit", 7)];

/// The path of every man page.
fn man_pages() -> Vec<String> {
    let of_tools = TOOLS.iter().map(|(tool, section)| man_path(tool, *section));
    of_tools.chain(PAGES.iter().map(|(name, section)| format!("man/{name}.{section}"))).collect()
}

/// A tool's options, with those that clap adds.
fn built(tool: &Tool) -> Command {
    let mut command = (tool.command)();
    command.build();
    command
}

/// The path of a tool's man page.
fn man_path(tool: &Tool, section: u8) -> String {
    format!("man/{}.{section}", tool.name)
}

fn generators(tool: &Tool) -> [Box<dyn Generator>; 3] {
    let attached = tool.dialect.attached;
    [Box::new(Bash { attached }), Box::new(Zsh), Box::new(Fish)]
}

/// Every generated file: its path in the project and what must stand in it.
fn generated() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let note = |path: &str| format!(".\\\" Made by `make docs` out of {path}.in: do not edit.\n");
    for (name, section) in PAGES {
        let path = format!("man/{name}.{section}");
        let page = man::filled(&on_disk(&format!("{path}.in")));
        files.push((path.clone(), note(&path) + &page));
    }
    for (tool, section) in TOOLS {
        let path = man_path(tool, *section);
        let page = man::page(&on_disk(&format!("{path}.in")), built(tool));
        files.push((path.clone(), note(&path) + &page));
        for generator in generators(tool) {
            let mut text = Vec::new();
            generator.try_generate(&built(tool), &mut text).unwrap();
            files.push((generator.file_name(tool.name), String::from_utf8(text).unwrap()));
        }
    }
    files
}

/// A file of the project, after the generated ones were rewritten if that was asked for.
fn read(path: &str) -> String {
    let _ = drifted();
    on_disk(path)
}

fn on_disk(path: &str) -> String {
    std::fs::read_to_string(project().join(path)).unwrap_or_default()
}

/// The generated files that are not as they should be; with `BLESS=1` they are rewritten instead, once, before
/// any test looks at them.
fn drifted() -> &'static [String] {
    static DRIFTED: OnceLock<Vec<String>> = OnceLock::new();
    DRIFTED.get_or_init(|| {
        let bless = std::env::var_os("BLESS").is_some_and(|bless| bless == "1");
        let mut drifted = Vec::new();
        for (path, text) in generated().into_iter().filter(|(path, text)| on_disk(path) != *text) {
            if bless {
                let file = project().join(&path);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            } else {
                drifted.push(path);
            }
        }
        drifted
    })
}

#[test]
fn checked_in_documents_are_those_that_the_tables_make() {
    let _t = rings!(Host, User);
    let drifted = drifted();
    assert!(
        drifted.is_empty(),
        "not what the tables make: {}\n`BLESS=1 cargo test docs` (or `make docs`) rewrites them",
        drifted.join(" ")
    );
}

#[test]
fn every_option_is_in_the_man_page_and_in_the_completions_of_all_shells() {
    let _t = rings!(Host, User);
    for (tool, section) in TOOLS {
        let page = man::plain(&read(&man_path(tool, *section)));
        let command = built(tool);
        for option in completions::options(&command) {
            let long = option.long;
            let spelled = match option.short {
                Some(short) => format!("-{short}, --{long}"),
                None => format!("--{long}"),
            };
            let entry = match option.takes {
                Takes::Nothing => spelled,
                Takes::Optional => format!("{spelled}[={}]", option.value),
                Takes::Required => format!("{spelled} {}", option.value),
            };
            let what = format!("--{long} of {}", tool.name);
            assert!(!option.help.is_empty(), "{what} has no help");
            assert!(
                !option.help.ends_with('.') && !option.help.contains('\n'),
                "the help of {what}: one line"
            );
            assert!(page.contains(&format!("\n.TP\n{entry}\n")), "{what} is not in the man page: {entry}");
            for (path, marks) in [
                (format!("completions/bash/{}", tool.name), vec![format!("--{long}")]),
                (format!("completions/zsh/_{}", tool.name), zsh_marks(long, option.short)),
                (format!("completions/fish/{}.fish", tool.name), fish_marks(long, option.short)),
            ] {
                let text = read(&path);
                for mark in marks {
                    assert!(has_word(&text, &mark), "{what} is not in {path}: {mark}");
                }
            }
        }
    }
}

/// Does this completion leave it to the tool which words of this kind there are?
fn asks_for(completion: &str, kind: &str) -> bool {
    completion.contains("--complete")
        && ["_ask ", "_list "].iter().any(|hole| completion.contains(&format!("{hole}{kind}")))
}

fn zsh_marks(long: &str, short: Option<char>) -> Vec<String> {
    short.map(|short| format!("-{short}")).into_iter().chain([format!("--{long}")]).collect()
}

fn fish_marks(long: &str, short: Option<char>) -> Vec<String> {
    short.map(|short| format!("-s {short}")).into_iter().chain([format!("-l {long}")]).collect()
}

/// Is this in the text, and not only as a part of a longer word?
fn has_word(text: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(goes_on) && !text[at + word.len()..].starts_with(goes_on))
}

/// All that documents one tool: help, man page, completions, and what the tool answers to these when they ask it
/// for columns and kinds.
fn documents(t: &Test, tool: &Tool, section: u8) -> Vec<(String, String)> {
    let help = t.tool(tool.name).arg("--help").run().ok();
    let page = man_path(tool, section);
    let mut documents = vec![("--help".into(), help), (page.clone(), man::plain(&read(&page)))];
    for generator in generators(tool) {
        let path = generator.file_name(tool.name);
        let mut text = read(&path);
        let asked = ["column", "kind"].into_iter().filter(|kind| asks_for(&text, kind));
        for kind in asked.collect::<Vec<_>>() {
            text.push_str(&t.tool(tool.name).args(["--complete", kind, ""]).run().ok());
        }
        documents.push((path, text));
    }
    documents
}

#[test]
fn every_kind_of_namespace_is_an_option_of_the_launchers_and_a_type_of_the_lister_everywhere() {
    let t = rings!(Host, User);
    for (tool, section) in [(&rlsns::TOOL, 8), (&rnsenter::TOOL, 1), (&runshare::TOOL, 1)] {
        for (path, text) in documents(&t, tool, section) {
            for row in KINDS {
                let word = match (tool.name, path.contains("fish/")) {
                    ("rlsns", _) => row.name.to_string(),
                    (_, false) => format!("--{}", row.long),
                    (_, true) => format!("-l {}", row.long),
                };
                assert!(has_word(&text, &word), "{word} is not in {path} of {}", tool.name);
            }
        }
    }
}

#[test]
fn every_limit_is_an_option_everywhere_and_its_files_are_in_the_man_page() {
    let t = rings!(Host, User);
    for (path, text) in documents(&t, &rcgexec::TOOL, 1) {
        for knob in KNOBS {
            let word = match path.contains("fish/") {
                true => format!("-l {}", knob.option),
                false => format!("--{}", knob.option),
            };
            assert!(has_word(&text, &word), "{word} is not in {path}");
            let mut files = knob.v1.all().chain(knob.v2.all());
            assert!(!path.starts_with("man/") || files.all(|file| text.contains(file)), "{path}");
        }
    }
}

#[test]
fn every_column_is_in_the_help_the_listing_of_columns_the_man_page_the_completions_and_json() {
    let t = rings!(Host, User);
    let mut documents = documents(&t, &rlsns::TOOL, 8);
    documents.push(("-H".into(), t.tool("rlsns").arg("-H").run().ok()));
    for column in COLUMNS {
        for (path, text) in &documents {
            assert!(has_word(text, column.name), "{} is not in {path}", column.name);
        }
        let pid = std::process::id().to_string();
        let json = t.tool("rlsns").args(["-J", "-l", "-p", &pid, "-o", column.name]).run().ok();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let first = &json["namespaces"][0];
        let key = column.name.to_lowercase();
        assert!(first.as_object().is_some_and(|row| row.contains_key(&key)), "{key} is not in {first}");
    }
}

/// Every section of a page, in the order of man-pages(7), and which pages have it: those that are named, "all", or
/// all "commands".
#[rustfmt::skip]
const SECTIONS: &[(&str, &[&str])] = &[
    ("NAME",                 &["all"]),
    ("SYNOPSIS",             &["commands"]),
    ("DESCRIPTION",          &["all"]),
    ("REFERENCES",           &["nskit"]),
    ("CONTAINERS AND UNITS", &["nskit"]),
    ("OPTIONS",              &["commands"]),
    ("COLUMNS",              &["rlsns"]),
    ("LIMITS",               &["rcgexec"]),
    ("SECTIONS",             &["nsinfo"]),
    ("OTHER VIEWS",          &["nsinfo"]),
    ("OUTPUT",               &["rlsns", "nsinfo"]),
    ("JSON",                 &["rlsns", "nsinfo"]),
    ("SIGNALS",              &["rcgexec", "rnsenter", "runshare"]),
    ("EXIT STATUS",          &["commands"]),
    ("ENVIRONMENT",          &["commands"]),
    ("FILES",                &["commands"]),
    ("SECURITY",             &["all"]),
    ("NOTES",                &["all"]),
    ("EXAMPLES",             &["all"]),
    ("SEE ALSO",             &["all"]),
];

#[test]
fn every_man_page_has_all_its_sections_in_their_order() {
    let _t = rings!(Host, User);
    for path in man_pages() {
        let name = path.trim_start_matches("man/").split('.').next().unwrap();
        let command = TOOLS.iter().any(|(tool, _)| tool.name == name);
        let has = |pages: &&[&str]| {
            pages.contains(&name) || pages.contains(&"all") || (command && pages.contains(&"commands"))
        };
        let expected: Vec<&str> =
            SECTIONS.iter().filter(|(_, pages)| has(pages)).map(|(title, _)| *title).collect();
        let page = read(&path);
        assert_eq!(man::sections(&page), expected, "{path}");
        // One page says for all how processes and namespaces are named.
        assert!(!command || page.contains("\n.BR nskit (7)"), "{path}");
        let holes = page.split('@').skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
        assert_eq!(holes.count(), 0, "{path}: a hole in the template was not filled");
        assert!(page.contains(&format!("\"nskit {}\"", env!("CARGO_PKG_VERSION"))), "{path}");
    }
}

#[test]
fn other_pages_are_listed_by_section_and_name() {
    let _t = rings!(Host, User);
    for path in man_pages() {
        let page = man::plain(&read(&path));
        let (_, list) = page.split_once(".SH SEE ALSO\n").unwrap();
        let entry = |line: &str| {
            let (name, section) = line.trim_end_matches(',').strip_prefix(".BR ")?.split_once(" (")?;
            Some((section.to_string(), name.to_string()))
        };
        let entries: Vec<_> = list.lines().map(|line| entry(line).expect(line)).collect();
        assert!(entries.is_sorted(), "{path}: {entries:?}");
        let commas = list.lines().filter(|line| line.ends_with(',')).count();
        assert_eq!(commas + 1, entries.len(), "{path}: a comma between two");
    }
}

#[test]
fn every_form_of_a_reference_is_in_the_one_section_about_them() {
    let _t = rings!(Host, User);
    let page = man::plain(&read("man/nskit.7"));
    let (_, section) = page.split_once(".SH REFERENCES\n").unwrap();
    let section = section.split(".SH ").next().unwrap();
    for form in FORMS {
        assert!(section.contains(&format!(".TP\n.B {}\n{}\n", form.spelled, form.names)), "{}", form.spelled);
    }
}

#[test]
fn man_pages_are_formatted_without_a_warning() {
    let t = rings!(Host);
    for path in man_pages() {
        let page = project().join(path);
        let _ = drifted();
        if t.has("mandoc") {
            let lint = t.program("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page).run();
            assert_eq!((lint.text(), lint.errors()), (String::new(), String::new()), "{}", page.display());
        }
        if t.has("groff") {
            let groff = t.program("groff").args(["-man", "-ww", "-z", "-Tutf8"]).arg(&page).run();
            assert_eq!(groff.ok(), "", "{}", page.display());
        }
    }
}
