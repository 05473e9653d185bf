# rnsenter: completion for fish. Made by `make docs` out of the options: do not edit.

# Prints the value that is being typed, without the option before it and without quotes.
function __rnsenter_typed
    set -l typed (commandline -ct | string replace -r -- '^(--[^=]*=|-[aceZFhV]*[tUCiunpmTNrwWSG])' '')
    string trim -l -c '\'"' -- "$typed" | string unescape
end

# Offers what the tool knows of this machine.
function __rnsenter_ask
    rnsenter --complete $argv[1] (__rnsenter_typed | string collect --allow-empty) 2>/dev/null
end

# The same with commas between, and perhaps a "+" before; all in upper or lower case.
function __rnsenter_list
    set -l typed (__rnsenter_typed)
    set -l before (string replace -r '[^,+]*$' '' -- "$typed")
    set -l last (string replace -r '.*[,+]' '' -- "$typed" | string $argv[2])
    set -l found (rnsenter --complete $argv[1] "$last" 2>/dev/null)
    set -q found[1]; and printf '%s\n' "$before"$found
end

# Prints the program and its arguments, each with a NUL after it; fails while options are still typed.
function __rnsenter_program
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    argparse -s 'a/all' 'as-target' 'except=+' 't/target=+' 'U/user=?' 'C/cgroup=?' 'i/ipc=?' 'u/uts=?' 'n/net=?' 'p/pid=?' 'm/mount=?' 'T/time=?' 'N/net-socket=+' 'c/join-cgroup' 'user-parent' 'r/root=?' 'w/wd=?' 'W/wdns=+' 'mount-proc=?' 'e/env' 'S/setuid=+' 'G/setgid=+' 'preserve-credentials' 'keep-caps' 'Z/follow-context' 'pty' 'F/no-fork' 'kill-child=?' 'preserve-fds=+' 'dry-run' 'h/help' 'V/version' -- $words 2>/dev/null
    or return 1
    set -q argv[1]; and not string match -q -- '-*' "$argv[1]"
    or return 1
    string join0 -- $argv
end

function __rnsenter_complete_program
    __fish_complete_subcommand --commandline (__rnsenter_program | string split0)
end

complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s a -l all -d 'Enter all namespaces in which the target differs from us'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -l as-target -d 'The same, and run the program as if the target had executed it'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -l except -r -f -a '(__rnsenter_list part lower)' -d 'Leave these out of --as-target, or types out of --all too (commas)'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s t -l target -r -f -a '(__rnsenter_ask reference)' -d 'The process whose namespaces are entered, or one namespace'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s U -l user -F -d 'Enter the namespace of user and group ids, capabilities: the target\'s, or FILE'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s C -l cgroup -F -d 'Enter the namespace of the root of the cgroup tree: the target\'s, or FILE'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s i -l ipc -F -d 'Enter the namespace of System V IPC and POSIX message queues: the target\'s, or FILE'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s u -l uts -F -d 'Enter the namespace of host name and domain name: the target\'s, or FILE'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s n -l net -F -d 'Enter the namespace of network devices, addresses, ports: the target\'s, or FILE'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s p -l pid -F -d 'Enter the namespace of process ids: the target\'s, or FILE'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s m -l mount -F -d 'Enter the namespace of mount points: the target\'s, or FILE'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s T -l time -F -d 'Enter the namespace of monotonic and boot-time clocks: the target\'s, or FILE'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s N -l net-socket -r -f -d 'Enter the network namespace of this socket of the target'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s c -l join-cgroup -d 'Join the control groups of the target'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -l user-parent -d 'Enter the user namespace above that of the target, or of --user=FILE'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s r -l root -f -a '(__fish_complete_directories)' -d 'Set the root directory to the target\'s, or to DIR'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s w -l wd -f -a '(__fish_complete_directories)' -d 'Set the working directory to the target\'s, or to DIR'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s W -l wdns -r -f -a '(__fish_complete_directories)' -d 'Set it to DIR as it is called inside'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -l mount-proc -f -a '(__fish_complete_directories)' -d 'Mount a proc that only the program sees [default: /proc]'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s e -l env -d 'Give the program the environment of the target'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s S -l setuid -r -f -a '\'follow	the user of the target\'' -d 'Set the user id in the entered namespaces, or the target\'s'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s G -l setgid -r -f -a '\'follow	the group of the target\'' -d 'Set the group id, and drop supplementary groups'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -l preserve-credentials -d 'Keep user and group ids when a user namespace is entered'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -l keep-caps -d 'Keep all capabilities in the user namespace, whatever the user id'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s Z -l follow-context -d 'Run the program in the SELinux context of the target'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -l pty -d 'Give the program a terminal of its own, so that it cannot type into ours'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s F -l no-fork -d 'Do not fork, although a pid namespace is entered'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -l kill-child -f -a '\'HUP\' \'INT\' \'QUIT\' \'ILL\' \'TRAP\' \'ABRT\' \'BUS\' \'FPE\' \'KILL\' \'USR1\' \'SEGV\' \'USR2\' \'PIPE\' \'ALRM\' \'TERM\' \'STKFLT\' \'CHLD\' \'CONT\' \'STOP\' \'TSTP\' \'TTIN\' \'TTOU\' \'URG\' \'XCPU\' \'XFSZ\' \'VTALRM\' \'PROF\' \'WINCH\' \'IO\' \'PWR\' \'SYS\'' -d 'Signal for a forked program when we end [default: KILL]'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -l preserve-fds -r -f -a '\'all	every descriptor\'' -d 'Pass on descriptors 3 to 2+N, or all, into mnt, user and pid namespaces too'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -l dry-run -d 'Print what would be done and whether it may be, and do nothing'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s h -l help -d 'Print help'
complete -c rnsenter -n 'not __rnsenter_program >/dev/null' -s V -l version -d 'Print version'
complete -c rnsenter -f -a '(__rnsenter_complete_program)'
