/* A folder of checkpoints: which is the newest good one, which may go. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "core/alloc.h"
#include "core/log.h"
#include "io/atomic.h"

void lk_checkpoint_name(int64_t step, char name[32])
{
    snprintf(name, 32, "step-%08lld.h5", (long long)step);
}

/* The step of one of our own names, -1 of any other: only what we wrote is ours to read or delete. */
static int64_t step_of(const char *name)
{
    long long step = -1;
    char      again[32];
    if (sscanf(name, "step-%18lld.h5", &step) != 1 || step < 0) return -1;
    lk_checkpoint_name(step, again);
    return strcmp(again, name) ? -1 : step;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

static lk_status list_steps(const char *folder, int64_t **steps, int64_t *n)
{
    lk_status      st = LK_OK;
    int64_t        capacity = 0;
    struct dirent *entry;
    DIR           *handle = opendir(folder);
    *steps = NULL;
    *n = 0;
    if (!handle && errno == ENOENT) return LK_OK;
    LK_CHECK(handle, LK_E_IO, "cannot list %s: %s", folder, strerror(errno));
    while ((entry = readdir(handle))) capacity += step_of(entry->d_name) >= 0;
    LK_TRY(LK_ALLOC(capacity, steps));
    rewinddir(handle);
    while ((entry = readdir(handle)) && *n < capacity) {
        int64_t step = step_of(entry->d_name);
        if (step >= 0) (*steps)[(*n)++] = step;
    }
    qsort(*steps, (size_t)*n, sizeof **steps, newest_first);
done:
    if (handle) closedir(handle);
    return st;
}

static void path_of(const char *folder, int64_t step, char path[PATH_MAX])
{
    char name[32];
    lk_checkpoint_name(step, name);
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

lk_status lk_checkpoint_find_newest(const char *folder, char **path)
{
    lk_status      st = LK_OK;
    int64_t       *steps = NULL, n = 0;
    char           candidate[PATH_MAX];
    lk_checkpoint *checkpoint = NULL;
    *path = NULL;
    LK_TRY(list_steps(folder, &steps, &n));
    for (int64_t i = 0; i < n && !*path; i++) {
        path_of(folder, steps[i], candidate);
        st = lk_checkpoint_open(candidate, &checkpoint);
        lk_checkpoint_close(&checkpoint);
        if (st == LK_OK)
            LK_TRY(lk_strdup(candidate, path));
        else if (st == LK_E_NOMEM || st == LK_E_NEWER || st == LK_E_IO) /* says nothing against the file */
            goto done;
        else
            lk_log_warn("PASSING OVER a bad checkpoint: %s; trying the one before", lk_error_message());
    }
    st = LK_OK;
    LK_CHECK(n == 0 || *path, LK_E_DATA, "%s holds %lld checkpoints and none of them is good", folder,
             (long long)n);
done:
    lk_free(&steps);
    return st;
}

lk_status lk_checkpoint_any(const char *folder, bool *any)
{
    int64_t  *steps = NULL, n = 0;
    lk_status st = list_steps(folder, &steps, &n);
    *any = n > 0;
    lk_free(&steps);
    return st;
}

lk_status lk_checkpoint_prune(const char *folder, int keep)
{
    lk_status st = LK_OK;
    int64_t  *steps = NULL, n = 0, newest = 0;
    char      path[PATH_MAX];
    if (keep < 2) keep = 2;
    LK_TRY(list_steps(folder, &steps, &n));
    if (n <= keep) goto done;
    /* Files go only once a newer one is known to be good; it was written a moment ago, so this reads from
     * memory. */
    for (bool good = false; !good && newest < n; newest += !good) {
        path_of(folder, steps[newest], path);
        good = lk_checkpoint_verify(path) == LK_OK;
    }
    LK_CHECK(newest < n, LK_E_DATA, "none of the %lld checkpoints is good: %s", (long long)n,
             lk_error_message());
    for (int64_t i = newest + keep; i < n; i++) {
        path_of(folder, steps[i], path);
        if (lk_file_remove(path) != LK_OK) lk_log_warn("%s", lk_error_message());
    }
done:
    lk_free(&steps);
    return st;
}
