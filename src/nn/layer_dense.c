/* dense: y = f(x W^T + b) over the last axis. Weights [units, inputs]. */
#include "nn/model_internal.h"

#include <string.h>

static bool has_weight(const lk_layer *layer)
{
    return !layer->options.no_weight;
}

static int64_t inputs_of(const lk_layer *layer)
{
    return lk_shape_width(&layer->in[0]);
}

static int64_t units_of(const lk_layer *layer)
{
    return lk_shape_width(&layer->out);
}

/* 0 stands for what the data says: classes of the target, or rows of the table it is tied to. */
static lk_status find_units(lk_model *model, lk_layer *layer, int64_t *units)
{
    const lk_layer *table = layer->tied >= 0 ? &model->layers[layer->tied] : NULL;
    *units = layer->options.units;
    if (table) {
        const lk_shape *shape = &model->spans.spans[table->span[0]].shape;
        if (*units && *units != shape->axis[0])
            return lk_layer_fail(layer, LK_E_SHAPE,
                                 "units: %lld, but the table '%s' has %lld rows; units: vocabulary",
                                 (long long)*units, table->name, (long long)shape->axis[0]);
        *units = shape->axis[0];
        if (shape->axis[1] != inputs_of(layer))
            return lk_layer_fail(layer, LK_E_SHAPE, "its input has %lld columns, the rows of '%s' have %lld",
                                 (long long)inputs_of(layer), table->name, (long long)shape->axis[1]);
    } else if (!*units) {
        *units = model->target_classes;
        if (!*units)
            return lk_layer_fail(
                layer, LK_E_CONFIG,
                "units comes from the classes of the data, but its target has none; give a number");
    }
    return LK_OK;
}

static lk_status infer(lk_model *model, lk_layer *layer)
{
    lk_status st = LK_OK;
    int64_t   units, inputs = inputs_of(layer);
    LK_TRY(find_units(model, layer, &units));
    layer->out = layer->in[0];
    if (!layer->out.n_axes) layer->out.n_axes = 1;
    layer->out.axis[layer->out.n_axes - 1] = units;
    layer->needs_x = has_weight(layer);
    layer->needs_y = layer->options.activation != LK_ACT_NONE;
    if (has_weight(layer) && layer->tied < 0)
        LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "weight", "units,inputs", true, 2,
                                 (int64_t[]){units, inputs}));
    if (!layer->options.no_bias)
        LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "bias", "units", false, 1, &units));
    if (layer->tied >= 0) { /* the table's span comes behind the bias in the layer's own list */
        layer->span[layer->n_spans++] = model->layers[layer->tied].span[0];
    } else if (!has_weight(layer) && layer->options.no_bias) {
        return lk_layer_fail(layer, LK_E_CONFIG, "it has neither weights nor bias");
    }
    if (has_weight(layer)) lk_layer_count_products(model, layer, lk_shape_rows(&layer->out) * units * inputs);
done:
    return st;
}

/* Places of the weight and of the bias in the layer's list of spans; -1: none. */
static int weight_span(const lk_layer *layer)
{
    if (!has_weight(layer)) return -1;
    return layer->tied >= 0 ? layer->n_spans - 1 : 0;
}

static int bias_span(const lk_layer *layer)
{
    if (layer->options.no_bias) return -1;
    return has_weight(layer) && layer->tied < 0 ? 1 : 0;
}

static int64_t kept_floats(const lk_layer *layer, int64_t rows)
{
    return lk_epilogue_keeps_derivative(layer->epilogue) ? rows * lk_shape_count(&layer->out) : 0;
}

static lk_needs needs(const lk_layer *layer, int64_t rows, int lanes, bool training)
{
    int64_t  n = units_of(layer), k = inputs_of(layer);
    int64_t  pack = lk_gemm_pack_floats(n, k), starts = 2 * (lanes + 2); /* int64 in floats */
    int64_t  sums = has_weight(layer) ? lk_dense_weight_scratch(lanes, n, k) : lk_fold_floats(n, lanes);
    lk_needs need = {.keep = training ? 4 * kept_floats(layer, rows) : 0};
    need.scratch = 4 * (starts + (pack > sums ? pack : sums));
    return need;
}

/* y = b in every row: a model that is a single trainable constant. */
static void forward_constant(const lk_call *call, int64_t m, int64_t n)
{
    const float *bias = lk_call_state(call, bias_span(call->layer));
    for (int64_t i = 0; i < m; i++) memcpy(call->y + i * n, bias, (size_t)n * sizeof *bias);
    lk_act_forward(call->layer->epilogue, call->layer->options.slope, m * n, call->y, call->y,
                   call->training ? call->keep : NULL);
}

static lk_status forward(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    int64_t         m = call->rows * lk_shape_rows(&layer->out), n = units_of(layer), k = inputs_of(layer);
    int             b = bias_span(layer);
    float          *pack = call->scratch, *derivative = call->training ? call->keep : NULL;
    if (has_weight(layer))
        lk_dense_forward(m, n, k, call->x[0], lk_call_state(call, weight_span(layer)),
                         b >= 0 ? lk_call_state(call, b) : NULL, layer->epilogue, layer->options.slope,
                         call->y, derivative, pack);
    else
        forward_constant(call, m, n);
    if (layer->options.activation == LK_ACT_SOFTMAX) lk_softmax_rows(m, n, call->y, call->y);
    return LK_OK;
}

static void bias_of_lane(const lk_call *call, int lane, int64_t first, int64_t last, float *values)
{
    int64_t p = lk_shape_rows(&call->layer->out), n = units_of(call->layer);
    (void)lane;
    lk_column_sums((last - first) * p, n, call->d_y + first * p * n, values);
}

static void backward(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    int64_t p = lk_shape_rows(&layer->out), m = call->rows * p, n = units_of(layer), k = inputs_of(layer);
    int     b = bias_span(layer), w = weight_span(layer);
    float  *d_bias = b >= 0 ? lk_call_gradient(call, b) : NULL;
    const int64_t *start = lk_call_starts(call, p, call->scratch);
    float         *scratch = (float *)call->scratch + 2 * (call->batch->lanes.n + 2);
    lk_call_unactivate(call, n, call->keep);
    if (w < 0) {
        memcpy(d_bias, lk_call_fold(call, n, scratch, bias_of_lane), (size_t)n * sizeof *d_bias);
        if (call->d_x[0] && !call->add[0]) memset(call->d_x[0], 0, (size_t)(m * k) * sizeof(float));
        return;
    }
    lk_dense_backward_weight(call->batch->lanes.n, start, n, k, call->d_y, call->x[0], lk_call_adds(call, w),
                             lk_call_gradient(call, w), d_bias, scratch);
    if (call->d_x[0])
        lk_dense_backward_data(m, n, k, call->d_y, lk_call_state(call, w), call->add[0], call->d_x[0],
                               scratch);
}

const lk_layer_ops lk_ops_dense = {.kind = "dense",
                                   .adds = true,
                                   .least_from = 1,
                                   .most_from = 1,
                                   .infer = infer,
                                   .needs = needs,
                                   .forward = forward,
                                   .backward = backward};
