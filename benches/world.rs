//! What nsinfo promises: the mounts of a namespace that has very many in less than twice the time of reading the file that
//! lists them, and the page of a process no later than findmnt and lsns together.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::LOOKS;
use crate::load::Load;
use crate::measure::{Contender, Rounds, Sample};

/// How much of the time of reading mountinfo the list of all mounts may take.
const READING: f64 = 2.0;

/// How much of the time of findmnt and lsns together a page may take.
const PAGE: f64 = 1.0;

/// The mounts of a process that are usual, and the processes of a machine.
const USUAL: usize = 50;
const PROCESSES: usize = 200;

/// A process in a mount namespace of its own, in which this was done in a directory. It is there until this is dropped.
struct World(Child, #[allow(dead_code)] tempfile::TempDir);

impl World {
    fn make(script: &str) -> World {
        let dir = tempfile::tempdir().unwrap();
        let script = format!("set -e; mount -t tmpfs t \"$1\"; cd \"$1\"; {script}; echo; read _ || :");
        let mut made = Command::new("unshare");
        made.args(["-m", "--propagation", "private", "sh", "-c", &script, "-"]).arg(dir.path());
        let mut made = made.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        made.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        World(made, dir)
    }

    fn mounts(&self) -> usize {
        let text = std::fs::read(format!("/proc/{}/mountinfo", self.0.id())).unwrap();
        text.iter().filter(|&&b| b == b'\n').count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It ends when its standard input does.
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Is the median of the ratios of rounds no more than is promised, at one of several looks?
fn holds(what: &str, contenders: [Contender; 2], promised: f64) -> bool {
    (0..LOOKS).any(|_| {
        let rounds = Rounds::run(&contenders, 21, Duration::from_secs(10));
        let [theirs, ours] = [0, 1].map(|who| rounds.of(who, Sample::wall)[1] * 1000.0);
        let ratio = rounds.ratio(1, 0, Sample::wall)[1];
        println!("{what} {theirs:.1} ms, nsinfo {ours:.1} ms, ratio {ratio:.2}, {} rounds", rounds.count());
        if ratio > promised {
            eprintln!("nsinfo takes more than {promised:.2} of the time of {what}");
        }
        ratio <= promised
    })
}

/// All mounts of a namespace that has very many.
pub(crate) fn many_mounts_are_cheap() -> bool {
    // All of it once more below itself, as long as the kernel lets that be (fs.mount-max) or it takes too long; then half of it.
    let script = "mkdir a; mount -t tmpfs t a; begin=$(date +%s); n=0
        while [ $(($(date +%s) - begin)) -lt 4 ]; do
            mkdir $((n + 1)); mount --rbind . $((n + 1)) || break; n=$((n + 1))
        done
        mkdir -p half; mount --rbind $n half || :";
    let world = World::make(script);
    let file = format!("/proc/{}/mountinfo", world.0.id());
    let what = format!("reading {} mounts", world.mounts());
    let ours = Contender::new("nsinfo", &format!("--mounts=flat {}", world.0.id()));
    holds(&what, [Contender::new("cat", &file), ours], READING)
}

/// The page of a process among others.
pub(crate) fn a_page_is_cheap() -> bool {
    let _load = Load::start(PROCESSES, 0);
    let world = World::make(&format!(
        "n=$(wc -l </proc/self/mountinfo)
        while [ $n -lt {USUAL} ]; do n=$((n + 1)); mkdir $n; mount -t tmpfs t $n; done"
    ));
    let pid = world.0.id().to_string();
    let theirs = Contender::new("findmnt", &format!("-N {pid}")).then("lsns", &["-p", &pid]);
    let what = format!("findmnt and lsns of {} mounts among {PROCESSES} processes", world.mounts());
    holds(&what, [theirs, Contender::new("nsinfo", &pid)], PAGE)
}
