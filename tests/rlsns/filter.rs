//! The language of `--filter`: what is read, what it means, and where an error points.

use common::tool::table::Cell;

use super::{MACHINE, listed, machine};
use crate::tools::rlsns::filter::{Column, Filter};

/// A line: some cells are numbers, some text, some empty, and one has two lines.
fn cell(column: &Column) -> Cell {
    match column.name {
        "NPROCS" => Cell::Number(3),
        "PPID" => Cell::Number(1),
        "PNS" => Cell::Number(0),
        "NS" => Cell::Number(4_026_531_833),
        "TYPE" => Cell::Text(b"net".to_vec()),
        "COMMAND" => Cell::Text(b"sleep 300\xff".to_vec()),
        "NETNSID" => Cell::Text(b"7".to_vec()),
        "NSFS" => Cell::Lines(vec![b"/mnt/a".to_vec(), b"/mnt/b c".to_vec()]),
        "HOST" => Cell::Text(b"yes".to_vec()),
        // No process is in it: PID, USER.
        _ => Cell::Empty,
    }
}

/// What lsns 2.42 answers too, unless it is said that it does not.
#[rustfmt::skip]
const MEANINGS: &[(&str, bool)] = &[
    // A value alone.
    ("NPROCS", true), ("PNS", false), ("PID", false), ("TYPE", true), ("USER", false), ("NSFS", true),
    ("1", true), ("0", false), ("0.5", true), ("0.0", false), ("'a'", true), ("\"\"", false), ("true", true), ("FALSE", false),
    // Words in any case, and signs for them.
    ("nprocs eq 3", true), ("NProcs NE 3", false), ("NPROCS lt 4", true), ("NPROCS Le 3", true), ("NPROCS GT 3", false), ("NPROCS ge 3", true),
    ("NPROCS==3", true), ("NPROCS!=3", false), ("NPROCS<3", false), ("NPROCS<=3", true), ("NPROCS>2", true), ("NPROCS>=4", false),
    ("not PID", true), ("! ! PID", false), ("NOT NOT TYPE", true), ("PID or TYPE", true), ("PID And TYPE", false), ("1||0", true), ("1&&0", false),
    ("NPROCS==3and TYPE=='net'", true),
    // AND and OR bind alike, and NOT before all.
    ("1 OR 1 AND 0", false), ("1 OR (1 AND 0)", true), ("0 AND 1 OR 1", true), ("0 && 0 == 0", false),
    ("!NPROCS == 1", false), ("!(NPROCS == 1)", true), ("NOT PID == 1", true), ("2 > 1 > 0", true), ("1 == 2 > 1", false), ("((PID))", false),
    // Numbers with sizes.
    ("1K == 1024", true), ("1KiB == 1024", true), ("2MiB == 2097152", true), ("NS > 3G", true), ("NS > 4G", false), ("NPROCS < 15E", true), ("007 == 7", true),
    // A cell is compared as what it is compared with.
    ("NPROCS == '3'", true), ("NPROCS > '22'", true), ("NPROCS > 22", false), ("NPROCS < 'x'", true), ("NPROCS == 3.0", true), ("NPROCS < 3.5", true),
    ("NPROCS == true", true), ("NPROCS > true", false), ("PNS == false", true), ("TYPE == true", false), ("TYPE == false", true), ("HOST == true", true),
    ("NPROCS > PPID", true), ("NS > NPROCS", true), ("TYPE < COMMAND", true), ("TYPE == NPROCS", false), ("NPROCS != PNS", true),
    // Between two that are no cells, and between two cells, the left side decides.
    ("'10' < 9", true), ("10 < '9'", false), ("2 == true", false), ("true == 2", true), ("'true' == true", true), ("true == 'Y'", true), ("true == '2'", false),
    ("1 < 1.5", true), ("1.5 == '1.5'", true), ("'1.5' == 1.5", true), ("'abc' == 5", false), ("'abc' > 5", true),
    // Text.
    ("TYPE == \"net\"", true), ("TYPE == 'NET'", false), ("TYPE > 'mnt'", true), ("NSFS == '/mnt/a,/mnt/b c'", true), ("'it\"s' == \"it's\"", false),
    ("COMMAND == 'a\\nb'", false), ("\"a\" == 'a'", true),
    // An empty cell is no number, and stands before all text.
    ("PID == 0", false), ("PID != 0", false), ("PID < 1", false), ("PID == false", true), ("PID != NPROCS", false),
    ("USER == ''", false), ("USER != ''", true), ("USER < ''", true), ("USER <= 'a'", true), ("USER == USER", true), ("USER > ''", false),
    // Expressions.
    ("TYPE =~ '^n'", true), ("TYPE !~ '^n'", false), ("TYPE =~ 'e|x'", true), ("COMMAND =~ '[[:alpha:]]{5} 300'", true), ("COMMAND =~ 'SLEEP'", false),
    ("NPROCS =~ '^3$'", true), ("NSFS =~ 'b c'", true), ("NSFS =~ 'a.*b'", true), ("NSFS =~ '/mnt/a$'", false), ("'abc' =~ 'b'", true),
    ("USER =~ '^$'", true), ("COMMAND =~ ''", true), ("TYPE =~ '^n' == true", true), ("TYPE =~ 'n' && 1", true),
    // Otherwise than lsns: there, text where a number is needed ends the program, or it is a defect.
    ("TYPE == 1", false), ("NETNSID == 7", true), ("NETNSID < 7.5", true), ("1 != TYPE", false), ("5 == 'abc'", false), ("0 == USER", false),
    ("PID < 1.5", false), ("USER == false", true), ("PID =~ '^$'", true), ("TYPE == ' net'", false), ("COMMAND =~ 'sleep '", true), ("COMMAND =~ 'p  3'", false),
    ("' '", true), ("nOt PID", true), ("tRUE", true),
];

#[test]
fn a_filter_means_what_it_means_to_lsns() {
    let _t = rings!(Host, User);
    for (text, expected) in MEANINGS {
        let filter = Filter::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}")).unwrap();
        assert_eq!(filter.holds(&cell), *expected, "{text}");
    }
    assert!(Filter::parse(b"").unwrap().is_none());
}

/// A filter, what is said of it, and a part of the hint.
#[rustfmt::skip]
const REFUSED: &[(&str, &str, &str)] = &[
    ("NPROCS > && PID", "at character 10, before `&& PID`: a value is expected", "a text in quotes, true or false"),
    ("PID ==", "at its end, character 7: a value is expected", "a value is"),
    (" ", "at its end, character 2: a value is expected", "a value is"),
    ("== PID", "at character 1, before `== PID`: a value is expected", "a value is"),
    ("()", "at character 2, before `)`: a value is expected", "a value is"),
    ("AND", "at character 1, before `AND`: a value is expected", "a value is"),
    ("(PID", "at character 1, before `(PID`: the parenthesis that begins here does not end", ""),
    ("(PID NS)", "at character 6, before `NS)`: an operator or `)` is expected", "one of: =="),
    ("PID)", "at character 4, before `)`: no parenthesis is open", ""),
    ("PID PID", "at character 5, before `PID`: an operator or the end is expected", "one of: =="),
    ("PID == 0x10", "at character 9, before `x10`: an operator or the end is expected", "one of: =="),
    ("NS > 3GB", "at character 8, before `B`: an operator or the end is expected", "one of: =="),
    ("NS > 3k", "at character 7, before `k`: an operator or the end is expected", "one of: =="),
    ("1.5K", "at character 4, before `K`: an operator or the end is expected", "one of: =="),
    ("1.", "at its end, character 3: a digit is expected", ""),
    (".5", "at character 1, before `.5`: a value or an operator is expected", "a value is"),
    ("-1", "at character 1, before `-1`: a value or an operator is expected", "a value is"),
    ("PID > 18446744073709551616", "at character 7, before `18446744073709551616`: the number is too large", ""),
    ("1 == 16E", "at character 6, before `16E`: the number is too large", ""),
    ("1 == 1Z", "at character 6, before `1Z`: the number is too large", ""),
    ("TYPE = 'net'", "at character 6, before `= 'net'`: one `=` alone means nothing", "equal is =="),
    ("PID & 1", "at character 5, before `& 1`: one of these alone means nothing", "write && or ||"),
    ("\"a\\\"b\"", "at character 5, before `b\"`: an operator or the end is expected", "one of: =="),
    ("TYPE == 'net", "at character 9, before `'net`: the text that begins here does not end", "the same quote"),
    ("TYPE =~ TYPE", "at character 9, before `TYPE`: a text in quotes is expected", "as in COMMAND =~"),
    ("TYPE =~ 5", "at character 9, before `5`: a text in quotes is expected", "as in COMMAND =~"),
    ("1 AND 5 =~ '5'", "at character 7, before `5 =~ '5'`: only a column or a text can be matched", "NOT (COMMAND"),
    ("!TYPE =~ 'net'", "at character 1, before `!TYPE =~ 'net'`: only a column or a text can be matched", "by !~"),
    ("COMMAND =~ '('", "at character 12, before `'('`: ", "regex(7)"),
    ("'äöü' == é", "at character 10, before `é`: a value or an operator is expected", "a value is"),
    ("'ä\u{1b}' == \u{202e}x", "at character 9, before `\\u{202e}x`: a value or an operator is expected", "a value is"),
    ("== 'äääääääääääääääääääää'", "at character 1, before `== 'äääääääääääää...`: a value is expected", "a value is"),
];

#[test]
fn an_error_points_at_the_character() {
    let t = rings!(Host, User);
    for (text, line, hint) in REFUSED {
        let run = t.tool("rlsns").args(["-Q", text]).run();
        let errors = run.errors();
        let mut told = errors.lines();
        let (first, second) = (told.next().unwrap(), told.next().unwrap_or_default());
        let line = format!("rlsns: cannot read the filter {line}");
        // The words for what is wrong with a regular expression are those of the C library.
        let right = if line.ends_with("`: ") { first.starts_with(&line) } else { first == line };
        assert!(run.code == Some(1) && right && second.contains(hint), "{errors}\n{line}");
    }
    let refused = |text: &str, line: &str| {
        assert_eq!(Filter::parse(text.as_bytes()).map(|_| ()).unwrap_err().to_string(), line);
    };
    refused(&"x".repeat(1025), "the filter has more than 1024 bytes");
    refused(&("!".repeat(256) + "1"), "the filter has more than 256 values and operators");
    assert!(Filter::parse(("!".repeat(255) + "1").as_bytes()).is_ok());
    let nested = |depth| format!("(1) && {}1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(nested(64).as_bytes()).is_ok());
    let told = Filter::parse(nested(65).as_bytes()).map(|_| ()).unwrap_err().to_string();
    assert!(
        told.contains(" at character 72, ") && told.ends_with(": more than 64 parentheses are open"),
        "{told}"
    );
    let long = |count| format!("TYPE =~ '{}'", "x".repeat(count));
    assert!(Filter::parse(long(256).as_bytes()).is_ok());
    let told = Filter::parse(long(257).as_bytes()).map(|_| ()).unwrap_err().to_string();
    assert!(told.ends_with(": a regular expression has at most 256 bytes"), "{told}");
    // As the tool prints it.
    let run = t.tool("rlsns").args(["-Q", "1 AND FOO"]).run();
    let hint = run.fails(1, "rlsns: unknown column: FOO, at character 7 of the filter");
    assert!(hint.starts_with("text stands in quotes; columns are NS TYPE PATH "), "{hint}");
    let run = t.tool("rlsns").args(["-l", "-Q", "PID \x1b[1m"]).run();
    run.fails(
        1,
        "rlsns: cannot read the filter at character 5, before `\\x1b[1m`: a value or an operator is expected",
    );
    t.tool("rlsns")
        .args(["-Q"])
        .run()
        .fails(1, "rlsns: a value is required for '--filter <EXPR>' but none was supplied");
}

#[test]
fn lines_are_filtered_by_columns_that_need_not_be_shown() {
    let t = rings!(Host, User);
    let root = machine(MACHINE);
    #[rustfmt::skip]
    let cases: &[(&[&str], &str)] = &[
        (&["-ln", "-o", "ns", "-Q", "type == 'net' && nprocs < 3"], "11\n15\n16\n"),
        (&["-ln", "-o", "ns", "-Q", "COMMAND =~ '^web'"], "11\n12\n"),
        (&["-ln", "-o", "ns", "--filter=PPID == 8"], "14\n15\n"),
        (&["-ln", "-o", "ns", "-Q", ""], " 1\n 2\n 3\n 4\n11\n12\n14\n15\n16\n"),
        (&["-ln", "-o", "ns", "-Q", "1", "-Q", "NS == 3"], " 3\n"),
        (&["-ln", "-o", "ns", "-Q", "NS == 3", "-t", "net"], ""),
        // With an operand the lines are processes (lsns fails there).
        (&["-n", "pid:[12]", "-o", "pid,command", "-Q", "PPID == 8"], "  9 worker\n 12 \\x1b]0;x\\x07\\x0a)\n"),
        (&["-n", "pid:[12]", "-o", "pid,command", "-Q", "PID != 9"], "  8 web --port\n 12 └─\\x1b]0;x\\x07\\x0a)\n"),
        // What stands below a line that is not shown, and above it, is in the tree all the same.
        (&["-n", "-o", "ns,command", "-t", "net", "-Q", "PID != 8"], " 1 /sbin/init splash\n16 └─b\\xff \\u{9b} e\n15 \\x1b]0;x\\x07\\x0a)\n"),
        (&["-n", "-o", "ns", "-p", "9", "-Q", "TYPE =~ 'u'"], " 3\n14\n"),
    ];
    for (args, expected) in cases {
        assert_eq!(&listed(&t, root.path(), args), expected, "{args:?}");
    }
    // A column that is not asked for costs nothing.
    if t.has("strace") {
        let reads = |filter: &str| {
            let tool = crate::harness::tool_path("rlsns").to_str().unwrap();
            let args = ["-f", "-e", "trace=%file", tool, "--proc"].map(String::from);
            let run =
                t.program("strace").args(args).arg(root.path()).args(["-o", "ns", "-l", "-Q", filter]).run();
            run.errors().contains("\"cmdline\"")
        };
        assert_eq!((reads("NS"), reads("COMMAND")), (false, true));
    }
}
