# A rank that stops answering: warned of at a fifth of hang_timeout by its right number, the job ends at it with rank, host,
# step and phase and exit code 77; nobody is left. ROUNDS rounds with random ranks at random moments.
. "$(dirname "$0")/lib.sh"
limit=${LIMIT:-5}
options="--set train.hang_timeout=${limit}s"
epochs=100000
crash_config samples=960
for round in $(seq "${ROUNDS:-2}"); do
    rm -rf hung
    draw 3
    victim=$drawn
    start_on 3 hung
    command="round $round of seed $seed, rank $victim stopped: $command"
    await "hung/checkpoints/step-*[1-9]*.h5"
    draw 300
    sleep "$(printf 0.%03d "$drawn")"
    began=$(now_ms)
    kill -STOP "$(pid_of_rank hung $victim)"
    await_line "^warning: rank $victim on host .* no progress"
    warned=$(($(now_ms) - began))
    ended
    exits 77
    no_orphans hung
    says "the job ends at $limit s"
    [ "$(grep -c 'no progress' err)" = 2 ] || fail "not one warning and one last word"
    grep -qE "^lockstep: a rank hung: rank $victim on host .* is stopped: no progress for [0-9.]+ s at step [0-9]+ in phase [a-z ]+\." err ||
        fail "the last word does not name rank $victim, host, step and phase"
    [ $warned -lt $((limit * 200 + 5000)) ] || fail "warned of only after $warned ms"
    [ $took -ge $((limit * 1000)) ] || fail "ended after $took ms, before hang_timeout"
    [ $took -lt $((limit * 1000 + 15000)) ] || fail "the job took $took ms to end"
    echo "rank $victim stopped: warned of after $warned ms, ended after $took ms: $(sed -n 's/.* in phase \([a-z ]*\)\..*/\1/p' err)"
done
