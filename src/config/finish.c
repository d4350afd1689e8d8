/* What one key alone cannot tell: traps, keys that exclude each other, and values that depend on others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/setting.h"

static void drop(lk_setting *parent, const lk_setting *child)
{
    lk_setting *before = NULL;
    for (lk_setting *at = parent->first; at; before = at, at = at->next) {
        if (at != child) continue;
        if (before)
            before->next = at->next;
        else
            parent->first = at->next;
        if (parent->last == at) parent->last = before;
        parent->n--;
        return;
    }
}

/* ---- train ---- */

/* One of the two sets the length: what was written beats the default, the command line beats the file. */
static void finish_length(lk_setting *root, lk_problems *problems)
{
    lk_setting *train = lk_setting_get(root, "train");
    lk_setting *epochs = lk_setting_get(train, "epochs"), *steps = lk_setting_get(train, "steps");
    if (!epochs || !steps) return;
    if (steps->origin == epochs->origin)
        lk_problems_add(problems, steps->mark, "steps and epochs both say how long to train: keep one");
    drop(train, steps->origin > epochs->origin ? epochs : steps);
}

static int64_t automatic_lanes(int64_t batch_size)
{
    int64_t lanes = 8, most = 1024; /* most: what a batch view holds */
    while (lanes * 2 <= batch_size / 32 && lanes * 2 <= most) lanes *= 2;
    return lanes < batch_size ? lanes : batch_size;
}

static void finish_lanes(lk_setting *root, lk_problems *problems)
{
    lk_setting *lanes = lk_setting_get(root, "train.lanes"),
               *batch = lk_setting_get(root, "train.batch_size");
    if (!lanes || !batch) return;
    if (lanes->word) {
        lanes->word = false;
        lanes->integer = automatic_lanes(batch->integer);
        lanes->text = lk_pool_printf(problems->pool, "%lld", (long long)lanes->integer);
    }
    if (lanes->integer > batch->integer)
        lk_problems_add(problems, lanes->value_mark, "lanes must be at most batch_size (%lld), not %lld",
                        (long long)batch->integer, (long long)lanes->integer);
}

/* ---- data ---- */

/* The fraction that a split takes from the training data, 0 if it has files of its own. */
static double finish_split(lk_setting *root, const char *path, lk_problems *problems)
{
    lk_setting *split = lk_setting_get(root, path);
    lk_setting *files = lk_setting_get(split, "files"), *fraction = lk_setting_get(split, "fraction");
    if (!split || split->text) return 0;
    if (files && fraction) {
        if (files->origin == fraction->origin)
            lk_problems_add(problems, fraction->mark, "%s: files and fraction exclude each other",
                            split->name);
        drop(split,
             fraction->origin > files->origin ? files : fraction); /* the command line beats the file */
        return finish_split(root, path, problems);
    }
    const char *only = files && files->n == 1 ? files->first->text : NULL;
    char       *end = NULL;
    double      share = only ? strtod(only, &end) : 0;
    if (only && end != only && !*end && share > 0 && share < 1)
        lk_problems_add(problems, files->value_mark,
                        "%s: '%s' is no file; a share of the training data is "
                        "written {fraction: %s}",
                        split->name, only, only);
    if (!split->n)
        lk_problems_add(problems, split->mark, "%s needs files, or a fraction of the training data",
                        split->name);
    return fraction ? fraction->number : 0;
}

static void finish_given(lk_setting *normalise, lk_problems *problems)
{
    lk_setting *mean = lk_setting_get(normalise, "mean"), *std = lk_setting_get(normalise, "std");
    if (mean && std && mean->n != std->n)
        lk_problems_add(problems, std->mark, "mean has %d values and std has %d: one a channel each", mean->n,
                        std->n);
}

static void finish_data(lk_setting *root, lk_problems *problems)
{
    static const char *const fields[] = {"data.inputs", "data.targets"};
    double                   taken =
        finish_split(root, "data.validation", problems) + finish_split(root, "data.test", problems);
    if (taken >= 1) {
        lk_setting *fraction = lk_setting_get(root, "data.test.fraction");
        lk_problems_add(problems, fraction->value_mark,
                        "validation and test take %g of the training data: nothing is left", taken);
    }
    finish_given(lk_setting_get(root, "data.normalise"), problems);
    for (int i = 0; i < 2; i++) {
        lk_setting *list = lk_setting_get(root, fields[i]);
        for (lk_setting *field = list ? list->first : NULL; field; field = field->next)
            finish_given(lk_setting_get(field, "normalise"), problems);
    }
    lk_setting *inputs = lk_setting_get(root, "data.inputs"), *targets = lk_setting_get(root, "data.targets");
    if (inputs && targets && (inputs->n > 0) != (targets->n > 0))
        lk_problems_add(problems, inputs->n ? inputs->mark : targets->mark,
                        "inputs and targets come together");
}

/* ---- what is watched ---- */

static bool has_validation(const lk_setting *root)
{
    const lk_setting *validation = lk_setting_get(root, "data.validation");
    return validation && !lk_setting_is(validation, "none");
}

/* The name under which a metric is reported: top_k is top_5. */
static bool is_metric(const lk_setting *root, const char *name)
{
    const lk_setting *metrics = lk_setting_get(root, "metrics");
    for (const lk_setting *metric = metrics ? metrics->first : NULL; metric; metric = metric->next) {
        const lk_setting *k = lk_setting_get(metric, "k");
        char              reported[64];
        if (k)
            snprintf(reported, sizeof reported, "top_%lld", (long long)k->integer);
        else
            snprintf(reported, sizeof reported, "%s", metric->name);
        if (!strcmp(reported, name)) return strcmp(name, "confusion_matrix") != 0;
    }
    return !strcmp(name, "loss");
}

/* "val_loss" and "loss" to what they are called here; NULL if nothing comes to mind. */
static const char *monitor_hint(lk_setting *root, lk_problems *problems, const char *text)
{
    static const char *const prefixes[] = {"val_",   "val.",        "valid_", "validation_",
                                           "valid.", "validation/", "val/",   ""};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t n = strlen(prefixes[i]);
        if (!strncmp(text, prefixes[i], n) && is_metric(root, text + n))
            return lk_pool_printf(problems->pool, " (did you mean 'validation.%s'?)", text + n);
    }
    return " (validation.loss, train.loss, or validation. and one of metrics)";
}

static void check_monitor(lk_setting *root, lk_setting *monitor, lk_problems *problems)
{
    const char *text = monitor->text, *name = text;
    bool        train = !strncmp(text, "train.", 6), validation = !strncmp(text, "validation.", 11);
    if (train) name += 6;
    if (validation) name += 11;
    if ((!train && !validation) || !is_metric(root, name))
        lk_problems_add(problems, monitor->value_mark, "%s: '%s' is not reported in this run%s",
                        monitor->name, text, monitor_hint(root, problems, text));
    else if (validation && !has_validation(root))
        lk_problems_add(problems, monitor->value_mark, "%s: '%s' needs data.validation, e.g. {fraction: 0.1}",
                        monitor->name, text);
}

static void finish_monitors(lk_setting *root, lk_problems *problems)
{
    lk_setting *best = lk_setting_get(root, "checkpoint.best"),
               *metric = lk_setting_get(root, "early_stop.metric");
    lk_setting *every = lk_setting_get(root, "evaluate.every");
    bool        evaluates = !every || every->when.unit != LK_WHEN_NEVER;
    if (best && lk_setting_is(best, "auto")) {
        best->text = has_validation(root) && evaluates ? "validation.loss" : "none";
        best->word = !strcmp(best->text, "none");
        best->plain = best->word;
    }
    if (best && !best->word) check_monitor(root, best, problems);
    if (metric) check_monitor(root, metric, problems);
    if (metric && !evaluates)
        lk_problems_add(problems, metric->mark, "early_stop never sees a number: evaluate.every is 'never'");
}

/* 0 alone stands for real hosts; a host of a list has a rank at least. */
static void finish_comm(const lk_setting *list, lk_problems *problems)
{
    for (const lk_setting *item = list && list->n > 1 ? list->first : NULL; item; item = item->next)
        if (item->integer == 0)
            lk_problems_add(problems, item->value_mark,
                            "ranks_per_host: a host of the list must have at least 1 rank, "
                            "not 0");
}

/* ---- model and loss ---- */

/* Blocks within blocks: bounded so that the rendered form, one level a key, stays within the depth of a YAML
 * tree. */
enum { MOST_NESTED = 8 };

static void check_nesting(const lk_setting *layers, int depth, lk_problems *problems)
{
    for (const lk_setting *layer = layers ? layers->first : NULL; layer; layer = layer->next) {
        const lk_setting *body = lk_setting_get(layer, "layers");
        if (body && depth == MOST_NESTED)
            lk_problems_add(problems, layer->mark, "blocks are nested more than %d deep", MOST_NESTED);
        else if (body)
            check_nesting(body, depth + 1, problems);
        if (body && depth < MOST_NESTED)
            check_nesting(lk_setting_get(layer, "shortcut"), depth + 1, problems);
    }
}

/* The layer whose output the loss sees, shape changes aside; NULL where that takes more than a look. */
static const lk_setting *last_layer(const lk_setting *layers)
{
    const lk_setting *found = NULL;
    if (layers && layers->broken) return NULL;
    for (const lk_setting *layer = layers ? layers->first : NULL; layer; layer = layer->next)
        if (strcmp(layer->name, "flatten") != 0 && strcmp(layer->name, "reshape") != 0) found = layer;
    if (found && !strcmp(found->name, "repeat")) return last_layer(lk_setting_get(found, "layers"));
    return found;
}

static void check_softmax_trap(lk_setting *root, lk_problems *problems)
{
    const lk_setting *loss = lk_setting_chosen(lk_setting_get(root, "loss"));
    const lk_setting *last = last_layer(lk_setting_get(root, "model"));
    if (!loss || !last) return;
    bool              softmax_loss = !strcmp(loss->name, "softmax_cross_entropy");
    bool              binary_loss = !strcmp(loss->name, "binary_cross_entropy");
    const lk_setting *function = lk_setting_get(last, "activation"), *units = lk_setting_get(last, "units");
    if (!function) function = lk_setting_get(last, "kind");
    bool softmax = lk_setting_is(function, "softmax"), sigmoid = lk_setting_is(function, "sigmoid");
    if ((softmax_loss && softmax) || (binary_loss && (sigmoid || softmax)))
        lk_problems_add(problems, function->value_mark, "the loss %s applies the %s itself: take this %s out",
                        loss->name, softmax_loss ? "softmax" : "sigmoid", function->text);
    if (softmax_loss && units && !strcmp(last->name, "dense") && !units->word && units->integer == 1)
        lk_problems_add(problems, units->value_mark,
                        "a softmax over 1 unit is always 1: units must be the number of classes, or the loss "
                        "binary_cross_entropy");
}

void lk_settings_finish(lk_setting *root, lk_problems *problems)
{
    if (!root) return;
    finish_length(root, problems);
    finish_lanes(root, problems);
    finish_data(root, problems);
    finish_monitors(root, problems);
    finish_comm(lk_setting_get(root, "comm.ranks_per_host"), problems);
    check_nesting(lk_setting_get(root, "model"), 1, problems);
    check_softmax_trap(root, problems);
}
