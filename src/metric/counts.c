#include <math.h>

#include "metric/metric_internal.h"

/** The class that the outputs z of one element say. */
static int64_t predicted_class(const lk_metric *metric, const float *z)
{
    int64_t best = 0;

    if (metric->width == 1) return z[0] > metric->border ? 1 : 0;
    for (int64_t j = 1; j < metric->width; j++)
        if (z[j] > z[best]) best = j;
    return best;
}

/** The class that element `at` of the target holds; -1 if it is none. */
static int64_t true_class(const lk_metric *metric, const void *target, int64_t at)
{
    int64_t classes = metric->width == 1 ? 2 : metric->width, value;

    if (metric->dtype == LK_F32) return ((const float *)target)[at] > 0.5f ? 1 : 0;
    value = ((const int32_t *)target)[at];
    return value >= 0 && value < classes ? value : -1;
}

static bool in_top_k(const float *z, int64_t width, int64_t truth, int k)
{
    int64_t above = 0;

    if (truth < 0 || !isfinite(z[truth])) return false;
    for (int64_t j = 0; j < width; j++) above += z[j] > z[truth];
    return above < k;
}

/** precision, recall, f1: what was said and what is, for class 1 or for every class. */
static void count_class(const lk_metric *metric, int64_t truth, int64_t said, double *sums)
{
    int64_t sets = (metric->n_sums - 1) / 3, first = sets == 1 ? 1 : 0; /* class of the first set */

    if (said == truth && said >= first) sums[3 * (said - first)] += 1.0;
    if (said >= first) sums[3 * (said - first) + 1] += 1.0;
    if (truth >= first) sums[3 * (truth - first) + 2] += 1.0;
    sums[metric->n_sums - 1] += 1.0;
}

static void count_element(const lk_metric *metric, const float *z, const void *target, int64_t at,
                          double *sums)
{
    int64_t truth = true_class(metric, target, at), said;
    int64_t side = lk_metric_matrix_side(metric);

    if (metric->options.kind == LK_METRIC_TOP_K) {
        sums[0] += in_top_k(z, metric->width, truth, metric->options.k) ? 1.0 : 0.0;
        sums[1] += 1.0;
        return;
    }
    said = predicted_class(metric, z);
    if (metric->options.kind == LK_METRIC_ACCURACY) {
        sums[0] += said == truth ? 1.0 : 0.0;
        sums[1] += 1.0;
    } else if (side > 0) {
        if (truth >= 0) sums[truth * side + said] += 1.0;
    } else {
        count_class(metric, truth, said, sums);
    }
}

static void count_number(const lk_metric *metric, float z, const void *target, int64_t at, double *sums)
{
    double y =
        metric->dtype == LK_F32 ? (double)((const float *)target)[at] : (double)((const int32_t *)target)[at];
    double d = (double)z - y;

    if (metric->options.kind == LK_METRIC_R2) {
        double *own = sums + 4 * (at % metric->channels);
        own[0] += d * d;
        own[1] += y;
        own[2] += y * y;
        own[3] += 1.0;
        return;
    }
    if (metric->units) d *= metric->units[at % metric->n_units];
    sums[0] += metric->options.kind == LK_METRIC_MAE ? fabs(d) : d * d;
    sums[1] += 1.0;
}

void lk_metric_count_row(const lk_metric *metric, const float *output, const void *target, int64_t row,
                         const float *mask, double *sums)
{
    int64_t first = row * metric->elements;
    bool    numbers = metric->options.kind >= LK_METRIC_MSE;

    for (int64_t e = 0; e < metric->elements; e++) {
        const float *z = output + (first + e) * metric->width;
        if (mask && mask[e] == 0.0f) continue;
        if (numbers)
            count_number(metric, z[0], target, first + e, sums);
        else
            count_element(metric, z, target, first + e, sums);
    }
}
