# A batch size beyond the samples is told of, costs no more memory and time than all of them, and gives the same numbers.
. "$(dirname "$0")/../lib.sh"
small samples=160
for size in 160 1000000000; do
    (ulimit -v 2000000 && exec timeout 20 "$LOCKSTEP" train run.yaml --run $size --set train.batch_size=$size --set train.lanes=16) \
        >out 2>err </dev/null
    code=$?
    command="train.batch_size=$size"
    exits 0
    [ $size = 160 ] || says "train.batch_size=1000000000 is more than the 160 samples of the training split"
done
lockstep train run.yaml --run even --set train.batch_size=160
grep -q "is more than" err && fail "speaks of a batch that fits"
same() { "$LOCKSTEP" inspect "$1" --at last --json | grep parameters_xxh3; }
[ "$(same 160)" = "$(same 1000000000)" ] || fail "other numbers: $(same 160) $(same 1000000000)"
# As it comes, with lanes for a batch that there is not.
lockstep train run.yaml --run auto --set train.batch_size=1000000000
exits 0
