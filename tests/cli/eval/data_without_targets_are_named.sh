# Data that hold no targets to compare with: the message names them, what is missing, and the way on.
. "$(dirname "$0")/../lib.sh"
small
lockstep train run.yaml
exits 0
refused() { # refused RUN DATA WHY
    for launch in lockstep "ranks 2"; do
        $launch eval "$1" --data "$2"
        exits 65
        says_once "$2 has no targets to compare with: $3"
        says "Name a file or group that holds inputs and targets, or use predict"
    done
}
refused runs/run data.h5:/test/x "dataset 'y' is not there"

{ echo a,b,kind; for i in $(seq 60); do echo "$i,$((i % 7)),$((i % 2))"; done; } >t.csv
cut -d, -f1,2 t.csv >bare.csv
sed '5s/,[01]$/,/' t.csv >gap.csv
lockstep data import csv t.csv --target kind -o t.h5
exits 0
cat >t.yaml <<'YAML'
lockstep: 1
data: {train: "t.h5:/train", normalise: standard}
model: [dense: {units: 2}]
loss: softmax_cross_entropy
train: {epochs: 1, batch_size: 20}
YAML
lockstep train t.yaml
exits 0
lockstep eval runs/t --data t.csv
exits 0
refused runs/t bare.csv "column 'kind' is not there, or cells of it are empty"
refused runs/t gap.csv "column 'kind' is not there, or cells of it are empty"
