# A run goes on with the data it began with, or not at all.
. "$(dirname "$0")/../lib.sh"
small samples=240
lockstep train run.yaml --set train.epochs=2
exits 0
cp data.h5 kept.h5
touch data.h5
lockstep train run.yaml --set train.epochs=3
exits 0
before=$(hash_of runs/run)
"$make_data" data.h5 samples=240 seed=2 || fail make_data
ranks 2 train run.yaml --set train.epochs=4
exits 65
says_once "the training data is not what this run began with"
says "--new"
holds [ "$(hash_of runs/run)" = "$before" ]
cp kept.h5 data.h5
ranks 2 train run.yaml --set train.epochs=4
exits 0
