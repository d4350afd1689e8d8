# The n-th allocation fails in one rank of three that evaluate, predict or look through data: the job ends with 71 and says what
# for, nothing of a prediction is left, and no rank waits for the one that failed (exit code 124). EVERY: each so-many-th allocation;
# MOST: seconds for a job, which takes a fifth of one.
. "$(dirname "$0")/lib.sh" || exit 1
every=${EVERY:-29} output=out.h5
epochs=1
crash_config samples=96
train whole
exits 0
short_in_use eval whole --set evaluate.chunk=7
short_in_use eval whole --set evaluate.chunk=7 --set evaluate.by=all --json
short_in_use predict whole data.h5:/test data.h5:/validation -o out.h5 --set evaluate.chunk=4
short_in_use data stats data.h5 data.h5:/test
short_in_use data verify data.h5 data.h5:/test
echo "$runs allocations failed, and no rank waited (seed $seed)"
