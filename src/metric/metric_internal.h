/** What metric.c (checks, values) and counts.c (passes over a batch) share. */
#ifndef LK_METRIC_METRIC_INTERNAL_H
#define LK_METRIC_METRIC_INTERNAL_H

#include "metric/metric.h"

/**
 * Columns by kind: accuracy, top_k {hits, n}; precision, recall, f1 for `classes` k: {true positives,
 * predicted, actual} x k, k = 1 standing for class 1 of a binary problem, then n; confusion matrix
 * [true][predicted]; mse, rmse, mae {sum, n}; r2 {sum (y-z)^2, sum y, sum y^2, n} x channels.
 */
struct lk_metric {
    lk_metric_options options;
    char              name[32];
    lk_dtype          dtype;    /* of the target */
    int64_t           elements; /* of the target, a sample */
    int64_t           width;    /* outputs an element; 1: binary by threshold, or a number */
    int64_t           channels; /* r2: length of the last axis */
    float             border;   /* width 1: outputs above it are class 1 */
    int               n_sums;
    int64_t           n_units;
    double           *units; /* owned [n_units]: errors are multiplied by that of their channel; NULL: 1 */
};

/** One sample: adds to the metric's columns. mask [elements] or NULL; row: which sample of the target array.
 */
void lk_metric_count_row(const lk_metric *metric, const float *output, const void *target, int64_t row,
                         const float *mask, double *sums);

#endif
