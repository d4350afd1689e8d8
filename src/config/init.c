/* A starting point: a commented configuration for a dataset. */
#include <string.h>

#include "config/config_internal.h"
#include "core/alloc.h"
#include "io/h5.h"
#include "lockstep/config.h"

/* What the template needs to know of a dataset in the plain layout. */
typedef struct dataset {
    const char *path;
    bool        has_validation, has_test;
    bool        is_image;   /* x is [N, H, W, C] */
    bool        is_bytes;   /* x is u8 */
    bool        is_classes; /* y holds class numbers */
    int64_t     n, classes;
    lk_shape    shape;
} dataset;

static lk_status count_classes(lk_h5 *file, dataset *d)
{
    lk_status st = LK_OK;
    char    **names = NULL;
    int64_t   n = 0;
    if (!lk_h5_has_attribute(file, "/train", "class_names")) return LK_OK;
    LK_TRY(lk_h5_get_texts(file, "/train", "class_names", &names, &n));
    d->classes = n;
    d->is_classes = true;
done:
    for (int64_t i = 0; names && i < n; i++) lk_free(&names[i]);
    lk_free(&names);
    return st;
}

static lk_status look_at(const char *path, dataset *d)
{
    lk_status  st = LK_OK;
    lk_h5     *file = NULL;
    lk_h5_info x, y;
    LK_TRY(lk_h5_open(path, &file));
    LK_CHECK(lk_h5_exists(file, "/train/x"), LK_E_DATA,
             "%s: no dataset /train/x; for files in another layout write data.inputs and data.targets", path);
    LK_TRY(lk_h5_stat(file, "/train/x", &x));
    LK_CHECK(x.n_axes >= 1 && x.n_axes - 1 <= LK_MAX_AXES, LK_E_DATA, "%s: /train/x has %d axes", path,
             x.n_axes);
    d->path = path;
    d->n = x.axis[0];
    d->shape.n_axes = x.n_axes - 1;
    for (int i = 1; i < x.n_axes; i++) d->shape.axis[i - 1] = x.axis[i];
    d->is_image = x.n_axes == 4;
    d->is_bytes = x.type == LK_H5_U8;
    d->has_validation = lk_h5_is_group(file, "/validation");
    d->has_test = lk_h5_is_group(file, "/test");
    if (lk_h5_exists(file, "/train/y")) {
        LK_TRY(lk_h5_stat(file, "/train/y", &y));
        d->is_classes = y.type < LK_H5_F16 && y.n_axes == 1;
    }
    LK_TRY(count_classes(file, d));
done:
    lk_h5_abandon(&file);
    return st;
}

static void write_data(const dataset *d, lk_str *out)
{
    char text[LK_SHAPE_TEXT_BYTES];
    lk_str_printf(out, "data:\n  train: \"%s:/train\"  # a group with x and y", d->path);
    if (d->n) lk_str_printf(out, ": %lld samples of %s", (long long)d->n, lk_shape_text(&d->shape, text));
    if (d->has_validation)
        lk_str_printf(out, "\n  validation: \"%s:/validation\"\n", d->path);
    else
        lk_str_append(out,
                      "\n  validation: {fraction: 0.1}  # of the training data; or a group of its own\n");
    if (d->has_test) lk_str_printf(out, "  test: \"%s:/test\"  # used once, at the end\n", d->path);
    lk_str_printf(out, "  normalise: %s\n",
                  d->is_bytes ? "unit  # bytes / 255" : "standard  # (x - mean) / std of the training data");
    if (!d->is_classes) lk_str_append(out, "  normalise_targets: standard  # predict undoes it\n");
    if (d->is_image) lk_str_append(out, "  # augment: [{flip: {horizontal: 0.5}}, {shift: {pixels: 2}}]\n");
}

static void write_model(const dataset *d, lk_str *out)
{
    lk_str_append(out, "model:\n");
    if (d->is_image)
        lk_str_append(out, "  - conv2d: {filters: 32, kernel: 3, padding: same, activation: relu}\n"
                           "  - max_pool: {size: 2}\n"
                           "  - conv2d: {filters: 64, kernel: 3, padding: same, activation: relu}\n"
                           "  - max_pool: {size: 2}\n");
    if (d->is_image || d->shape.n_axes > 1) lk_str_append(out, "  - flatten\n");
    lk_str_append(out, "  - dense: {units: 128, activation: relu}\n");
    if (!d->is_image) lk_str_append(out, "  - dense: {units: 128, activation: relu}\n");
    if (!d->is_classes)
        lk_str_append(out, "  - dense: {units: 1}  # the predicted value\n");
    else if (d->classes)
        lk_str_printf(out, "  - dense: {units: %lld}  # one a class; the loss applies the softmax\n",
                      (long long)d->classes);
    else
        lk_str_append(
            out, "  - dense: {units: classes}  # as many as the data has; the loss applies the softmax\n");
}

static void write_rest(const dataset *d, lk_str *out)
{
    lk_str_append(out, d->is_classes ? "loss: softmax_cross_entropy\nmetrics: [accuracy]\n"
                                     : "loss: mse\nmetrics: [mae, r2]\n");
    lk_str_append(out, "optimizer: {adam: {learning_rate: 1e-3}}  # or sgd, adagrad, rmsprop, adamw\n"
                       "schedule: {cosine: {to: 0, warmup: 1 epoch}}\n"
                       "# regularize: {l2: 1e-4}\n"
                       "train:\n"
                       "  epochs: 10\n"
                       "  batch_size: 256  # samples of one update over all ranks together\n"
                       "  # lanes: 16  # parts of the batch; ranks beyond this number would idle\n");
    lk_str_printf(out,
                  "early_stop: {metric: validation.loss, patience: 3}\n"
                  "checkpoint: {every: 10min, keep: 3, best: validation.%s}\n"
                  "log: {every: 30s}\n",
                  d->is_classes ? "accuracy" : "loss");
}

lk_status lk_config_init(const char *dataset_path, char **yaml)
{
    lk_status st = LK_OK;
    dataset   d = {
          .path = "dataset.h5", .is_classes = true, .is_bytes = true, .is_image = true, .has_test = true};
    lk_str out;
    *yaml = NULL;
    lk_str_init(&out);
    if (dataset_path) {
        d = (dataset){0};
        LK_TRY(look_at(dataset_path, &d));
    }
    lk_str_append(&out,
                  "# A Lockstep configuration. Check it with 'lockstep config check', see every key with\n"
                  "# 'lockstep config render', train with 'mpirun lockstep train'. 'lockstep config "
                  "reference' tells all.\n"
                  "lockstep: 1\n"
                  "seed: 1\n");
    write_data(&d, &out);
    write_model(&d, &out);
    write_rest(&d, &out);
    LK_TRY(lk_config_hand_over(&out, yaml));
done:
    lk_str_clear(&out);
    return st;
}
