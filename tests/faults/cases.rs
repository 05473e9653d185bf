//! The runs in which calls are made to fail: one row each.

/// A run of a tool.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) tool: &'static str,
    /// In these `TARGET` stands for the PID of a process with namespaces of its own, `USERS` for one whose
    /// owner is the ordinary user, `NESTED` for one in a user namespace below another of that user's, `PARENT` for a group without processes in each hierarchy, `GROUP` for
    /// one below it, `PIN` for a file to which a namespace can be bound, and `EMPTY` for a word without letters.
    pub(crate) args: &'static str,
    /// As an ordinary user.
    pub(crate) user: bool,
    /// A part of what a good run prints. The whole must be as without a fault; where a thing looks gone or
    /// forbidden and the tool may leave it out, this must still be there.
    pub(crate) prints: &'static str,
}

impl Case {
    /// Does a good run leave a namespace bound to the file?
    pub(crate) fn pins(&self) -> bool {
        self.args.contains("PIN")
    }
}

const fn root(name: &'static str, tool: &'static str, args: &'static str, prints: &'static str) -> Case {
    Case { name, tool, args, user: false, prints }
}

const fn user(name: &'static str, tool: &'static str, args: &'static str, prints: &'static str) -> Case {
    Case { name, tool, args, user: true, prints }
}

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    root("rlsns",                 "rlsns",    "",                                              "NPROCS"),
    root("rlsns -t net",          "rlsns",    "-t net",                                        "NPROCS"),
    root("rlsns -J",              "rlsns",    "-J",                                            "\"namespaces\": ["),
    root("rlsns -T",              "rlsns",    "-T -o +ppid,uid,user",                          "NPROCS"),
    root("rlsns -o container",    "rlsns",    "-o +container,pod,unit,source",                  "NPROCS"),
    root("rlsns -p",              "rlsns",    "-p TARGET",                                     "NPROCS"),
    root("rlsns --why",           "rlsns",    "--why NET -n -u",                                "process"),
    root("rlsns --leaks",         "rlsns",    "--leaks -r",                                    "HOLDER"),
    root("rnsenter -n",           "rnsenter", "-t TARGET -n /bin/echo ran",                    "ran\n"),
    root("rnsenter -a",           "rnsenter", "-t TARGET -a /bin/echo ran",                    "ran\n"),
    root("rnsenter -p",           "rnsenter", "-t TARGET -p -r -w /bin/echo ran",              "ran\n"),
    root("rnsenter -U",           "rnsenter", "-t USERS -U -n /bin/echo ran",                  "ran\n"),
    root("rnsenter -t net:[]",    "rnsenter", "-t NET /bin/echo ran",                          "ran\n"),
    root("rnsenter -t ctr:",      "rnsenter", "-t ctr:CONTAINER -n /bin/echo ran",             "ran\n"),
    root("rnsenter --net=cg:",    "rnsenter", "--net=cg:/PARENT /bin/echo ran",                "ran\n"),
    root("rnsenter PID/TID",      "rnsenter", "-t TARGET/TARGET -n -u /bin/echo ran",          "ran\n"),
    root("rnsenter -c",           "rnsenter", "-t TARGET -c /bin/echo ran",                    "ran\n"),
    root("rnsenter -c -p",        "rnsenter", "-t TARGET -c -p -n /bin/echo ran",              "ran\n"),
    root("rnsenter --pty",        "rnsenter", "-t TARGET -m -n --pty /bin/echo ran",           "ran\r\n"),
    root("rnsenter --pty -p",     "rnsenter", "-t TARGET -p -n --pty /bin/echo ran",           "ran\r\n"),
    root("rnsenter --as-target",  "rnsenter", "-t TARGET --as-target /bin/echo ran",           "ran\n"),
    root("rnsenter --as-target USERS", "rnsenter", "-t USERS --as-target /bin/echo ran",       "ran\n"),
    root("rnsenter -e",           "rnsenter", "-t TARGET -n -e /bin/echo ran",                 "ran\n"),
    root("rnsenter -W",           "rnsenter", "-t TARGET -m -W /usr /bin/echo ran",            "ran\n"),
    root("rnsenter --user-parent", "rnsenter", "-t NESTED --user-parent /bin/echo ran",        "ran\n"),
    root("rnsenter -N",           "rnsenter", "-t TARGET -N 0 /bin/echo ran",                  "ran\n"),
    root("rnsenter --mount-proc", "rnsenter", "-t TARGET -p --mount-proc /bin/echo ran",       "ran\n"),
    root("rnsenter --kill-child", "rnsenter", "-t TARGET -p --kill-child /bin/echo ran",       "ran\n"),
    root("rnsenter -S follow",    "rnsenter", "-t USERS -U -S follow -G follow /bin/echo ran", "ran\n"),
    root("rnsenter --user=FILE -S follow", "rnsenter", "-t USERS --user=/proc/NESTED/ns/user -S follow -G follow --keep-caps /bin/echo ran", "ran\n"),
    root("rnsenter --dry-run",    "rnsenter", "-t TARGET --as-target --dry-run /bin/echo ran", "exec /bin/echo ran"),
    root("runshare -u",           "runshare", "-u /bin/echo ran",                              "ran\n"),
    root("runshare -fn",          "runshare", "-fn /bin/echo ran",                             "ran\n"),
    root("runshare --mount-proc", "runshare", "-fp --mount-proc /bin/echo ran",                "ran\n"),
    root("runshare -Ur",          "runshare", "-Ur /bin/echo ran",                             "ran\n"),
    root("runshare --kill-child", "runshare", "-fp --kill-child --wd / /bin/echo ran",         "ran\n"),
    root("runshare --pivot-root", "runshare", "-fp --pivot-root / --mount-proc --bind /usr:/mnt:ro --tmpfs /media /bin/echo ran", "ran\n"),
    root("runshare --overlay",    "runshare", "--pivot-root /usr --overlay --bind /:/new /new/bin/echo ran", "ran\n"),
    root("runshare --map-users",  "runshare", "-r --map-users 1:100000:10 /bin/echo ran",      "ran\n"),
    root("runshare --owner",      "runshare", "-f -r --owner 1000:1000 /bin/echo ran",         "ran\n"),
    root("runshare --uts=FILE",   "runshare", "--uts=PIN /bin/echo ran",                       "ran\n"),
    root("runshare -f --uts=FILE", "runshare", "-f --uts=PIN /bin/echo ran",                   "ran\n"),
    root("runshare --init",       "runshare", "--init --mount-proc /bin/echo ran",             "ran\n"),
    root("runshare -S -G",        "runshare", "-r --map-users 1:1:10 --map-groups 1:1:10 --keep-caps -S 1 -G 1 /bin/echo ran", "ran\n"),
    root("runshare --monotonic",  "runshare", "-T --monotonic 100 --boottime 100 -f /bin/echo ran", "ran\n"),
    root("runshare --whitelist-env", "runshare", "--clear-env --whitelist-env PATH,HOME -u /bin/echo ran", "ran\n"),
    root("runshare --hostname",   "runshare", "--hostname h --domainname d --loopback /bin/echo ran", "ran\n"),
    root("runshare --info-fd",    "runshare", "-fp --info-fd 1 /bin/true",                     "\"pid_inside\""),
    root("runshare --explain",    "runshare", "-fp --explain --init --map-users 1:1:10 /bin/echo ran", "exec /bin/echo ran"),
    root("rcgexec limits",        "rcgexec",  "--parent PARENT --pids-limit 50 --cpu-quota 50000 /bin/echo ran", "ran\n"),
    root("rcgexec -g",            "rcgexec",  "-g cpu,pids:GROUP /bin/echo ran",               "ran\n"),
    root("rcgexec --dry-run",     "rcgexec",  "--parent PARENT --pids-limit 50 --dry-run /bin/echo ran", "write 50 to "),
    root("rcgexec --summary",     "rcgexec",  "--parent PARENT --pids-limit 50 --summary=/dev/null /bin/echo ran", "ran\n"),
    root("rcgexec --timeout",     "rcgexec",  "--parent PARENT --timeout 100 /bin/echo ran", "ran\n"),
    root("rcgexec --no-kill",     "rcgexec",  "--parent PARENT --no-kill /bin/echo ran", "ran\n"),
    root("rcgexec --create",      "rcgexec",  "-g cpu,pids:GROUP --create /bin/echo ran", "ran\n"),
    root("rcgexec --name",        "rcgexec",  "--parent PARENT --name box --pids-limit 50 --dry-run", "write 50 to "),
    root("rcgexec --list",        "rcgexec",  "--parent PARENT --list", ""),
    root("rcgexec --gc",          "rcgexec",  "--parent PARENT --gc", ""),
    root("nsinfo",                "nsinfo",   "TARGET",                                        "process"),
    root("nsinfo --json",         "nsinfo",   "--json TARGET",                                 "\"process\""),
    root("nsinfo --section net",  "nsinfo",   "TARGET --section net",                          "net\n"),
    root("nsinfo --vs",           "nsinfo",   "--vs TARGET USERS",                             "namespaces"),
    root("nsinfo --can",          "nsinfo",   "--can TARGET USERS",                            "answer"),
    root("nsinfo --system",       "nsinfo",   "--system",                                      "control groups"),
    root("nsinfo --tree",         "nsinfo",   "--tree TARGET",                                 "user"),
    root("rlsns --complete",      "rlsns",    "--complete reference EMPTY",                      "self\t"),
    // Not those in which it is the only process that it may look at.
    user("rlsns",                 "rlsns",    "-t uts,ipc,mnt,pid",                            "NPROCS"),
    user("rnsenter -U",           "rnsenter", "-t USERS -U --preserve-credentials -n /bin/echo ran", "ran\n"),
    user("rnsenter --as-target",  "rnsenter", "-t USERS --as-target /bin/echo ran",            "ran\n"),
    user("rnsenter --dry-run",    "rnsenter", "-t USERS --as-target --dry-run /bin/echo ran",  "exec /bin/echo ran"),
    user("runshare -Ur",          "runshare", "-Ur /bin/echo ran",                             "ran\n"),
    user("runshare -Urfp",        "runshare", "-Urfp --mount-proc /bin/echo ran",              "ran\n"),
    user("runshare --pivot-root", "runshare", "-rfp --pivot-root / --mount-proc --bind /usr:/mnt:ro --tmpfs /media /bin/echo ran", "ran\n"),
    user("runshare -r --init",    "runshare", "-r --init --mount-proc --hostname h --loopback --keep-caps /bin/echo ran", "ran\n"),
    user("runshare -r -S -G",     "runshare", "-r --kill-child -S 0 -G 0 --whitelist-env PATH /bin/echo ran", "ran\n"),
    user("runshare -r --overlay", "runshare", "-r --pivot-root /usr --overlay --bind /:/new /new/bin/echo ran", "ran\n"),
    user("rcgexec limits",        "rcgexec",  "--parent PARENT --pids-limit 50 /bin/echo ran",           "ran\n"),
    user("nsinfo",                "nsinfo",   "USERS",                                         "process"),
];
