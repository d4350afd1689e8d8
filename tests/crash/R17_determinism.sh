# The same command again and again, on every number of ranks: one hash. REPEATS of each.
. "$(dirname "$0")/lib.sh"
crash_config samples=480
options="--set train.batch_size=50 --set train.clip_norm=1"
undisturbed
for np in ${RANKS:-1 2 3 4}; do
    for round in $(seq "${REPEATS:-2}"); do
        rm -rf again
        train_on "$np" again
        exits 0
        is_whole again
    done
done
echo "${REPEATS:-2} repeats on each of ${RANKS:-1 2 3 4} ranks: one hash, $whole"
