. "$(dirname "$0")/../lib.sh"
for i in 0 1; do "$make_data" run_$i.h5 layout=fields samples=40 seed=$i || fail "make_data"; done
"$make_data" run_2.h5 layout=fields samples=80 seed=2 # as many as there are targets
"$make_data" own_0.h5 layout=fields samples=40 seed=0
"$make_data" own_1.h5 layout=fields samples=40 seed=1
"$make_data" cut_0.h5 layout=fields samples=30 seed=0
"$make_data" cut_1.h5 layout=fields samples=50 seed=1
"$make_data" all.h5 layout=fields samples=80 seed=3
cat >run.yaml <<'YAML'
lockstep: 1
data:
  train: {files: "run_[01].h5"}
  validation: {fraction: 0.2}
  inputs:
    state: {datasets: [/fields/h, /fields/u], axes: NHW, normalise: standard}
  targets:
    energy: {files: "own_*.h5", datasets: /diag/energy, axes: N, normalise: standard}
model:
  - flatten
  - dense: {units: 1}
loss: mse
optimizer: {adam: {learning_rate: 1e-2}}
train: {epochs: 1, batch_size: 16}
YAML
lockstep train run.yaml
exits 0
lockstep eval runs/run
exits 0

# Other samples have no target in these files.
for launch in lockstep "ranks 2"; do
    $launch eval runs/run --data run_2.h5
    exits 65
    says_once "data.targets.energy has files of its own"
done
mkdir gone && mv own_*.h5 gone
lockstep predict runs/run run_2.h5 -o out.h5
exits 0
ranks 2 predict runs/run run_2.h5 -o out.h5
exits 0
mv gone/* .

# They are part of what a run began with.
mv own_1.h5 kept.h5
cp run_0.h5 own_1.h5
lockstep train run.yaml --set train.epochs=2
exits 65
says "run_[01].h5 or of the files of data.targets.energy have changed"
mv kept.h5 own_1.h5

# Nor do the files of another split.
for split in validation test; do
    for launch in lockstep "ranks 2"; do
        rm -rf runs
        $launch train run.yaml --set data.$split=run_2.h5
        exits 2
        says_once "data.targets.energy has files of its own"
        says "data.$split"
        says "fraction"
        says "/diag/energy"
    done
done

# As many files as the split has are its partners one by one.
lockstep train run.yaml --set 'data.targets.energy.files=cut_*.h5'
exits 65
says_once "cut_0.h5 has 30 samples of /diag/energy, but $PWD/run_0.h5 of data.train, which it goes with, has 40"
lockstep train run.yaml --set 'data.targets.energy.files=[run_0.h5, cut_1.h5, own_1.h5]'
exits 65
says_once "/diag/energy has 130 samples in its own 3 files ($PWD/cut_1.h5 ...), the 2 files of data.train have 80"
lockstep train run.yaml --set data.targets.energy.files=all.h5
exits 0

# An input that only the training samples have.
rm -rf runs
sed -e 's/energy: {files: "own_\*.h5",/energy: {/' -e 's/  - flatten/  - concat: [state, more]\n&/' \
    -e 's,^  targets:,    more: {files: "own_*.h5"\, datasets: /fields/h\, axes: NHW}\n&,' run.yaml >two.yaml
lockstep train two.yaml
exits 0
for verb in "eval runs/two --data run_2.h5" "predict runs/two run_2.h5 -o out.h5"; do
    lockstep $verb
    exits 2
    says "data.inputs.more has files of its own"
done
