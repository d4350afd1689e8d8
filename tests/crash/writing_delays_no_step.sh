# Training goes on while rank 0 writes: with every fsync delayed by 2 s no step takes longer than the copy of the state and a
# median step, though a checkpoint is due every few steps, by number or because it is the best one, and the disk cannot keep up.
# Times are those of metrics.jsonl, which knows what a step has waited for a checkpoint: undisturbed that is the copy.
# What else runs on the machine makes steps slow at random, a wait for the disk would make the same steps slow in every run: so
# of each step the fastest of up to ATTEMPTS (4) runs counts.
. "$(dirname "$0")/lib.sh"
need_strace
epochs=${EPOCHS:-10}
"$make_data" data.h5 samples=5120 shape=28x28x1 classes=10 noise=70 deflate=0 || fail make_data
"$make_data" few.h5 samples=1024 shape=28x28x1 classes=10 noise=70 deflate=0 seed=2 || fail make_data
# Most labels are noise and the rate is high: now and then a step is the best one so far.
cat >run.yaml <<'YAML'
lockstep: 1
data: {train: data.h5:/train, validation: few.h5:/validation, normalise: unit}
model: [flatten, {dense: {units: 1024, activation: relu}}, {dense: {units: 1024, activation: relu}}, {dense: {units: 10}}]
loss: softmax_cross_entropy
optimizer: {adam: {learning_rate: 1e-3}}
checkpoint: {every: 7 steps, keep: 3, best: validation.loss}
evaluate: {every: 1 steps}
train: {batch_size: 512}
YAML
# Without it strace stops the program at every system call.
filter=--seccomp-bpf
strace -f -qq $filter -o /dev/null true 2>/dev/null || filter=""

# delayed_run DIR: the command line of a run whose fsyncs take 2 s longer.
delayed_run() {
    echo strace -f -qq $filter -o "trace.$1" -P "$work/$1/checkpoints" -P "$work/$1/checkpoints/.new" -P "$work/$1/.new" \
        -e trace=fsync -e inject=fsync:delay_enter=2000000 "$LOCKSTEP" "$(arguments "$1")"
}
# steps_of RUN: a line a step: its number, the milliseconds since the evaluation before it, and how many of them its checkpoint
# took, that of the step before, 0 if none was due. The start is no step.
steps_of() {
    sed -n 's/.*"step":\([0-9]*\),.*"seconds":\([0-9.]*\),.*"checkpoint_seconds":\([0-9.]*\).*/\1 \2 \3/p' "$1/metrics.jsonl" |
        awk 'NR > 1 { printf "%d %.1f %.1f\n", $1, ($2 - end) * 1000, ($3 - copied) * 1000 } { end = $2; copied = $3 }'
}
# of COLUMN CONDITION: that column of such lines, where the condition of awk holds, in order of size.
of() { awk "$2 { print \$$1 }" | sort -n; }
median_of() { awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] }'; }
# longest_of RUN...: of each step the fastest of these runs, and of these the slowest.
longest_of() {
    for run in "$@"; do steps_of "$run"; done |
        awk '!($1 in t) || $2 < t[$1] { t[$1] = $2 } END { for (k in t) print t[k] }' | sort -n | tail -n 1
}
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'; }

# measure RUN...: what a step may take, from runs that nothing has delayed; fails where that would hide a wait.
measure() {
    for run in "$@"; do steps_of "$run"; done >undelayed
    median=$(of 2 '$3 == 0' <undelayed | median_of)
    copy=$(of 3 '$3 > 0' <undelayed | tail -n 1)
    read -r limit far <<<"$(awk -v a="$median" -v b="$copy" 'BEGIN { print a + b, a + b + 1000 }')"
    below "$limit" 1000
}
began=$(now_ms)
undisturbed
whole_ms=$(($(now_ms) - began)) undelayed=whole
if ! measure $undelayed; then
    train again
    exits 0
    undelayed=again
    measure $undelayed || fail "an undisturbed step takes $median ms and a copy $copy ms"
fi
periodic=$(steps_of whole | of 1 '$3 > 0 && ($1 - 1) % 7 == 0' | wc -l)
best=$(steps_of whole | of 1 '$3 > 0 && ($1 - 1) % 7 != 0' | wc -l)
without=$(steps_of whole | of 1 '$3 == 0' | wc -l)
[ "$periodic" -ge 5 ] && [ "$best" -ge 5 ] && [ "$without" -ge 20 ] || fail "$periodic, $best and $without steps of each kind"

# is_through RUN: all steps are in its log.
is_through() { [ -f "$1/metrics.jsonl" ] && [ "$(wc -l <"$1/metrics.jsonl")" = "$(wc -l <whole/metrics.jsonl)" ]; }
# A wait at other steps in each run would be in all of them, so one must be without.
none_waits() { below "$longest" "$limit" && below "$calmest" "$far"; }
# The first one may end, with what is still to be written; of the others the steps are all there is to see.
patience=$((15000 + 2 * whole_ms)) longest="" overdue=0
for attempt in $(seq "${ATTEMPTS:-4}"); do
    slow=slow.$attempt
    began=$(now_ms)
    $(delayed_run $slow) >out 2>err </dev/null &
    launcher=$!
    while ! is_through $slow && [ $(($(now_ms) - began)) -lt $patience ] && kill -0 $launcher; do sleep 0.05; done
    is_through $slow && [ -z "$longest" ] || kill -KILL $(processes_of "$work/$slow")
    ended
    if ! is_through $slow; then
        overdue=$((overdue + 1))
        [ $overdue = 1 ] || fail "twice the steps took more than $patience ms, where $whole_ms were enough"
        rm -r $slow
        continue
    fi
    [ -n "$longest" ] || { exits 0; is_whole $slow; }
    delayed=$(grep -c fsync "trace.$slow")
    [ "$delayed" -gt 2 ] || fail "only $delayed fsyncs were delayed"
    longest=$(longest_of slow.*)
    calmest=$(for run in slow.*; do longest_of "$run"; done | sort -n | head -n 1)
    ! none_waits || break
    # A copy takes longer now and then, where its memory is new to the process: once more what it takes undisturbed.
    train "calm.$attempt"
    exits 0
    ! measure $undelayed "calm.$attempt" || undelayed="$undelayed calm.$attempt"
    measure $undelayed
    ! none_waits || break
done 2>/dev/null # where bash says "Killed"
echo "$((periodic + best + without)) steps, $periodic after a checkpoint by number and $best after one that was the best," \
    "$delayed fsyncs of 2 s, $attempt runs: longest $longest ms, median $median ms, copy $copy ms"
none_waits || fail "a step waited for the disk (no run without one of $calmest ms)"
