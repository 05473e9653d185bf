//! How idmapped mounts change ids, for people.

use std::collections::BTreeMap;

use common::error::Result;
use common::proc::idmap::Range;
use common::proc::mounts::listed::Maps;

use super::super::super::page::Page;
use super::Seen;

impl Seen {
    pub(super) fn maps(&self, page: &mut Page, maps: &Result<BTreeMap<u64, Maps>>) {
        let maps = match maps {
            Ok(maps) => maps,
            Err(e) => return page.missing("idmapped", e),
        };
        for mount in self.table.iter().filter(super::is_idmapped) {
            let point = page.show(mount.point);
            let Some(Maps { users, groups }) = maps.get(&mount.id) else { continue };
            page.line("idmapped", &point);
            for (what, map) in [("uids", users), ("gids", groups)] {
                map.ranges.iter().for_each(|range| page.line("", &spelled(what, range)));
                if map.ranges.is_empty() {
                    page.line("", &format!("no {what}"));
                }
            }
        }
    }
}

fn spelled(what: &str, range: &Range) -> String {
    let span = |first: u32| match range.count {
        1 => first.to_string(),
        count => format!("{first}-{}", u64::from(first) + u64::from(count).saturating_sub(1)),
    };
    format!("{what} {} stored = {} there", span(range.inside), range.outside.map_or("none".into(), span))
}
