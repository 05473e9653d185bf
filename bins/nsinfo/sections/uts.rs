//! Its uts namespace: names of the host.

use common::error::{Error, Result};
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
        Uts { host_name: subject.host_name() }
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
