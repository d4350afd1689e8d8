/* The exchange alone: made-up gradients through the reduction, beside the rate of the links it goes over. */
#include "lockstep/scaling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "bench/samples.h"
#include "comm/link.h"
#include "comm/plan.h"
#include "comm/reduce.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/str.h"
#include "train/session.h"

enum { SPANS = 8, N_SUMS = 3, WARM_UP = 3, MOST_STEPS = 2000, LEAST_STEPS = 10, LANES_A_RANK = 4 };

/* What a rank notes of a step, in seconds. */
enum { STEP, EXCHANGE, COMPUTE, BACKWARD, TAIL, COLUMNS };
static const double LINK_SECONDS = 0.5;

/* Figures of one size. Times are medians over steps of the slowest rank of each step. */
typedef struct figures {
    int64_t bytes; /* n: gradient of the model */
    int     steps;
    double  step_s, exchange_s, low_s, high_s; /* low, high: tenth and ninetieth hundredth of exchange_s */
    double  bound_s;                           /* 2 (m - 1) / m n / B */
    double  busiest_bytes;                     /* sent in a step by the busiest host, by the plan */
    double  payload_bytes;                     /* gradients that all hosts sent in a step, counted */
    double  planned_bytes;                     /* the same by the plan */
    int     fringe_total;
    bool    exact;

    lk_reduce_info before; /* counters when the clock started */
} figures;

typedef struct probe {
    lk_comm                   *comm;
    lk_watchdog               *watchdog; /* owned */
    const lk_exchange_options *options;
    int                        lanes;
    double                     goodput, latency; /* median over neighbouring hosts */
    lk_span_table              spans;
    lk_reduce                 *reduce;
    int64_t                    n_steps; /* of all sizes */
    double                    *times;   /* [MOST_STEPS][COLUMNS] of this rank */
    lk_str                     samples; /* root */
} probe;

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- the links ---- */

/* One after the other, from the first rank of each host to that of the next. */
static lk_status measure_links(probe *it)
{
    lk_status st = LK_OK;
    int       m = lk_comm_n_hosts(it->comm), first = 0;
    double   *rate = NULL, *latency = NULL;
    LK_TRY(LK_ALLOC(m, &rate));
    LK_TRY(LK_ALLOC(m, &latency));
    for (int host = 0; host < m; host++) {
        lk_watchdog_tick(it->watchdog, 0, LK_PHASE_OTHER, LK_WAIT_ALL);
        int next = host + 1 < m ? first + lk_comm_host_ranks(it->comm, host) : 0;
        LK_TRY(lk_link_goodput(it->comm, first, next, LINK_SECONDS, &rate[host]));
        LK_TRY(lk_link_latency(it->comm, first, next, &latency[host]));
        first = next;
    }
    qsort(rate, (size_t)m, sizeof *rate, compare_doubles);
    qsort(latency, (size_t)m, sizeof *latency, compare_doubles);
    it->goodput = rate[m / 2];
    it->latency = latency[m / 2];
done:
    lk_free(&rate);
    lk_free(&latency);
    return st;
}

/* ---- a step ---- */

static lk_status make_spans(probe *it, int64_t bytes)
{
    lk_status st = LK_OK;
    int64_t   floats = bytes / (int64_t)sizeof(float) / SPANS;
    lk_span_table_clear(&it->spans);
    for (int i = 0; i < SPANS; i++) {
        lk_span span = {.kind = LK_SPAN_PARAMETER, .shape = {.n_axes = 1, .axis = {floats > 0 ? floats : 1}}};
        snprintf(span.name, sizeof span.name, "span_%d/weight", i);
        LK_TRY(lk_span_table_add(&it->spans, &span));
    }
done:
    return st;
}

static void nap(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(1e9 * (seconds - floor(seconds)))};
    if (seconds > 0) nanosleep(&time, NULL);
}

/* What a step writes into its gradients. While the clock runs: nothing, for they are zero and stay so;
 * writing them would cost time that is none of the exchange's. */
typedef enum gradients { AS_THEY_ARE, ZEROS, LANE_NUMBERS } gradients;

/* What backward does, last span first. */
static void backward(probe *it, int group, gradients what)
{
    lk_node node = lk_reduce_group(it->reduce, group);
    float  *gradient = lk_reduce_group_begin(it->reduce, group), value = 0;
    for (int k = node.lo; k < node.lo + node.s && k < it->lanes && what == LANE_NUMBERS; k++)
        value += (float)(k + 1);
    for (int s = SPANS - 1; s >= 0; s--) {
        const lk_span *span = &it->spans.spans[s];
        nap(it->options->backward_s / SPANS / lk_reduce_n_groups(it->reduce));
        for (int64_t i = 0; i < span->count && what != AS_THEY_ARE; i++) gradient[span->offset + i] = value;
        lk_reduce_span_ready(it->reduce, s);
    }
    lk_reduce_group_end(it->reduce, group, true);
}

static void update(void *context, const lk_tile_update *tile)
{
    (void)context;
    for (int64_t i = 0; i < tile->tile->count; i++) tile->state[i] -= tile->mean_scale * tile->sum[i];
}

/* STEP from a common start; EXCHANGE is the part in which the exchange held this rank up; see lk_sample. */
static lk_status step(probe *it, gradients what, double times[COLUMNS])
{
    lk_status      st = LK_OK;
    int            first, n;
    lk_step_result result;
    lk_reduce_info before, after;
    lk_reduce_get_info(it->reduce, &before);
    LK_TRY(lk_comm_barrier(it->comm));
    lk_watchdog_tick(it->watchdog, ++it->n_steps, LK_PHASE_BACKWARD, LK_WAIT_NONE);
    double start = lk_clock_seconds();
    lk_reduce_run(it->reduce, &first, &n);
    for (int k = first; k < first + n; k++) {
        double *row = lk_reduce_lane_sums(it->reduce, k);
        row[0] = row[1] = 1;
    }
    for (int g = 0; g < lk_reduce_n_groups(it->reduce); g++) {
        times[BACKWARD] = lk_clock_seconds();
        backward(it, g, what);
    }
    times[COMPUTE] = lk_clock_seconds() - start;
    times[BACKWARD] = start + times[COMPUTE] - times[BACKWARD];
    lk_watchdog_tick(it->watchdog, it->n_steps, LK_PHASE_REDUCE, LK_WAIT_ALL);
    LK_TRY(lk_reduce_finish(it->reduce, LK_OK, 0, update, NULL, &result));
    times[STEP] = lk_clock_seconds() - start;
    lk_reduce_get_info(it->reduce, &after);
    times[EXCHANGE] = after.exchange_s - before.exchange_s;
    double early = after.early_s - before.early_s; /* sending, while backward slept: no time of computing */
    times[COMPUTE] += after.sum_s - before.sum_s - early;
    times[BACKWARD] -= early;
    times[TAIL] = after.norm_s - before.norm_s + after.update_s - before.update_s;
done:
    return st;
}

/* Lane k has k + 1 everywhere: one step takes the mean of that from a state of zeros, everywhere. */
static lk_status check_sums(probe *it, bool *exact)
{
    lk_status    st = LK_OK;
    double       times[COLUMNS], wrong = 0, *all = NULL;
    const float *state = lk_reduce_state(it->reduce);
    float        sum = (float)it->lanes * (float)(it->lanes + 1) / 2, mean = sum * (float)(1.0 / it->lanes);
    LK_TRY(lk_comm_agree(it->comm, LK_ALLOC(lk_comm_size(it->comm), &all)));
    LK_TRY(step(it, LANE_NUMBERS, times));
    for (int s = 0; s < SPANS; s++)
        for (int64_t i = 0; i < it->spans.spans[s].count; i++)
            wrong += state[it->spans.spans[s].offset + i] != -mean;
    LK_TRY(lk_comm_allgather(it->comm, &wrong, 1, all));
    *exact = true;
    for (int r = 0; r < lk_comm_size(it->comm); r++) *exact = *exact && all[r] == 0;
    LK_TRY(step(it, ZEROS, times));
done:
    lk_free(&all);
    return st;
}

static lk_status run_steps(probe *it, figures *f)
{
    lk_status st = LK_OK;
    double    began = lk_clock_seconds(), wanted;
    for (int i = 0; i < WARM_UP; i++) LK_TRY(step(it, AS_THEY_ARE, it->times));
    wanted = it->options->seconds * WARM_UP / (lk_clock_seconds() - began);
    f->steps = wanted > MOST_STEPS ? MOST_STEPS : wanted < LEAST_STEPS ? LEAST_STEPS : (int)wanted;
    LK_TRY(lk_comm_broadcast(it->comm, &f->steps, sizeof f->steps));
    lk_reduce_get_info(it->reduce, &f->before);
    for (int i = 0; i < f->steps; i++) LK_TRY(step(it, AS_THEY_ARE, &it->times[COLUMNS * (int64_t)i]));
done:
    return st;
}

/* ---- figures ---- */

static double at_share(const double *sorted, int n, double share)
{
    return sorted[(int)(share * (n - 1) + 0.5)];
}

static void note_samples(probe *it, const figures *f, const double *all)
{
    lk_sample_run run = {
        lk_comm_n_hosts(it->comm), lk_comm_size(it->comm), it->lanes, f->bytes, it->goodput, it->latency};
    if (!it->options->samples || !lk_comm_is_root(it->comm)) return;
    for (int r = 0; r < run.ranks; r++)
        for (int i = 0; i < f->steps; i++) {
            const double *of = all + ((int64_t)r * f->steps + i) * COLUMNS;
            lk_sample     sample = {of[COMPUTE], of[BACKWARD], of[TAIL], of[STEP]};
            lk_samples_row(&it->samples, &run, r, i, &sample);
        }
}

/* Step by step the slowest rank, then the median over steps. */
static lk_status summarise_times(probe *it, figures *f)
{
    lk_status st = LK_OK;
    int       p = lk_comm_size(it->comm);
    double   *all = NULL, *slowest = NULL;
    LK_TRY(LK_ALLOC((int64_t)p * COLUMNS * f->steps, &all));
    LK_TRY(LK_ALLOC((int64_t)2 * f->steps, &slowest));
    LK_TRY(lk_comm_allgather(it->comm, it->times, COLUMNS * f->steps, all));
    for (int i = 0; i < f->steps; i++)
        for (int r = 0; r < p; r++)
            for (int k = STEP; k <= EXCHANGE; k++) {
                double value = all[((int64_t)r * f->steps + i) * COLUMNS + k],
                       *most = &slowest[k * f->steps + i];
                if (value > *most) *most = value;
            }
    note_samples(it, f, all);
    for (int k = 0; k < 2; k++)
        qsort(slowest + k * f->steps, (size_t)f->steps, sizeof *slowest, compare_doubles);
    f->step_s = at_share(slowest, f->steps, 0.5);
    f->exchange_s = at_share(slowest + f->steps, f->steps, 0.5);
    f->low_s = at_share(slowest + f->steps, f->steps, 0.1);
    f->high_s = at_share(slowest + f->steps, f->steps, 0.9);
done:
    lk_free(&all);
    lk_free(&slowest);
    return st;
}

static lk_status summarise_bytes(probe *it, figures *f)
{
    lk_status      st = LK_OK;
    int            p = lk_comm_size(it->comm), m = lk_comm_n_hosts(it->comm), r = 0;
    lk_reduce_info info;
    double        *all = NULL;
    LK_TRY(LK_ALLOC(2 * p, &all));
    lk_reduce_get_info(it->reduce, &info);
    double mine[2] = {(double)(info.payload_bytes - f->before.payload_bytes),
                      (double)info.planned_bytes_step};
    LK_TRY(lk_comm_allgather(it->comm, mine, 2, all));
    for (int host = 0; host < m; host++) {
        double planned = 0;
        for (int k = 0; k < lk_comm_host_ranks(it->comm, host); k++, r++) {
            f->payload_bytes += all[2 * r] / f->steps;
            planned += all[2 * r + 1];
        }
        f->planned_bytes += planned;
        if (planned > f->busiest_bytes) f->busiest_bytes = planned;
    }
    f->fringe_total = info.fringe_total;
    f->bound_s = 2.0 * (m - 1) / m * (double)f->bytes / it->goodput;
done:
    lk_free(&all);
    return st;
}

/* Leaves the reduction behind where it fails: its end is collective, and others may not know yet. */
static lk_status measure_size(probe *it, int64_t bytes, figures *f)
{
    lk_status         st = LK_OK;
    lk_reduce_options reduce = {
        .kind = LK_REDUCE_LOCKSTEP, .lanes = it->lanes, .group_lanes = 1, .n_sums = N_SUMS};
    while (reduce.group_lanes < it->lanes) reduce.group_lanes *= 2;
    LK_TRY(make_spans(it, bytes));
    f->bytes = it->spans.total_floats * (int64_t)sizeof(float);
    LK_TRY(lk_reduce_create(it->comm, &reduce, &it->spans, &it->reduce));
    LK_TRY(lk_reduce_publish(it->reduce));
    LK_TRY(check_sums(it, &f->exact));
    LK_TRY(run_steps(it, f));
    LK_TRY(summarise_times(it, f));
    LK_TRY(summarise_bytes(it, f));
    lk_reduce_destroy(&it->reduce);
done:
    return st;
}

/* ---- the report ---- */

static void write_text(const probe *it, const figures *f, lk_str *text)
{
    int m = lk_comm_n_hosts(it->comm);
    lk_str_printf(text, "gradient %.3f MB: step %.3f ms, exchange %.3f ms (%.3f to %.3f), %d steps%s\n",
                  (double)f->bytes / 1e6, 1e3 * f->step_s, 1e3 * f->exchange_s, 1e3 * f->low_s,
                  1e3 * f->high_s, f->steps, f->exact ? "" : ", WRONG SUMS");
    lk_str_printf(text,
                  "  bound 2 (m - 1) / m n / B: %.3f ms, reached %.3f of it; K = %d for m = %d hosts\n"
                  "  busiest host sends %.0f bytes by the plan: %.3f ms at B, reached %.3f of it\n"
                  "  all hosts sent %.0f bytes of gradients a step, %.0f by the plan\n",
                  1e3 * f->bound_s, f->bound_s / f->exchange_s, f->fringe_total, m, f->busiest_bytes,
                  1e3 * f->busiest_bytes / it->goodput, f->busiest_bytes / it->goodput / f->exchange_s,
                  f->payload_bytes, f->planned_bytes);
}

static lk_status write_json(const probe *it, const figures *f, lk_str *text)
{
    json_t *object = json_pack(
        "{s:i, s:i, s:i, s:i, s:I, s:f, s:f, s:f, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:b}", "hosts",
        lk_comm_n_hosts(it->comm), "ranks", lk_comm_size(it->comm), "lanes", it->lanes, "fringe_total",
        f->fringe_total, "bytes", (json_int_t)f->bytes, "goodput_bytes_per_s", it->goodput, "latency_s",
        it->latency, "backward_s", it->options->backward_s, "steps", f->steps, "step_s", f->step_s,
        "exchange_s", f->exchange_s, "exchange_low_s", f->low_s, "exchange_high_s", f->high_s, "bound_s",
        f->bound_s, "busiest_bytes", f->busiest_bytes, "payload_bytes", f->payload_bytes, "planned_bytes",
        f->planned_bytes, "exact", f->exact);
    char *dumped = object ? json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(object);
    if (!dumped) return lk_fail(LK_E_NOMEM, "out of memory for JSON");
    lk_str_printf(text, "%s\n", dumped);
    free(dumped);
    return LK_OK;
}

static lk_status write_figures(const probe *it, const figures *f, lk_str *text)
{
    lk_status st = LK_OK;
    if (it->options->json)
        LK_TRY(write_json(it, f, text));
    else
        write_text(it, f, text);
    LK_CHECK(f->exact, LK_E_BUG, "the sums of %lld bytes are wrong", (long long)f->bytes);
done:
    return st;
}

static lk_status measure_all(probe *it, lk_str *text)
{
    lk_status st = LK_OK;
    LK_TRY(measure_links(it));
    if (!it->options->json)
        lk_str_printf(text, "%d ranks on %d hosts, %d lanes; links %.3f MB/s one way, latency %.1f us\n",
                      lk_comm_size(it->comm), lk_comm_n_hosts(it->comm), it->lanes, it->goodput / 1e6,
                      1e6 * it->latency);
    for (int i = 0; i < it->options->n_sizes; i++) {
        figures f = {0};
        LK_TRY(measure_size(it, it->options->sizes[i], &f));
        LK_TRY(lk_comm_agree(it->comm, write_figures(it, &f, text)));
    }
done:
    return st;
}

static lk_status check_hosts(const lk_comm *comm)
{
    if (lk_comm_n_hosts(comm) > 1) return LK_OK;
    return lk_fail(
        LK_E_USAGE,
        "scaling exchange: there is one host, so nothing travels; start it on several, or cut this one "
        "with --ranks-per-host 1 under mpirun");
}

lk_status lk_exchange_measure(lk_session *session, const lk_exchange_options *options, char **text)
{
    lk_status st = LK_OK;
    lk_str    out;
    probe     it = {.comm = session->comm, .options = options};
    *text = NULL;
    lk_str_init(&out);
    lk_str_init(&it.samples);
    LK_TRY(lk_comm_layout(session->comm, &(lk_comm_options){.ranks_per_host = options->ranks_per_host}));
    LK_TRY(lk_comm_agree(session->comm, check_hosts(session->comm)));
    LK_TRY(lk_watchdog_create(session->comm, lk_session_watch(session, NULL), &it.watchdog));
    it.lanes = options->lanes > 0 ? options->lanes : LANES_A_RANK * lk_comm_size(session->comm);
    LK_TRY(LK_ALLOC(COLUMNS * MOST_STEPS, &it.times));
    lk_samples_header(&it.samples);
    LK_TRY(measure_all(&it, &out));
    if (options->samples)
        LK_TRY(lk_comm_agree(session->comm, lk_comm_is_root(session->comm)
                                                ? lk_samples_write(options->samples, &it.samples)
                                                : LK_OK));
    if (lk_comm_is_root(session->comm)) LK_TRY(lk_str_copy(&out, text));
done:
    lk_session_leave_alone(session, st);
    lk_reduce_destroy(&it.reduce);
    lk_watchdog_destroy(&it.watchdog);
    lk_free(&it.times);
    lk_span_table_clear(&it.spans);
    lk_str_clear(&it.samples);
    lk_str_clear(&out);
    return st;
}
