. "$(dirname "$0")/../lib.sh"
small samples=4000
"$LOCKSTEP" train run.yaml --run used --set train.epochs=400 >first.out 2>first.err &
pid=$!
while [ ! -f used/checkpoints/step-00000000.h5 ]; do sleep 0.01; done
ranks 2 train run.yaml --run used --set train.epochs=400
kill -KILL $pid
wait $pid 2>/dev/null
exits 73
says_once "lockstep: occupied: rank 0 on host $(hostname): run directory used is in use by host $(hostname), process "
mkdir other
echo precious >other/letter.txt
lockstep train run.yaml --run other
exits 73
says_once "lockstep: occupied: other is not a run directory"
[ "$(cat other/letter.txt)" = precious ] || fail "a file was lost"
lockstep train run.yaml --run other/letter.txt
exits 73
says_once "lockstep: occupied: other/letter.txt is a file"
