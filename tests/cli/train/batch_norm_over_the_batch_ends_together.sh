# batch_norm: {over: batch}: no warning of small lanes, one of a small batch, memory of all lanes in the header; the same bits at
# any rank count and after a resume; and a rank that meets bad data alone, while the others wait for its lanes, ends the job with
# the usual exit code and one message.
. "$(dirname "$0")/../lib.sh"
small type=f32 samples=64
sed -i 's/  - dense: {units: 4}/  - batch_norm: {over: batch}\n  - dense: {units: 4}/; s/normalise: unit/normalise: none\n  shuffle: none/' run.yaml
lockstep train run.yaml --run one
exits 0
says "activations and gradients per rank"
! grep -q "warning: batch_norm" err || fail "a warning though the batch has 24 samples"
ranks 3 train run.yaml --run three --set "comm.ranks_per_host=[2, 1]"
exits 0
[ "$(hash_of one)" = "$(hash_of three)" ] || fail "other bits at three ranks"
ranks 4 train run.yaml --run part --set train.lanes=2 --max-time 0.001s
exits 75
ranks 3 train run.yaml --run part --set train.lanes=2
exits 0
lockstep train run.yaml --run whole --set train.lanes=2
[ "$(hash_of part)" = "$(hash_of whole)" ] || fail "other bits after a resume"
lockstep eval one --data data.h5:/test
exits 0
lockstep train run.yaml --run thin --set train.batch_size=12
exits 0
says_once "warning: batch_norm 'batch_norm_1' normalises over the batch, and a batch has only 12 samples"

for bad in 0 10 23 60; do
    "$make_data" data.h5 type=f32 samples=64 nan=$bad || fail make_data
    for launch in "ranks 2" "ranks 3" "ranks 4"; do
        rm -rf bad
        run timeout 60 "$mpi" "${launch#ranks }" "$LOCKSTEP" train run.yaml --run bad --set train.hang_timeout=40s
        exits 65
        says_once "data.h5"
        grep -qiF nan err || fail "the message does not say NaN"
    done
done
