. "$(dirname "$0")/../lib.sh"
small
sed -i 's/adam: {learning_rate: 1e-2}/sgd: {learning_rate: 1e30}/' run.yaml
for launch in lockstep "ranks 3"; do
    rm -rf runs
    $launch train run.yaml --set train.epochs=50
    exits 79
    says "learning_rate"
    lockstep inspect runs/run
    exits 0
done
