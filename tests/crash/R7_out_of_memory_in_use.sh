# The n-th allocation fails in one rank of three that evaluate, predict or look through data: the job ends with 71 and says what
# for, nothing of a prediction is left, and no rank waits for the one that failed (exit code 124). EVERY: each so-many-th allocation;
# MOST: seconds for a job, which takes a fifth of one.
. "$(dirname "$0")/lib.sh" || exit 1
every=${EVERY:-29} most=${MOST:-20}
epochs=1
crash_config samples=96
train whole
exits 0
# short_of NUMBER RANK VERB...: that allocation of that rank fails.
short_of() {
    export LK_FAULT=alloc:$1 LK_FAULT_RANK=$2 LK_FAULT_COUNT=$work/counted
    shift 2
    rm -f out.h5
    run timeout "$most" "$mpi" 3 env LD_PRELOAD="$faults" "$LOCKSTEP" "$@"
    unset LK_FAULT LK_FAULT_RANK LK_FAULT_COUNT
}
runs=0
# each_of VERB...
each_of() {
    for rank in 0 2; do
        short_of 0 $rank "$@"
        exits 0
        total=$(sed 's/allocations //' counted)
        [ "$total" -gt 50 ] || fail "only $total allocations were seen"
        draw "$every"
        for n in $(seq $((1 + drawn)) "$every" "$total"); do
            short_of "$n" $rank "$@"
            command="allocation $n of $total in rank $rank: $command"
            runs=$((runs + 1))
            [ $code = 0 ] && continue
            exits 71
            grep -qE "no memory|out of memory" err || fail "the message does not say what failed"
            [ ! -e out.h5 ] && [ ! -e out.h5.new ] || fail "something of a prediction is left"
        done
    done
}
each_of eval whole --set evaluate.chunk=7
each_of eval whole --set evaluate.chunk=7 --set evaluate.by=all --json
each_of predict whole data.h5:/test data.h5:/validation -o out.h5 --set evaluate.chunk=4
each_of data stats data.h5 data.h5:/test
each_of data verify data.h5 data.h5:/test
echo "$runs allocations failed, and no rank waited (seed $seed)"
