# What `help` says of stops is what happens: Ctrl-C under mpirun ends with 1, and the run goes on; --max-time without a unit is
# seconds.
. "$(dirname "$0")/../lib.sh"
lockstep help train
exits 0
answers "a number alone is seconds"
answers "SIGTERM and Ctrl-C do the same, but mpirun kills the ranks one second later and ends with 1"
! grep "exit code 75" out | grep -q Ctrl-C || fail "75 is promised for Ctrl-C"
lockstep help
exits 0
answers "mpirun's own: 1 after Ctrl-C"
small samples=2000
lockstep train run.yaml --run timed --set train.epochs=100000 --max-time 1
exits 75
says "stopped by --max-time"

mpirun --version 2>/dev/null | grep -q "Open MPI" || exit 0
"$mpi" 2 "$LOCKSTEP" train run.yaml --run ended --set train.epochs=100000 >out 2>err &
launcher=$!
until [ -n "$(ls ended/checkpoints 2>/dev/null)" ]; do
    kill -0 $launcher || fail "it ended early"
    sleep 0.05
done
command="mpirun ended by SIGTERM"
kill -TERM $launcher
wait $launcher
code=$?
exits 1
lockstep train run.yaml --run ended --set train.epochs=100000 --max-time 0.001
exits 75
