/* From what the user wrote to a list of layers: names, repeat, residual, from, shapes. */
#include "core/alloc.h"
#include "nn/model_internal.h"

#include <stdarg.h>
#include <string.h>

static const lk_layer_ops *const ops_of[LK_LAYER_KINDS] = {
    [LK_LAYER_DENSE] = &lk_ops_dense,
    [LK_LAYER_CONV2D] = &lk_ops_conv2d,
    [LK_LAYER_MAX_POOL] = &lk_ops_max_pool,
    [LK_LAYER_AVG_POOL] = &lk_ops_avg_pool,
    [LK_LAYER_GLOBAL_AVG_POOL] = &lk_ops_global_avg_pool,
    [LK_LAYER_FLATTEN] = &lk_ops_flatten,
    [LK_LAYER_RESHAPE] = &lk_ops_reshape,
    [LK_LAYER_ACTIVATION] = &lk_ops_activation,
    [LK_LAYER_DROPOUT] = &lk_ops_dropout,
    [LK_LAYER_BATCH_NORM] = &lk_ops_batch_norm,
    [LK_LAYER_LAYER_NORM] = &lk_ops_layer_norm,
    [LK_LAYER_ADD] = &lk_ops_add,
    [LK_LAYER_MULTIPLY] = &lk_ops_multiply,
    [LK_LAYER_CONCAT] = &lk_ops_concat,
    [LK_LAYER_EMBEDDING] = &lk_ops_embedding,
    [LK_LAYER_ATTENTION] = &lk_ops_attention,
};

/* What is left of LK_PATH_BYTES once "/query_key_value_weight" stands behind a layer's name. */
enum { LONGEST_NAME = LK_PATH_BYTES - 28 };

/* Where a list of layers stands: the prefix of its names and its own numbering. */
typedef struct scope {
    char prefix[LK_PATH_BYTES / 2]; /* "block.1." */
    int  numbered[LK_LAYER_KINDS];
    int  first; /* names of layers from here on are local */
} scope;

static lk_status build_list(lk_model *model, scope *at, const lk_layer_options *list, int n, int input,
                            int *output);

lk_status lk_layer_fail(const lk_layer *layer, lk_status status, const char *format, ...)
{
    char    what[1024], place[48] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (layer->options.line > 0)
        snprintf(place, sizeof place, "%d:%d: ", layer->options.line, layer->options.column);
    return lk_fail(status, "%s%s '%s': %s", place, layer->ops ? layer->ops->kind : "layer", layer->name,
                   what);
}

const lk_shape *lk_model_value(const lk_model *model, int value)
{
    return value < model->n_inputs ? &model->inputs[value].shape
                                   : &model->layers[value - model->n_inputs].out;
}

static lk_status grow(lk_model *model)
{
    lk_status st = LK_OK;
    lk_layer *layers = NULL;
    if (model->n_layers < model->capacity) return LK_OK;
    int capacity = model->capacity ? 2 * model->capacity : 16;
    LK_CHECK(capacity <= 1 << 14, LK_E_CONFIG, "model: more than %d layers", model->capacity);
    LK_TRY(LK_ALLOC(capacity, &layers));
    if (model->n_layers) memcpy(layers, model->layers, (size_t)model->n_layers * sizeof *layers);
    lk_free(&model->layers);
    model->layers = layers;
    model->capacity = capacity;
done:
    return st;
}

/* A name is looked for in the scope first, then among the inputs. */
static int find_value(const lk_model *model, const scope *at, const char *name)
{
    char full[LK_PATH_BYTES];
    snprintf(full, sizeof full, "%s%s", at->prefix, name);
    for (int i = model->n_layers - 1; i >= at->first; i--)
        if (!strcmp(model->layers[i].name, full)) return model->n_inputs + i;
    for (int i = 0; i < model->n_inputs; i++)
        if (!strcmp(model->inputs[i].name, name)) return i;
    return !strcmp(name, "input") ? 0 : -1;
}

static lk_status name_layer(lk_model *model, scope *at, lk_layer *layer)
{
    const char *given = layer->options.name;
    int         used;
    if (given)
        used = snprintf(layer->name, sizeof layer->name, "%s%s", at->prefix, given);
    else
        used = snprintf(layer->name, sizeof layer->name, "%s%s_%d", at->prefix, layer->ops->kind,
                        ++at->numbered[layer->options.kind]);
    if (used > LONGEST_NAME)
        return lk_layer_fail(layer, LK_E_CONFIG, "its name has more than %d characters", LONGEST_NAME);
    for (int i = 0; i < model->n_layers; i++)
        if (!strcmp(model->layers[i].name, layer->name))
            return lk_layer_fail(layer, LK_E_CONFIG, "there is another layer of this name");
    return LK_OK;
}

static lk_status find_tied(const lk_model *model, const scope *at, lk_layer *layer)
{
    layer->tied = -1;
    if (!layer->options.tied) return LK_OK;
    int value = find_value(model, at, layer->options.tied);
    for (int i = 0; value < 0 && i < model->n_layers; i++)
        if (!strcmp(model->layers[i].name, layer->options.tied)) value = model->n_inputs + i;
    if (value < model->n_inputs || model->layers[value - model->n_inputs].ops != &lk_ops_embedding)
        return lk_layer_fail(layer, LK_E_CONFIG, "weights: '%s' is no embedding above it",
                             layer->options.tied);
    layer->tied = value - model->n_inputs;
    return LK_OK;
}

static lk_status resolve_from(const lk_model *model, const scope *at, lk_layer *layer, int input)
{
    const lk_layer_options *options = &layer->options;
    layer->n_from = options->from ? options->n_from : 1;
    if (layer->n_from > LK_MAX_FROM)
        return lk_layer_fail(layer, LK_E_CONFIG, "more than %d inputs", LK_MAX_FROM);
    for (int i = 0; i < layer->n_from; i++) {
        layer->from[i] = options->from ? find_value(model, at, options->from[i]) : input;
        if (layer->from[i] < 0)
            return lk_layer_fail(layer, LK_E_CONFIG,
                                 "from: there is no layer '%s' above it and no input of that name",
                                 options->from[i]);
    }
    if (layer->n_from < layer->ops->least_from || layer->n_from > layer->ops->most_from)
        return lk_layer_fail(layer, LK_E_CONFIG,
                             "it takes %s%d inputs, %d given; name them with from: [a, b]",
                             layer->ops->most_from > layer->ops->least_from ? "at least " : "",
                             layer->ops->least_from, layer->n_from);
    for (int i = 0; i < layer->n_from; i++) {
        layer->in[i] = *lk_model_value(model, layer->from[i]);
        bool indices = layer->from[i] < model->n_inputs && model->inputs[layer->from[i]].dtype == LK_I32;
        if (indices != (layer->ops == &lk_ops_embedding))
            return lk_layer_fail(layer, LK_E_SHAPE,
                                 indices ? "its input is integers; an embedding turns them into vectors"
                                         : "its input must be integers (classes or tokens)");
    }
    return LK_OK;
}

static const lk_epilogue epilogue_of[] = {
    [LK_ACT_NONE] = LK_EPI_NONE,
    [LK_ACT_RELU] = LK_EPI_RELU,
    [LK_ACT_LEAKY_RELU] = LK_EPI_LEAKY_RELU,
    [LK_ACT_SIGMOID] = LK_EPI_SIGMOID,
    [LK_ACT_TANH] = LK_EPI_TANH,
    [LK_ACT_GELU] = LK_EPI_GELU,
    [LK_ACT_SILU] = LK_EPI_SILU,
    [LK_ACT_SOFTMAX] = LK_EPI_NONE, /* no epilogue: a pass over whole rows */
};

static bool value_trains(const lk_model *model, int value)
{
    return value >= model->n_inputs && model->layers[value - model->n_inputs].trains;
}

void lk_layer_count_products(lk_model *model, lk_layer *layer, int64_t multiply_adds)
{
    layer->forward_flops = 2 * multiply_adds;
    layer->backward_flops = (value_trains(model, layer->from[0]) ? 4 : 2) * multiply_adds;
}

static lk_status add_layer(lk_model *model, scope *at, const lk_layer_options *options, int input,
                           const int *two, int *output)
{
    lk_status st = LK_OK;
    LK_TRY(grow(model));
    lk_layer *layer = &model->layers[model->n_layers];
    *layer = (lk_layer){.ops = options->over_batch ? &lk_ops_batch_norm_whole : ops_of[options->kind],
                        .options = *options};
    LK_TRY(name_layer(model, at, layer));
    LK_TRY(find_tied(model, at, layer));
    if (two) { /* the addition that ends a residual */
        layer->n_from = 2;
        for (int i = 0; i < 2; i++) {
            layer->from[i] = two[i];
            layer->in[i] = *lk_model_value(model, two[i]);
        }
    } else {
        LK_TRY(resolve_from(model, at, layer, input));
    }
    layer->needs_x = layer->ops->needs_x;
    layer->needs_y = layer->ops->needs_y;
    layer->epilogue = epilogue_of[options->activation];
    if (options->bias_init.kind != LK_INIT_DEFAULT && options->bias_init.kind != LK_INIT_CONSTANT)
        return lk_layer_fail(layer, LK_E_CONFIG,
                             "bias_init: a bias starts at 0 or at {constant: {value: ...}}");
    LK_TRY(layer->ops->infer(model, layer));
    layer->trains = layer->parameters > 0 || layer->tied >= 0;
    for (int i = 0; i < layer->n_from; i++) layer->trains |= value_trains(model, layer->from[i]);
    *output = model->n_inputs + model->n_layers++;
done:
    return st;
}

static lk_status build_repeat(lk_model *model, scope *at, const lk_layer_options *options, int input,
                              int *output)
{
    lk_status st = LK_OK;
    char      own[LK_NAME_BYTES];
    int       number = ++at->numbered[LK_LAYER_REPEAT];
    if (options->name)
        snprintf(own, sizeof own, "%s", options->name);
    else
        snprintf(own, sizeof own, "repeat_%d", number);
    *output = input;
    for (int i = 1; i <= options->times; i++) {
        scope inner = {.first = model->n_layers};
        int   n = snprintf(inner.prefix, sizeof inner.prefix, "%s%s.%d.", at->prefix, own, i);
        LK_CHECK(n < (int)sizeof inner.prefix, LK_E_CONFIG,
                 "repeat '%s': its name with those around it has more than %d characters", own,
                 (int)sizeof inner.prefix);
        LK_TRY(build_list(model, &inner, options->body, options->n_body, *output, output));
    }
done:
    return st;
}

/* Names inside a residual belong to the list it stands in. */
static lk_status build_residual(lk_model *model, scope *at, const lk_layer_options *options, int input,
                                int *output)
{
    lk_status        st = LK_OK;
    int              ends[2] = {input, input};
    lk_layer_options sum = {.kind = LK_LAYER_ADD, .line = options->line, .column = options->column};
    char             name[LK_NAME_BYTES];
    int              number = ++at->numbered[LK_LAYER_RESIDUAL];
    snprintf(name, sizeof name, "residual_%d", number);
    sum.name = options->name ? options->name : name;
    LK_TRY(build_list(model, at, options->body, options->n_body, input, &ends[0]));
    if (options->n_shortcut)
        LK_TRY(build_list(model, at, options->shortcut, options->n_shortcut, input, &ends[1]));
    LK_TRY(add_layer(model, at, &sum, 0, ends, output));
done:
    return st;
}

static lk_status build_list(lk_model *model, scope *at, const lk_layer_options *list, int n, int input,
                            int *output)
{
    lk_status st = LK_OK;
    int       last = input;
    for (int i = 0; i < n; i++) {
        const lk_layer_options *options = &list[i];
        if (options->kind == LK_LAYER_REPEAT)
            LK_TRY(build_repeat(model, at, options, last, &last));
        else if (options->kind == LK_LAYER_RESIDUAL)
            LK_TRY(build_residual(model, at, options, last, &last));
        else
            LK_TRY(add_layer(model, at, options, last, NULL, &last));
    }
    *output = last;
done:
    return st;
}

/* Statistics come behind all parameters: until then they wait with their layer's number. */
static lk_status append_statistics(lk_model *model)
{
    for (int i = 0; i < model->n_statistics; i++) {
        lk_layer *layer = &model->layers[model->statistics[i].layer];
        lk_status st = lk_span_table_add(&model->spans, &model->statistics[i]);
        if (st != LK_OK) return st;
        layer->span[layer->n_spans++] = model->spans.n_spans - 1;
    }
    return LK_OK;
}

/* Every layer must lead to the output: one that does not is a mistake, not a wish. */
static lk_status check_used(const lk_model *model)
{
    for (int i = 0; i < model->n_layers - 1; i++) {
        bool used = false;
        for (int k = i + 1; k < model->n_layers && !used; k++)
            for (int f = 0; f < model->layers[k].n_from; f++)
                used |= model->layers[k].from[f] == model->n_inputs + i;
        if (!used) return lk_layer_fail(&model->layers[i], LK_E_CONFIG, "no layer below takes its output");
    }
    return LK_OK;
}

lk_status lk_model_create(const lk_model_options *options, const lk_field *inputs, int n_inputs,
                          int64_t target_classes, lk_model **out)
{
    lk_status st = LK_OK;
    lk_model *model = NULL;
    scope     top = {0};
    int       output = 0;
    *out = NULL;
    LK_CHECK(options->n_layers > 0, LK_E_CONFIG, "model: there is no layer");
    LK_TRY(LK_ALLOC(1, &model));
    LK_TRY(LK_ALLOC(n_inputs, &model->inputs));
    memcpy(model->inputs, inputs, (size_t)n_inputs * sizeof *inputs);
    model->n_inputs = n_inputs;
    model->target_classes = target_classes;
    LK_TRY(build_list(model, &top, options->layers, options->n_layers, 0, &output));
    LK_CHECK(output == model->n_inputs + model->n_layers - 1, LK_E_CONFIG,
             "model: the last layer must be the output");
    LK_TRY(append_statistics(model));
    LK_TRY(check_used(model));
    *out = model;
    model = NULL;
done:
    lk_model_destroy(&model);
    return st;
}

void lk_model_destroy(lk_model **model)
{
    if (!*model) return;
    lk_span_table_clear(&(*model)->spans);
    lk_free(&(*model)->statistics);
    lk_free(&(*model)->layers);
    lk_free(&(*model)->inputs);
    lk_free(model);
}

lk_status lk_layer_add_span(lk_model *model, lk_layer *layer, lk_span_kind kind, const char *name,
                            const char *axes, bool decay, int n_axes, const int64_t *axis)
{
    lk_status st = LK_OK;
    lk_span   span = {.kind = kind, .decay = decay, .shape = {.n_axes = n_axes}};
    lk_span  *grown = NULL;
    span.layer = (int)(layer - model->layers);
    snprintf(span.name, sizeof span.name, "%.*s/%s", LONGEST_NAME, layer->name, name);
    snprintf(span.axes, sizeof span.axes, "%s", axes);
    int64_t count = 1;
    for (int i = 0; i < n_axes; i++) {
        span.shape.axis[i] = axis[i];
        if (__builtin_mul_overflow(count, axis[i], &count) || count > (int64_t)1 << 33)
            return lk_layer_fail(layer, LK_E_CONFIG, "%s would have more than 2^33 numbers", name);
    }
    if (kind == LK_SPAN_PARAMETER) {
        LK_TRY(lk_span_table_add(&model->spans, &span));
        layer->span[layer->n_spans++] = model->spans.n_spans - 1;
        layer->parameters += count;
        goto done;
    }
    LK_TRY(LK_ALLOC(model->n_statistics + 1, &grown));
    if (model->n_statistics) memcpy(grown, model->statistics, (size_t)model->n_statistics * sizeof *grown);
    lk_free(&model->statistics);
    model->statistics = grown;
    model->statistics[model->n_statistics] = span;
    model->statistics[model->n_statistics++].count = count;
done:
    return st;
}
