# --from with a checkpoint of another model: the message names the checkpoint, what does not fit, and the way on.
. "$(dirname "$0")/../lib.sh"
small
lockstep train run.yaml
exits 0
from=runs/run/checkpoints/step-00000015.h5
refused() { # refused WHAT ARGUMENT...
    what=$1
    shift
    for launch in lockstep "ranks 2"; do
        $launch train "$@" --from $from --run tuned
        exits 65
        says_once "--from $from: "
        says "$what"
        says "lockstep inspect $from"
    done
}
refused "/model/dense_1/weight in the checkpoint is 16x64, the model expects 17x64" run.yaml --set model.dense_1.units=17
sed 's/^  - dense: {units: 4}/  - dense: {units: 16}\n&/' run.yaml >deeper.yaml
refused "/model/dense_2/weight in the checkpoint is 4x16, the model expects 16x16" deeper.yaml
sed 's/{units: 4}/{units: 4, name: last}/' run.yaml >renamed.yaml
refused "there is no /model/last/weight" renamed.yaml
