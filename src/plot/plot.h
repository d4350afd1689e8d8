/**
 * Charts as SVG text: lines with error bars, bands and stacked bars on axes with ticks and units, and a legend.
 *
 * A chart is plain data that the caller fills in; one call draws it. The text depends on that data alone, so equal
 * figures give equal files.
 */
#ifndef LK_PLOT_PLOT_H
#define LK_PLOT_PLOT_H

#include "core/str.h"

typedef enum lk_plot_scale { LK_PLOT_LINEAR, LK_PLOT_LOG2, LK_PLOT_LOG10 } lk_plot_scale;

typedef struct lk_plot_axis {
    const char   *label; /* with the unit: "time (ms)" */
    lk_plot_scale scale;
    bool          from_zero; /* linear: 0 is on the axis even if all values are far from it */
    /* [n_names] or NULL: names at 0, 1, 2 ... instead of ticks; what bars stand on. */
    const char *const *names;
    int                n_names;
} lk_plot_axis;

typedef enum lk_plot_kind {
    LK_PLOT_LINE,   /* points, joined in their order, with error bars from low to high */
    LK_PLOT_DASHED, /* a line without points: what would be ideal */
    LK_PLOT_BAND,   /* the area between low and high */
    LK_PLOT_STACK,  /* bars that stand on those of the stacks before, at the same x */
} lk_plot_kind;

/** Arrays are borrowed during the call. A point that is not finite is left out and parts the line. */
typedef struct lk_plot_series {
    const char  *name; /* in the legend; NULL: not there */
    lk_plot_kind kind;
    int          colour; /* 0 to 7 of a palette that the colour-blind can read, then again from 0; -1: grey */
    int          n;
    const double *x, *y;      /* [n]; a band has no y */
    const double *low, *high; /* [n]; lines: or NULL, no error bars */
} lk_plot_series;

typedef struct lk_plot {
    const char           *title, *subtitle; /* NULL: none */
    lk_plot_axis          x, y;
    const lk_plot_series *series; /* [n_series], drawn in this order */
    int                   n_series;
} lk_plot;

/**
 * Appends the chart to `svg`. Axes reach over all values, error bars included. Errors: LK_E_DATA if there is no
 * finite point, or if a logarithmic axis gets a value that is not above 0. Local, deterministic.
 */
lk_status lk_plot_svg(const lk_plot *plot, lk_str *svg);

#endif
