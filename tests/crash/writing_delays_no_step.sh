# Training goes on while rank 0 writes: with every fsync delayed by 2 s no step takes longer than to copy the state, plus a
# median step; on a checkpoint every few steps too, where the disk cannot keep up. Step times are those of metrics.jsonl.
. "$(dirname "$0")/lib.sh"
need_strace
epochs=${EPOCHS:-3}
"$make_data" data.h5 samples=6000 shape=28x28x1 classes=10 || fail make_data
cat >run.yaml <<'YAML'
lockstep: 1
data: {train: data.h5:/train, validation: data.h5:/validation, normalise: unit}
model: [flatten, {dense: {units: 1024, activation: relu}}, {dense: {units: 512, activation: relu}}, {dense: {units: 10}}]
loss: softmax_cross_entropy
optimizer: {adam: {learning_rate: 1e-4}}
checkpoint: {every: 7 steps, keep: 3, best: validation.loss}
evaluate: {every: 1 steps}
train: {batch_size: 256}
YAML
undisturbed
# Milliseconds of each step with its evaluation and what is due after it, sorted; the start is not one.
steps_of() {
    sed -n 's/.*"step":\([0-9]*\),.*"seconds":\([0-9.]*\).*/\1 \2/p' "$1/metrics.jsonl" |
        awk 'last { printf "%.1f\n", ($2 - last) * 1000 } { last = $2 }' | sort -n
}
# shellcheck disable=SC2046
run strace -f -qq -o trace -P "$work/slow/checkpoints" -P "$work/slow/checkpoints/.new" -P "$work/slow/.new" \
    -e trace=fsync -e inject=fsync:delay_enter=2000000 "$LOCKSTEP" $(arguments slow)
exits 0
delayed=$(grep -c fsync trace)
[ "$delayed" -gt 6 ] || fail "only $delayed fsyncs were delayed"
is_whole slow
median=$(steps_of whole | awk '{ t[NR] = $1 } END { print int(t[int((NR + 1) / 2)]) }')
most_whole=$(steps_of whole | tail -1)
most=$(steps_of slow | tail -1)
n=$(steps_of slow | wc -l)
echo "$n steps, $delayed fsyncs of 2 s: the longest step took $most ms, undisturbed $most_whole ms (median $median ms)"
awk -v a="$most" -v b="$most_whole" -v m="$median" 'BEGIN { exit !(a < b + m + 200 && a < 1500) }' || fail "a step waited for the disk"
