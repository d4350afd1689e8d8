. "$(dirname "$0")/../lib.sh"
small
lockstep train run.yaml
exits 0
before=$(hash_of runs/run)
# What would be let through by itself is no part of the reason.
lockstep train run.yaml --set optimizer.adam.learning_rate=0.1 --set log.every=1s --set checkpoint.every=20s --set train.epochs=4
exits 2
! grep -E "log.every|checkpoint.every|train.epochs" err || fail "names what is permitted"
lockstep train run.yaml --set optimizer.adam.learning_rate=0.1
exits 2
says "learning_rate"
says "--new"
says "--from"
[ "$before" = "$(hash_of runs/run)" ] || fail "the state changed"
lockstep train run.yaml --set optimizer.adam.learning_rate=0.1 --new
exits 0
holds test -f runs/run-2/checkpoints/step-00000015.h5
lockstep train run.yaml --set log.every=1s
exits 0
lockstep train run.yaml --set train.epochs=5
exits 0
answers_like '^Epoch 5/5'
lockstep train run.yaml --run more --set train.epochs=5
exits 0
[ "$(hash_of more)" = "$(hash_of runs/run)" ] || fail "3 + 2 epochs are not 5 epochs"
lockstep train run.yaml --from runs/run --run tuned --set optimizer.adam.learning_rate=1e-4
exits 0
answers_like '^Epoch 3/3'
