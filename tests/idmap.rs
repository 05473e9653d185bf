//! Maps of ids written for a user namespace from outside of it, on the live kernel.

use common::proc::Proc;
use common::proc::credentials::effective;
use common::proc::idmap::{IdMap, setgroups};
use common::proc::mapping::{
    Asked, Extent, Mapping, Setgroups, Single, plan, write_groups, write_setgroups, write_users,
};

#[test]
fn a_map_is_written_once_for_another_process() {
    let t = rings!(Host, User);
    let held = t.hold("unshare", &["-U"]);
    let task = Proc::system().unwrap().task(held.pid()).unwrap();
    let (uid, gid) = effective();
    let single = |outside| Mapping::from(Single { inside: 5, outside });
    write_setgroups(Some(&task), Setgroups::Deny).unwrap();
    write_setgroups(Some(&task), Setgroups::Deny).unwrap();
    write_users(Some(&task), &single(uid)).unwrap();
    write_groups(Some(&task), &single(gid)).unwrap();
    assert_eq!(setgroups(&task).unwrap(), b"deny");
    for (map, outside) in [(IdMap::of_users(&task), uid), (IdMap::of_groups(&task), gid)] {
        let map = map.unwrap();
        assert_eq!((map.inside(outside), map.outside(5), map.ranges.len()), (Some(5), Some(outside), 1));
    }
    let again = write_users(Some(&task), &single(uid)).unwrap_err();
    assert_eq!(again.to_string(), format!("write \"5 {uid} 1\" to uid_map: Operation not permitted"));
    // No more where the groups are mapped; and it was never allowed again.
    for word in [Setgroups::Deny, Setgroups::Allow] {
        assert!(write_setgroups(Some(&task), word).unwrap_err().is_denied(), "{word:?}");
    }
}

/// The limits of the plan are the kernel's: what it lets through is taken, and one line or byte more is not.
#[test]
fn every_map_that_is_planned_is_one_that_the_kernel_takes() {
    let t = rings!(Host);
    let many = |lines: u32, far: u32| {
        (0..lines).map(move |at| Extent { inside: Some(far + at * 2), outside: far + at * 2, count: 1 })
    };
    let asked = |text: &[u8]| match Asked::parse(text) {
        Ok(Asked::Range(line)) => Extent::from(line),
        odd => panic!("{odd:?}"),
    };
    let single = Some(Single { inside: 5, outside: 0 });
    let subids = Extent { inside: None, outside: 200_000, count: 65536 };
    let cases: [(Option<Single>, Vec<Extent>); 6] = [
        (single, vec![asked(b"0:0:10")]),
        (single, vec![subids, asked(b"1000,70000,10")]),
        (None, vec![asked(b"0:0:4294967295")]),
        (Some(Single { inside: u32::MAX - 1, outside: 0 }), vec![asked(b"0:0:4294967295")]),
        (None, many(340, 0).collect()),
        (None, many(186, 100_000_000).collect()),
    ];
    for (single, extents) in cases {
        let mapping = plan(single, &extents).unwrap();
        let held = t.hold("unshare", &["-U"]);
        let task = Proc::system().unwrap().task(held.pid()).unwrap();
        write_users(Some(&task), &mapping).unwrap();
        write_groups(Some(&task), &mapping).unwrap();
        assert_eq!(setgroups(&task).unwrap(), b"allow");
        for map in [IdMap::of_users(&task), IdMap::of_groups(&task)] {
            let mut found: Vec<_> =
                map.unwrap().ranges.iter().map(|r| (r.inside, r.outside, r.count)).collect();
            let mut planned: Vec<_> =
                mapping.lines.iter().map(|line| (line.inside, Some(line.outside), line.count)).collect();
            // The kernel sorts those that are many.
            found.sort_unstable();
            planned.sort_unstable();
            assert_eq!(found, planned);
        }
    }
}
