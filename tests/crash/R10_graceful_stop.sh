# USR1 to mpirun and to one rank, STOP and --max-time, at random moments, in a step and in an evaluation: exit code 75 with one
# checkpoint not later than the step after the one that runs, and the same command goes on to the undisturbed bits. ROUNDS of each.
. "$(dirname "$0")/lib.sh"
epochs=6
"$make_data" data.h5 samples=2048 shape=28x28x1 classes=10 || fail make_data
"$make_data" large.h5 samples=120000 shape=28x28x1 classes=10 || fail make_data
cat >run.yaml <<'YAML'
lockstep: 1
data: {train: data.h5:/train, validation: data.h5:/validation, test: data.h5:/test, normalise: unit}
model: [flatten, {dense: {units: 512, activation: relu}}, {dense: {units: 256, activation: relu}}, {dense: {units: 10}}]
loss: softmax_cross_entropy
metrics: [accuracy]
optimizer: {adam: {learning_rate: 1e-3}}
checkpoint: {every: 1h, keep: 3, best: validation.loss}
log: {every: 1 steps}
train: {batch_size: 512}
YAML
undisturbed
last_step() { sed -n 's/^step \([0-9]*\)\/.*/\1/p' err | tail -1; }
# stop HOW DIR: asks; $asked is the last step that was over just after it.
stop() {
    case $1 in
    mpirun) kill -USR1 $launcher ;;
    rank) kill -USR1 "$(pid_of_rank "$2" 2)" ;;
    STOP) touch "$2/STOP" ;;
    esac
    asked=$(last_step)
    began=$(now_ms)
}
worst=0 slowest=0 behind=0
for how in mpirun rank STOP; do
    for round in $(seq "${ROUNDS:-1}"); do
        rm -rf half
        start_on 3 half
        command="$how, round $round of seed $seed: $command"
        await_line "^step [1-9]"
        draw 600
        sleep "0.$(printf %03d "$drawn")"
        stop $how half
        ended
        if [ $code = 0 ]; then # it was at its last step
            is_whole half
            continue
        fi
        exits 75
        at=$(sed -n 's/.* at step \([0-9]*\) of .*the same command goes on from here.*/\1/p' err)
        [ -n "$at" ] || fail "the last line does not say at which step it stopped"
        # The flag rides on the reduction of the step that begins next.
        # What mpirun forwards may be a line behind; that is rare, where a stop that is heard too late is not.
        if [ $((at - asked)) -gt 2 ]; then
            behind=$((behind + 1))
            [ $((at - asked)) = 3 ] && [ $behind -le $((1 + ${ROUNDS:-1} / 10)) ] || fail "asked after step $asked, stopped only at $at"
        fi
        [ $((at - asked)) -le $worst ] || worst=$((at - asked))
        [ $took -le $slowest ] || slowest=$took
        [ $took -lt 5000 ] || fail "it took $took ms to stop"
        [ -f "half/checkpoints/step-$(printf %08d "$at").h5" ] || fail "no checkpoint of step $at"
        no_orphans half
        ends_whole half 2
    done
done
rm -rf half
began=$(now_ms)
train_on 3 half --max-time 0.1s
took=$(($(now_ms) - began))
exits 75
says "stopped by --max-time"
ends_whole half

# In the middle of an evaluation: it is begun again and said once.
epochs=2
options="--set data.validation=large.h5:/train --set evaluate.chunk=64 --set evaluate.by=all"
train inside
exits 0
rm -rf whole && mv inside whole && whole=$(hash_of whole)
# The evaluation takes a few tenths of a second, so the stop may come before or after it; then another moment is tried.
for how in mpirun rank STOP; do
    for moment in 0.15 0.05 0.1 0.02 0.2 0; do
        rm -rf half
        start_on 3 half
        command="$how in an evaluation, after $moment s: $command"
        await_line "^step 4/"
        sleep $moment
        stop $how half
        ended
        exits 75
        ! grep -q "before the evaluation" err || break
    done
    says "before the evaluation"
    ends_whole half 4
done
echo "stopped at most $worst steps after the last that was over, within $slowest ms; three in an evaluation (seed $seed)"
