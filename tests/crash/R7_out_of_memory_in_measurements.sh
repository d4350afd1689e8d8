# The n-th allocation fails in one rank of three that measure or are examined: the job ends with 71 and says what for, and no rank
# waits for the one that failed (exit code 124). The last allocations, whose failure nobody else looks for, all do. EVERY: each
# so-many-th of the others.
. "$(dirname "$0")/lib.sh" || exit 1
every=${EVERY:-197}
crash_config samples=96
last=3 short_in_use bench run.yaml --seconds 0.05
last=3 short_in_use bench run.yaml --lanes --seconds 0.05
last=3 short_in_use scaling exchange 4k --ranks-per-host 1 --seconds 0.05
last=2 short_in_use bench --reduce --most 262144
last=2 short_in_use doctor run.yaml
last=2 short_in_use scaling steps run.yaml --seconds 0.05 --weak --copies
echo "$runs allocations failed, and no rank waited (seed $seed)"
