#!/bin/bash
# fuzz.sh [SECONDS] [READER...]: clang's libFuzzer on the readers of what others wrote (csv npy idx config checkpoint), under
# ASan and UBSan, SECONDS each (default 60), from the inputs kept in tests/fuzz/<reader> and those of earlier calls. What it
# finds is written to build-check/fuzz-findings/<reader>; reduced by `-minimize_crash=1` and put into tests/fuzz/<reader> it
# becomes a test. Needs Debian's clang.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
[ $# -gt 0 ] || set -- csv npy idx config checkpoint
command -v clang >/dev/null || { echo "fuzz.sh: no clang here (Debian package clang)"; exit 77; }
dir=build-check/fuzz
log=$(mktemp)
trap 'rm -f "$log"' EXIT
mkdir -p $dir
if ! { CC=clang cmake -S . -B $dir -G Ninja -DCMAKE_BUILD_TYPE=Debug -DLK_ASAN=ON -DLK_UBSAN=ON -DLK_FUZZ=ON &&
    cmake --build $dir -j "$(nproc)" --target $(printf 'fuzz_%s ' "$@"); } >"$log" 2>&1; then
    tail -30 "$log" >&2
    exit 1
fi
failed=0
for reader in "$@"; do
    corpus=build-check/fuzz-corpus/$reader
    findings=build-check/fuzz-findings/$reader
    mkdir -p "$corpus" "$findings"
    seeds=tests/fuzz/$reader
    options=
    if [ "$reader" = config ]; then # the words of the option table, which chance would not find
        seeds="$seeds data/fashion-mnist data/linear-regression data/tabular scripts/compare"
        grep -oh '"[a-z_.|]*"' src/config/*.c | tr '.|' '\n\n' | tr -d '"' | grep . | sort -u | sed 's/.*/"&"/' >build-check/fuzz-words
        options=-dict=build-check/fuzz-words
    fi
    # shellcheck disable=SC2086 # a list of folders
    if UBSAN_OPTIONS=print_stacktrace=1 "$dir/tests/fuzz_$reader" -max_total_time="$seconds" -timeout=5 -max_len=65536 \
        -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1 $options -artifact_prefix="$findings/" "$corpus" $seeds >"$log" 2>&1; then
        echo "fuzz $reader: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
    else
        grep -E 'ERROR|SUMMARY|status|Test unit' "$log" | head -5
        echo "fuzz $reader: FOUND something, see $findings"
        failed=1
    fi
done
exit $failed
