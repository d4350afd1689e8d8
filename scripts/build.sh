#!/bin/bash
# build.sh [DIR] [cmake options]: a release build in DIR (default: build) with all cores. Prints errors only.
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:-$tree/build}
shift || true
log=$(mktemp)
trap 'rm -f "$log"' EXIT
generator=
[ -f "$dir/CMakeCache.txt" ] || ! command -v ninja >/dev/null || generator="-G Ninja"
# shellcheck disable=SC2086
cmake -S "$tree" -B "$dir" $generator "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
cmake --build "$dir" -j "$(nproc)" >"$log" 2>&1 || { grep -E "error|FAILED|undefined" -A4 "$log" >&2 || cat "$log" >&2; exit 1; }
echo "built $dir/lockstep"
