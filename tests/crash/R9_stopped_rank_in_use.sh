# A rank of three that stops answering while a model is evaluated or predicts: as in training it is warned of, and the job ends at
# train.hang_timeout with rank, host, step and phase and exit code 77; nobody is left. Ranks that work for longer than that, chunk
# by chunk, are let alone.
. "$(dirname "$0")/lib.sh"
epochs=1
crash_config samples=96
sed -i 's/^  - dense: {units: 24.*/&\n  - dense: {units: 1000}\n  - dense: {units: 1000}/' run.yaml
"$make_data" long.h5 samples=60000 || fail make_data
train whole
exits 0
place="step $(json_of step <("$LOCKSTEP" inspect whole --json)) in phase evaluate"
stopped_in 2 "$place" eval "$work/whole" --data long.h5:/train --set evaluate.by=all
stopped_in 0 "$place" predict "$work/whole" long.h5:/train -o out.h5
[ ! -e out.h5 ] || fail "a prediction that was cut short has its final name"
limit=2
let_alone eval "$work/whole" --data long.h5:/train --set evaluate.by=root
