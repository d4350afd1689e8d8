/**
 * Metrics as sums that can be added up over lanes, chunks and ranks; a value is computed from the total alone.
 *
 * Samples are counted, not weighed: a metric says how the model does on the samples, the loss what it was trained
 * on (Keras' `metrics` as against `weighted_metrics`). Samples of weight 0 and elements of mask 0 are left out.
 *
 * A problem is *binary* where output and target have the same shape (one logit or probability an element: predicted
 * class 1 above `threshold`, true class 1 above 0.5) or where the output has two classes (predicted: the larger
 * one, threshold not used). Else output is the target's shape and c classes behind it; predicted is the first of
 * the largest. Several binary outputs (labels) are counted together, "micro".
 *
 * accuracy          share of elements whose predicted class is the true one
 * top_k             share of elements with fewer than k outputs above the true class's (finite) output
 * precision         binary: tp / (tp + fp) of class 1
 * recall            binary: tp / (tp + fn)
 * f1                binary: 2 tp / (2 tp + fp + fn)
 *                   More classes: of each class against the rest, then the plain mean over the classes that occur
 *                   in truth or prediction ("macro"). 0 / 0 counts as 0. Both as scikit-learn's average='macro',
 *                   zero_division=0; PyTorch has none; Keras' Precision counts classes together instead.
 * confusion_matrix  counts [true class][predicted class]
 * mse rmse mae      means over all elements, in the units of the data (lk_metric_set_units), whatever the batch holds
 * r2                1 - sum (y - z)^2 / sum (y - mean y)^2 for each position of the last axis, then their plain
 *                   mean (scikit-learn's and Keras' uniform_average). NaN if a target is constant.
 * Sources: Powers, Evaluation: from precision, recall and F-measure to ROC, 2011; Draper, Smith, Applied
 * Regression Analysis, 1998, sec. 1.3.
 */
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

/** Largest tables: classes of a confusion matrix, channels of r2. */
enum { LK_METRIC_MAX_SIDE = 1024 };

/** `logits`: outputs of a binary problem are logits, not probabilities. Errors: a metric that does not fit
 * the target. */
lk_status lk_metric_create(const lk_metric_options *options, const lk_shape *output, const lk_field *target,
                           bool logits, lk_metric **out);
void      lk_metric_destroy(lk_metric **metric);

/**
 * Targets were divided by deviation[n], one a channel of the last axis (copied): mse, rmse and mae multiply their
 * errors by it, so that they speak of the numbers that predict writes. Others do not change: r2 is free of units.
 */
lk_status lk_metric_set_units(lk_metric *metric, int64_t n, const double *deviation);

const char *lk_metric_name(const lk_metric *metric); /* "accuracy", "top_5" ... */
int         lk_metric_n_sums(const lk_metric *metric);
bool        lk_metric_higher_is_better(const lk_metric *metric);
/** Confusion matrix: the side of the square of counts that the sums are; else 0 and the metric is one number.
 */
int64_t lk_metric_matrix_side(const lk_metric *metric);

/**
 * Adds nothing up: overwrites columns `column` .. of each lane's row in sums [lanes.n * n_columns]. Sums are
 * double, row by row. Local. Deterministic. Classes out of range count as wrong (the loss has reported them
 * before).
 */
void lk_metric_eval(const lk_metric *metric, const float *output, const lk_batch *batch, double *sums,
                    int n_columns, int column);

/** The value from summed columns [n_sums]; NaN where it is undefined (no sample) and for a confusion matrix.
 */
double lk_metric_value(const lk_metric *metric, const double *sums);

#endif
