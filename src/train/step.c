#include "core/clock.h"
#include "train/run.h"

#include <string.h>

static void span_ready(void *context, int span)
{
    lk_run *run = context;
    lk_reduce_span_ready(run->reduce, span);
}

/* The rows of one lane each, as loss and metrics wrote them, into the table that is summed along the tree. */
static void store_sums(lk_run *run, const lk_batch *batch)
{
    for (int i = 0; i < batch->lanes.n; i++)
        if (batch->lanes.start[i + 1] > batch->lanes.start[i])
            memcpy(lk_reduce_lane_sums(run->reduce, batch->lanes.first + i),
                   run->rows + (int64_t)i * run->n_columns, (size_t)run->n_columns * sizeof *run->rows);
}

/* This rank works on `phase` from here on. */
static void enter(lk_run *run, lk_phase phase)
{
    lk_phases_enter(&run->phases, phase);
    lk_watchdog_tick(run->watchdog, run->progress.step, phase, LK_WAIT_NONE);
}

/* Outputs -> d_out, and the sums of loss and metrics. */
static lk_status group_loss(lk_run *run, const lk_batch *batch, const float *output, float *d_output)
{
    lk_status st = LK_OK;
    LK_TRY(lk_loss_eval(run->loss, output, batch, d_output, run->rows, run->n_columns));
    for (int i = 0; i < run->options->n_metrics; i++)
        lk_metric_eval(run->metrics[i], output, batch, run->rows, run->n_columns, run->column[i]);
    store_sums(run, batch);
done:
    return st;
}

/* One group of lanes: batch -> outputs -> d_out -> gradient of the group's node. */
static lk_status group_pass(lk_run *run, const lk_batch *batch, float *gradient)
{
    lk_status    st = LK_OK;
    const float *state = lk_reduce_state(run->reduce);
    const float *output = NULL;
    enter(run, LK_PHASE_FORWARD);
    LK_TRY(lk_model_forward(run->work, state, batch, &output));
    LK_TRY(group_loss(run, batch, output, run->d_output));
    enter(run, LK_PHASE_BACKWARD);
    LK_TRY(lk_model_backward(run->work, state, batch, run->d_output, gradient, span_ready, run));
done:
    return st;
}

static void cut_group(const lk_run *run, const lk_batch *batch, int g, lk_batch_view *view)
{
    lk_node node = lk_reduce_group(run->reduce, g);
    int     last = node.lo + node.s < run->options->lanes ? node.lo + node.s : (int)run->options->lanes;
    lk_batch_cut(batch, run->data, node.lo, last - node.lo, view);
    view->batch.step = run->progress.step;
}

/* What this rank does alone, and may fail at alone. */
static lk_status local_half(lk_run *run)
{
    lk_status       st = LK_OK;
    const lk_batch *batch = NULL;
    enter(run, LK_PHASE_DATA);
    LK_TRY(lk_stream_next(run->stream, &batch));
    for (int g = 0; g < lk_reduce_n_groups(run->reduce); g++) {
        cut_group(run, batch, g, run->view);
        lk_phases_enter(&run->phases, LK_PHASE_REDUCE);
        float *gradient = lk_reduce_group_begin(run->reduce, g);
        if (run->view->batch.n > 0) LK_TRY(group_pass(run, &run->view->batch, gradient));
        lk_phases_enter(&run->phases, LK_PHASE_REDUCE);
        lk_reduce_group_end(run->reduce, g, run->view->batch.n > 0);
    }
done:
    return st;
}

/* ---- models that see the whole batch: the same, with all groups side by side ---- */

lk_status lk_run_share_rows(void *context, double *rows, int64_t width, bool *well)
{
    lk_run  *run = context;
    lk_phase before = lk_phases_enter(&run->phases, LK_PHASE_REDUCE);
    lk_watchdog_tick(run->watchdog, run->progress.step, LK_PHASE_REDUCE, LK_WAIT_ALL);
    lk_status st = lk_lane_rows_share(run->lane_rows, rows, width, well);
    enter(run, before);
    return st;
}

static lk_status whole_batch(lk_run *run)
{
    lk_status       st = LK_OK;
    const lk_batch *batch = NULL;
    enter(run, LK_PHASE_DATA);
    LK_TRY(lk_stream_next(run->stream, &batch));
    for (int g = 0; g < lk_reduce_n_groups(run->reduce); g++) {
        cut_group(run, batch, g, &run->view[g]);
        lk_whole_part(run->whole, g)->batch = &run->view[g].batch;
    }
done:
    return st;
}

static lk_status whole_losses(lk_run *run)
{
    lk_status st = LK_OK;
    for (int g = 0; g < lk_whole_n_parts(run->whole); g++) {
        const lk_part *part = lk_whole_part(run->whole, g);
        if (part->batch->n > 0) LK_TRY(group_loss(run, part->batch, part->output, part->d_output));
    }
done:
    return st;
}

/* Gradients of all groups are there at once, and are folded one after the other: the slab is free for the first of them only, so
 * all are copied (ResNet-8, four groups a rank: 0.2 ms of a step of 118). */
static void whole_fold(lk_run *run)
{
    size_t bytes = (size_t)lk_model_spans(run->model)->total_floats * sizeof(float);
    for (int g = 0; g < lk_whole_n_parts(run->whole); g++) {
        const lk_part *part = lk_whole_part(run->whole, g);
        float         *gradient = lk_reduce_group_begin(run->reduce, g);
        if (part->batch->n > 0) memcpy(gradient, part->gradient, bytes);
        lk_reduce_group_end(run->reduce, g, part->batch->n > 0);
    }
}

/*
 * Not alone: layers share rows on the way, so a rank that fails goes on until the others know, and none goes on after that.
 * Returns this rank's own failure, which lk_reduce_finish tells all; LK_E_MPI if they cannot be reached.
 */
static lk_status whole_half(lk_run *run, lk_status local)
{
    const float *state = lk_reduce_state(run->reduce);
    if (local == LK_OK) local = whole_batch(run);
    enter(run, LK_PHASE_FORWARD);
    local = lk_whole_forward(run->whole, state, local);
    if (local == LK_OK && !lk_whole_stopped(run->whole)) local = whole_losses(run);
    enter(run, LK_PHASE_BACKWARD);
    local = lk_whole_backward(run->whole, state, local);
    lk_phases_enter(&run->phases, LK_PHASE_REDUCE);
    if (local == LK_OK && !lk_whole_stopped(run->whole)) whole_fold(run);
    return local;
}

/* ---- the collective half ---- */

typedef struct update {
    lk_run       *run;
    lk_optim_step step;
} update;

/* Running statistics follow the batch: new = (1 - m) old + m * weighted mean over lanes. */
static void update_statistic(const lk_tile_update *tile, float momentum)
{
    for (int64_t i = 0; i < tile->tile->count; i++)
        tile->state[i] += momentum * (tile->mean_scale * tile->sum[i] - tile->state[i]);
}

static void update_tile(void *context, const lk_tile_update *tile)
{
    update              *now = context;
    lk_run              *run = now->run;
    const lk_span_table *table = lk_model_spans(run->model);
    const lk_span       *span = &table->spans[tile->tile->span];
    float               *slot[LK_OPTIM_MAX_SLOTS] = {0};
    if (span->kind == LK_SPAN_STATISTIC) {
        update_statistic(tile, lk_model_momentum(run->model, span->layer));
        return;
    }
    for (int i = 0; i < lk_optim_n_slots(&run->options->optim); i++)
        slot[i] = lk_reduce_slot(run->reduce, i) + tile->tile->offset;
    now->step.mean_scale = tile->mean_scale;
    now->step.grad_scale = tile->grad_scale;
    lk_optim_update(&run->options->optim, &now->step, span->decay, tile->tile->count, tile->state, tile->sum,
                    slot);
}

lk_status lk_run_step(lk_run *run, unsigned *flags, double *loss)
{
    lk_status      st = LK_OK;
    float          factor = 1;
    lk_step_result result = {0};
    lk_reduce_info before, after;
    run->position.step = run->progress.step;
    lk_status local = lk_sched_factor(&run->options->sched, &run->position, &factor);
    if (run->whole)
        local = whole_half(run, local);
    else if (local == LK_OK)
        local = local_half(run);
    if (local == LK_E_MPI) return local; /* nobody can be told: the job ends by force */
    float  rate = run->options->optim.learning_rate * factor;
    update now = {.run = run, .step = lk_optim_step_make(&run->options->optim, rate, run->progress.step + 1)};
    run->progress.rate = (double)rate;

    lk_phases_enter(&run->phases, LK_PHASE_REDUCE);
    lk_watchdog_tick(run->watchdog, run->progress.step, LK_PHASE_REDUCE, LK_WAIT_ALL);
    lk_reduce_get_info(run->reduce, &before);
    st = lk_reduce_finish(run->reduce, local, *flags, update_tile, &now, &result);
    if (st == LK_E_DIVERGED) st = lk_fail_context(st, "in step %lld", (long long)run->progress.step + 1);
    if (st != LK_OK) goto done;
    lk_reduce_get_info(run->reduce, &after);
    lk_phases_enter(&run->phases, LK_PHASE_OTHER);
    lk_watchdog_tick(run->watchdog, run->progress.step, LK_PHASE_OTHER, LK_WAIT_NONE);
    lk_phases_move(&run->phases, LK_PHASE_REDUCE, LK_PHASE_OPTIMIZER, after.update_s - before.update_s);

    *flags = result.flags;
    *loss = result.sums[LK_SUM_LOSS] / result.sums[LK_SUM_WEIGHT];
    run->progress.grad_norm = result.grad_norm;
    for (int i = 0; i < run->n_columns; i++) run->epoch_sums[i] += result.sums[i];
    run->progress.step++;
done:
    return st;
}
