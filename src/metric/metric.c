#include "metric/metric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "metric/metric_internal.h"

static const char *kind_name(lk_metric_kind kind)
{
    static const char *const NAMES[] = {"accuracy",         "top_k", "precision", "recall", "f1",
                                        "confusion_matrix", "mse",   "rmse",      "mae",    "r2"};

    return NAMES[kind];
}

/** Classification: sets elements, width and border. */
static lk_status fit_classes(lk_metric *metric, const lk_shape *output, const lk_field *target, bool logits)
{
    lk_status   st = LK_OK;
    lk_shape    places = *output;
    const char *name = kind_name(metric->options.kind);
    char        have[LK_SHAPE_TEXT_BYTES], want[LK_SHAPE_TEXT_BYTES];
    float       threshold = metric->options.threshold == 0.0f ? 0.5f : metric->options.threshold;

    lk_shape_text(output, have);
    lk_shape_text(&target->shape, want);
    metric->width = 1;
    if (lk_shape_equal_but_ones(output, &target->shape)) { /* binary by threshold */
        LK_CHECK(threshold > 0.0f && threshold < 1.0f, LK_E_CONFIG,
                 "%s: threshold is %g, it must lie between 0 and 1", name, (double)threshold);
        LK_CHECK(metric->options.kind != LK_METRIC_TOP_K, LK_E_CONFIG,
                 "top_k needs an output a class, and the output %s has one for each of target '%s' (%s)",
                 have, target->name, want);
        LK_CHECK(target->classes <= 2, LK_E_CONFIG,
                 "%s: target '%s' has %lld classes and the output %s one unit for them: give the last layer "
                 "one unit a "
                 "class",
                 name, target->name, (long long)target->classes, have);
        metric->border = logits ? (float)log((double)threshold / (1.0 - (double)threshold)) : threshold;
        goto done;
    }
    LK_CHECK(target->dtype == LK_I32, LK_E_CONFIG,
             "%s: target '%s' (%s) holds numbers, the output is %s: it counts classes; for numbers take mse, "
             "mae or r2",
             name, target->name, want, have);
    LK_CHECK(output->n_axes >= 1, LK_E_SHAPE, "%s: the output is a scalar, target '%s' is %s", name,
             target->name, want);
    metric->width = output->axis[--places.n_axes];
    LK_CHECK(lk_shape_equal_but_ones(&places, &target->shape), LK_E_SHAPE,
             "%s: the output is %s, target '%s' is %s: the output must be the target's shape and an axis of "
             "classes "
             "behind it",
             name, have, target->name, want);
done:
    return st;
}

/** Regression: output and target alike. */
static lk_status fit_numbers(lk_metric *metric, const lk_shape *output, const lk_field *target)
{
    lk_status   st = LK_OK;
    const char *name = kind_name(metric->options.kind);
    lk_shape    shape = target->shape;
    char        have[LK_SHAPE_TEXT_BYTES], want[LK_SHAPE_TEXT_BYTES];

    LK_CHECK(lk_shape_equal_but_ones(output, &target->shape), LK_E_SHAPE,
             "%s: the output is %s, target '%s' is %s: they must be the same%s", name,
             lk_shape_text(output, have), target->name, lk_shape_text(&target->shape, want),
             target->dtype == LK_I32 ? "; for classes take accuracy" : "");
    metric->width = 1;
    metric->channels = shape.n_axes > 0 ? shape.axis[shape.n_axes - 1] : 1;
    LK_CHECK(metric->options.kind != LK_METRIC_R2 || metric->channels <= LK_METRIC_MAX_SIDE, LK_E_CONFIG,
             "r2: target '%s' (%s) has %lld channels, r2 keeps sums for at most %d; take rmse", target->name,
             lk_shape_text(&target->shape, want), (long long)metric->channels, LK_METRIC_MAX_SIDE);
done:
    return st;
}

static int sums_of(const lk_metric *metric)
{
    int width = metric->width <= LK_METRIC_MAX_SIDE ? (int)metric->width : LK_METRIC_MAX_SIDE;

    switch (metric->options.kind) {
    case LK_METRIC_PRECISION:
    case LK_METRIC_RECALL:
    case LK_METRIC_F1:
        return 3 * (width <= 2 ? 1 : width) + 1;
    case LK_METRIC_CONFUSION_MATRIX:
        return width == 1 ? 4 : width * width;
    case LK_METRIC_R2:
        return 4 * (int)metric->channels;
    default:
        return 2;
    }
}

/** Kinds that keep sums for every class. */
static bool by_class(lk_metric_kind kind)
{
    return kind == LK_METRIC_PRECISION || kind == LK_METRIC_RECALL || kind == LK_METRIC_F1 ||
           kind == LK_METRIC_CONFUSION_MATRIX;
}

lk_status lk_metric_create(const lk_metric_options *options, const lk_shape *output, const lk_field *target,
                           bool logits, lk_metric **out)
{
    lk_status  st = LK_OK;
    lk_metric *metric = NULL; /* owned until handed over */

    *out = NULL;
    LK_TRY(LK_ALLOC(1, &metric));
    metric->options = *options;
    metric->dtype = target->dtype;
    metric->elements = lk_shape_count(&target->shape);
    if (options->kind >= LK_METRIC_MSE)
        LK_TRY(fit_numbers(metric, output, target));
    else
        LK_TRY(fit_classes(metric, output, target, logits));
    LK_CHECK(!by_class(options->kind) || metric->width <= LK_METRIC_MAX_SIDE, LK_E_CONFIG,
             "%s: the output has %lld classes, it keeps sums for at most %d; take accuracy or top_k",
             kind_name(options->kind), (long long)metric->width, LK_METRIC_MAX_SIDE);
    LK_CHECK(options->kind != LK_METRIC_TOP_K || (options->k >= 1 && options->k <= metric->width),
             LK_E_CONFIG, "top_k: k is %d, it must lie in 1..%lld, the number of classes", options->k,
             (long long)metric->width);
    metric->n_sums = sums_of(metric);
    if (options->kind == LK_METRIC_TOP_K)
        snprintf(metric->name, sizeof metric->name, "top_%d", options->k);
    else
        snprintf(metric->name, sizeof metric->name, "%s", kind_name(options->kind));
    *out = metric;
    metric = NULL;
done:
    lk_metric_destroy(&metric);
    return st;
}

lk_status lk_metric_set_units(lk_metric *metric, int64_t n, const double *deviation)
{
    lk_status st = LK_OK;

    lk_free(&metric->units);
    metric->n_units = 0;
    if (n < 1 || metric->options.kind < LK_METRIC_MSE || metric->options.kind == LK_METRIC_R2) goto done;
    LK_TRY(LK_ALLOC(n, &metric->units));
    memcpy(metric->units, deviation, (size_t)n * sizeof *deviation);
    metric->n_units = n;
done:
    return st;
}

void lk_metric_destroy(lk_metric **metric)
{
    if (metric && *metric) lk_free(&(*metric)->units);
    if (metric) lk_free(metric);
}

const char *lk_metric_name(const lk_metric *metric)
{
    return metric->name;
}

int lk_metric_n_sums(const lk_metric *metric)
{
    return metric->n_sums;
}

bool lk_metric_higher_is_better(const lk_metric *metric)
{
    return metric->options.kind < LK_METRIC_MSE || metric->options.kind == LK_METRIC_R2;
}

int64_t lk_metric_matrix_side(const lk_metric *metric)
{
    if (metric->options.kind != LK_METRIC_CONFUSION_MATRIX) return 0;
    return metric->width == 1 ? 2 : metric->width;
}

void lk_metric_eval(const lk_metric *metric, const float *output, const lk_batch *batch, double *sums,
                    int n_columns, int column)
{
    for (int lane = 0; lane < batch->lanes.n; lane++) {
        double *own = sums + (int64_t)lane * n_columns + column;
        for (int i = 0; i < metric->n_sums; i++) own[i] = 0.0;
        for (int64_t row = batch->lanes.start[lane]; row < batch->lanes.start[lane + 1]; row++) {
            if (batch->weight && batch->weight[row] == 0.0f) continue;
            lk_metric_count_row(metric, output, batch->target[0], row,
                                batch->mask ? batch->mask + row * metric->elements : NULL, own);
        }
    }
}

static double ratio(double above, double below)
{
    return below > 0.0 ? above / below : 0.0;
}

/** precision, recall or f1 of {true positives, predicted, actual}. */
static double class_value(lk_metric_kind kind, const double *set)
{
    if (kind == LK_METRIC_PRECISION) return ratio(set[0], set[1]);
    if (kind == LK_METRIC_RECALL) return ratio(set[0], set[2]);
    return ratio(2.0 * set[0], set[1] + set[2]);
}

static double macro_value(const lk_metric *metric, const double *sums)
{
    int    sets = (metric->n_sums - 1) / 3, seen = 0;
    double total = 0.0;

    if (sums[metric->n_sums - 1] == 0.0) return (double)NAN;
    if (sets == 1) return class_value(metric->options.kind, sums);
    for (int i = 0; i < sets; i++) {
        if (sums[3 * i + 1] == 0.0 && sums[3 * i + 2] == 0.0) continue;
        total += class_value(metric->options.kind, sums + 3 * i);
        seen++;
    }
    return total / seen;
}

static double r2_value(const lk_metric *metric, const double *sums)
{
    double total = 0.0;

    for (int64_t i = 0; i < metric->channels; i++) {
        const double *own = sums + 4 * i;
        double        spread = own[2] - own[1] * (own[1] / own[3]);
        /* What is left of equal floats is rounding: far below the spread of floats that differ at all. */
        if (!(own[3] > 0.0) || spread <= 1e-13 * own[2]) return (double)NAN;
        total += 1.0 - own[0] / spread;
    }
    return total / (double)metric->channels;
}

double lk_metric_value(const lk_metric *metric, const double *sums)
{
    switch (metric->options.kind) {
    case LK_METRIC_PRECISION:
    case LK_METRIC_RECALL:
    case LK_METRIC_F1:
        return macro_value(metric, sums);
    case LK_METRIC_CONFUSION_MATRIX:
        return (double)NAN;
    case LK_METRIC_R2:
        return r2_value(metric, sums);
    case LK_METRIC_RMSE:
        return sums[1] > 0.0 ? sqrt(sums[0] / sums[1]) : (double)NAN;
    default:
        return sums[1] > 0.0 ? sums[0] / sums[1] : (double)NAN;
    }
}
