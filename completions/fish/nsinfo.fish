# nsinfo: completion for fish. Made by `make docs` out of the options: do not edit.

# Prints the value that is being typed, without the option before it and without quotes.
function __nsinfo_typed
    set -l typed (commandline -ct | string replace -r -- '^(--[^=]*=|-[JhV]*$.)' '')
    string trim -l -c '\'"' -- "$typed" | string unescape
end

# Offers what the tool knows of this machine.
function __nsinfo_ask
    nsinfo --complete $argv[1] (__nsinfo_typed | string collect --allow-empty) 2>/dev/null
end

# The same with commas between, and perhaps a "+" before; all in upper or lower case.
function __nsinfo_list
    set -l typed (__nsinfo_typed)
    set -l before (string replace -r '[^,+]*$' '' -- "$typed")
    set -l last (string replace -r '.*[,+]' '' -- "$typed" | string $argv[2])
    set -l found (nsinfo --complete $argv[1] "$last" 2>/dev/null)
    set -q found[1]; and printf '%s\n' "$before"$found
end

complete -c nsinfo -l section -r -f -a '(__nsinfo_list part lower)' -d 'Only these sections, with commas between: namespace, identity, namespaces, user, mounts, net, uts, time, cgroup, security'
complete -c nsinfo -l vs -r -f -a '(__nsinfo_ask reference)' -d 'Only what differs from this one, side by side: REF, host or parent'
complete -c nsinfo -l no-enter -d 'Enter no namespace, not by a helper process either'
complete -c nsinfo -l mounts -f -a '\'tree\' \'flat\' \'hidden\' \'binds\' \'host\'' -d 'Only mounts, and all of them, attached by \'=\': tree, flat, hidden, binds, host [default: tree]'
complete -c nsinfo -l can -d 'Say whether the first of two REFs may enter the namespaces of the second, and why not'
complete -c nsinfo -l count -d 'Count the processes that share its namespaces: needs a look at all processes'
complete -c nsinfo -l system -d 'Show what this kernel and its settings offer, and what we may do'
complete -c nsinfo -l tree -d 'Show user and pid namespaces as a tree with processes; with REF only its branch'
complete -c nsinfo -s J -l json -d 'Print JSON'
complete -c nsinfo -l color -f -a '\'auto\' \'always\' \'never\'' -d 'Use colours, attached by \'=\': auto, always, never [default: auto; always without WHEN]'
complete -c nsinfo -l proc -r -f -a '(__fish_complete_directories)' -d 'Read this directory instead of /proc'
complete -c nsinfo -s h -l help -d 'Print help'
complete -c nsinfo -s V -l version -d 'Print version'
complete -c nsinfo -f -a '(__nsinfo_ask reference)'
