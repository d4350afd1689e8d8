# The first hour of an HPC scientist: her own HDF5 files in place, a config with one typo, a job that is killed and goes on with
# another number of ranks, more epochs, predictions. The output is what she reads.
. "$(dirname "$0")/../cli/lib.sh"
unset -f lockstep
show() { echo "\$ ${command/"$mpi"/mpirun -n}"; cat out err; echo; }
type_in() { run "$@"; show; }
PATH=$(dirname "$LOCKSTEP"):$PATH

mkdir run
for i in 0 1 2 3 4 5; do "$make_data" run/out_$i.h5 layout=fields samples=160 seed=1$i || fail make_data; done

echo "# What is in my files?"
type_in lockstep inspect run/out_0.h5
exits 0
answers "/fields/h"
answers "160x12x16"

echo "# A configuration, with a typo."
cat >surrogate.yaml <<'YAML'
lockstep: 1
data:
  train:      {files: "run/out_[0-3].h5"}
  validation: {files: run/out_4.h5}
  test:       {files: run/out_5.h5}
  inputs:
    state: {datasets: [/fields/h, /fields/u], axes: NHW, normalise: standard}
  targets:
    energy: {datasets: [/diag/energy], axes: N, normalise: standard}
model:
  - conv2d: {filters: 8, kernel: 3, padding: same, activation: silu}
  - avg_pool: {size: 2}
  - flatten
  - dense: {units: 32, activation: silu}
  - dense: {units: 1}
loss: mse
metrics: [r2]
optimizer: {adam: {lerning_rate: 3e-3}}
train: {epochs: 6, batch_size: 32}
checkpoint: {every: 20 steps}
YAML
type_in "$mpi" 4 lockstep train surrogate.yaml
exits 2
says_once "surrogate.yaml:18:20: unknown key 'lerning_rate' in optimizer.adam (did you mean 'learning_rate'?)"
sed -i 's/lerning_rate/learning_rate/' surrogate.yaml
type_in lockstep config check surrogate.yaml
exits 0

echo "# Four ranks; the job is killed in the middle."
command="mpirun -n 4 lockstep train surrogate.yaml"
"$mpi" 4 lockstep train surrogate.yaml >out 2>err &
launcher=$!
while ! ls runs/surrogate/checkpoints 2>/dev/null | grep -qE '^step-0*[1-9].*h5$' && kill -0 $launcher 2>/dev/null; do sleep 0.005; done
rank=$(pgrep -f "lockstep train surrogate.yaml" | tail -1)
kill -KILL "$rank" 2>/dev/null
wait $launcher
code=$?
show
[ $code != 0 ] || echo "(it was faster than the kill)"

echo "# The same command on another allocation goes on; three ranks now."
type_in "$mpi" 3 lockstep train surrogate.yaml
exits 0
answers_like '^Epoch 6/6, Val Loss'
answers_like '^Test r2: 0\.[89]'
killed=$(hash_of runs/surrogate)

echo "# Is it what an undisturbed run would have given?"
type_in lockstep train surrogate.yaml --run runs/undisturbed
exits 0
[ "$(hash_of runs/undisturbed)" = "$killed" ] || fail "other bits than the undisturbed run"
echo "equal: $killed"

echo "# More epochs."
type_in "$mpi" 2 lockstep train surrogate.yaml --set train.epochs=8
exits 0
answers_like '^Epoch 8/8'

echo "# Predictions for a file it has never seen, from the checkpoint and nothing else."
type_in lockstep predict runs/surrogate run/out_5.h5 -o predicted.h5
exits 0
type_in lockstep inspect predicted.h5
answers "/output"

echo "# The batch script for the cluster: printed for this configuration, and bash reads it."
type_in lockstep config init --slurm surrogate.yaml
exits 0
answers "#SBATCH --job-name=surrogate"
answers "scontrol requeue"
holds bash -n out
