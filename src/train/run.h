/**
 * One run: the place where data, model, loss, metrics, optimizer and reduction meet.
 *
 * lk_run_step reads in the order in which data moves; lk_evaluate shares chunks out; lk_state_* turn all that
 * a run knows into a checkpoint and back.
 */
#ifndef LK_TRAIN_RUN_H
#define LK_TRAIN_RUN_H

#include "checkpoint/checkpoint.h"
#include "comm/lane_rows.h"
#include "comm/window.h"
#include "lockstep/train.h"
#include "nn/whole.h"
#include "train/options.h"
#include "train/phase.h"
#include "train/watchdog.h"

enum { LK_RUN_MAX_METRICS = 16, LK_RUN_MAX_COLUMNS = 4096 };

/** What the root takes from all ranks at a time, in evaluations and predictions: 16 MB. */
enum { LK_GATHER_DOUBLES = 1 << 21 };

/** Sums of a stretch of training or of an evaluation: columns as in loss.h, metrics behind. */
typedef struct lk_scores {
    double loss;                       /* mean */
    double metric[LK_RUN_MAX_METRICS]; /* NaN for matrices */
    double samples;
} lk_scores;

/** What a restart must know beside buffers. Plain data: the root broadcasts it as bytes. */
typedef struct lk_progress {
    int64_t step;         /* steps done */
    int64_t total_steps;  /* as planned when the state was written */
    double  first_loss;   /* mean loss of the first step */
    int64_t diverged_run; /* steps in a row above the limit */
    int64_t waited;       /* evaluations without an improvement (early stop) */
    int64_t has_watched, has_best;
    double  watched; /* best value of early_stop.metric */
    double  best;    /* best value of checkpoint.best */
    int64_t best_step;
    int64_t stopped_early;
    int64_t pending;                           /* the evaluation due at this step is still to be done */
    int64_t log_bytes, jsonl_bytes, csv_bytes; /* lengths of the logs */
    double  rate, grad_norm;                   /* of the last step */
    double  seconds;                           /* of training before this start */
} lk_progress;

/** Evaluation results over time, on the root: /history of the checkpoint. */
typedef struct lk_history {
    double *rows; /* owned; [n][width]: step, epoch, train loss, validation loss, metrics ... */
    int64_t n, capacity;
    int     width;
} lk_history;

/** What reading takes beside the model: unpacked chunks and batches. */
typedef struct lk_memory_plan {
    size_t shared_chunks, own_chunks; /* of training: of a host, or of a rank */
    size_t evaluate_chunks;           /* of a rank */
    size_t batches;                   /* of a rank, the largest one; those of an evaluation too */
} lk_memory_plan;

typedef struct lk_run {
    const lk_run_options *options;   /* borrowed */
    lk_comm              *comm;      /* borrowed */
    lk_data              *data;      /* owned, as all below */
    lk_transform         *transform; /* from a checkpoint, else NULL; data borrows it */
    lk_model             *model;
    lk_loss              *loss;
    lk_metric            *metrics[LK_RUN_MAX_METRICS];
    int                   column[LK_RUN_MAX_METRICS]; /* first column of each metric */
    int                   n_columns;
    lk_reduce            *reduce; /* NULL where nothing is trained */
    lk_stream            *stream;
    lk_window            *blocks;     /* what the streams of a host share, or NULL */
    lk_memory_plan        plan;       /* of reading, for the header */
    lk_work              *work;       /* of one group of lanes, as is d_output; NULL where there is a whole */
    lk_whole             *whole;      /* of all groups, for models that see the whole batch, else NULL */
    lk_lane_rows         *lane_rows;  /* what its lanes tell all ranks, or NULL */
    int64_t               work_bytes; /* of one or the other, the most of any rank */
    float                *d_output;   /* [rows of a group, output] */
    double               *rows;       /* [lanes of a group][n_columns] */
    double               *epoch_sums; /* [n_columns] sums of the epoch so far */
    lk_batch_view        *view;       /* of the group at work; [groups] where there is a whole */
    lk_work              *evaluate_work;
    float                *evaluate_state; /* state of a run without reduction (eval, predict), owned */
    lk_progress           progress;
    lk_position           position;
    lk_phases             phases;
    lk_watchdog          *watchdog; /* borrowed; NULL: nobody watches (one rank, hang_timeout: never) */
    /* Whether this rank has been asked to stop, for work that takes longer than a step; NULL: never. */
    bool (*stop_asked)(void *context);
    void  *stop_context;
    double flops_sample; /* forward and backward */
} lk_run;

/** Puts the file's name before a message about a layer that begins with "line:column:". Returns `status`. */
lk_status lk_run_name_place(const lk_run_options *options, lk_status status);

/** Data by name instead of those of the configuration, for eval and predict. */
typedef struct lk_run_input {
    const char *name;
    bool        targets; /* they are looked for; else left alone */
} lk_run_input;

/**
 * In two steps: the data first, then all that is made to fit it (model, loss, metrics; for training reduction, stream and
 * buffers). `checkpoint`: an open one whose transform is used (eval, predict), else NULL. Collective.
 */
lk_status lk_run_open(lk_comm *comm, const lk_run_options *options, lk_checkpoint *checkpoint,
                      const lk_run_input *input, lk_run **out);
/** The first step for training. `resumed`, root: the checkpoint to go on from, whose transform is used if the data is what
 * its run began with (LK_E_DATA if not); NULL: a new run. `stop`, root: LK_STOPPED on all ranks. Collective. */
lk_status lk_run_open_again(lk_comm *comm, const lk_run_options *options, lk_checkpoint *resumed,
                            const lk_data_stop *stop, lk_run **out);
lk_status lk_run_prepare(lk_run *run, bool training);

/** Both steps. Collective. */
lk_status lk_run_create(lk_comm *comm, const lk_run_options *options, lk_checkpoint *checkpoint,
                        const lk_run_input *input, bool training, lk_run **out);
void      lk_run_destroy(lk_run **run); /* collective while training */

/** Initial parameters and optimizer slots into the buffers of the reduction; publish follows. Local. */
void lk_run_initial(lk_run *run);

/** State buffer in use: [total_floats]. */
float *lk_run_state(lk_run *run);

/** Makes rows of doubles, one a lane, known to all ranks: whole.h's hook, context is the run. Collective. */
lk_status lk_run_share_rows(void *run, double *rows, int64_t width, bool *well);

/** One step. `flags` in: this rank's; out: or-ed over all ranks. *loss: mean of the batch. Collective. */
lk_status lk_run_step(lk_run *run, unsigned *flags, double *loss);

/** Mean loss and metrics from summed columns. */
void lk_run_scores(const lk_run *run, const double *sums, lk_scores *scores);

/** Evaluates a split in chunks; sums [n_columns] (all ranks). LK_STOPPED on all ranks if one that computes
 * has been asked to stop. Collective. Same bits whoever computes. */
lk_status lk_evaluate(lk_run *run, lk_split split, double *sums);

/** What rank 0 saves between two steps. */
lk_status lk_state_save(lk_run *run, const char *config_text, const lk_history *history,
                        lk_checkpoint_writer *writer);
/** LK_E_DATA if the data is not what the run of this checkpoint began with, folders apart. Root. */
lk_status lk_state_check_data(const lk_run *run, lk_checkpoint *checkpoint);
/** Fills state, slots, progress, epoch sums and history from an open checkpoint. Root. */
lk_status lk_state_load(lk_run *run, lk_checkpoint *checkpoint, lk_history *history);
/** Parameters and statistics only: eval, predict and --from. */
lk_status lk_state_load_model(lk_run *run, lk_checkpoint *checkpoint, float *state);

lk_status lk_history_add(lk_history *history, const double *row);
void      lk_history_clear(lk_history *history);

#endif
