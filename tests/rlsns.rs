//! rlsns.

#[test]
fn a_net_namespace_is_listed() {
    let t = rings!(Host, User);
    let options = ["-Ur", "-n"];
    let held = t.hold("unshare", &options);
    let ino = crate::harness::inode(held.pid(), "net");
    let text = t.tool("rlsns").args(["-t", "net", "-n", "-l", "-o", "ns,nprocs,pid"]).run().ok();
    assert!(text.contains(&format!("{ino}      1 {}\n", held.pid())), "{text}");
}
