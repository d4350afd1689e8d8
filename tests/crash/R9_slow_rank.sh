# A rank that is slowed fourfold is no rank that hangs: stopped three quarters of the time for LASTS seconds, far longer than
# hang_timeout, it is neither warned of nor ended.
. "$(dirname "$0")/lib.sh"
lasts=${LASTS:-15}
options="--set train.hang_timeout=5s --set checkpoint.every=1s"
epochs=10000000
crash_config samples=960
sed -i '/^checkpoint/s/every: 20 steps/every: 1s/' run.yaml
start_on 3 slow
command="rank 1 slowed fourfold for $lasts s: $command"
await "slow/checkpoints/step-*[1-9]*.h5"
newest() { ls slow/checkpoints/step-*.h5 | tail -1; }
from=$(newest)
victim=$(pid_of_rank slow 1)
began=$(now_ms)
until=$((began + 1000 * lasts))
while [ "$(now_ms)" -lt $until ]; do
    kill -STOP "$victim" && sleep 0.3 && kill -CONT "$victim" || { ended; fail "the job ended"; }
    sleep 0.1
done
[ "$(newest)" != "$from" ] || fail "no step was made in $lasts s"
touch slow/STOP
ended
exits 75
! grep -q "no progress" err || fail "a slow rank was taken for one that hangs"
echo "slowed fourfold for $lasts s, from $(basename "$from") to $(basename "$(newest)"): neither warned of nor ended"
