# A checkpoint and a raw file are all that numpy needs to reproduce predict, preprocessing included: by the program in
# data/fashion-mnist/README.md.
. "$(dirname "$0")/../cli/lib.sh"
python=$LK_SOURCE/.venv/bin/python
[ -x "$python" ] || { echo "skipped: no virtual environment; scripts/venv.sh makes one"; exit 77; }
"$make_data" data.h5 shape=28x28x1 classes=10 samples=400 || fail make_data
sed -e 's,fashion-mnist.h5,data.h5,' -e 's/validation: {fraction: 0.1}/validation: data.h5:\/validation/' \
    "$LK_SOURCE/data/fashion-mnist/cnn.yaml" >cnn.yaml
lockstep train cnn.yaml --set train.epochs=2 --set train.batch_size=32
exits 0
lockstep predict runs/cnn data.h5:/test -o predictions.h5
exits 0
sed -n '/^```python/,/^```$/p' "$LK_SOURCE/data/fashion-mnist/README.md" | grep -v '^```' >rebuild_cnn.py
run "$python" rebuild_cnn.py runs/cnn/best.h5 data.h5:/test predictions.h5
cat out
exits 0
