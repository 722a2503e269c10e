#!/usr/bin/env bash
# Runs targets of the Makefile in groups, one group after the other, also after one that failed, and prints what each took:
# steps.sh GROUP [-- GROUP…], each of them TARGET… [--beside TARGET…]
#
# Those after --beside run one after the other beside the first target of their group, on a processor that it leaves idle, and
# are waited for after it. The first group compiles: what the later ones would compile again is only looked for there (BUILD).
set -u
table='' code=0 begin=$SECONDS built=
said=$(mktemp)
trap 'rm -f "$said"' EXIT

run() { "${MAKE:-make}" --no-print-directory $built "$1"; }
account() { # STEP START OUTCOME
    table+=$(printf '%-16s %5d s  %s' "$1" $((SECONDS - $2)) "$3")$'\n'
}

group() {
    local steps=() beside=() into=steps word start outcome waited_for=
    for word; do
        case $word in
        --beside) into=beside ;;
        *) [ $into = steps ] && steps+=("$word") || beside+=("$word") ;;
        esac
    done
    [ ${#beside[@]} = 0 ] || {
        (
            failed=0
            for step in "${beside[@]}"; do run "$step" || failed=$?; done
            exit "$failed"
        ) >"$said" 2>&1 &
        waited_for=$!
    }
    for word in "${steps[@]}"; do
        start=$SECONDS outcome=
        run "$word" || { code=$? outcome=failed; }
        account "$word" "$start" "$outcome"
        [ -n "$waited_for" ] || continue
        start=$SECONDS outcome=
        wait "$waited_for" || { code=$? outcome=failed; }
        waited_for=
        cat "$said"
        account "(${beside[*]})" "$start" "$outcome"
    done
    built=BUILD=:
}

words=()
for word in "$@" --; do
    [ "$word" = -- ] || { words+=("$word") && continue; }
    group "${words[@]}"
    words=()
done
printf '\n%s%-16s %5d s\n' "$table" together $((SECONDS - begin))
exit "$code"
