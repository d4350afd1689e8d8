# The n-th allocation fails, in a process alone and in one rank of three: the job ends within 10 s with 71 and says which rank
# wanted how many bytes or what for; nobody is left; the same command then ends in the undisturbed bits. EVERY: each so-many-th allocation.
. "$(dirname "$0")/lib.sh"
every=${EVERY:-31} epochs=1
crash_config samples=96
undisturbed
# short_of NUMBER NP: a run in which that allocation of the last rank fails.
short_of() {
    rm -rf short
    export LK_FAULT=alloc:$1 LK_FAULT_RANK=$(($2 > 0 ? $2 - 1 : 0)) LK_FAULT_COUNT=$work/counted
    began=$(now_ms)
    faulty "$2" short
    took=$(($(now_ms) - began))
    unset LK_FAULT LK_FAULT_RANK LK_FAULT_COUNT
}
runs=0 survived=0
for np in 0 3; do
    short_of 0 $np
    exits 0
    total=$(sed 's/allocations //' counted)
    [ "$total" -gt 100 ] || fail "only $total allocations were seen"
    step=$((np > 0 && every > 1 ? 4 * every : every)) # jobs take longer
    draw "$step"
    for n in $(seq $((1 + drawn)) "$step" "$total"); do
        short_of "$n" $np
        command="allocation $n of $total: $command"
        runs=$((runs + 1))
        if [ $code = 0 ]; then
            survived=$((survived + 1))
        else
            exits 71
            [ $np = 0 ] || says "rank $((np - 1))"
            says "out of memory"
            grep -qE "no memory (for|to) |out of memory (for|while) |run.yaml: out of memory" err ||
                fail "the message does not say what the memory was for"
        fi
        [ $took -lt 10000 ] || fail "the job took $took ms to end"
        no_orphans short
        ends_whole short
    done
done
echo "$runs allocations failed: $((runs - survived)) runs ended with 71, $survived did without; all ended whole (seed $seed)"
