#!/bin/bash
# The control: with reduce: allreduce the bits do depend on the rank count, so the comparison has power.
. "$(dirname "$0")/lib.sh"
train 0 "$work/one" mlp adam --set train.reduce=allreduce || failed "$work/one" "allreduce without a launcher"
for np in 3 5; do
    train "$np" "$work/$np" mlp adam --set train.reduce=allreduce || failed "$work/$np" "allreduce, np $np"
    if equal "$work/one" "$work/$np" "allreduce, np $np" 2>"$work/why"; then
        echo "allreduce at np $np gave equal bits: the comparison proves nothing"
        exit 1
    fi
    grep -q '^. last' "$work/why" || { cat "$work/why"; echo "allreduce at np $np: the parameters are not among what differs"; exit 1; }
    echo "allreduce, np $np: other bits, as expected"
done
