# runshare: completion for fish. Made by `make docs` out of the options: do not edit.

# Prints the program and its arguments, each with a NUL after it; fails while options are still typed.
function __runshare_program
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    argparse -s 'U/user=?' 'C/cgroup=?' 'i/ipc=?' 'u/uts=?' 'n/net=?' 'p/pid=?' 'm/mount=?' 'T/time=?' 'f/fork' 'forward-signals' 'kill-child=?' 'init' 'map-user=+' 'map-group=+' 'r/map-root-user' 'c/map-current-user' 'map-users=+' 'map-groups=+' 'map-auto' 'map-subids' 'owner=+' 'setgroups=+' 'propagation=+' 'R/root=+' 'pivot-root=+' 'overlay=?' 'bind=+' 'tmpfs=+' 'mount-proc=?' 'mount-binfmt=?' 'l/load-interp=+' 'w/wd=+' 'hostname=+' 'domainname=+' 'loopback' 'monotonic=+' 'boottime=+' 'S/setuid=+' 'G/setgid=+' 'keep-caps' 'clear-env' 'whitelist-env=+' 'info-fd=+' 'explain' 'h/help' 'V/version' -- $words 2>/dev/null
    or return 1
    set -q argv[1]; and not string match -q -- '-*' "$argv[1]"
    or return 1
    string join0 -- $argv
end

function __runshare_complete_program
    __fish_complete_subcommand --commandline (__runshare_program | string split0)
end

complete -c runshare -n 'not __runshare_program >/dev/null' -s U -l user -F -d 'New namespace of user and group ids, capabilities; FILE keeps it'
complete -c runshare -n 'not __runshare_program >/dev/null' -s C -l cgroup -F -d 'New namespace of the root of the cgroup tree; FILE keeps it'
complete -c runshare -n 'not __runshare_program >/dev/null' -s i -l ipc -F -d 'New namespace of System V IPC and POSIX message queues; FILE keeps it'
complete -c runshare -n 'not __runshare_program >/dev/null' -s u -l uts -F -d 'New namespace of host name and domain name; FILE keeps it'
complete -c runshare -n 'not __runshare_program >/dev/null' -s n -l net -F -d 'New namespace of network devices, addresses, ports; FILE keeps it'
complete -c runshare -n 'not __runshare_program >/dev/null' -s p -l pid -F -d 'New namespace of process ids; FILE keeps it'
complete -c runshare -n 'not __runshare_program >/dev/null' -s m -l mount -F -d 'New namespace of mount points; FILE keeps it'
complete -c runshare -n 'not __runshare_program >/dev/null' -s T -l time -F -d 'New namespace of monotonic and boot-time clocks; FILE keeps it'
complete -c runshare -n 'not __runshare_program >/dev/null' -s f -l fork -d 'Run the program as a child process'
complete -c runshare -n 'not __runshare_program >/dev/null' -l forward-signals -d 'The same: signals are always passed on'
complete -c runshare -n 'not __runshare_program >/dev/null' -l kill-child -f -a '\'HUP\' \'INT\' \'QUIT\' \'ILL\' \'TRAP\' \'ABRT\' \'BUS\' \'FPE\' \'KILL\' \'USR1\' \'SEGV\' \'USR2\' \'PIPE\' \'ALRM\' \'TERM\' \'STKFLT\' \'CHLD\' \'CONT\' \'STOP\' \'TSTP\' \'TTIN\' \'TTOU\' \'URG\' \'XCPU\' \'XFSZ\' \'VTALRM\' \'PROF\' \'WINCH\' \'IO\' \'PWR\' \'SYS\'' -d 'Signal for the program when we end, however we end; implies --fork [default: KILL]'
complete -c runshare -n 'not __runshare_program >/dev/null' -l init -d 'Run the program below an init, which collects orphans; implies --fork --pid'
complete -c runshare -n 'not __runshare_program >/dev/null' -l map-user -r -f -d 'Map our user to this one; implies --user'
complete -c runshare -n 'not __runshare_program >/dev/null' -l map-group -r -f -d 'Map our group to this one; implies --user'
complete -c runshare -n 'not __runshare_program >/dev/null' -s r -l map-root-user -d 'Map our user and group to root; implies --user'
complete -c runshare -n 'not __runshare_program >/dev/null' -s c -l map-current-user -d 'Map our user and group to themselves; implies --user'
complete -c runshare -n 'not __runshare_program >/dev/null' -l map-users -r -f -a '\'auto	subordinate ids, from 0 on inside\' \'subids	subordinate ids, the same inside\' \'all	all ids, the same inside\'' -d 'Map users: INNER:OUTER:COUNT, auto, subids or all; implies --user, can be repeated'
complete -c runshare -n 'not __runshare_program >/dev/null' -l map-groups -r -f -a '\'auto	subordinate ids, from 0 on inside\' \'subids	subordinate ids, the same inside\' \'all	all ids, the same inside\'' -d 'Map groups likewise'
complete -c runshare -n 'not __runshare_program >/dev/null' -l map-auto -d 'Map our subordinate ids, from 0 on: --map-users=auto --map-groups=auto'
complete -c runshare -n 'not __runshare_program >/dev/null' -l map-subids -d 'Map our subordinate ids to themselves: --map-users=subids --map-groups=subids'
complete -c runshare -n 'not __runshare_program >/dev/null' -l owner -r -f -d 'Who owns the new user namespace; implies --user'
complete -c runshare -n 'not __runshare_program >/dev/null' -l setgroups -r -f -a '\'allow\' \'deny\'' -d 'Whether setgroups(2) can be called inside'
complete -c runshare -n 'not __runshare_program >/dev/null' -l propagation -r -f -a '\'private	mounts and unmounts travel neither way\' \'shared	they travel both ways\' \'slave	they travel only into the new namespace\' \'unchanged	leave it as it is\'' -d 'Propagation of mounts in a new mount namespace: private, shared, slave, unchanged [default: private]'
complete -c runshare -n 'not __runshare_program >/dev/null' -s R -l root -r -f -a '(__fish_complete_directories)' -d 'Set the root directory by chroot(2)'
complete -c runshare -n 'not __runshare_program >/dev/null' -l pivot-root -r -f -a '(__fish_complete_directories)' -d 'Set it by pivot_root(2), and unmount the old one; implies --mount'
complete -c runshare -n 'not __runshare_program >/dev/null' -l overlay -f -a '(__fish_complete_directories)' -d 'Write into DIR, or memory, instead of the root; implies --mount'
complete -c runshare -n 'not __runshare_program >/dev/null' -l bind -r -F -d 'Bind SRC to DST in the root; implies --mount, can be repeated'
complete -c runshare -n 'not __runshare_program >/dev/null' -l tmpfs -r -f -a '(__fish_complete_directories)' -d 'Mount a tmpfs on DIR in the root; implies --mount, can be repeated'
complete -c runshare -n 'not __runshare_program >/dev/null' -l mount-proc -f -a '(__fish_complete_directories)' -d 'Mount a new proc; implies --mount [default: /proc]'
complete -c runshare -n 'not __runshare_program >/dev/null' -l mount-binfmt -f -a '(__fish_complete_directories)' -d 'Mount a new binfmt_misc; implies --mount --user [default: /proc/sys/fs/binfmt_misc]'
complete -c runshare -n 'not __runshare_program >/dev/null' -s l -l load-interp -r -f -d 'Register an interpreter in a new binfmt_misc; implies --mount-binfmt'
complete -c runshare -n 'not __runshare_program >/dev/null' -s w -l wd -r -f -a '(__fish_complete_directories)' -d 'Set the working directory, in the root'
complete -c runshare -n 'not __runshare_program >/dev/null' -l hostname -r -f -d 'Set the host name; implies --uts'
complete -c runshare -n 'not __runshare_program >/dev/null' -l domainname -r -f -d 'Set the NIS domain name; implies --uts'
complete -c runshare -n 'not __runshare_program >/dev/null' -l loopback -d 'Bring the device lo up; implies --net'
complete -c runshare -n 'not __runshare_program >/dev/null' -l monotonic -r -f -d 'Move the monotonic clock by so many seconds'
complete -c runshare -n 'not __runshare_program >/dev/null' -l boottime -r -f -d 'Move the boot-time clock by so many seconds'
complete -c runshare -n 'not __runshare_program >/dev/null' -s S -l setuid -r -f -d 'Set the user id of the program'
complete -c runshare -n 'not __runshare_program >/dev/null' -s G -l setgid -r -f -d 'Set its group id, and drop supplementary groups'
complete -c runshare -n 'not __runshare_program >/dev/null' -l keep-caps -d 'Let it keep all capabilities in the new user namespace'
complete -c runshare -n 'not __runshare_program >/dev/null' -l clear-env -d 'Give it no environment'
complete -c runshare -n 'not __runshare_program >/dev/null' -l whitelist-env -r -f -d 'Give it only variables with these names (commas)'
complete -c runshare -n 'not __runshare_program >/dev/null' -l info-fd -r -f -d 'Write PIDs and namespaces as JSON to this descriptor'
complete -c runshare -n 'not __runshare_program >/dev/null' -l explain -d 'Print each step that would be taken, and do nothing'
complete -c runshare -n 'not __runshare_program >/dev/null' -s h -l help -d 'Print help'
complete -c runshare -n 'not __runshare_program >/dev/null' -s V -l version -d 'Print version'
complete -c runshare -f -a '(__runshare_complete_program)'
