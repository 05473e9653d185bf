//! Where the processes of a named group came from, as its directory remembers it.

use std::ffi::CStr;

use nix::errno::Errno;

use super::super::group::Group;
use crate::error::{Error, Result};
use crate::proc::Proc;
use crate::sys;
use crate::text::digits;

/// The attribute that holds it: a line for each group, `PID.START,PID.START /path`. A value may have 64 KiB, which is
/// enough for thousands of processes.
const FROM: &CStr = c"user.nskit.from";

/// A process, by its PID and when it started.
pub(super) type Born = (i32, u64);

/// Groups, each with the processes that came from there. Those of a group are forgotten when they have ended, it is not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Origins(Vec<(Vec<u8>, Vec<Born>)>);

impl Origins {
    pub(super) fn of(group: &Group) -> Result<Origins> {
        Ok(Origins::parse(&Origins::stored(group)?))
    }

    /// As it is kept, to be put back.
    pub(super) fn stored(group: &Group) -> Result<Vec<u8>> {
        let text = sys::attribute(group, FROM).map_err(|e| Error::sys("fgetxattr", &group.path, e))?;
        Ok(text.unwrap_or_default())
    }

    pub(super) fn store(group: &Group, text: &[u8]) -> Result<()> {
        sys::set_attribute(group, FROM, text).map_err(|e| {
            let e = Error::sys("fsetxattr", [b"user.nskit.from of ", &group.path[..]].concat(), e);
            match e.errno() {
                Some(Errno::E2BIG | Errno::ENOSPC | Errno::ERANGE) => {
                    e.with_hint("where the processes came from is kept there, and of so many it cannot be")
                }
                _ => e,
            }
        })
    }

    fn parse(text: &[u8]) -> Origins {
        let born = |word: &[u8]| {
            let dot = word.iter().position(|&b| b == b'.')?;
            Some((digits(&word[..dot])?, digits(&word[dot + 1..])?))
        };
        let line = |line: &[u8]| {
            let space = line.iter().position(|&b| b == b' ')?;
            let (words, path) = (&line[..space], &line[space + 1..]);
            path.starts_with(b"/")
                .then(|| (path.to_vec(), words.split(|&b| b == b',').filter_map(born).collect()))
        };
        Origins(text.split(|&b| b == b'\n').filter_map(line).collect())
    }

    /// Names of groups have no newline.
    pub(super) fn text(&self) -> Vec<u8> {
        let line = |(path, processes): &(Vec<u8>, Vec<Born>)| {
            let words: Vec<String> = processes.iter().map(|(pid, start)| format!("{pid}.{start}")).collect();
            [words.join(",").as_bytes(), b" ", path, b"\n"].concat()
        };
        self.0.iter().flat_map(line).collect()
    }

    /// This process came from there, now.
    pub(super) fn add(&mut self, born: Born, path: &[u8]) {
        for (_, processes) in &mut self.0 {
            processes.retain(|(pid, _)| *pid != born.0);
        }
        match self.0.iter_mut().find(|(known, _)| known == path) {
            Some((_, processes)) => processes.push(born),
            None => self.0.push((path.to_vec(), vec![born])),
        }
    }

    /// Forgets who has ended.
    pub(super) fn prune(&mut self, proc: &Proc) {
        for (_, processes) in &mut self.0 {
            processes.retain(|(pid, start)| {
                proc.task(*pid).and_then(|task| task.stat()).is_ok_and(|stat| stat.start == *start)
            });
        }
    }

    /// Where a process is to go back to: to where it came from; if it was born inside, to where the nearest above it came
    /// from that did come from elsewhere; else to the only group that anybody came from.
    pub(super) fn way_back(&self, proc: &Proc, born: Born) -> Option<&[u8]> {
        let mut born = born;
        // A circle can be seen where PIDs are given anew while we look.
        for _ in 0..1000 {
            if let Some((path, _)) = self.0.iter().find(|(_, processes)| processes.contains(&born)) {
                return Some(path);
            }
            let above = proc.task(born.0).and_then(|task| task.stat()).map(|stat| stat.ppid);
            let Some(parent) = above.ok().filter(|parent| *parent > 0) else { break };
            let Ok(stat) = proc.task(parent).and_then(|task| task.stat()) else { break };
            born = (parent, stat.start);
        }
        match &self.0[..] {
            [(path, _)] => Some(path),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_kept_as_lines() {
        let mut origins = Origins::default();
        origins.add((7, 70), b"/a b");
        origins.add((8, 80), b"/");
        origins.add((9, 90), b"/a b");
        assert_eq!(origins.text(), b"7.70,9.90 /a b\n8.80 /\n");
        // A PID is one process's at a time.
        origins.add((9, 91), b"/\xff");
        assert_eq!(origins.text(), b"7.70 /a b\n8.80 /\n9.91 /\xff\n");
        assert_eq!(Origins::parse(&origins.text()), origins);
        assert_eq!(Origins::parse(b"x\n1.2\n1.2 a\n1,2. /ok\n"), Origins(vec![(b"/ok".to_vec(), vec![])]));
    }

    #[test]
    fn a_process_goes_back_to_where_it_or_one_above_it_came_from() {
        let proc = Proc::system().expect("/proc");
        let us = std::process::id() as i32;
        let start = |pid: i32| proc.task(pid).and_then(|task| task.stat()).expect("stat");
        let (this, above) = (start(us), start(us).ppid);
        let mut origins = Origins::default();
        assert_eq!(origins.way_back(&proc, (us, this.start)), None);
        origins.add((above, start(above).start), b"/above");
        assert_eq!(origins.way_back(&proc, (us, this.start)), Some(&b"/above"[..]));
        origins.add((us, this.start + 1), b"/of another");
        assert_eq!(origins.way_back(&proc, (us, this.start)), Some(&b"/above"[..]));
        origins.add((us, this.start), b"/this");
        assert_eq!(origins.way_back(&proc, (us, this.start)), Some(&b"/this"[..]));
        // Whose parent is unknown goes where all came from, if that is one.
        assert_eq!(origins.way_back(&proc, (i32::MAX, 1)), None);
        let one = Origins(vec![(b"/one".to_vec(), vec![])]);
        assert_eq!(one.way_back(&proc, (i32::MAX, 1)), Some(&b"/one"[..]));
        origins.prune(&proc);
        assert_eq!(origins.way_back(&proc, (us, this.start)), Some(&b"/this"[..]));
    }
}
