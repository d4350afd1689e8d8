# SIGTERM to mpirun, which kills after one second: the last checkpoint survives whatever happens. Where mpirun is told to wait
# longer the ranks stop as by USR1.
. "$(dirname "$0")/lib.sh"
epochs=450
crash_config samples=960
sed -i 's/every: 20 steps/every: 200 steps/' run.yaml
undisturbed
# term DIR: starts, sends TERM at a random moment, waits.
term() {
    rm -rf "$1"
    start_on 3 "$1"
    await "$1/checkpoints/step-*[1-9]*.h5"
    draw 400
    sleep "0.$(printf %03d "$drawn")"
    began=$(now_ms)
    kill -TERM $launcher
    ended
    [ $code != 0 ] || fail "the run was over before the signal"
    [ $took -lt 10000 ] || fail "the job took $took ms to end"
    no_orphans "$1"
    good "$1"
}
for round in $(seq "${ROUNDS:-2}"); do
    term ended
    echo "mpirun waits 1 s: exit code $code after $took ms"
    ends_whole ended 2
done

# It waits twice as long, before the signal and after it, and forwards no output meanwhile.
export OMPI_MCA_odls_base_sigkill_timeout=2
program=$LOCKSTEP
printf '#!/bin/sh\nexec "%s" "$@" >>"%s/ranks" 2>&1\n' "$program" "$work" >lockstep.sh && chmod +x lockstep.sh
for attempt in 1 2 3 4; do # a fast machine may be done before the signal, and mpirun says 1 all the same: then a longer run
    LOCKSTEP=$work/lockstep.sh
    : >ranks
    term waited
    LOCKSTEP=$program
    at=$(sed -n 's/.*stopped by a signal \(before the [a-z ]*\)\{0,1\}at step \([0-9]*\) of .*/\2/p' ranks)
    [ -z "$at" ] && [ $attempt -lt 4 ] && (is_whole waited) >over 2>&1 || break
    epochs=$((2 * epochs))
    rm -rf whole
    undisturbed
done
echo "mpirun waits 2 s: exit code $code after $took ms, stopped at step $at"
[ -n "$at" ] && [ -f "waited/checkpoints/step-$(printf %08d "$at").h5" ] || fail "no checkpoint of the step it stopped at: $(tail -3 ranks)"
ends_whole waited 4
grep -q "^resume      of step $at of" err || fail "it did not go on from step $at"
unset OMPI_MCA_odls_base_sigkill_timeout

# While MPI starts it waits for ranks that may never come: here rank 1 is only a sleep. TERM to rank 0 ends the job at once.
printf '#!/bin/sh\n[ "$OMPI_COMM_WORLD_RANK" = 0 ] || exec sleep 300\nexec "%s" "$@"\n' "$LOCKSTEP" >half.sh && chmod +x half.sh
# shellcheck disable=SC2046
"$mpi" 2 ./half.sh $(arguments begun) >out 2>err </dev/null &
launcher=$!
until [ -n "$(ranks_of begun)" ]; do sleep 0.02; done
sleep 0.5
began=$(now_ms)
kill -TERM "$(ranks_of begun)"
ended
exits 75
[ $took -lt 10000 ] || fail "the job took $took ms to end"
[ ! -e begun ] || fail "a run directory without a run"
echo "TERM while MPI starts: 75 after $took ms"
