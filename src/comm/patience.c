#include "comm/patience.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "comm/network.h"
#include "core/alloc.h"
#include "core/clock.h"

enum { WARN_SECONDS = 20, END_SECONDS = 600, EXIT_HUNG = 77 };

struct lk_patience {
    lk_launch       launch;
    pthread_t       thread;
    pthread_mutex_t mutex;
    pthread_cond_t  wake;
    bool            over;
};

static void say(const char *text)
{
    size_t n = 0;
    while (text[n]) n++;
    if (write(2, text, n) < 0) return;
}

/* Which networks MPI may use here, and what to say to it. Nothing where all ranks are on one host. */
static void put_cure(const lk_launch *launch, lk_str *text)
{
    lk_network          list[LK_NETWORKS];
    lk_network_settings settings;
    int                 n = lk_network_list(list, LK_NETWORKS);
    const lk_network   *best = lk_network_best(list, n);
    const char         *name = best ? best->name : "NAME";
    char                host[LK_HOST_NAME_BYTES] = "?";
    if (launch->size > 0 && launch->local_size == launch->size) return;
    gethostname(host, sizeof host - 1);
    lk_network_settings_read(&settings);
    lk_str_printf(text, ". On host %s MPI may use, over TCP: ", host);
    lk_network_describe(list, n, &settings, text);
    lk_str_printf(
        text,
        ". Name the one that leads to the other hosts: mpirun --mca btl_tcp_if_include %s (srun: export "
        "OMPI_MCA_btl_tcp_if_include=%s); a firewall between the hosts looks the same",
        name, name);
}

static void warn(const lk_launch *launch)
{
    lk_str text;
    lk_str_init(&text);
    lk_str_printf(&text, "lockstep: warning: after %d s MPI has no connection between the ranks",
                  WARN_SECONDS);
    put_cure(launch, &text);
    lk_str_printf(&text, ". The job ends after %d s\n", END_SECONDS);
    say(lk_str_text(&text));
    lk_str_clear(&text);
}

lk_status lk_patience_explain(const lk_launch *launch, lk_status status)
{
    char   what[512];
    lk_str text;
    snprintf(what, sizeof what, "%s", lk_error_message());
    lk_str_init(&text);
    put_cure(launch, &text);
    status = lk_fail(status, "rank %d: MPI does not start: %s%s", launch->rank, what, lk_str_text(&text));
    lk_str_clear(&text);
    return status;
}

/* True when MPI is there, false when `until` has come. */
static bool wait_until(lk_patience *p, const struct timespec *until)
{
    while (!p->over)
        if (pthread_cond_timedwait(&p->wake, &p->mutex, until) == ETIMEDOUT) break;
    return p->over;
}

static void *watch(void *context)
{
    lk_patience    *p = context;
    struct timespec until;
    pthread_mutex_lock(&p->mutex);
    until = lk_clock_after(WARN_SECONDS);
    bool over = wait_until(p, &until);
    if (!over && p->launch.rank == 0) warn(&p->launch);
    until.tv_sec += END_SECONDS - WARN_SECONDS;
    over = wait_until(p, &until);
    pthread_mutex_unlock(&p->mutex);
    if (over) return NULL;
    say("lockstep: a rank hung: MPI did not start\n");
    _exit(EXIT_HUNG);
}

lk_patience *lk_patience_begin(const lk_launch *launch)
{
    lk_patience *p = NULL;
    sigset_t     all, before;
    if (LK_ALLOC(1, &p) != LK_OK) return NULL;
    p->launch = *launch;
    pthread_mutex_init(&p->mutex, NULL);
    lk_clock_cond_init(&p->wake);
    sigfillset(&all); /* signals are for the main thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&p->thread, NULL, watch, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) return p;
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->mutex);
    lk_free(&p);
    return NULL;
}

void lk_patience_end(lk_patience **patience)
{
    lk_patience *p = *patience;
    if (!p) return;
    pthread_mutex_lock(&p->mutex);
    p->over = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->mutex);
    lk_free(patience);
}
