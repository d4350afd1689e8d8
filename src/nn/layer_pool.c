/* max_pool, avg_pool, global_avg_pool over [height, width, channels]. */
#include "nn/model_internal.h"

static lk_status infer_window(lk_layer *layer, int64_t size_h, int64_t size_w, int64_t stride_h,
                              int64_t stride_w)
{
    lk_status       st = LK_OK;
    const lk_shape *in = &layer->in[0];
    lk_pool_shape  *s = &layer->pool;
    *s = (lk_pool_shape){.in_h = in->axis[0],
                         .in_w = in->axis[1],
                         .channels = in->axis[2],
                         .size_h = size_h,
                         .size_w = size_w,
                         .stride_h = stride_h,
                         .stride_w = stride_w};
    LK_TRY(lk_layer_window(layer, 0, size_h, stride_h, &s->out_h, &s->pad_top));
    LK_TRY(lk_layer_window(layer, 1, size_w, stride_w, &s->out_w, &s->pad_left));
    if (s->pad_top >= size_h || s->pad_left >= size_w)
        return lk_layer_fail(layer, LK_E_CONFIG, "padding must be smaller than the window");
    layer->out = (lk_shape){3, {s->out_h, s->out_w, s->channels}};
done:
    return st;
}

static lk_status check_image(const lk_layer *layer)
{
    char text[LK_SHAPE_TEXT_BYTES];
    if (layer->in[0].n_axes == 3) return LK_OK;
    return lk_layer_fail(layer, LK_E_SHAPE, "its input is %s; it needs height x width x channels",
                         lk_shape_text(&layer->in[0], text));
}

static lk_status infer_pool(lk_model *model, lk_layer *layer)
{
    const lk_layer_options *options = &layer->options;
    lk_status               st = check_image(layer);
    (void)model;
    if (st != LK_OK) return st;
    const int64_t *size = options->kernel, *stride = options->stride;
    if (layer->ops == &lk_ops_max_pool && (size[0] > 255 || size[1] > 255 || size[0] * size[1] > 256))
        return lk_layer_fail(layer, LK_E_CONFIG, "a window of %lldx%lld has more than 256 cells",
                             (long long)size[0], (long long)size[1]);
    return infer_window(layer, size[0], size[1], stride[0] ? stride[0] : size[0],
                        stride[1] ? stride[1] : size[1]);
}

static lk_status infer_global(lk_model *model, lk_layer *layer)
{
    lk_status st = check_image(layer);
    (void)model;
    if (st == LK_OK) st = infer_window(layer, layer->in[0].axis[0], layer->in[0].axis[1], 1, 1);
    layer->out = (lk_shape){1, {layer->in[0].axis[2]}};
    return st;
}

/* Which cell of each window was the largest, one byte each; a workspace without backward writes it all the
 * same. */
static lk_needs needs_max(const lk_layer *layer, int64_t rows, int lanes, bool training)
{
    int64_t which = rows * lk_shape_count(&layer->out);
    (void)lanes;
    return training ? (lk_needs){.keep = which} : (lk_needs){.scratch = which};
}

static lk_status forward_max(const lk_call *call)
{
    lk_max_pool_forward(&call->layer->pool, call->rows, call->x[0], call->y,
                        call->training ? call->keep : call->scratch);
    return LK_OK;
}

static void backward_max(const lk_call *call)
{
    if (call->d_x[0])
        lk_max_pool_backward(&call->layer->pool, call->rows, call->d_y, call->keep, call->d_x[0]);
}

static lk_status forward_avg(const lk_call *call)
{
    lk_avg_pool_forward(&call->layer->pool, call->rows, call->x[0], call->y);
    return LK_OK;
}

static void backward_avg(const lk_call *call)
{
    if (call->d_x[0]) lk_avg_pool_backward(&call->layer->pool, call->rows, call->d_y, call->d_x[0]);
}

const lk_layer_ops lk_ops_max_pool = {.kind = "max_pool",
                                      .least_from = 1,
                                      .most_from = 1,
                                      .infer = infer_pool,
                                      .needs = needs_max,
                                      .forward = forward_max,
                                      .backward = backward_max};

const lk_layer_ops lk_ops_avg_pool = {.kind = "avg_pool",
                                      .least_from = 1,
                                      .most_from = 1,
                                      .infer = infer_pool,
                                      .forward = forward_avg,
                                      .backward = backward_avg};

const lk_layer_ops lk_ops_global_avg_pool = {.kind = "global_avg_pool",
                                             .least_from = 1,
                                             .most_from = 1,
                                             .infer = infer_global,
                                             .forward = forward_avg,
                                             .backward = backward_avg};
