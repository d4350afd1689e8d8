#include "plot/axis.h"

#include <math.h>

static double exponent(lk_plot_scale scale, double value)
{
    return scale == LK_PLOT_LINEAR ? value : scale == LK_PLOT_LOG2 ? log2(value) : log10(value);
}

/* The least of 1, 2, 5, 10, 20 ... that cuts the span into at most six steps. */
static double round_step(double span)
{
    double power = pow(10, floor(log10(span / 6)));
    double part = span / 6 / power;
    return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

lk_axis lk_axis_make(lk_plot_scale scale, double low, double high, double from, double to)
{
    static const double DUST = 1e-9; /* of a step: what rounding may leave of a value that is a tick */
    lk_axis             it = {.scale = scale, .from = from, .to = to};
    low = exponent(scale, low);
    high = exponent(scale, high);
    if (!(high - low > 1e-12 * fabs(high)))
        high = low + (low != 0 && scale == LK_PLOT_LINEAR ? fabs(low) : 1);
    it.step = scale == LK_PLOT_LINEAR ? round_step(high - low) : fmax(1, round_step(high - low));
    it.low = it.step * floor(low / it.step + DUST);
    it.high = it.step * ceil(high / it.step - DUST);
    it.first = it.low;
    it.n_ticks = (int)((it.high - it.low) / it.step + 0.5) + 1;
    return it;
}

lk_axis lk_axis_of_names(int n, double from, double to)
{
    return (lk_axis){.low = -0.5, .high = n - 0.5, .from = from, .to = to, .step = 1, .n_ticks = n};
}

double lk_axis_place(const lk_axis *axis, double value)
{
    double share = (exponent(axis->scale, value) - axis->low) / (axis->high - axis->low);
    return axis->from + share * (axis->to - axis->from);
}

double lk_axis_tick(const lk_axis *axis, int k)
{
    double at = axis->first + k * axis->step;
    if (fabs(at) < 1e-9 * axis->step) at = 0; /* -0.3 + 3 * 0.1 is not quite 0 */
    return axis->scale == LK_PLOT_LINEAR ? at : axis->scale == LK_PLOT_LOG2 ? exp2(at) : pow(10, at);
}
