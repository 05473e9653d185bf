# rlsns: completion for fish. Made by `make docs` out of the options: do not edit.

# Prints the value that is being typed, without the option before it and without quotes.
function __rlsns_typed
    set -l typed (commandline -ct | string replace -r -- '^(--[^=]*=|-[JlnruHhV]*[optT])' '')
    string trim -l -c '\'"' -- "$typed" | string unescape
end

# Offers what the tool knows of this machine.
function __rlsns_ask
    rlsns --complete $argv[1] (__rlsns_typed | string collect --allow-empty) 2>/dev/null
end

# The same with commas between, and perhaps a "+" before; all in upper or lower case.
function __rlsns_list
    set -l typed (__rlsns_typed)
    set -l before (string replace -r '[^,+]*$' '' -- "$typed")
    set -l last (string replace -r '.*[,+]' '' -- "$typed" | string $argv[2])
    set -l found (rlsns --complete $argv[1] "$last" 2>/dev/null)
    set -q found[1]; and printf '%s\n' "$before"$found
end

complete -c rlsns -s J -l json -d 'Print JSON'
complete -c rlsns -s l -l list -d 'Print a list, not a tree'
complete -c rlsns -s n -l noheadings -d 'Print no headings'
complete -c rlsns -s o -l output -r -f -a '(__rlsns_list column upper)' -d 'Columns to print, with commas between; +LIST adds to the usual ones'
complete -c rlsns -s p -l task -r -f -a '(__rlsns_ask reference)' -d 'Only the namespaces of this process: PID, ctr:NAME or another form of nskit(7)'
complete -c rlsns -s r -l raw -d 'Print fields with one space between them, for scripts'
complete -c rlsns -s u -l notruncate -d 'Do not cut the command to the width of the terminal'
complete -c rlsns -s t -l type -r -f -a '(__rlsns_list kind lower)' -d 'Only namespaces of this type; repeatable, or with commas between: user, cgroup, ipc, uts, net, pid, mnt, time'
complete -c rlsns -s T -l tree -f -a '\'owner\' \'parent\' \'process\'' -d 'Print a tree of this relation, attached by \'=\': owner, parent, process [default: owner]'
complete -c rlsns -s H -l list-columns -d 'List the columns that can be printed'
complete -c rlsns -l depth -r -f -a '\'kernel\' \'procs\' \'deep\'' -d 'Where to look: kernel, procs, deep [default: deep, or less where that shows the same]'
complete -c rlsns -l why -r -f -a '(__rlsns_ask namespace)' -d 'Print what keeps this namespace, and the commands that would end that'
complete -c rlsns -l leaks -d 'Print the namespaces that no process is in, and the commands that would free them'
complete -c rlsns -l color -f -a '\'auto\' \'always\' \'never\'' -d 'Use colours, attached by \'=\': auto, always, never [default: auto; always without WHEN]'
complete -c rlsns -l proc -r -f -a '(__fish_complete_directories)' -d 'Read this directory instead of /proc'
complete -c rlsns -s h -l help -d 'Print help'
complete -c rlsns -s V -l version -d 'Print version'
complete -c rlsns -f -a '(__rlsns_ask namespace)'
