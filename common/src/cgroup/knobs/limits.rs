//! The limits that are wanted, and what that means for the files of a group.

use super::values::cpus;
use super::{
    CPU_PERIOD, CPU_QUOTA, KNOBS, Knob, LEAST_QUOTA, OOM_SCORE, PERIOD, PERIODS, Spelling, Told, Value,
    device, weight,
};
use crate::cgroup::group::Version;
use crate::error::{Error, Result};

/// The limits of a device, each with its key in version 2.
const DEVICES: [(&str, &str); 4] = [
    ("device-read-bps", "rbps"),
    ("device-write-bps", "wbps"),
    ("device-read-iops", "riops"),
    ("device-write-iops", "wiops"),
];

/// How a file says what was written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// As it was written.
    #[default]
    Same,
    /// A number of bytes, rounded down to whole pages; the highest for no limit.
    Pages,
    /// In a line of its own, behind the key that is the first word, maybe with others.
    Line,
    /// As the last word of its first line.
    Word,
    /// Nobody knows: it was given as it is.
    Any,
}

/// A file of a group, and what is to be written to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// The controller whose file it is.
    pub controller: String,
    /// The file in the group's directory.
    pub file: String,
    /// What is written.
    pub value: String,
    /// How it is told then.
    pub shape: Shape,
    /// Where there is no such file: others, each with what is written to it.
    pub instead: Vec<(String, String)>,
    /// Of `cpu.max`, only the period was given: a quota that the group has already is kept.
    pub period_only: bool,
}

impl Setting {
    fn new(file: impl Into<String>, value: impl Into<String>, shape: Shape) -> Setting {
        Setting { file: file.into(), value: value.into(), shape, ..Setting::default() }
    }
}

/// The limits that are to be set.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    knobs: Vec<(&'static str, Value)>,
    /// Values for files that have no option, with the controller of each.
    raw: Vec<Setting>,
}

impl Limits {
    /// Sets the limit of this row from the text of its option.
    pub fn set(&mut self, knob: &'static Knob, text: &[u8]) -> Result<()> {
        let value =
            (knob.parse)(text).ok_or_else(|| refuse(knob.option, text, knob.controller, knob.takes))?;
        self.add(knob.option, value);
        Ok(())
    }

    fn add(&mut self, option: &'static str, value: Value) {
        // The last one counts, but for those that are for several devices.
        if !matches!(value, Value::Device(..)) {
            self.knobs.retain(|(known, _)| *known != option);
        }
        self.knobs.push((option, value));
    }

    /// Sets quota and period from a number of CPUs, such as 0.2. A quota below what the kernel takes is had
    /// by a longer period, so 0.001 is the least.
    pub fn set_cpus(&mut self, text: &[u8]) -> Result<()> {
        let takes = "a number of CPUs from 0.001, such as 0.2 or 1.5";
        let cpus = cpus(text).ok_or_else(|| refuse("cpus", text, "cpu", takes))?;
        self.add(CPU_QUOTA, Value::Cpus(cpus));
        Ok(())
    }

    /// Adds a value for a file that has no option: `FILE=VALUE`. It is written as it is.
    pub fn set_raw(&mut self, text: &[u8]) -> Result<()> {
        let refuse = |why: &str| {
            Error::refused([b"--set ", text, b": ", why.as_bytes()].concat())
                .with_hint("it takes FILE=VALUE, a file of a controller such as hugetlb.2MB.max=8M")
        };
        let equals = text.iter().position(|&b| b == b'=').ok_or_else(|| refuse("there is no = in it"))?;
        let (file, value) = (&text[..equals], &text[equals + 1..]);
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
        let dot = file.iter().position(|&b| b == b'.').filter(|&dot| dot > 0 && dot + 1 < file.len());
        let dot = dot.filter(|_| file.iter().all(plain));
        let dot = dot.ok_or_else(|| refuse("no file of a controller is called so"))?;
        match &file[..dot] {
            b"cgroup" => return Err(refuse("files of the group itself are not limits")),
            b"freezer" => {
                return Err(refuse("a program that is born frozen never begins")
                    .with_hint("--freeze NAME stops a group that runs, and --thaw NAME lets it go on"));
            }
            _ => {}
        }
        if value.is_empty() {
            return Err(refuse("the value is empty"));
        }
        if value.iter().any(|b| matches!(b, 0 | b'\n')) {
            return Err(refuse("the kernel would take only what stands before the end of a line"));
        }
        let value = std::str::from_utf8(value).map_err(|_| refuse("the value is not text"))?;
        let file = String::from_utf8_lossy(file).into_owned();
        let controller = file[..dot].to_string();
        self.raw.push(Setting { controller, ..Setting::new(file, value, Shape::Any) });
        Ok(())
    }

    /// Do they fit together? In groups that are `in_use`, some are there already.
    pub fn check(&self, in_use: bool) -> Result<()> {
        let has = |option| self.value(option).is_some();
        let refuse = |what: String, hint: &str| Err(Error::refused(what).with_hint(hint));
        for (one, other, hint) in [
            ("cpu-weight", "cpu-shares", "both are the share of CPU time: give one of them"),
            (
                "memory-swap",
                "swap",
                "one is memory and swap together, the other swap alone: give one of them",
            ),
            ("memory-low", "memory-reservation", "on version 2 they are the same: give one of them"),
        ] {
            if has(one) && has(other) {
                return refuse(format!("--{one} and --{other} do not go together"), hint);
            }
        }
        let (quota, period) = self.cpu_time();
        if quota.is_some_and(|quota| quota < LEAST_QUOTA) {
            let what = format!("--cpu-quota is less than 1000 microseconds in a period of {period}");
            return refuse(what, "that is the least that the kernel takes: choose a longer --cpu-period");
        }
        match (self.number("cpu-burst"), quota) {
            (Some(burst), Some(quota)) if burst > quota => {
                let what = format!("--cpu-burst {burst} is more than the quota, {quota} microseconds");
                return refuse(what, "no more can be kept than there is in a period");
            }
            (Some(1..), None) if !in_use || has(CPU_QUOTA) => {
                let what = "--cpu-burst was given, and no --cpu-quota of which to keep something";
                return refuse(what.into(), "for example: --cpu-quota 20000 --cpu-burst 20000");
            }
            _ => {}
        }
        if has("memory-swap") {
            let hint = "it is memory and swap together: --memory 1G --memory-swap 1G is no swap, and 2G as much swap as memory";
            if !has("memory") {
                return refuse("--memory-swap was given without --memory".into(), hint);
            }
            let [memory, total] =
                ["memory", "memory-swap"].map(|option| self.number(option).unwrap_or(u64::MAX));
            if total < memory {
                return refuse("--memory-swap is less than --memory".into(), hint);
            }
        }
        Ok(())
    }

    /// Is memory limited, and swap not?
    pub fn leaves_swap(&self) -> bool {
        let is_set = |option: &str| self.value(option).is_some();
        is_set("memory") && !is_set("memory-swap") && !is_set("swap")
    }

    /// Is none set?
    pub fn is_empty(&self) -> bool {
        self.knobs.is_empty() && self.raw.is_empty()
    }

    /// The controllers that it takes to set them, each once, in the order in which they are set.
    pub fn controllers(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let knobs = self.knobs().map(|knob| knob.controller);
        for name in knobs.chain(self.raw.iter().map(|raw| &raw.controller[..])) {
            if !name.is_empty() && !names.iter().any(|known| known == name) {
                names.push(name.into());
            }
        }
        names
    }

    /// What is set for this controller in a group of this version, in this order; an error where the version does not
    /// have it.
    pub fn settings(&self, controller: &str, version: Version) -> Result<Vec<Setting>> {
        let (settings, lacking) = self.settings_as_far(controller, version);
        lacking.into_iter().next().map_or(Ok(settings), Err)
    }

    /// The same as far as the version has it, and what it lacks.
    pub fn settings_as_far(&self, controller: &str, version: Version) -> (Vec<Setting>, Vec<Error>) {
        let (mut settings, mut lacking): (Vec<Setting>, Vec<Error>) = Default::default();
        for knob in self.knobs().filter(|knob| knob.controller == controller) {
            let Spelling { file, shape, told, .. } = *knob.spelling(version);
            let new = match told {
                Told::Text(text) => Ok(vec![Setting::new(file.unwrap_or_default(), text(self), shape)]),
                Told::Each(each) => each(self),
                Told::Not(why) => {
                    let number = if version == Version::V1 { 1 } else { 2 };
                    let what =
                        format!("version {number} of controller {controller} has no --{}", knob.option);
                    Err(Error::refused(what).with_hint(why))
                }
            };
            match new {
                Err(e) => lacking.push(e),
                // Some limits share a file, which is written once.
                Ok(new) => {
                    for setting in new {
                        let setting = Setting { controller: knob.controller_of(version).into(), ..setting };
                        if !settings.contains(&setting) {
                            settings.push(setting);
                        }
                    }
                }
            }
        }
        settings.extend(self.raw.iter().filter(|raw| raw.controller == controller).cloned());
        (settings, lacking)
    }

    /// Is it said on which CPUs the program runs? Then it shall run on all of them: the kernel keeps what it was bound to
    /// before, since Linux 6.2.
    pub fn sets_cpus(&self) -> bool {
        self.value("cpuset-cpus").is_some() || self.raw.iter().any(|raw| raw.file == "cpuset.cpus")
    }

    /// What the program is to write about itself before it begins: see [`crate::proc::oom::adjust`].
    pub fn oom_score_adj(&self) -> Option<i32> {
        match self.value(OOM_SCORE)? {
            Value::Signed(score) => Some(*score),
            _ => None,
        }
    }

    /// The rows of those that are set, in the order of the table.
    fn knobs(&self) -> impl Iterator<Item = &'static Knob> {
        KNOBS.iter().filter(|knob| self.value(knob.option).is_some())
    }

    fn value(&self, option: &str) -> Option<&Value> {
        self.knobs.iter().find(|(set, _)| *set == option).map(|(_, value)| value)
    }

    pub(super) fn number(&self, option: &str) -> Option<u64> {
        match self.value(option)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn number_of(&self, option: &str) -> String {
        self.number(option).unwrap_or_default().to_string()
    }

    /// Quota, if there is one, and period.
    pub(super) fn cpu_time(&self) -> (Option<u64>, u64) {
        let given = self.number(CPU_PERIOD);
        let period = given.unwrap_or(PERIOD);
        match self.value(CPU_QUOTA) {
            Some(Value::Number(quota)) => (Some(*quota), period),
            Some(Value::Cpus(cpus)) => {
                let too_little = cpus * PERIOD as f64 <= LEAST_QUOTA as f64 - 1e-6;
                let period = if given.is_none() && too_little { PERIODS.1 } else { period };
                (Some((cpus * period as f64).round() as u64), period)
            }
            _ => (None, period),
        }
    }

    /// Period, where it is not the usual one, and quota.
    pub(super) fn cfs(&self) -> Vec<Setting> {
        let (quota, period) = self.cpu_time();
        let other = self.number(CPU_PERIOD).is_some() || period != PERIOD;
        let period = other.then(|| Setting::new("cpu.cfs_period_us", period.to_string(), Shape::Same));
        let quota = quota.map_or("-1".into(), |quota| quota.to_string());
        period.into_iter().chain([Setting::new("cpu.cfs_quota_us", quota, Shape::Same)]).collect()
    }

    /// `cpu.max` is quota and period in one, and one alone would keep an older period.
    pub(super) fn cpu_max(&self) -> Setting {
        let (quota, period) = self.cpu_time();
        let value = format!("{} {period}", quota.map_or("max".into(), |quota| quota.to_string()));
        let period_only = self.value(CPU_QUOTA).is_none();
        Setting { period_only, ..Setting::new("cpu.max", value, Shape::Same) }
    }

    /// The share of CPU time, told to this file on its scale.
    pub(super) fn cpu_share(&self, file: &str, scale: fn(u64) -> u64) -> Vec<Setting> {
        vec![match self.number("cpu-weight") {
            Some(weight) => Setting::new(file, scale(weight).to_string(), Shape::Same),
            None => Setting::new("cpu.idle", "1", Shape::Same),
        }]
    }

    /// Memory and swap together without the memory. Nothing left is a limit too, and must be written.
    pub(super) fn swap_alone(&self) -> String {
        match (self.number("memory-swap"), self.number("memory")) {
            (Some(total), Some(memory)) => total.saturating_sub(memory).to_string(),
            _ => "max".into(),
        }
    }

    /// Swap alone with the memory.
    pub(super) fn memory_and_swap(&self) -> Result<Vec<Setting>> {
        let total = match (self.number("swap"), self.number("memory")) {
            (None, _) => "-1".to_string(),
            (Some(swap), Some(memory)) => memory.saturating_add(swap).to_string(),
            (Some(_), None) => {
                return Err(Error::refused("version 1 of controller memory has no --swap without --memory")
                    .with_hint("it counts memory and swap together: give a size to both"));
            }
        };
        Ok(vec![Setting::new("memory.memsw.limit_in_bytes", total, Shape::Pages)])
    }

    /// BFQ, where the kernel has it, has a file and a scale of its own.
    pub(super) fn io_weight(&self) -> Vec<Setting> {
        let weight = self.number("io-weight").unwrap_or_default();
        let other = ("io.weight".into(), format!("default {}", weight::io_weight(weight)));
        let bfq = Setting::new("io.bfq.weight", format!("default {weight}"), Shape::Word);
        vec![Setting { instead: vec![other], ..bfq }]
    }

    pub(super) fn list(&self, option: &str, file: &str) -> Result<Vec<Setting>> {
        let Some(Value::List(list)) = self.value(option) else { return Ok(Vec::new()) };
        // Without its prefix where version 1 was mounted so.
        let bare = file.trim_start_matches("cpuset.").to_string();
        let instead = vec![(bare, list.clone())];
        Ok(vec![Setting { instead, ..Setting::new(file, list.as_str(), Shape::Same) }])
    }

    /// The devices of one of their limits, each with what holds for it; the last one counts.
    fn devices(&self, option: &str) -> Result<Vec<(String, Option<u64>)>> {
        let mut found: Vec<(String, Option<u64>)> = Vec::new();
        for (_, value) in self.knobs.iter().filter(|(set, _)| *set == option) {
            if let Value::Device(name, most) = value {
                let disk = device::of(name).map_err(|e| e.of_controllers(&["io"]))?;
                found.retain(|(known, _)| *known != disk);
                found.push((disk, *most));
            }
        }
        Ok(found)
    }

    /// A line for each device; 0 is no limit.
    pub(super) fn throttle(&self, option: &str, file: &str) -> Result<Vec<Setting>> {
        let line = |(disk, most): (String, Option<u64>)| {
            Setting::new(file, format!("{disk} {}", most.unwrap_or(0)), Shape::Line)
        };
        Ok(self.devices(option)?.into_iter().map(line).collect())
    }

    /// A line for each device, with all that is known of it: the kernel takes one device in one write.
    pub(super) fn io_max(&self) -> Result<Vec<Setting>> {
        let mut lines: Vec<(String, String)> = Vec::new();
        for (option, key) in DEVICES {
            for (disk, most) in self.devices(option)? {
                let most = most.map_or("max".into(), |most| most.to_string());
                let told = format!(" {key}={most}");
                match lines.iter_mut().find(|(known, _)| *known == disk) {
                    Some((_, line)) => *line += &told,
                    None => lines.push((disk.clone(), disk + &told)),
                }
            }
        }
        Ok(lines.into_iter().map(|(_, line)| Setting::new("io.max", line, Shape::Line)).collect())
    }
}

fn refuse(option: &str, text: &[u8], controller: &str, takes: &str) -> Error {
    let of = if controller.is_empty() { String::new() } else { format!(" (controller {controller})") };
    let end = format!(" is out of range{of}");
    Error::refused([b"--", option.as_bytes(), b" ", text, end.as_bytes()].concat())
        .with_hint(format!("it takes {takes}"))
}
