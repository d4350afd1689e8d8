/* batch_norm (per channel, over a lane or over the whole batch) and layer_norm (per row, over the last axis). */
#include "kernels/fold.h"
#include "nn/model_internal.h"

#include <math.h>
#include <string.h>

enum { SCALE, SHIFT, MEAN, VARIANCE }; /* spans of a norm, in this order */

static lk_status infer_norm(lk_model *model, lk_layer *layer)
{
    lk_status   st = LK_OK;
    bool        batch = layer->ops != &lk_ops_layer_norm;
    const char *axes = batch ? "channels" : "units";
    int64_t     c = lk_shape_width(&layer->in[0]);
    layer->out = layer->in[0];
    LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "scale", axes, false, 1, &c));
    LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "shift", axes, false, 1, &c));
    if (!batch) goto done;
    LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_STATISTIC, "mean", axes, false, 1, &c));
    LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_STATISTIC, "variance", axes, false, 1, &c));
done:
    return st;
}

/* Kept for each lane: mean, variance, 1 / deviation [3, c]. */
static float *lane_statistics(const lk_call *call, int lane)
{
    return (float *)call->keep + (int64_t)lane * 3 * lk_shape_width(&call->layer->out);
}

/* A lane with one value a channel has no deviation of its own: the running statistics stand in. */
static bool one_value(const lk_call *call, int64_t rows)
{
    return rows * lk_shape_rows(&call->layer->out) == 1;
}

/* Folded: gradients of scale and shift, then n mean and n variance [4, c]. */
static lk_needs needs_batch(const lk_layer *layer, int64_t rows, int lanes, bool training)
{
    int64_t c = lk_shape_width(&layer->out);
    (void)rows;
    return training ? (lk_needs){4 * 3 * c * lanes, 4 * lk_fold_floats(4 * c, lanes)} : (lk_needs){0, 4 * c};
}

static void invert(int64_t c, const float *variance, float epsilon, float *rstd)
{
    for (int64_t i = 0; i < c; i++) rstd[i] = 1.0f / sqrtf(variance[i] + epsilon);
}

static void forward_lane(const lk_call *call, int lane)
{
    const lk_layer *layer = call->layer;
    const int64_t  *start = call->batch->lanes.start;
    int64_t         p = lk_shape_rows(&layer->out), c = lk_shape_width(&layer->out),
            rows = start[lane + 1] - start[lane];
    const float *x = (const float *)call->x[0] + start[lane] * p * c;
    float       *mean = lane_statistics(call, lane), *variance = mean + c, *rstd = variance + c;
    if (rows == 0) return;
    if (one_value(call, rows)) {
        memcpy(mean, lk_call_state(call, MEAN), (size_t)c * sizeof *mean);
        memcpy(variance, lk_call_state(call, VARIANCE), (size_t)c * sizeof *variance);
    } else {
        lk_channel_moments(rows * p, c, x, mean, variance);
    }
    invert(c, variance, layer->options.epsilon, rstd);
    lk_channel_normalise(rows * p, c, x, mean, rstd, lk_call_state(call, SCALE), lk_call_state(call, SHIFT),
                         LK_EPI_NONE, call->y + start[lane] * p * c);
}

static void forward_running(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    int64_t         p = lk_shape_rows(&layer->out), c = lk_shape_width(&layer->out);
    invert(c, lk_call_state(call, VARIANCE), layer->options.epsilon, call->scratch);
    lk_channel_normalise(call->rows * p, c, call->x[0], lk_call_state(call, MEAN), call->scratch,
                         lk_call_state(call, SCALE), lk_call_state(call, SHIFT), LK_EPI_NONE, call->y);
}

static lk_status forward_batch(const lk_call *call)
{
    if (!call->training) forward_running(call);
    for (int lane = 0; call->training && lane < call->batch->lanes.n; lane++) forward_lane(call, lane);
    return LK_OK;
}

static void backward_lane(const lk_call *call, int lane, int64_t first, int64_t last, float *values)
{
    const lk_layer *layer = call->layer;
    int64_t         p = lk_shape_rows(&layer->out), c = lk_shape_width(&layer->out), at = first * p * c;
    const float    *mean = lane_statistics(call, lane), *variance = mean + c, *rstd = variance + c;
    float          *d_x = call->d_x[0] ? call->d_x[0] : call->d_y, n = (float)(last - first);
    lk_channel_normalise_backward((last - first) * p, c, (const float *)call->x[0] + at, mean, rstd,
                                  lk_call_state(call, SCALE), one_value(call, last - first), call->d_y + at,
                                  d_x + at, values, values + c);
    for (int64_t i = 0; i < c; i++) {
        values[2 * c + i] = n * mean[i];
        values[3 * c + i] = n * variance[i];
    }
}

static void backward_batch(const lk_call *call)
{
    int64_t      c = lk_shape_width(&call->layer->out);
    const float *sums = lk_call_fold(call, 4 * c, call->scratch, backward_lane);
    for (int i = SCALE; i <= VARIANCE; i++)
        memcpy(lk_call_gradient(call, i), sums + i * c, (size_t)c * sizeof *sums);
}

/*
 * Over the whole batch: a lane's row is the number of its values a channel, then forward their mean and the sum of squared
 * deviations from it, backward the sums of d_y and of d_y times the normalised x, [c] each.
 */
static int64_t whole_width(const lk_layer *layer)
{
    return 1 + 2 * lk_shape_width(&layer->out);
}

static void whole_tell(const lk_call *call, double *rows)
{
    const int64_t *start = call->batch->lanes.start;
    int64_t        p = lk_shape_rows(&call->layer->out), c = lk_shape_width(&call->layer->out);
    for (int lane = 0; lane < call->batch->lanes.n; lane++, rows += 1 + 2 * c) {
        int64_t n = (start[lane + 1] - start[lane]) * p;
        rows[0] = (double)n;
        if (n > 0)
            lk_channel_spread(n, c, (const float *)call->x[0] + start[lane] * p * c, rows + 1, rows + 1 + c);
    }
}

/* Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", COMPSTAT 1982. */
static void whole_join(int64_t width, double *left, const double *right)
{
    int64_t c = (width - 1) / 2;
    double  n = left[0] + right[0], share = right[0] / n, weight = left[0] * share;
    for (int64_t i = 1; i <= c; i++) {
        double apart = right[i] - left[i];
        left[i] += apart * share;
        left[c + i] += right[c + i] + apart * apart * weight;
    }
    left[0] = n;
}

/* Kept: mean, variance, 1 / deviation [3, c] of the batch. Scratch: means of d_y and of d_y * normalised x, then the fold. */
static lk_needs whole_needs(const lk_layer *layer, int64_t rows, int lanes, bool training)
{
    int64_t c = lk_shape_width(&layer->out);
    (void)rows;
    return training ? (lk_needs){4 * 3 * c, 4 * (2 * c + lk_fold_floats(4 * c, lanes))}
                    : (lk_needs){0, 4 * c};
}

/* A batch with one value a channel has no deviation: the running statistics stand in, and are constants. */
static lk_status whole_forward(const lk_call *call)
{
    lk_status       st = LK_OK;
    const lk_layer *layer = call->layer;
    int64_t         p = lk_shape_rows(&layer->out), c = lk_shape_width(&layer->out);
    float          *mean = call->keep, *variance = mean + c, *rstd = variance + c;
    if (!call->training) {
        forward_running(call);
        return LK_OK;
    }
    LK_CHECK(call->known, LK_E_BUG, "batch_norm '%s' is to see the whole batch and was given a part of it",
             layer->name);
    const double *total = call->known->total;
    if (total[0] > 1) {
        for (int64_t i = 0; i < c; i++) mean[i] = (float)total[1 + i];
        for (int64_t i = 0; i < c; i++) variance[i] = (float)(total[1 + c + i] / total[0]);
    } else {
        memcpy(mean, lk_call_state(call, MEAN), (size_t)c * sizeof *mean);
        memcpy(variance, lk_call_state(call, VARIANCE), (size_t)c * sizeof *variance);
    }
    invert(c, variance, layer->options.epsilon, rstd);
    lk_channel_normalise(call->rows * p, c, call->x[0], mean, rstd, lk_call_state(call, SCALE),
                         lk_call_state(call, SHIFT), LK_EPI_NONE, call->y);
done:
    return st;
}

static void whole_tell_back(const lk_call *call, double *rows)
{
    const int64_t *start = call->batch->lanes.start;
    int64_t        p = lk_shape_rows(&call->layer->out), c = lk_shape_width(&call->layer->out);
    const float   *mean = call->keep, *rstd = mean + 2 * c;
    for (int lane = 0; lane < call->batch->lanes.n; lane++, rows += 1 + 2 * c) {
        int64_t n = (start[lane + 1] - start[lane]) * p, at = start[lane] * p * c;
        rows[0] = (double)n;
        if (n > 0)
            lk_channel_dots(n, c, (const float *)call->x[0] + at, mean, rstd, call->d_y + at, rows + 1,
                            rows + 1 + c);
    }
}

static void whole_join_back(int64_t width, double *left, const double *right)
{
    for (int64_t i = 0; i < width; i++) left[i] += right[i];
}

/* Scale and shift are parameters like others: their gradient is the lane's own. */
static void whole_lane(const lk_call *call, int lane, int64_t first, int64_t last, float *values)
{
    int64_t       c = lk_shape_width(&call->layer->out);
    const float  *mean = call->keep, *variance = mean + c;
    const double *row = call->known->lanes + lane * (1 + 2 * c);
    float         n = (float)(last - first);
    for (int64_t i = 0; i < c; i++) {
        values[SCALE * c + i] = (float)row[1 + c + i];
        values[SHIFT * c + i] = (float)row[1 + i];
        values[MEAN * c + i] = n * mean[i];
        values[VARIANCE * c + i] = n * variance[i];
    }
}

static void whole_backward(const lk_call *call)
{
    int64_t       p = lk_shape_rows(&call->layer->out), c = lk_shape_width(&call->layer->out);
    const float  *mean = call->keep, *rstd = mean + 2 * c;
    const double *total = call->known->total;
    float        *m1 = call->scratch, *m2 = m1 + c, *d_x = call->d_x[0] ? call->d_x[0] : call->d_y;
    for (int64_t i = 0; i < 2 * c; i++) m1[i] = total[0] > 1 ? (float)(total[1 + i] / total[0]) : 0.0f;
    lk_channel_gradient(call->rows * p, c, call->x[0], mean, rstd, lk_call_state(call, SCALE), m1, m2,
                        call->d_y, d_x);
    const float *sums = lk_call_fold(call, 4 * c, m2 + c, whole_lane);
    for (int i = SCALE; i <= VARIANCE; i++)
        memcpy(lk_call_gradient(call, i), sums + i * c, (size_t)c * sizeof *sums);
}

/* Kept: mean and 1 / deviation of each row. */
static lk_needs needs_layer(const lk_layer *layer, int64_t rows, int lanes, bool training)
{
    int64_t statistics = 2 * rows * lk_shape_rows(&layer->out), c = lk_shape_width(&layer->out);
    return training ? (lk_needs){4 * statistics, 4 * lk_fold_floats(2 * c, lanes)}
                    : (lk_needs){0, 4 * statistics};
}

static lk_status forward_layer(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    int64_t         m = call->rows * lk_shape_rows(&layer->out);
    float          *mean = call->training ? call->keep : call->scratch;
    lk_layer_norm_forward(m, lk_shape_width(&layer->out), layer->options.epsilon, call->x[0],
                          lk_call_state(call, SCALE), lk_call_state(call, SHIFT), call->y, mean, mean + m);
    return LK_OK;
}

static void backward_layer_lane(const lk_call *call, int lane, int64_t first, int64_t last, float *values)
{
    const lk_layer *layer = call->layer;
    int64_t         p = lk_shape_rows(&layer->out), n = lk_shape_width(&layer->out), at = first * p * n;
    const float    *mean = (const float *)call->keep + first * p, *rstd = mean + call->rows * p;
    float          *d_x = call->d_x[0] ? call->d_x[0] : call->d_y;
    (void)lane;
    lk_layer_norm_backward((last - first) * p, n, (const float *)call->x[0] + at, lk_call_state(call, SCALE),
                           mean, rstd, call->d_y + at, d_x + at, values, values + n);
}

static void backward_layer(const lk_call *call)
{
    int64_t      n = lk_shape_width(&call->layer->out);
    const float *sums = lk_call_fold(call, 2 * n, call->scratch, backward_layer_lane);
    for (int i = SCALE; i <= SHIFT; i++)
        memcpy(lk_call_gradient(call, i), sums + i * n, (size_t)n * sizeof *sums);
}

const lk_layer_ops lk_ops_batch_norm = {.kind = "batch_norm",
                                        .needs_x = true,
                                        .in_place = true,
                                        .least_from = 1,
                                        .most_from = 1,
                                        .infer = infer_norm,
                                        .needs = needs_batch,
                                        .forward = forward_batch,
                                        .backward = backward_batch};

static const lk_whole_ops whole_ops = {.width = whole_width,
                                       .tell = whole_tell,
                                       .join = whole_join,
                                       .tell_back = whole_tell_back,
                                       .join_back = whole_join_back};

const lk_layer_ops lk_ops_batch_norm_whole = {.kind = "batch_norm",
                                              .needs_x = true,
                                              .in_place = true,
                                              .least_from = 1,
                                              .most_from = 1,
                                              .infer = infer_norm,
                                              .needs = whole_needs,
                                              .forward = whole_forward,
                                              .backward = whole_backward,
                                              .whole = &whole_ops};

const lk_layer_ops lk_ops_layer_norm = {.kind = "layer_norm",
                                        .needs_x = true,
                                        .in_place = true,
                                        .least_from = 1,
                                        .most_from = 1,
                                        .infer = infer_norm,
                                        .needs = needs_layer,
                                        .forward = forward_layer,
                                        .backward = backward_layer};
