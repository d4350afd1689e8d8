#include "train/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/log.h"

/* Other hosts leave it to the culprit's own host to name it, and speak only this much later. */
static const double GRACE_SECONDS = 3;
/* A watchdog thread renews its beat at least this often; three missed ones mean a stopped process. */
static const double BEAT_SECONDS = 0.5;

typedef struct slot {
    _Alignas(64) _Atomic int64_t step;
    _Atomic int64_t beat_ms, progress_ms; /* CLOCK_MONOTONIC, one clock for all processes of a host */
    _Atomic int     phase, wait;
} slot;

struct lk_watchdog {
    lk_comm        *comm; /* borrowed; read only from the thread */
    double          timeout;
    slot           *board; /* shared: [ranks on this host] */
    int             n, mine, first_rank;
    pthread_t       thread;
    bool            running;
    pthread_mutex_t mutex;
    pthread_cond_t  wake;
    bool            leave;
    bool            warned;
};

static int64_t now_ms(void)
{
    return (int64_t)(lk_clock_seconds() * 1e3);
}

void lk_watchdog_tick(lk_watchdog *watchdog, int64_t step, lk_phase phase, lk_wait wait)
{
    if (!watchdog) return;
    slot *mine = &watchdog->board[watchdog->mine];
    atomic_store_explicit(&mine->step, step, memory_order_relaxed);
    atomic_store_explicit(&mine->phase, (int)phase, memory_order_relaxed);
    atomic_store_explicit(&mine->wait, (int)wait, memory_order_relaxed);
    atomic_store_explicit(&mine->progress_ms, now_ms(), memory_order_release);
}

/* ---- the board
 * ------------------------------------------------------------------------------------------------- */

static lk_status map_board(lk_watchdog *w, const char *name, bool creator)
{
    lk_status st = LK_OK;
    size_t    bytes = (size_t)w->n * sizeof(slot);
    int       file = shm_open(name, creator ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, 0600);
    LK_CHECK(file >= 0, LK_E_IO, "watchdog: cannot open shared memory %s: %s", name, strerror(errno));
    if (creator)
        LK_CHECK(ftruncate(file, (off_t)bytes) == 0, LK_E_NOMEM, "watchdog: no shared memory: %s",
                 strerror(errno));
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    LK_CHECK(memory != MAP_FAILED, LK_E_NOMEM, "watchdog: cannot map shared memory: %s", strerror(errno));
    w->board = memory;
done:
    if (file >= 0) close(file);
    return st;
}

/* Collective: the first rank of each host makes the board under a name nobody else has, the others find it
 * there. */
static lk_status open_board(lk_watchdog *w)
{
    lk_status st = LK_OK;
    char      name[64];
    int64_t   token = (int64_t)getpid() << 32 ^ now_ms();
    LK_TRY(lk_comm_broadcast(w->comm, &token, sizeof token));
    snprintf(name, sizeof name, "/lockstep-%llx-%d", (unsigned long long)token, lk_comm_host(w->comm));
    bool creator = w->mine == 0;
    st = creator ? map_board(w, name, true) : LK_OK;
    LK_TRY(lk_comm_agree(w->comm, st));
    st = creator ? LK_OK : map_board(w, name, false);
    if (lk_comm_agree(w->comm, st) != LK_OK) st = LK_E_IO;
    if (creator) shm_unlink(name);
done:
    return st;
}

/* ---- what it sees
 * ---------------------------------------------------------------------------------------------- */

static double age(int64_t since_ms)
{
    return (double)(now_ms() - since_ms) * 1e-3;
}

static double progress_age(const slot *s)
{
    return age(atomic_load(&s->progress_ms));
}

static bool stopped(const slot *s)
{
    return age(atomic_load(&s->beat_ms)) > 3 * BEAT_SECONDS + 1;
}

/* The youngest sign of progress on this host. */
static double quiet_seconds(const lk_watchdog *w)
{
    double least = progress_age(&w->board[0]);
    for (int i = 1; i < w->n; i++)
        least = progress_age(&w->board[i]) < least ? progress_age(&w->board[i]) : least;
    return least;
}

/* The rank that everybody waits for: a stopped process first, else the one that works without moving; -1:
 * elsewhere. */
static int culprit(const lk_watchdog *w)
{
    int found = -1;
    for (int i = 0; i < w->n; i++)
        if (stopped(&w->board[i])) return i;
    for (int i = 0; i < w->n; i++) {
        if (atomic_load(&w->board[i].wait) != LK_WAIT_NONE) continue;
        if (found < 0 || progress_age(&w->board[i]) > progress_age(&w->board[found])) found = i;
    }
    return found;
}

/* One voice per host: the lowest rank whose process runs. */
static bool speaks(const lk_watchdog *w)
{
    for (int i = 0; i < w->mine; i++)
        if (!stopped(&w->board[i])) return false;
    return true;
}

static bool waits_for_root(const lk_watchdog *w)
{
    return atomic_load(&w->board[w->mine].wait) == LK_WAIT_ROOT && lk_comm_host(w->comm) != 0;
}

static void describe(const lk_watchdog *w, int who, char *text, size_t size)
{
    const slot *s = &w->board[who >= 0 ? who : w->mine];
    const char *host = lk_comm_host_name(w->comm, lk_comm_host(w->comm));
    if (who >= 0)
        snprintf(text, size, "rank %d on host %s %s: no progress for %.0f s at step %lld in phase %s",
                 w->first_rank + who, host, stopped(s) ? "is stopped" : "is stuck", progress_age(s),
                 (long long)atomic_load(&s->step), lk_phase_names[atomic_load(&s->phase)]);
    else
        snprintf(text, size, "host %s waits for another host: no answer for %.0f s at step %lld in phase %s",
                 host, progress_age(s), (long long)atomic_load(&s->step),
                 lk_phase_names[atomic_load(&s->phase)]);
}

static void look(lk_watchdog *w)
{
    char   text[512];
    double quiet = quiet_seconds(w);
    int    who = culprit(w);
    double grace = who >= 0 ? 0 : GRACE_SECONDS;
    if (quiet < w->timeout / 5 + grace) {
        w->warned = false;
        return;
    }
    if (!speaks(w) || (who < 0 && waits_for_root(w))) return;
    describe(w, who, text, sizeof text);
    if (!w->warned) lk_log_rank("warning: %s; the job ends at %.0f s (train.hang_timeout)", text, w->timeout);
    w->warned = true;
    if (quiet < w->timeout + grace) return;
    /* The root's log may be stuck with the root: write straight to stderr, and end the job by leaving it. */
    char line[640];
    int  n = snprintf(
         line, sizeof line,
         "lockstep: a rank hung: %s. Restart the same command: it goes on from the last checkpoint\n", text);
    if (write(2, line, (size_t)n) < 0) _exit(77);
    _exit(77);
}

static void *watch(void *context)
{
    lk_watchdog    *w = context;
    struct timespec until;
    pthread_mutex_lock(&w->mutex);
    while (!w->leave) {
        atomic_store(&w->board[w->mine].beat_ms, now_ms());
        look(w);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += (long)(BEAT_SECONDS * 1e9);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&w->wake, &w->mutex, &until);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* ---- life
 * ------------------------------------------------------------------------------------------------------ */

lk_status lk_watchdog_create(lk_comm *comm, double timeout, lk_watchdog **out)
{
    lk_status    st = LK_OK;
    lk_watchdog *w = NULL;
    *out = NULL;
    if (timeout <= 0 || lk_comm_size(comm) == 1) return LK_OK;
    LK_TRY(LK_ALLOC(1, &w));
    w->comm = comm;
    w->timeout = timeout;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->wake, NULL);
    w->n = lk_comm_host_ranks(comm, lk_comm_host(comm));
    w->mine = lk_comm_rank_on_host(comm);
    w->first_rank = lk_comm_rank(comm) - w->mine;
    LK_TRY(open_board(w));
    lk_watchdog_tick(w, 0, LK_PHASE_OTHER, LK_WAIT_NONE);
    atomic_store(&w->board[w->mine].beat_ms, now_ms());
    LK_TRY(lk_comm_barrier(comm)); /* every slot holds a time before anybody looks */
    LK_CHECK(pthread_create(&w->thread, NULL, watch, w) == 0, LK_E_NOMEM, "watchdog: no thread to be had");
    w->running = true;
    *out = w;
    w = NULL;
done:
    lk_watchdog_destroy(&w);
    return st;
}

void lk_watchdog_destroy(lk_watchdog **watchdog)
{
    lk_watchdog *w = *watchdog;
    if (!w) return;
    if (w->running) {
        pthread_mutex_lock(&w->mutex);
        w->leave = true;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->mutex);
        pthread_join(w->thread, NULL);
    }
    if (w->board) munmap(w->board, (size_t)w->n * sizeof(slot));
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->wake);
    lk_free(watchdog);
}
