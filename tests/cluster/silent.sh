# A host is cut off, and the launcher does not watch its links (Open MPI's default is to wait a quarter of an hour): the ranks'
# own watchdogs end all ranks on both sides of the cut within train.hang_timeout + 15 s. Each host says once whom it waits for,
# for how long, at which step and in which phase.
. "$(dirname "$0")/lib.sh"
hosts 3
endless
timeout=10
start 1,2,1 "$LOCKSTEP" train run.yaml --run r --set train.hang_timeout=${timeout}s
until_true 60 reached r 100 || fail "no step 100"
net cut h2
began=$(seconds)
until_true $((timeout + 15)) nothing ours_left || fail "still there after $(since "$began") s"
took=$(since "$began")
at_least "$took" $timeout "the end"
echo "both sides ended $took s after the cut"
said() { grep -cE "^(lockstep: a rank hung|warning): host $1 waits for rank [0-9] on host h[0-2]: no answer for [0-9.]+ s at step [0-9]+ in phase reduce" err; }
[ "$(said h0)" = 2 ] || fail "h0: not a warning and an end: $(said h0) lines"
[ "$(said h1)" = 2 ] || fail "h1: not a warning and an end: $(said h1) lines"
grep -E '^lockstep: a rank hung: host h[01] waits for rank 3 on host h2' err || fail "h2 is not named"
grep -q 'is stopped\|is stuck\|died at' err && fail "somebody is blamed for what the network did"
kill -9 "$(pgrep -x mpirun)"
wait $started 2>/dev/null
net heal h2
mpirun_options=
same_as_undisturbed 2,1 r
