/*
 * The canonical tree in two sweeps over memory that a host's ranks share: sum my slice of all slabs, then,
 * once all ranks know that the step is good, update my slice. Three barriers: slabs complete; figures
 * complete; parameters published. Between the hosts the sums travel in exchange.c. Order of additions: the
 * tree of tree.h, whatever ranks and hosts there are.
 */
#include <string.h>

#include "comm/exchange.h"
#include "comm/plan.h"
#include "comm/tile.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "kernels/own.h"

/* ---- create ---- */

static int host_first_lane(const lk_reduce *reduce, int host)
{
    const lk_comm *comm = reduce->comm;
    return lk_tree_cut(reduce->options.lanes, lk_comm_size(comm), comm->host_first[host]);
}

/* Slabs: the fringes of the host's ranks one after the other. */
static lk_status lay_out_slabs(lk_reduce *reduce, lk_lockstep *it)
{
    lk_status      st = LK_OK;
    const lk_comm *comm = reduce->comm;
    int            lanes = reduce->options.lanes, p = lk_comm_size(comm), host = lk_comm_host(comm);
    for (int pass = 0; pass < 2; pass++) { /* counts, then fills */
        it->n_leaves = 0;
        for (int q = comm->host_first[host]; q < comm->host_first[host + 1]; q++) {
            if (q == comm->rank) it->first_slab = it->n_leaves;
            it->n_leaves += lk_tree_fringe(lanes, lk_tree_cut(lanes, p, q), lk_tree_cut(lanes, p, q + 1), 0,
                                           pass ? it->slab_node + it->n_leaves : NULL);
            if (q == comm->rank) it->end_slab = it->n_leaves;
        }
        it->n_slabs = it->n_leaves > 0 ? it->n_leaves : 1;
        if (pass == 0) LK_TRY(LK_ALLOC(it->n_slabs, &it->slab_node));
    }
    int first = host_first_lane(reduce, host), end = host_first_lane(reduce, host + 1);
    it->n_host_fringe = lk_tree_fringe(lanes, first, end, 0, NULL);
    LK_TRY(LK_ALLOC(it->n_host_fringe, &it->host_fringe));
    LK_TRY(LK_ALLOC(it->n_host_fringe + 1, &it->host_leaf));
    lk_tree_fringe(lanes, first, end, 0, it->host_fringe);
    for (int i = 0, slab = 0; i <= it->n_host_fringe; i++) {
        it->host_leaf[i] = slab;
        if (i == it->n_host_fringe) break;
        int stop = it->host_fringe[i].lo + it->host_fringe[i].s;
        while (slab < it->n_leaves && it->slab_node[slab].lo < stop) slab++;
    }
done:
    return st;
}

static lk_status allocate_private(lk_reduce *reduce, lk_lockstep *it)
{
    lk_status st = LK_OK;
    int       lanes = reduce->options.lanes;
    LK_TRY(lay_out_slabs(reduce, it));
    LK_TRY(LK_ALLOC(it->n_slabs, &it->slab));
    LK_TRY(LK_ALLOC(it->n_slabs, &it->adds));
    LK_TRY(LK_ALLOC(it->n_slabs, &it->present));
    LK_TRY(LK_ALLOC(it->n_host_fringe, &it->place));
    it->n_scratch = LK_TREE_DEPTH;
    LK_TRY(LK_ALLOC((int64_t)it->n_scratch * LK_TILE_FLOATS, &it->scratch));
    for (int i = it->first_slab; i < it->end_slab; i++) {
        int buffers = lk_tree_fold_buffers(lanes, it->slab_node[i], reduce->options.group_lanes);
        if (buffers - 1 > it->n_temp) it->n_temp = buffers - 1;
    }
    LK_TRY(LK_ALLOC(it->n_temp, &it->temp));
    for (int i = 0; i < it->n_temp; i++) LK_TRY(LK_ALLOC(reduce->spans->total_floats, &it->temp[i]));
    int n = lk_comm_host_ranks(reduce->comm, lk_comm_host(reduce->comm)),
        k = lk_comm_rank_on_host(reduce->comm);
    it->first_tile = lk_slice_cut(reduce->tiles, reduce->n_tiles, n, k);
    it->end_tile = lk_slice_cut(reduce->tiles, reduce->n_tiles, n, k + 1);
    LK_TRY(LK_ALLOC(it->end_tile - it->first_tile, &it->tile_place));
    if (lk_comm_n_hosts(reduce->comm) > 1) {
        LK_TRY(lk_exchange_create(reduce, &it->exchange));
        LK_TRY(LK_ALLOC(reduce->spans->n_spans, &it->folded));
        LK_TRY(LK_ALLOC(n, &it->ready));
    }
    reduce->info.n_slabs_host = it->n_slabs;
    for (int host = 0; host < lk_comm_n_hosts(reduce->comm); host++)
        reduce->info.fringe_total +=
            lk_tree_fringe(lanes, host_first_lane(reduce, host), host_first_lane(reduce, host + 1), 0, NULL);
done:
    return st;
}

/* The pieces of the window in the order in which they are taken; what comes after PIECE_MISC is slabs. */
enum {
    PIECE_STATE,
    PIECE_SLOTS,
    PIECE_ROWS,
    PIECE_SQUARES,
    PIECE_BAD,
    PIECE_HASHES,
    PIECE_RECORDS,
    PIECE_READY,
    PIECE_MISC,
    PIECES
};

/* Bytes of a rank's row of flags, whole cache lines: one a span, and a last one for its slabs' presence. */
static size_t ready_row(const lk_reduce *reduce)
{
    return ((size_t)reduce->spans->n_spans + 1 + 63) / 64 * 64;
}

static void piece_sizes(const lk_reduce *reduce, const lk_lockstep *it, size_t sizes[PIECES])
{
    size_t n = (size_t)lk_comm_host_ranks(reduce->comm, lk_comm_host(reduce->comm));
    size_t tiles = (size_t)reduce->n_tiles;
    sizes[PIECE_STATE] = (size_t)reduce->spans->total_floats * sizeof(float);
    sizes[PIECE_SLOTS] = (size_t)lk_reduce_slot_floats(reduce) * sizeof(float);
    sizes[PIECE_ROWS] = (size_t)reduce->options.lanes * (size_t)reduce->options.n_sums * sizeof(double);
    sizes[PIECE_SQUARES] = sizes[PIECE_BAD] = tiles * sizeof(double);
    sizes[PIECE_HASHES] = (size_t)(1 + reduce->options.n_slots) * tiles * sizeof(uint64_t);
    sizes[PIECE_RECORDS] = (n + 1) * sizeof(lk_record);
    sizes[PIECE_READY] = it->exchange ? n * ready_row(reduce) : 0;
    sizes[PIECE_MISC] = (n + (size_t)it->n_slabs) * sizeof(int);
}

/* Who owns a part zeroes it, so that its pages lie near that rank. */
static void first_touch(lk_reduce *reduce, lk_lockstep *it, void *pieces[PIECES], const size_t sizes[PIECES])
{
    int64_t total = reduce->spans->total_floats, parameters = reduce->spans->parameter_floats;
    int64_t from = it->first_tile < reduce->n_tiles ? reduce->tiles[it->first_tile].offset : total;
    int64_t to = it->end_tile < reduce->n_tiles ? reduce->tiles[it->end_tile].offset : total;
    if (lk_comm_rank_on_host(reduce->comm) == 0) {
        from = 0;
        for (int i = PIECE_ROWS; i < PIECES; i++) memset(pieces[i], 0, sizes[i]);
        if (it->n_leaves == 0) memset(it->slab[0], 0, (size_t)total * sizeof(float));
    }
    if (to > from) memset(reduce->state + from, 0, (size_t)(to - from) * sizeof(float));
    int64_t stop = to < parameters ? to : parameters;
    for (int i = 0; i < reduce->options.n_slots && stop > from; i++)
        memset(reduce->slots + i * parameters + from, 0, (size_t)(stop - from) * sizeof(float));
    for (int i = it->first_slab; i < it->end_slab; i++) memset(it->slab[i], 0, (size_t)total * sizeof(float));
}

static lk_status allocate_window(lk_reduce *reduce, lk_lockstep *it)
{
    lk_status st = LK_OK;
    size_t    sizes[PIECES], slab = (size_t)reduce->spans->total_floats * sizeof(float), bytes = 0;
    void     *pieces[PIECES];
    int       n = lk_comm_host_ranks(reduce->comm, lk_comm_host(reduce->comm));
    piece_sizes(reduce, it, sizes);
    for (int i = 0; i < PIECES; i++) bytes += lk_window_piece(sizes[i]);
    bytes += (size_t)it->n_slabs * lk_window_piece(slab);
    LK_TRY(lk_window_create(reduce->comm, bytes, &it->window));
    for (int i = 0; i < PIECES; i++) pieces[i] = lk_window_take(it->window, sizes[i]);
    for (int i = 0; i < it->n_slabs; i++) it->slab[i] = lk_window_take(it->window, slab);
    reduce->state = pieces[PIECE_STATE];
    reduce->slots = pieces[PIECE_SLOTS];
    reduce->rows = pieces[PIECE_ROWS];
    reduce->table = (lk_tile_table){.squares = pieces[PIECE_SQUARES], .bad = pieces[PIECE_BAD]};
    reduce->hashes = pieces[PIECE_HASHES];
    it->records = pieces[PIECE_RECORDS];
    it->merged = it->records + n;
    it->broken = pieces[PIECE_MISC];
    it->slab_present = it->broken + n;
    for (int i = 0; i < n && it->exchange; i++)
        it->ready[i] = (ready_flag *)pieces[PIECE_READY] + (size_t)i * ready_row(reduce);
    first_touch(reduce, it, pieces, sizes);
    lk_window_barrier(it->window);
    if (lk_window_is_shared(it->window))
        reduce->info.window_bytes = (int64_t)bytes;
    else
        reduce->info.private_bytes = (int64_t)bytes;
done:
    return st;
}

static lk_status create(lk_reduce *reduce)
{
    lk_status    st = LK_OK;
    lk_lockstep *it = NULL;
    st = LK_ALLOC(1, &it);
    reduce->impl = it;
    if (st == LK_OK) st = allocate_private(reduce, it);
    LK_TRY(lk_comm_agree(reduce->comm, st));
    LK_TRY(allocate_window(reduce, it));
done:
    return st;
}

static void destroy(lk_reduce *reduce)
{
    lk_lockstep *it = reduce->impl;
    if (!it) return;
    lk_exchange_destroy(&it->exchange);
    lk_window_destroy(&it->window);
    for (int i = 0; it->temp && i < it->n_temp; i++) lk_free(&it->temp[i]);
    lk_free(&it->temp);
    lk_free(&it->slab);
    lk_free(&it->slab_node);
    lk_free(&it->host_fringe);
    lk_free(&it->host_leaf);
    lk_free(&it->place);
    lk_free(&it->adds);
    lk_free(&it->present);
    lk_free(&it->scratch);
    lk_free(&it->tile_place);
    lk_free(&it->folded);
    lk_free(&it->ready);
    lk_free(&reduce->impl);
}

/* The hosts' first ranks pass the root's copy on; the barriers keep it apart from what others wrote or will
 * read. */
static lk_status publish(lk_reduce *reduce)
{
    lk_status    st = LK_OK;
    lk_lockstep *it = reduce->impl;
    size_t       state = (size_t)reduce->spans->total_floats * sizeof(float);
    size_t       slots = (size_t)lk_reduce_slot_floats(reduce) * sizeof(float);
    lk_window_barrier(it->window);
    if (reduce->comm->n_hosts > 1 && lk_comm_rank_on_host(reduce->comm) == 0) {
        st = lk_mpi_broadcast(reduce->comm->leaders, 0, reduce->state, state);
        if (st == LK_OK) st = lk_mpi_broadcast(reduce->comm->leaders, 0, reduce->slots, slots);
    }
    lk_window_barrier(it->window);
    return lk_comm_agree(reduce->comm, st);
}

/* ---- the local half: fold ---- */

static float *fold_buffer(const lk_lockstep *it, int buffer)
{
    return buffer == 0 ? it->slab[it->slab_at] : it->temp[buffer - 1];
}

/* ---- several hosts: in a rank's last group a span is folded as soon as backward reports it ---- */

/* What the fold will do once the group ends, if it is present; until then only on spans that are ready. */
static void begin_last_group(const lk_reduce *reduce, lk_lockstep *it)
{
    lk_fold fold = it->fold;
    lk_node group = reduce->groups[reduce->n_groups - 1];
    it->n_last_adds = lk_fold_push(&fold, reduce->options.lanes, it->slab_node[it->slab_at], group, true);
    it->last_buffer = fold.n_present + it->n_last_adds - 1;
    it->in_last_group = true;
    memset(it->folded, 0, (size_t)reduce->spans->n_spans * sizeof *it->folded);
}

static void fold_span(const lk_reduce *reduce, lk_lockstep *it, int span)
{
    const lk_span *s = &reduce->spans->spans[span];
    if (it->folded[span]) return;
    it->folded[span] = true;
    for (int k = 0, t = it->last_buffer; k < it->n_last_adds; k++, t--) {
        float *left = fold_buffer(it, t - 1) + s->offset;
        lk_tile_add(s->count, left, fold_buffer(it, t) + s->offset, left);
    }
}

/* This rank's part of span `flag` is complete; n_spans: it is known which of its slabs have a value. */
static void raise_flag(const lk_reduce *reduce, const lk_lockstep *it, int flag)
{
    atomic_store_explicit(&it->ready[lk_comm_rank_on_host(reduce->comm)][flag], 1, memory_order_release);
}

static float *group_begin(lk_reduce *reduce, int group)
{
    lk_lockstep *it = reduce->impl;
    if (group == 0) {
        it->slab_at = it->first_slab;
        lk_fold_start(&it->fold);
    }
    if (it->exchange && group == reduce->n_groups - 1) begin_last_group(reduce, it);
    return fold_buffer(it, it->fold.n_present);
}

static void group_end(lk_reduce *reduce, int group, bool present)
{
    lk_lockstep *it = reduce->impl;
    double       start = lk_clock_seconds();
    lk_node      top = it->slab_node[it->slab_at];
    int          n_adds = lk_fold_push(&it->fold, reduce->options.lanes, top, reduce->groups[group], present);
    if (it->in_last_group && present) {
        for (int span = 0; span < reduce->spans->n_spans; span++) fold_span(reduce, it, span);
        n_adds = 0;
    }
    for (int t = it->fold.n_present + n_adds - 1; n_adds > 0; n_adds--, t--) {
        float *left = fold_buffer(it, t - 1);
        lk_tile_add(reduce->spans->total_floats, left, fold_buffer(it, t), left);
    }
    if (lk_fold_done(&it->fold, top)) {
        it->slab_present[it->slab_at] = it->fold.present[0];
        it->slab_at++;
        lk_fold_start(&it->fold);
    }
    if (it->in_last_group) {
        for (int span = 0; span <= reduce->spans->n_spans; span++) raise_flag(reduce, it, span);
        it->in_last_group = false;
    }
    reduce->info.fold_s += lk_clock_seconds() - start;
}

/* ---- the collective half ---- */

static void barrier(lk_reduce *reduce)
{
    lk_lockstep *it = reduce->impl;
    double       start = lk_clock_seconds();
    lk_window_barrier(it->window);
    reduce->info.barrier_s += lk_clock_seconds() - start;
}

/* Which slabs are added in this step, and where each of the host's fringe values will stand. */
static void plan_host_sum(const lk_reduce *reduce, lk_lockstep *it)
{
    it->n_adds = 0;
    for (int i = 0; i < it->n_leaves; i++) it->present[i] = it->slab_present[i] != 0;
    for (int i = 0; i < it->n_host_fringe; i++) {
        int          base = it->host_leaf[i], n = it->host_leaf[i + 1] - base, n_adds = 0, n_scratch = 0;
        lk_tree_add *adds = it->adds + it->n_adds;
        int          place = lk_tree_program(reduce->options.lanes, it->host_fringe[i], it->slab_node + base,
                                             it->present + base, n, adds, &n_adds, &n_scratch);
        for (int k = 0; k < n_adds;
             k++) { /* from leaves and scratch of this node to slabs and scratch of the host */
            adds[k].out += adds[k].out < n ? base : it->n_slabs - n;
            adds[k].a += adds[k].a < n ? base : it->n_slabs - n;
            adds[k].b += adds[k].b < n ? base : it->n_slabs - n;
        }
        it->n_adds += n_adds;
        it->place[i] = place < 0 ? -1 : base + place;
    }
    /* The last addition may leave the sum in any slab of its tile: in one whose lines are this core's. */
    if (!it->exchange && it->n_adds > 0 && it->first_slab < it->end_slab)
        it->adds[it->n_adds - 1].out = it->place[0] = it->first_slab;
}

static float *at_place(const lk_lockstep *it, int place, const lk_tile *tile)
{
    if (place < it->n_slabs) return it->slab[place] + tile->offset;
    return it->scratch + (int64_t)(place - it->n_slabs) * LK_TILE_FLOATS;
}

static const float *tile_sum(const lk_lockstep *it, int tile, int64_t offset)
{
    int slab = it->tile_place[tile - it->first_tile];
    return slab < 0 ? NULL : it->slab[slab] + offset;
}

static void host_sum(lk_reduce *reduce, lk_lockstep *it, int first_tile, int end_tile)
{
    double start = lk_clock_seconds();
    int    n_plain = it->exchange || it->n_adds == 0 ? it->n_adds : it->n_adds - 1;
    for (int t = first_tile; t < end_tile; t++) {
        const lk_tile *tile = &reduce->tiles[t];
        for (int k = 0; k < n_plain; k++) {
            const lk_tree_add *add = &it->adds[k];
            lk_tile_add(tile->count, at_place(it, add->a, tile), at_place(it, add->b, tile),
                        at_place(it, add->out, tile));
        }
        if (it->exchange) continue; /* the sum is not complete yet */
        it->tile_place[t - it->first_tile] = it->place[0];
        const float *sum = tile_sum(it, t, tile->offset);
        if (n_plain == it->n_adds) {
            lk_reduce_measure_tile(reduce, tile, sum);
            continue;
        }
        const lk_tree_add *last = &it->adds[n_plain]; /* whose result is the sum: measured on its way */
        double             squares = lk_tile_add_squares(tile->count, at_place(it, last->a, tile),
                                                         at_place(it, last->b, tile), at_place(it, last->out, tile));
        lk_reduce_note_tile(reduce, tile, sum, squares);
    }
    reduce->info.sum_s += lk_clock_seconds() - start;
}

/* MPI moves about one fragment a connection and call, so a single one would leave most of what could move;
 * this many in a row without a finished message say that there is nothing left to do. */
enum { IDLE_POLLS = 4 };

/* ---- several hosts: segments leave as soon as the host's sums of them are complete ---- */

/* Ranks that feed no slab have nothing to wait for. */
static bool flag_is_up(const lk_reduce *reduce, const lk_lockstep *it, int flag)
{
    const lk_comm *comm = reduce->comm;
    int lanes = reduce->options.lanes, p = lk_comm_size(comm), first = comm->host_first[comm->host];
    for (int i = 0; i < lk_comm_host_ranks(comm, comm->host); i++) {
        bool feeds = lk_tree_cut(lanes, p, first + i) < lk_tree_cut(lanes, p, first + i + 1);
        if (feeds && !atomic_load_explicit(&it->ready[i][flag], memory_order_acquire)) return false;
    }
    return true;
}

static bool segment_is_ready(const lk_reduce *reduce, const lk_lockstep *it, int segment)
{
    int first, end;
    lk_exchange_tiles(it->exchange, segment, &first, &end);
    for (int span = reduce->tiles[first].span; span <= reduce->tiles[end - 1].span; span++)
        if (!flag_is_up(reduce, it, span)) return false;
    return true;
}

static lk_status start_segment(lk_reduce *reduce, lk_lockstep *it, int segment)
{
    int first, end;
    lk_exchange_tiles(it->exchange, segment, &first, &end);
    host_sum(reduce, it, first, end);
    return lk_exchange_start(it->exchange, reduce, segment);
}

static void begin_exchange(lk_reduce *reduce, lk_lockstep *it)
{
    if (it->begun) return;
    plan_host_sum(reduce, it);
    lk_exchange_begin(it->exchange, reduce);
    it->begun = true;
}

/* During the backward pass: what is ready leaves, what has come is added. Backward begins with the last
 * layer, so the last segment goes first. Nothing here waits. */
static lk_status send_early(lk_reduce *reduce, lk_lockstep *it)
{
    lk_status st = LK_OK;
    if (!it->begun && !flag_is_up(reduce, it, reduce->spans->n_spans)) return LK_OK;
    begin_exchange(reduce, it);
    for (int s = lk_exchange_n_segments(it->exchange) - 1; s >= 0; s--) {
        if (!lk_exchange_waits(it->exchange, s) || lk_exchange_carries_record(it->exchange, s)) continue;
        if (!segment_is_ready(reduce, it, s)) continue;
        LK_TRY(start_segment(reduce, it, s));
        reduce->info.n_early_segments++;
    }
    for (int idle = 0, n = 0; idle<IDLE_POLLS; idle = n> 0 ? 0 : idle + 1)
        LK_TRY(lk_exchange_progress(it->exchange, reduce, false, &n));
done:
    return st;
}

static void span_ready(lk_reduce *reduce, int span)
{
    lk_lockstep *it = reduce->impl;
    int         *broken = &it->broken[lk_comm_rank_on_host(reduce->comm)];
    if (!it->in_last_group || *broken) return;
    double start = lk_clock_seconds();
    if (span >= 0) {
        fold_span(reduce, it, span);
        it->slab_present[it->slab_at] = 1; /* backward runs, so the group has rows */
        raise_flag(reduce, it, span);
        raise_flag(reduce, it, reduce->spans->n_spans);
    }
    *broken = (int)send_early(reduce, it);
    reduce->info.early_s += lk_clock_seconds() - start;
}

static void measure_tiles(lk_reduce *reduce, const lk_lockstep *it, int first_tile, int end_tile)
{
    double start = lk_clock_seconds();
    for (int t = first_tile; t < end_tile; t++)
        lk_reduce_measure_tile(reduce, &reduce->tiles[t], tile_sum(it, t, reduce->tiles[t].offset));
    reduce->info.norm_s += lk_clock_seconds() - start;
}

static lk_status finish_exchange(lk_reduce *reduce, lk_lockstep *it)
{
    lk_status st = LK_OK;
    int       left = lk_exchange_n_segments(it->exchange), n = 0;
    for (int s = left - 1; s >= 0; s--) {
        if (!lk_exchange_waits(it->exchange, s)) continue;
        LK_TRY(start_segment(reduce, it, s));
        LK_TRY(lk_exchange_progress(it->exchange, reduce, false, &n));
    }
    while (left > 0) {
        int first, end, s = lk_exchange_take_complete(it->exchange);
        if (s >= 0) {
            lk_exchange_tiles(it->exchange, s, &first, &end);
            measure_tiles(reduce, it, first, end);
            left--;
        } else {
            LK_TRY(lk_exchange_progress(it->exchange, reduce, true, &n));
        }
    }
done:
    return st;
}

/* Sums of all hosts; a failure is left for this host's ranks to find after the barrier. */
static void exchange(lk_reduce *reduce, lk_lockstep *it)
{
    const lk_reduce_info *info = &reduce->info;
    double                start = lk_clock_seconds(), others = info->sum_s + info->norm_s;
    int                  *broken = &it->broken[lk_comm_rank_on_host(reduce->comm)];
    begin_exchange(reduce, it);
    if (!*broken) *broken = (int)finish_exchange(reduce, it);
    reduce->info.exchange_s += lk_clock_seconds() - start - (info->sum_s + info->norm_s - others);
    reduce->info.n_exchange_steps++;
}

static lk_status exchange_failure(const lk_reduce *reduce, const lk_lockstep *it)
{
    int me = lk_comm_rank_on_host(reduce->comm),
        n = lk_comm_host_ranks(reduce->comm, lk_comm_host(reduce->comm));
    if (it->broken[me]) return (lk_status)it->broken[me]; /* its message is still this thread's */
    for (int i = 0; i < n; i++)
        if (it->broken[i])
            return lk_fail((lk_status)it->broken[i],
                           "the exchange between hosts failed on rank %d of host %s", i,
                           lk_comm_host_name(reduce->comm, lk_comm_host(reduce->comm)));
    return LK_OK;
}

/* All ranks of the host read the same window, so all come to the same verdict. */
static lk_status verdict(lk_reduce *reduce, lk_lockstep *it, lk_step_result *result, lk_factors *factors)
{
    lk_status st = LK_OK;
    double    start = lk_clock_seconds();
    lk_record all;
    if (it->exchange) LK_TRY(exchange_failure(reduce, it));
    const lk_record *first = it->exchange ? it->merged : &it->records[0];
    memcpy(&all, first, lk_record_bytes(first));
    if (!it->exchange)
        for (int i = 1; i < lk_comm_size(reduce->comm); i++) lk_record_merge(&all, &it->records[i]);
    result->flags = all.flags;
    LK_TRY(lk_record_status(&all));
    lk_reduce_sum_rows(reduce);
    LK_TRY(lk_reduce_judge(reduce, result, factors));
done:
    reduce->info.norm_s += lk_clock_seconds() - start;
    return st;
}

static void update(lk_reduce *reduce, lk_lockstep *it, const lk_factors *factors, lk_tile_hook *hook,
                   void *context)
{
    double start = lk_clock_seconds();
    bool   shared = lk_comm_host_ranks(reduce->comm, lk_comm_host(reduce->comm)) > 1;
    bool   by_store = shared && !lk_prefetch_owns();
    for (int t = it->first_tile; t < it->end_tile; t++) {
        const lk_tile *tile = &reduce->tiles[t];
        if (by_store) lk_own_lines(tile->count, reduce->state + tile->offset);
        lk_reduce_update_tile(reduce, tile, tile_sum(it, t, tile->offset), factors, hook, context);
    }
    reduce->info.update_s += lk_clock_seconds() - start;
}

static void lower_flags(const lk_reduce *reduce, lk_lockstep *it)
{
    ready_flag *mine = it->ready[lk_comm_rank_on_host(reduce->comm)];
    for (int span = 0; span <= reduce->spans->n_spans; span++)
        atomic_store_explicit(&mine[span], 0, memory_order_relaxed);
    it->begun = it->in_last_group = false;
}

static lk_status finish(lk_reduce *reduce, lk_status local, unsigned flags, lk_tile_hook *hook, void *context,
                        lk_step_result *result)
{
    lk_status    st = LK_OK;
    lk_lockstep *it = reduce->impl;
    lk_factors   factors = {0};
    lk_record_set(&it->records[lk_comm_rank_on_host(reduce->comm)], reduce->comm, local, flags);
    barrier(reduce); /* 1: slabs are complete, nobody reads parameters any more */
    if (it->exchange) {
        exchange(reduce, it);
    } else {
        plan_host_sum(reduce, it);
        host_sum(reduce, it, it->first_tile, it->end_tile);
    }
    barrier(reduce); /* 2: all tiles are measured; no parameter has moved, and nobody asks for spans */
    if (it->exchange) lower_flags(reduce, it);
    st = verdict(reduce, it, result, &factors);
    if (st == LK_OK) update(reduce, it, &factors, hook, context);
    barrier(reduce); /* 3: parameters are published, slabs and records are free */
    reduce->info.n_window_steps += lk_window_is_shared(it->window);
    lk_reduce_clear_rows(reduce);
    return st;
}

static void verify_range(const lk_reduce *reduce, int *first, int *end)
{
    const lk_lockstep *it = reduce->impl;
    *first = it->first_tile;
    *end = it->end_tile;
}

static void verify_barrier(lk_reduce *reduce)
{
    lk_lockstep *it = reduce->impl;
    lk_window_barrier(it->window);
}

const lk_reduce_methods lk_reduce_lockstep = {
    .create = create,
    .destroy = destroy,
    .publish = publish,
    .group_begin = group_begin,
    .group_end = group_end,
    .span_ready = span_ready,
    .finish = finish,
    .verify_range = verify_range,
    .verify_barrier = verify_barrier,
};
