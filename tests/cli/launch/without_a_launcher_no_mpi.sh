. "$(dirname "$0")/../lib.sh"
small
command -v strace >/dev/null || { echo "skipped: no strace"; exit 77; }
run strace -f -o calls -e trace=socket,connect,execve "$LOCKSTEP" train run.yaml
exits 0
grep -qE "orted|AF_INET" calls && fail "MPI was started"
SLURM_NTASKS=4 lockstep train run.yaml --run slurm
exits 2
says "srun --mpi=pmix"
