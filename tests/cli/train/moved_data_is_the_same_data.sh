# The data lies elsewhere, as on another cluster: the run goes on where the files are the same, and is refused where they are not.
. "$(dirname "$0")/../lib.sh"
small samples=240
mkdir -p here there other
mv data.h5 here
sed -i 's|data\.h5|here/data.h5|' run.yaml
lockstep train run.yaml --run whole
exits 0
whole=$(hash_of whole)
lockstep train run.yaml --run run --max-time 0.001s
exits 75
cp here/data.h5 there
rm here/data.h5
sed 's|here/|there/|' run.yaml >moved.yaml
ranks 2 train moved.yaml --run run
exits 0
says "here/data.h5"
says_once "there/data.h5:/train"
holds [ "$(hash_of run)" = "$whole" ]
holds grep -q there/data.h5:/train run/config.yaml
lockstep train moved.yaml --run run
exits 0
answers "nothing to do"

# Of the same name, but other values; and a file of another name.
"$make_data" other/data.h5 samples=240 seed=2 || fail make_data
sed 's|here/|other/|' run.yaml >foreign.yaml
lockstep train foreign.yaml --run run --set train.epochs=4
exits 65
says_once "the training data is not what this run began with"
cp there/data.h5 there/copy.h5
lockstep train moved.yaml --run run --set data.train=there/copy.h5:/train
exits 2
says "copy.h5"
lockstep train moved.yaml --run run --set train.epochs=4 --set data.validation=other/data.h5:/validation
exits 65
says_once "the validation data is not what this run began with"
holds [ "$(hash_of run)" = "$whole" ]
