# kill -9 at random moments: of a random rank, of mpirun itself, or of all at once. The job is gone within 10 s, and the
# same command on another number of ranks goes on to the undisturbed bits. NUMBERS: which kills of seed SEED; each is drawn
# from its number alone, so that any of them can be repeated.
. "$(dirname "$0")/lib.sh"
model=${MODEL:-mlp} epochs=${EPOCHS:-20}
model_config "$model"
before=$(now_ms)
undisturbed
whole_ms=$(($(now_ms) - before))
done=0 late=0
for number in ${NUMBERS:-0 1 2 3}; do
    draw_anew "$number"
    code=0
    while [ $code = 0 ]; do # until a kill comes before the end
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
        case $victim in $np) who=mpirun ;; $((np + 1))) who="all ranks" ;; *) who="rank $victim" ;; esac
        what="$model: $who of $np after $moment ms, then on $again"
        command="kill $number of seed $seed, $what: $command"
        await "killed/.lock"
        sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
        began=$(now_ms)
        case $who in
        mpirun) kill -KILL $launcher 2>/dev/null ;;
        all*) kill -KILL $(ranks_of killed) 2>/dev/null ;;
        *) kill -KILL "$(pid_of_rank killed $victim)" 2>/dev/null ;;
        esac
        ended
        [ $code != 0 ] || { is_whole killed; late=$((late + 1)); }
        [ $late -lt $((10 + 2 * done)) ] || fail "$late kills came after the end"
    done
    exits 137
    [ $took -lt 10000 ] || fail "the job took $took ms to end"
    no_orphans killed
    [ ! -f killed/checkpoints/step-00000000.h5 ] || good killed
    ends_whole killed $again
    done=$((done + 1))
    echo "kill $number, $what: gone after $took ms, equal"
done
echo "$done kills = $done restarts = $done equal hashes: $model, np 1...8, $whole (seed $seed)"
