/** From values to places on the paper, and where the ticks are. */
#ifndef LK_PLOT_AXIS_H
#define LK_PLOT_AXIS_H

#include "plot/plot.h"

enum { LK_AXIS_MOST_TICKS = 24 };

/** `low` and `high` are exponents on a logarithmic axis. */
typedef struct lk_axis {
    lk_plot_scale scale;
    double        low, high;   /* ends of the axis */
    double        from, to;    /* where they are on the paper */
    double        first, step; /* ticks; in the same terms as low and high */
    int           n_ticks;
} lk_axis;

/** An axis over [low, high] whose ends are ticks. Logarithmic: both above 0. */
lk_axis lk_axis_make(lk_plot_scale scale, double low, double high, double from, double to);
/** An axis of n names, half a step of room at both ends. */
lk_axis lk_axis_of_names(int n, double from, double to);

double lk_axis_place(const lk_axis *axis, double value);
double lk_axis_tick(const lk_axis *axis, int k); /* value of tick k */

#endif
