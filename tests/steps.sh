#!/usr/bin/env bash
# Runs targets of the Makefile one after the other and prints what each took: steps.sh TARGET…
set -u
table='' code=0 begin=$SECONDS
for step in "$@"; do
    start=$SECONDS
    "${MAKE:-make}" --no-print-directory "$step" || code=$?
    table+=$(printf '%-16s %5d s' "$step" $((SECONDS - start)))$'\n'
    [ "$code" = 0 ] || { table+="$step failed"$'\n'; break; }
done
printf '\n%s%-16s %5d s\n' "$table" together $((SECONDS - begin))
exit "$code"
