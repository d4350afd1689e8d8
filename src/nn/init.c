/*
 * Initial values. Sources: He et al., "Delving deep into rectifiers", 2015 (deviation sqrt(2 / fan_in));
 * Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010
 * (sqrt(2 / (fan_in + fan_out))). The uniform forms have the same deviation. Embedding tables: normal with
 * deviation 0.02 (Radford et al., GPT-2, 2019).
 */
#include "core/rng.h"
#include "nn/model_internal.h"

#include <math.h>
#include <string.h>

static lk_init_kind chosen(const lk_layer *layer)
{
    if (layer->options.init.kind != LK_INIT_DEFAULT) return layer->options.init.kind;
    switch (layer->options.activation) {
    case LK_ACT_RELU:
    case LK_ACT_LEAKY_RELU:
    case LK_ACT_GELU:
    case LK_ACT_SILU:
        return LK_INIT_HE_NORMAL;
    default:
        return LK_INIT_GLOROT_UNIFORM;
    }
}

static double deviation(const lk_layer *layer, const lk_span *span, lk_init_kind kind)
{
    double fan_out = (double)span->shape.axis[0], fan_in = (double)span->shape.axis[span->shape.n_axes - 1];
    for (int i = 1; i < span->shape.n_axes - 1; i++) { /* the window of a convolution counts on both sides */
        fan_in *= (double)span->shape.axis[i];
        fan_out *= (double)span->shape.axis[i];
    }
    if (layer->ops == &lk_ops_embedding && layer->options.init.kind == LK_INIT_DEFAULT) return 0.02;
    return kind == LK_INIT_HE_NORMAL || kind == LK_INIT_HE_UNIFORM ? sqrt(2.0 / fan_in)
                                                                   : sqrt(2.0 / (fan_in + fan_out));
}

static void fill(int64_t n, float value, float *out)
{
    for (int64_t i = 0; i < n; i++) out[i] = value;
}

static void fill_weight(const lk_layer *layer, const lk_span *span, uint64_t seed, int place, float *out)
{
    lk_init_kind kind = chosen(layer);
    lk_rng       rng = lk_rng_make(seed, LK_RNG_INIT, span->layer, 0, place);
    bool         embedding = layer->ops == &lk_ops_embedding && layer->options.init.kind == LK_INIT_DEFAULT;
    double       scale = deviation(layer, span, kind), side = scale * sqrt(3.0);
    if (kind == LK_INIT_CONSTANT) {
        fill(span->count, layer->options.init.value, out);
    } else if (embedding || kind == LK_INIT_HE_NORMAL || kind == LK_INIT_GLOROT_NORMAL) {
        for (int64_t i = 0; i < span->count; i++)
            out[i] = (float)(scale * (double)lk_rng_normal(&rng, (uint64_t)i));
    } else {
        for (int64_t i = 0; i < span->count; i++)
            out[i] = (float)(side * (2.0 * (double)lk_rng_uniform(&rng, (uint64_t)i) - 1.0));
    }
}

/* Biases: zero, a constant, or the default of their own option. */
static float bias_value(const lk_layer *layer)
{
    return layer->options.bias_init.kind == LK_INIT_CONSTANT ? layer->options.bias_init.value : 0.0f;
}

void lk_model_init(const lk_model *model, uint64_t seed, float *state)
{
    memset(state, 0, (size_t)model->spans.total_floats * sizeof *state);
    for (int s = 0; s < model->spans.n_spans; s++) {
        const lk_span  *span = &model->spans.spans[s];
        const lk_layer *layer = &model->layers[span->layer];
        const char     *name = strrchr(span->name, '/') + 1;
        int             place = 0;
        while (layer->span[place] != s) place++;
        if (span->shape.n_axes >= 2)
            fill_weight(layer, span, seed, place, state + span->offset);
        else if (!strcmp(name, "scale") || !strcmp(name, "variance"))
            fill(span->count, 1.0f, state + span->offset);
        else if (span->kind == LK_SPAN_PARAMETER && strcmp(name, "shift") != 0)
            fill(span->count, bias_value(layer), state + span->offset);
    }
}
