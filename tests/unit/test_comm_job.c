/* When the batch system ends a job: what Slurm prints, and what is no answer. */
#include "lk_test.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "comm/job.h"

static void time_left_is_read_as_squeue_prints_it(void **state)
{
    (void)state;
    assert_true(lk_job_duration("3:04\n") == 184);
    assert_true(lk_job_duration("0:00") == 0);
    assert_true(lk_job_duration("2:03:04\n") == 7384);
    assert_true(lk_job_duration("1-02:03:04\n") == 93784);
    assert_true(lk_job_duration("30-00:00:00  ") == 30 * 86400);
}

static void what_is_no_time_is_no_limit(void **state)
{
    static const char *const texts[] = {"UNLIMITED\n", "INVALID",    "NOT_SET", "",        "\n",  "-1:00",
                                        "1-",          "5",          "1-02:03", "1:2:3:4", "1:x", "1:02x",
                                        "x-01:00:00",  "1--1:00:00", ":30",     "3:"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (lk_job_duration(texts[i]) >= 0)
            fail_msg("'%s' was read as %g s", texts[i], lk_job_duration(texts[i]));
}

static void without_a_job_there_is_no_end(void **state)
{
    (void)state;
    unsetenv("SLURM_JOB_ID");
    setenv("SLURM_JOB_END_TIME", "2000000000", 1);
    assert_true(lk_job_end() == 0);
}

static void the_environment_is_believed(void **state)
{
    (void)state;
    setenv("SLURM_JOB_ID", "17", 1);
    setenv("SLURM_JOB_END_TIME", "2000000000", 1);
    assert_true(lk_job_end() == 2e9);
}

static void write_squeue(const char *folder, const char *body)
{
    char path[256];
    snprintf(path, sizeof path, "%s/squeue", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", body);
    assert_int_equal(fchmod(fileno(file), 0755), 0);
    fclose(file);
}

/* Whatever stands under the name squeue on PATH: a failing or talkative one is no answer, and nobody dies of
 * it. */
static void a_strange_squeue_is_no_answer(void **state)
{
    char        folder[] = "/tmp/lockstep-squeue.XXXXXX", path[300];
    const char *old = getenv("PATH");
    char       *kept = strdup(old ? old : "");
    (void)state;
    assert_non_null(mkdtemp(folder));
    setenv("SLURM_JOB_ID", "17", 1);
    unsetenv("SLURM_JOB_END_TIME");
    setenv("PATH", folder, 1);
    assert_true(lk_job_end() == 0); /* no squeue at all */
    snprintf(path, sizeof path, "%s:%s", folder, kept);
    setenv("PATH", path, 1);
    write_squeue(folder, "echo 10:00; exit 1");
    assert_true(lk_job_end() == 0);
    write_squeue(folder, "kill -9 $$");
    assert_true(lk_job_end() == 0);
    write_squeue(folder, "head -c 1000000 /dev/zero | tr '\\0' x");
    assert_true(lk_job_end() == 0);
    setenv("SLURM_JOB_ID", "17; echo 5:00", 1);
    write_squeue(folder, "echo 5:00");
    assert_true(lk_job_end() == 0);
    setenv("SLURM_JOB_ID", "17", 1);
    write_squeue(folder, "[ \"$*\" = '-h -j 17 -o %L' ] && echo 10:00");
    double left = lk_job_end() - (double)time(NULL);
    assert_true(left > 590 && left <= 600);
    setenv("PATH", kept, 1);
    snprintf(path, sizeof path, "%s/squeue", folder);
    unlink(path);
    rmdir(folder);
    free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_left_is_read_as_squeue_prints_it),
        cmocka_unit_test(what_is_no_time_is_no_limit),
        cmocka_unit_test(without_a_job_there_is_no_end),
        cmocka_unit_test(the_environment_is_believed),
        cmocka_unit_test(a_strange_squeue_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
