#!/bin/bash
# resume.sh MODEL FROM TO...: stopped by STOP in the middle of an epoch and gone on with another number of ranks: the bits
# and the log of the run that nobody stopped.
. "$(dirname "$0")/lib.sh"
model=$1 from=$2
shift 2
case $model in resnet8*) optimizer=sgd ;; *) optimizer=adam ;; esac # as shipped
train 0 "$work/one" "$model" "$optimizer" || failed "$work/one" "$model without a launcher"

# The first part: STOP is touched once the run has a step behind it; where it stops depends on the machine and does not matter.
stop_early() { # DIR
    while kill -0 $! 2>/dev/null && ! ls "$1"/checkpoints/step-*5.h5 >/dev/null 2>&1; do sleep 0.01; done
    touch "$1/STOP" 2>/dev/null || true
}
for try in 1 2 3 4 5; do
    rm -rf "$work/part"*
    train "$from" "$work/part" "$model" "$optimizer" --set "checkpoint.every=5 steps" --set checkpoint.keep=50 &
    stop_early "$work/part"
    code=0
    wait $! || code=$?
    [ $code = 75 ] && break
    [ $code = 0 ] || failed "$work/part" "$model at $from ranks: exit $code instead of 75"
    echo "try $try: the run was over before it was stopped"
done
[ $code = 75 ] || exit 1
step=$(ls "$work/part/checkpoints" | sed -n 's/^step-0*\([0-9]*\)\.h5$/\1/p' | tail -1)
[ $((step % 21)) != 0 ] || echo "stopped at an epoch's end"

verdict=0
for to in "$@"; do
    case $to in 1 | 2) n_hosts=$to ;; 7) n_hosts=4 ;; *) n_hosts=3 ;; esac
    what="$model, stopped at $from ranks after step $step, resumed at $to on $n_hosts hosts"
    cp -r "$work/part" "$work/$to"
    cp "$work/part.out" "$work/$to.out"
    train "$to" "$work/$to" "$model" "$optimizer" --set "comm.ranks_per_host=$(layout "$to" $n_hosts)" || { failed "$work/$to" "$what" || verdict=1; continue; }
    grep -q "^resume  *of step $step " "$work/$to.err" || { failed "$work/$to" "did not resume: $what" || verdict=1; }
    equal "$work/one" "$work/$to" "$what" || verdict=1
done
exit $verdict
