# Outputs so wide that the chunks of all ranks are more than the root takes at a time: it takes some rows of each, and writes the
# same predictions.
. "$(dirname "$0")/../lib.sh"
small samples=2000
sed -i 's/units: 4}/units: 12000}/' run.yaml
lockstep train run.yaml --run run --set train.epochs=1 --set train.batch_size=500
exits 0
lockstep predict run data.h5:/test -o out-1.h5
exits 0
wanted=$(lockstep data verify out-1.h5 && exits 0 && grep /output out)
[ -n "$wanted" ] || fail "no hash"
for np in 2 5; do
    ranks $np predict run data.h5:/test -o out-$np.h5
    exits 0
    lockstep data verify out-$np.h5
    [ "$(grep /output out)" = "$wanted" ] || fail "$np ranks: other predictions"
done
