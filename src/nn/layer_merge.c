/* add, multiply, concat: several values into one. */
#include "nn/model_internal.h"

#include <string.h>

static lk_status infer_equal(lk_model *model, lk_layer *layer)
{
    char first[LK_SHAPE_TEXT_BYTES], other[LK_SHAPE_TEXT_BYTES];
    (void)model;
    layer->out = layer->in[0];
    for (int i = 1; i < layer->n_from; i++)
        if (!lk_shape_equal(&layer->in[0], &layer->in[i]))
            return lk_layer_fail(
                layer, LK_E_SHAPE, "its inputs must have one shape; the first has %s, input %d has %s",
                lk_shape_text(&layer->in[0], first), i + 1, lk_shape_text(&layer->in[i], other));
    return LK_OK;
}

static lk_status forward_add(const lk_call *call)
{
    int64_t n = call->rows * lk_shape_count(&call->layer->out);
    lk_vec_add(n, call->x[0], call->x[1], call->y);
    for (int i = 2; i < call->layer->n_from; i++) lk_vec_add(n, call->y, call->x[i], call->y);
    return LK_OK;
}

/* d_x[0] may be d_y itself: then it is there already. */
static void backward_add(const lk_call *call)
{
    int64_t n = call->rows * lk_shape_count(&call->layer->out);
    for (int i = 0; i < call->layer->n_from; i++) {
        float *d_x = call->d_x[i];
        if (d_x && call->add[i])
            lk_vec_add(n, d_x, call->d_y, d_x);
        else if (d_x && d_x != call->d_y)
            memcpy(d_x, call->d_y, (size_t)n * sizeof *d_x);
    }
}

static lk_status forward_multiply(const lk_call *call)
{
    int64_t n = call->rows * lk_shape_count(&call->layer->out);
    lk_vec_multiply(n, call->x[0], call->x[1], call->y);
    for (int i = 2; i < call->layer->n_from; i++) lk_vec_multiply(n, call->y, call->x[i], call->y);
    return LK_OK;
}

/* d_x[i] = d_y times all other inputs. */
static void backward_multiply(const lk_call *call)
{
    int64_t n = call->rows * lk_shape_count(&call->layer->out);
    for (int i = 0; i < call->layer->n_from; i++) {
        const float *factor = call->d_y;
        if (!call->d_x[i]) continue;
        for (int k = 0; k < call->layer->n_from; k++) {
            if (k == i) continue;
            lk_vec_multiply(n, factor, call->x[k], call->d_x[i]);
            factor = call->d_x[i];
        }
    }
}

/* Inputs side by side along the last axis. */
static lk_status infer_concat(lk_model *model, lk_layer *layer)
{
    char first[LK_SHAPE_TEXT_BYTES], other[LK_SHAPE_TEXT_BYTES];
    (void)model;
    layer->out = layer->in[0];
    int last = layer->out.n_axes - 1;
    if (last < 0)
        return lk_layer_fail(layer, LK_E_SHAPE,
                             "its inputs are scalars; they need an axis to stand side by side");
    for (int i = 1; i < layer->n_from; i++) {
        lk_shape fit = layer->in[i];
        if (fit.n_axes == last + 1) fit.axis[last] = layer->in[0].axis[last];
        if (!lk_shape_equal(&fit, &layer->in[0]))
            return lk_layer_fail(layer, LK_E_SHAPE,
                                 "all axes but the last must agree; the first input has %s, input %d has %s",
                                 lk_shape_text(&layer->in[0], first), i + 1,
                                 lk_shape_text(&layer->in[i], other));
        layer->out.axis[last] += layer->in[i].axis[last];
    }
    return LK_OK;
}

static lk_status forward_concat(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    int64_t         n = call->rows * lk_shape_rows(&layer->out), width = lk_shape_width(&layer->out), at = 0;
    for (int i = 0; i < layer->n_from; i++) {
        int64_t      own = lk_shape_width(&layer->in[i]);
        const float *x = call->x[i];
        for (int64_t r = 0; r < n; r++)
            memcpy(call->y + r * width + at, x + r * own, (size_t)own * sizeof *x);
        at += own;
    }
    return LK_OK;
}

static void backward_concat(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    int64_t         n = call->rows * lk_shape_rows(&layer->out), width = lk_shape_width(&layer->out), at = 0;
    for (int i = 0; i < layer->n_from; i++) {
        int64_t own = lk_shape_width(&layer->in[i]);
        float  *d_x = call->d_x[i];
        for (int64_t r = 0; d_x && r < n; r++)
            memcpy(d_x + r * own, call->d_y + r * width + at, (size_t)own * sizeof *d_x);
        at += own;
    }
}

const lk_layer_ops lk_ops_add = {.kind = "add",
                                 .adds = true,
                                 .in_place = true,
                                 .least_from = 2,
                                 .most_from = LK_MAX_FROM,
                                 .infer = infer_equal,
                                 .forward = forward_add,
                                 .backward = backward_add};

const lk_layer_ops lk_ops_multiply = {.kind = "multiply",
                                      .needs_x = true,
                                      .least_from = 2,
                                      .most_from = LK_MAX_FROM,
                                      .infer = infer_equal,
                                      .forward = forward_multiply,
                                      .backward = backward_multiply};

const lk_layer_ops lk_ops_concat = {.kind = "concat",
                                    .least_from = 2,
                                    .most_from = LK_MAX_FROM,
                                    .infer = infer_concat,
                                    .forward = forward_concat,
                                    .backward = backward_concat};
