/* conv2d: cross-correlation over [height, width, channels]. Weights [filters, kh, kw, channels]. */
#include "nn/model_internal.h"

static lk_status infer(lk_model *model, lk_layer *layer)
{
    lk_status               st = LK_OK;
    const lk_layer_options *options = &layer->options;
    const lk_shape         *in = &layer->in[0];
    lk_conv_shape          *s = &layer->conv;
    char                    text[LK_SHAPE_TEXT_BYTES];
    if (in->n_axes != 3)
        return lk_layer_fail(layer, LK_E_SHAPE,
                             "its input is %s; it needs height x width x channels (reshape makes them)",
                             lk_shape_text(in, text));
    *s = (lk_conv_shape){.in_h = in->axis[0],
                         .in_w = in->axis[1],
                         .channels = in->axis[2],
                         .filters = options->filters,
                         .kernel_h = options->kernel[0],
                         .kernel_w = options->kernel[1],
                         .stride_h = options->stride[0] ? options->stride[0] : 1,
                         .stride_w = options->stride[1] ? options->stride[1] : 1};
    LK_TRY(lk_layer_window(layer, 0, s->kernel_h, s->stride_h, &s->out_h, &s->pad_top));
    LK_TRY(lk_layer_window(layer, 1, s->kernel_w, s->stride_w, &s->out_w, &s->pad_left));
    layer->out = (lk_shape){3, {s->out_h, s->out_w, s->filters}};
    layer->needs_y = options->activation != LK_ACT_NONE;
    LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "weight", "filters,height,width,channels", true,
                             4, (int64_t[]){s->filters, s->kernel_h, s->kernel_w, s->channels}));
    if (!options->no_bias)
        LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "bias", "filters", false, 1, &s->filters));
    lk_layer_count_products(model, layer,
                            s->out_h * s->out_w * s->filters * s->kernel_h * s->kernel_w * s->channels);
done:
    return st;
}

static int64_t kept_floats(const lk_layer *layer, int64_t rows)
{
    return lk_epilogue_keeps_derivative(layer->epilogue) ? rows * lk_shape_count(&layer->out) : 0;
}

static lk_needs needs(const lk_layer *layer, int64_t rows, int lanes, bool training)
{
    return (lk_needs){.keep = training ? 4 * kept_floats(layer, rows) : 0,
                      .scratch = 4 * lk_conv_scratch(&layer->conv, rows, lanes)};
}

static lk_status forward(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    const float    *bias = layer->options.no_bias ? NULL : lk_call_state(call, 1);
    float          *derivative = call->training ? call->keep : NULL;
    lk_conv_forward(&layer->conv, call->rows, call->x[0], lk_call_state(call, 0), bias, layer->epilogue,
                    layer->options.slope, call->y, derivative, call->scratch);
    if (layer->options.activation == LK_ACT_SOFTMAX)
        lk_softmax_rows(call->rows * layer->conv.out_h * layer->conv.out_w, layer->conv.filters, call->y,
                        call->y);
    return LK_OK;
}

static void backward(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    const lk_lanes *lanes = &call->batch->lanes;
    float          *d_bias = layer->options.no_bias ? NULL : lk_call_gradient(call, 1);
    lk_call_unactivate(call, layer->conv.filters, call->keep);
    lk_conv_backward_weight(&layer->conv, lanes->n, lanes->start, call->d_y, call->x[0],
                            lk_call_adds(call, 0), lk_call_gradient(call, 0), d_bias, call->scratch);
    if (call->d_x[0])
        lk_conv_backward_data(&layer->conv, call->rows, call->d_y, lk_call_state(call, 0), call->add[0],
                              call->d_x[0], call->scratch);
}

const lk_layer_ops lk_ops_conv2d = {.kind = "conv2d",
                                    .needs_x = true,
                                    .adds = true,
                                    .least_from = 1,
                                    .most_from = 1,
                                    .infer = infer,
                                    .needs = needs,
                                    .forward = forward,
                                    .backward = backward};
