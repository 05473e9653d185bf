//! What nsinfo may be asked: its options and the request that they make.

use std::path::PathBuf;

use clap::Command;
use common::error::Result;
use common::ns::refer::Ref;
use common::tool::args::{Dialect, Matches, Opt, operand, switch, valued};
use common::tool::{LISTER, Tool};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "nsinfo",
    options,
    command,
    dialect: Dialect { ours: &[], attached: true, program: false },
    failure: LISTER,
    columns: Vec::new,
    parts: Vec::new,
};

/// What was asked.
pub(crate) struct Request {
    /// The process; nsinfo itself where none is named.
    pub(crate) process: Option<Ref>,
    pub(crate) json: bool,
    /// Where to read.
    pub(crate) proc: PathBuf,
}

/// The options.
fn options() -> Vec<Opt> {
    vec![
        switch(Some('J'), "json", "Print JSON"),
        valued(None, "proc", "DIR", "Read this directory instead of /proc"),
        operand(
            "process",
            "REF",
            "The process to be shown: PID, PID/TID, ctr:NAME or another form of nskit(7) [default: nsinfo itself]",
        ),
    ]
}

/// The same for clap.
fn command() -> Command {
    Command::new(TOOL.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Shows the world of a process: its namespaces, ids, mounts and cgroups.")
        .override_usage("nsinfo [OPTIONS] [REF]")
        .args(options().iter().map(Opt::arg))
}

/// Reads the options into a request.
pub(crate) fn request(matches: &Matches) -> Result<Request> {
    Ok(Request {
        process: matches
            .value("process")
            .map(|word| Ref::process(word, "`rlsns NAMESPACE` lists its processes"))
            .transpose()?,
        json: matches.has("json"),
        proc: matches.value("proc").map_or("/proc".into(), PathBuf::from),
    })
}
