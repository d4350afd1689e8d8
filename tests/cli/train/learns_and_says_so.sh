. "$(dirname "$0")/../lib.sh"
small
lockstep train run.yaml
exits 0
answers_like '^Epoch 1/3, Val Loss: [0-9.]+, Train Loss: [0-9.]+, Val accuracy: [0-9.]+, [0-9]+ samples/s'
answers_like '^Epoch 3/3, Val Loss'
answers_like '^Test accuracy: 0\.[0-9]+|^Test accuracy: 1'
says "lanes"
holds test -f runs/run/config.yaml -a -f runs/run/metrics.jsonl -a -f runs/run/metrics.csv -a -f runs/run/log.txt
holds test -f runs/run/status.json -a -f runs/run/checkpoints/step-00000015.h5
