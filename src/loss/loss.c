#include "loss/loss.h"

#include <float.h>
#include <math.h>

#include "core/alloc.h"
#include "loss/terms.h"

struct lk_loss {
    lk_loss_options options;
    lk_dtype        dtype;    /* of the target */
    int64_t         elements; /* of the target, a sample */
    int64_t         classes;  /* softmax: outputs an element; else 1 */
};

const char *lk_loss_name(lk_loss_kind kind)
{
    static const char *const NAMES[] = {"mse", "mae", "huber", "softmax_cross_entropy",
                                        "binary_cross_entropy"};

    return NAMES[kind];
}

static lk_status check_options(const lk_loss_options *options)
{
    lk_status st = LK_OK;

    if (options->kind == LK_LOSS_HUBER)
        LK_CHECK(options->delta > 0.0f && options->delta <= FLT_MAX, LK_E_CONFIG,
                 "huber: delta is %g, it must be positive", (double)options->delta);
    if (options->kind == LK_LOSS_SOFTMAX_CROSS_ENTROPY)
        LK_CHECK(options->label_smoothing >= 0.0f && options->label_smoothing <= 1.0f, LK_E_CONFIG,
                 "softmax_cross_entropy: label_smoothing is %g, it must lie in 0..1",
                 (double)options->label_smoothing);
done:
    return st;
}

/** Sets *classes, the length of the output's last axis. */
static lk_status check_softmax(const lk_shape *output, const lk_field *target, int64_t *classes)
{
    lk_status st = LK_OK;
    char      have[LK_SHAPE_TEXT_BYTES], want[LK_SHAPE_TEXT_BYTES];
    lk_shape  places = *output;

    lk_shape_text(output, have);
    lk_shape_text(&target->shape, want);
    LK_CHECK(
        target->dtype == LK_I32, LK_E_CONFIG,
        "softmax_cross_entropy: target '%s' holds numbers (%s), it must hold class indices; for numbers take "
        "mse, for probabilities binary_cross_entropy",
        target->name, want);
    LK_CHECK(output->n_axes >= 1, LK_E_SHAPE,
             "softmax_cross_entropy: the output is a scalar, it must end in an axis of classes");
    *classes = output->axis[output->n_axes - 1];
    LK_CHECK(*classes >= 2, LK_E_SHAPE,
             "softmax_cross_entropy: the output %s has one unit, whose softmax is always 1; take "
             "binary_cross_entropy, or a unit for each class",
             have);
    places.n_axes--;
    LK_CHECK(lk_shape_equal_but_ones(&places, &target->shape), LK_E_SHAPE,
             "softmax_cross_entropy: the output is %s, target '%s' is %s: the output must be the target's "
             "shape and "
             "an axis of classes behind it",
             have, target->name, want);
    LK_CHECK(
        target->classes <= *classes, LK_E_SHAPE,
        "softmax_cross_entropy: the output has %lld units, target '%s' has %lld classes: give the last layer "
        "one unit a class",
        (long long)*classes, target->name, (long long)target->classes);
done:
    return st;
}

lk_status lk_loss_create(const lk_loss_options *options, const lk_shape *output, const lk_field *target,
                         lk_loss **out)
{
    lk_status st = LK_OK;
    lk_loss  *loss = NULL; /* owned until handed over */
    char      have[LK_SHAPE_TEXT_BYTES], want[LK_SHAPE_TEXT_BYTES];
    int64_t   classes = 1;

    *out = NULL;
    LK_TRY(check_options(options));
    if (options->kind == LK_LOSS_SOFTMAX_CROSS_ENTROPY)
        LK_TRY(check_softmax(output, target, &classes));
    else
        LK_CHECK(lk_shape_equal_but_ones(output, &target->shape), LK_E_SHAPE,
                 "%s: the output is %s, target '%s' is %s: they must be the same",
                 lk_loss_name(options->kind), lk_shape_text(output, have), target->name,
                 lk_shape_text(&target->shape, want));
    LK_TRY(LK_ALLOC(1, &loss));
    *loss = (lk_loss){.options = *options,
                      .dtype = target->dtype,
                      .elements = lk_shape_count(&target->shape),
                      .classes = classes};
    *out = loss;
done:
    return st;
}

void lk_loss_destroy(lk_loss **loss)
{
    if (loss) lk_free(loss);
}

static long long sample_of(const lk_batch *batch, int64_t row)
{
    return (long long)(batch->sample ? batch->sample[row] : row);
}

/** One row: its element terms summed and the number of elements that count. */
typedef struct row_sum {
    double loss, elements;
} row_sum;

static lk_status softmax_row(const lk_loss *loss, const float *z, const lk_batch *batch, int64_t row,
                             float weight, const float *mask, float *d_z, row_sum *sum)
{
    lk_status      st = LK_OK;
    int64_t        c = loss->classes;
    const int32_t *target = (const int32_t *)batch->target[0] + row * loss->elements;

    for (int64_t e = 0; e < loss->elements; e++) {
        float *slope = d_z ? d_z + e * c : NULL;
        if (mask && mask[e] == 0.0f) {
            if (slope)
                for (int64_t j = 0; j < c; j++) slope[j] = 0.0f;
            continue;
        }
        LK_CHECK(target[e] >= 0 && target[e] < c, LK_E_DATA,
                 "sample %lld has class %ld, the model's classes are 0..%lld", sample_of(batch, row),
                 (long)target[e], (long long)(c - 1));
        sum->loss += lk_terms_softmax(c, z + e * c, target[e], loss->options.label_smoothing, weight, slope);
        sum->elements += 1.0;
    }
done:
    return st;
}

/** Copies n targets as floats to y and checks those that count. */
static lk_status take_targets(const lk_loss *loss, const lk_batch *batch, int64_t row, int64_t lo, int n,
                              const float *mask, float *y)
{
    lk_status st = LK_OK;
    int64_t   at = row * loss->elements + lo;
    float     low = -FLT_MAX, high = FLT_MAX;
    bool      fine = true;

    if (loss->dtype == LK_I32)
        for (int i = 0; i < n; i++) y[i] = (float)((const int32_t *)batch->target[0])[at + i];
    else
        for (int i = 0; i < n; i++) y[i] = ((const float *)batch->target[0])[at + i];
    if (loss->options.kind == LK_LOSS_BINARY_CROSS_ENTROPY) {
        low = 0.0f;
        high = 1.0f;
    }
    for (int i = 0; i < n; i++) fine &= y[i] >= low && y[i] <= high;
    if (fine) return LK_OK;
    for (int i = 0; i < n; i++) {
        if (mask && mask[i] == 0.0f) continue;
        LK_CHECK(y[i] >= low && y[i] <= high, LK_E_DATA, "sample %lld has target %g at element %lld, %s %s",
                 sample_of(batch, row), (double)y[i], (long long)(lo + i), lk_loss_name(loss->options.kind),
                 high == 1.0f ? "takes 0..1" : "takes finite numbers");
    }
done:
    return st;
}

static void terms(const lk_loss_options *options, int n, const float *z, const float *y, float *term,
                  float *slope)
{
    switch (options->kind) {
    case LK_LOSS_MSE:
        lk_terms_mse(n, z, y, term, slope);
        break;
    case LK_LOSS_MAE:
        lk_terms_mae(n, z, y, term, slope);
        break;
    case LK_LOSS_HUBER:
        lk_terms_huber(n, options->delta, z, y, term, slope);
        break;
    case LK_LOSS_BINARY_CROSS_ENTROPY:
        lk_terms_binary(n, z, y, term, slope);
        break;
    case LK_LOSS_SOFTMAX_CROSS_ENTROPY:
        break;
    }
}

static lk_status element_row(const lk_loss *loss, const float *z, const lk_batch *batch, int64_t row,
                             float weight, const float *mask, float *d_z, row_sum *sum)
{
    lk_status st = LK_OK;
    float     y[LK_TERMS_BLOCK], term[LK_TERMS_BLOCK], slope[LK_TERMS_BLOCK];

    for (int64_t lo = 0; lo < loss->elements; lo += LK_TERMS_BLOCK) {
        int64_t      left = loss->elements - lo;
        int          n = left < LK_TERMS_BLOCK ? (int)left : LK_TERMS_BLOCK;
        const float *here = mask ? mask + lo : NULL;
        LK_TRY(take_targets(loss, batch, row, lo, n, here, y));
        terms(&loss->options, n, z + lo, y, term, slope);
        for (int i = 0; here && i < n; i++) { /* select, not multiply: a masked element may be NaN */
            term[i] = here[i] == 0.0f ? 0.0f : term[i];
            slope[i] = here[i] == 0.0f ? 0.0f : slope[i];
            sum->elements -= here[i] == 0.0f ? 1.0 : 0.0;
        }
        for (int i = 0; i < n; i++) sum->loss += (double)term[i];
        sum->elements += (double)n;
        for (int i = 0; d_z && i < n; i++) d_z[lo + i] = weight * slope[i];
    }
done:
    return st;
}

/** One sample: adds its weight and its weighted loss to sums. */
static lk_status eval_row(const lk_loss *loss, const float *z, const lk_batch *batch, int64_t row, float *d_z,
                          double *sums)
{
    lk_status    st = LK_OK;
    float        weight = batch->weight ? batch->weight[row] : 1.0f;
    const float *mask = batch->mask ? batch->mask + row * loss->elements : NULL;
    row_sum      sum = {0.0, 0.0};

    if (weight == 0.0f) {
        for (int64_t j = 0; d_z && j < loss->elements * loss->classes; j++) d_z[j] = 0.0f;
        goto done;
    }
    LK_CHECK(weight > 0.0f && weight <= FLT_MAX, LK_E_DATA,
             "sample %lld has weight %g, it must be finite and not negative", sample_of(batch, row),
             (double)weight);
    if (loss->options.kind == LK_LOSS_SOFTMAX_CROSS_ENTROPY)
        LK_TRY(softmax_row(loss, z, batch, row, weight, mask, d_z, &sum));
    else
        LK_TRY(element_row(loss, z, batch, row, weight, mask, d_z, &sum));
    sums[LK_SUM_WEIGHT] += (double)weight * sum.elements;
    sums[LK_SUM_LOSS] += (double)weight * sum.loss;
done:
    return st;
}

lk_status lk_loss_eval(const lk_loss *loss, const float *output, const lk_batch *batch, float *d_output,
                       double *sums, int n_columns)
{
    lk_status st = LK_OK;
    int64_t   width = loss->elements * loss->classes;

    for (int lane = 0; lane < batch->lanes.n; lane++) {
        int64_t begin = batch->lanes.start[lane], end = batch->lanes.start[lane + 1];
        double *row_of_lane = sums + (int64_t)lane * n_columns;

        row_of_lane[LK_SUM_WEIGHT] = 0.0;
        row_of_lane[LK_SUM_COUNT] = (double)(end - begin);
        row_of_lane[LK_SUM_LOSS] = 0.0;
        for (int64_t row = begin; row < end; row++)
            LK_TRY(eval_row(loss, output + row * width, batch, row, d_output ? d_output + row * width : NULL,
                            row_of_lane));
    }
done:
    return st;
}
