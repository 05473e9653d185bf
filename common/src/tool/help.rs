//! Help as a terminal shows it best: in lines that fit.

/// Where what an option does would have fewer columns than this beside its name, it stands below.
const ENOUGH: usize = 24;

/// How far to the right it stands there.
const BELOW: usize = 10;

/// Breaks the lines that are wider than so many columns between words. They go on under where the words begin that say what
/// the option does.
pub(super) fn fitted(text: &str, columns: usize) -> String {
    let mut out = Vec::new();
    for line in text.lines() {
        let name = line.len() - line.trim_start().len();
        let gap = line[name..].find("  ").filter(|_| name > 0).map(|at| name + at);
        match gap {
            _ if line.chars().count() <= columns => out.push(line.to_string()),
            None => fill(&mut out, String::new(), name + 2, line, columns),
            Some(at) => {
                let words = line[at..].trim_start();
                let begin = line.len() - words.len();
                if begin + ENOUGH <= columns {
                    fill(&mut out, line[..begin].trim_end().into(), begin, words, columns);
                } else {
                    out.push(line[..at].to_string());
                    fill(&mut out, String::new(), BELOW, words, columns);
                }
            }
        }
    }
    out.iter().map(|line| format!("{line}\n")).collect()
}

/// Adds words to lines, the first of which begins so; the words of each begin at this column, but those of a first line
/// without one where they stand.
fn fill(out: &mut Vec<String>, first: String, column: usize, words: &str, columns: usize) {
    let blanks = words.len() - words.trim_start().len();
    let start = if blanks > 0 || column <= 2 { blanks } else { column };
    let mut line = format!("{first:start$}");
    let mut empty = true;
    for word in words.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > columns {
            out.push(std::mem::replace(&mut line, " ".repeat(column)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "\
Runs a program in new namespaces.

Usage: runshare [OPTIONS] [PROGRAM [ARG]...]

Options:
  -n, --net[=<FILE>]  Create a new namespace of network devices
      --init          Run it below an init
";

    #[test]
    fn what_fits_stays() {
        assert_eq!(fitted(HELP, 64), HELP);
    }

    #[test]
    fn words_go_on_below_those_that_they_belong_to() {
        let expected = "\
Runs a program in new namespaces.

Usage: runshare [OPTIONS] [PROGRAM [ARG]...]

Options:
  -n, --net[=<FILE>]  Create a new namespace of
                      network devices
      --init          Run it below an init
";
        assert_eq!(fitted(HELP, 48), expected);
    }

    #[test]
    fn in_a_narrow_terminal_they_stand_below_the_name() {
        let expected = "\
Runs a program in new
  namespaces.

Usage: runshare [OPTIONS]
  [PROGRAM [ARG]...]

Options:
  -n, --net[=<FILE>]
          Create a new
          namespace of network
          devices
      --init
          Run it below an init
";
        assert_eq!(fitted(HELP, 30), expected);
        assert!(fitted(HELP, 1).lines().count() > 20);
    }
}
