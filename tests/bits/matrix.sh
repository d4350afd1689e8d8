#!/bin/bash
# matrix.sh MODEL OPTIMIZER [all]: each launch of tests/bits/pairs.txt (or each there is) ends in the bits of one process
# without a launcher, and says what that says.
. "$(dirname "$0")/lib.sh"
model=$1 optimizer=$2 verdict=0
cases() { if [ "${3-}" = all ]; then all_cases; else cat "$LK_SOURCE/tests/bits/pairs.txt"; fi | grep "^$1 $2 "; }
train 0 "$work/one" "$model" "$optimizer" || failed "$work/one" "$model, $optimizer without a launcher"
while read -r _ _ np n_hosts evaluate; do
    to=$work/$np-$n_hosts-$evaluate
    what="$model, $optimizer, np $np on $n_hosts hosts $(layout "$np" "$n_hosts"), evaluated by $evaluate"
    train "$np" "$to" "$model" "$optimizer" --set "comm.ranks_per_host=$(layout "$np" "$n_hosts")" --set "evaluate.by=$evaluate" </dev/null ||
        { failed "$to" "$what" || verdict=1; continue; }
    grep -q "^ranks  *$np on $n_hosts host" "$to.err" || { failed "$to" "another layout than $what" || verdict=1; }
    equal "$work/one" "$to" "$what" || verdict=1
    rm -rf "$to"
done < <(cases "$@")
exit $verdict
