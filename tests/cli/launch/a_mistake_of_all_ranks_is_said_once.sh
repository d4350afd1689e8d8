# What every rank finds wrong alike is one mistake: one message with its exit code, and no rank is said to have failed alone.
. "$(dirname "$0")/../lib.sh"
small samples=96 classes=0 shape=1
sed -i '/dense/d; s/softmax_cross_entropy/mse/; /metrics/d' run.yaml
once() {
    run timeout 60 "$mpi" 3 "$LOCKSTEP" "$@"
    exits 2
    says_once "$mistake"
    ! grep -q "failed alone" err || fail "a rank is said to have failed alone"
}
mistake="the model has no parameters"
once train run.yaml --run r
once bench run.yaml
once scaling steps run.yaml
mistake="there is one host"
once scaling exchange 4k
mistake="--most is 1 bytes"
once bench --reduce --most 1
run timeout 60 "$mpi" 3 "$LOCKSTEP" doctor run.yaml
exits 0
answers "train would not start: the model has no parameters"
