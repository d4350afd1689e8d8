#include "train/saver.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"

struct lk_saver {
    char                  folder[PATH_MAX - 64];
    char                  best[PATH_MAX];
    char                  path[PATH_MAX];
    int                   keep;
    lk_checkpoint_writer *writer; /* owned; the image in flight */
    bool                  also_best;
    bool                  running;
    pthread_t             thread;
    lk_status             status; /* of the last write, with its message */
    char                  message[2048];
};

lk_status lk_saver_create(const char *folder, const char *best_path, int keep, lk_saver **out)
{
    lk_status st = LK_OK;
    lk_saver *saver = NULL;
    *out = NULL;
    LK_TRY(LK_ALLOC(1, &saver));
    snprintf(saver->folder, sizeof saver->folder, "%s", folder);
    snprintf(saver->best, sizeof saver->best, "%s", best_path);
    saver->keep = keep;
    *out = saver;
done:
    return st;
}

static lk_status write_files(lk_saver *saver)
{
    lk_status st = LK_OK;
    LK_TRY(lk_checkpoint_commit(saver->writer, saver->path));
    if (saver->also_best) LK_TRY(lk_checkpoint_commit(saver->writer, saver->best));
    LK_TRY(lk_checkpoint_prune(saver->folder, saver->keep, NULL));
done:
    return st;
}

static void *write_thread(void *context)
{
    lk_saver *saver = context;
    saver->status = write_files(saver);
    /* Messages belong to a thread: carry this one over. */
    snprintf(saver->message, sizeof saver->message, "%s", lk_error_message());
    return NULL;
}

lk_status lk_saver_wait(lk_saver *saver)
{
    if (!saver->running) return LK_OK;
    pthread_join(saver->thread, NULL);
    saver->running = false;
    lk_checkpoint_abandon(&saver->writer);
    if (saver->status != LK_OK) return lk_fail(saver->status, "%s", saver->message);
    return LK_OK;
}

lk_status lk_saver_put(lk_saver *saver, lk_checkpoint_writer **writer, int64_t step, bool best)
{
    lk_status st = LK_OK;
    char      name[32];
    LK_TRY(lk_saver_wait(saver));
    lk_checkpoint_name(step, name);
    snprintf(saver->path, sizeof saver->path, "%s/%s", saver->folder, name);
    saver->also_best = best;
    saver->writer = *writer;
    *writer = NULL;
    saver->running = pthread_create(&saver->thread, NULL, write_thread, saver) == 0;
    if (!saver->running) { /* no thread to be had: write here and now */
        st = write_files(saver);
        lk_checkpoint_abandon(&saver->writer);
    }
done:
    return st;
}

void lk_saver_destroy(lk_saver **saver)
{
    if (!*saver) return;
    (void)lk_saver_wait(*saver);
    lk_free(saver);
}
