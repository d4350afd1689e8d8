# A rank of another host than the root's stops (SIGSTOP): it is warned of at a fifth of train.hang_timeout, and the job ends
# with 77 at most 15 s after it, with rank, host, step and phase of the one that stopped, and of nobody else.
. "$(dirname "$0")/lib.sh"
hosts 3
endless
timeout=10
start 1,2,1 "$LOCKSTEP" train run.yaml --run r --set train.hang_timeout=${timeout}s
until_true 60 reached r 100 || fail "no step 100"
kill -STOP "$(process_on h1 2)"
began=$(seconds)
until_true $timeout grep -q '^warning: rank' err || fail "no warning within $timeout s"
at_least "$(since "$began")" 1 "the warning"
finish $((timeout + 15))
exits 77
no_orphans
echo "rank 2 on h1 stopped: ended with $code after $(since "$began") s"
grep -cE "^(lockstep: a rank hung|warning): rank 2 on host h1 is stopped: no progress for [0-9.]+ s at step [0-9]+ in phase [a-z]+" err | grep -qx 2 ||
    fail "not one warning and one end that name rank 2 on host h1"
grep -E '^(lockstep: a rank|warning: (rank|host))' err | grep -v ' rank 2 on host h1' | grep -vE ' host h[02] waits for rank [12] on host h1' &&
    fail "somebody else is named"
same_as_undisturbed 2,1 r

# The root's host as a whole, while the others wait for an evaluation that the root makes alone: its watchdog is stopped, too, and
# theirs do not know how long the root may take, so they wait ten times as long.
for try in 1 2 3 4 5; do
    start 1,1 "$LOCKSTEP" train run.yaml --run root --new --set train.hang_timeout=1s --set train.batch_size=8 \
        --set "evaluate.every=1 steps" --set evaluate.by=root
    until_true 60 grep -q '^batch' err || fail "no header"
    sleep 1
    kill -STOP "$(process_on h0)"
    finish 40
    exits 77
    no_orphans
    ! grep -q 'in phase evaluate' err || break
done
says "host h1 waits for another host: no answer for "
grep -qE 'no answer for 1[6-9] s at step [0-9]+ in phase evaluate' err || fail "not after ten times the timeout"
says "(ten times train.hang_timeout)"
