/* Rows of scaling experiments as text and as pictures. */
#include "lockstep/scaling.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "core/alloc.h"
#include "data/csv.h"
#include "io/atomic.h"
#include "plot/plot.h"
#include "train/phase.h"

enum { MOST_COUNTS = 32, MOST_REPEATS = 64, STEP = LK_PHASES, ROWS_A_RUN };

typedef enum which { STRONG, WEAK, COPIES, EXPERIMENTS } which;
static const char *const experiment_names[EXPERIMENTS] = {"strong", "weak", "copies"};

/* What one row of the file says. */
typedef struct cell {
    double ms, jitter, imbalance, batch; /* ms: NaN where there is no row */
} cell;

typedef struct results {
    const char *path;
    int         ranks[MOST_COUNTS]; /* rising */
    int         n_counts, n_repeats;
    cell       *cells; /* owned [EXPERIMENTS][n_counts][n_repeats][ROWS_A_RUN] */
} results;

/* Median and quartiles over repeats; NaN where there are none. */
typedef struct spread {
    double low, middle, high;
} spread;

static cell *cell_at(const results *it, which e, int count, int repeat, int row)
{
    return &it->cells[(((int)e * it->n_counts + count) * it->n_repeats + repeat) * ROWS_A_RUN + row];
}

/* ---- reading ---- */

enum { EXPERIMENT, PHASE, RANKS, REPEAT, BATCH, MS, JITTER, IMBALANCE, COLUMNS };
static const char *const column_names[COLUMNS] = {"experiment", "phase",   "ranks",  "repeat",
                                                  "batch_size", "mean_ms", "jitter", "imbalance"};

typedef struct row {
    int    experiment, phase;
    double number[COLUMNS];
} row;

static int index_of(const char *word, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(word, names[i])) return i;
    return -1;
}

static lk_status read_row(const results *it, const lk_csv *csv, const int column[COLUMNS], int64_t line,
                          row *out)
{
    lk_status   st = LK_OK;
    const char *word = lk_csv_cell(csv, line, column[EXPERIMENT]),
               *phase = lk_csv_cell(csv, line, column[PHASE]);
    out->experiment = index_of(word, experiment_names, EXPERIMENTS);
    out->phase = !strcmp(phase, "step") ? STEP : index_of(phase, lk_phase_names, LK_PHASES);
    LK_CHECK(out->experiment >= 0, LK_E_DATA,
             "%s: row %lld: experiment '%s'; strong, weak or copies expected", it->path, (long long)line + 1,
             word);
    LK_CHECK(out->phase >= 0, LK_E_DATA, "%s: row %lld: there is no phase '%s'", it->path,
             (long long)line + 1, phase);
    for (int c = RANKS; c < COLUMNS; c++)
        LK_CHECK(lk_csv_number(lk_csv_cell(csv, line, column[c]), &out->number[c]) && out->number[c] >= 0,
                 LK_E_DATA, "%s: row %lld: %s is '%s'; a number expected", it->path, (long long)line + 1,
                 column_names[c], lk_csv_cell(csv, line, column[c]));
    LK_CHECK(out->number[REPEAT] < MOST_REPEATS, LK_E_DATA, "%s: row %lld: repeat %g; at most %d expected",
             it->path, (long long)line + 1, out->number[REPEAT], MOST_REPEATS - 1);
done:
    return st;
}

static int find_count(const results *it, int ranks)
{
    for (int i = 0; i < it->n_counts; i++)
        if (it->ranks[i] == ranks) return i;
    return -1;
}

static lk_status add_count(results *it, const row *r)
{
    lk_status st = LK_OK;
    int       ranks = (int)r->number[RANKS], at;
    if ((int)r->number[REPEAT] >= it->n_repeats) it->n_repeats = (int)r->number[REPEAT] + 1;
    if (find_count(it, ranks) >= 0) goto done;
    LK_CHECK(it->n_counts < MOST_COUNTS, LK_E_DATA, "%s: more than %d rank counts", it->path, MOST_COUNTS);
    for (at = it->n_counts++; at > 0 && it->ranks[at - 1] > ranks; at--) it->ranks[at] = it->ranks[at - 1];
    it->ranks[at] = ranks;
done:
    return st;
}

static lk_status fill_cells(results *it, const lk_csv *csv, const int column[COLUMNS])
{
    lk_status st = LK_OK;
    row       r;
    int       n = EXPERIMENTS * it->n_counts * it->n_repeats * ROWS_A_RUN;
    LK_TRY(LK_ALLOC(n, &it->cells));
    for (int i = 0; i < n; i++) it->cells[i].ms = (double)NAN;
    for (int64_t line = 0; line < csv->n_rows; line++) {
        LK_TRY(read_row(it, csv, column, line, &r));
        *cell_at(it, (which)r.experiment, find_count(it, (int)r.number[RANKS]), (int)r.number[REPEAT],
                 r.phase) = (cell){r.number[MS], r.number[JITTER], r.number[IMBALANCE], r.number[BATCH]};
    }
done:
    return st;
}

static lk_status read_results(results *it)
{
    lk_status st = LK_OK;
    int       column[COLUMNS];
    row       r;
    lk_csv    csv = {0};
    LK_TRY(lk_csv_open(it->path, &csv));
    for (int c = 0; c < COLUMNS; c++) {
        column[c] = lk_csv_column(&csv, column_names[c]);
        LK_CHECK(column[c] >= 0, LK_E_DATA, "%s: no column '%s'; a file of scaling steps expected", it->path,
                 column_names[c]);
    }
    LK_CHECK(csv.n_rows > 0, LK_E_DATA, "%s: no rows", it->path);
    for (int64_t line = 0; line < csv.n_rows; line++) {
        LK_TRY(read_row(it, &csv, column, line, &r));
        LK_TRY(add_count(it, &r));
    }
    LK_TRY(fill_cells(it, &csv, column));
done:
    lk_csv_clear(&csv);
    return st;
}

/* ---- figures ---- */

typedef double figure(const results *it, which e, int count, int repeat);

static double step_ms(const results *it, which e, int count, int repeat)
{
    return cell_at(it, e, count, repeat, STEP)->ms;
}

static double rate(const results *it, which e, int count, int repeat)
{
    const cell *step = cell_at(it, e, count, repeat, STEP);
    return 1e3 * step->batch / step->ms;
}

/* Against the fewest ranks of the same repeat. */
static double speed_up(const results *it, which e, int count, int repeat)
{
    return rate(it, e, count, repeat) / rate(it, e, 0, repeat) * it->ranks[0];
}

static double efficiency(const results *it, which e, int count, int repeat)
{
    return speed_up(it, e, count, repeat) / it->ranks[count];
}

static double against_copies(const results *it, which e, int count, int repeat)
{
    return step_ms(it, COPIES, count, repeat) / step_ms(it, e, count, repeat);
}

static spread spread_of(const results *it, figure *f, which e, int count)
{
    double values[MOST_REPEATS];
    int    n = 0;
    for (int r = 0; r < it->n_repeats; r++) {
        double value = f(it, e, count, r);
        if (isfinite(value)) values[n++] = value;
    }
    if (n == 0) return (spread){(double)NAN, (double)NAN, (double)NAN};
    return (spread){lk_bench_quantile(values, n, 0.25), lk_bench_quantile(values, n, 0.5),
                    lk_bench_quantile(values, n, 0.75)};
}

/* Median over repeats of one row: 0 its time, 1 its jitter, 2 its imbalance. */
static double median_of(const results *it, which e, int count, int phase, int what)
{
    double values[MOST_REPEATS];
    int    n = 0;
    for (int r = 0; r < it->n_repeats; r++) {
        const cell *c = cell_at(it, e, count, r, phase);
        if (isfinite(c->ms)) values[n++] = what == 0 ? c->ms : what == 1 ? c->jitter : c->imbalance;
    }
    return n ? lk_bench_quantile(values, n, 0.5) : (double)NAN;
}

static bool has(const results *it, which e)
{
    for (int k = 0; k < it->n_counts; k++)
        if (isfinite(spread_of(it, step_ms, e, k).middle)) return true;
    return false;
}

/* ---- text ---- */

static void write_spread(lk_str *text, spread s)
{
    lk_str_printf(text, "  %6.3f (%.3f to %.3f)", s.middle, s.low, s.high);
}

static void write_speeds(const results *it, which e, lk_str *text)
{
    lk_str_printf(text, "%s scaling: medians of %d repeats, quartiles in brackets\n", experiment_names[e],
                  it->n_repeats);
    lk_str_printf(text, "ranks  samples/s  speed-up                  efficiency%s\n",
                  e == WEAK && has(it, COPIES) ? "                against copies" : "");
    for (int k = 0; k < it->n_counts; k++) {
        spread s = spread_of(it, rate, e, k), beside = spread_of(it, against_copies, e, k);
        if (!isfinite(s.middle)) continue;
        lk_str_printf(text, "%5d %10.0f", it->ranks[k], s.middle);
        write_spread(text, spread_of(it, speed_up, e, k));
        write_spread(text, spread_of(it, efficiency, e, k));
        if (e == WEAK && isfinite(beside.middle)) write_spread(text, beside);
        lk_str_append(text, "\n");
    }
}

static void write_phases(const results *it, which e, lk_str *text)
{
    lk_str_append(text, "phase        ranks   ms a step   jitter  imbalance\n");
    for (int phase = 0; phase <= STEP; phase++)
        for (int k = 0; k < it->n_counts; k++) {
            double ms = median_of(it, e, k, phase, 0);
            if (!(ms > 0)) continue;
            lk_str_printf(text, "%-12s %5d %11.3f %7.1f%% %9.1f%%\n",
                          phase == STEP ? "step" : lk_phase_names[phase], it->ranks[k], ms,
                          100 * median_of(it, e, k, phase, 1), 100 * median_of(it, e, k, phase, 2));
        }
    lk_str_append(text, "\n");
}

/* ---- pictures ---- */

static lk_status write_picture(const lk_plot *plot, const char *folder, const char *name, lk_str *text)
{
    lk_status st = LK_OK;
    char      path[PATH_MAX], temporary[PATH_MAX];
    lk_str    svg;
    lk_str_init(&svg);
    LK_CHECK(snprintf(path, sizeof path, "%s/%s.svg", folder, name) < (int)sizeof path - 8, LK_E_IO,
             "folder %.60s...: the path is too long", folder);
    snprintf(temporary, sizeof temporary, "%.*s.tmp", (int)sizeof temporary - 8, path);
    LK_TRY(lk_plot_svg(plot, &svg));
    LK_TRY(lk_atomic_write(path, temporary, lk_str_text(&svg), svg.size));
    lk_str_printf(text, "wrote %s\n", path);
done:
    lk_str_clear(&svg);
    return st;
}

/* A line of a chart over rank counts. */
typedef struct line {
    double x[MOST_COUNTS], y[MOST_COUNTS], low[MOST_COUNTS], high[MOST_COUNTS];
} line;

static lk_plot_series make_line(const results *it, line *l, figure *f, which e, const char *name, int colour)
{
    for (int k = 0; k < it->n_counts; k++) {
        spread s = spread_of(it, f, e, k);
        l->x[k] = it->ranks[k];
        l->y[k] = s.middle;
        l->low[k] = s.low;
        l->high[k] = s.high;
    }
    return (lk_plot_series){.name = name,
                            .colour = colour,
                            .n = it->n_counts,
                            .x = l->x,
                            .y = l->y,
                            .low = l->low,
                            .high = l->high};
}

static lk_plot_series make_ideal(const results *it, line *l, bool speed)
{
    for (int k = 0; k < it->n_counts; k++) {
        l->x[k] = it->ranks[k];
        l->y[k] = speed ? it->ranks[k] : 1;
    }
    return (lk_plot_series){
        .name = "ideal", .kind = LK_PLOT_DASHED, .colour = -1, .n = it->n_counts, .x = l->x, .y = l->y};
}

static lk_status draw_speeds(const results *it, const char *folder, const char *subtitle, bool speed,
                             lk_str *text)
{
    line           lines[4];
    lk_plot_series series[4];
    int            n = 0;
    figure        *f = speed ? speed_up : efficiency;
    series[n++] = make_ideal(it, &lines[0], speed);
    if (has(it, STRONG)) series[n] = make_line(it, &lines[n], f, STRONG, "strong", 0), n++;
    if (has(it, WEAK)) series[n] = make_line(it, &lines[n], f, WEAK, "weak", 1), n++;
    if (has(it, COPIES) && has(it, WEAK) && !speed)
        series[n] = make_line(it, &lines[n], against_copies, WEAK, "weak, of copies", 2), n++;
    lk_plot plot = {
        .title = speed ? "Speed-up" : "Efficiency",
        .subtitle = subtitle,
        .x = {.label = "ranks", .scale = LK_PLOT_LOG2},
        .y = {.label = speed ? "speed-up (times the rate of one rank)" : "efficiency (speed-up a rank)",
              .scale = speed ? LK_PLOT_LOG2 : LK_PLOT_LINEAR,
              .from_zero = !speed},
        .series = series,
        .n_series = n};
    return write_picture(&plot, folder, speed ? "speedup" : "efficiency", text);
}

static lk_status draw_phases(const results *it, which e, const char *folder, const char *subtitle,
                             lk_str *text)
{
    line           lines[LK_PHASES];
    lk_plot_series series[LK_PHASES];
    const char    *names[MOST_COUNTS];
    char           numbers[MOST_COUNTS][16], title[64], file[32];
    int            n = 0;
    for (int k = 0; k < it->n_counts; k++) {
        snprintf(numbers[k], sizeof numbers[k], "%d", it->ranks[k]);
        names[k] = numbers[k];
    }
    for (int phase = 0; phase < LK_PHASES; phase++) {
        double most = 0;
        line  *l = &lines[n];
        for (int k = 0; k < it->n_counts; k++) {
            l->x[k] = k;
            l->y[k] = median_of(it, e, k, phase, 0);
            l->low[k] = l->high[k] = (double)NAN;
            if (l->y[k] > most) most = l->y[k];
        }
        if (most > 0)
            series[n++] = (lk_plot_series){.name = lk_phase_names[phase],
                                           .kind = LK_PLOT_STACK,
                                           .colour = phase,
                                           .n = it->n_counts,
                                           .x = l->x,
                                           .y = l->y};
    }
    for (int k = 0; n > 0 && k < it->n_counts; k++) {
        spread s = spread_of(it, step_ms, e, k);
        lines[n - 1].low[k] = s.low;
        lines[n - 1].high[k] = s.high;
    }
    if (n > 0) series[n - 1].low = lines[n - 1].low, series[n - 1].high = lines[n - 1].high;
    snprintf(title, sizeof title, "Where a step's time goes, %s scaling", experiment_names[e]);
    snprintf(file, sizeof file, "phases-%s", experiment_names[e]);
    lk_plot plot = {.title = title,
                    .subtitle = subtitle,
                    .x = {.label = "ranks", .names = names, .n_names = it->n_counts},
                    .y = {.label = "time a step, mean over ranks (ms)", .from_zero = true},
                    .series = series,
                    .n_series = n};
    return write_picture(&plot, folder, file, text);
}

lk_status lk_scaling_plot(const char *path, const char *folder, const char *subtitle, char **text)
{
    lk_status st = LK_OK;
    results   it = {.path = path};
    lk_str    out;
    *text = NULL;
    lk_str_init(&out);
    LK_TRY(read_results(&it));
    LK_TRY(lk_make_folders(folder));
    for (which e = STRONG; e <= WEAK; e++) {
        if (!has(&it, e)) continue;
        write_speeds(&it, e, &out);
        write_phases(&it, e, &out);
        LK_TRY(draw_phases(&it, e, folder, subtitle, &out));
    }
    LK_TRY(draw_speeds(&it, folder, subtitle, true, &out));
    LK_TRY(draw_speeds(&it, folder, subtitle, false, &out));
    LK_TRY(lk_str_copy(&out, text));
done:
    lk_free(&it.cells);
    lk_str_clear(&out);
    return st;
}
