#!/bin/bash
# resume.sh MODEL FROM_NP TO_NP STEP: stopped at a step in the middle of an epoch, gone on with another rank count.
. "$(dirname "$0")/lib.sh"
model=$1 from=$2 to=$3 step=$4
dir=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-bits.XXXXXX")
trap 'rm -rf "$dir"' EXIT
train 0 "$dir/one" "$model" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
# The run in two parts: the first ends where a checkpoint stands, by a kill of everything.
train "$from" "$dir/two" "$model" --set "checkpoint.every=$step steps" --set "checkpoint.keep=50" >"$dir/log" 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null && ! ls "$dir"/two/checkpoints/step-*"$step".h5 >/dev/null 2>&1; do sleep 0.02; done
pkill -KILL -P $pid 2>/dev/null || true
kill -KILL $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
for child in $(pgrep -f "$dir/two" || true); do kill -KILL "$child" 2>/dev/null || true; done
train "$to" "$dir/two" "$model" --set "checkpoint.every=$step steps" --set "checkpoint.keep=50" >"$dir/log" 2>&1 ||
    { tail -20 "$dir/log"; exit 1; }
grep -E "^resume" "$dir/log" || { echo "the second part did not resume"; tail -5 "$dir/log"; }
equal "$dir/one" "$dir/two" "$model, killed at $from ranks after step $step, resumed at $to"
