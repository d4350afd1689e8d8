# A bit of the parameters or of an optimizer slot flips in the memory of one host of three while a job runs: at the next check
# all end with 76 and one message that names span and host, and no checkpoint was written after it. FLIPS flips.
. "$(dirname "$0")/lib.sh"
options="--set comm.ranks_per_host=2 --set train.verify_every=10steps --set checkpoint.every=50steps --set checkpoint.keep=100000 --set log.every=1steps"
epochs=${EPOCHS:-240} # long enough that it is not over before the flip
crash_config samples=960
undisturbed
# Floats of the window in the order of the spans: each begins at a multiple of 16; slots follow at the next page.
spans=(dense_1/weight:0:1536 dense_1/bias:1536:24 dense_2/weight:1568:96 dense_2/bias:1664:4)
slots=8192 slot_floats=1680 second=0
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
    what="'$span'" # a slot that a step has used meanwhile has changed the parameters as well, and they are named first
    [ $where = 0 ] || what="(optimizer slot $((where - 1)) of )?'$span'"
    grep -qE "replicas differ: $what is not the same on all 3 hosts: the odd one is host" err || fail "not $what"
    # The rank that was hit counts itself: lines of two ranks may change places on their way. A flip may fall into a comparison.
    compared=$(grep -c "^comparison [0-9]* after the flip" err)
    [ "$compared" = 1 ] || [ "$compared" = 2 ] || fail "found by comparison $compared after the flip"
    [ "$compared" = 2 ] && second=$((second + 1))
    unspoilt flipped
    echo "found by comparison $compared after the flip: $(sed -n "s/.*replicas differ: //p" err)"
done
[ $((2 * second)) -le $((1 + ${FLIPS:-3})) ] || fail "$second of ${FLIPS:-3} flips were not found by the first comparison after them"
ends_whole flipped 2
