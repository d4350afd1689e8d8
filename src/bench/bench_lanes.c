/*
 * The price of the promise: one configuration with reduce: lockstep and several numbers of lanes against reduce: allreduce with
 * one lane a rank, which is what others do. All of them stand side by side in one process a rank and take turns, so that what
 * else the machine does hits all alike.
 */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "kernels/kernels.h"
#include "lockstep/inspect.h"
#include "train/session.h"

enum { MOST_VARIANTS = 8, LEAST_ROUNDS = 8, MOST_ROUNDS = 64, WARM_UP_STEPS = 5, LEAST_STEPS = 3 };

static const double LEAST_TURN = 0.02, MOST_TURN = 0.25; /* seconds */

typedef struct variant {
    lk_run_options options;              /* a copy with lanes and reduce of its own */
    lk_run        *run;                  /* owned */
    int            steps;                /* a turn */
    double         seconds[MOST_ROUNDS]; /* a step, by round */
    double         price[MOST_ROUNDS];   /* seconds over those of the first variant in the same round */
} variant;

typedef struct contest {
    variant *of; /* owned [MOST_VARIANTS]; the first is the baseline */
    int      n, rounds;
} contest;

static void add_variant(contest *it, const lk_run_options *options, lk_reduce_kind reduce, int64_t lanes)
{
    if (lanes < 1 || lanes > options->batch_size || it->n == MOST_VARIANTS) return;
    for (int i = 0; i < it->n; i++)
        if (it->of[i].options.lanes == lanes && it->of[i].options.reduce == reduce) return;
    variant *new = &it->of[it->n++];
    new->options = *options;
    new->options.lanes = lanes;
    new->options.reduce = reduce;
}

/* Lanes = ranks, 64 rows a lane, and the usual powers of two. */
static void choose_variants(contest *it, const lk_run_options *options, int ranks)
{
    add_variant(it, options, LK_REDUCE_ALLREDUCE, ranks);
    add_variant(it, options, LK_REDUCE_LOCKSTEP, ranks);
    add_variant(it, options, LK_REDUCE_LOCKSTEP, options->batch_size / 64);
    for (int lanes = 8; lanes <= 64; lanes *= 2) add_variant(it, options, LK_REDUCE_LOCKSTEP, lanes);
}

/* Seconds a step in this turn, by the root's clock. */
static lk_status turn(lk_comm *comm, variant *v, int steps, double *seconds)
{
    lk_status st = LK_OK;
    LK_TRY(lk_comm_barrier(comm));
    double start = lk_clock_seconds();
    LK_TRY(lk_bench_run_steps(v->run, steps));
    LK_TRY(lk_comm_barrier(comm));
    *seconds = (lk_clock_seconds() - start) / steps;
    LK_TRY(lk_comm_broadcast(comm, seconds, sizeof *seconds));
done:
    return st;
}

static lk_status warm_up(lk_comm *comm, variant *v, double turn_seconds)
{
    lk_status st = LK_OK;
    double    seconds;
    LK_TRY(turn(comm, v, WARM_UP_STEPS, &seconds));
    LK_TRY(turn(comm, v, WARM_UP_STEPS, &seconds));
    double steps = turn_seconds / seconds;
    v->steps = steps < LEAST_STEPS ? LEAST_STEPS : (int)steps;
done:
    return st;
}

/* Forwards and backwards in turn. */
static lk_status play(lk_comm *comm, contest *it)
{
    lk_status st = LK_OK;
    for (int r = 0; r < it->rounds; r++) {
        for (int i = 0; i < it->n; i++) {
            variant *v = &it->of[r % 2 ? it->n - 1 - i : i];
            LK_TRY(turn(comm, v, v->steps, &v->seconds[r]));
        }
        for (int i = 0; i < it->n; i++) it->of[i].price[r] = it->of[i].seconds[r] / it->of[0].seconds[r];
    }
done:
    return st;
}

static const char *reduce_name(const variant *v)
{
    return v->options.reduce == LK_REDUCE_LOCKSTEP ? "lockstep" : "allreduce";
}

static void write_text(const lk_comm *comm, contest *it, lk_str *text)
{
    const lk_run_options *options = &it->of[0].options;
    lk_str_printf(text, "%d ranks, batch %lld, kernels %s, %d rounds\n", lk_comm_size(comm),
                  (long long)options->batch_size, lk_kernels_detail(), it->rounds);
    lk_str_append(text, "reduce     lanes  rows a lane  samples/s  price (quartiles)\n");
    for (int i = 0; i < it->n; i++) {
        variant *v = &it->of[i];
        double   low = lk_bench_quantile(v->price, it->rounds, 0.25),
               high = lk_bench_quantile(v->price, it->rounds, 0.75);
        lk_str_printf(text, "%-9s %6lld %12.0f %10.0f %+6.1f %% (%+.1f to %+.1f)\n", reduce_name(v),
                      (long long)v->options.lanes, (double)options->batch_size / (double)v->options.lanes,
                      (double)options->batch_size / lk_bench_quantile(v->seconds, it->rounds, 0.5),
                      100 * (lk_bench_quantile(v->price, it->rounds, 0.5) - 1), 100 * (low - 1),
                      100 * (high - 1));
    }
}

static lk_status write_json(const lk_comm *comm, contest *it, lk_str *text)
{
    json_t *list = json_array();
    for (int i = 0; i < it->n; i++) {
        variant *v = &it->of[i];
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:f, s:f, s:f, s:f}", "reduce", reduce_name(v), "lanes",
                            (json_int_t)v->options.lanes, "seconds_per_step",
                            lk_bench_quantile(v->seconds, it->rounds, 0.5), "price",
                            lk_bench_quantile(v->price, it->rounds, 0.5) - 1, "price_low_quartile",
                            lk_bench_quantile(v->price, it->rounds, 0.25) - 1, "price_high_quartile",
                            lk_bench_quantile(v->price, it->rounds, 0.75) - 1));
    }
    return lk_bench_dump(json_pack("{s:i, s:I, s:s, s:i, s:o}", "ranks", lk_comm_size(comm), "batch_size",
                                   (json_int_t)it->of[0].options.batch_size, "kernels", lk_kernels_detail(),
                                   "rounds", it->rounds, "variants", list),
                         text);
}

lk_status lk_bench_lanes(lk_session *session, const lk_run_options *options, int json, double seconds,
                         char **text)
{
    lk_status    st = LK_OK;
    lk_watchdog *watchdog = NULL;
    contest      it = {0};
    lk_str       out;
    *text = NULL;
    lk_str_init(&out);
    LK_TRY(lk_comm_layout(session->comm, &options->comm));
    LK_TRY(lk_watchdog_create(session->comm, lk_session_watch(session, options), &watchdog));
    LK_TRY(lk_comm_agree(session->comm, LK_ALLOC(MOST_VARIANTS, &it.of)));
    double turn_seconds = seconds / LEAST_ROUNDS;
    turn_seconds = turn_seconds < LEAST_TURN  ? LEAST_TURN
                   : turn_seconds > MOST_TURN ? MOST_TURN
                                              : turn_seconds;
    double rounds = seconds / turn_seconds;
    it.rounds = rounds < LEAST_ROUNDS ? LEAST_ROUNDS : rounds > MOST_ROUNDS ? MOST_ROUNDS : (int)rounds;
    choose_variants(&it, options, lk_comm_size(session->comm));
    for (int i = 0; i < it.n; i++)
        LK_TRY(lk_bench_run_create(session->comm, &it.of[i].options, watchdog, &it.of[i].run));
    for (int i = 0; i < it.n; i++) LK_TRY(warm_up(session->comm, &it.of[i], turn_seconds));
    LK_TRY(play(session->comm, &it));
    if (!lk_comm_is_root(session->comm)) goto done;
    if (json)
        LK_TRY(write_json(session->comm, &it, &out));
    else
        write_text(session->comm, &it, &out);
    LK_TRY(lk_str_copy(&out, text));
done:
    lk_session_leave_alone(session, st);
    for (int i = 0; i < it.n; i++) lk_run_destroy(&it.of[i].run);
    lk_watchdog_destroy(&watchdog);
    lk_free(&it.of);
    lk_str_clear(&out);
    return st;
}
