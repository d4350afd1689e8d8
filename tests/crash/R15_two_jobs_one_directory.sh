# Many starts at once on one directory: one runs, the others say who holds it and end with 73 within 5 s. The lock of a
# holder that was killed is free; a directory that may not be written is told.
. "$(dirname "$0")/lib.sh"
starts=${STARTS:-10} epochs=100000
crash_config samples=960
command="$starts starts at once"
began=$(now_ms)
pids=""
for i in $(seq "$starts"); do
    # shellcheck disable=SC2046
    "$LOCKSTEP" $(arguments one) >out.$i 2>err.$i </dev/null &
    pids="$pids $!"
done
ran=""
while [ "$(echo $ran | wc -w)" != 1 ]; do
    ran=$(jobs -rp)
    [ -n "$ran" ] || fail "nobody runs"
    [ $(($(now_ms) - began)) -lt $((5000 + 500 * starts)) ] || fail "$(echo $ran | wc -w) of $starts run"
    sleep 0.02
done
i=0
for pid in $pids; do
    i=$((i + 1))
    [ "$pid" != $ran ] || continue
    wait "$pid"
    code=$?
    cp out.$i out; cp err.$i err
    exits 73
    says "run directory $work/one is in use by host $(hostname), process $((ran))"
done
until ls one/checkpoints/step-*[1-9]*.h5 >/dev/null 2>&1 || [ -z "$(jobs -rp)" ]; do sleep 0.02; done
{ kill -KILL $ran; wait $ran; } 2>/dev/null
train one --max-time 0.001s
exits 75
grep -qE "^resume +of step [1-9]" err || fail "it did not go on where the killed holder was"
if [ "$(id -u)" != 0 ]; then
    mkdir closed && chmod a-w closed
    train closed/run
    exits 74
    says "$work/closed/run"
fi

# A file system without locks, as strace plays it: a heartbeat takes their place.
if strace -o /dev/null true 2>/dev/null; then
    without_locks() { strace -f -qq -o /dev/null -P "$work/two/.lock" -e trace=fcntl -e inject=fcntl:error=ENOLCK "$@"; }
    mkdir two
    # shellcheck disable=SC2046
    without_locks "$LOCKSTEP" $(arguments two) >out 2>err </dev/null &
    launcher=$!
    await "two/checkpoints/step-*[1-9]*.h5"
    says "heartbeat"
    began=$(now_ms)
    # shellcheck disable=SC2046
    run without_locks "$LOCKSTEP" $(arguments two)
    exits 73
    says "run directory $work/two is in use by host $(hostname), process $(ranks_of two)"
    [ $(($(now_ms) - began)) -lt 5000 ] || fail "refused only after $(($(now_ms) - began)) ms"
    { kill -KILL $(ranks_of two); wait $launcher; } 2>/dev/null
    # shellcheck disable=SC2046
    run without_locks "$LOCKSTEP" $(arguments two) --max-time 0.001s
    exits 75
    grep -qE "^resume +of step [1-9]" err || fail "it did not go on where the killed holder was"

    # A job that is suspended as a whole loses the directory to the next one; awake again it ends, and touches nothing.
    # shellcheck disable=SC2046
    without_locks "$LOCKSTEP" $(arguments two) >out.first 2>err.first </dev/null &
    launcher=$!
    first=""
    until first=$(ranks_of two) && [ -n "$first" ] && grep -q heartbeat err.first; do sleep 0.02; done
    sleep 2 # it beats
    kill -STOP $first
    # shellcheck disable=SC2046
    without_locks "$LOCKSTEP" $(arguments two) >out.second 2>err.second </dev/null &
    second=$!
    until grep -qE "^resume +of step" err.second; do kill -0 $second || fail "nobody took over: $(cat err.second)"; sleep 0.02; done
    kill -CONT $first
    ended
    cp out.first out; cp err.first err
    exits 73
    says "run directory $work/two has been taken over by host $(hostname), process $(ranks_of two)"
    touch two/STOP
    wait $second
    code=$?
    cp out.second out; cp err.second err
    exits 75
    grep -q '"state": *"stopped"' two/status.json || fail "its status is of another job: $(cat two/status.json)"
    good two
fi
echo "1 of $starts ran, $((starts - 1)) were refused"
