#include "train/saver.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/log.h"

enum { FAILED_WRITES_MOST = 3 };

struct lk_saver {
    char                  folder[PATH_MAX - 64];
    char                  best_path[PATH_MAX];
    char                  path[PATH_MAX];
    int                   keep, logs[LK_SAVER_LOGS];
    lk_checkpoint_writer *writer;       /* owned; the image in flight */
    lk_checkpoint_writer *unsaved_best; /* owned; failed before, goes first */
    bool                  best;         /* the image in flight is the best one so far */
    bool                  running;
    double                seconds, slowest; /* of the last write; of the slowest one that was waited for */
    pthread_t             thread;
    atomic_bool           done;
    lk_status             status; /* of the last write, with its message */
    char                  message[2048];
    int                   failed; /* writes in a row */
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
    lk_checkpoint_writer *image = saver->best ? saver->writer : saver->unsaved_best;
    lk_status             st = image ? lk_checkpoint_commit(image, saver->best_path) : LK_OK;
    if (st == LK_OK) {
        lk_checkpoint_abandon(&saver->unsaved_best);
    } else if (saver->best) {
        lk_checkpoint_abandon(&saver->unsaved_best);
        saver->unsaved_best = saver->writer;
        saver->writer = NULL;
    }
    return st;
}

static lk_status write_files(lk_saver *saver)
{
    lk_status st = LK_OK;
    double    began = lk_clock_seconds();
    LK_TRY(sync_logs(saver));
    LK_TRY(write_best(saver));
    LK_TRY(lk_checkpoint_commit(saver->writer, saver->path));
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

static void settle(lk_saver *saver)
{
    lk_checkpoint_abandon(&saver->writer);
    if (saver->seconds > saver->slowest) saver->slowest = saver->seconds;
    saver->failed = saver->status == LK_OK ? 0 : saver->failed + 1;
}

lk_status lk_saver_wait(lk_saver *saver)
{
    if (!saver->running) return LK_OK;
    pthread_join(saver->thread, NULL);
    saver->running = false;
    settle(saver);
    return saver->status == LK_OK ? LK_OK : lk_fail(saver->status, "%s", saver->message);
}

static void wait_and_warn(lk_saver *saver)
{
    if (lk_saver_wait(saver) != LK_OK)
        lk_log_warn("CHECKPOINT NOT WRITTEN, training goes on, the one before stays: %s", saver->message);
}

void lk_saver_poll(lk_saver *saver)
{
    if (saver->running && atomic_load(&saver->done)) wait_and_warn(saver);
}

lk_status lk_saver_put(lk_saver *saver, lk_checkpoint_writer **writer, int64_t step, bool best)
{
    lk_status st = LK_OK;
    char      name[32];
    wait_and_warn(saver);
    LK_CHECK(saver->failed < FAILED_WRITES_MOST, saver->status,
             "%d checkpoints in a row could not be written: %s", saver->failed, saver->message);
    lk_checkpoint_name(step, name);
    snprintf(saver->path, sizeof saver->path, "%s/%s", saver->folder, name);
    saver->best = best;
    saver->writer = *writer;
    *writer = NULL;
    atomic_store(&saver->done, false);
    saver->running = start_thread(saver);
    if (!saver->running) { /* no thread to be had: write here and now */
        write_thread(saver);
        settle(saver);
        st = saver->status;
    }
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
    lk_free(saver);
}
