# A rank of three that stops answering while a model is evaluated, predicts or is measured: as in training it is warned of, and the
# job ends at train.hang_timeout with rank, host, step and phase and exit code 77; nobody is left. Ranks that work for longer than
# that, chunk by chunk, are let alone.
. "$(dirname "$0")/lib.sh"
limit=${LIMIT:-4}
epochs=1
crash_config samples=96
sed -i 's/^  - dense: {units: 24.*/&\n  - dense: {units: 1000}\n  - dense: {units: 1000}/' run.yaml
"$make_data" long.h5 samples=60000 || fail make_data
train whole
exits 0
# start_use VERB...: on three ranks; 124 if it never ends.
start_use() {
    start timeout 100 "$mpi" 3 "$LOCKSTEP" "$@" --set train.hang_timeout="${limit}s" --set evaluate.chunk=1
    began=$(now_ms)
}
# await_work NAME RANK: until that rank is in the middle of its work, by its processor time; sets $pid.
await_work() {
    local ticks=0
    pid=
    until [ "${ticks:-0}" -gt 60 ]; do
        kill -0 "$launcher" 2>/dev/null || { ended; fail "the job ended before rank $2 had worked for long"; }
        sleep 0.05
        pid=$(pid_of_rank "$1" "$2")
        ticks=$(sed 's/.*) //' "/proc/${pid:-none}/stat" 2>/dev/null | awk '{ print $12 + $13 }')
    done
}
# stopped_in NAME RANK PLACE VERB...: NAME is the file or directory in $work that the job names.
stopped_in() {
    local name=$1 victim=$2 place=$3
    shift 3
    start_use "$@"
    await_work "$name" "$victim"
    kill -STOP "$pid"
    began=$(now_ms)
    ended
    exits 77
    no_orphans "$name"
    grep -qE "^warning: rank $victim on host .* no progress .*the job ends at $limit s" err || fail "rank $victim was not warned of"
    grep -qE "^lockstep: a rank hung: rank $victim on host .* is stopped: no progress for [0-9]+ s at $place\. Run the same command again$" err ||
        fail "the last word does not name rank $victim, host and $place"
    [ $took -ge $((limit * 1000)) ] || fail "ended after $took ms, before hang_timeout"
    # The others first finish what is theirs alone.
    [ $took -lt $((limit * 1000 + 30000)) ] || fail "the job took $took ms to end"
    echo "$1: rank $victim stopped, ended after $took ms"
}
place="step $(json_of step <("$LOCKSTEP" inspect whole --json)) in phase evaluate"
stopped_in whole 2 "$place" eval "$work/whole" --data long.h5:/train --set evaluate.by=all
stopped_in whole 0 "$place" predict "$work/whole" long.h5:/train -o out.h5
[ ! -e out.h5 ] || fail "a prediction that was cut short has its final name"
place="step [0-9]+ in phase [a-z ]+"
stopped_in run.yaml 2 "$place" bench "$work/run.yaml" --seconds 90
stopped_in run.yaml 0 "$place" scaling steps "$work/run.yaml" --seconds 90
limit=2
start_use eval "$work/whole" --data long.h5:/train --set evaluate.by=root
ended
exits 0
[ $took -gt $((limit * 1000)) ] || fail "an evaluation of $took ms is too short to tell"
echo "eval: $took ms of work with a hang_timeout of $limit s"
