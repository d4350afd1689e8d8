# A rank of three that stops answering while a model is evaluated, predicts or is measured, or while the machine is: as in training
# it is warned of, and the job ends at train.hang_timeout, or without a configuration at --hang-timeout, with rank, host and place
# and exit code 77; nobody is left. Ranks that work for longer than that, chunk by chunk, are let alone.
. "$(dirname "$0")/lib.sh"
limit=${LIMIT:-4}
epochs=1
crash_config samples=96
sed -i 's/^  - dense: {units: 24.*/&\n  - dense: {units: 1000}\n  - dense: {units: 1000}/' run.yaml
"$make_data" long.h5 samples=60000 || fail make_data
train whole
exits 0
# Its processes are told by the name they are called by: not all verbs name a file of this test.
mkdir bin && ln -s "$LOCKSTEP" bin/lockstep || fail bin
set_by=train.hang_timeout
# start_use VERB...: on three ranks; 124 if it never ends.
start_use() {
    local limits="--hang-timeout=${limit}s"
    [ $set_by = --hang-timeout ] || limits="--set train.hang_timeout=${limit}s --set evaluate.chunk=1"
    # shellcheck disable=SC2086
    start timeout 100 "$mpi" 3 "$work/bin/lockstep" "$@" $limits
    began=$(now_ms)
}
# When a rank is stopped: once it has had so many hundredths of a second of processor time, which is in the middle of its work;
# or "watched": a moment after its watchdog began.
moment=60
# has_come: whether that moment has, for $pid.
has_come() {
    if [ "$moment" = watched ]; then
        grep -qs /dev/shm/lockstep- "/proc/${pid:-none}/maps" && sleep 0.1
    else
        [ "$(sed 's/.*) //' "/proc/${pid:-none}/stat" 2>/dev/null | awk '{ print $12 + $13 }')" -gt "$moment" ] 2>/dev/null
    fi
}
# await_moment RANK: of that rank; sets $pid.
await_moment() {
    pid=
    until has_come; do
        kill -0 "$launcher" 2>/dev/null || { ended; fail "the job ended before rank $1 could be stopped"; }
        [ "$moment" = watched ] || sleep 0.05
        [ -n "$pid" ] || pid=$(pid_of_rank bin/lockstep "$1")
    done
}
# Who is named, if not the stopped rank itself: where it is alone on its host, another host only knows whom it waits for.
named=""
# stopped_in RANK PLACE VERB...
stopped_in() {
    local victim=$1 place=$2
    shift 2
    start_use "$@"
    await_moment "$victim"
    kill -STOP "$pid"
    began=$(now_ms)
    ended
    exits 77
    no_orphans bin/lockstep
    who=${named:-"rank $victim on host .* is stopped: no progress"} grace=$((${named:+6} + 0))
    grep -qE "^warning: $who for .*; the job ends at $((limit + grace)) s \($set_by\)$" err || fail "rank $victim was not warned of"
    grep -qE "^lockstep: a rank hung: $who for [0-9]+ s at $place\. Run the same command again$" err ||
        fail "the last word does not name rank $victim, host and $place"
    [ $took -ge $((limit * 1000)) ] || fail "ended after $took ms, before $set_by"
    # The others first finish what is theirs alone.
    [ $took -lt $((limit * 1000 + 30000)) ] || fail "the job took $took ms to end"
    echo "$1: rank $victim stopped, ended after $took ms"
}
place="step $(json_of step <("$LOCKSTEP" inspect whole --json)) in phase evaluate"
stopped_in 2 "$place" eval "$work/whole" --data long.h5:/train --set evaluate.by=all
stopped_in 0 "$place" predict "$work/whole" long.h5:/train -o out.h5
[ ! -e out.h5 ] || fail "a prediction that was cut short has its final name"
place="step [0-9]+ in phase [a-z ]+"
stopped_in 2 "$place" bench "$work/run.yaml" --seconds 90
stopped_in 1 "$place" bench "$work/run.yaml" --lanes --seconds 90
stopped_in 0 "$place" scaling steps "$work/run.yaml" --seconds 90
moment=watched
stopped_in 2 "the test of [a-z ]+" doctor "$work/run.yaml"
set_by=--hang-timeout
stopped_in 0 "the test of [a-z ]+" doctor
moment=60
stopped_in 1 "step [1-9][0-9]* in phase (reduce|other)" bench --reduce
moment=250 # after the links, which take less
stopped_in 1 "step [1-9][0-9]* in phase (reduce|backward)" scaling exchange 16M --ranks-per-host 2 --seconds 90
named="host .*#0 waits for (rank 1 on host .*#1|another host): no answer"
stopped_in 1 "$place" scaling exchange 16M --ranks-per-host 1 --seconds 90
limit=2
# let_alone VERB...: work that takes longer than the limit.
let_alone() {
    start_use "$@"
    ended
    exits 0
    [ $took -gt $((limit * 1000)) ] || fail "$took ms are too short to tell"
    echo "$1: $took ms of work with $set_by of $limit s"
}
let_alone bench --reduce --most 600KB
let_alone scaling exchange 16M --ranks-per-host 2 --seconds 8
set_by=train.hang_timeout
let_alone eval "$work/whole" --data long.h5:/train --set evaluate.by=root
