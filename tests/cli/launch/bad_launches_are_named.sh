# Launches that cost time or will fail, provoked: doctor names each with its cure, and the start of train warns of the same.
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] && export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
cores=$(nproc)
small
both() { # WHAT LAUNCH...: doctor and train under it
    what=$1
    shift
    run "$@" "$LOCKSTEP" doctor
    exits 0
    answers_like "^trouble +$what"
    rm -rf runs
    run "$@" "$LOCKSTEP" train run.yaml --set train.epochs=1
    exits 0
    grep -qE "^warning: $what" err || fail "train does not warn: $what"
    grep -qE "^warning: $what" runs/run/log.txt || fail "log.txt does not hold the warning"
}
many=$((cores + 2))
both "$many ranks share [0-9]+ cores on host .*Start at most [0-9]+ on a host" "$mpi" $many
if [ "$cores" -gt 1 ] && command -v taskset >/dev/null; then
    both "2 ranks may use 1 of [0-9]+ cores on host .*--bind-to core" taskset -c 0 "$mpi" 2
    export OMP_NUM_THREADS=4
    both "OMP_NUM_THREADS=4 on host .*each is bound to one core. Start [0-9]+ ranks on a host" \
        mpirun -q --oversubscribe --bind-to core -n 1
    unset OMP_NUM_THREADS
    SLURM_CPUS_PER_TASK=64 both "--cpus-per-task=64 on host " "$mpi" 1
fi

echo "# well launched: no word"
run "$mpi" 1 "$LOCKSTEP" doctor
exits 0
answers "no trouble found"
grep -q '^trouble' out && fail "trouble where there is none"
"$LOCKSTEP" train run.yaml --run alone >out 2>err || fail "train"
grep -q '^warning' err && fail "a warning where all is well"

echo "# with a configuration: all that train prepares, and nothing is written"
run "$mpi" 2 "$LOCKSTEP" doctor run.yaml --set train.lanes=1 --set train.epochs=2
exits 0
answers_like '^window +shared by the ranks of each host'
answers_like '^model '
answers_like '^trouble +1 of 2 ranks have no lane'
[ -d runs/run ] && [ ! -f runs/run/status.json ] && fail "doctor began a run"
lockstep doctor missing.yaml
exits 2
lockstep doctor run.yaml run.yaml
exits 2

echo "# too little shared memory"
apart="unshare --mount"
[ "$(id -u)" = 0 ] || apart="$apart --user --map-root-user"
$apart true 2>/dev/null || { echo "shared memory: not tried, this user may not make a mount of its own"; exit 0; }
sed 's/units: 16/units: 40000/' run.yaml >large.yaml
inside='mount -t tmpfs -o size=40m shm /dev/shm && export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 && exec "$@"'
run $apart sh -c "$inside" sh "$mpi" 2 "$LOCKSTEP" doctor
exits 0
answers_like '^trouble +only [0-9]+ MiB of shared memory are free in /dev/shm.*--shm-size=1g'
run $apart sh -c "$inside" sh "$mpi" 2 "$LOCKSTEP" train large.yaml --run large
exits 71
says "shared memory: "
says "MB are free"
says "train.reduce: allreduce"
run $apart sh -c "$inside" sh "$mpi" 2 "$LOCKSTEP" doctor large.yaml
exits 0
answers_like '^trouble +train would not start: .*shared memory: [0-9.]+ MB are needed'
