/**
 * Train, evaluate, predict: what a run is told, where it keeps its files, and what comes out.
 */
#ifndef LOCKSTEP_TRAIN_H
#define LOCKSTEP_TRAIN_H

#include <signal.h>
#include <stdint.h>

#include "lockstep/config.h"
#include "lockstep/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The run directory: used by the root alone. */

typedef struct lk_rundir lk_rundir;

typedef enum lk_rundir_state { LK_RUNDIR_NEW, LK_RUNDIR_UNFINISHED, LK_RUNDIR_FINISHED } lk_rundir_state;

/** Opens or makes DIR and takes its lock. LK_E_LOCKED: another job holds it (named), or it holds other files.
 */
LK_API lk_status lk_rundir_open(const char *path, lk_rundir **out);
/** Gives the lock back; a directory that was made for a run which then wrote nothing is removed. */
LK_API void            lk_rundir_close(lk_rundir **rundir);
LK_API lk_rundir_state lk_rundir_get_state(const lk_rundir *rundir);
LK_API const char     *lk_rundir_path(const lk_rundir *rundir);
/** The stored configuration, NULL in a new directory; borrowed. */
LK_API const char *lk_rundir_config(const lk_rundir *rundir);
/** What the finished run said of itself ("10 epochs, 2350 steps, Val Loss 0.21"); "" if unfinished. */
LK_API const char *lk_rundir_summary(const lk_rundir *rundir);

/** RUN or CHECKPOINT to the path of a checkpoint: `at` "best" (default NULL: best, else last), "last" or a
 * step. */
LK_API lk_status lk_checkpoint_resolve(const char *run_or_checkpoint, const char *at, char **path);
/** The configuration stored in a checkpoint; freed with free(). */
LK_API lk_status lk_checkpoint_config(const char *path, char **text);

/* Training. */

typedef struct lk_train_request {
    lk_rundir  *rundir;      /* root: open and locked; other ranks NULL */
    const char *config_text; /* rendered configuration, stored in the run and in every checkpoint */
    const char *from;        /* start from the parameters of this checkpoint; NULL: initial values */
    double      max_time;    /* seconds, 0: no limit; stops with a checkpoint, LK_STOPPED */
    double      job_end;     /* root: Unix time at which the job ends, stopped before it as above; 0: none */
    int         live;        /* show a live line: stderr is a terminal */

    const volatile sig_atomic_t *stop; /* set by the program's signal handler; may be NULL */

    /** A line of results (epoch lines, test metrics, trained parameters). Root only. */
    void (*result)(void *context, const char *line);
    void *context;
} lk_train_request;

/** Trains to the end, or resumes what the run directory holds. Collective; every rank gets the same status.
 */
LK_API lk_status lk_train(lk_session *session, const lk_run_options *options,
                          const lk_train_request *request);

/* Using a model. */

typedef struct lk_eval_request {
    const char *checkpoint;
    const char *data; /* NULL: the test split of the configuration, else validation; "train", "validation",
                         "test" or a source */
    int         json;
} lk_eval_request;

/** *text on the root: "Test accuracy: 0.9123\n..." or JSON; freed with free(). Collective. */
LK_API lk_status lk_eval(lk_session *session, const lk_run_options *options, const lk_eval_request *request,
                         char **text);

typedef struct lk_predict_request {
    const char        *checkpoint;
    const char *const *inputs;
    int                n_inputs;
    const char *output; /* HDF5 file to write; may replace what lk_predict wrote before, and nothing else */
} lk_predict_request;

/** Writes predictions; *text on the root says what was written. Collective. */
LK_API lk_status lk_predict(lk_session *session, const lk_run_options *options,
                            const lk_predict_request *request, char **text);

#ifdef __cplusplus
}
#endif
#endif
