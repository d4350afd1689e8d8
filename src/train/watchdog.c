#include "train/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/log.h"

/* Other hosts leave it to the culprit's own host to name it, and speak only this much later: the launcher takes up to 4 s to
 * end the job on all hosts after one rank has left. */
static const double GRACE_SECONDS = 6;
/* A watchdog thread renews its beat at least this often. One that is late may be that of a stopped process, which the kernel
 * knows; one that has missed several is, whatever the kernel says. */
static const double BEAT_SECONDS = 0.5, LATE_SECONDS = 0.75, MISSED_SECONDS = 2.5;
/* The launcher has this long to end a job in which a rank has died. */
static const double LAUNCHER_SECONDS = 3;
/* What the root does alone, an evaluation or a checkpoint, may take so many times as long as anything else: if its host is frozen,
 * its own watchdog is, too. */
enum { ROOT_PATIENCE = 10 };

enum { EXIT_HUNG = 77, EXIT_KILLED = 137 };

typedef struct slot {
    _Alignas(64) _Atomic int64_t step;
    _Atomic int64_t beat_ms, progress_ms; /* CLOCK_MONOTONIC, one clock for all processes of a host */
    _Atomic int     phase, wait, process;
    /* As of the last beat: the rank of another host whose message it waits for, -1: none; whether it waits in a collective. */
    _Atomic int awaited, meets;
    _Atomic int left; /* this rank goes in good order, or knows why it goes */
    /* Of the host, in its first slot: the exit code once somebody has said why the job ends. */
    _Atomic int verdict;
} slot;

struct lk_watchdog {
    lk_comm        *comm; /* borrowed; read only from the thread */
    lk_watch        watch;
    slot           *board; /* shared: [ranks on this host] */
    int             n, mine, first_rank;
    bool            sees_processes; /* all ranks of the host live in my process namespace */
    int64_t         awake_ms;       /* since when this thread has run without a break */
    int64_t         verdict_ms;     /* when I saw the verdict */
    pthread_t       thread;
    bool            running;
    pthread_mutex_t mutex;
    pthread_cond_t  wake;
    bool            leave;
    int             warned_of; /* the rank of this host, ELSEWHERE, or NOBODY */
};

enum { ELSEWHERE = -1, NOBODY = -2 };

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

/* ---- the board ---- */

static lk_status map_board(lk_watchdog *w, const char *name, bool creator)
{
    lk_status st = LK_OK;
    size_t    bytes = (size_t)w->n * sizeof(slot);
    int       file = shm_open(name, creator ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, 0600);
    LK_CHECK(file >= 0, LK_E_IO, "watchdog: cannot open shared memory %s: %s", name, strerror(errno));
    /* Reserved, not only promised: a page that is not there when it is touched would be a crash. */
    int error = creator ? posix_fallocate(file, 0, (off_t)bytes) : 0;
    LK_CHECK(error == 0, LK_E_NOMEM, "watchdog: no shared memory in /dev/shm: %s", strerror(error));
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
    st = lk_comm_agree(w->comm, creator ? map_board(w, name, true) : LK_OK);
    if (st == LK_OK) st = lk_comm_agree(w->comm, creator ? LK_OK : map_board(w, name, false));
    if (creator) shm_unlink(name);
done:
    return st;
}

/* ---- what it sees ---- */

/* What happened while this thread did not run is not held against anybody. */
static double age(const lk_watchdog *w, int64_t since_ms)
{
    return (double)(now_ms() - (since_ms > w->awake_ms ? since_ms : w->awake_ms)) * 1e-3;
}

static double progress_age(const lk_watchdog *w, int rank_on_host)
{
    return age(w, atomic_load(&w->board[rank_on_host].progress_ms));
}

static double beat_age(const lk_watchdog *w, int rank_on_host)
{
    return age(w, atomic_load(&w->board[rank_on_host].beat_ms));
}

static bool has_left(const lk_watchdog *w, int rank_on_host)
{
    return atomic_load(&w->board[rank_on_host].left) != 0;
}

/* By a signal or a debugger: state T or t in /proc/PID/stat, after the name in parentheses, which may hold anything. */
static bool kernel_says_stopped(int process)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    if (read(file, text, sizeof text - 1) < 0) text[0] = '\0';
    close(file);
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

static bool stopped(const lk_watchdog *w, int rank_on_host)
{
    double late = beat_age(w, rank_on_host);
    if (late < LATE_SECONDS || has_left(w, rank_on_host)) return false;
    return late > MISSED_SECONDS ||
           (w->sees_processes && kernel_says_stopped(atomic_load(&w->board[rank_on_host].process)));
}

static bool dead(const lk_watchdog *w, int rank_on_host)
{
    if (!w->sees_processes || has_left(w, rank_on_host)) return false;
    return kill(atomic_load(&w->board[rank_on_host].process), 0) != 0 && errno == ESRCH;
}

/* Seconds without a sign of progress on this host; none where all ranks have left. While a rank is still starting, only how long
 * one is stopped. */
static double quiet_seconds(const lk_watchdog *w)
{
    double least = HUGE_VAL, oldest_beat = 0;
    bool   starting = false, anybody = false;
    for (int i = 0; i < w->n; i++) {
        if (has_left(w, i)) continue;
        anybody = true;
        if (stopped(w, i))
            oldest_beat = fmax(oldest_beat, beat_age(w, i));
        else if (atomic_load(&w->board[i].wait) == LK_WAIT_START)
            starting = true;
        least = fmin(least, progress_age(w, i));
    }
    if (!anybody) return 0;
    return starting ? oldest_beat : least;
}

static bool works(const lk_watchdog *w, int rank_on_host)
{
    const slot *s = &w->board[rank_on_host];
    return !has_left(w, rank_on_host) && atomic_load(&s->wait) == LK_WAIT_NONE && !atomic_load(&s->meets);
}

/* The rank that everybody waits for: a stopped process first, else the one that works without moving. */
static int culprit(const lk_watchdog *w)
{
    int found = ELSEWHERE;
    for (int i = 0; i < w->n; i++)
        if (stopped(w, i)) return i;
    for (int i = 0; i < w->n; i++) {
        if (!works(w, i)) continue;
        if (found < 0 || progress_age(w, i) > progress_age(w, found)) found = i;
    }
    return found;
}

/* One voice per host: the lowest rank whose process runs. */
static bool speaks(const lk_watchdog *w)
{
    for (int i = 0; i < w->mine; i++)
        if (!has_left(w, i) && !stopped(w, i) && !dead(w, i)) return false;
    return true;
}

static bool waits_for_root(const lk_watchdog *w)
{
    return atomic_load(&w->board[w->mine].wait) == LK_WAIT_ROOT && lk_comm_host(w->comm) != 0;
}

static const char *host_name(const lk_watchdog *w)
{
    return lk_comm_host_name(w->comm, lk_comm_host(w->comm));
}

/* The end of every last word. */
static const char *what_then(const lk_watchdog *w)
{
    return w->watch.resumes ? "Restart the same command: it goes on from the last checkpoint"
                            : "Run the same command again";
}

/* "at step 12 in phase reduce", "at the test of links": where a rank is. */
static void name_place(const lk_watchdog *w, const slot *s, char *text, size_t size)
{
    int64_t step = atomic_load(&s->step);
    bool    starting = atomic_load(&s->wait) == LK_WAIT_START;
    if (w->watch.tests)
        snprintf(text, size, "at the test of %s", w->watch.tests[step]);
    else
        snprintf(text, size, "at step %lld in phase %s", (long long)step,
                 starting ? "start" : lk_phase_names[atomic_load(&s->phase)]);
}

/* "rank 3 on host h2": whose message a rank of this host waits for; "another host" where none says. */
static void name_awaited(const lk_watchdog *w, char *text, size_t size)
{
    int awaited = -1;
    for (int i = 0; i < w->n && awaited < 0; i++)
        if (!has_left(w, i)) awaited = atomic_load(&w->board[i].awaited);
    if (awaited < 0)
        snprintf(text, size, "another host");
    else
        snprintf(text, size, "rank %d on host %s", awaited,
                 lk_comm_host_name(w->comm, lk_comm_host_of(w->comm, awaited)));
}

/* "0.4" or "37": what is short has its tenths. */
static const char *seconds_text(double seconds, char text[32])
{
    snprintf(text, 32, "%.*f", seconds < 9.95 ? 1 : 0, seconds);
    return text;
}

static void describe(const lk_watchdog *w, int who, double quiet, char *text, size_t size)
{
    const slot *s = &w->board[who >= 0 ? who : w->mine];
    char        awaited[128], place[96], age_text[32];
    seconds_text(quiet, age_text);
    name_awaited(w, awaited, sizeof awaited);
    name_place(w, s, place, sizeof place);
    if (who >= 0)
        snprintf(text, size, "rank %d on host %s %s: no progress for %s s %s", w->first_rank + who,
                 host_name(w), stopped(w, who) ? "is stopped" : "is stuck", age_text, place);
    else
        snprintf(text, size, "host %s waits for %s: no answer for %s s %s", host_name(w), awaited, age_text,
                 place);
}

/* Why the job ends, said once a host. The root's log may be stuck with the root: straight to stderr. */
static void say(lk_watchdog *w, int exit_code, const char *text)
{
    char line[768];
    int  none = 0, n = snprintf(line, sizeof line, "lockstep: %s\n", text);
    if (!atomic_compare_exchange_strong(&w->board[0].verdict, &none, exit_code)) return;
    if (write(2, line, (size_t)n) < 0) return;
}

static void leave(lk_watchdog *w, int exit_code)
{
    atomic_store(&w->board[w->mine].left, 1);
    _exit(exit_code);
}

/* The launcher ends the job when a rank is gone; one that does not is helped. */
static bool is_over(lk_watchdog *w)
{
    int exit_code = atomic_load(&w->board[0].verdict);
    if (!exit_code) return false;
    if (!w->verdict_ms) w->verdict_ms = now_ms();
    if ((double)(now_ms() - w->verdict_ms) * 1e-3 > LAUNCHER_SECONDS) leave(w, exit_code);
    return true;
}

static void look_for_the_dead(lk_watchdog *w)
{
    char text[512], place[96];
    int  who = 0;
    while (who < w->n && !dead(w, who)) who++;
    if (who == w->n || !speaks(w)) return;
    const slot *s = &w->board[who];
    name_place(w, s, place, sizeof place);
    snprintf(text, sizeof text,
             "rank %d on host %s (process %d) died %s: killed by a signal, a crash, or the "
             "kernel when memory ran out (dmesg tells). %s",
             w->first_rank + who, host_name(w), atomic_load(&s->process), place, what_then(w));
    say(w, EXIT_KILLED, text);
}

static void look_for_a_hang(lk_watchdog *w)
{
    char   text[512];
    double quiet = quiet_seconds(w);
    int    who = culprit(w);
    bool   patient = who < 0 && waits_for_root(w);
    double timeout = w->watch.timeout * (patient ? ROOT_PATIENCE : 1), grace = who >= 0 ? 0 : GRACE_SECONDS;
    if (quiet < timeout / 5 + grace) {
        w->warned_of = NOBODY;
        return;
    }
    if (!speaks(w)) return;
    describe(w, who, quiet, text, sizeof text);
    if (w->warned_of != who)
        lk_log_rank("warning: %s; the job ends at %g s (%s%s)", text, timeout + grace,
                    patient ? "ten times " : "", w->watch.set_by);
    w->warned_of = who;
    if (quiet < timeout + grace) return;
    char last[640];
    snprintf(last, sizeof last, "a rank hung: %s. %s", text, what_then(w));
    say(w, EXIT_HUNG, last);
    leave(w, EXIT_HUNG);
}

/* A beat; one that comes late tells that this process was stopped itself, or all of them. */
static void beat(lk_watchdog *w)
{
    slot   *mine = &w->board[w->mine];
    int64_t now = now_ms();
    if ((double)(now - atomic_load(&mine->beat_ms)) * 1e-3 > MISSED_SECONDS) w->awake_ms = now;
    atomic_store(&mine->beat_ms, now);
    atomic_store(&mine->awaited, lk_comm_awaited(w->comm));
    atomic_store(&mine->meets, lk_comm_meets(w->comm));
}

static void *watch(void *context)
{
    lk_watchdog    *w = context;
    struct timespec until;
    pthread_mutex_lock(&w->mutex);
    while (!w->leave) {
        beat(w);
        if (!is_over(w)) {
            look_for_the_dead(w);
            look_for_a_hang(w);
        }
        until = lk_clock_after(BEAT_SECONDS);
        pthread_cond_timedwait(&w->wake, &w->mutex, &until);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* ---- life ---- */

static bool sees_processes(const lk_watchdog *w)
{
    for (int i = 0; i < w->n; i++)
        if (kill(atomic_load(&w->board[i].process), 0) != 0) return false;
    return true;
}

/* Signals are for the main thread. */
static lk_status start_thread(lk_watchdog *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->running = pthread_create(&w->thread, NULL, watch, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w->running ? LK_OK : lk_fail(LK_E_NOMEM, "watchdog: no thread to be had");
}

static lk_status create_blank(lk_comm *comm, lk_watch watch, lk_watchdog **out)
{
    lk_status st = LK_ALLOC(1, out);
    if (st != LK_OK) return st;
    lk_watchdog *w = *out;
    w->comm = comm;
    w->watch = watch;
    w->warned_of = NOBODY;
    pthread_mutex_init(&w->mutex, NULL);
    lk_clock_cond_init(&w->wake);
    w->n = lk_comm_host_ranks(comm, lk_comm_host(comm));
    w->mine = lk_comm_rank_on_host(comm);
    w->first_rank = lk_comm_rank(comm) - w->mine;
    return LK_OK;
}

lk_status lk_watchdog_create(lk_comm *comm, lk_watch watch, lk_watchdog **out)
{
    lk_status    st = LK_OK;
    lk_watchdog *w = NULL;
    *out = NULL;
    if (watch.timeout <= 0 || lk_comm_size(comm) == 1) return LK_OK;
    LK_TRY(lk_comm_agree(comm, create_blank(comm, watch, &w)));
    st = open_board(w);
    if (st == LK_E_IO || st == LK_E_NOMEM) {
        lk_log_warn("nobody watches for ranks that hang: %s", lk_error_message());
        st = LK_OK;
        goto done;
    }
    LK_TRY(st);
    slot *mine = &w->board[w->mine];
    lk_watchdog_tick(w, 0, LK_PHASE_OTHER, LK_WAIT_START);
    w->awake_ms = now_ms();
    atomic_store(&mine->beat_ms, w->awake_ms);
    atomic_store(&mine->process, (int)getpid());
    atomic_store(&mine->awaited, -1);
    LK_TRY(lk_comm_barrier(comm)); /* every slot is filled before anybody looks */
    w->sees_processes = sees_processes(w);
    LK_TRY(lk_comm_agree(comm, start_thread(w)));
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
    if (w->board) atomic_store(&w->board[w->mine].left, 1);
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
