# runshare: completion for fish. Made by `make docs` out of the options: do not edit.

# Prints the program and its arguments, each with a NUL after it; fails while options are still typed.
function __runshare_program
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    argparse -s 'U/user' 'C/cgroup' 'i/ipc' 'u/uts' 'n/net' 'p/pid' 'm/mount' 'T/time' 'f/fork' 'r/map-root-user' 'c/map-current-user' 'kill-child=?' 'mount-proc=?' 'propagation=+' 'R/root=+' 'w/wd=+' 'h/help' 'V/version' -- $words 2>/dev/null
    or return 1
    set -q argv[1]; and not string match -q -- '-*' "$argv[1]"
    or return 1
    string join0 -- $argv
end

function __runshare_complete_program
    __fish_complete_subcommand --commandline (__runshare_program | string split0)
end

complete -c runshare -n 'not __runshare_program >/dev/null' -s U -l user -d 'Create a new namespace of user and group ids, capabilities'
complete -c runshare -n 'not __runshare_program >/dev/null' -s C -l cgroup -d 'Create a new namespace of the root of the cgroup tree'
complete -c runshare -n 'not __runshare_program >/dev/null' -s i -l ipc -d 'Create a new namespace of System V IPC and POSIX message queues'
complete -c runshare -n 'not __runshare_program >/dev/null' -s u -l uts -d 'Create a new namespace of host name and domain name'
complete -c runshare -n 'not __runshare_program >/dev/null' -s n -l net -d 'Create a new namespace of network devices, addresses, ports'
complete -c runshare -n 'not __runshare_program >/dev/null' -s p -l pid -d 'Create a new namespace of process ids'
complete -c runshare -n 'not __runshare_program >/dev/null' -s m -l mount -d 'Create a new namespace of mount points'
complete -c runshare -n 'not __runshare_program >/dev/null' -s T -l time -d 'Create a new namespace of monotonic and boot-time clocks'
complete -c runshare -n 'not __runshare_program >/dev/null' -s f -l fork -d 'Run the program as a child process, and wait for it'
complete -c runshare -n 'not __runshare_program >/dev/null' -s r -l map-root-user -d 'Map our user and group to root; implies --user'
complete -c runshare -n 'not __runshare_program >/dev/null' -s c -l map-current-user -d 'Map our user and group to themselves; implies --user'
complete -c runshare -n 'not __runshare_program >/dev/null' -l kill-child -f -a '\'HUP\' \'INT\' \'QUIT\' \'ILL\' \'TRAP\' \'ABRT\' \'BUS\' \'FPE\' \'KILL\' \'USR1\' \'SEGV\' \'USR2\' \'PIPE\' \'ALRM\' \'TERM\' \'STKFLT\' \'CHLD\' \'CONT\' \'STOP\' \'TSTP\' \'TTIN\' \'TTOU\' \'URG\' \'XCPU\' \'XFSZ\' \'VTALRM\' \'PROF\' \'WINCH\' \'IO\' \'PWR\' \'SYS\'' -d 'Send the program this signal when we end, however we end; implies --fork [default: KILL]'
complete -c runshare -n 'not __runshare_program >/dev/null' -l mount-proc -f -a '(__fish_complete_directories)' -d 'Mount a new proc before the program runs; implies --mount [default: /proc]'
complete -c runshare -n 'not __runshare_program >/dev/null' -l propagation -r -f -a '\'private	mounts and unmounts travel neither way\' \'shared	they travel both ways\' \'slave	they travel only into the new namespace\' \'unchanged	leave it as it is\'' -d 'Propagation of mounts in a new mount namespace: private, shared, slave, unchanged [default: private]'
complete -c runshare -n 'not __runshare_program >/dev/null' -s R -l root -r -f -a '(__fish_complete_directories)' -d 'Set the root directory'
complete -c runshare -n 'not __runshare_program >/dev/null' -s w -l wd -r -f -a '(__fish_complete_directories)' -d 'Set the working directory, below the new root if there is one'
complete -c runshare -n 'not __runshare_program >/dev/null' -s h -l help -d 'Print help'
complete -c runshare -n 'not __runshare_program >/dev/null' -s V -l version -d 'Print version'
complete -c runshare -f -a '(__runshare_complete_program)'
