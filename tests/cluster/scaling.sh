# scripts/scaling/scaling.sh as a Slurm job array on two nodes: each task is one repeat; then drawn once.
. "$(dirname "$0")/lib.sh"
[ -x "$tools/netns-slurm" ] || skip "no netns-slurm in $tools"
for program in slurmctld slurmd munged sbatch; do
    PATH=$PATH:/usr/sbin command -v $program >/dev/null || skip "no program $program (Debian packages slurm-wlm, munge)"
done
"$tools/netns-slurm" up 2 >up 2>&1 || fail "netns-slurm up: $(cat up)"
small samples=512
scaling=$LK_SOURCE/scripts/scaling/scaling.sh
run "$tools/netns-slurm" exec "cd $(printf %q "$PWD") && LOCKSTEP=$LOCKSTEP timeout 200 sbatch --wait --array=0-1 --nodes=2 \
    --ntasks-per-node=1 -o array-%a.log $scaling run.yaml --ranks '1 2' --seconds 0.1 --strong 48:8 --weak 24:4 -o series"
[ "$code" = 0 ] || { cat array-*.log; fail "the job array"; }
run "$scaling" --plot -o series
exits 0
# 2 repeats x (strong and weak at 1 and 2 ranks, copies at 2) x (8 phases and the step)
[ "$(wc -l <series/results.csv)" = $((1 + 2 * 5 * 9)) ] || fail "$(wc -l <series/results.csv) lines in results.csv"
awk -F, '$2 == 2 && $3 != 2 { exit 1 }' series/results.csv || fail "two ranks are not on two nodes"
answers "strong scaling: medians of 2 repeats"
grep -q '</svg>' series/speedup.svg || fail "no picture"
