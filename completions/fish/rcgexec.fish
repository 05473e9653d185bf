# rcgexec: completion for fish. Made by `make docs` out of the options: do not edit.

# Prints the value that is being typed, without the option before it and without quotes.
function __rcgexec_typed
    set -l typed (commandline -ct | string replace -r -- '^(--[^=]*=|-[sbrhV]*[gmk])' '')
    string trim -l -c '\'"' -- "$typed" | string unescape
end

# Offers what the tool knows of this machine.
function __rcgexec_ask
    rcgexec --complete $argv[1] (__rcgexec_typed | string collect --allow-empty) 2>/dev/null
end

# Prints the program and its arguments, each with a NUL after it; fails while options are still typed.
function __rcgexec_program
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    argparse -s 'g/group=+' 'create' 's/sticky' 'b/ignore-default' 'r/replace-idle' 'cpuset-cpus=+' 'cpuset-mems=+' 'cpu-period=+' 'cpu-quota=+' 'cpu-burst=+' 'cpu-weight=+' 'cpu-shares=+' 'm/memory=+' 'memory-swap=+' 'swap=+' 'memory-high=+' 'memory-low=+' 'memory-reservation=+' 'oom-group' 'oom-score-adj=+' 'pids-limit=+' 'io-weight=+' 'device-read-bps=+' 'device-write-bps=+' 'device-read-iops=+' 'device-write-iops=+' 'cpus=+' 'set=+' 'best-effort' 'parent=+' 'no-systemd' 'timeout=+' 'k/kill-after=+' 'signal=+' 'no-kill' 'summary=?' 'json' 'name=+' 'pid=+' 'force' 'update=+' 'freeze=+' 'thaw=+' 'kill=+' 'remove=+' 'stat=+' 'list' 'gc' 'dry-run' 'h/help' 'V/version' -- $words 2>/dev/null
    or return 1
    set -q argv[1]; and not string match -q -- '-*' "$argv[1]"
    or return 1
    string join0 -- $argv
end

function __rcgexec_complete_program
    __fish_complete_subcommand --commandline (__rcgexec_program | string split0)
end

complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s g -l group -r -f -d 'Join the group PATH of these controllers, with commas between, or * for all; with a limit: a new group below it'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l create -d 'Make the groups of -g that do not exist, and keep them'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s s -l sticky -d 'Tell the daemon cgrulesengd, where it runs, to leave the program, and what it starts, in these groups'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s b -l ignore-default -d 'Accepted as by cgexec: paths are always from the root of the hierarchy'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s r -l replace-idle -d 'Refused: there are no idle threads of libcgroup here'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpuset-cpus -r -f -d 'CPUs that may be used, whatever the caller was bound to (CPUs such as 0-3,7)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpuset-mems -r -f -d 'Memory nodes that may be used (memory nodes such as 0-1)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpu-period -r -f -d 'Period for which --cpu-quota counts (1000 to 1000000 microseconds [default: 100000])'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpu-quota -r -f -a '\'max	no limit\'' -d 'CPU time in each period; 20000 and 20% are a fifth of one CPU (microseconds from 1000, the least that the kernel takes, percent of one CPU from 0.1%, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpu-burst -r -f -d 'Unused CPU time of --cpu-quota that may be kept for later (0 microseconds to as many as the quota)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpu-weight -r -f -a '\'idle	only what nobody else wants\'' -d 'Share of the CPU time when several want it (1 to 10000 [default: 100], or idle for what nobody else wants)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpu-shares -r -f -d 'The same, in the numbers of version 1 (2 to 262144 [default: 1024])'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s m -l memory -r -f -d 'Memory; swap is left as it is (bytes from 4096, such as 64M or 1.5G (K, M, G and T are powers of 1024), or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l memory-swap -r -f -d 'Memory and swap together, as docker counts: the same as --memory is no swap (bytes, no less than --memory, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l swap -r -f -d 'Swap alone; version 1 counts it with memory, so there it needs --memory (bytes, 0 for no swap, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l memory-high -r -f -d 'Memory beyond which the program is slowed down, but not killed (bytes from 4096, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l memory-low -r -f -d 'Memory that is not taken away while others have some to take (bytes from 0, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l memory-reservation -r -f -d 'The same on version 2; on version 1 the memory to which it is cut when there is little (bytes from 4096)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l oom-group -d 'When memory runs out, kill the whole group and not one process'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l oom-score-adj -r -f -d 'How readily the program is killed when memory runs out, anywhere (-1000, never, to 1000, first)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l pids-limit -r -f -d 'Number of processes and threads (1 to 4194304, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l io-weight -r -f -d 'Share of block io when several want it, if the scheduler of the disk heeds it (10 to 1000, as docker counts)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l device-read-bps -r -F -d 'Bytes read in a second from the disk PATH, or from the disk that PATH is on (a device, file or directory, and bytes in a second, such as /dev/sda:4M, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l device-write-bps -r -F -d 'The same for bytes that are written (a device, file or directory, and bytes in a second, such as /dev/sda:4M, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l device-read-iops -r -F -d 'The same for reads (a device, file or directory, and a number to 4294967294, such as /dev/sda:100, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l device-write-iops -r -F -d 'The same for writes (a device, file or directory, and a number to 4294967294, such as /dev/sda:100, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpus -r -f -d 'CPU time as a number of CPUs, such as 0.2 or 1.5: sets quota and period'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l set -r -f -d 'Write VALUE to the file of a controller, such as hugetlb.2MB.max=8M'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l best-effort -d 'Go on without a limit that cannot be set, and say so'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l parent -r -f -d 'Make new groups below this one, a path from the root of each hierarchy'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l no-systemd -d 'Never ask systemd for a scope to make groups in'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l timeout -r -f -d 'End the program after this time, in seconds or with ms, s, m, h or d, and return 124'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s k -l kill-after -r -f -d 'Kill what is left this long after --timeout'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l signal -r -f -a '\'HUP\' \'INT\' \'QUIT\' \'ILL\' \'TRAP\' \'ABRT\' \'BUS\' \'FPE\' \'KILL\' \'USR1\' \'SEGV\' \'USR2\' \'PIPE\' \'ALRM\' \'TERM\' \'STKFLT\' \'CHLD\' \'CONT\' \'STOP\' \'TSTP\' \'TTIN\' \'TTOU\' \'URG\' \'XCPU\' \'XFSZ\' \'VTALRM\' \'PROF\' \'WINCH\' \'IO\' \'PWR\' \'SYS\'' -d 'The signal of --timeout [default: TERM]'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l no-kill -d 'Wait for what the program leaves running instead of killing it'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l summary -F -d 'Say at the end what was used, on standard error or there'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l json -d 'The same, or what --stat and --list say, as JSON'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l name -r -f -d 'Run the program in the group NAME, which is made if it is not there, and stays'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l pid -r -f -a '(__rcgexec_ask reference)' -d 'Move this running process into the group of --name, or of -g'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l force -d 'Move processes that systemd manages too'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l update -r -f -d 'Set limits of the named group'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l freeze -r -f -d 'Stop every process of the named group until it is thawed'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l thaw -r -f -d 'Let the processes of the named group continue'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l kill -r -f -d 'Kill every process of the named group'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l remove -r -f -d 'Move the processes of the named group back to where they came from, and remove it'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l stat -r -f -d 'Show limits, processes and use of the named group'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l list -d 'List the named groups'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l gc -d 'Remove what runs that were killed have left behind'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l dry-run -d 'Print what would be created and written, and do nothing'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s h -l help -d 'Print help'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s V -l version -d 'Print version'
complete -c rcgexec -f -a '(__rcgexec_complete_program)'
