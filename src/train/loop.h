/**
 * The inside of lk_train, in three files: start.c brings a run to where its first step can be taken, loop.c takes steps and
 * does what is due after them, say.c puts it into words and into the run's files.
 */
#ifndef LK_TRAIN_LOOP_H
#define LK_TRAIN_LOOP_H

#include "core/str.h"
#include "train/run.h"
#include "train/saver.h"

typedef struct lk_loop {
    lk_run                 *run;
    const lk_train_request *request;
    lk_saver               *saver;   /* root */
    lk_checkpoint          *resumed; /* root: the one to go on from, until it is loaded; NULL: a new run */
    lk_history              history; /* root */
    double                 *sums;    /* [n_columns] of the last evaluation */
    lk_scores               train, validation;
    bool                    evaluated;                                   /* at the step just done */
    int64_t                 evaluate_steps, checkpoint_steps, log_steps; /* 0: by the clock or never */
    double                  launched;                                    /* --max-time counts from here */
    double                  started, last_checkpoint, last_log, last_live, last_status;
    int64_t                 started_step;
    double                  epoch_started;
    int64_t                 epoch_started_step;
    unsigned                flags;       /* of all ranks, at the step just done */
    bool                    begun;       /* root: the directory is this run's from here on */
    double                  job_seconds; /* root: left to the job at the start */
    double      longest_turn;            /* root: seconds of the slowest step with all that is due after it */
    const char *why;                     /* root: of the stop */
} lk_loop;

bool lk_loop_is_root(const lk_loop *l);

/** Samples and seconds: since step `step` of this start; of training in all starts. */
int64_t lk_loop_samples_since(const lk_loop *l, int64_t step);
double  lk_loop_run_seconds(const lk_loop *l);

/** Root: until the end of the job, and how long before it the run stops. */
double lk_loop_job_left(const lk_loop *l);
double lk_loop_job_margin(const lk_loop *l);

/** Root: a write of a checkpoint that somebody waits for has gone on. lk_saver_moves of a lk_loop. */
void lk_loop_writes(void *loop);

/* ---- start.c ---- */

/** The newest good checkpoint of the directory, if there is one, into `resumed`. Root. */
lk_status lk_loop_find_resumed(lk_loop *l);
/** Every rank leaves with the same progress and buffers; *resumed: as a checkpoint left them. Collective. */
lk_status lk_loop_start(lk_loop *l, bool *resumed);

/* ---- say.c ---- */

typedef enum lk_say_as { LK_SAY_LOG, LK_SAY_WARNING, LK_SAY_RESULT } lk_say_as;

/** Each line of `text` to log.txt and to the user; none of a text that lack of memory cut short (LK_E_NOMEM). Root. */
lk_status lk_loop_say(lk_loop *l, const lk_str *text, lk_say_as as);
/** The header, and what in it costs time or will. Root. */
lk_status lk_loop_say_start(lk_loop *l, bool resumed, const lk_str *findings);
/** The live line or the line of log.every, where it is due; the line of an epoch. */
void      lk_loop_say_progress(lk_loop *l, double loss);
lk_status lk_loop_say_epoch(lk_loop *l);
/** status.json has this step, unless it is younger than a second. It is there for who watches the run: that it cannot be
 * written is no reason to end one. Root. */
void lk_loop_show_step(lk_loop *l);
/** An evaluation, to history, metrics.jsonl and metrics.csv; `validation` may be NULL. Root. */
lk_status lk_loop_record(lk_loop *l, const lk_scores *validation);

#endif
