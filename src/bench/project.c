/*
 * From a measured run to hosts that are not there: the event model of replay.h, its three unknowns fitted to steps that
 * were measured on few hosts, with times of computing drawn from a measured run.
 */
#include "lockstep/scaling.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/replay.h"
#include "core/alloc.h"
#include "core/rng.h"
#include "io/atomic.h"
#include "io/output.h"
#include "plot/plot.h"

/* Of more than MANY_HOSTS a step takes seconds to replay: fewer replicates, of one step. */
enum { MANY_HOSTS = 512, FEW_REPLICATES = 5 };
enum { REPLICATES = 16, FIT_STEPS = 9, UNKNOWNS = 3, MOST_FACTOR = 16, MOST_HOSTS = 4096, MOST_POINTS = 256 };

/* Ethernet with 1,500 bytes a packet: of 1,538 on the wire 1,448 are ours. */
static const double TCP_SHARE = 0.941;

/* What is fitted. Bootstrap replicates draw the runs that they are fitted to with replacement. */
typedef struct model {
    double share;     /* of the one-way goodput, where both ways are in use */
    double message_s; /* as in lk_replay_network */
    double byte_s;
} model;

/* A projected time or efficiency: over replicates the median, and from 5 to 95 of a hundred. */
typedef struct range {
    double low, middle, high;
} range;

typedef struct point {
    int     hosts;
    int64_t bytes;
    double  gbit; /* 0: links as measured */
    range   step_s, efficiency;
} point;

typedef struct projection {
    const lk_project_options *options;
    const int64_t            *sizes; /* [n_sizes] the wish, or those of the run that is drawn from */
    int                       n_sizes;
    lk_sample_table           fit, compute;       /* compute: whose times of computing are drawn */
    lk_replay               **replays;            /* owned [fit.n_runs] */
    model                     models[REPLICATES]; /* [0] of all runs */
    lk_sample                *times;              /* owned scratch [MOST_HOSTS] */
    point                     points[MOST_POINTS];
    int                       n_points;
} projection;

/* ---- draws ---- */

/* Host by host: its slowest rank of as many draws as it has ranks. A replicate sees a sample of the samples. */
static void draw_times(projection *it, const lk_measured_run *from, int hosts, int replicate, int step)
{
    int    ranks = from->about.ranks / from->about.hosts;
    lk_rng seen = lk_rng_make(1, LK_RNG_BOOTSTRAP, 0, replicate, 0);
    lk_rng now = lk_rng_make(1, LK_RNG_BOOTSTRAP, 1, replicate, step);
    for (int h = 0; h < hosts; h++) {
        it->times[h] = (lk_sample){0};
        for (int r = 0; r < ranks; r++) {
            uint64_t word =
                lk_rng_word(&now, (uint64_t)h * (uint64_t)ranks + (uint64_t)r) % (uint64_t)from->n;
            lk_sample one = from->samples[replicate ? lk_rng_word(&seen, word) % (uint64_t)from->n : word];
            if (one.compute > it->times[h].compute) {
                it->times[h].compute = one.compute;
                it->times[h].backward = one.backward;
            }
            it->times[h].tail = fmax(it->times[h].tail, one.tail);
        }
    }
}

/* Median over steps. */
static double simulate(projection *it, lk_replay *replay, const lk_replay_network *network,
                       const lk_measured_run *from, int hosts, int replicate, int n_steps)
{
    double steps[FIT_STEPS];
    for (int i = 0; i < n_steps; i++) {
        draw_times(it, from, hosts, replicate, i);
        steps[i] = lk_replay_step(replay, network, it->times);
    }
    return lk_bench_quantile(steps, n_steps, 0.5);
}

static lk_replay_network network_of(const model *m, double goodput, double latency_s)
{
    return (lk_replay_network){m->share * goodput, latency_s, m->message_s, m->byte_s};
}

/* ---- fit ---- */

static double run_error(projection *it, int i, const model *m)
{
    const lk_measured_run *run = &it->fit.runs[i];
    lk_replay_network      network = network_of(m, run->about.goodput, run->about.latency_s);
    return log(simulate(it, it->replays[i], &network, run, run->about.hosts, 0, FIT_STEPS) / run->step_s);
}

/* Mean square of the logarithms of modelled over measured times; `weight` [n_runs]: how often a run was drawn. */
static double loss(projection *it, const model *m, const int *weight)
{
    double sum = 0;
    for (int i = 0; i < it->fit.n_runs; i++) {
        double error = weight[i] ? run_error(it, i, m) : 0;
        sum += weight[i] * error * error;
    }
    return sum / it->fit.n_runs;
}

/* Costs below these are nothing: exactly so, for less than a rounding of a time would still choose between events at
 * the same time. */
static const model LEAST = {.message_s = 1e-9, .byte_s = 1e-13};

static double *unknown(model *m, int k)
{
    return k == 0 ? &m->share : k == 1 ? &m->message_s : &m->byte_s;
}

static model in_bounds(model m)
{
    if (m.share > 1) m.share = 1;
    if (m.message_s < LEAST.message_s) m.message_s = 0;
    if (m.byte_s < LEAST.byte_s) m.byte_s = 0;
    return m;
}

/* Along each unknown in turn, by a factor that grows where it leads down and shrinks where it does not: the valley is
 * smooth and three-dimensional, and its floor may be at costs of nothing. */
static model fit_model(projection *it, const int *weight)
{
    model  best = {.share = 0.95, .message_s = 2e-5, .byte_s = 3e-10};
    double least = loss(it, &best, weight), factor[UNKNOWNS] = {1.2, 2, 2};
    while (fmax(factor[0], fmax(factor[1], factor[2])) > 1.01) {
        for (int k = 0; k < UNKNOWNS; k++) {
            bool better = false;
            for (int way = 0; way < 2 && !better; way++) {
                model next = best;
                *unknown(&next, k) *= way ? factor[k] : 1 / factor[k];
                next = in_bounds(next);
                double now = loss(it, &next, weight);
                better = now < least;
                if (!better) continue;
                least = now;
                best = next;
            }
            factor[k] = better ? fmin(factor[k] * factor[k], MOST_FACTOR) : sqrt(factor[k]);
        }
    }
    return best;
}

static lk_status fit_models(projection *it)
{
    lk_status st = LK_OK;
    int       n = it->fit.n_runs, *weight = NULL;
    LK_TRY(LK_ALLOC(n, &weight));
    LK_TRY(LK_ALLOC(n, &it->replays));
    for (int i = 0; i < n; i++) {
        const lk_sample_run *run = &it->fit.runs[i].about;
        LK_CHECK(run->hosts > 1 && run->hosts <= MOST_HOSTS && run->goodput > 0, LK_E_DATA,
                 "%s: a run on %d hosts; the fit needs several, with the rate of their links",
                 it->options->fit, run->hosts);
        LK_TRY(
            lk_replay_create(run->hosts, run->ranks / run->hosts, run->lanes, run->bytes, &it->replays[i]));
    }
    for (int r = 0; r < REPLICATES; r++) {
        lk_rng rng = lk_rng_make(1, LK_RNG_BOOTSTRAP, 2, r, 0);
        for (int i = 0; i < n; i++) weight[i] = r == 0;
        for (int i = 0; r > 0 && i < n; i++) weight[lk_rng_word(&rng, (uint64_t)i) % (uint32_t)n]++;
        it->models[r] = fit_model(it, weight);
    }
done:
    lk_free(&weight);
    return st;
}

static void write_fit(projection *it, lk_str *text)
{
    double sum = 0, worst = 0;
    for (int i = 0; i < it->fit.n_runs; i++) {
        double error = fabs(exp(run_error(it, i, &it->models[0])) - 1);
        sum += error;
        worst = fmax(worst, error);
    }
    const model *m = &it->models[0];
    lk_str_printf(text,
                  "# fitted to %d runs: %.3f of the one-way goodput, %.1f us a message, %.3f ns a byte; "
                  "error mean %.1f %%, worst %.1f %%\n",
                  it->fit.n_runs, m->share, 1e6 * m->message_s, 1e9 * m->byte_s, 100 * sum / it->fit.n_runs,
                  100 * worst);
}

/* ---- projection ---- */

static range range_of(double *values, int n)
{
    return (range){lk_bench_quantile(values, n, 0.05), lk_bench_quantile(values, n, 0.5),
                   lk_bench_quantile(values, n, 0.95)};
}

/* What a host needs alone, over many draws: the yardstick of efficiency. */
static double time_alone(projection *it, const lk_measured_run *from, int replicate)
{
    double alone[MOST_HOSTS];
    draw_times(it, from, MOST_HOSTS, replicate, -1);
    for (int i = 0; i < MOST_HOSTS; i++) alone[i] = it->times[i].compute + it->times[i].tail;
    return lk_bench_quantile(alone, MOST_HOSTS, 0.5);
}

static void project(projection *it, point *p, lk_replay *replay)
{
    const lk_measured_run *from = &it->compute.runs[0], *links = &it->fit.runs[0];
    double                 step[REPLICATES], efficiency[REPLICATES];
    double                 goodput = p->gbit > 0 ? TCP_SHARE * p->gbit * 1e9 / 8 : links->about.goodput;
    double latency = it->options->latency_s > 0 ? it->options->latency_s : links->about.latency_s;
    int    n = p->hosts > MANY_HOSTS ? FEW_REPLICATES : REPLICATES;
    int    n_steps = p->hosts > MANY_HOSTS ? 1 : p->hosts > 64 ? 3 : FIT_STEPS;
    for (int r = 0; r < n; r++) {
        lk_replay_network network = network_of(&it->models[r], goodput, latency);
        step[r] = simulate(it, replay, &network, from, p->hosts, r, n_steps);
        efficiency[r] = time_alone(it, from, r) / step[r];
    }
    p->step_s = range_of(step, n);
    p->efficiency = range_of(efficiency, n);
}

static lk_status project_all(projection *it, lk_str *text)
{
    lk_status                 st = LK_OK;
    const lk_project_options *o = it->options;
    const lk_sample_run      *like = &it->compute.runs[0].about;
    lk_replay                *replay = NULL;
    int                       ranks = like->ranks / like->hosts;
    LK_CHECK((int64_t)o->n_hosts * it->n_sizes * (o->n_gbit ? o->n_gbit : 1) <= MOST_POINTS, LK_E_USAGE,
             "scaling project: more than %d points", MOST_POINTS);
    lk_str_append(text,
                  "hosts,ranks,bytes,gbit_per_s,busiest_bytes,step_ms,step_low_ms,step_high_ms,efficiency,"
                  "efficiency_low,efficiency_high\n");
    for (int s = 0; s < it->n_sizes; s++)
        for (int h = 0; h < o->n_hosts; h++) {
            LK_TRY(lk_replay_create(o->hosts[h], ranks, like->lanes / like->ranks * ranks * o->hosts[h],
                                    it->sizes[s], &replay));
            for (int g = 0; g < (o->n_gbit ? o->n_gbit : 1); g++) {
                point *p = &it->points[it->n_points++];
                *p = (point){.hosts = o->hosts[h], .bytes = it->sizes[s], .gbit = o->n_gbit ? o->gbit[g] : 0};
                project(it, p, replay);
                lk_str_printf(text, "%d,%d,%lld,%g,%lld,%.4g,%.4g,%.4g,%.4f,%.4f,%.4f\n", p->hosts,
                              p->hosts * ranks, (long long)p->bytes, p->gbit,
                              (long long)lk_replay_busiest_bytes(replay), 1e3 * p->step_s.middle,
                              1e3 * p->step_s.low, 1e3 * p->step_s.high, p->efficiency.middle,
                              p->efficiency.low, p->efficiency.high);
            }
            lk_replay_destroy(&replay);
        }
done:
    lk_replay_destroy(&replay);
    return st;
}

/* ---- the picture ---- */

enum { MOST_LINES = 8 };

typedef struct line {
    double x[MOST_POINTS], y[MOST_POINTS], low[MOST_POINTS], high[MOST_POINTS];
    char   name[48];
    int    n;
} line;

/* A line for each rate of the links and size: a band and the medians on it. */
static lk_status draw(const projection *it)
{
    lk_status                 st = LK_OK;
    const lk_project_options *o = it->options;
    int                       n_rates = o->n_gbit ? o->n_gbit : 1, n_lines = n_rates * it->n_sizes;
    line                     *lines = NULL;
    lk_plot_series            series[2 * MOST_LINES];
    char                      temporary[PATH_MAX];
    lk_str                    svg;
    lk_str_init(&svg);
    LK_CHECK(n_lines <= MOST_LINES, LK_E_USAGE, "scaling project: %d lines in a picture; at most %d expected",
             n_lines, MOST_LINES);
    LK_TRY(LK_ALLOC(n_lines, &lines));
    for (int i = 0; i < it->n_points; i++) {
        const point *p = &it->points[i];
        int          k = i / (o->n_hosts * n_rates) * n_rates + i % n_rates;
        line        *l = &lines[k];
        l->x[l->n] = p->hosts;
        l->y[l->n] = p->efficiency.middle;
        l->low[l->n] = p->efficiency.low;
        l->high[l->n++] = p->efficiency.high;
        lk_str name;
        lk_str_init(&name);
        if (p->gbit > 0) lk_str_printf(&name, "%g Gb/s", p->gbit);
        if (it->n_sizes > 1)
            lk_str_printf(&name, "%s%.3g MB", p->gbit > 0 ? ", " : "", (double)p->bytes / 1e6);
        snprintf(l->name, sizeof l->name, "%s", name.size ? lk_str_text(&name) : "projected");
        lk_str_clear(&name);
    }
    for (int k = 0; k < n_lines; k++) {
        line *l = &lines[k];
        series[k] = (lk_plot_series){
            .kind = LK_PLOT_BAND, .colour = k, .n = l->n, .x = l->x, .low = l->low, .high = l->high};
        series[n_lines + k] = (lk_plot_series){
            .name = l->name, .kind = LK_PLOT_LINE, .colour = k, .n = l->n, .x = l->x, .y = l->y};
    }
    lk_plot plot = {.title = "Projected efficiency of weak scaling (band: 5 to 95 % of replicates)",
                    .subtitle = o->title,
                    .x = {.label = "hosts", .scale = LK_PLOT_LOG2},
                    .y = {.label = "efficiency (time of a host alone / time a step)", .from_zero = true},
                    .series = series,
                    .n_series = 2 * n_lines};
    LK_TRY(lk_plot_svg(&plot, &svg));
    LK_CHECK(snprintf(temporary, sizeof temporary, "%s.tmp", o->picture) < (int)sizeof temporary, LK_E_IO,
             "%.60s...: the path is too long", o->picture);
    LK_TRY(lk_atomic_write(o->picture, temporary, lk_str_text(&svg), svg.size));
done:
    lk_free(&lines);
    lk_str_clear(&svg);
    return st;
}

static void clear(projection *it)
{
    for (int i = 0; it->replays && i < it->fit.n_runs; i++) lk_replay_destroy(&it->replays[i]);
    lk_free(&it->replays);
    lk_free(&it->times);
    lk_samples_clear(&it->fit);
    if (it->options->compute) lk_samples_clear(&it->compute);
}

lk_status lk_scaling_project(const lk_project_options *options, char **text)
{
    lk_status   st = LK_OK;
    projection *it = NULL;
    lk_str      out;
    *text = NULL;
    lk_str_init(&out);
    LK_TRY(LK_ALLOC(1, &it));
    it->options = options;
    if (options->picture) LK_TRY(lk_output_apart(options->picture, "samples", options->fit));
    if (options->picture && options->compute)
        LK_TRY(lk_output_apart(options->picture, "samples", options->compute));
    LK_TRY(LK_ALLOC(MOST_HOSTS, &it->times));
    LK_TRY(lk_samples_read(options->fit, &it->fit));
    it->compute = it->fit;
    if (options->compute) LK_TRY(lk_samples_read(options->compute, &it->compute));
    for (int i = 0; i < options->n_hosts; i++)
        LK_CHECK(options->hosts[i] >= 1 && options->hosts[i] <= MOST_HOSTS, LK_E_USAGE,
                 "scaling project: %d hosts; 1 to %d expected", options->hosts[i], MOST_HOSTS);
    it->sizes = options->n_sizes ? options->sizes : &it->compute.runs[0].about.bytes;
    it->n_sizes = options->n_sizes ? options->n_sizes : 1;
    LK_TRY(fit_models(it));
    write_fit(it, &out);
    LK_TRY(project_all(it, &out));
    if (options->picture) LK_TRY(draw(it));
    LK_TRY(lk_str_copy(&out, text));
done:
    if (it) clear(it);
    lk_free(&it);
    lk_str_clear(&out);
    return st;
}
