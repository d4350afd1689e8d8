# A rank that is killed ends the job within 10 s with mpirun's 137; nobody is left.
. "$(dirname "$0")/lib.sh"
crash_config samples=960
epochs=100000
for victim in 0 1 2; do
    rm -rf dead
    start_on 3 dead
    await "dead/checkpoints/step-*[1-9]*.h5"
    began=$(now_ms)
    kill -KILL "$(pid_of_rank dead $victim)"
    ended
    exits 137
    [ $took -lt 10000 ] || fail "the job took $took ms to end"
    no_orphans dead
    echo "rank $victim of 3 killed: the job was gone after $took ms"
done

# A transport that writes to the socket of a dead peer gets SIGPIPE; the rank lives on and says which peer is gone.
start_on 3 alive
await "alive/checkpoints/step-*[1-9]*.h5"
kill -PIPE "$(pid_of_rank alive 1)"
sleep 0.3
touch alive/STOP
ended
exits 75
echo "SIGPIPE did not end rank 1"
