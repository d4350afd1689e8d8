# A disk so slow that a checkpoint takes longer than hang_timeout is no rank that hangs, at the start and at the end of a run,
# while pieces of the file still reach it; one that stands still is: exit code 77, with rank and phase.
. "$(dirname "$0")/lib.sh"
options="--set train.hang_timeout=5s"
epochs=1
small samples=64 shape=1024
sed -i 's|units: 16|units: 2048|' run.yaml
grep -q 2048 run.yaml || fail "the small model has changed"
export LK_FAULT=slow:2500
began=$(now_ms)
faulty 2 slow
took=$(($(now_ms) - began))
exits 0
size=$(stat -c %s slow/checkpoints/step-00000000.h5)
[ "$size" -gt $((2 << 23)) ] || fail "$size bytes are less than three pieces of 8 MiB"
[ $took -gt 15000 ] || fail "took $took ms: the writes were not slowed"
export LK_FAULT=slow:40000
began=$(now_ms)
faulty 2 still
took=$(($(now_ms) - began))
exits 77
grep -qE "a rank hung: rank 0 on host .* is stuck: no progress for .* in phase checkpoint" err || fail "does not say who hung"
[ $took -lt 20000 ] || fail "ended after $took ms"
echo "checkpoints of $size bytes at 2.5 s a piece of 8 MiB, hang_timeout 5 s: goes on; a write that stands still: 77 after $took ms"
