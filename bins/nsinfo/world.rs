//! The world of one process or namespace: its sections, taken at one time.

use common::error::{Error, Result};
use common::tool::json::Value;

use super::last::Last;
use super::page::Page;
use super::sections::{Part, SECTIONS, Section, namespace};
use super::subject::{Subject, Thing};

/// Plain data: nothing in it asks the kernel.
pub(crate) struct World {
    pub(crate) parts: Vec<(&'static Section, Box<dyn Part>)>,
    /// What to do next; not where only some sections are asked for.
    pub(crate) last: Option<Last>,
}

impl World {
    /// Reads those of the sections that are asked for. An error if the process, or the one by which a namespace is
    /// read, ends meanwhile.
    pub(crate) fn take(subject: &Subject<'_>, asked: &[&'static Section]) -> Result<World> {
        let tells = |section: &&Section| match &subject.thing {
            Thing::Process(_) => section.name != namespace::NAME,
            Thing::Namespace(place) => section.name == namespace::NAME || section.kind == Some(place.ns.kind),
        };
        let chosen = SECTIONS.iter().filter(tells);
        let chosen = chosen.filter(|row| asked.is_empty() || asked.iter().any(|one| one.name == row.name));
        let parts = chosen.map(|section| (section, (section.take)(subject))).collect();
        let last = if asked.is_empty() { Last::take(subject) } else { None };
        // That this can still be asked says that it was there all the time.
        subject.is_there()?;
        Ok(World { parts, last })
    }

    /// For people.
    pub(crate) fn page(&self, page: &mut Page) {
        for (section, part) in &self.parts {
            page.heading(section.name);
            part.page(page);
        }
        if let Some(last) = &self.last {
            last.page(page);
        }
    }

    /// What could not be read is null, and `unreadable` says why.
    pub(crate) fn json(&self) -> Value {
        let mut members: Vec<_> =
            self.parts.iter().map(|(section, part)| (section.name, part.json())).collect();
        let missing = self.parts.iter().flat_map(|(section, part)| {
            part.missing().into_iter().map(|(key, error)| reason(section.name, key, error))
        });
        if let Some(last) = &self.last {
            members.extend([("enter", last.enter_json()), ("recreate", last.recreate_json())]);
        }
        members.push(("unreadable", Value::List(missing.collect())));
        Value::Object(members)
    }
}

fn reason(section: &str, key: &str, error: &Error) -> Value {
    let key = [section, key].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(".");
    Value::Object(vec![("key", Value::Text(key.into())), ("reason", Value::Text(error.to_string().into()))])
}
