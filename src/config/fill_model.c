/* Layers as written to lk_layer_options. */
#include <string.h>

#include "config/fill.h"

static const char *const kind_names[LK_LAYER_KINDS] = {
    [LK_LAYER_DENSE] = "dense",
    [LK_LAYER_CONV2D] = "conv2d",
    [LK_LAYER_MAX_POOL] = "max_pool",
    [LK_LAYER_AVG_POOL] = "avg_pool",
    [LK_LAYER_GLOBAL_AVG_POOL] = "global_avg_pool",
    [LK_LAYER_FLATTEN] = "flatten",
    [LK_LAYER_RESHAPE] = "reshape",
    [LK_LAYER_ACTIVATION] = "activation",
    [LK_LAYER_DROPOUT] = "dropout",
    [LK_LAYER_BATCH_NORM] = "batch_norm",
    [LK_LAYER_LAYER_NORM] = "layer_norm",
    [LK_LAYER_ADD] = "add",
    [LK_LAYER_MULTIPLY] = "multiply",
    [LK_LAYER_CONCAT] = "concat",
    [LK_LAYER_EMBEDDING] = "embedding",
    [LK_LAYER_ATTENTION] = "attention",
    [LK_LAYER_REPEAT] = "repeat",
    [LK_LAYER_RESIDUAL] = "residual",
};

static lk_layer_kind kind_of(const char *name)
{
    int kind = 0;
    while (kind < LK_LAYER_KINDS - 1 && strcmp(kind_names[kind], name) != 0) kind++;
    return (lk_layer_kind)kind;
}

/* The option's number where the words of the table stand in the order of the enum. */
static int word_index(const lk_setting *setting)
{
    int index = 0;
    lk_words_have(setting->option->words, setting->text, &index);
    return index;
}

static float number(const lk_setting *layer, const char *name)
{
    const lk_setting *setting = lk_setting_get(layer, name);
    return setting ? (float)setting->number : 0;
}

/* Words of counts (classes, vocabulary, data) are 0 in the option structs. */
static int64_t count(const lk_setting *layer, const char *name)
{
    const lk_setting *setting = lk_setting_get(layer, name);
    return setting && !setting->word ? setting->integer : 0;
}

static void fill_pair(const lk_setting *setting, int64_t pair[2])
{
    if (!setting || setting->word) return;
    pair[0] = setting->pair[0];
    pair[1] = setting->pair[1];
}

static lk_init fill_init(const lk_setting *choice)
{
    static const char *const names[] = {"default",       "he_normal",      "he_uniform",
                                        "glorot_normal", "glorot_uniform", "constant"};
    const lk_setting        *chosen = lk_setting_chosen(choice);
    lk_init                  init = {.kind = LK_INIT_DEFAULT};
    for (int i = 0; chosen && i < 6; i++)
        if (!strcmp(chosen->name, names[i])) init.kind = (lk_init_kind)i;
    if (init.kind == LK_INIT_CONSTANT) init.value = number(chosen, "value");
    return init;
}

static void fill_from(const lk_setting *from, lk_pool *pool, lk_layer_options *out)
{
    const char **names = from ? LK_POOL_ARRAY(pool, const char *, from->n) : NULL;
    if (!names) return;
    out->from = names;
    for (const lk_setting *name = from->first; name; name = name->next) out->from[out->n_from++] = name->text;
}

static void fill_padding(const lk_setting *padding, lk_layer_options *out)
{
    if (!padding) return;
    out->padding = !padding->word                   ? LK_PAD_COUNT
                   : lk_setting_is(padding, "same") ? LK_PAD_SAME
                                                    : LK_PAD_VALID;
    fill_pair(padding, out->pad);
}

static void fill_activation(const lk_setting *layer, lk_layer_options *out)
{
    const lk_setting *activation = lk_setting_get(layer, "activation");
    if (!activation) activation = lk_setting_get(layer, "kind");
    if (activation) out->activation = (lk_activation)word_index(activation);
    out->slope = number(layer, "slope");
}

static void fill_weights(const lk_setting *layer, lk_layer_options *out)
{
    const lk_setting *weights = lk_setting_get(layer, "weights"), *bias = lk_setting_get(layer, "bias");
    out->no_weight = lk_setting_is(weights, "none");
    if (weights && !weights->word) out->tied = weights->text;
    out->no_bias = bias && !bias->flag;
    out->init = fill_init(lk_setting_get(layer, "init"));
    out->bias_init = fill_init(lk_setting_get(layer, "bias_init"));
}

static void fill_shape(const lk_setting *shape, lk_layer_options *out)
{
    for (const lk_setting *axis = shape ? shape->first : NULL; axis && out->shape.n_axes < LK_MAX_AXES;
         axis = axis->next)
        out->shape.axis[out->shape.n_axes++] = axis->integer;
}

static void fill_layer(const lk_setting *layer, lk_pool *pool, lk_layer_options *out)
{
    const lk_setting *name = lk_setting_get(layer, "name"), *causal = lk_setting_get(layer, "causal");
    out->kind = kind_of(layer->name);
    out->name = name ? name->text : NULL;
    out->line = layer->mark.set ? 0 : layer->mark.line;
    out->column = layer->mark.set ? 0 : layer->mark.column;
    out->units = count(layer, "units");
    out->filters = count(layer, "filters");
    fill_pair(lk_setting_get(layer, "kernel"), out->kernel);
    fill_pair(lk_setting_get(layer, "size"), out->kernel);
    fill_pair(lk_setting_get(layer, "stride"), out->stride);
    fill_padding(lk_setting_get(layer, "padding"), out);
    fill_activation(layer, out);
    fill_weights(layer, out);
    fill_from(lk_setting_get(layer, "from"), pool, out);
    fill_shape(lk_setting_get(layer, "shape"), out);
    out->rate = number(layer, "rate");
    out->epsilon = number(layer, "epsilon");
    out->momentum = number(layer, "momentum");
    out->over_batch = lk_setting_is(lk_setting_get(layer, "over"), "batch");
    out->vocabulary = count(layer, "vocabulary");
    out->learned_positions = lk_setting_is(lk_setting_get(layer, "positions"), "learned");
    out->heads = count(layer, "heads");
    out->causal = causal && causal->flag;
    out->times = (int)count(layer, "times");
    lk_fill_layers(lk_setting_get(layer, "layers"), pool, &out->body, &out->n_body);
    lk_fill_layers(lk_setting_get(layer, "shortcut"), pool, &out->shortcut, &out->n_shortcut);
}

void lk_fill_layers(const lk_setting *list, lk_pool *pool, const lk_layer_options **layers, int *n_layers)
{
    lk_layer_options *array = list && list->n ? LK_POOL_ARRAY(pool, lk_layer_options, list->n) : NULL;
    int               n = 0;
    if (!array) return;
    for (const lk_setting *layer = list->first; layer; layer = layer->next)
        fill_layer(layer, pool, &array[n++]);
    *layers = array;
    *n_layers = n;
}
