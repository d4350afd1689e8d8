#include "train/saver.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/log.h"

enum { FAILED_WRITES_MOST = 3, SPARE_MOST = 4, NAP_LEAST_NS = 100000, NAP_MOST_NS = 100000000 };

typedef struct image {
    lk_checkpoint_writer *writer; /* owned; NULL: none */
    int64_t               step;
    bool                  best; /* the best one so far */
} image;

struct lk_saver {
    char                  folder[PATH_MAX - 64];
    char                  best_path[PATH_MAX];
    char                  path[PATH_MAX];
    int                   keep, logs[LK_SAVER_LOGS];
    image                 now;               /* in flight */
    lk_checkpoint_writer *unsaved_best;      /* owned; failed or overtaken before, goes first */
    bool                  running;           /* then all above is the helper's */
    image                 next;              /* waits for the one in flight */
    lk_checkpoint_writer *next_best;         /* owned; a best image that `next` has overtaken */
    lk_checkpoint_writer *spare[SPARE_MOST]; /* owned; needed no more, their memory is for the next ones */
    int                   n_spare;
    bool                  overtaken;        /* said already */
    double                began;            /* the write in flight */
    double                seconds, slowest; /* of the last write; of the slowest one so far */
    lk_saver_moves       *moves;
    void                 *context;
    lk_moved              moved; /* by all writes so far */
    pthread_t             thread;
    atomic_bool           done;
    lk_status             status; /* of the write in flight or the last one, with its message */
    char                  message[2048];
    int                   failed;             /* writes in a row */
    lk_status             last_status;        /* of the last of them, */
    char                  last_message[2048]; /* which another write may follow at once */
};

lk_status lk_saver_create(const lk_saver_options *options, lk_saver **out)
{
    lk_status st = LK_OK;
    lk_saver *saver = NULL;
    *out = NULL;
    LK_TRY(LK_ALLOC(1, &saver));
    snprintf(saver->folder, sizeof saver->folder, "%s", options->folder);
    snprintf(saver->best_path, sizeof saver->best_path, "%s", options->best);
    memcpy(saver->logs, options->logs, sizeof saver->logs);
    saver->keep = options->keep;
    saver->moves = options->moves;
    saver->context = options->context;
    *out = saver;
done:
    return st;
}

/* ---- the helper thread ---- */

/* After a power failure a log must not be shorter than a checkpoint says. */
static lk_status sync_logs(const lk_saver *saver)
{
    for (int i = 0; i < LK_SAVER_LOGS; i++)
        if (fdatasync(saver->logs[i]) != 0 && errno != EINVAL)
            return lk_fail(LK_E_IO, "cannot make the logs of the run durable: fdatasync: %s",
                           strerror(errno));
    return LK_OK;
}

static lk_status write_best(lk_saver *saver)
{
    lk_checkpoint_writer *best = saver->now.best ? saver->now.writer : saver->unsaved_best;
    lk_status             st = best ? lk_checkpoint_commit(best, saver->best_path, &saver->moved) : LK_OK;
    if (st == LK_OK) {
        lk_checkpoint_abandon(&saver->unsaved_best);
    } else if (saver->now.best) {
        lk_checkpoint_abandon(&saver->unsaved_best);
        saver->unsaved_best = saver->now.writer;
        saver->now.writer = NULL;
    }
    return st;
}

static lk_status write_files(lk_saver *saver)
{
    lk_status st = LK_OK;
    double    began = lk_clock_seconds();
    LK_TRY(sync_logs(saver));
    LK_TRY(write_best(saver));
    LK_TRY(lk_checkpoint_commit(saver->now.writer, saver->path, &saver->moved));
    if (lk_checkpoint_prune(saver->folder, saver->keep) != LK_OK)
        lk_log_warn("old checkpoints stay: %s", lk_error_message());
done:
    saver->seconds = lk_clock_seconds() - began;
    return st;
}

static void *write_thread(void *context)
{
    lk_saver *saver = context;
    saver->status = write_files(saver);
    /* Messages belong to a thread: carry this one over. */
    snprintf(saver->message, sizeof saver->message, "%s", lk_error_message());
    atomic_store(&saver->done, true);
    return NULL;
}

/* Signals are for the main thread: one that asks for a stop must not interrupt the write it asks for. */
static bool start_thread(lk_saver *saver)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&saver->thread, NULL, write_thread, saver) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* ---- the main thread ---- */

/* Its memory stays for the next image. No more stay than were needed at the same time, so the peak is the same. */
static void retire(lk_saver *saver, lk_checkpoint_writer **writer)
{
    if (*writer && saver->n_spare < SPARE_MOST) {
        saver->spare[saver->n_spare++] = *writer;
        *writer = NULL;
    }
    lk_checkpoint_abandon(writer);
}

static void settle(lk_saver *saver)
{
    retire(saver, &saver->now.writer);
    if (saver->seconds > saver->slowest) saver->slowest = saver->seconds;
    saver->failed = saver->status == LK_OK ? 0 : saver->failed + 1;
    if (saver->status == LK_OK) return;
    saver->last_status = saver->status;
    memcpy(saver->last_message, saver->message, sizeof saver->message);
}

static lk_status outcome(const lk_saver *saver)
{
    return saver->status == LK_OK ? LK_OK : lk_fail(saver->status, "%s", saver->message);
}

static void warn(const lk_saver *saver)
{
    lk_log_warn("CHECKPOINT NOT WRITTEN, training goes on, the one before stays: %s", saver->message);
}

static void start(lk_saver *saver, image it)
{
    char name[32];
    lk_checkpoint_name(it.step, name);
    snprintf(saver->path, sizeof saver->path, "%s/%s", saver->folder, name);
    saver->now = it;
    if (saver->next_best) {
        lk_checkpoint_abandon(&saver->unsaved_best);
        saver->unsaved_best = saver->next_best;
        saver->next_best = NULL;
    }
    saver->began = lk_clock_seconds();
    atomic_store(&saver->done, false);
    saver->running = start_thread(saver);
    if (saver->running) return;
    write_thread(saver); /* no thread to be had: here and now */
    settle(saver);
}

static void wait_for_the_end(lk_saver *saver)
{
    long long before = -1;
    for (long ns = NAP_LEAST_NS; !atomic_load(&saver->done); ns = ns < NAP_MOST_NS ? 2 * ns : ns) {
        long long now = atomic_load(&saver->moved);
        if (now != before && saver->moves) saver->moves(saver->context);
        before = now;
        nanosleep(&(struct timespec){0, ns}, NULL);
    }
}

/* The status of the write in flight, once it is over. */
static lk_status join(lk_saver *saver)
{
    if (!saver->running) return LK_OK;
    wait_for_the_end(saver);
    pthread_join(saver->thread, NULL);
    saver->running = false;
    settle(saver);
    return outcome(saver);
}

static void join_and_warn(lk_saver *saver)
{
    if (join(saver) != LK_OK) warn(saver);
}

static void start_next(lk_saver *saver)
{
    image next = saver->next;
    saver->next = (image){0};
    if (next.writer) start(saver, next);
}

lk_status lk_saver_wait(lk_saver *saver)
{
    if (saver->next.writer) {
        join_and_warn(saver);
        start_next(saver);
        if (!saver->running) return outcome(saver);
    }
    return join(saver);
}

void lk_saver_poll(lk_saver *saver)
{
    if (!saver->running || !atomic_load(&saver->done)) return;
    bool more = saver->next.writer;
    join_and_warn(saver);
    start_next(saver);
    if (more && !saver->running && saver->status != LK_OK) warn(saver);
}

/* The disk is behind: of the images that wait the newest is written, and the newest best one. */
static void overtake(lk_saver *saver, bool best)
{
    image *old = &saver->next;
    if (!old->writer) return;
    if (!saver->overtaken && !old->best) {
        lk_log_warn("the checkpoint of step %lld is left out for a newer one, and others may be: the one "
                    "before has been written for %.3g s, and checkpoint.every asks for them sooner",
                    (long long)old->step, lk_clock_seconds() - saver->began);
        saver->overtaken = true;
    }
    if (old->best || best) retire(saver, &saver->next_best);
    if (old->best && !best) {
        saver->next_best = old->writer;
        old->writer = NULL;
    }
    retire(saver, &old->writer);
}

lk_checkpoint_writer *lk_saver_spare(lk_saver *saver)
{
    return saver->n_spare > 0 ? saver->spare[--saver->n_spare] : NULL;
}

lk_status lk_saver_put(lk_saver *saver, lk_checkpoint_writer **writer, int64_t step, bool best)
{
    lk_status st = LK_OK;
    image     it = {*writer, step, best};
    lk_saver_poll(saver);
    LK_CHECK(saver->failed < FAILED_WRITES_MOST, saver->last_status,
             "%d checkpoints in a row could not be written: %s", saver->failed, saver->last_message);
    *writer = NULL;
    if (saver->running) {
        overtake(saver, best);
        saver->next = it;
        goto done;
    }
    start(saver, it);
    if (!saver->running && saver->status != LK_OK) warn(saver);
done:
    return st;
}

double lk_saver_seconds(const lk_saver *saver)
{
    return saver->slowest;
}

void lk_saver_destroy(lk_saver **saver)
{
    if (!*saver) return;
    (void)lk_saver_wait(*saver);
    lk_checkpoint_abandon(&(*saver)->unsaved_best);
    lk_checkpoint_abandon(&(*saver)->next_best);
    while ((*saver)->n_spare > 0) lk_checkpoint_abandon(&(*saver)->spare[--(*saver)->n_spare]);
    lk_free(saver);
}
