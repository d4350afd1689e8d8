#include "comm/reduce.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "comm/reduce_internal.h"
#include "comm/tile.h"
#include "core/alloc.h"

/* ---- create and destroy ---- */

static lk_status check_options(const lk_comm *comm, const lk_reduce_options *o, const lk_span_table *spans)
{
    lk_status st = LK_OK;
    LK_CHECK(!comm->has_mpi || comm->laid_out, LK_E_BUG, "reduction: lk_comm_layout comes first");
    LK_CHECK(o->lanes >= 1, LK_E_BUG, "reduction: %d lanes; at least 1 is right", o->lanes);
    LK_CHECK(o->group_lanes >= 1 && (o->group_lanes & (o->group_lanes - 1)) == 0, LK_E_BUG,
             "reduction: group_lanes is %d; a power of two is right", o->group_lanes);
    LK_CHECK(o->n_sums >= 3, LK_E_BUG, "reduction: %d columns of sums; weight, rows and loss are needed",
             o->n_sums);
    LK_CHECK(o->n_slots >= 0, LK_E_BUG, "reduction: %d slots", o->n_slots);
    LK_CHECK(spans->total_floats > 0, LK_E_CONFIG, "the model has no parameters: nothing to train");
done:
    return st;
}

static lk_status lay_out_run(lk_reduce *reduce)
{
    lk_status st = LK_OK;
    int       lanes = reduce->options.lanes, p = lk_comm_size(reduce->comm), q = lk_comm_rank(reduce->comm);
    reduce->first_lane = lk_tree_cut(lanes, p, q);
    reduce->end_lane = lk_tree_cut(lanes, p, q + 1);
    int max_s = reduce->options.group_lanes;
    reduce->n_groups = lk_tree_fringe(lanes, reduce->first_lane, reduce->end_lane, max_s, NULL);
    LK_TRY(LK_ALLOC(reduce->n_groups, &reduce->groups));
    lk_tree_fringe(lanes, reduce->first_lane, reduce->end_lane, max_s, reduce->groups);
    int longest = (lanes + p - 1) / p;
    reduce->info.balance = (double)lanes / ((double)p * longest);
done:
    return st;
}

static lk_status create_local(lk_reduce *reduce)
{
    lk_status st = LK_OK;
    LK_TRY(lay_out_run(reduce));
    LK_TRY(lk_span_table_tiles(reduce->spans, &reduce->tiles, &reduce->n_tiles));
    LK_TRY(LK_ALLOC(reduce->options.n_sums, &reduce->sums));
    LK_TRY(LK_ALLOC(reduce->options.lanes, &reduce->lane_present));
    LK_TRY(LK_ALLOC((1 + reduce->options.n_slots) * reduce->spans->n_spans, &reduce->span_hashes));
done:
    return st;
}

lk_status lk_reduce_create(lk_comm *comm, const lk_reduce_options *options, const lk_span_table *spans,
                           lk_reduce **out)
{
    lk_status st = LK_OK;
    *out = NULL;
    st = check_options(comm, options, spans);
    if (st == LK_OK) st = LK_ALLOC(1, out);
    if (st == LK_OK) {
        (*out)->comm = comm;
        (*out)->spans = spans;
        (*out)->options = *options;
        if ((*out)->options.bucket_bytes <= 0) (*out)->options.bucket_bytes = 1 << 20;
        st = create_local(*out);
    }
    LK_TRY(lk_comm_agree(comm, st));
    (*out)->methods = options->kind == LK_REDUCE_LOCKSTEP ? &lk_reduce_lockstep : &lk_reduce_allreduce;
    LK_TRY((*out)->methods->create(*out));
done:
    if (st != LK_OK) lk_reduce_destroy(out);
    return st;
}

void lk_reduce_destroy(lk_reduce **reduce)
{
    if (!reduce || !*reduce) return;
    if ((*reduce)->methods) (*reduce)->methods->destroy(*reduce);
    lk_free(&(*reduce)->tiles);
    lk_free(&(*reduce)->groups);
    lk_free(&(*reduce)->sums);
    lk_free(&(*reduce)->lane_present);
    lk_free(&(*reduce)->span_hashes);
    lk_free(reduce);
}

/* ---- what the step asks for ---- */

float *lk_reduce_state(lk_reduce *reduce)
{
    return reduce->state;
}

float *lk_reduce_slot(lk_reduce *reduce, int slot)
{
    LK_ASSERT(slot >= 0 && slot < reduce->options.n_slots);
    return reduce->slots + (int64_t)slot * reduce->spans->parameter_floats;
}

lk_status lk_reduce_publish(lk_reduce *reduce)
{
    return reduce->methods->publish(reduce);
}

void lk_reduce_run(const lk_reduce *reduce, int *first, int *n)
{
    *first = reduce->first_lane;
    *n = reduce->end_lane - reduce->first_lane;
}

int lk_reduce_n_groups(const lk_reduce *reduce)
{
    return reduce->n_groups;
}

lk_node lk_reduce_group(const lk_reduce *reduce, int group)
{
    LK_ASSERT(group >= 0 && group < reduce->n_groups);
    return reduce->groups[group];
}

float *lk_reduce_group_begin(lk_reduce *reduce, int group)
{
    LK_ASSERT(group >= 0 && group < reduce->n_groups);
    return reduce->methods->group_begin(reduce, group);
}

double *lk_reduce_lane_sums(lk_reduce *reduce, int lane)
{
    LK_ASSERT(lane >= reduce->first_lane && lane < reduce->end_lane);
    return reduce->rows + (int64_t)lane * reduce->options.n_sums;
}

void lk_reduce_group_end(lk_reduce *reduce, int group, bool present)
{
    reduce->methods->group_end(reduce, group, present);
}

lk_status lk_reduce_finish(lk_reduce *reduce, lk_status local, unsigned flags, lk_tile_hook *hook,
                           void *context, lk_step_result *result)
{
    *result = (lk_step_result){.sums = reduce->sums};
    lk_status st = reduce->methods->finish(reduce, local, flags, hook, context, result);
    reduce->comm->failed_together = st != LK_OK && st != LK_E_MPI;
    return st;
}

void lk_reduce_get_info(const lk_reduce *reduce, lk_reduce_info *info)
{
    *info = reduce->info;
}

/* ---- shared by both kinds ---- */

int64_t lk_reduce_slot_floats(const lk_reduce *reduce)
{
    return reduce->options.n_slots * reduce->spans->parameter_floats;
}

void lk_reduce_clear_rows(lk_reduce *reduce)
{
    size_t n = (size_t)(reduce->end_lane - reduce->first_lane) * (size_t)reduce->options.n_sums;
    if (n)
        memset(reduce->rows + (int64_t)reduce->first_lane * reduce->options.n_sums, 0,
               n * sizeof *reduce->rows);
}

void lk_reduce_sum_rows(lk_reduce *reduce)
{
    int n = reduce->options.n_sums;
    for (int lane = 0; lane < reduce->options.lanes; lane++)
        reduce->lane_present[lane] = reduce->rows[(int64_t)lane * n + 1] > 0;
    lk_tree_sum_rows(reduce->rows, reduce->lane_present, reduce->options.lanes, n, reduce->sums);
}

void lk_reduce_measure_tile(lk_reduce *reduce, const lk_tile *tile, const float *sum)
{
    lk_reduce_note_tile(reduce, tile, sum, sum ? lk_tile_squares(tile->count, sum) : 0);
}

void lk_reduce_note_tile(lk_reduce *reduce, const lk_tile *tile, const float *sum, double squares)
{
    reduce->table.bad[tile->index] = isfinite(squares) ? 0 : (double)lk_tile_count_bad(tile->count, sum);
    bool counts = reduce->spans->spans[tile->span].kind == LK_SPAN_PARAMETER;
    reduce->table.squares[tile->index] = counts ? squares : 0;
}

static lk_status first_bad_span(const lk_reduce *reduce)
{
    int    span = -1;
    double bad = 0;
    for (int i = 0; i < reduce->n_tiles; i++) {
        if (reduce->table.bad[i] <= 0 || (span >= 0 && reduce->tiles[i].span != span)) continue;
        span = reduce->tiles[i].span;
        bad += reduce->table.bad[i];
    }
    if (span < 0) return LK_OK;
    const lk_span *it = &reduce->spans->spans[span];
    return lk_fail(
        LK_E_DIVERGED,
        "the gradient of '%s' is not finite: %.0f of %lld values are NaN or infinite (loss sum %g)", it->name,
        bad, (long long)it->count, reduce->sums[2]);
}

static lk_status check_sums(const lk_reduce *reduce)
{
    lk_status st = LK_OK;
    double    weight = reduce->sums[0], rows = reduce->sums[1];
    LK_CHECK(isfinite(reduce->sums[2]), LK_E_DIVERGED, "the loss is not finite: its sum over the batch is %g",
             reduce->sums[2]);
    for (int i = 0; i < reduce->options.n_sums; i++)
        LK_CHECK(isfinite(reduce->sums[i]), LK_E_DIVERGED, "sum %d of this step is not finite: %g", i,
                 reduce->sums[i]);
    LK_CHECK(weight > 0 && rows > 0, LK_E_DATA,
             "no sample of this batch has weight: the weights of its %.0f samples add up to %g", rows,
             weight);
done:
    return st;
}

lk_status lk_reduce_judge(lk_reduce *reduce, lk_step_result *result, lk_factors *factors)
{
    lk_status st = LK_OK;
    double    squares = 0, clip = reduce->options.clip_norm;
    LK_TRY(first_bad_span(reduce));
    LK_TRY(check_sums(reduce));
    lk_tree_sum_rows(reduce->table.squares, NULL, reduce->n_tiles, 1, &squares);
    double inverse = 1.0 / reduce->sums[0];
    result->grad_norm = sqrt(squares) * inverse;
    /* No element exceeds the norm, so a norm that fits a float keeps every mean finite. */
    LK_CHECK(result->grad_norm < (double)FLT_MAX && inverse < (double)FLT_MAX, LK_E_DIVERGED,
             "the mean gradient does not fit a float: its norm is %g, the sum of weights %g",
             result->grad_norm, reduce->sums[0]);
    double scale = clip > 0 ? clip / (result->grad_norm + 1e-6) : 1;
    factors->grad_scale = result->grad_scale = scale < 1 ? (float)scale : 1;
    factors->inverse_weight = (float)inverse;
    factors->inverse_count = (float)(1.0 / reduce->sums[1]);
done:
    return st;
}

void lk_reduce_update_tile(lk_reduce *reduce, const lk_tile *tile, const float *sum,
                           const lk_factors *factors, lk_tile_hook *hook, void *context)
{
    bool           parameter = reduce->spans->spans[tile->span].kind == LK_SPAN_PARAMETER;
    float          factor = parameter ? factors->inverse_weight : factors->inverse_count;
    lk_tile_update update = {.tile = tile,
                             .state = reduce->state + tile->offset,
                             .sum = sum,
                             .mean_scale = factor,
                             .grad_scale = factors->grad_scale};
    hook(context, &update);
}

void lk_reduce_span_ready(lk_reduce *reduce, int span)
{
    LK_ASSERT(span >= -1 && span < reduce->spans->n_spans);
    if (reduce->methods->span_ready) reduce->methods->span_ready(reduce, span);
}
