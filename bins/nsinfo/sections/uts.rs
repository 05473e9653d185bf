//! Its uts namespace: names of the host.

use common::error::{Error, Result};
use common::tool::json::Value;

use super::super::page::Page;
use super::super::subject::Subject;
use super::{Part, missing, or_null, text};

/// The facts.
pub(crate) struct Uts {
    pub(crate) host_name: Result<Vec<u8>>,
    /// For NIS; `(none)` where nobody has set one.
    pub(crate) domain_name: Result<Vec<u8>>,
}

impl Uts {
    pub(crate) fn take(subject: &Subject<'_>) -> Uts {
        match subject.names() {
            Ok([host_name, domain_name]) => Uts { host_name, domain_name },
            Err(e) => Uts { host_name: Err(e.clone()), domain_name: Err(e) },
        }
    }
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
