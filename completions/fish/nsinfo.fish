# nsinfo: completion for fish. Made by `make docs` out of the options: do not edit.

complete -c nsinfo -s J -l json -d 'Print JSON'
complete -c nsinfo -l proc -r -f -a '(__fish_complete_directories)' -d 'Read this directory instead of /proc'
complete -c nsinfo -s h -l help -d 'Print help'
complete -c nsinfo -s V -l version -d 'Print version'
complete -c nsinfo -f -a '(__fish_complete_pids)'
