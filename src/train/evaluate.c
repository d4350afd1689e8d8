#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/log.h"
#include "train/run.h"

/* Rank 0 alone is quicker than sharing out while an evaluation is this much work; a formula, never a clock.
 */
static const double ROOT_ALONE_FLOPS = 2e9;

static bool root_alone(const lk_run *run, int64_t samples)
{
    switch (run->options->evaluate_by) {
    case LK_EVALUATE_ROOT:
        return true;
    case LK_EVALUATE_ALL:
        return false;
    default:
        return (double)samples * run->flops_sample / 3 < ROOT_ALONE_FLOPS;
    }
}

/* One chunk: one call of the forward pass, one row of sums. */
static lk_status chunk_pass(lk_run *run, lk_stream *stream, double *row)
{
    lk_status       st = LK_OK;
    const lk_batch *batch = NULL;
    const float    *output = NULL;
    lk_watchdog_tick(run->watchdog, run->progress.step, LK_PHASE_EVALUATE, LK_WAIT_NONE);
    LK_CHECK(!run->stop_asked || !run->stop_asked(run->stop_context), LK_STOPPED,
             "stopped in the middle of an evaluation");
    LK_TRY(lk_stream_next(stream, &batch));
    LK_TRY(lk_model_forward(run->evaluate_work, lk_run_state(run), batch, &output));
    LK_TRY(lk_loss_eval(run->loss, output, batch, NULL, row, run->n_columns));
    for (int i = 0; i < run->options->n_metrics; i++)
        lk_metric_eval(run->metrics[i], output, batch, row, run->n_columns, run->column[i]);
done:
    return st;
}

typedef struct evaluation {
    lk_run    *run;
    lk_split   split;
    int        ranks; /* that compute: rank 0 alone, or all */
    int64_t    n_chunks;
    int64_t    most;   /* chunks of a rank in a round */
    int64_t    piece;  /* doubles of a rank in a gather: those of a round, fewer only where `most` is 1 */
    double    *rows;   /* owned [most][n_columns]: mine of a round */
    double    *all;    /* owned, the root's [ranks][piece]; NULL where it computes alone */
    lk_stream *stream; /* owned; NULL as long as this rank has nothing to compute */
} evaluation;

/* What is kept depends on the columns and is bounded for the root, however many chunks and ranks there are. Local. */
static lk_status prepare(evaluation *e)
{
    lk_status st = LK_OK;
    int64_t   n = e->run->n_columns, room = LK_GATHER_DOUBLES / e->ranks;
    int64_t   share = (e->n_chunks + e->ranks - 1) / e->ranks;
    LK_CHECK(e->run->loss, LK_E_DATA, "nothing to evaluate: the data has no target");
    e->most = room / n > 1 ? room / n : 1;
    if (e->most > share) e->most = share;
    e->piece = e->most * n;
    if (e->most == 1 && e->piece > room) e->piece = room > 0 ? room : 1;
    if (e->ranks == 1 && !lk_comm_is_root(e->run->comm)) goto done;
    LK_TRY(LK_ALLOC(e->most * n, &e->rows));
    if (e->ranks > 1 && lk_comm_is_root(e->run->comm)) LK_TRY(LK_ALLOC(e->ranks * e->piece, &e->all));
done:
    return st;
}

/* Chunks first .. first + n - 1 into my rows. Local. */
static lk_status run_of_chunks(evaluation *e, int64_t first, int64_t n)
{
    lk_status         st = LK_OK;
    lk_run           *run = e->run;
    lk_stream_options options = {.split = e->split,
                                 .batch_size = run->options->evaluate_chunk,
                                 .lanes = 1,
                                 .n_lanes = 1,
                                 .seed = run->options->seed,
                                 .prefetch = true};
    if (n == 0) goto done;
    if (!e->stream) LK_TRY(lk_stream_create(run->data, &options, &e->stream));
    lk_stream_seek(e->stream, 0, first);
    for (int64_t k = 0; k < n; k++) LK_TRY(chunk_pass(run, e->stream, e->rows + k * run->n_columns));
done:
    return st;
}

/* The root adds rows first .. first + n - 1 of the table: rank r has computed r n / p .. (r + 1) n / p - 1 of them. A
 * column's numbers are added in the order of chunks: of several rows of a rank all columns come at once. */
static lk_status add_round(evaluation *e, int64_t n, double *sums)
{
    lk_status st = LK_OK;
    int64_t   columns = e->run->n_columns, whole = e->most * columns;
    for (int64_t at = 0; at < whole; at += e->piece) {
        int64_t width = whole - at < e->piece ? whole - at : e->piece;
        LK_TRY(lk_comm_gather(e->run->comm, e->rows + at, width, e->all));
        for (int64_t r = 0; e->all && r < e->ranks; r++) {
            int64_t end = ((r + 1) * n / e->ranks - r * n / e->ranks) * columns;
            for (int64_t i = at; i < at + width && i < end; i++)
                sums[i % columns] += e->all[r * width + i - at];
        }
    }
done:
    return st;
}

/* All ranks, round by round. Collective. */
static lk_status sum_together(evaluation *e, double *sums)
{
    lk_status st = LK_OK;
    lk_run   *run = e->run;
    int64_t   rank = lk_comm_rank(run->comm), p = e->ranks, n = 0;
    for (int64_t first = 0; first < e->n_chunks; first += n) {
        n = e->n_chunks - first < p * e->most ? e->n_chunks - first : p * e->most;
        int64_t mine = rank * n / p;
        st = run_of_chunks(e, first + mine, (rank + 1) * n / p - mine);
        lk_watchdog_tick(run->watchdog, run->progress.step, LK_PHASE_EVALUATE, LK_WAIT_ALL);
        LK_TRY(lk_comm_agree(run->comm, st));
        LK_TRY(add_round(e, n, sums));
    }
done:
    return st;
}

/* Rank 0, some chunks at a time. Local. */
static lk_status sum_alone(evaluation *e, double *sums)
{
    lk_status st = LK_OK;
    int64_t   columns = e->run->n_columns, n = 0;
    for (int64_t first = 0; first < e->n_chunks; first += n) {
        n = e->n_chunks - first < e->most ? e->n_chunks - first : e->most;
        LK_TRY(run_of_chunks(e, first, n));
        for (int64_t i = 0; i < n * columns; i++) sums[i % columns] += e->rows[i];
    }
done:
    return st;
}

lk_status lk_evaluate(lk_run *run, lk_split split, double *sums)
{
    lk_status  st = LK_OK;
    int64_t    samples = lk_data_n(run->data, split), chunk = run->options->evaluate_chunk;
    bool       alone = root_alone(run, samples) || lk_comm_size(run->comm) == 1;
    evaluation e = {.run = run,
                    .split = split,
                    .ranks = alone ? 1 : lk_comm_size(run->comm),
                    .n_chunks = (samples + chunk - 1) / chunk};
    lk_phase   before = lk_phases_enter(&run->phases, LK_PHASE_EVALUATE);
    for (int c = 0; c < run->n_columns; c++) sums[c] = 0;
    st = prepare(&e);
    if (alone) {
        if (st == LK_OK && lk_comm_is_root(run->comm)) st = sum_alone(&e, sums);
        lk_watchdog_tick(run->watchdog, run->progress.step, LK_PHASE_EVALUATE, LK_WAIT_ROOT);
        LK_TRY(lk_comm_agree(run->comm, st));
    } else {
        LK_TRY(lk_comm_agree(run->comm, st));
        LK_TRY(sum_together(&e, sums));
    }
    LK_TRY(lk_comm_broadcast(run->comm, sums, (size_t)run->n_columns * sizeof *sums));
done:
    lk_stream_destroy(&e.stream);
    lk_free(&e.rows);
    lk_free(&e.all);
    lk_watchdog_tick(run->watchdog, run->progress.step, LK_PHASE_OTHER, LK_WAIT_NONE);
    lk_phases_enter(&run->phases, before);
    return st;
}
