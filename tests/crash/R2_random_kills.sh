# kill -9 at random moments: of a random rank, of mpirun itself, or of all at once. The job is gone within 10 s, and the
# same command on another number of ranks goes on to the undisturbed bits. KILLS kills on np 1...8, SEED replays the draws.
. "$(dirname "$0")/lib.sh"
model=${MODEL:-mlp} kills=${KILLS:-4} epochs=${EPOCHS:-30}
model_config "$model"
before=$(now_ms)
undisturbed
whole_ms=$(($(now_ms) - before))
done=0 late=0
while [ $done -lt "$kills" ]; do
    rm -rf killed
    draw 8
    np=$((drawn + 1))
    draw 8
    again=$((drawn + 1))
    draw $((np + 2))
    victim=$drawn
    draw 1000
    moment=$((drawn * whole_ms / 1000))
    start_on $np killed
    command="kill $done of seed $seed: $victim of np $np after $moment ms, then np $again: $command"
    await "killed/.lock"
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    began=$(now_ms)
    if [ $victim -lt $np ]; then
        kill -KILL $(pid_of_rank killed $victim) 2>/dev/null
    elif [ $victim = $np ]; then
        kill -KILL $launcher 2>/dev/null
    else
        kill -KILL $(ranks_of killed) 2>/dev/null
    fi
    ended
    if [ "$code" = 0 ]; then # it was faster: no kill
        late=$((late + 1))
        [ $late -lt $((10 + 2 * kills)) ] || fail "$late kills came after the end"
        is_whole killed
        continue
    fi
    exits 137
    [ $took -lt 10000 ] || fail "the job took $took ms to end"
    no_orphans killed
    [ ! -f killed/checkpoints/step-00000000.h5 ] || good killed
    ends_whole killed $again
    done=$((done + 1))
done
echo "$done kills = $done restarts = $done equal hashes: $model, np 1...8, $whole (seed $seed)"
