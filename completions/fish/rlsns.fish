# rlsns: completion for fish. Made by `make docs` out of the options: do not edit.

function __rlsns_output
    printf '%s\n' 'NS	inode number of the namespace' 'TYPE	kind of the namespace' 'PATH	path to the namespace' 'NPROCS	number of processes in the namespace' 'PID	lowest PID in the namespace' 'PPID	PID of that process\'s parent' 'COMMAND	command line of that process' 'UID	user id of that process, or else of the namespace\'s owner' 'USER	name of that user' 'PNS	inode number of the parent namespace; 0 for none that can be seen' 'ONS	inode number of the owning user namespace; 0 for none that can be seen' 'CONTAINER	container or machine that process is in, or else its id' 'POD	pod that process is in, or else its id' 'UNIT	unit of systemd that process is in' 'SOURCE	what says so: the path of a file, or the word cgroup'
end

function __rlsns_type
    printf '%s\n' 'user	user and group ids, capabilities' 'cgroup	the root of the cgroup tree' 'ipc	System V IPC and POSIX message queues' 'uts	host name and domain name' 'net	network devices, addresses, ports' 'pid	process ids' 'mnt	mount points' 'time	monotonic and boot-time clocks'
end

complete -c rlsns -s J -l json -d 'Print JSON'
complete -c rlsns -s l -l list -d 'Print a list, not a tree'
complete -c rlsns -s n -l noheadings -d 'Print no headings'
complete -c rlsns -s o -l output -r -f -a '(__fish_complete_list , __rlsns_output)' -d 'Columns to print, with commas between; +LIST adds to the usual ones'
complete -c rlsns -s p -l task -r -f -a '(__fish_complete_pids)' -d 'Only the namespaces of this process: PID, ctr:NAME and so on, see nskit(7)'
complete -c rlsns -s r -l raw -d 'Print fields with one space between them, for scripts'
complete -c rlsns -s u -l notruncate -d 'Do not cut the command to the width of the terminal'
complete -c rlsns -s t -l type -r -f -a '(__fish_complete_list , __rlsns_type)' -d 'Only namespaces of this type; repeatable, or with commas between: user, cgroup, ipc, uts, net, pid, mnt, time'
complete -c rlsns -s T -l tree -f -a '\'owner\' \'parent\' \'process\'' -d 'Print a tree of this relation, attached by \'=\': owner, parent, process [default: owner]'
complete -c rlsns -s H -l list-columns -d 'List the columns that can be printed'
complete -c rlsns -l proc -r -f -a '(__fish_complete_directories)' -d 'Read this directory instead of /proc'
complete -c rlsns -s h -l help -d 'Print help'
complete -c rlsns -s V -l version -d 'Print version'
complete -c rlsns -f -a '(rlsns --list --noheadings --output=NS 2>/dev/null)'
