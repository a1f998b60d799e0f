# SPDX-License-Identifier: MPL-2.0
# Completion for bash. What can stand where is asked of busbar itself, which answers from the tables that
# parse its command line.

_busbar() {
        local line=${COMP_LINE:0:COMP_POINT} current keep candidate
        local -a words
        COMPREPLY=()
        read -ra words <<<"$line"
        [[ $line == *[[:space:]] ]] && words+=('')
        current=${words[-1]}

        # bash completes only what follows the last '=' or ':', which split words for it.
        keep=${current##*[=:]}
        keep=${current%"$keep"}

        while read -r candidate; do
                if [[ $candidate == '<file>' ]]; then
                        compopt -o filenames 2>/dev/null
                        while read -r candidate; do
                                COMPREPLY+=("$candidate")
                        done < <(compgen -f -- "${current#"$keep"}")
                elif [[ $candidate == "$current"* ]]; then
                        [[ $candidate == *= ]] && compopt -o nospace 2>/dev/null
                        COMPREPLY+=("${candidate#"$keep"}")
                fi
        done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
}

complete -F _busbar busbar
