# A bit of the parameters or of an optimizer slot flips in the memory of one host of three while a job runs: at the next check
# all end with 76 and one message that names span and host, and no checkpoint was written after it. FLIPS flips.
. "$(dirname "$0")/lib.sh"
options="--set comm.ranks_per_host=2 --set train.verify_every=10steps --set checkpoint.every=50steps --set checkpoint.keep=100000 --set log.every=1steps"
epochs=${EPOCHS:-60}
crash_config samples=960
undisturbed
# Floats of the window in the order of the spans: each begins at a multiple of 16; slots follow at the next page.
spans=(dense_1/weight:0:1536 dense_1/bias:1536:24 dense_2/weight:1568:96 dense_2/bias:1664:4)
slots=8192 slot_floats=1680
for flip in $(seq "${FLIPS:-3}"); do
    draw 4
    IFS=: read -r span from count <<<"${spans[drawn]}"
    draw "$count"
    byte=$((4 * (from + drawn)))
    draw 3
    where=$drawn
    [ $where = 0 ] || byte=$((byte + slots + 4 * slot_floats * (where - 1)))
    draw 3
    host=$drawn
    draw 8
    rm -rf flipped
    export LK_FAULT=flip:$((byte + 2)):$drawn LK_FAULT_RANK=$((2 * host)) LK_FAULT_AFTER=700
    faulty 6 flipped
    unset LK_FAULT LK_FAULT_RANK LK_FAULT_AFTER
    command="flip $flip of seed $seed, $span in buffer $where on host $host: $command"
    exits 76
    says_once "replicas differ"
    what="'$span'"
    [ $where = 0 ] || what="optimizer slot $((where - 1)) of '$span'"
    says "$what is not the same on all 3 hosts: the odd one is host"
    before=$(sed -n '/^flipped bit/q; s/^step \([0-9]*\)\/.*/\1/p' err | tail -1)
    last=$(sed -n 's/^step \([0-9]*\)\/.*/\1/p' err | tail -1)
    [ $((last - before)) -le 11 ] || fail "flipped at step $before, found only at $last"
    newest=$(ls flipped/checkpoints/step-*.h5 | tail -1)
    step=$(basename "$newest" .h5) step=$((10#${step#step-}))
    [ $step -le $((before + 1)) ] || fail "flipped at step $before, and a checkpoint was written at $step"
    unspoilt flipped
    echo "flipped at step $before, found at $last: $(sed -n "s/.*replicas differ: //p" err)"
done
ends_whole flipped 2
