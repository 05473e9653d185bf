//! What nsinfo may be asked: its options and the request that they make.

use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgMatches, Command};
use common::error::Result;
use common::ns::refer::Ref;
use common::tool::args::{self, Dialect, switch, valued};
use common::tool::{LISTER, Tool};

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    name: "nsinfo",
    command,
    dialect: Dialect { ours: &[], attached: true, program: false },
    failure: LISTER,
    columns: Vec::new,
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
pub(crate) fn command() -> Command {
    Command::new(TOOL.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Shows the world of a process: its namespaces, ids, mounts and cgroups.")
        .override_usage("nsinfo [OPTIONS] [REF]")
        .args([
            switch(Some('J'), "json", "Print JSON"),
            valued(None, "proc", "DIR", "Read this directory instead of /proc"),
            Arg::new("process")
                .value_name("REF")
                .value_parser(OsStringValueParser::new())
                .help("The process to be shown: PID, PID/TID, ctr:NAME or another form of nskit(7) [default: nsinfo itself]"),
        ])
}

/// Reads the options into a request.
pub(crate) fn request(matches: &ArgMatches) -> Result<Request> {
    Ok(Request {
        process: args::value(matches, "process")
            .map(|word| Ref::process(word, "`rlsns NAMESPACE` lists its processes"))
            .transpose()?,
        json: matches.get_flag("json"),
        proc: args::value(matches, "proc").map_or("/proc".into(), PathBuf::from),
    })
}
