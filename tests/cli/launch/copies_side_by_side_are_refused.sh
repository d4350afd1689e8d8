# N processes that are each alone in their MPI would all train in one directory: refused, told once, with the cure. So where
# the launcher belongs to another MPI (MPICH's hydra sets PMI_SIZE), and where srun starts tasks without telling MPI.
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] && export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
small
for task in 0 1 2; do
    SLURM_NTASKS=3 SLURM_PROCID=$task lockstep train run.yaml --run srun
    exits 2
    [ -d srun ] && fail "task $task made a run directory"
    if [ $task = 0 ]; then
        says "SLURM_NTASKS is 3"
        says "srun --mpi=pmix"
    else
        [ ! -s err ] && silent || fail "task $task speaks too"
    fi
done
SLURM_NTASKS=1 SLURM_PROCID=0 lockstep train run.yaml --run one --set train.epochs=1
exits 0
for rank in 0 1; do
    PMI_RANK=$rank PMI_SIZE=2 lockstep train run.yaml --run pmi
    exits 2
    [ -d pmi ] && fail "rank $rank made a run directory"
    if [ $rank = 0 ]; then
        says "the launcher started 2 processes (PMI)"
        says "they belong to two different MPIs"
    else
        [ ! -s err ] && silent || fail "rank $rank speaks too"
    fi
done
PMI_RANK=0 PMI_SIZE=1 lockstep train run.yaml --run one --set train.epochs=1
exits 0
answers "nothing to do"
