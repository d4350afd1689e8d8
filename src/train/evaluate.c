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

/* Chunks first .. first + n - 1 into their rows of the table. */
static lk_status run_of_chunks(lk_run *run, lk_split split, int64_t first, int64_t n, double *table)
{
    lk_status         st = LK_OK;
    lk_stream        *stream = NULL;
    lk_stream_options options = {.split = split,
                                 .batch_size = run->options->evaluate_chunk,
                                 .lanes = 1,
                                 .n_lanes = 1,
                                 .seed = run->options->seed,
                                 .prefetch = true};
    if (n == 0) goto done;
    LK_TRY(lk_stream_create(run->data, &options, &stream));
    lk_stream_seek(stream, 0, first);
    for (int64_t k = first; k < first + n; k++) LK_TRY(chunk_pass(run, stream, table + k * run->n_columns));
done:
    lk_stream_destroy(&stream);
    return st;
}

/* Every rank gets every row: rank r computed rows [r n / p, (r + 1) n / p). */
static lk_status share_rows(lk_run *run, int64_t n_chunks, double *table)
{
    lk_status st = LK_OK;
    int64_t   p = lk_comm_size(run->comm), rank = lk_comm_rank(run->comm), most = (n_chunks + p - 1) / p;
    int       width = (int)(most * run->n_columns);
    double   *mine = NULL, *all = NULL;
    if (p == 1) return LK_OK;
    LK_TRY(LK_ALLOC(width, &mine));
    LK_TRY(LK_ALLOC(p * width, &all));
    int64_t first = rank * n_chunks / p, n = (rank + 1) * n_chunks / p - first;
    memcpy(mine, table + first * run->n_columns, (size_t)(n * run->n_columns) * sizeof *mine);
    LK_TRY(lk_comm_allgather(run->comm, mine, width, all));
    for (int64_t r = 0; r < p; r++) {
        int64_t lo = r * n_chunks / p, count = (r + 1) * n_chunks / p - lo;
        memcpy(table + lo * run->n_columns, all + r * width, (size_t)(count * run->n_columns) * sizeof *all);
    }
done:
    lk_free(&mine);
    lk_free(&all);
    return st;
}

lk_status lk_evaluate(lk_run *run, lk_split split, double *sums)
{
    lk_status st = LK_OK;
    int64_t   samples = lk_data_n(run->data, split), chunk = run->options->evaluate_chunk;
    int64_t   n_chunks = (samples + chunk - 1) / chunk, p = lk_comm_size(run->comm),
            rank = lk_comm_rank(run->comm);
    bool     alone = root_alone(run, samples);
    double  *table = NULL;
    lk_phase before = lk_phases_enter(&run->phases, LK_PHASE_EVALUATE);
    LK_CHECK(run->loss, LK_E_DATA, "nothing to evaluate: the data has no target");
    LK_TRY(LK_ALLOC(n_chunks * run->n_columns, &table));
    if (alone)
        st = lk_comm_is_root(run->comm) ? run_of_chunks(run, split, 0, n_chunks, table) : LK_OK;
    else
        st = run_of_chunks(run, split, rank * n_chunks / p, (rank + 1) * n_chunks / p - rank * n_chunks / p,
                           table);
    lk_watchdog_tick(run->watchdog, run->progress.step, LK_PHASE_EVALUATE,
                     alone ? LK_WAIT_ROOT : LK_WAIT_ALL);
    LK_TRY(lk_comm_agree(run->comm, st));
    if (!alone) LK_TRY(share_rows(run, n_chunks, table));
    for (int c = 0; c < run->n_columns; c++) sums[c] = 0;
    for (int64_t k = 0; k < n_chunks; k++)
        for (int c = 0; c < run->n_columns; c++) sums[c] += table[k * run->n_columns + c];
    LK_TRY(lk_comm_broadcast(run->comm, sums, (size_t)run->n_columns * sizeof *sums));
done:
    lk_free(&table);
    lk_watchdog_tick(run->watchdog, run->progress.step, LK_PHASE_OTHER, LK_WAIT_NONE);
    lk_phases_enter(&run->phases, before);
    return st;
}
