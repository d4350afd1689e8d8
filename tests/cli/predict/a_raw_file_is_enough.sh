. "$(dirname "$0")/../lib.sh"
need h5dump hdf5-tools
small
lockstep train run.yaml
exits 0
cp runs/run/checkpoints/step-00000015.h5 model.h5
cp data.h5 raw.h5
rm -rf runs data.h5 run.yaml
lockstep predict model.h5 raw.h5:/test -o one.h5
exits 0
ranks 3 predict model.h5 raw.h5:/test -o three.h5
exits 0
lockstep inspect one.h5
exits 0
h5dump -d /output one.h5 | sed 1d >a
h5dump -d /output three.h5 | sed 1d >b
holds cmp a b
lockstep predict model.h5 nothing.h5 -o out.h5
exits 65
holds test ! -e out.h5
echo old >kept.h5
lockstep predict model.h5 model.h5 -o kept.h5
[ "$code" != 0 ] || fail "a checkpoint was taken for data"
[ "$(cat kept.h5)" = old ] || fail "a file was lost"
