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

complete -c nsinfo -s J -l json -d 'Print JSON'
complete -c nsinfo -l proc -r -f -a '(__fish_complete_directories)' -d 'Read this directory instead of /proc'
complete -c nsinfo -s h -l help -d 'Print help'
complete -c nsinfo -s V -l version -d 'Print version'
complete -c nsinfo -f -a '(__nsinfo_ask reference)'
