# What the tables say of words: alternatives separated by |. Words in lower case are to be typed, DB and DIR
# are folders, FILE is a file; the completion knows nothing of other words.
_connectordb_reply() {
    local current=$1 word words=
    local -a alternatives
    IFS='|' read -ra alternatives <<<"$2"
    for word in "${alternatives[@]}"; do
        case $word in
        DB | DIR) compopt -o dirnames ;; # readline completes them, if there is nothing in COMPREPLY
        FILE) compopt -o default ;;
        [a-z]*) words+=" $word" ;;
        esac
    done
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

_connectordb() {
    local current=${COMP_WORDS[COMP_CWORD]} word command= value= joined= only_arguments=
    local -i i arguments=0
    COMPREPLY=()
    # Bash separates --option=VALUE and user:password into three words.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == : ]]; then
            joined=yes
        elif [[ $joined ]]; then
            joined=
        elif [[ $word == = ]]; then
            :
        elif [[ $value ]]; then
            value=
        elif [[ $word == -- ]]; then
            only_arguments=yes
        elif [[ $word == -?* && ! $only_arguments ]]; then
            value=$(_connectordb_value "$command" "$word")
        elif [[ ! $command ]]; then
            command=$word
        else
            arguments+=1
        fi
    done
    [[ $current == = ]] && current=
    if [[ $joined || $current == : ]]; then
        return
    elif [[ $value ]]; then
        _connectordb_reply "$current" "$value"
    elif [[ $current == -* && ! $only_arguments ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_connectordb_options "$command")" -- "$current")
    elif [[ $command ]]; then
        _connectordb_reply "$current" "$(_connectordb_argument "$command" $((arguments + 1)))"
    else
        _connectordb_reply "$current" "$_connectordb_commands"
    fi
}

complete -F _connectordb connectordb
