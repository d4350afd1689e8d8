# Ranks without a lane, and batch norm over a handful of samples: one warning each at the start, with both ways out.
. "$(dirname "$0")/../lib.sh"
small
sed -i 's/  - dense: {units: 4}/  - batch_norm\n  - dense: {units: 4}/' run.yaml
ranks 4 train run.yaml --set train.lanes=2
exits 0
says_once "warning: 2 of 4 ranks have no lane"
says "train.lanes=8 (3 samples a lane)"
says "train.batch_size=256 with train.lanes=auto (8 lanes of 32)"
says_once "warning: batch_norm 'batch_norm_1'"
says "a lane has only 12"
grep -q "warning: 2 of 4 ranks" runs/run/log.txt || fail "the warning is not in log.txt"
lockstep config render run.yaml --set train.batch_size=256
answers "lanes: 8"
# What the warnings advise silences them.
ranks 4 train run.yaml --run advised --set train.batch_size=256 --set train.lanes=4
exits 0
grep warning err | grep -qv 'ranks share .* cores' && fail "a warning where all is well" # 4 ranks may be too many here
exit 0
