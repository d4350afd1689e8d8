#!/bin/bash
# io.sh [FOLDER]: data and checkpoints against the least that anybody must do, in turns within one run (tests/bench/bench_io.c),
# with 200 MB of each kind in FOLDER (a temporary one). A ratio of 1 is that least. Nothing else should run.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh build >/dev/null
folder=${1:-$(mktemp -d)}
[ $# -gt 0 ] || trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"
for part in u8 f32 f64 packed checkpoint; do
    build/tests/bench_io $part "$folder" 200
    rm -f "$folder"/*.h5
done
