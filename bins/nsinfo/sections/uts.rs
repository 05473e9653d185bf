//! Its uts namespace: names of the host.

use common::error::{Error, Result};
use common::kind::Kind;
use common::ns::visit;
use common::proc::HostName;
use common::tool::json::Value;

use super::super::page::Page;
use super::super::subject::{Subject, Thing};
use super::{Part, missing, or_null, text};

/// The facts.
pub(crate) struct Uts {
    pub(crate) host_name: Result<Vec<u8>>,
    /// For NIS; `(none)` where nobody has set one.
    pub(crate) domain_name: Result<Vec<u8>>,
}

impl Uts {
    pub(crate) fn take(subject: &Subject<'_>) -> Uts {
        match names(subject) {
            Ok([host_name, domain_name]) => Uts { host_name, domain_name },
            Err(e) => Uts { host_name: Err(e.clone()), domain_name: Err(e) },
        }
    }
}

/// Our own names if it has them too, else those inside its uts namespace.
fn names(subject: &Subject<'_>) -> Result<[Result<Vec<u8>>; 2]> {
    subject.namespaces.as_ref().map_err(Error::clone)?;
    let files = || [subject.proc.host_name(), subject.proc.domain_name()];
    if subject.shares(Kind::Uts, &subject.ours) == Some(true) {
        return Ok(files().map(|file| file.and_then(HostName::read)));
    }
    if subject.how.no_enter {
        return Err(Error::refused("not entered, as --no-enter says"));
    }
    let [host, domain] = files();
    let (host, domain) = (host?, domain?);
    // No name holds a zero byte.
    let look = || Ok([host.read()?, domain.read()?].join(&0));
    let seen = match &subject.thing {
        Thing::Process(process) => visit::inside_of(&process.task, Kind::Uts, "host name", look),
        Thing::Namespace(ns) => visit::inside(ns, "host name", look),
    }?;
    let mut names = seen.split(|&b| b == 0).map(<[u8]>::to_vec);
    let mut next = || Ok(names.next().unwrap_or_default());
    Ok([next(), next()])
}

impl Part for Uts {
    fn page(&self, page: &mut Page) {
        for (label, name) in [("host name", &self.host_name), ("domain name", &self.domain_name)] {
            match name {
                Ok(name) => page.line(label, &page.show(name)),
                Err(e) => page.missing(label, e),
            }
        }
    }

    fn json(&self) -> Value {
        Value::Object(vec![
            ("host_name", or_null(&self.host_name, |name| text(name.as_slice()))),
            ("domain_name", or_null(&self.domain_name, |name| text(name.as_slice()))),
        ])
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        missing([
            ("host_name", self.host_name.as_ref().err()),
            ("domain_name", self.domain_name.as_ref().err()),
        ])
    }
}
