#!/usr/bin/env bash
# Runs targets of the Makefile one after the other, those after a failed one too, and prints what each took:
# steps.sh TARGET… [--beside TARGET…]
#
# Those after --beside run one after the other beside the first target, on a processor that it leaves idle, and are waited
# for after it.
set -u
table='' code=0 begin=$SECONDS
steps=() beside=()
for word in "$@"; do
    case $word in
    --beside) into=beside ;;
    *) [ "${into:-}" = beside ] && beside+=("$word") || steps+=("$word") ;;
    esac
done
run() { "${MAKE:-make}" --no-print-directory "$1"; }
account() { # STEP START OUTCOME
    table+=$(printf '%-16s %5d s  %s' "$1" $((SECONDS - $2)) "$3")$'\n'
}

said=$(mktemp)
trap 'rm -f "$said"' EXIT
[ ${#beside[@]} = 0 ] || {
    (
        code=0
        for step in "${beside[@]}"; do run "$step" || code=$?; done
        exit "$code"
    ) >"$said" 2>&1 &
    waited_for=$!
}
for index in "${!steps[@]}"; do
    start=$SECONDS outcome=
    run "${steps[index]}" || { code=$? outcome=failed; }
    account "${steps[index]}" "$start" "$outcome"
    if [ "$index" = 0 ] && [ -n "${waited_for:-}" ]; then
        start=$SECONDS outcome=
        wait "$waited_for" || { code=$? outcome=failed; }
        cat "$said"
        account "(beside)" "$start" "$outcome"
    fi
done
printf '\n%s%-16s %5d s\n' "$table" together $((SECONDS - begin))
exit "$code"
