//! Its uts namespace: names of the host.

use common::error::{Error, Result};
use common::kind::Kind;
use common::ns::visit;
use common::tool::json::Value;

use super::super::page::Page;
use super::super::subject::Subject;
use super::{Part, missing, or_null, text};

/// The facts.
pub(crate) struct Uts {
    pub(crate) host_name: Result<Vec<u8>>,
}

impl Uts {
    pub(crate) fn take(subject: &Subject<'_>) -> Uts {
        Uts { host_name: host_name(subject) }
    }
}

/// Our own host name if the process has it too, else that inside its uts namespace.
fn host_name(subject: &Subject<'_>) -> Result<Vec<u8>> {
    subject.namespaces.as_ref().map_err(Error::clone)?;
    match subject.shares(Kind::Uts, &subject.ours) {
        Some(true) => subject.proc.host_name()?.read(),
        _ => visit::host_name(subject.proc, subject.task()?),
    }
}

impl Part for Uts {
    fn page(&self, page: &mut Page) {
        match &self.host_name {
            Ok(name) => page.line("host name", &page.show(name)),
            Err(e) => page.missing("host name", e),
        }
    }

    fn json(&self) -> Value {
        Value::Object(vec![("host_name", or_null(&self.host_name, |name| text(name.as_slice())))])
    }

    fn missing(&self) -> Vec<(&'static str, &Error)> {
        missing([("host_name", self.host_name.as_ref().err())])
    }
}
