#!/bin/bash
# linear-regression.sh: makes data/linear-regression/{line,check}.h5, five points of y = 2x, by way of two NPY files.
set -euo pipefail
cd "$(dirname "$0")/.."
lockstep=${LOCKSTEP:-build/lockstep}
folder=${1:-data/linear-regression}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# five FILE BYTES...: five little-endian floats of 32 bits, each given by its upper two bytes, behind numpy's header.
five() {
    file=$1
    shift
    { printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 1), }"
      # shellcheck disable=SC2059
      for value in "$@"; do printf "\\000\\000\\x${value:2:2}\\x${value:0:2}"; done; } >"$file"
}
five "$work/x.npy" 3f80 4000 4040 4080 40a0 # 1 2 3 4 5
five "$work/y.npy" 4000 4080 40c0 4100 4120 # 2 4 6 8 10
rm -f "$folder/line.h5"
"$lockstep" data import npy --x "$work/x.npy" --y "$work/y.npy" -o "$folder/line.h5"
cp "$folder/line.h5" "$folder/check.h5" # the validation data: the same five points in a file of their own
