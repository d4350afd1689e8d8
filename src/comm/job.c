#include "comm/job.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

extern char **environ;

static const double PATIENCE_SECONDS = 10; /* a controller that is down is waited for by squeue, not by us */

double lk_job_duration(const char *text)
{
    double      days = 0, part[3] = {0};
    int         n = 0;
    const char *dash = strchr(text, '-');
    char       *end = NULL;
    if (dash) {
        if (!isdigit((unsigned char)*text)) return -1;
        days = (double)strtol(text, &end, 10);
        if (end != dash) return -1;
        text = dash + 1;
    }
    for (;; text = end + 1) {
        if (n == 3 || !isdigit((unsigned char)*text)) return -1;
        part[n++] = (double)strtol(text, &end, 10);
        if (*end != ':') break;
    }
    if (*end && !isspace((unsigned char)*end)) return -1;
    if (n < 2 || (dash && n != 3)) return -1;
    double hours = n == 3 ? part[0] : 0;
    return ((days * 24 + hours) * 60 + part[n - 2]) * 60 + part[n - 1];
}

/* All that comes through `from` until its end, cut to `size`; false if it does not end in time. */
static int read_answer(int from, char *text, size_t size)
{
    double        until = lk_clock_seconds() + PATIENCE_SECONDS;
    size_t        used = 0;
    struct pollfd wait = {.fd = from, .events = POLLIN};
    text[0] = '\0';
    for (;;) {
        double left = until - lk_clock_seconds();
        if (left <= 0) return 0;
        int ready = poll(&wait, 1, (int)(left * 1e3) + 1);
        if (ready < 0 && errno != EINTR) return 0;
        if (ready <= 0) continue;
        char    piece[64];
        ssize_t n = read(from, piece, sizeof piece);
        if (n == 0) return 1;
        if (n < 0) return 0;
        for (ssize_t i = 0; i < n && used + 1 < size; i++) text[used++] = piece[i];
        text[used] = '\0';
    }
}

/* The first bytes that a command writes; false if it cannot be started, does not end in time or fails. */
static int ask(char *const argv[], char *text, size_t size)
{
    posix_spawn_file_actions_t actions;
    pid_t                      child = -1;
    int                        ends[2], status = -1, answered = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) return 0;
    if (posix_spawn_file_actions_init(&actions) != 0) goto done;
    int failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) ||
                 posix_spawn_file_actions_adddup2(&actions, ends[1], 1) ||
                 posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) ||
                 posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    ends[1] = -1;
    if (failed) goto done;
    answered = read_answer(ends[0], text, size);
    if (!answered) kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
done:
    close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
    return answered && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

double lk_job_end(void)
{
    const char *job = getenv("SLURM_JOB_ID"), *known = getenv("SLURM_JOB_END_TIME");
    char        id[32], answer[64];
    if (!job || !*job || strlen(job) >= sizeof id || strspn(job, "0123456789") != strlen(job)) return 0;
    if (known && *known && strspn(known, "0123456789") == strlen(known)) return strtod(known, NULL);
    snprintf(id, sizeof id, "%s", job);
    char  squeue[] = "squeue", no_header[] = "-h", jobs[] = "-j", format[] = "-o", left[] = "%L";
    char *argv[] = {squeue, no_header, jobs, id, format, left, NULL};
    if (!ask(argv, answer, sizeof answer)) return 0;
    double seconds = lk_job_duration(answer);
    return seconds >= 0 ? (double)time(NULL) + seconds : 0;
}
