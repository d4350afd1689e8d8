# Shared by the tests of failures: a small run that is undisturbed once, and others that are not.
# Everything a test starts names a directory below $work, so that what is left of it can be found.
. "$(dirname "$0")/../cli/lib.sh" || exit 1
: "${work:?}"
kill_at=$LK_BUILD/tests/kill_at
faults=$LK_BUILD/tests/libfaults.so
epochs=${EPOCHS:-6}
options="" # of every run of this test, e.g. "--set a=b"

# Whatever happens, nothing that a test started outlives it.
clean_up() {
    for pid in $(processes_of "$work"); do kill -KILL "$pid" 2>/dev/null; done
    cd / && umount "$work"/disk* 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT

# crash_config [key=value of make_data]...: data and configuration; checkpoints are many.
crash_config() {
    small "$@"
    sed -i 's/units: 16/units: 24/' run.yaml
    cat >>run.yaml <<'YAML'
checkpoint: {every: 20 steps, keep: 3, best: validation.loss}
YAML
}

# model_config mlp|cnn|resnet8: the small run of this folder, or a shipped configuration on a small data set.
model_config() {
    case $1 in
    mlp) crash_config samples=960 ;;
    cnn | resnet8)
        "$make_data" data.h5 samples=240 shape=28x28x1 classes=10 || fail make_data
        cp "$LK_SOURCE/data/fashion-mnist/$1.yaml" run.yaml
        epochs=${EPOCHS:-4}
        options="--set data.train=data.h5:/train --set data.validation=data.h5:/validation --set data.test=data.h5:/test
            --set train.batch_size=24 --set checkpoint.every=7steps --set checkpoint.best=validation.loss"
        ;;
    *) fail "no model $1" ;;
    esac
}

# arguments DIR [options]: the command line of a run in $work/DIR.
arguments() {
    local dir=$work/$1
    shift
    echo "train run.yaml --run $dir --set train.epochs=$epochs $options $*"
}

# shellcheck disable=SC2046 # words
train() { lockstep $(arguments "$@"); }
# train_on NP DIR [options]
train_on() {
    local np=$1
    shift
    # shellcheck disable=SC2046
    ranks "$np" $(arguments "$@")
}

# faulty NP DIR [options]: with tests/support/faults.c in every process; LK_FAULT says what happens in which rank. A hang is
# exit code 124.
faulty() {
    local np=$1
    shift
    # shellcheck disable=SC2046
    if [ "$np" = 0 ]; then
        run timeout 120 env LD_PRELOAD="$faults" "$LOCKSTEP" $(arguments "$@")
    else
        run timeout 120 "$mpi" "$np" env LD_PRELOAD="$faults" "$LOCKSTEP" $(arguments "$@")
    fi
}

# short_of NUMBER RANK VERB...: that allocation of that rank of three fails; MOST seconds for the job.
short_of() {
    export LK_FAULT=alloc:$1 LK_FAULT_RANK=$2 LK_FAULT_COUNT=$work/counted
    shift 2
    rm -f "$output"
    run timeout "${MOST:-20}" "$mpi" 3 env LD_PRELOAD="$faults" "$LOCKSTEP" "$@"
    unset LK_FAULT LK_FAULT_RANK LK_FAULT_COUNT
}
# short_in_use VERB...: in rank 0, then in rank 2, one allocation of $every fails, and each of the $last ones: the job ends with
# exit code 71 and leaves nothing of $output. Counts $runs.
runs=0 last=0 output=""
short_in_use() {
    for rank in 0 2; do
        short_of 0 $rank "$@"
        exits 0
        total=$(sed 's/allocations //' counted)
        [ "$total" -gt 20 ] || fail "only $total allocations were seen"
        draw "$every"
        for n in $(seq $((1 + drawn)) "$every" $((total - last))) $(seq $((total - last + 1)) "$total"); do
            short_of "$n" $rank "$@"
            command="allocation $n of $total in rank $rank: $command"
            runs=$((runs + 1))
            [ $code = 0 ] && continue
            exits 71
            grep -qE "no memory|out of memory" err || fail "the message does not say what failed"
            [ ! -e "$output" ] && [ -z "$(compgen -G "$output.new*")" ] || fail "something of $output is left"
        done
    done
}

# start COMMAND...: in the background, as $launcher.
start() {
    command="$*"
    : >out >err # what an earlier run said must not be taken for this one's
    "$@" >out 2>err </dev/null &
    launcher=$!
}
# start_on NP DIR [options]: in the background; $launcher is mpirun, or the one process for NP 0.
start_on() {
    local np=$1
    shift
    # shellcheck disable=SC2046
    if [ "$np" = 0 ]; then start "$LOCKSTEP" $(arguments "$@"); else start "$mpi" "$np" "$LOCKSTEP" $(arguments "$@"); fi
}

undisturbed() {
    train whole
    exits 0
    whole=$(hash_of whole)
}

# What a log has to say, whenever it was said: no time, no speed, nothing of a start.
values_of() { sed 's/,"timing".*//' "$1/metrics.jsonl"; }
table_of() { sed 's/,[^,]*$//' "$1/metrics.csv"; }
epoch_lines_of() { sed -n 's/, [0-9]* samples\/s, eta.*//; /^Epoch/p' "$1/log.txt"; }

# is_whole DIR: a finished run like the undisturbed one in every bit and every line of its logs.
is_whole() {
    [ "$(hash_of "$1")" = "$whole" ] || fail "$1: other bits than the undisturbed run"
    for part in values_of table_of epoch_lines_of; do
        [ "$($part "$1")" = "$($part whole)" ] || fail "$1: $part differs: $($part "$1" | diff - <($part whole) | head -5)"
    done
    [ "$(hash_of "$1/best.h5")" = "$(hash_of whole/best.h5)" ] || fail "$1: another best.h5"
    [ -z "$(find "$1" -name '.*.new' -o -name '.new')" ] || fail "$1: a temporary file is left"
}

# ends_whole DIR [NP]: the same command again goes on to the undisturbed end.
ends_whole() {
    if [ "${2:-0}" = 0 ]; then train "$1"; else train_on "$2" "$1"; fi
    exits 0
    is_whole "$1"
}

# good DIR: a good checkpoint is there, and nothing was passed over to find it.
good() {
    rm -rf looked && mkdir looked && cp -r "$work/$1/checkpoints" looked # without best.h5, which inspect would take
    "$LOCKSTEP" inspect looked >inspected 2>&1 || fail "no good checkpoint is left: $(cat inspected)"
    ! grep -q "PASSING" inspected || fail "a bad checkpoint bears a final name: $(cat inspected)"
}

declare -a whole_at # hashes of the undisturbed checkpoints by step, once known
# unspoilt DIR: its checkpoints are those of the undisturbed run at their steps, where that wrote one, and so is best.h5.
unspoilt() {
    local file step hash equal=0
    for file in "$1"/checkpoints/step-*.h5 "$1/best.h5"; do
        [ -f "$file" ] || continue
        "$LOCKSTEP" inspect "$file" --json >inspected
        step=$(json_of step inspected) hash=$(json_of state_xxh3 inspected)
        file=whole/checkpoints/step-$(printf %08d "$step").h5
        [ -f "$file" ] || continue # left out for a newer one
        [ -n "${whole_at[step]:-}" ] || whole_at[step]=$(hash_of "$file")
        [ "$hash" = "${whole_at[step]}" ] || fail "the checkpoint of step $step is not what it was"
        equal=$((equal + 1))
    done
    [ $equal -gt 0 ] || fail "nothing of $1 could be compared"
}

# processes_of DIR: lockstep's processes (and what runs them) that name a directory below DIR. Never of "", which all name.
processes_of() {
    pgrep -f -- "${1:?}/" | while read -r pid; do
        [ "$pid" = $$ ] || [ ! -r "/proc/$pid/cmdline" ] || echo "$pid"
    done
}
# ranks_of DIR: the ranks alone, of whatever verb names it as a word of its own, or is called by it.
ranks_of() {
    pgrep -x lockstep | while read -r pid; do
        { printf ' ' && tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- " $work/$1 " && echo "$pid"
    done
}
# rank_of PID: its rank, 0 without a launcher.
rank_of() { tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | sed -n 's/^OMPI_COMM_WORLD_RANK=//p'; }
# pid_of_rank DIR RANK
pid_of_rank() {
    for pid in $(ranks_of "$1"); do
        [ "$(rank_of "$pid")" = "$2" ] && echo "$pid"
    done
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# await FILE: until it is there; fails if the job ends before.
await() {
    until ls $1 >/dev/null 2>&1; do # a pattern
        kill -0 "$launcher" 2>/dev/null || { wait "$launcher"; code=$?; fail "the job ended before $1 was there"; }
        sleep 0.02
    done
}
# await_line TEXT: until stderr says it.
await_line() {
    until grep -qE -- "$1" err; do
        kill -0 "$launcher" 2>/dev/null || { wait "$launcher"; code=$?; fail "the job ended before it said '$1'"; }
        sleep 0.02
    done
}
# ended: waits for the job; $code, and $took ms since $began.
ended() {
    wait "$launcher" 2>/dev/null
    code=$?
    took=$(($(now_ms) - began))
}
# no_orphans DIR: nobody of that job is left within 10 s.
no_orphans() {
    local until=$(($(now_ms) + 10000))
    while [ -n "$(ranks_of "$1")" ]; do
        [ "$(now_ms)" -lt $until ] || fail "10 s after its end a rank of $1 is left: $(ps -o pid,stat,args -p "$(ranks_of "$1" | head -1)")"
        sleep 0.05
    done
}

# start_use VERB...: on three ranks, with a limit of $limit seconds that $set_by sets; 124 if it never ends. They are called by a
# name of this test, since not all verbs are given one of its files.
limit=${LIMIT:-4} set_by=train.hang_timeout
start_use() {
    [ -d bin ] || { mkdir bin && ln -s "$LOCKSTEP" bin/lockstep; } || fail bin
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
    grep -qE "^lockstep: a rank hung: $who for [0-9.]+ s at $place\. Run the same command again$" err ||
        fail "the last word does not name rank $victim, host and $place"
    [ $took -ge $((limit * 1000)) ] || fail "ended after $took ms, before $set_by"
    # The others first finish what is theirs alone.
    [ $took -lt $((limit * 1000 + 30000)) ] || fail "the job took $took ms to end"
    echo "$1: rank $victim stopped, ended after $took ms"
}
# let_alone VERB...: work that takes longer than the limit.
let_alone() {
    start_use "$@"
    ended
    exits 0
    [ $took -gt $((limit * 1000)) ] || fail "$took ms are too short to tell"
    echo "$1: $took ms of work with $set_by of $limit s"
}

need_strace() { strace -o /dev/null true 2>/dev/null || { echo "skipped: strace may not trace here"; exit 77; }; }

# Numbers from a seed that replays: draw MOST gives 0..MOST-1 in $drawn; draw_anew K begins the K-th series of the seed.
seed=${SEED:-1}
state=$((seed % 2147483648))
draw() {
    state=$(((state * 1103515245 + 12345) % 2147483648))
    drawn=$((state / 65536 % $1))
}
draw_anew() {
    state=$(((seed * 1000003 + $1 * 7919) % 2147483648))
    draw 2
    draw 2
}
