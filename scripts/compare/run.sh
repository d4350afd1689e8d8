#!/bin/bash
# run.sh [ROWS...] [--rounds N] [--quick] [--out DIR]: Lockstep against PyTorch on all cores of this machine, see README.md here.
#
# Makes the virtual environment (.venv), the build and the data if they are not there, measures, and leaves a table and
# charts in DIR (default: build/compare). What DIR holds already is not measured again: another DIR, or none, begins anew.
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd)
data=$tree/data/fashion-mnist/fashion-mnist.h5
source=/usr/share/datasets/fashion-mnist

"$tree/scripts/install.sh"
"$tree/scripts/venv.sh" "$tree/.venv" >&2
tests=() # a first build needs none
[ -f "$tree/build/CMakeCache.txt" ] || tests=(-DLK_TESTS=OFF)
"$tree/scripts/build.sh" "$tree/build" "${tests[@]}" >&2
if [ ! -f "$data" ]; then
    "$tree/build/lockstep" data import idx --train $source/train-images-idx3-ubyte.gz $source/train-labels-idx1-ubyte.gz \
        --test $source/t10k-images-idx3-ubyte.gz $source/t10k-labels-idx1-ubyte.gz -o "$data"
fi
exec "$tree/.venv/bin/python" "$tree/scripts/compare/compare.py" --lockstep "$tree/build/lockstep" --data "$data" \
    --out "$tree/build/compare" "$@"
