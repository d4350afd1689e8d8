/* Measurements: how fast a configuration trains here, and against what this machine can do. */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "kernels/kernels.h"
#include "lockstep/inspect.h"
#include "train/report.h"
#include "train/session.h"

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double lk_bench_quantile(double *values, int n, double q)
{
    qsort(values, (size_t)n, sizeof *values, compare);
    double at = q * (n - 1);
    int    low = (int)at, high = low + 1 < n ? low + 1 : low;
    return values[low] + (at - low) * (values[high] - values[low]);
}

lk_status lk_bench_dump(json_t *object, lk_str *text)
{
    char *dumped = object ? json_dumps(object, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;
    json_decref(object);
    if (!dumped) return lk_fail(LK_E_NOMEM, "out of memory for JSON");
    lk_str_printf(text, "%s\n", dumped);
    free(dumped);
    return LK_OK;
}

lk_status lk_bench_run_create(lk_comm *comm, const lk_run_options *options, lk_watchdog *watchdog,
                              lk_run **run)
{
    lk_status st = LK_OK;
    LK_TRY(lk_run_create(comm, options, NULL, NULL, true, run));
    (*run)->watchdog = watchdog;
    if (lk_comm_is_root(comm)) lk_run_initial(*run);
    LK_TRY(lk_reduce_publish((*run)->reduce));
done:
    return st;
}

lk_status lk_bench_run_steps(lk_run *run, int64_t n)
{
    lk_status st = LK_OK;
    for (int64_t i = 0; i < n; i++) {
        unsigned flags = 0;
        double   loss;
        LK_TRY(lk_run_step(run, &flags, &loss));
    }
done:
    return st;
}

enum { WARM_UP_STEPS = 10, LEAST_STEPS = 10 };
static const double YARDSTICK_SECONDS = 0.4, WARM_UP_SHARE = 0.1;

typedef struct figures {
    int64_t steps, samples;
    double  seconds, samples_per_s, gflops,
        yardstick; /* yardstick: GF/s of all ranks' sgemm at the same time */
    double yardstick_before, yardstick_after;
    double cpu_s;            /* processor time of all ranks in the timed steps */
    double share[LK_PHASES]; /* average over ranks, of the root's wall time */
} figures;

/* p copies of sgemm at the same time on the p ranks: what the cores give together right now. Collective. */
static lk_status yardstick(lk_comm *comm, double *total)
{
    lk_status st = LK_OK;
    double    mine, *all = NULL;
    LK_TRY(LK_ALLOC(lk_comm_size(comm), &all));
    LK_TRY(lk_comm_barrier(comm));
    mine = lk_kernels_sgemm_rate(YARDSTICK_SECONDS);
    LK_TRY(lk_comm_allgather(comm, &mine, 1, all));
    *total = 0;
    for (int r = 0; r < lk_comm_size(comm); r++) *total += all[r];
done:
    lk_free(&all);
    return st;
}

/* How many steps fit `seconds`: the first ones are slower than those to come, so that they are taken in growing numbers until
 * they last for a tenth of that. Collective. */
static lk_status warm_up(lk_run *run, double seconds, int64_t *steps)
{
    lk_status st = LK_OK;
    double    took = 0,
           enough = seconds; /* of the very first ones: then it is known that the least number takes longer */
    int64_t n = WARM_UP_STEPS;
    for (int turn = 0;; turn++) {
        double began = lk_clock_seconds();
        LK_TRY(lk_bench_run_steps(run, n));
        took = lk_clock_seconds() - began;
        LK_TRY(lk_comm_broadcast(run->comm, &took, sizeof took));
        if (took >= enough) break;
        enough = WARM_UP_SHARE * seconds;
        if (turn > 0) n *= 2;
    }
    *steps = (int64_t)fmax(LEAST_STEPS, seconds * (double)n / took);
done:
    return st;
}

/* As many steps as fit `seconds`, by the root's clock. Collective. */
static lk_status timed_steps(lk_run *run, double seconds, figures *f)
{
    lk_status st = LK_OK;
    double    began;
    LK_TRY(warm_up(run, seconds, &f->steps));
    LK_TRY(lk_comm_barrier(run->comm));
    lk_phases_start(&run->phases);
    began = lk_clock_seconds();
    clock_t cpu = clock();
    LK_TRY(lk_bench_run_steps(run, f->steps));
    lk_phases_enter(&run->phases, LK_PHASE_OTHER);
    f->seconds = lk_clock_seconds() - began;
    f->cpu_s = (double)(clock() - cpu) / CLOCKS_PER_SEC;
    int64_t step = run->progress.step;
    f->samples =
        lk_position_samples(&run->position, step) - lk_position_samples(&run->position, step - f->steps);
    f->samples_per_s = (double)f->samples / f->seconds;
    f->gflops = f->samples_per_s * run->flops_sample / 1e9;
done:
    return st;
}

/* What the ranks spent, phase by phase, over what passed on the root's clock: these add up to 1 only if no time is lost. */
static lk_status shares(lk_run *run, figures *f)
{
    lk_status st = LK_OK;
    int       p = lk_comm_size(run->comm);
    double   *all = NULL, mine = f->cpu_s;
    LK_TRY(LK_ALLOC(p * LK_PHASES, &all));
    LK_TRY(lk_comm_allgather(run->comm, run->phases.seconds, LK_PHASES, all));
    for (int i = 0; i < p * LK_PHASES; i++) f->share[i % LK_PHASES] += all[i] / (p * f->seconds);
    LK_TRY(lk_comm_allgather(run->comm, &mine, 1, all));
    f->cpu_s = 0;
    for (int r = 0; r < p; r++) f->cpu_s += all[r];
done:
    lk_free(&all);
    return st;
}

static lk_status write_json(const lk_run *run, const figures *f, lk_str *text)
{
    json_t *phases = json_object();
    for (int i = 0; i < LK_PHASES; i++)
        json_object_set_new(phases, lk_phase_names[i], json_real(f->share[i]));
    json_t *object = json_pack(
        "{s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:f, s:s, s:o}", "ranks",
        (json_int_t)lk_comm_size(run->comm), "batch_size", (json_int_t)run->options->batch_size, "lanes",
        (json_int_t)run->options->lanes, "steps", (json_int_t)f->steps, "seconds", f->seconds,
        "samples_per_second", f->samples_per_s, "gflops", f->gflops, "sgemm_gflops", f->yardstick,
        "sgemm_before", f->yardstick_before, "sgemm_after", f->yardstick_after, "sgemm_by", lk_kernels_blas(),
        "share_of_sgemm", f->gflops / f->yardstick, "cpu_seconds_per_sample", f->cpu_s / (double)f->samples,
        "kernels", lk_kernels_detail(), "phases", phases);
    return lk_bench_dump(object, text);
}

static void write_text(const lk_run *run, const figures *f, lk_str *text)
{
    lk_str_printf(text, "%d ranks, batch %lld = %lld lanes, kernels %s\n", lk_comm_size(run->comm),
                  (long long)run->options->batch_size, (long long)run->options->lanes, lk_kernels_detail());
    lk_str_printf(text, "samples_per_second %.0f (%lld steps in %.2f s, %.3f ms a step)\n", f->samples_per_s,
                  (long long)f->steps, f->seconds, 1e3 * f->seconds / (double)f->steps);
    lk_str_printf(
        text, "GF/s %.1f, sgemm of the same ranks at the same time %.1f (before %.1f, after %.1f): %.1f %%\n",
        f->gflops, f->yardstick, f->yardstick_before, f->yardstick_after, 100 * f->gflops / f->yardstick);
    lk_str_printf(text, "sgemm by %s\n", lk_kernels_blas());
    for (int i = 0; i < LK_PHASES; i++)
        lk_str_printf(text, "  %-12s %5.1f %%\n", lk_phase_names[i], 100 * f->share[i]);
}

lk_status lk_bench(lk_session *session, const lk_run_options *options, int json, double seconds, char **text)
{
    lk_status    st = LK_OK;
    lk_watchdog *watchdog = NULL;
    lk_run      *run = NULL;
    figures      f = {0};
    lk_str       out;
    *text = NULL;
    lk_str_init(&out);
    LK_TRY(lk_comm_layout(session->comm, &options->comm));
    LK_TRY(lk_watchdog_create(session->comm, lk_session_watch(session, options), &watchdog));
    LK_TRY(lk_bench_run_create(session->comm, options, watchdog, &run));
    LK_TRY(yardstick(session->comm, &f.yardstick_before));
    LK_TRY(timed_steps(run, seconds, &f));
    LK_TRY(shares(run, &f));
    LK_TRY(yardstick(session->comm, &f.yardstick_after));
    f.yardstick = (f.yardstick_before + f.yardstick_after) / 2;
    if (!lk_comm_is_root(session->comm)) goto done;
    if (json)
        LK_TRY(write_json(run, &f, &out));
    else
        write_text(run, &f, &out);
    LK_TRY(lk_str_copy(&out, text));
done:
    lk_session_leave_alone(session, st);
    lk_str_clear(&out);
    lk_run_destroy(&run);
    lk_watchdog_destroy(&watchdog);
    return st;
}
