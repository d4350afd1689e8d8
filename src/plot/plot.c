#include "plot/plot.h"

#include <math.h>
#include <stdio.h>

#include "plot/axis.h"

/* The paper, in pixels of SVG. */
enum {
    WIDTH = 760,
    HEIGHT = 440,
    LEFT = 76,
    RIGHT = 566, /* the legend stands beyond */
    TOP = 62,
    BOTTOM = 380,
    LEGEND = RIGHT + 18,
    LINE_HEIGHT = 20,
    PALETTE = 8,
};

/* Okabe and Ito: told apart by most colour-blind readers. */
static const char *const palette[PALETTE] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                             "#e69f00", "#56b4e9", "#f0e442", "#000000"};

typedef struct drawing {
    const lk_plot *plot;
    lk_axis        x, y;
    lk_str        *out;
} drawing;

static const char *colour_of(const lk_plot_series *series)
{
    return series->colour < 0 ? "#777777" : palette[series->colour % PALETTE];
}

/* ---- text ---- */

static void put_escaped(lk_str *out, const char *text)
{
    for (; *text; text++) {
        const char *entity = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '&' ? "&amp;" : NULL;
        if (entity)
            lk_str_append(out, entity);
        else
            lk_str_append_bytes(out, text, 1);
    }
}

static void put_text(lk_str *out, double x, double y, const char *more, const char *text)
{
    if (!text) return;
    lk_str_printf(out, "<text x=\"%.2f\" y=\"%.2f\"%s>", x, y, more);
    put_escaped(out, text);
    lk_str_append(out, "</text>\n");
}

static void put_line(lk_str *out, double x1, double y1, double x2, double y2, const char *more)
{
    lk_str_printf(out, "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\"%s/>\n", x1, y1, x2, y2, more);
}

/* ---- what the axes reach over ---- */

typedef struct range {
    double low, high;
} range;

static void reach(range *r, double value)
{
    if (!isfinite(value)) return;
    if (!(r->low <= value)) r->low = value;
    if (!(r->high >= value)) r->high = value;
}

static bool stacks(const lk_plot_series *series)
{
    return series->kind == LK_PLOT_STACK;
}

/* Top of the bars of series 0 .. n-1 at x. */
static double stacked(const lk_plot *plot, int n, double x)
{
    double sum = 0;
    for (int s = 0; s < n; s++)
        for (int i = 0; i < plot->series[s].n && stacks(&plot->series[s]); i++)
            if (plot->series[s].x[i] == x && isfinite(plot->series[s].y[i])) sum += plot->series[s].y[i];
    return sum;
}

static void reach_series(const lk_plot *plot, int s, range *x, range *y)
{
    const lk_plot_series *series = &plot->series[s];
    for (int i = 0; i < series->n; i++) {
        double top = stacks(series) ? stacked(plot, s + 1, series->x[i])
                     : series->y    ? series->y[i]
                                    : (double)NAN;
        if (!isfinite(top) && series->kind != LK_PLOT_BAND) continue;
        reach(x, series->x[i]);
        reach(y, top);
        if (series->low) reach(y, series->low[i]);
        if (series->high) reach(y, series->high[i]);
        if (stacks(series)) reach(y, 0);
    }
}

static lk_status check_range(const lk_plot *plot, const lk_plot_axis *axis, const range *r)
{
    lk_status   st = LK_OK;
    const char *title = plot->title ? plot->title : "without a title";
    LK_CHECK(isfinite(r->low), LK_E_DATA, "chart %s: no point to draw", title);
    LK_CHECK(axis->scale == LK_PLOT_LINEAR || r->low > 0, LK_E_DATA,
             "chart %s: %g on the logarithmic axis '%s'; values above 0 expected", title, r->low,
             axis->label);
done:
    return st;
}

static lk_status make_axes(drawing *it)
{
    lk_status      st = LK_OK;
    const lk_plot *plot = it->plot;
    range          x = {(double)NAN, (double)NAN}, y = x;
    for (int s = 0; s < plot->n_series; s++) reach_series(plot, s, &x, &y);
    if (plot->x.from_zero) reach(&x, 0);
    if (plot->y.from_zero) reach(&y, 0);
    LK_TRY(check_range(plot, &plot->x, &x));
    LK_TRY(check_range(plot, &plot->y, &y));
    it->x = plot->x.names ? lk_axis_of_names(plot->x.n_names, LEFT, RIGHT)
                          : lk_axis_make(plot->x.scale, x.low, x.high, LEFT, RIGHT);
    it->y = lk_axis_make(plot->y.scale, y.low, y.high, BOTTOM, TOP);
done:
    return st;
}

/* ---- frame, ticks, labels ---- */

static void tick_label(const lk_plot_axis *axis, const lk_axis *scale, int k, char text[64])
{
    double value = lk_axis_tick(scale, k);
    if (axis->names)
        snprintf(text, 64, "%s", axis->names[k]);
    else
        snprintf(text, 64, fabs(value) >= 1e6 ? "%.3g" : "%.7g", value);
}

static void draw_axes(const drawing *it)
{
    char text[64];
    for (int k = 0; k < it->x.n_ticks; k++) {
        double at = lk_axis_place(&it->x, lk_axis_tick(&it->x, k));
        put_line(it->out, at, BOTTOM, at, BOTTOM + 5, " class=\"axis\"");
        if (!it->plot->x.names) put_line(it->out, at, TOP, at, BOTTOM, " class=\"grid\"");
        tick_label(&it->plot->x, &it->x, k, text);
        put_text(it->out, at, BOTTOM + 19, " class=\"middle\"", text);
    }
    for (int k = 0; k < it->y.n_ticks; k++) {
        double at = lk_axis_place(&it->y, lk_axis_tick(&it->y, k));
        put_line(it->out, LEFT - 5, at, LEFT, at, " class=\"axis\"");
        put_line(it->out, LEFT, at, RIGHT, at, " class=\"grid\"");
        tick_label(&it->plot->y, &it->y, k, text);
        put_text(it->out, LEFT - 9, at + 4, " class=\"end\"", text);
    }
    lk_str_printf(it->out, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", LEFT, TOP, BOTTOM, RIGHT);
    put_text(it->out, (LEFT + RIGHT) / 2.0, BOTTOM + 42, " class=\"middle\"", it->plot->x.label);
    put_text(it->out, 0, 0, " class=\"middle\" transform=\"translate(20 221) rotate(-90)\"",
             it->plot->y.label);
    put_text(it->out, LEFT, 26, " class=\"title\"", it->plot->title);
    put_text(it->out, LEFT, 46, " class=\"small\"", it->plot->subtitle);
}

/* ---- series ---- */

static void draw_path(const drawing *it, const lk_plot_series *series)
{
    bool joined = false;
    lk_str_append(it->out, "<path fill=\"none\" d=\"");
    for (int i = 0; i < series->n; i++) {
        bool there = isfinite(series->x[i]) && isfinite(series->y[i]);
        if (there)
            lk_str_printf(it->out, "%c%.2f %.2f", joined ? 'L' : 'M', lk_axis_place(&it->x, series->x[i]),
                          lk_axis_place(&it->y, series->y[i]));
        joined = there;
    }
    bool dashed = series->kind == LK_PLOT_DASHED;
    lk_str_printf(it->out, "\" stroke=\"%s\" stroke-width=\"%s\"%s/>\n", colour_of(series),
                  dashed ? "1.2" : "2", dashed ? " stroke-dasharray=\"6 4\"" : "");
}

static void draw_error_bar(const drawing *it, const lk_plot_series *series, int i, double x)
{
    char more[64];
    if (!series->low || !isfinite(series->low[i]) || !isfinite(series->high[i])) return;
    double low = lk_axis_place(&it->y, series->low[i]), high = lk_axis_place(&it->y, series->high[i]);
    snprintf(more, sizeof more, " stroke=\"%s\" stroke-width=\"1.4\"", colour_of(series));
    put_line(it->out, x, low, x, high, more);
    put_line(it->out, x - 4, low, x + 4, low, more);
    put_line(it->out, x - 4, high, x + 4, high, more);
}

static void draw_points(const drawing *it, const lk_plot_series *series)
{
    for (int i = 0; i < series->n; i++) {
        if (!isfinite(series->x[i]) || !isfinite(series->y[i])) continue;
        double x = lk_axis_place(&it->x, series->x[i]);
        draw_error_bar(it, series, i, x);
        lk_str_printf(it->out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"3.5\" fill=\"%s\"/>\n", x,
                      lk_axis_place(&it->y, series->y[i]), colour_of(series));
    }
}

static void draw_band(const drawing *it, const lk_plot_series *series)
{
    char letter = 'M';
    lk_str_append(it->out, "<path d=\"");
    for (int k = 0; k < 2 * series->n; k++) {
        int           i = k < series->n ? k : 2 * series->n - 1 - k; /* there along low, back along high */
        const double *edge = k < series->n ? series->low : series->high;
        if (!isfinite(series->x[i]) || !isfinite(edge[i])) continue;
        lk_str_printf(it->out, "%c%.2f %.2f", letter, lk_axis_place(&it->x, series->x[i]),
                      lk_axis_place(&it->y, edge[i]));
        letter = 'L';
    }
    lk_str_printf(it->out, "Z\" fill=\"%s\" fill-opacity=\"0.22\"/>\n", colour_of(series));
}

static void draw_bars(const drawing *it, int s)
{
    const lk_plot_series *series = &it->plot->series[s];
    double                wide = 0.62 * (RIGHT - LEFT) / (it->x.high - it->x.low);
    if (wide > 64) wide = 64;
    for (int i = 0; i < series->n; i++) {
        if (!isfinite(series->y[i])) continue;
        double low = lk_axis_place(&it->y, stacked(it->plot, s, series->x[i]));
        double high = lk_axis_place(&it->y, stacked(it->plot, s + 1, series->x[i]));
        lk_str_printf(it->out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"/>\n",
                      lk_axis_place(&it->x, series->x[i]) - wide / 2, high, wide, low - high,
                      colour_of(series));
        draw_error_bar(it, series, i, lk_axis_place(&it->x, series->x[i]));
    }
}

static void draw_series(const drawing *it, int s)
{
    const lk_plot_series *series = &it->plot->series[s];
    if (series->kind == LK_PLOT_BAND) {
        draw_band(it, series);
    } else if (series->kind == LK_PLOT_STACK) {
        draw_bars(it, s);
    } else {
        draw_path(it, series);
        if (series->kind == LK_PLOT_LINE) draw_points(it, series);
    }
}

/* ---- legend ---- */

/* Stacks from the top down, as they stand. */
static void draw_legend(const drawing *it)
{
    const lk_plot *plot = it->plot;
    int            row = 0;
    for (int k = 0; k < plot->n_series; k++) {
        bool                  turned = stacks(&plot->series[0]) && stacks(&plot->series[plot->n_series - 1]);
        const lk_plot_series *series = &plot->series[turned ? plot->n_series - 1 - k : k];
        if (!series->name) continue;
        double y = TOP + 10 + LINE_HEIGHT * row++;
        char   more[96];
        snprintf(more, sizeof more, " stroke=\"%s\" stroke-width=\"2\"%s", colour_of(series),
                 series->kind == LK_PLOT_DASHED ? " stroke-dasharray=\"6 4\"" : "");
        if (series->kind == LK_PLOT_LINE || series->kind == LK_PLOT_DASHED)
            put_line(it->out, LEGEND, y, LEGEND + 22, y, more);
        else
            lk_str_printf(it->out, "<rect x=\"%d\" y=\"%.2f\" width=\"22\" height=\"12\" fill=\"%s\"%s/>\n",
                          LEGEND, y - 6, colour_of(series),
                          series->kind == LK_PLOT_BAND ? " fill-opacity=\"0.22\"" : "");
        put_text(it->out, LEGEND + 29, y + 4, "", series->name);
    }
}

lk_status lk_plot_svg(const lk_plot *plot, lk_str *svg)
{
    lk_status st = LK_OK;
    drawing   it = {.plot = plot, .out = svg};
    LK_TRY(make_axes(&it));
    lk_str_printf(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
        "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"#222222\">\n"
        "<style>.axis{stroke:#222222;fill:none}.grid{stroke:#dddddd}.middle{text-anchor:middle}"
        ".end{text-anchor:end}.title{font-size:16px;font-weight:bold}.small{font-size:12px}</style>\n"
        "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_axes(&it);
    for (int s = 0; s < plot->n_series; s++) draw_series(&it, s);
    draw_legend(&it);
    lk_str_append(svg, "</svg>\n");
    LK_CHECK(!svg->failed, LK_E_NOMEM, "out of memory for a chart");
done:
    return st;
}
