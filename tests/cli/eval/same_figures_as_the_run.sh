. "$(dirname "$0")/../lib.sh"
small
lockstep train run.yaml
exits 0
accuracy=$(sed -n 's/^Test accuracy: //p' out)
lockstep eval runs/run --at last
exits 0
answers "Test accuracy: $accuracy"
ranks 3 eval runs/run --at last
exits 0
answers "Test accuracy: $accuracy"
lockstep eval runs/run --at last --json
exits 0
answers '"accuracy"'
lockstep eval runs/run --at last --data validation
exits 0
answers "Validation accuracy"
lockstep eval runs/run --at last --data data.h5:/test
exits 0
answers "accuracy: $accuracy"
lockstep eval runs/run --at 77777
exits 65
says "77777"
lockstep eval nowhere
exits 65
says "nowhere"
lockstep eval runs/run --at last
exits 0
says "runs/run/checkpoints/step-00000015.h5, step 15"
lockstep eval runs/run --json
exits 0
answers '"checkpoint": "runs/run/best.h5"'
