/* Who started us, by the environment; and starts in which N processes would work side by side. */
#include "lk_test.h"

#include "comm/comm_internal.h"

static const char *const variables[] = {"OMPI_COMM_WORLD_SIZE",
                                        "OMPI_COMM_WORLD_RANK",
                                        "OMPI_COMM_WORLD_LOCAL_SIZE",
                                        "PMIX_RANK",
                                        "PMI_RANK",
                                        "PMI_SIZE",
                                        "MPI_LOCALNRANKS",
                                        "SLURM_NTASKS",
                                        "SLURM_PROCID",
                                        "SLURM_STEP_NUM_TASKS"};

/* "NAME=value NAME=value": these and no others. */
static lk_launch under(const char *environment)
{
    char text[512], *save = NULL;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) unsetenv(variables[i]);
    snprintf(text, sizeof text, "%s", environment);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        setenv(word, equals + 1, 1);
    }
    return lk_launch_detect();
}

static void launchers_are_told_apart(void **state)
{
    (void)state;
    lk_launch it = under("");
    assert_null(it.launcher);
    assert_int_equal(it.rank, 0);
    it = under("OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_LOCAL_SIZE=2 PMIX_RANK=3 "
               "SLURM_NTASKS=4 SLURM_PROCID=0");
    assert_string_equal(it.launcher, "mpirun");
    assert_true(it.rank == 3 && it.size == 4 && it.local_size == 2 && it.slurm_tasks == 4);
    it = under("PMIX_RANK=1 SLURM_NTASKS=6 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=6");
    assert_string_equal(it.launcher, "PMIx");
    assert_true(it.rank == 1 && it.size == 6 && it.local_size == 0);
    it = under("PMI_RANK=2 PMI_SIZE=3 MPI_LOCALNRANKS=3");
    assert_string_equal(it.launcher, "PMI");
    assert_true(it.rank == 2 && it.size == 3 && it.local_size == 3);
    it = under("PMIX_RANK=0"); /* a PMIx server that does not say how many */
    assert_true(it.launcher && it.size == 0);
}

static void values_that_are_no_numbers_mean_nothing(void **state)
{
    (void)state;
    lk_launch it = under("OMPI_COMM_WORLD_SIZE=x OMPI_COMM_WORLD_RANK=-1 SLURM_NTASKS=99999999999999999999");
    assert_true(it.rank == 0 && it.size == 0 && it.slurm_tasks == 0);
    it = under("SLURM_NTASKS=0");
    assert_int_equal(it.slurm_tasks, 0);
}

/* One of N copies speaks, also where srun starts them without any MPI; a lone rank with a task number of its own is itself. */
static void copies_of_srun_know_their_number(void **state)
{
    (void)state;
    lk_launch it = under("SLURM_NTASKS=4 SLURM_PROCID=2");
    assert_null(it.launcher);
    assert_int_equal(it.rank, 2);
    it = under("SLURM_NTASKS=1 SLURM_PROCID=2");
    assert_int_equal(it.rank, 0);
}

static bool refused(const char *environment, int size, const char *text)
{
    lk_launch it = under(environment);
    lk_status st = lk_launch_check(&it, size, "Open MPI v4.1.4");
    if (st == LK_OK) return false;
    assert_status(st, LK_E_USAGE);
    if (!strstr(lk_error_message(), text)) fail_msg("'%s' is not in: %s", text, lk_error_message());
    return true;
}

static void copies_side_by_side_are_refused(void **state)
{
    (void)state;
    assert_true(refused("SLURM_NTASKS=4", 1, "srun --mpi=pmix"));
    assert_true(refused("SLURM_NTASKS=4", 1, "set SLURM_NTASKS=1 for one rank"));
    assert_true(refused("OMPI_COMM_WORLD_SIZE=1 SLURM_NTASKS=4", 1, "SLURM_NTASKS is 4"));
    assert_true(refused("PMI_RANK=0 PMI_SIZE=4", 1,
                        "started 4 processes (PMI), but this program's MPI, Open MPI v4.1.4, sees one"));
    assert_true(refused("PMIX_RANK=0 SLURM_NTASKS=2 SLURM_STEP_NUM_TASKS=2", 1, "two different MPIs"));
    assert_false(refused("", 1, ""));
    assert_false(refused("SLURM_NTASKS=1", 1, ""));
    assert_false(refused("PMI_RANK=0 PMI_SIZE=1", 1, ""));
    assert_false(refused("OMPI_COMM_WORLD_SIZE=4 SLURM_NTASKS=4", 4, ""));
    assert_false(refused("OMPI_COMM_WORLD_SIZE=2 SLURM_NTASKS=4", 2, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launchers_are_told_apart),
        cmocka_unit_test(values_that_are_no_numbers_mean_nothing),
        cmocka_unit_test(copies_of_srun_know_their_number),
        cmocka_unit_test(copies_side_by_side_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
