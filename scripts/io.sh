#!/bin/bash
# io.sh [FOLDER]: data and checkpoints against the least that anybody must do, in turns within one run (tests/bench/bench_io.c),
# with 200 MB of each kind in FOLDER (a temporary one). A ratio of 1 is that least. Nothing else should run.
# io.sh --large [FOLDER [MEGABYTES LIMIT]]: two ranks train one epoch on a file of 4,096 MB, none of it in the page cache at
# first, while the kernel gives them 512 MB for processes and page cache together. Takes root, or a memory cgroup of your own.
set -euo pipefail
cd "$(dirname "$0")/.."
large=0
[ "${1:-}" != --large ] || { large=1; shift; }
scripts/build.sh build >/dev/null
folder=${1:-$(mktemp -d)}
[ $# -gt 0 ] || trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"

if [ $large = 0 ]; then
    for part in u8 f32 f64 packed checkpoint; do
        build/tests/bench_io $part "$folder" 200
        rm -f "$folder"/*.h5
    done
    exit
fi

megabytes=${2:-4096} limit=${3:-512}
if [ -d /sys/fs/cgroup/memory ]; then
    group=/sys/fs/cgroup/memory/lockstep-io.$$ most=memory.limit_in_bytes peak=memory.max_usage_in_bytes
else
    group=/sys/fs/cgroup/lockstep-io.$$ most=memory.max peak=memory.peak
fi
mkdir $group || { echo "skipped: no right to make $group" >&2; exit 77; }
trap 'rm -rf "$folder/large.h5" "$folder/large"; rmdir $group 2>/dev/null || true; [ $# -gt 0 ] || rmdir "$folder"' EXIT
echo $((limit << 20)) >$group/$most

build/tests/bench_io write "$folder" "$megabytes"
dd of="$folder/large.h5" oflag=nocache conv=notrunc,fdatasync count=0 status=none # leaves the page cache
cat >"$folder/large.yaml" <<EOF
lockstep: 1
data: {train: "$folder/large.h5:/train", normalise: standard, statistics: {samples: 1000}}
model: [flatten, {dense: {units: 16, activation: relu}}, {dense: {units: 1}}]
loss: mse
optimizer: {adam: {learning_rate: 1e-3}}
train: {epochs: 1, batch_size: 128}
checkpoint: {every: never}
EOF
sh -c "echo \$\$ >$group/cgroup.procs; exec mpirun -n 2 build/lockstep train '$folder/large.yaml' --run '$folder/large'"
echo "memory: at most $(($(cat $group/$peak) >> 20)) MiB of $limit MiB, page cache included"
rm -f "$folder/large.yaml"
