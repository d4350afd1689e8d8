/** Metrics as sums that can be added up over lanes, chunks and ranks; a value is computed from the total
 * alone. */
#ifndef LK_METRIC_METRIC_H
#define LK_METRIC_METRIC_H

#include "core/batch.h"
#include "core/status.h"

typedef enum lk_metric_kind {
    LK_METRIC_ACCURACY,
    LK_METRIC_TOP_K,
    LK_METRIC_PRECISION,
    LK_METRIC_RECALL,
    LK_METRIC_F1,
    LK_METRIC_CONFUSION_MATRIX,
    LK_METRIC_MSE,
    LK_METRIC_RMSE,
    LK_METRIC_MAE,
    LK_METRIC_R2
} lk_metric_kind;

typedef struct lk_metric_options {
    lk_metric_kind kind;
    int            k;         /* top_k */
    float          threshold; /* binary outputs: a logit's probability above it is class 1; 0 means 0.5 */
} lk_metric_options;

typedef struct lk_metric lk_metric;

/** `logits`: outputs of a binary problem are logits, not probabilities. Errors: a metric that does not fit
 * the target. */
lk_status lk_metric_create(const lk_metric_options *options, const lk_shape *output, const lk_field *target,
                           bool logits, lk_metric **out);
void      lk_metric_destroy(lk_metric **metric);

const char *lk_metric_name(const lk_metric *metric); /* "accuracy", "top_5" ... */
int         lk_metric_n_sums(const lk_metric *metric);
bool        lk_metric_higher_is_better(const lk_metric *metric);
/** Confusion matrix: the side of the square of counts that the sums are; else 0 and the metric is one number.
 */
int64_t lk_metric_matrix_side(const lk_metric *metric);

/** Adds nothing up: overwrites columns `column` .. of each lane's row in sums [lanes.n * n_columns]. */
void lk_metric_eval(const lk_metric *metric, const float *output, const lk_batch *batch, double *sums,
                    int n_columns, int column);

/** The value from summed columns [n_sums]; NaN where it is undefined (no sample). */
double lk_metric_value(const lk_metric *metric, const double *sums);

#endif
