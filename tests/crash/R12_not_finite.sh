# A NaN or an infinity in one product of one rank (an activation, a gradient): all ranks stop at that step with 79 and one
# message that names step and layer; best.h5 and the last checkpoint are those from before. The same command then ends whole.
# What nobody reads, the gradient of an activation that is 0 by ReLU, changes no bit of the run.
# Also: a loss that stays finite but too large for three steps.
. "$(dirname "$0")/lib.sh"
options="--set train.kernels=openblas --set evaluate.by=root --set checkpoint.keep=1000"
epochs=4
crash_config samples=960
undisturbed
said="" found=0 unread=0
for kind in nan inf; do
    for round in $(seq "${ROUNDS:-3}"); do
        rm -rf poisoned
        draw 900
        n=$((drawn + 60))
        export LK_FAULT=$kind:$n LK_FAULT_RANK=1
        faulty 3 poisoned
        unset LK_FAULT LK_FAULT_RANK
        command="$kind in product $n of rank 1 (seed $seed): $command"
        if [ $code = 0 ]; then
            is_whole poisoned
            unread=$((unread + 1))
            continue
        fi
        exits 79
        says_once "lockstep: "
        grep -qE "^lockstep: training diverged: in step [0-9]+: the (gradient of '[a-z_0-9/]+'|loss) is not finite" err ||
            fail "the message does not name step and layer"
        found=$((found + 1))
        said="$said $(sed -n "s/.*in step \([0-9]*\): the gradient of '\([^']*\)'.*/\1:\2/p" err)"
        good poisoned
        unspoilt poisoned
        ends_whole poisoned
    done
done
rm -rf away
sed -i 's/adam: {learning_rate: 1e-2}/sgd: {learning_rate: 40}/' run.yaml
train away --set train.diverged_above=1.2
exits 79
says "times the first one"
says "for 3 steps running"
[ $found -ge $((2 * unread)) ] || fail "only $found were found, $unread were not read"
echo "$found found in the step itself, by all ranks, $unread not read:$said"
