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
# RUN is its best checkpoint, as it is for eval and predict, and is said to be; --at shows another.
lockstep inspect runs/run
answers "checkpoint runs/run/best.h5 (the best one; --at last shows the newest)"
lockstep inspect runs/run --at last --json
exits 0
answers '"path": "runs/run/checkpoints/step-00000015.h5"'
lockstep inspect runs/run --at 15
exits 0
answers_like '^step 15,'
lockstep inspect runs/run --at 7
exits 65
lockstep inspect data.h5 --at last
exits 2
says "--at goes with a run directory"
lockstep inspect nothing
exits 65
# The table's figures by hand: conv2d 8x8x1 -> 8x8x6 with 3x3 windows, same padding; dense 384 -> 5.
cat >table.yaml <<'YAML'
lockstep: 1
data: {train: data.h5:/train, normalise: unit}
model: [{conv2d: {filters: 6, kernel: 3, padding: same, activation: relu}}, flatten, {dense: {units: 5}}]
loss: softmax_cross_entropy
YAML
lockstep inspect table.yaml
exits 0
answers_like '^x +input +8x8x1$'
answers_like '^conv2d_1 +conv2d +8x8x6 +60 +1.54 KB +6.91 KFLOP +6.91 KFLOP$'  # 6 (9 + 1); 384 floats; 2 * 64 * 6 * 9
answers_like '^dense_1 +dense +5 +1925 +20 B +3.84 KFLOP +7.68 KFLOP$'         # 5 (384 + 1); 2 * 384 * 5
answers_like '^total, a sample +1985 '
lockstep inspect table.yaml --json
exits 0
answers '"forward_flops": 6912'
answers '"backward_flops": 7680'
