. "$(dirname "$0")/../lib.sh"
small samples=2000
for signal in USR1 TERM INT; do
    rm -rf half
    command="train, then kill -$signal"
    "$LOCKSTEP" train run.yaml --run half --set train.epochs=60 >out 2>err &
    pid=$!
    while [ ! -f half/checkpoints/step-00000000.h5 ]; do sleep 0.01; done
    sleep 0.05
    kill -$signal $pid
    wait $pid
    code=$?
    # A background job of a shell ignores INT: it may finish instead.
    if [ $signal = INT ] && [ $code = 0 ]; then continue; fi
    exits 75
    says "goes on from here"
done
lockstep train run.yaml --run half --set train.epochs=60 --max-time 0.001s
exits 75
lockstep train run.yaml --run half --set train.epochs=60
exits 0
