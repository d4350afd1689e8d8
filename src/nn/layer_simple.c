/* Layers without parameters that work element by element: flatten, reshape, activation, dropout. */
#include "core/rng.h"
#include "nn/model_internal.h"

#include <string.h>

static lk_status infer_flatten(lk_model *model, lk_layer *layer)
{
    (void)model;
    layer->out = (lk_shape){1, {lk_shape_count(&layer->in[0])}};
    return LK_OK;
}

static lk_status infer_reshape(lk_model *model, lk_layer *layer)
{
    char from[LK_SHAPE_TEXT_BYTES], to[LK_SHAPE_TEXT_BYTES];
    (void)model;
    layer->out = layer->options.shape;
    if (lk_shape_count(&layer->out) == lk_shape_count(&layer->in[0])) return LK_OK;
    return lk_layer_fail(layer, LK_E_SHAPE, "its input %s has %lld numbers, its shape %s has %lld",
                         lk_shape_text(&layer->in[0], from), (long long)lk_shape_count(&layer->in[0]),
                         lk_shape_text(&layer->out, to), (long long)lk_shape_count(&layer->out));
}

/* The output is the input's memory, and so are the gradients. */
static lk_status forward_view(const lk_call *call)
{
    (void)call;
    return LK_OK;
}

static void backward_view(const lk_call *call)
{
    (void)call;
}

static lk_status infer_activation(lk_model *model, lk_layer *layer)
{
    (void)model;
    layer->out = layer->in[0];
    layer->needs_x = lk_epilogue_keeps_derivative(layer->epilogue);
    layer->needs_y = !layer->needs_x;
    return LK_OK;
}

static lk_status forward_activation(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    int64_t         n = call->rows * lk_shape_count(&layer->out), width = lk_shape_width(&layer->out);
    if (layer->options.activation == LK_ACT_SOFTMAX)
        lk_softmax_rows(n / width, width, call->x[0], call->y);
    else
        lk_act_forward(layer->epilogue, layer->options.slope, n, call->x[0], call->y, NULL);
    return LK_OK;
}

static void backward_activation(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    int64_t         n = call->rows * lk_shape_count(&layer->out), width = lk_shape_width(&layer->out);
    if (!call->d_x[0]) return;
    if (layer->options.activation == LK_ACT_SOFTMAX)
        lk_softmax_backward_rows(n / width, width, call->y, call->d_y, call->d_x[0]);
    else
        lk_act_backward(layer->epilogue, layer->options.slope, n, call->y, call->x[0], call->d_y,
                        call->d_x[0]);
}

static lk_status infer_dropout(lk_model *model, lk_layer *layer)
{
    (void)model;
    layer->out = layer->in[0];
    return LK_OK;
}

/* One byte an element: kept or dropped. */
static lk_needs needs_dropout(const lk_layer *layer, int64_t rows, int lanes, bool training)
{
    (void)lanes;
    return (lk_needs){.keep = training ? rows * lk_shape_count(&layer->out) : 0};
}

/* Drawn by (seed, layer, epoch, sample, element), so that the same elements fall on any number of ranks. */
static void draw(const lk_call *call, int64_t row, int64_t n, uint8_t *kept)
{
    int    layer = (int)(call->layer - call->model->layers);
    lk_rng rng = lk_rng_make(call->seed, LK_RNG_DROPOUT, layer, call->batch->epoch, call->batch->sample[row]);
    lk_rng_at_least(&rng, (uint32_t)(call->layer->options.rate * 16777216.0f), n, kept);
}

static lk_status forward_dropout(const lk_call *call)
{
    int64_t  n = lk_shape_count(&call->layer->out);
    float    scale = 1.0f / (1.0f - call->layer->options.rate);
    uint8_t *kept = call->keep;
    if (!call->training) {
        if (call->y != call->x[0]) memcpy(call->y, call->x[0], (size_t)(call->rows * n) * sizeof(float));
        return LK_OK;
    }
    for (int64_t row = 0; row < call->rows; row++) draw(call, row, n, kept + row * n);
    lk_vec_keep(call->rows * n, scale, kept, call->x[0], call->y);
    return LK_OK;
}

static void backward_dropout(const lk_call *call)
{
    float scale = 1.0f / (1.0f - call->layer->options.rate);
    if (call->d_x[0])
        lk_vec_keep(call->rows * lk_shape_count(&call->layer->out), scale, call->keep, call->d_y,
                    call->d_x[0]);
}

const lk_layer_ops lk_ops_flatten = {.kind = "flatten",
                                     .view = true,
                                     .least_from = 1,
                                     .most_from = 1,
                                     .infer = infer_flatten,
                                     .forward = forward_view,
                                     .backward = backward_view};

const lk_layer_ops lk_ops_reshape = {.kind = "reshape",
                                     .view = true,
                                     .least_from = 1,
                                     .most_from = 1,
                                     .infer = infer_reshape,
                                     .forward = forward_view,
                                     .backward = backward_view};

const lk_layer_ops lk_ops_activation = {.kind = "activation",
                                        .in_place = true,
                                        .least_from = 1,
                                        .most_from = 1,
                                        .infer = infer_activation,
                                        .forward = forward_activation,
                                        .backward = backward_activation};

const lk_layer_ops lk_ops_dropout = {.kind = "dropout",
                                     .in_place = true,
                                     .least_from = 1,
                                     .most_from = 1,
                                     .infer = infer_dropout,
                                     .needs = needs_dropout,
                                     .forward = forward_dropout,
                                     .backward = backward_dropout};
