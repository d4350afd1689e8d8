#!/bin/bash
# ranks.sh MODEL OPTIMIZER "NP[/RANKS_PER_HOST] ...": every launch ends in the bits of one process without a launcher.
. "$(dirname "$0")/lib.sh"
model=$1 optimizer=$2
shift 2
dir=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-bits.XXXXXX")
trap 'rm -rf "$dir"' EXIT
train 0 "$dir/one" "$model" --set "optimizer={$optimizer}" >"$dir/one.log" 2>&1 || { cat "$dir/one.log"; exit 1; }
failed=0
for launch in $*; do
    np=${launch%/*} hosts=0
    case $launch in */*) hosts=${launch#*/} ;; esac
    train "$np" "$dir/$np-$hosts" "$model" --set "optimizer={$optimizer}" --set "comm.ranks_per_host=$hosts" >"$dir/log" 2>&1 ||
        { echo "np $np, $hosts ranks a host: failed"; tail -20 "$dir/log"; failed=1; continue; }
    equal "$dir/one" "$dir/$np-$hosts" "$model, $optimizer, np $np, $hosts ranks a host (0: all)" || failed=1
done
exit $failed
