#include <limits.h>
#include <stdlib.h>

#include "comm/comm_internal.h"

static int positive_int(const char *name)
{
    const char *text = getenv(name);
    if (!text || !*text) return 0;
    char *end = NULL;
    long  value = strtol(text, &end, 10);
    return *end == '\0' && value > 0 && value <= INT_MAX ? (int)value : 0;
}

lk_launch lk_launch_detect(void)
{
    lk_launch launch = {.launcher = NULL, .slurm_tasks = positive_int("SLURM_NTASKS")};
    /* mpirun of Open MPI sets both of the first two; PMIx alone means srun --mpi=pmix; PMI is MPICH's hydra
     * or pmi2. */
    if (getenv("OMPI_COMM_WORLD_SIZE"))
        launch.launcher = "mpirun";
    else if (getenv("PMIX_RANK"))
        launch.launcher = "PMIx";
    else if (getenv("PMI_RANK") || getenv("PMI_SIZE"))
        launch.launcher = "PMI";
    return launch;
}

lk_status lk_launch_check(const lk_launch *launch, int size)
{
    if (launch->slurm_tasks <= 1 || size > 1) return LK_OK;
    return lk_fail(
        LK_E_USAGE,
        "SLURM_NTASKS is %d, but this job has one rank%s: %d copies would train side by side; start it "
        "with 'mpirun lockstep ...' or 'srun --mpi=pmix lockstep ...', or set SLURM_NTASKS=1 for one rank",
        launch->slurm_tasks, launch->launcher ? "" : " and no MPI launcher started it", launch->slurm_tasks);
}
