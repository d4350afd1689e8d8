# kill -9 before and after each system call that touches the run directory, in a run of several checkpoints: from the first
# checkpoint on a good one is there at every instant, and the same command goes on to the same bits and the same logs.
# EVERY: only each so-many-th stop, from a random one on; RANKS: so many ranks, rank 0 is the one that is killed.
. "$(dirname "$0")/lib.sh"
every=${EVERY:-12} np=${RANKS:-0} epochs=${EPOCHS:-2}
crash_config samples=960
undisturbed
# killed_run STOP: $code of a run that is killed at its n-th stop
killed_run() {
    # shellcheck disable=SC2046
    set -- "$kill_at" "$1" "$work/killed" "$work/trace" "$LOCKSTEP" $(arguments killed)
    if [ "$np" = 0 ]; then
        run "$@"
    else
        # shellcheck disable=SC2046
        run "$mpi" 1 "$@" : -n $((np - 1)) "$LOCKSTEP" $(arguments killed)
    fi
}
killed_run 0
[ "$code" != 77 ] || { echo "skipped: ptrace is not allowed here"; exit 77; }
exits 0
is_whole killed
stops=$(wc -l <trace)
draw "$every"
kills=0
for stop in $(seq $((1 + drawn)) "$every" "$stops"); do
    rm -rf killed
    killed_run "$stop" 2>/dev/null # where bash says "Killed"
    if [ "$code" = 0 ]; then # the disk was behind, so there were fewer checkpoints
        is_whole killed
        continue
    fi
    [ "$code" = 137 ] || fail "stop $stop of $stops: exit code $code instead of 137"
    kills=$((kills + 1))
    command="kill at stop $(tail -1 trace)"
    grep -q "exit rename.*/step-" trace && good killed
    no_orphans killed
    ends_whole killed "$np"
done
[ $kills -ge $((stops / every / 2)) ] || fail "only $kills kills"
echo "$kills kills at $stops stops, $kills restarts, all in the bits $whole (seed $seed)"
