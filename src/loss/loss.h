/**
 * Losses as sums: value and gradient in one pass, per lane, divided once by the reduction (never a mean of means).
 *
 * A target has `elements` numbers a sample, and element e of a sample of weight w has a term L_e and a weight
 * w * mask_e. LOSS is the sum of weight * L_e, WEIGHT the sum of weights, d_output the gradient of the sum LOSS:
 * LOSS / WEIGHT over all lanes is PyTorch's and Keras' mean when all weights are 1. z is the output, y the target:
 *
 * MSE      L = (z - y)^2                                d_z = 2 (z - y)
 * MAE      L = |z - y|                                  d_z = sign(z - y), 0 at 0
 * HUBER    L = (z - y)^2 / 2                            d_z = z - y             if |z - y| <= delta
 *          L = delta (|z - y| - delta / 2)              d_z = delta sign(z - y) else
 *          PyTorch's HuberLoss and Keras' Huber; PyTorch's SmoothL1Loss with beta is this divided by beta.
 *          Source: Huber, Annals of Mathematical Statistics 35, 1964, p. 75.
 * SOFTMAX_CROSS_ENTROPY on logits, y a class, c classes, s = label_smoothing, p = softmax(z):
 *          q_j = (1 - s) [j = y] + s / c
 *          L = sum_j q_j (log sum_k exp(z_k) - z_j)     d_z = p - q
 *          PyTorch's CrossEntropyLoss(label_smoothing), Keras' from_logits=True. PyTorch puts the classes of an
 *          output with positions on axis 1; here they are the last axis: output [T, c], target [T].
 *          Source: Goodfellow, Bengio, Courville, Deep Learning, 2016, sec. 6.2.2.3; smoothing: Szegedy et al.,
 *          CVPR 2016, sec. 7.
 * BINARY_CROSS_ENTROPY on logits, y in 0..1:
 *          L = max(z, 0) - z y + log(1 + exp(-|z|))     d_z = 1 / (1 + exp(-z)) - y
 *          PyTorch's BCEWithLogitsLoss (its BCELoss and Keras' default take probabilities).
 *          Source: as above, sec. 6.2.2.2.
 */
#ifndef LK_LOSS_LOSS_H
#define LK_LOSS_LOSS_H

#include "core/batch.h"
#include "core/status.h"

typedef enum lk_loss_kind {
    LK_LOSS_MSE,
    LK_LOSS_MAE,
    LK_LOSS_HUBER,
    LK_LOSS_SOFTMAX_CROSS_ENTROPY,
    LK_LOSS_BINARY_CROSS_ENTROPY
} lk_loss_kind;

typedef struct lk_loss_options {
    lk_loss_kind kind;
    float        label_smoothing; /* softmax_cross_entropy, 0..1 */
    float        delta;           /* huber */
} lk_loss_options;

/** The columns of one lane's row of sums. Metrics append theirs behind LK_SUM_LOSS. All are doubles. */
enum { LK_SUM_WEIGHT, LK_SUM_COUNT, LK_SUM_LOSS, LK_SUM_FIRST_METRIC };

typedef struct lk_loss lk_loss;

/** The name that configurations use: "mse", "softmax_cross_entropy" ... */
const char *lk_loss_name(lk_loss_kind kind);

/**
 * Checks that output and target fit the loss. Softmax: output is the target's shape and classes behind it,
 * the target holds class indices. The others: equal shapes but for axes of length 1; integer targets are
 * taken as numbers. Errors: LK_E_CONFIG or LK_E_SHAPE with both shapes.
 */
lk_status lk_loss_create(const lk_loss_options *options, const lk_shape *output, const lk_field *target,
                         lk_loss **out);
void      lk_loss_destroy(lk_loss **loss);

/**
 * output [n, ...] in, d_output [n, ...] out (NULL in evaluation; may alias output). sums [lanes.n *
 * n_columns]: row i of lane i; columns WEIGHT, COUNT, LOSS are overwritten. WEIGHT sums weights over what the
 * loss averages: samples (softmax over classes), tokens (one softmax a token) or elements (mse, mae, huber,
 * binary: all elements of a sample, as PyTorch's mean). COUNT is the number of rows. An element whose mask is
 * 0 takes no part whatever it holds, and its gradient is 0. The target is batch->target[0]. Terms are float,
 * sums double, sample by sample in row order. Local. Deterministic: a row's gradient depends on the row
 * alone. An output that is not finite gives a loss that is not finite, no error. Errors: LK_E_DATA naming
 * sample and value for a class out of range, a target that is not finite (binary: not in 0..1) or a weight
 * that is negative or not finite; d_output and sums are unspecified then.
 */
lk_status lk_loss_eval(const lk_loss *loss, const float *output, const lk_batch *batch, float *d_output,
                       double *sums, int n_columns);

#endif
