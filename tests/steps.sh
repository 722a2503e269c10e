#!/usr/bin/env bash
# Runs targets of the Makefile one after the other, those after a failed one too, and prints what each took: steps.sh TARGET…
set -u
table='' code=0 begin=$SECONDS
for step in "$@"; do
    start=$SECONDS
    outcome=
    "${MAKE:-make}" --no-print-directory "$step" || { code=$?; outcome=failed; }
    table+=$(printf '%-16s %5d s  %s' "$step" $((SECONDS - start)) "$outcome")$'\n'
done
printf '\n%s%-16s %5d s\n' "$table" together $((SECONDS - begin))
exit "$code"
