/**
 * Losses as sums: value and gradient in one pass, per lane, divided once by the reduction (never a mean of means).
 */
#ifndef LK_LOSS_LOSS_H
#define LK_LOSS_LOSS_H

#include "core/batch.h"
#include "core/status.h"

typedef enum lk_loss_kind {
    LK_LOSS_MSE, LK_LOSS_MAE, LK_LOSS_HUBER, LK_LOSS_SOFTMAX_CROSS_ENTROPY, LK_LOSS_BINARY_CROSS_ENTROPY
} lk_loss_kind;

typedef struct lk_loss_options {
    lk_loss_kind kind;
    float        label_smoothing; /* softmax_cross_entropy, 0..1 */
    float        delta;           /* huber */
} lk_loss_options;

/** The columns of one lane's row of sums. Metrics append theirs behind LK_SUM_LOSS. All are doubles. */
enum { LK_SUM_WEIGHT, LK_SUM_COUNT, LK_SUM_LOSS, LK_SUM_FIRST_METRIC };

typedef struct lk_loss lk_loss;

/** Checks that output and target fit the loss. Errors: LK_E_CONFIG or LK_E_SHAPE with both shapes. */
lk_status lk_loss_create(const lk_loss_options *options, const lk_shape *output, const lk_field *target, lk_loss **out);
void      lk_loss_destroy(lk_loss **loss);

/**
 * output [n, ...] in, d_output [n, ...] out (NULL in evaluation; may alias output). sums [lanes.n * n_columns]: row i
 * of lane i; columns WEIGHT, COUNT, LOSS are overwritten. WEIGHT sums weights over what the loss averages: samples
 * (softmax over classes), tokens (one softmax a token) or elements (mse, mae, huber, binary: all elements of a sample,
 * as PyTorch's mean). COUNT is the number of rows.
 * Errors: LK_E_DATA naming sample and value for a class out of range or a target that is not finite.
 */
lk_status lk_loss_eval(const lk_loss *loss, const float *output, const lk_batch *batch, float *d_output, double *sums,
                       int n_columns);

#endif
