#!/bin/bash
# The control: with reduce: allreduce the bits do depend on the rank count, so the comparison has power.
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-bits.XXXXXX")
trap 'rm -rf "$dir"' EXIT
train 0 "$dir/one" mlp --set train.reduce=allreduce >/dev/null 2>&1
for np in 3 5; do
    train "$np" "$dir/$np" mlp --set train.reduce=allreduce >/dev/null 2>&1
    if equal "$dir/one" "$dir/$np" "allreduce, np $np" 2>/dev/null; then
        echo "allreduce at np $np gave equal bits: the comparison proves nothing"
        exit 1
    fi
    echo "allreduce, np $np: other bits, as expected"
done
