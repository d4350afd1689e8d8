/*
 * The reduction alone: one sweep to sum and one to update, against what everybody does, MPI_Allreduce and
 * then the whole optimizer on every rank. Both sides start from gradients that stand in each rank's memory
 * and end with new parameters; both run the same vectorised Adam; only ours also measures norms and agrees on
 * the step.
 */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "comm/reduce.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/rng.h"
#include "lockstep/inspect.h"
#include "optim/optim.h"
#include "train/session.h"

enum {
    LANES = 8,
    N_SPANS = 8,
    N_SUMS = 3,
    ROUNDS = 8,          /* of each side, in the order A B B A */
    LEAST_PER_ROUND = 3, /* steps of a side in a round */
    MOST_PER_ROUND = 400,
    EVICT_BYTES = 64 << 20, /* swept through by every rank to leave nothing in the caches */
};

static const double ROUND_SECONDS = 0.12;

/* Of one gradient buffer; the fourth is the shipped MLP of 669,706 parameters, padding included. */
static const int64_t sizes[] = {256 << 10, 512 << 10, 1 << 20,  2678848,  4 << 20,
                                8 << 20,   16 << 20,  32 << 20, 64 << 20, 100000000};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

typedef enum side { OURS, THEIRS, SIDES } side;

/* Everything of one size. `gradient` is what this rank's lanes add up to; steps overwrite copies of it. */
typedef struct rig {
    lk_comm         *comm;
    lk_watchdog     *watchdog; /* borrowed */
    int64_t          n;
    lk_span_table    spans;
    lk_reduce       *reduce;
    lk_optim_options optim;
    lk_optim_step    step[SIDES];
    float           *gradient;        /* owned [n] */
    float           *sum;             /* owned [n]: theirs, reduced in place */
    float           *state, *slot[2]; /* owned [n]: theirs */
    uint64_t         evicted;
    char            *evict; /* owned [EVICT_BYTES] */
} rig;

typedef struct row {
    int64_t bytes;
    bool    cold;
    int     slabs;
    double  seconds[SIDES];               /* medians over rounds of medians over steps */
    double  ratio, ratio_low, ratio_high; /* of the rounds' ratios: median, quartiles */
} row;

/* ---- both sides ---- */

static lk_status make_spans(lk_span_table *spans, int64_t n)
{
    lk_status st = LK_OK;
    for (int i = 0; i < N_SPANS; i++) {
        int64_t count = n * (i + 1) / N_SPANS / LK_SPAN_ALIGN * LK_SPAN_ALIGN - spans->total_floats;
        lk_span span = {.name = "layer/weight", .shape = {.n_axes = 1, .axis = {count}}};
        LK_TRY(lk_span_table_add(spans, &span));
    }
done:
    return st;
}

static void start_values(float *state, float *slot0, float *slot1, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        state[i] = 0.01f * (float)(i % 101 - 50);
        slot0[i] = 0;
        slot1[i] = 0;
    }
}

static lk_status rig_create_local(rig *it)
{
    lk_status st = LK_OK;
    LK_TRY(LK_ALLOC(it->n, &it->gradient));
    LK_TRY(LK_ALLOC(it->n, &it->sum));
    LK_TRY(LK_ALLOC(it->n, &it->state));
    LK_TRY(LK_ALLOC(it->n, &it->slot[0]));
    LK_TRY(LK_ALLOC(it->n, &it->slot[1]));
    LK_TRY(LK_ALLOC(EVICT_BYTES, &it->evict));
    lk_rng rng = lk_rng_make(1, LK_RNG_TEST, lk_comm_rank(it->comm), 0, 0);
    for (int64_t i = 0; i < it->n; i++) it->gradient[i] = lk_rng_uniform(&rng, (uint64_t)i) - 0.5f;
    start_values(it->state, it->slot[0], it->slot[1], it->n);
done:
    return st;
}

static lk_status rig_create(lk_comm *comm, lk_watchdog *watchdog, int64_t bytes, rig *it)
{
    lk_status         st = LK_OK;
    lk_reduce_options options = {.kind = LK_REDUCE_LOCKSTEP,
                                 .lanes = LANES,
                                 .group_lanes = LANES, /* folding is the backward pass's: not measured here */
                                 .n_slots = 2,
                                 .n_sums = N_SUMS};
    *it = (rig){
        .comm = comm,
        .watchdog = watchdog,
        .optim = {
            .kind = LK_OPTIM_ADAM, .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-7f}};
    LK_TRY(make_spans(&it->spans, bytes / (int64_t)sizeof(float)));
    it->n = it->spans.total_floats;
    LK_TRY(lk_comm_agree(comm, rig_create_local(it)));
    LK_TRY(lk_reduce_create(comm, &options, &it->spans, &it->reduce));
    if (lk_comm_is_root(comm))
        start_values(lk_reduce_state(it->reduce), lk_reduce_slot(it->reduce, 0),
                     lk_reduce_slot(it->reduce, 1), it->n);
    LK_TRY(lk_reduce_publish(it->reduce));
done:
    return st;
}

static void rig_destroy(rig *it)
{
    lk_reduce_destroy(&it->reduce);
    lk_span_table_clear(&it->spans);
    lk_free(&it->gradient);
    lk_free(&it->sum);
    lk_free(&it->state);
    lk_free(&it->slot[0]);
    lk_free(&it->slot[1]);
    lk_free(&it->evict);
}

/* ---- a step ---- */

static void update_tile(void *context, const lk_tile_update *tile)
{
    rig   *it = context;
    float *slot[2] = {lk_reduce_slot(it->reduce, 0) + tile->tile->offset,
                      lk_reduce_slot(it->reduce, 1) + tile->tile->offset};
    it->step[OURS].mean_scale = tile->mean_scale;
    it->step[OURS].grad_scale = tile->grad_scale;
    lk_optim_update(&it->optim, &it->step[OURS], true, tile->tile->count, tile->state, tile->sum, slot);
}

/* The backward pass leaves the gradient where the side wants it: not timed. */
static void put_gradient(rig *it, side who)
{
    int first = 0, n = 0;
    if (who == THEIRS) {
        memcpy(it->sum, it->gradient, (size_t)it->n * sizeof *it->sum);
        return;
    }
    lk_reduce_run(it->reduce, &first, &n);
    for (int g = 0; g < lk_reduce_n_groups(it->reduce); g++) {
        float *buffer = lk_reduce_group_begin(it->reduce, g);
        if (g == 0) /* further groups of a rank, if its run is no node, are zeros: the same sum */
            memcpy(buffer, it->gradient, (size_t)it->n * sizeof *buffer);
        else
            memset(buffer, 0, (size_t)it->n * sizeof *buffer);
        lk_reduce_group_end(it->reduce, g, true);
    }
    for (int lane = first; lane < first + n; lane++) {
        double *sums = lk_reduce_lane_sums(it->reduce, lane);
        sums[0] = sums[1] = sums[2] = 1;
    }
}

/* Reads more than the caches hold, so that no data of either side is left in them. */
static void evict(rig *it)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < EVICT_BYTES; i += 64) seen += (unsigned char)it->evict[i];
    it->evicted = seen; /* so that no compiler leaves the reads out */
}

static lk_status run_side(rig *it, side who)
{
    lk_step_result result;
    lk_optim_step *step = &it->step[who];
    *step = lk_optim_step_make(&it->optim, it->optim.learning_rate, step->step + 1);
    if (who == OURS) return lk_reduce_finish(it->reduce, LK_OK, 0, update_tile, it, &result);
    lk_status st = lk_comm_sum(it->comm, it->sum, it->n, 0);
    step->mean_scale = 1.0f / LANES;
    if (st == LK_OK) lk_optim_update(&it->optim, step, true, it->n, it->state, it->sum, it->slot);
    return st;
}

/* From the last rank's entry to the last rank's exit: the clock is the machine's. */
static lk_status timed(rig *it, side who, bool cold, double *seconds)
{
    lk_status st = LK_OK;
    double    mine[2], all[2 * LK_BENCH_MOST_RANKS], in = 0, out = 0;
    lk_watchdog_tick(it->watchdog, it->step[who].step, LK_PHASE_OTHER, LK_WAIT_NONE);
    put_gradient(it, who);
    if (cold) evict(it);
    lk_watchdog_tick(it->watchdog, it->step[who].step, LK_PHASE_REDUCE, LK_WAIT_ALL);
    LK_TRY(lk_comm_barrier(it->comm));
    mine[0] = lk_clock_seconds();
    LK_TRY(run_side(it, who));
    mine[1] = lk_clock_seconds();
    LK_TRY(lk_comm_allgather(it->comm, mine, 2, all));
    for (int r = 0; r < lk_comm_size(it->comm); r++) {
        in = r == 0 || all[2 * r] > in ? all[2 * r] : in;
        out = r == 0 || all[2 * r + 1] > out ? all[2 * r + 1] : out;
    }
    *seconds = out - in;
done:
    return st;
}

/* ---- rounds ---- */

static lk_status round_median(rig *it, side who, bool cold, int steps, double *median)
{
    lk_status st = LK_OK;
    double    seconds[MOST_PER_ROUND];
    for (int i = 0; i < steps; i++) LK_TRY(timed(it, who, cold, &seconds[i]));
    *median = lk_bench_quantile(seconds, steps, 0.5);
done:
    return st;
}

/* Steps a round, from one step of the slower side with all that surrounds it; equal on all ranks. */
static lk_status steps_per_round(rig *it, bool cold, int *steps)
{
    lk_status st = LK_OK;
    double    seconds, start = lk_clock_seconds(), most;
    for (int i = 0; i < 3; i++) { /* warm up: pages, connections, plans */
        LK_TRY(timed(it, OURS, cold, &seconds));
        LK_TRY(timed(it, THEIRS, cold, &seconds));
    }
    most = (lk_clock_seconds() - start) / 6;
    double n = ROUND_SECONDS / most;
    *steps = n < LEAST_PER_ROUND ? LEAST_PER_ROUND : n > MOST_PER_ROUND ? MOST_PER_ROUND : (int)n;
    LK_TRY(lk_comm_broadcast(it->comm, steps, sizeof *steps));
done:
    return st;
}

static lk_status measure(rig *it, bool cold, row *out)
{
    lk_status st = LK_OK;
    double    seconds[SIDES][ROUNDS], ratio[ROUNDS];
    int       steps = 0;
    LK_TRY(steps_per_round(it, cold, &steps));
    for (int r = 0; r < ROUNDS; r++) {
        side first = r % 2 ? THEIRS : OURS;
        LK_TRY(round_median(it, first, cold, steps, &seconds[first][r]));
        LK_TRY(round_median(it, (side)(1 - first), cold, steps, &seconds[1 - first][r]));
        ratio[r] = seconds[THEIRS][r] / seconds[OURS][r];
    }
    lk_reduce_info info;
    lk_reduce_get_info(it->reduce, &info);
    *out = (row){.bytes = it->n * (int64_t)sizeof(float), .cold = cold, .slabs = info.n_slabs_host};
    for (int who = 0; who < SIDES; who++) out->seconds[who] = lk_bench_quantile(seconds[who], ROUNDS, 0.5);
    out->ratio = lk_bench_quantile(ratio, ROUNDS, 0.5);
    out->ratio_low = lk_bench_quantile(ratio, ROUNDS, 0.25);
    out->ratio_high = lk_bench_quantile(ratio, ROUNDS, 0.75);
done:
    return st;
}

/* Both sides trained the same thing: after as many steps their parameters agree up to rounding. */
static lk_status check_sides(const rig *it)
{
    double worst = 0;
    LK_ASSERT(it->step[OURS].step == it->step[THEIRS].step);
    const float *ours = lk_reduce_state(it->reduce);
    for (int64_t i = 0; i < it->n; i++) worst = fmax(worst, fabs((double)ours[i] - (double)it->state[i]));
    /* A step moves a parameter by the rate at most; rounding can turn the sign of a sum near 0. */
    if (worst <= 2e-3 * (double)it->optim.learning_rate * (double)it->step[OURS].step) return LK_OK;
    return lk_fail(LK_E_BUG, "the two sides differ by %g after %lld steps: they do not do the same work",
                   worst, (long long)it->step[OURS].step);
}

/* ---- what is said ---- */

static double geometric_mean(const row *rows, int n, bool cold)
{
    double sum = 0;
    int    count = 0;
    for (int i = 0; i < n; i++) {
        if (rows[i].cold != cold) continue;
        sum += log(rows[i].ratio);
        count++;
    }
    return exp(sum / count);
}

static void write_text(const lk_comm *comm, const row *rows, int n, lk_str *text)
{
    lk_str_printf(text, "%d ranks, %d slabs, Adam; %s\n", lk_comm_size(comm), rows[0].slabs,
                  lk_comm_mpi_version(comm));
    lk_str_append(
        text, "     floats  caches   reduce + norms + update   MPI_Allreduce + Adam   ratio (quartiles)\n");
    for (int i = 0; i < n; i++)
        lk_str_printf(text, "%11lld  %-6s %22.1f us %19.1f us %7.2f (%.2f to %.2f)\n",
                      (long long)rows[i].bytes / (int)sizeof(float), rows[i].cold ? "cold" : "warm",
                      1e6 * rows[i].seconds[OURS], 1e6 * rows[i].seconds[THEIRS], rows[i].ratio,
                      rows[i].ratio_low, rows[i].ratio_high);
    lk_str_printf(text, "geometric mean of the ratios: warm %.2f, cold %.2f\n",
                  geometric_mean(rows, n, false), geometric_mean(rows, n, true));
}

static lk_status write_json(const lk_comm *comm, const row *rows, int n, lk_str *text)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list,
                              json_pack("{s:I, s:s, s:f, s:f, s:f, s:f, s:f}", "bytes",
                                        (json_int_t)rows[i].bytes, "caches", rows[i].cold ? "cold" : "warm",
                                        "lockstep_seconds", rows[i].seconds[OURS], "allreduce_seconds",
                                        rows[i].seconds[THEIRS], "ratio", rows[i].ratio, "ratio_low_quartile",
                                        rows[i].ratio_low, "ratio_high_quartile", rows[i].ratio_high));
    json_t *object =
        json_pack("{s:i, s:i, s:s, s:f, s:f, s:o}", "ranks", lk_comm_size(comm), "slabs", rows[0].slabs,
                  "mpi", lk_comm_mpi_version(comm), "geometric_mean_warm", geometric_mean(rows, n, false),
                  "geometric_mean_cold", geometric_mean(rows, n, true), "rows", list);
    return lk_bench_dump(object, text);
}

static lk_status check_request(const lk_comm *comm, double most_bytes)
{
    lk_status st = LK_OK;
    LK_CHECK(lk_comm_size(comm) <= LK_BENCH_MOST_RANKS, LK_E_USAGE,
             "bench --reduce: %d ranks; at most %d are measured", lk_comm_size(comm), LK_BENCH_MOST_RANKS);
    LK_CHECK(most_bytes >= (double)sizes[0], LK_E_USAGE,
             "bench --reduce: --most is %.0f bytes; at least %lld is right", most_bytes, (long long)sizes[0]);
done:
    return st;
}

lk_status lk_bench_reduce(lk_session *session, int json, double most_bytes, char **text)
{
    lk_status    st = LK_OK;
    lk_watchdog *watchdog = NULL;
    rig          it = {0};
    row          rows[2 * N_SIZES];
    int          n = 0;
    lk_str       out;
    *text = NULL;
    lk_str_init(&out);
    LK_TRY(lk_comm_agree(session->comm, check_request(session->comm, most_bytes)));
    LK_TRY(lk_comm_layout(session->comm, &(lk_comm_options){0}));
    LK_TRY(lk_watchdog_create(session->comm, lk_session_watch(session, NULL), &watchdog));
    for (int i = 0; i < N_SIZES && (double)sizes[i] <= most_bytes; i++) {
        LK_TRY(rig_create(session->comm, watchdog, sizes[i], &it));
        LK_TRY(measure(&it, false, &rows[n++]));
        LK_TRY(measure(&it, true, &rows[n++]));
        LK_TRY(lk_comm_agree(session->comm, check_sides(&it)));
        rig_destroy(&it);
    }
    if (!lk_comm_is_root(session->comm)) goto done;
    if (json)
        LK_TRY(write_json(session->comm, rows, n, &out));
    else
        write_text(session->comm, rows, n, &out);
    LK_TRY(lk_str_copy(&out, text));
done:
    lk_session_leave_alone(session, st);
    rig_destroy(&it);
    lk_watchdog_destroy(&watchdog);
    lk_str_clear(&out);
    return st;
}
