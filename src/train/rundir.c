#include "train/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "checkpoint/checkpoint.h"
#include "core/alloc.h"
#include "core/log.h"
#include "io/atomic.h"
#include "train/lock.h"

enum { CONFIG_LIMIT = 1 << 20 };

struct lk_rundir {
    char           *path; /* owned */
    char            file[PATH_MAX];
    lk_lock        *lock;  /* owned */
    bool            blank; /* made by this process, which has written no more than the lock */
    lk_rundir_state state;
    char           *config;  /* owned, NULL in a new directory */
    char           *summary; /* owned */
    FILE           *log[LK_RUN_LOGS];
};

static const char *const log_names[LK_RUN_LOGS] = {"log.txt", "metrics.jsonl", "metrics.csv"};

const char *lk_rundir_file(lk_rundir *rundir, const char *name)
{
    snprintf(rundir->file, sizeof rundir->file, "%s/%s", rundir->path, name);
    return rundir->file;
}

lk_rundir_state lk_rundir_get_state(const lk_rundir *rundir)
{
    return rundir->state;
}

const char *lk_rundir_path(const lk_rundir *rundir)
{
    return rundir->path;
}

const char *lk_rundir_config(const lk_rundir *rundir)
{
    return rundir->config;
}

const char *lk_rundir_summary(const lk_rundir *rundir)
{
    return rundir->summary ? rundir->summary : "";
}

/* A folder that holds files but no run of ours is somebody else's: nothing in it is touched. */
static lk_status refuse_foreign(const char *path)
{
    lk_status      st = LK_OK;
    bool           ours = false, others = false;
    struct dirent *entry;
    DIR           *folder = opendir(path);
    LK_CHECK(folder || errno != ENOTDIR, LK_E_LOCKED,
             "%s is a file, not a run directory; choose another with --run", path);
    LK_CHECK(folder, LK_E_IO, "run directory %s: %s", path, lk_file_reason(errno));
    while ((entry = readdir(folder))) {
        if (!strcmp(entry->d_name, ".lock") || !strcmp(entry->d_name, "config.yaml")) ours = true;
        if (entry->d_name[0] != '.') others = true;
    }
    LK_CHECK(ours || !others, LK_E_LOCKED,
             "%s is not a run directory: it holds other files and no config.yaml; choose another with --run",
             path);
done:
    if (folder) closedir(folder);
    return st;
}

static lk_status read_state(lk_rundir *rundir)
{
    lk_status st = LK_OK;
    char     *text = NULL;
    size_t    size = 0;
    json_t   *status = NULL;
    bool      begun = false;
    rundir->state = LK_RUNDIR_NEW;
    if (access(lk_rundir_file(rundir, "config.yaml"), F_OK) != 0) goto done;
    /* Ended before its first checkpoint, it holds nothing that could be gone on from, or lost. */
    LK_TRY(lk_checkpoint_any(lk_rundir_file(rundir, "checkpoints"), &begun));
    if (!begun) goto done;
    LK_TRY(lk_file_read(lk_rundir_file(rundir, "config.yaml"), CONFIG_LIMIT, &rundir->config, &size));
    rundir->state = LK_RUNDIR_UNFINISHED;
    /* status.json is for people and for this one question; a lost or broken one means: not finished. */
    if (lk_file_read(lk_rundir_file(rundir, "status.json"), CONFIG_LIMIT, &text, &size) == LK_OK)
        status = json_loadb(text, size, 0, NULL);
    const char *state = json_string_value(json_object_get(status, "state"));
    const char *summary = json_string_value(json_object_get(status, "summary"));
    if (state && !strcmp(state, "finished")) rundir->state = LK_RUNDIR_FINISHED;
    if (summary) LK_TRY(lk_strdup(summary, &rundir->summary));
done:
    json_decref(status);
    lk_free(&text);
    return st;
}

/* Its parents stay where a start fails: other starts may rely on them by then. */
static lk_status make(lk_rundir *rundir)
{
    struct stat info;
    if (stat(rundir->path, &info) == 0) return LK_OK;
    lk_status st = lk_make_folders(rundir->path);
    rundir->blank = st == LK_OK;
    return st;
}

lk_status lk_rundir_open(const char *path, lk_rundir **out)
{
    lk_status  st = LK_OK;
    lk_rundir *rundir = NULL;
    *out = NULL;
    LK_CHECK(strlen(path) < PATH_MAX - 64, LK_E_USAGE, "run directory: the path is longer than %d bytes",
             PATH_MAX - 64);
    LK_TRY(LK_ALLOC(1, &rundir));
    LK_TRY(lk_strdup(path, &rundir->path));
    LK_TRY(make(rundir));
    LK_TRY(refuse_foreign(path));
    LK_TRY(lk_lock_take(path, &rundir->lock));
    LK_TRY(read_state(rundir));
    if (rundir->state != LK_RUNDIR_FINISHED)
        LK_TRY(lk_lock_sign(rundir->lock)); /* a finished run is left untouched */
    *out = rundir;
    rundir = NULL;
done:
    lk_rundir_close(&rundir);
    return st;
}

void lk_rundir_close(lk_rundir **rundir)
{
    if (!*rundir) return;
    for (int i = 0; i < LK_RUN_LOGS; i++)
        if ((*rundir)->log[i]) fclose((*rundir)->log[i]);
    if ((*rundir)->blank) lk_lock_withdraw(&(*rundir)->lock);
    lk_lock_release(&(*rundir)->lock);
    lk_free(&(*rundir)->path);
    lk_free(&(*rundir)->config);
    lk_free(&(*rundir)->summary);
    lk_free(rundir);
}

lk_status lk_rundir_begin(lk_rundir *rundir, const char *config_text)
{
    lk_status st = LK_OK;
    char      temporary[PATH_MAX];
    rundir->blank = false;
    LK_TRY(lk_lock_sign(rundir->lock));
    LK_TRY(lk_make_folders(lk_rundir_file(rundir, "checkpoints")));
    snprintf(temporary, sizeof temporary, "%s", lk_rundir_file(rundir, ".config.new"));
    LK_TRY(
        lk_atomic_write(lk_rundir_file(rundir, "config.yaml"), temporary, config_text, strlen(config_text)));
done:
    return st;
}

lk_status lk_rundir_set_status(lk_rundir *rundir, const char *state, int64_t step, const char *summary)
{
    lk_status st = LK_OK;
    char      temporary[PATH_MAX];
    if (lk_rundir_held(rundir) != LK_OK) return LK_E_LOCKED;
    json_t *status =
        json_pack("{s:s, s:I, s:s}", "state", state, "step", (json_int_t)step, "summary", summary);
    char *text = status ? json_dumps(status, JSON_INDENT(1)) : NULL;
    LK_CHECK(text, LK_E_NOMEM, "out of memory for status.json");
    snprintf(temporary, sizeof temporary, "%s", lk_rundir_file(rundir, ".status.new"));
    LK_TRY(lk_atomic_write(lk_rundir_file(rundir, "status.json"), temporary, text, strlen(text)));
done:
    free(text);
    json_decref(status);
    return st;
}

lk_status lk_rundir_held(lk_rundir *rundir)
{
    return lk_lock_held(rundir->lock);
}

bool lk_rundir_stop_asked(lk_rundir *rundir)
{
    return access(lk_rundir_file(rundir, "STOP"), F_OK) == 0;
}

void lk_rundir_clear_stop(lk_rundir *rundir)
{
    unlink(lk_rundir_file(rundir, "STOP"));
}

static lk_status open_cut(lk_rundir *rundir, const char *name, int64_t bytes, FILE **out)
{
    lk_status   st = LK_OK;
    struct stat info;
    const char *file = lk_rundir_file(rundir, name);
    int64_t     size = stat(file, &info) == 0 ? info.st_size : 0;
    if (size > bytes)
        LK_CHECK(truncate(file, bytes) == 0, LK_E_IO, "cannot cut %s: %s", file, lk_file_reason(errno));
    if (size < bytes)
        lk_log_warn(
            "%s is shorter (%lld bytes) than when the checkpoint was written (%lld): lines are missing; "
            "/history in the checkpoint has all of them",
            file, (long long)size, (long long)bytes);
    *out = fopen(file, "ae");
    LK_CHECK(*out, LK_E_IO, "cannot open %s: %s", file, lk_file_reason(errno));
done:
    return st;
}

lk_status lk_rundir_open_logs(lk_rundir *rundir, const int64_t bytes[LK_RUN_LOGS])
{
    for (int i = 0; i < LK_RUN_LOGS; i++) {
        lk_status st = open_cut(rundir, log_names[i], bytes[i], &rundir->log[i]);
        if (st != LK_OK) return st;
    }
    return LK_OK;
}

static lk_status append(lk_rundir *rundir, lk_run_log kind, const char *line)
{
    FILE *file = rundir->log[kind];
    if (fprintf(file, "%s\n", line) < 0 || fflush(file) != 0)
        return lk_fail(LK_E_IO, "cannot append to %s/%s: %s", rundir->path, log_names[kind],
                       lk_file_reason(errno));
    return LK_OK;
}

void lk_rundir_log(lk_rundir *rundir, const char *line)
{
    /* A log line that cannot be written is no reason to end a run: what must not be lost is in the
     * checkpoint. */
    if (rundir->log[LK_RUN_LOG_TEXT]) (void)append(rundir, LK_RUN_LOG_TEXT, line);
}

lk_status lk_rundir_event(lk_rundir *rundir, const char *json_line)
{
    return append(rundir, LK_RUN_LOG_JSONL, json_line);
}

lk_status lk_rundir_csv(lk_rundir *rundir, const char *line)
{
    return append(rundir, LK_RUN_LOG_CSV, line);
}

void lk_rundir_lengths(lk_rundir *rundir, int64_t bytes[LK_RUN_LOGS])
{
    for (int i = 0; i < LK_RUN_LOGS; i++) {
        fseek(rundir->log[i], 0, SEEK_END);
        bytes[i] = ftell(rundir->log[i]);
    }
}

void lk_rundir_descriptors(const lk_rundir *rundir, int descriptors[LK_RUN_LOGS])
{
    for (int i = 0; i < LK_RUN_LOGS; i++) descriptors[i] = fileno(rundir->log[i]);
}
