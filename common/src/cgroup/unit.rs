//! Units of systemd, whose processes are left to it.

use super::layout::Hierarchy;
use super::named::work::{is_within, path_of};
use super::place;
use crate::error::{Error, Result};
use crate::proc::Target;
use crate::proc::container::path::{What, levels};
use crate::proc::groups::Line;
use crate::text::{Charset, shell_word};

/// A process that systemd manages is left to it: it would not be limited or ended with its unit any more.
/// An error with what to do instead, for who is moved to groups of these hierarchies and paths.
pub(super) fn leaves(target: &Target, to: &[(&Hierarchy, &[u8])]) -> Result<()> {
    if !place::is_systemd() {
        return Ok(());
    }
    let lines = Line::of(&target.task)?;
    let to: Vec<_> =
        to.iter().map(|(hierarchy, path)| (&hierarchy.controllers, path_of(hierarchy, path))).collect();
    let stays = |line: &Line, unit: &[u8]| {
        to.iter().any(|(controllers, path)| **controllers == line.controllers && is_within(path, unit))
    };
    let Some((path, units)) = unit_of(&lines, stays) else { return Ok(()) };
    let (user, unit) = (units.len() > 1, units.last().cloned().unwrap_or_default());
    // A group that was delegated can have any name below it.
    let unit = shell_word(&unit, Charset::from_env()).unwrap_or_else(|| "UNIT".into());
    let option = if user { " --user" } else { "" };
    Err(Error::refused(
        [format!("process {} is managed by systemd, in ", target.pid).as_bytes(), &path].concat(),
    )
    .with_hint(format!(
        "limit its unit: `systemctl{option} set-property --runtime {unit} CPUQuota=...`; --force moves it all the same"
    )))
}

/// The unit of a process with these groups: its path, and its name, behind that of the user's manager if it has it from there.
/// None if it stays inside of the unit. As for [`Belongs`](crate::proc::container::Belongs), version 2 counts first, then
/// systemd's own hierarchy.
fn unit_of(lines: &[Line], stays: impl Fn(&Line, &[u8]) -> bool) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut sorted: Vec<&Line> = lines.iter().collect();
    sorted.sort_by_key(|line| match &line.controllers[..] {
        [] => 0,
        [name] if name == b"name=systemd" => 1,
        _ => 2,
    });
    for line in sorted {
        let units: Vec<_> = levels(&line.path).into_iter().filter(|level| level.what == What::Unit).collect();
        if let Some(last) = units.last() {
            let path = &line.path[..last.end];
            let names = units.iter().map(|level| level.id.clone()).collect();
            return (!stays(line, path)).then(|| (path.to_vec(), names));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_its_innermost_units_unless_it_stays_inside() {
        let cases: &[(&str, &str, &str)] = &[
            ("0::/system.slice/ssh.service\n", "/nskit/a", "ssh.service"),
            ("0::/system.slice/ssh.service/x\n", "/system.slice/ssh.service/nskit/a", ""),
            ("0::/nskit/b\n", "/nskit/a", ""),
            ("0::/user.slice/user-7.slice/session-3.scope\n", "/nskit/a", "session-3.scope"),
            (
                "0::/user.slice/user-7.slice/user@7.service/app.slice/x.scope\n",
                "/user.slice/user-7.slice/user@7.service/nskit/a",
                "user@7.service x.scope",
            ),
            (
                "0::/user.slice/user-7.slice/user@7.service/nskit/b\n",
                "/user.slice/user-7.slice/user@7.service/nskit/a",
                "",
            ),
            ("3:cpu:/\n1:name=systemd:/system.slice/a.service\n0::/\n", "/nskit/a", "a.service"),
        ];
        for (text, inside, expected) in cases {
            let stays =
                |line: &Line, unit: &[u8]| line.controllers.is_empty() && is_within(inside.as_bytes(), unit);
            let found = unit_of(&Line::parse(text.as_bytes()), stays).map(|(_, names)| names.join(&b' '));
            assert_eq!(found.unwrap_or_default(), expected.as_bytes(), "{text}");
        }
    }
}
