# status.json names the step that a run is at, while it runs and after it was killed; where it cannot be written the run goes on.
. "$(dirname "$0")/../lib.sh"
small
command="lockstep train in the background"
"$LOCKSTEP" train run.yaml --run r --set train.epochs=1000000 --set log.every=1s --set "checkpoint.every=1 hour" \
    --set evaluate.every=never >out 2>err </dev/null &
pid=$!
trap 'kill -KILL $pid 2>/dev/null; rm -rf "$work"' EXIT
step_now() { json_of step r/status.json 2>/dev/null; }
past() { # STEP: waits until status.json is beyond it
    for _ in $(seq 200); do
        kill -0 $pid 2>/dev/null || fail "the run ended"
        step=$(step_now)
        [ "${step:-0}" -gt "$1" ] && return
        sleep 0.1
    done
    fail "status.json stays at step ${step:-none}: $(cat r/status.json)"
}
past 0
past "$step"
[ "$(json_of state r/status.json)" = running ] || fail "not running: $(cat r/status.json)"
if command -v python3 >/dev/null; then python3 -m json.tool r/status.json >/dev/null || fail "no JSON: $(cat r/status.json)"; fi

mkdir r/.status.new || fail "a folder where the new status belongs"
lines=$(grep -c ^step err)
for _ in $(seq 100); do [ "$(grep -c ^step err)" -gt $((lines + 2)) ] && break; sleep 0.1; done
kill -0 $pid 2>/dev/null || fail "the run ended because status.json could not be written"
[ "$(grep -c ^step err)" -gt $((lines + 2)) ] || fail "the run stands still"
rmdir r/.status.new
past "$(step_now)"

kill -KILL $pid
wait $pid 2>/dev/null
[ "$(step_now)" -ge "$step" ] || fail "after the kill: $(cat r/status.json)"
exit 0
