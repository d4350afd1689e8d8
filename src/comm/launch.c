#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm_internal.h"

/* A number of at least `least`, -1 where the variable is missing or holds something else. */
static int number(const char *name, int least)
{
    const char *text = getenv(name);
    if (!text || !*text) return -1;
    char *end = NULL;
    long  value = strtol(text, &end, 10);
    return *end == '\0' && value >= least && value <= INT_MAX ? (int)value : -1;
}

/* The first of several variables that holds a number, else `otherwise`. */
static int first_number(const char *const *names, int least, int otherwise)
{
    for (; *names; names++)
        if (number(*names, least) >= 0) return number(*names, least);
    return otherwise;
}

/* mpirun of Open MPI sets its own variables and PMIx's; PMIx alone means srun --mpi=pmix; PMI is MPICH's hydra (or Intel's), or
 * srun --mpi=pmi2. */
static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", NULL};
static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", NULL};
static const char *const local_sizes[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", NULL};

lk_launch lk_launch_detect(void)
{
    lk_launch launch = {.launcher = NULL};
    if (getenv("OMPI_COMM_WORLD_SIZE"))
        launch.launcher = "mpirun";
    else if (getenv("PMIX_RANK"))
        launch.launcher = "PMIx";
    else if (getenv("PMI_RANK") || getenv("PMI_SIZE"))
        launch.launcher = "PMI";
    launch.slurm_tasks = number("SLURM_NTASKS", 1) > 0 ? number("SLURM_NTASKS", 1) : 0;
    if (launch.launcher) {
        launch.rank = first_number(ranks, 0, 0);
        launch.size = first_number(sizes, 1, 0);
        launch.local_size = first_number(local_sizes, 1, 0);
    } else if (launch.slurm_tasks > 1 && number("SLURM_PROCID", 0) > 0) {
        launch.rank = number("SLURM_PROCID", 0); /* a copy that srun started without any MPI */
    }
    return launch;
}

int lk_launch_rank(void)
{
    return lk_launch_detect().rank;
}

lk_status lk_launch_check(const lk_launch *launch, int size, const char *mpi)
{
    if (size > 1) return LK_OK;
    if (launch->size > 1)
        return lk_fail(
            LK_E_USAGE,
            "the launcher started %d processes (%s), but this program's MPI, %s, sees one: they belong to "
            "two "
            "different MPIs, and %d copies would work side by side. Start it with the mpirun of %s, or build "
            "Lockstep with the MPI of this launcher",
            launch->size, launch->launcher, mpi, launch->size, mpi);
    if (launch->slurm_tasks <= 1) return LK_OK;
    return lk_fail(LK_E_USAGE,
                   "SLURM_NTASKS is %d, but this job has one rank%s: %d copies would work side by side, or "
                   "%d tasks lie idle. "
                   "Start it with 'mpirun lockstep ...' or 'srun --mpi=pmix lockstep ...', or set "
                   "SLURM_NTASKS=1 for one rank",
                   launch->slurm_tasks, launch->launcher ? "" : " and no MPI launcher started it",
                   launch->slurm_tasks, launch->slurm_tasks - 1);
}
