# With a hang_timeout of a second the warning comes after 0.2 s, which is not "0 s".
. "$(dirname "$0")/../lib.sh"
small samples=2000
"$mpi" 2 "$LOCKSTEP" train run.yaml --run stuck --set train.epochs=100000 --set train.hang_timeout=1s >out 2>err &
launcher=$!
command="train with a hang_timeout of 1 s, a rank stopped"
until [ -n "$(ls stuck/checkpoints 2>/dev/null)" ]; do
    kill -0 $launcher 2>/dev/null || fail "it ended early"
    sleep 0.05
done
rank=$(pgrep -P $launcher -f "train run.yaml --run stuck" | tail -1)
kill -STOP "$rank"
wait $launcher
code=$?
exits 77
grep -qE "no (progress|answer) for [0-9]\.[0-9] s at step" err || fail "no tenths"
! grep -qE "no (progress|answer) for [0-9] s" err || fail "seconds without tenths"
says "the job ends at 1 s (train.hang_timeout)"
