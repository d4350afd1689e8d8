/** All that a run is told: the option structs of every module, filled by `config`, read by `train`. */
#ifndef LK_TRAIN_OPTIONS_H
#define LK_TRAIN_OPTIONS_H

#include "comm/reduce.h"
#include "core/when.h"
#include "data/stream.h"
#include "loss/loss.h"
#include "metric/metric.h"
#include "nn/model.h"
#include "optim/optim.h"
#include "sched/sched.h"

typedef enum lk_evaluate_by { LK_EVALUATE_AUTO, LK_EVALUATE_ROOT, LK_EVALUATE_ALL } lk_evaluate_by;

/** Which number decides: "validation.loss", "validation.accuracy", "train.loss" ... */
typedef struct lk_monitor {
    const char *metric;   /* NULL: off */
    int         patience; /* evaluations without an improvement before the run ends */
    double      min_delta;
} lk_monitor;

struct lk_run_options {
    const char        *label; /* the file that lines of layers belong to, for messages; NULL: none */
    uint64_t           seed;
    lk_data_options    data;
    lk_model_options   model;
    lk_loss_options    loss;
    lk_metric_options *metrics;
    int                n_metrics;
    lk_optim_options   optim;
    lk_sched_options   sched;

    lk_when length; /* train.epochs or train.steps */
    int64_t batch_size;
    int64_t
        lanes; /* `auto` is resolved: largest power of two <= batch_size/32, at least 8, at most batch_size */
    lk_reduce_kind  reduce;
    double          clip_norm;
    double          hang_timeout;   /* seconds, 0: off */
    double          diverged_above; /* times the first loss */
    int64_t         verify_steps;   /* hosts compare hashes every so many steps */
    const char     *kernels;        /* "auto" ... */
    lk_comm_options comm;

    lk_monitor     early_stop;
    lk_when        evaluate_every;
    lk_evaluate_by evaluate_by;
    int64_t        evaluate_chunk;
    lk_when        checkpoint_every;
    int            checkpoint_keep;
    lk_monitor     checkpoint_best; /* only .metric is used */
    lk_when        log_every;
};

#endif
