/*
 * Steps of a configuration by phase: one point of a scaling experiment, as rows of CSV.
 *
 * Weak scaling is judged against as many independent copies at the same time, each on one rank: they share the cores'
 * caches, memory and clock as the ranks do, but nothing else. Both take turns within one run.
 */
#include "lockstep/scaling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/samples.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "train/run.h"
#include "train/session.h"

enum { MOST_STEPS = 20000, LEAST_TURN = 3, WARM_UP_STEPS = 10, TURNS = 10, MOST_VARIANTS = 2 };

/* What a rank notes of every step, in seconds: its phases, and what the event model wants. */
enum { STEP = LK_PHASES, COMPUTE, TAIL, COLUMNS };

typedef struct variant {
    const char    *experiment; /* strong, weak, copies */
    lk_comm       *comm;       /* borrowed; copies: owned */
    lk_run_options options;
    lk_run        *run;    /* owned */
    double        *record; /* owned [MOST_STEPS][COLUMNS] */
    int            n_steps;
} variant;

typedef struct experiment {
    lk_comm                *all;      /* borrowed */
    lk_watchdog            *watchdog; /* owned */
    const lk_steps_options *options;
    variant                 variants[MOST_VARIANTS];
    int                     n_variants;
    double                 *values; /* owned scratch of figures of all ranks; root */
} experiment;

/* ---- runs ---- */

static lk_status add_variant(experiment *it, const char *name, lk_comm *comm, const lk_run_options *options,
                             int times)
{
    lk_status st = LK_OK;
    variant  *v = &it->variants[it->n_variants++];
    v->experiment = name;
    v->comm = comm;
    v->options = *options;
    v->options.batch_size *= times;
    v->options.lanes *= times;
    LK_TRY(lk_comm_agree(it->all, LK_ALLOC((int64_t)MOST_STEPS * COLUMNS, &v->record)));
    LK_TRY(lk_comm_agree(it->all, lk_run_create(comm, &v->options, NULL, NULL, true, &v->run)));
    v->run->watchdog = it->watchdog;
    if (lk_comm_is_root(comm)) lk_run_initial(v->run);
    LK_TRY(lk_comm_agree(it->all, lk_reduce_publish(v->run->reduce)));
done:
    return st;
}

static lk_status add_copies(experiment *it, const lk_run_options *options)
{
    lk_status st = LK_OK;
    lk_comm  *alone = NULL;
    LK_TRY(lk_comm_agree(it->all, lk_comm_create_alone(&alone)));
    LK_TRY(add_variant(it, "copies", alone, options, 1));
done:
    return st;
}

static void clear(experiment *it)
{
    for (int i = 0; i < it->n_variants; i++) {
        variant *v = &it->variants[i];
        lk_run_destroy(&v->run);
        if (v->comm != it->all) lk_comm_destroy(&v->comm);
        lk_free(&v->record);
    }
    lk_free(&it->values);
    lk_watchdog_destroy(&it->watchdog);
}

/* ---- steps ---- */

static lk_status note_step(variant *v, double record[COLUMNS])
{
    lk_status      st = LK_OK;
    lk_phases     *phases = &v->run->phases;
    unsigned       flags = 0;
    double         loss, early;
    lk_reduce_info before, after;
    lk_reduce_get_info(v->run->reduce, &before);
    lk_phases_start(phases);
    LK_TRY(lk_run_step(v->run, &flags, &loss));
    lk_phases_enter(phases, LK_PHASE_OTHER);
    lk_reduce_get_info(v->run->reduce, &after);
    memcpy(record, phases->seconds, sizeof phases->seconds);
    early = after.early_s - before.early_s;
    record[LK_PHASE_BACKWARD] -= early; /* sending during backward is the reduction's work */
    record[LK_PHASE_REDUCE] += early;
    record[STEP] = lk_phases_total(phases);
    record[COMPUTE] = record[STEP] - record[LK_PHASE_REDUCE] - record[LK_PHASE_OPTIMIZER] + after.fold_s -
                      before.fold_s + after.sum_s - before.sum_s;
    record[TAIL] = after.norm_s - before.norm_s + after.update_s - before.update_s;
done:
    return st;
}

/* The last batch of an epoch may be short: its step would pass for jitter. The same on all ranks. */
static bool was_full(const lk_run *run)
{
    int64_t step = run->progress.step, samples = lk_position_samples(&run->position, step) -
                                                 lk_position_samples(&run->position, step - 1);
    return samples >= lk_position_samples(&run->position, 1);
}

static lk_status turn(experiment *it, variant *v, int n)
{
    lk_status st = LK_OK;
    LK_TRY(lk_comm_barrier(it->all));
    for (int i = 0; i < n && st == LK_OK; i++) {
        st = note_step(v, v->record + (int64_t)v->n_steps * COLUMNS);
        if (st == LK_OK && was_full(v->run)) v->n_steps++;
    }
    LK_TRY(lk_comm_agree(it->all, st));
done:
    return st;
}

/* Steps a turn, from the time of a few that do not count. */
static lk_status warm_up(experiment *it, int *n)
{
    lk_status st = LK_OK;
    double    began = 0, most = MOST_STEPS / TURNS;
    for (int k = 0; k < 2; k++) { /* the first faults pages in */
        LK_TRY(lk_comm_barrier(it->all));
        began = lk_clock_seconds();
        for (int i = 0; i < it->n_variants; i++) {
            LK_TRY(turn(it, &it->variants[i], WARM_UP_STEPS));
            it->variants[i].n_steps = 0;
        }
    }
    double steps = it->options->seconds / TURNS * WARM_UP_STEPS / (lk_clock_seconds() - began);
    *n = steps < LEAST_TURN ? LEAST_TURN : steps > most ? (int)most : (int)steps;
    LK_TRY(lk_comm_broadcast(it->all, n, sizeof *n));
done:
    return st;
}

static lk_status measure(experiment *it)
{
    lk_status st = LK_OK;
    int       n;
    LK_TRY(warm_up(it, &n));
    for (int k = 0; k < TURNS; k++) /* forwards and backwards */
        for (int i = 0; i < it->n_variants; i++)
            LK_TRY(turn(it, &it->variants[k % 2 ? it->n_variants - 1 - i : i], n));
done:
    return st;
}

/* ---- rows ---- */

/* Mean and relative deviation of a column over the steps of this rank. */
static void describe(const variant *v, int column, double *mean, double *jitter)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < v->n_steps; i++) sum += v->record[(int64_t)i * COLUMNS + column];
    *mean = sum / v->n_steps;
    for (int i = 0; i < v->n_steps; i++) {
        double off = v->record[(int64_t)i * COLUMNS + column] - *mean;
        squares += off * off;
    }
    *jitter = *mean > 0 ? sqrt(squares / v->n_steps) / *mean : 0;
}

/* values [ranks][2 * (STEP + 1)]: mean and jitter of each column. */
static void write_rows(const experiment *it, const variant *v, const double *values, lk_str *csv)
{
    int     p = lk_comm_size(it->all);
    int64_t batch = v->options.batch_size * (v->comm == it->all ? 1 : p);
    for (int c = 0; c <= STEP; c++) {
        double least = (double)INFINITY, most = 0, mean = 0, jitter = 0;
        for (int r = 0; r < p; r++) {
            const double *of = values + (int64_t)r * 2 * (STEP + 1) + 2 * c;
            least = fmin(least, of[0]);
            most = fmax(most, of[0]);
            mean += of[0] / p;
            jitter += of[1] / p;
        }
        lk_str_printf(csv, "%s,%d,%d,%lld,%lld,%d,%d,%s,%.6g,%.6g,%.6g,%.4g,%.4g\n", v->experiment, p,
                      lk_comm_n_hosts(it->all), (long long)batch, (long long)v->options.lanes,
                      it->options->repeat, v->n_steps, c == STEP ? "step" : lk_phase_names[c], 1e3 * least,
                      1e3 * mean, 1e3 * most, jitter, mean > 0 ? most / mean - 1 : 0);
    }
}

static lk_status report(experiment *it, lk_str *csv)
{
    lk_status st = LK_OK;
    double    mine[2 * (STEP + 1)];
    lk_str_append(
        csv, "experiment,ranks,hosts,batch_size,lanes,repeat,steps,phase,least_ms,mean_ms,most_ms,jitter,"
             "imbalance\n");
    for (int i = 0; i < it->n_variants; i++) {
        for (int c = 0; c <= STEP; c++) describe(&it->variants[i], c, &mine[2 * c], &mine[2 * c + 1]);
        LK_TRY(lk_comm_gather(it->all, mine, 2 * (STEP + 1), it->values));
        if (lk_comm_is_root(it->all)) write_rows(it, &it->variants[i], it->values, csv);
    }
done:
    return st;
}

static lk_status write_samples(experiment *it, const char *path)
{
    lk_status     st = LK_OK;
    variant      *v = &it->variants[0];
    int           p = lk_comm_size(it->all), n = v->n_steps;
    double       *every = NULL;
    lk_sample_run run = {.hosts = lk_comm_n_hosts(it->all),
                         .ranks = p,
                         .lanes = (int)v->options.lanes,
                         .bytes = lk_model_spans(v->run->model)->total_floats * (int64_t)sizeof(float)};
    lk_str        csv;
    lk_str_init(&csv);
    LK_TRY(lk_comm_agree(it->all, LK_ALLOC((int64_t)p * n * COLUMNS, &every)));
    LK_TRY(lk_comm_gather(it->all, v->record, n * COLUMNS, every));
    if (!lk_comm_is_root(it->all)) goto done;
    lk_samples_header(&csv);
    for (int r = 0; r < p; r++)
        for (int i = 0; i < n; i++) {
            const double *of = every + ((int64_t)r * n + i) * COLUMNS;
            lk_sample     sample = {of[COMPUTE], of[LK_PHASE_BACKWARD], of[TAIL], of[STEP]};
            lk_samples_row(&csv, &run, r, i, &sample);
        }
    LK_TRY(lk_samples_write(path, &csv));
done:
    lk_str_clear(&csv);
    lk_free(&every);
    return st;
}

static lk_status check_samples(const lk_steps_options *how, const lk_run *run)
{
    if (!how->samples || !lk_model_sees_batch(run->model)) return LK_OK;
    return lk_fail(
        LK_E_CONFIG,
        "samples for the event model: it knows nothing of the meetings inside a step that batch_norm: "
        "{over: batch} asks for, and would promise too much; leave the file out, or write batch_norm: {over: "
        "lane}");
}

lk_status lk_scaling_steps(lk_session *session, const lk_run_options *options, const lk_steps_options *how,
                           char **text)
{
    lk_status  st = LK_OK;
    experiment it = {.all = session->comm, .options = how};
    int        p = lk_comm_size(session->comm);
    lk_str     csv;
    *text = NULL;
    lk_str_init(&csv);
    LK_TRY(lk_comm_layout(session->comm, &options->comm));
    LK_TRY(lk_watchdog_create(session->comm, lk_session_watch(session, options), &it.watchdog));
    LK_TRY(lk_comm_agree(session->comm, LK_ALLOC((int64_t)p * 2 * (STEP + 1), &it.values)));
    LK_TRY(add_variant(&it, how->weak ? "weak" : "strong", session->comm, options, how->weak ? p : 1));
    LK_TRY(lk_comm_agree(session->comm, check_samples(how, it.variants[0].run)));
    if (how->copies) LK_TRY(add_copies(&it, options));
    LK_TRY(measure(&it));
    LK_TRY(report(&it, &csv));
    if (how->samples) LK_TRY(lk_comm_agree(session->comm, write_samples(&it, how->samples)));
    if (lk_comm_is_root(session->comm)) LK_TRY(lk_str_copy(&csv, text));
done:
    lk_session_leave_alone(session, st);
    clear(&it);
    lk_str_clear(&csv);
    return st;
}
