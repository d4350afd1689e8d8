/*
 * The textbook path: every rank keeps its own parameters, adds up its own lanes, and MPI_Allreduce adds up
 * the ranks, bucket by bucket; then every rank updates everything. The sum's bits depend on ranks, lanes a
 * rank and MPI.
 */
#include <string.h>

#include "comm/reduce_internal.h"
#include "comm/tile.h"
#include "core/alloc.h"
#include "core/clock.h"

typedef struct all_impl {
    float  *sum;    /* owned [total_floats]: my lanes so far, then all ranks */
    float  *group;  /* owned [total_floats]: the group at work, unless it is the step's first */
    double *small;  /* owned [2][n_sums + 3]: sums, failed ranks, flags; mine and everybody's */
    bool    filled; /* sum holds a group of this step */
} all_impl;

static lk_status allocate(lk_reduce *reduce)
{
    lk_status st = LK_OK;
    all_impl *impl = NULL;
    int64_t   total = reduce->spans->total_floats;
    LK_TRY(LK_ALLOC(1, &impl));
    reduce->impl = impl;
    LK_TRY(LK_ALLOC(total, &impl->sum));
    LK_TRY(LK_ALLOC(total, &impl->group));
    LK_TRY(LK_ALLOC(2 * (reduce->options.n_sums + 3), &impl->small));
    LK_TRY(LK_ALLOC(total, &reduce->state));
    LK_TRY(LK_ALLOC(lk_reduce_slot_floats(reduce), &reduce->slots));
    LK_TRY(LK_ALLOC(reduce->options.lanes * reduce->options.n_sums, &reduce->rows));
    LK_TRY(LK_ALLOC(reduce->n_tiles, &reduce->table.squares));
    LK_TRY(LK_ALLOC(reduce->n_tiles, &reduce->table.bad));
    LK_TRY(LK_ALLOC((1 + reduce->options.n_slots) * reduce->n_tiles, &reduce->hashes));
    reduce->info.private_bytes = (3 * total + lk_reduce_slot_floats(reduce)) * (int64_t)sizeof(float);
done:
    return st;
}

static lk_status create(lk_reduce *reduce)
{
    return lk_comm_agree(reduce->comm, allocate(reduce));
}

static void destroy(lk_reduce *reduce)
{
    all_impl *impl = reduce->impl;
    if (impl) {
        lk_free(&impl->sum);
        lk_free(&impl->group);
        lk_free(&impl->small);
    }
    lk_free(&reduce->impl);
    lk_free(&reduce->state);
    lk_free(&reduce->slots);
    lk_free(&reduce->rows);
    lk_free(&reduce->table.squares);
    lk_free(&reduce->table.bad);
    lk_free(&reduce->hashes);
}

static lk_status publish(lk_reduce *reduce)
{
    lk_status st = LK_OK;
    LK_TRY(
        lk_comm_broadcast(reduce->comm, reduce->state, (size_t)reduce->spans->total_floats * sizeof(float)));
    LK_TRY(lk_comm_broadcast(reduce->comm, reduce->slots,
                             (size_t)lk_reduce_slot_floats(reduce) * sizeof(float)));
done:
    return st;
}

static float *group_begin(lk_reduce *reduce, int group)
{
    all_impl *impl = reduce->impl;
    (void)group;
    return impl->filled ? impl->group : impl->sum;
}

static void group_end(lk_reduce *reduce, int group, bool present)
{
    all_impl *impl = reduce->impl;
    double    start = lk_clock_seconds();
    (void)group;
    if (present && impl->filled) lk_tile_add(reduce->spans->total_floats, impl->sum, impl->group, impl->sum);
    impl->filled = impl->filled || present;
    reduce->info.fold_s += lk_clock_seconds() - start;
}

/* The small figures of the step: sums, how many ranks failed, how many raised each flag. */
static lk_status sum_small(lk_reduce *reduce, lk_status local, unsigned *flags, bool *failed)
{
    lk_status st = LK_OK;
    all_impl *impl = reduce->impl;
    int       n = reduce->options.n_sums;
    double   *mine = impl->small, *all = impl->small + n + 3;
    lk_reduce_sum_rows(reduce); /* rows of other ranks are zero here, hence absent */
    memcpy(mine, reduce->sums, (size_t)n * sizeof *mine);
    mine[n] = local != LK_OK;
    mine[n + 1] = (*flags & LK_FLAG_STOP) != 0;
    mine[n + 2] = (*flags & LK_FLAG_TIME) != 0;
    memcpy(all, mine, (size_t)(n + 3) * sizeof *mine);
    if (reduce->comm->has_mpi)
        LK_TRY_MPI(MPI_Allreduce(mine, all, n + 3, MPI_DOUBLE, MPI_SUM, reduce->comm->all));
    memcpy(reduce->sums, all, (size_t)n * sizeof *all);
    *failed = all[n] > 0;
    *flags = (all[n + 1] > 0 ? (unsigned)LK_FLAG_STOP : 0u) | (all[n + 2] > 0 ? (unsigned)LK_FLAG_TIME : 0u);
done:
    return st;
}

static lk_status sum_gradients(lk_reduce *reduce)
{
    lk_status st = LK_OK;
    all_impl *impl = reduce->impl;
    int64_t   total = reduce->spans->total_floats,
            bucket = reduce->options.bucket_bytes / (int64_t)sizeof(float);
    double start = lk_clock_seconds();
    if (!impl->filled) memset(impl->sum, 0, (size_t)total * sizeof *impl->sum);
    LK_TRY(lk_comm_sum(reduce->comm, impl->sum, total, bucket > 0 ? bucket : 1));
done:
    reduce->info.exchange_s += lk_clock_seconds() - start;
    return st;
}

/* All ranks follow the root's verdict: MPI does not promise that a sum has the same bits everywhere. */
static lk_status judge(lk_reduce *reduce, lk_step_result *result, lk_factors *factors)
{
    lk_status st = LK_OK, verdict = LK_OK;
    double    start = lk_clock_seconds();
    struct {
        lk_factors factors;
        double     grad_norm;
        int        verdict;
    } root;
    all_impl *impl = reduce->impl;
    memset(&root, 0, sizeof root);
    for (int i = 0; i < reduce->n_tiles; i++)
        lk_reduce_measure_tile(reduce, &reduce->tiles[i], impl->sum + reduce->tiles[i].offset);
    verdict = lk_reduce_judge(reduce, result, factors);
    root.factors = *factors;
    root.grad_norm = result->grad_norm;
    root.verdict = (int)verdict;
    LK_TRY(lk_comm_broadcast(reduce->comm, &root, sizeof root));
    *factors = root.factors;
    result->grad_norm = root.grad_norm;
    result->grad_scale = root.factors.grad_scale;
    if (root.verdict !=
        LK_OK) { /* the root's message, without a place in front: it is nobody's own failure */
        char text[1024] = "";
        strncpy(text, lk_error_message(), sizeof text - 1);
        LK_TRY(lk_comm_broadcast(reduce->comm, text, sizeof text));
        st = lk_fail((lk_status)root.verdict, "%s", text);
    }
done:
    reduce->info.norm_s += lk_clock_seconds() - start;
    return st;
}

static lk_status finish(lk_reduce *reduce, lk_status local, unsigned flags, lk_tile_hook *hook, void *context,
                        lk_step_result *result)
{
    lk_status  st = LK_OK;
    all_impl  *impl = reduce->impl;
    lk_factors factors = {0};
    bool       failed = false;
    LK_TRY(sum_small(reduce, local, &flags, &failed));
    result->flags = flags;
    if (failed) LK_TRY(lk_comm_agree(reduce->comm, local));
    LK_TRY(sum_gradients(reduce));
    LK_TRY(judge(reduce, result, &factors));
    double start = lk_clock_seconds();
    for (int i = 0; i < reduce->n_tiles; i++)
        lk_reduce_update_tile(reduce, &reduce->tiles[i], impl->sum + reduce->tiles[i].offset, &factors, hook,
                              context);
    reduce->info.update_s += lk_clock_seconds() - start;
done:
    impl->filled = false;
    lk_reduce_clear_rows(reduce);
    return st;
}

static void verify_range(const lk_reduce *reduce, int *first, int *end)
{
    *first = 0;
    *end = reduce->n_tiles;
}

static void verify_barrier(lk_reduce *reduce)
{
    (void)reduce; /* this rank hashes all its tiles by itself */
}

const lk_reduce_methods lk_reduce_allreduce = {
    .create = create,
    .destroy = destroy,
    .publish = publish,
    .group_begin = group_begin,
    .group_end = group_end,
    .finish = finish,
    .verify_range = verify_range,
    .verify_barrier = verify_barrier,
};
