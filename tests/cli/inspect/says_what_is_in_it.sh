. "$(dirname "$0")/../lib.sh"
small
lockstep inspect run.yaml
exits 0
answers "dense_1"
answers "1108"
lockstep inspect data.h5
exits 0
answers "8x8x1"
lockstep train run.yaml
exits 0
for what in runs/run runs/run/checkpoints/step-00000015.h5; do
    lockstep inspect $what
    exits 0
    lockstep inspect $what --json
    exits 0
    answers parameters_xxh3
    answers state_xxh3
done
lockstep inspect nothing
exits 65
