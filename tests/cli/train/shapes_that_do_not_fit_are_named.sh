. "$(dirname "$0")/../lib.sh"
small
sed -i 's/  - flatten/  - reshape: {shape: [5, 5]}/' run.yaml
for launch in lockstep "ranks 2"; do
    $launch train run.yaml
    exits 2
    says_once "reshape_1"
    says "8x8x1"
    says "5x5"
done
