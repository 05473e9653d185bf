# rcgexec: completion for fish. Made by `make docs` out of the options: do not edit.

# Prints the program and its arguments, each with a NUL after it; fails while options are still typed.
function __rcgexec_program
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    argparse -s 'g/group=+' 'cpu-period=+' 'cpu-quota=+' 'm/memory=+' 'pids-limit=+' 'cpus=+' 'parent=+' 'dry-run' 'h/help' 'V/version' -- $words 2>/dev/null
    or return 1
    set -q argv[1]; and not string match -q -- '-*' "$argv[1]"
    or return 1
    string join0 -- $argv
end

function __rcgexec_complete_program
    __fish_complete_subcommand --commandline (__rcgexec_program | string split0)
end

complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s g -l group -r -f -d 'Join the group PATH of these controllers, with commas between, or * for all; with a limit: a new group below it'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpu-period -r -f -d 'Period for which --cpu-quota counts (1000 to 1000000 microseconds [default: 100000])'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpu-quota -r -f -d 'CPU time in each period; 20000 is a fifth of one CPU (microseconds from 1000, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s m -l memory -r -f -d 'Memory (bytes from 4096, or with K, M, G or T, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l pids-limit -r -f -d 'Number of processes and threads (1 to 4194304, or max)'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l cpus -r -f -d 'CPU time as a number of CPUs, such as 0.2 or 1.5: sets quota and period'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l parent -r -f -d 'Make new groups below this one, a path from the root of each hierarchy'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -l dry-run -d 'Print every directory and write, and do nothing'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s h -l help -d 'Print help'
complete -c rcgexec -n 'not __rcgexec_program >/dev/null' -s V -l version -d 'Print version'
complete -c rcgexec -f -a '(__rcgexec_complete_program)'
