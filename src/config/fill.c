#include "config/fill.h"

#include <string.h>

/* Reads of settings that the table promises to be there. */

static const lk_setting *need(const lk_setting *from, const char *path)
{
    static const lk_option  no_option = {.path = ""};
    static const lk_setting nothing = {.option = &no_option, .text = ""};
    const lk_setting       *setting = lk_setting_get(from, path);
    return setting ? setting : &nothing;
}

static double number(const lk_setting *from, const char *path)
{
    return need(from, path)->number;
}

static int64_t integer(const lk_setting *from, const char *path)
{
    return need(from, path)->integer;
}

/* Place of the chosen name in a list of names in the order of an enum; 0 if it is none of them. */
static int index_of(const char *name, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (name && !strcmp(name, names[i])) return i;
    return 0;
}

#define INDEX_OF(name, ...)                                                                                  \
    index_of((name), (const char *const[]){__VA_ARGS__},                                                     \
             (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static const char *chosen_name(const lk_setting *choice)
{
    const lk_setting *chosen = lk_setting_chosen(choice);
    return chosen ? chosen->name : NULL;
}

/* ---- data ---- */

static const char *const *texts(const lk_setting *list, lk_pool *pool, int *n)
{
    const char **array = list && list->n ? LK_POOL_ARRAY(pool, const char *, list->n) : NULL;
    *n = 0;
    if (!array) return NULL;
    for (const lk_setting *item = list->first; item; item = item->next) array[(*n)++] = item->text;
    return array;
}

static const double *numbers(const lk_setting *list, lk_pool *pool, int *n)
{
    double *array = list && list->n ? LK_POOL_ARRAY(pool, double, list->n) : NULL;
    *n = 0;
    if (!array) return NULL;
    for (const lk_setting *item = list->first; item; item = item->next) array[(*n)++] = item->number;
    return array;
}

static void fill_split(const lk_setting *split, lk_pool *pool, lk_split_options *out)
{
    out->files = texts(lk_setting_get(split, "files"), pool, &out->n_files);
    out->fraction = number(split, "fraction");
}

static lk_normalise fill_normalise(const lk_setting *normalise, lk_pool *pool, const double **mean,
                                   const double **std, int *n)
{
    if (normalise && normalise->text)
        return (lk_normalise)INDEX_OF(normalise->text, "none", "unit", "standard");
    *mean = numbers(lk_setting_get(normalise, "mean"), pool, n);
    *std = numbers(lk_setting_get(normalise, "std"), pool, n);
    return *mean && *std ? LK_NORMALISE_GIVEN : LK_NORMALISE_NONE;
}

static const char *text_or_null(const lk_setting *from, const char *path)
{
    const lk_setting *setting = lk_setting_get(from, path);
    return setting ? setting->text : NULL;
}

static void fill_field(const lk_setting *field, lk_pool *pool, lk_field_options *out)
{
    const lk_setting   *list = lk_setting_get(field, "datasets");
    lk_dataset_options *datasets = list ? LK_POOL_ARRAY(pool, lk_dataset_options, list->n) : NULL;
    out->name = field->name;
    out->axes = text_or_null(field, "axes");
    out->files = texts(lk_setting_get(field, "files"), pool, &out->n_files);
    out->normalise =
        fill_normalise(lk_setting_get(field, "normalise"), pool, &out->mean, &out->std, &out->n_given);
    if (!datasets) return;
    for (const lk_setting *dataset = list->first; dataset; dataset = dataset->next, out->n_datasets++) {
        datasets[out->n_datasets].path = text_or_null(dataset, "path");
        datasets[out->n_datasets].axes = text_or_null(dataset, "axes");
    }
    out->datasets = datasets;
}

static void fill_fields(const lk_setting *list, lk_pool *pool, const lk_field_options **fields, int *n_fields)
{
    lk_field_options *array = list && list->n ? LK_POOL_ARRAY(pool, lk_field_options, list->n) : NULL;
    if (!array) return;
    for (const lk_setting *field = list->first; field; field = field->next)
        fill_field(field, pool, &array[(*n_fields)++]);
    *fields = array;
}

static void fill_augment(const lk_setting *list, lk_pool *pool, lk_data_options *out)
{
    lk_augment_options *array = list && list->n ? LK_POOL_ARRAY(pool, lk_augment_options, list->n) : NULL;
    if (!array) return;
    for (const lk_setting *item = list->first; item; item = item->next) {
        lk_augment_options *augment = &array[out->n_augment++];
        augment->kind = (lk_augment_kind)INDEX_OF(item->name, "flip", "shift");
        augment->horizontal = (float)number(item, "horizontal");
        augment->vertical = (float)number(item, "vertical");
        augment->pixels = (int)integer(item, "pixels");
    }
    out->augment = array;
}

static void fill_data(const lk_setting *data, const char *base, lk_pool *pool, lk_data_options *out)
{
    const lk_setting *shuffle = lk_setting_get(data, "shuffle");
    fill_split(lk_setting_get(data, "train"), pool, &out->train);
    fill_split(lk_setting_get(data, "validation"), pool, &out->validation);
    fill_split(lk_setting_get(data, "test"), pool, &out->test);
    fill_fields(lk_setting_get(data, "inputs"), pool, &out->inputs, &out->n_inputs);
    fill_fields(lk_setting_get(data, "targets"), pool, &out->targets, &out->n_targets);
    out->normalise =
        fill_normalise(lk_setting_get(data, "normalise"), pool, &out->mean, &out->std, &out->n_given);
    if (lk_setting_is(lk_setting_get(data, "normalise_targets"), "standard"))
        out->normalise_targets = LK_NORMALISE_STANDARD;
    out->statistics_samples = integer(data, "statistics.samples");
    out->shuffle = (lk_shuffle)INDEX_OF(chosen_name(shuffle), "full", "window", "none");
    out->shuffle_window = integer(lk_setting_chosen(shuffle), "samples");
    fill_augment(lk_setting_get(data, "augment"), pool, out);
    out->base = base;
}

/* ---- loss, metrics, optimizer, schedule ---- */

static void fill_loss(const lk_setting *loss, lk_loss_options *out)
{
    const lk_setting *chosen = lk_setting_chosen(loss);
    out->kind = (lk_loss_kind)INDEX_OF(chosen_name(loss), "mse", "mae", "huber", "softmax_cross_entropy",
                                       "binary_cross_entropy");
    out->label_smoothing = (float)number(chosen, "label_smoothing");
    out->delta = (float)number(chosen, "delta");
}

static void fill_metrics(const lk_setting *list, lk_pool *pool, lk_run_options *out)
{
    lk_metric_options *array = list && list->n ? LK_POOL_ARRAY(pool, lk_metric_options, list->n) : NULL;
    if (!array) return;
    for (const lk_setting *item = list->first; item; item = item->next) {
        lk_metric_options *metric = &array[out->n_metrics++];
        metric->kind = (lk_metric_kind)INDEX_OF(item->name, "accuracy", "top_k", "precision", "recall", "f1",
                                                "confusion_matrix", "mse", "rmse", "mae", "r2");
        metric->k = (int)integer(item, "k");
        metric->threshold = (float)number(item, "threshold");
    }
    out->metrics = array;
}

static void fill_optim(const lk_setting *root, lk_optim_options *out)
{
    const lk_setting *choice = lk_setting_get(root, "optimizer"), *chosen = lk_setting_chosen(choice);
    out->kind = (lk_optim_kind)INDEX_OF(chosen_name(choice), "sgd", "adagrad", "rmsprop", "adam", "adamw");
    out->learning_rate = (float)number(chosen, "learning_rate");
    out->momentum = (float)number(chosen, "momentum");
    out->nesterov = need(chosen, "nesterov")->flag;
    out->beta1 = (float)number(chosen, "beta1");
    out->beta2 = (float)number(chosen, "beta2");
    out->rho = (float)number(chosen, "rho");
    out->epsilon = (float)number(chosen, "epsilon");
    out->initial = (float)number(chosen, "initial");
    out->weight_decay = (float)number(chosen, "weight_decay");
    out->l1 = (float)number(root, "regularize.l1");
    out->l2 = (float)number(root, "regularize.l2");
    out->clip_value = (float)number(root, "train.clip_value");
}

static void fill_sched(const lk_setting *choice, lk_sched_options *out)
{
    const lk_setting *chosen = lk_setting_chosen(choice);
    out->kind =
        (lk_sched_kind)INDEX_OF(chosen_name(choice), "constant", "linear", "step", "exponential", "cosine");
    out->warmup = need(chosen, "warmup")->when;
    out->to = (float)number(chosen, "to");
    out->gamma = (float)number(chosen, "gamma");
    out->every = need(chosen, "every")->when;
}

/* ---- the run ---- */

static lk_when length(const lk_setting *train)
{
    const lk_setting *steps = lk_setting_get(train, "steps");
    if (steps) return (lk_when){LK_WHEN_STEPS, steps->number};
    return (lk_when){LK_WHEN_EPOCHS, number(train, "epochs")};
}

static void fill_train(const lk_setting *root, lk_run_options *out)
{
    const lk_setting *verify = need(root, "train.verify_every");
    out->length = length(lk_setting_get(root, "train"));
    out->batch_size = integer(root, "train.batch_size");
    out->lanes = integer(root, "train.lanes");
    out->reduce = (lk_reduce_kind)INDEX_OF(need(root, "train.reduce")->text, "lockstep", "allreduce");
    out->clip_norm = number(root, "train.clip_norm");
    out->hang_timeout = need(root, "train.hang_timeout")->when.count; /* never: 0 */
    out->diverged_above = number(root, "train.diverged_above");
    out->verify_steps = verify->when.unit == LK_WHEN_STEPS ? (int64_t)verify->when.count : 0;
    out->kernels = need(root, "train.kernels")->text;
}

/* One number is the size of every host, a list the size of each. */
static void fill_comm(const lk_setting *list, lk_pool *pool, lk_comm_options *out)
{
    int *sizes = list && list->n > 1 ? LK_POOL_ARRAY(pool, int, list->n) : NULL;
    if (list && list->n == 1) out->ranks_per_host = (int)list->first->integer;
    if (!sizes) return;
    for (const lk_setting *item = list->first; item; item = item->next)
        sizes[out->n_host_sizes++] = (int)item->integer;
    out->host_sizes = sizes;
}

static void fill_monitors(const lk_setting *root, lk_run_options *out)
{
    const lk_setting *best = need(root, "checkpoint.best");
    out->early_stop.metric = text_or_null(root, "early_stop.metric");
    out->early_stop.patience = (int)integer(root, "early_stop.patience");
    out->early_stop.min_delta = number(root, "early_stop.min_delta");
    out->checkpoint_best.metric = best->word ? NULL : best->text;
}

void lk_fill_options(const lk_setting *root, const char *base, lk_pool *pool, lk_run_options *out)
{
    out->seed = (uint64_t)integer(root, "seed");
    fill_data(lk_setting_get(root, "data"), base, pool, &out->data);
    lk_fill_layers(lk_setting_get(root, "model"), pool, &out->model.layers, &out->model.n_layers);
    fill_loss(lk_setting_get(root, "loss"), &out->loss);
    fill_metrics(lk_setting_get(root, "metrics"), pool, out);
    fill_optim(root, &out->optim);
    fill_sched(lk_setting_get(root, "schedule"), &out->sched);
    fill_train(root, out);
    fill_comm(lk_setting_get(root, "comm.ranks_per_host"), pool, &out->comm);
    fill_monitors(root, out);
    out->evaluate_every = need(root, "evaluate.every")->when;
    out->evaluate_by = (lk_evaluate_by)INDEX_OF(need(root, "evaluate.by")->text, "auto", "root", "all");
    out->evaluate_chunk = integer(root, "evaluate.chunk");
    out->checkpoint_every = need(root, "checkpoint.every")->when;
    out->checkpoint_keep = (int)integer(root, "checkpoint.keep");
    out->log_every = need(root, "log.every")->when;
}
