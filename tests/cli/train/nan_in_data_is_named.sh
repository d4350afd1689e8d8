. "$(dirname "$0")/../lib.sh"
small type=f32 nan=31
sed -i 's/normalise: unit/normalise: standard/' run.yaml
for launch in lockstep "ranks 3"; do
    rm -rf runs
    $launch train run.yaml
    exits 65
    says_once "data.h5"
    says "/train/x[31,4,0,0] holds"
    grep -qiF nan err || fail "the message does not say NaN"
done
