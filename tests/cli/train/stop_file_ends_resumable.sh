. "$(dirname "$0")/../lib.sh"
small samples=2000
lockstep train run.yaml --run whole --set train.epochs=30
exits 0
command="train, then touch STOP"
"$LOCKSTEP" train run.yaml --run half --set train.epochs=30 >out 2>err &
pid=$!
while [ ! -f half/checkpoints/step-00000000.h5 ]; do sleep 0.01; done
touch half/STOP
wait $pid
code=$?
exits 75
lockstep train run.yaml --run half --set train.epochs=30
exits 0
[ "$(hash_of whole)" = "$(hash_of half)" ] || fail "other bits after a stop"
[ "$(sed 's/,"timing".*//' whole/metrics.jsonl | md5sum)" = "$(sed 's/,"timing".*//' half/metrics.jsonl | md5sum)" ] || fail "other log after a stop"
