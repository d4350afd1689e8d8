# Slurm tells its end by SLURM_JOB_END_TIME (or squeue: tests/cluster): the run stops in time, with a checkpoint.
. "$(dirname "$0")/../lib.sh"
small samples=4000
sed -i 's/epochs: 3/steps: 100000000/' run.yaml
printf 'checkpoint: {every: never, best: none}\nevaluate: {every: never}\n' >>run.yaml
end=$(($(date +%s) + 6))
SLURM_JOB_ID=17 SLURM_JOB_END_TIME=$end lockstep train run.yaml --run r
now=$(date +%s)
exits 75
says "stopped by the end of the job's time at step"
says "s left; the run stops with a checkpoint"
[ "$now" -le "$end" ] || fail "it stopped $((now - end)) s after the end"
[ "$now" -ge $((end - 4)) ] || fail "it stopped $((end - now)) s before the end"
step=$(json_of step r/status.json)
[ -f "r/checkpoints/step-$(printf %08d "$step").h5" ] || fail "no checkpoint of step $step"
# A job that has no time left makes a step all the same: no start is for nothing.
SLURM_JOB_ID=17 SLURM_JOB_END_TIME=$((end - 60)) lockstep train run.yaml --run r
exits 75
says "at step $((step + 1)) of"
# No job, no end: the variable alone means nothing.
SLURM_JOB_END_TIME=$end lockstep train run.yaml --run r --set train.steps=$((step + 50))
exits 0
