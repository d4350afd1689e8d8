#!/bin/bash
# matrix.sh MODEL OPTIMIZER [all]: each launch of tests/bits/pairs.txt and more.txt (or each there is) ends in the bits of one process
# without a launcher, says what that says, and took the ways that are to be proven: by the counters, in each step.
. "$(dirname "$0")/lib.sh"
model=$1 optimizer=$2 verdict=0
cases() { if [ "${3-}" = all ]; then all_cases; else cat "$LK_SOURCE"/tests/bits/{pairs,more}.txt; fi | grep "^$1 $2 "; }
# Counters are printed by rank 0, which is on the first host.
took_its_ways() { # DIR NP HOSTS
    local first=$2
    [ "$3" = 1 ] || first=$(layout "$2" "$3" | sed 's/^\[\([0-9]*\).*/\1/')
    [ "$(grep -c '^reduced between hosts in 63 steps$' "$1.err")" = $(($3 > 1)) ] &&
        [ "$(grep -c '^reduced through shared memory in 63 steps$' "$1.err")" = $((first > 1)) ]
}
train 0 "$work/one" "$model" "$optimizer" || failed "$work/one" "$model, $optimizer without a launcher"
while read -r _ _ np n_hosts evaluate; do
    to=$work/$np-$n_hosts-$evaluate
    what="$model, $optimizer, np $np on $n_hosts hosts $(layout "$np" "$n_hosts"), evaluated by $evaluate"
    train "$np" "$to" "$model" "$optimizer" --set "comm.ranks_per_host=$(layout "$np" "$n_hosts")" --set "evaluate.by=$evaluate" </dev/null ||
        { failed "$to" "$what" || verdict=1; continue; }
    grep -q "^ranks  *$np on $n_hosts host" "$to.err" || { failed "$to" "another layout than $what" || verdict=1; }
    took_its_ways "$to" "$np" "$n_hosts" || { grep "^reduced" "$to.err" || true; failed "$to" "not by window and exchange: $what" || verdict=1; }
    equal "$work/one" "$to" "$what" || verdict=1
    rm -rf "$to"
done < <(cases "$@")
exit $verdict
