# The first hour of an engineer from Keras: a CSV file, names from Keras, a first model, more epochs, a tuned copy, predictions.
. "$(dirname "$0")/../cli/lib.sh"
need h5dump hdf5-tools
unset -f lockstep
show() { echo "\$ $command"; cat out err; echo; }
type_in() { run "$@"; show; }
PATH=$(dirname "$LOCKSTEP"):$PATH

awk 'BEGIN { srand(7); print "width,height,colour,maker,kind"
    for (i = 0; i < 600; i++) { w = rand() * 4; h = rand() * 4; c = int(rand() * 3); m = int(rand() * 3)
        kind = (w > h) + (c == 2); printf "%s,%.3f,%s,%s,%s\n", i % 50 == 7 ? "" : sprintf("%.3f", w), h,
        c == 0 ? "red" : c == 1 ? "green" : "blue", m == 0 ? "A" : m == 1 ? "B" : "C & D", kind == 0 ? "tall" : kind == 1 ? "wide" : "blue wide" } }' >things.csv

echo "# My table."
type_in head -4 things.csv
type_in lockstep data import csv things.csv --target kind --validation 0.15 --test 0.15 -o things.h5
exits 0
answers "3 classes"
type_in lockstep inspect things.h5
exits 0
answers "/train: 4 columns: width, height, colour (3 words: blue, green, red), maker (3 words: A, B, C & D)"

echo "# A first configuration from the data, then one of my own with the words I know."
type_in lockstep config init things.h5
exits 0
cat >things.yaml <<'YAML'
lockstep: 1
data: {train: things.h5:/train, val: things.h5:/validation, test: things.h5:/test, normalise: standard}
model:
  - Linear: {units: 32, activation: relu}
  - dense: {units: classes}
loss: cross_entropy
metrics: [accuracy]
optimizer: {adam: {lr: 1e-2}}
train: {epochs: 10, batch_size: 32}
YAML
type_in lockstep train things.yaml
exits 2
says "did you mean"
says "validation"
says "dense"
says "softmax_cross_entropy"
says "learning_rate"
sed -i 's/val:/validation:/; s/Linear/dense/; s/cross_entropy/softmax_cross_entropy/; s/lr:/learning_rate:/' things.yaml

echo "# It learns."
type_in lockstep train things.yaml
exits 0
answers_like '^Test accuracy: 0\.[6-9]'
type_in lockstep eval runs/things --json
exits 0
type_in lockstep train things.yaml
exits 0
answers "finished"

echo "# Another learning rate is another run; more epochs go on."
type_in lockstep train things.yaml --set optimizer.adam.learning_rate=3e-3
exits 2
type_in lockstep train things.yaml --set optimizer.adam.learning_rate=3e-3 --new
exits 0
type_in lockstep train things.yaml --set train.epochs=20
exits 0
answers_like '^Epoch 20/20'

echo "# A file of today, with a maker nobody has seen and a missing cell."
printf 'maker,colour,height,width\nA,red,1.0,3.5\nnobody,blue,1,\n' >today.csv
type_in lockstep predict runs/things today.csv -o today.h5
exits 0
says "today.csv: 1 cell is missing"
says "today.csv: 1 cell holds a word that no training row has, 'nobody' in column 'maker'"
type_in h5dump -d /class today.h5
exits 0
