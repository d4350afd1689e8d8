#include "comm/exchange.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "comm/plan.h"
#include "comm/tags.h"
#include "comm/tile.h"
#include "core/alloc.h"
#include "core/clock.h"

/* One value of one chunk inside a message. On the way up `leaf` is the host's fringe node that holds it or
 * takes it. */
typedef struct piece {
    int  chunk; /* among mine */
    int  leaf;  /* -1: the complete sum on its way back, or nothing */
    bool floats;
    bool rider; /* chunk 0: the record follows, and rows first_row .. end_row-1 */
    int  first_row, end_row;
} piece;

typedef struct message {
    int    peer, first_piece, n_pieces;
    bool   send;
    size_t capacity; /* bytes at most */
    size_t at;       /* its buffer's place in the arena */
} message;

/* Two values that meet at this host without a message: leaf `to` += leaf `from`. */
typedef struct meeting {
    int round, chunk, order, to, from;
} meeting;

typedef struct round {
    int first_message, n_messages; /* receives before sends */
    int first_meeting, n_meetings;
} round;

struct lk_exchange {
    lk_chunk    *chunks;               /* [n_chunks] owned: everybody's */
    int          n_chunks, first, end; /* mine are first .. end-1 */
    round       *rounds;               /* [n_rounds]: reports, up, back */
    int          n_rounds, up_rounds;
    message     *messages;
    int          n_messages;
    piece       *pieces;
    int          n_pieces;
    meeting     *meetings;
    int          n_meetings;
    int         *root_leaf; /* [mine] my leaf that holds the complete sum, -1: on another host */
    int         *place;     /* [mine][n_host_fringe] slab of each value in this step, -1: absent */
    int          n_leaves;  /* n_host_fringe */
    char        *arena;     /* buffers of the busiest round */
    MPI_Request *requests;  /* [messages of the busiest round] */
    lk_record    record;    /* owner of chunk 0: merged so far */
};

/* ---- create: from the plan to rounds of messages ---- */

/* A piece with the message it belongs to, before messages are formed. */
typedef struct item {
    int   round, peer, chunk, order;
    bool  send;
    piece piece;
} item;

typedef struct items {
    item *list; /* owned */
    int   n;
} items;

static int compare_items(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->round != y->round) return x->round < y->round ? -1 : 1;
    if (x->send != y->send) return x->send ? 1 : -1;
    if (x->peer != y->peer) return x->peer < y->peer ? -1 : 1;
    if (x->chunk != y->chunk) return x->chunk < y->chunk ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static int owner_on(const lk_reduce *reduce, const lk_exchange *it, int host, int chunk)
{
    int n = lk_comm_host_ranks(reduce->comm, host);
    return reduce->comm->host_first[host] +
           lk_slice_of(reduce->tiles, reduce->n_tiles, n, it->chunks[chunk].first_tile);
}

static item *add_item(items *all, const lk_reduce *reduce, const lk_exchange *it, const lk_plan_move *move)
{
    item *new = &all->list[all->n++];
    bool send = move->from == lk_comm_host(reduce->comm);
    *new = (item){.round = move->round,
                  .peer = owner_on(reduce, it, send ? move->to : move->from, move->chunk),
                  .chunk = move->chunk,
                  .send = send,
                  .piece = {.chunk = move->chunk - it->first, .leaf = -1, .rider = move->chunk == 0}};
    return new;
}

static void collect(const lk_reduce *reduce, const lk_plan *plan, lk_exchange *it, items *all)
{
    int lanes = reduce->options.lanes, base = plan->host_leaf[lk_comm_host(reduce->comm)];
    for (int i = 0; i < plan->n_reports; i++) add_item(all, reduce, it, &plan->reports[i]);
    for (int i = 0; i < plan->n_adds; i++) {
        const lk_plan_add *add = &plan->adds[i];
        if (add->from == add->to) {
            it->meetings[it->n_meetings++] =
                (meeting){add->round, add->chunk - it->first, i, add->to_leaf - base, add->from_leaf - base};
            continue;
        }
        item *new = add_item(all, reduce, it, &(lk_plan_move){add->chunk, add->round, add->from, add->to});
        new->piece.leaf = (new->send ? add->from_leaf : add->to_leaf) - base;
        new->piece.floats = true;
        new->piece.first_row = add->moved.lo;
        new->piece.end_row = add->moved.lo + lk_tree_node_lanes(lanes, add->moved);
        /* Both sides must list the pieces of a message alike, whatever else each of them does. */
        new->order = add->node.lo;
    }
    for (int i = 0; i < plan->n_backs; i++) {
        lk_plan_move move = plan->backs[i];
        move.round += plan->up_rounds;
        item *new = add_item(all, reduce, it, &move);
        new->piece.floats = true;
        new->piece.end_row = lanes;
    }
}

static size_t piece_capacity(const lk_reduce *reduce, const lk_exchange *it, const piece *p)
{
    size_t bytes = p->floats ? (size_t)it->chunks[it->first + p->chunk].count * sizeof(float) : 0;
    size_t row = (size_t)reduce->options.n_sums * sizeof(double);
    if (p->rider) bytes += sizeof(uint64_t) + sizeof(lk_record) + (size_t)(p->end_row - p->first_row) * row;
    return bytes;
}

enum { HEADER_ALIGN = 16 };

static size_t header_bytes(int n_pieces)
{
    return ((size_t)n_pieces * sizeof(int32_t) + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
}

static bool same_message(const item *a, const item *b)
{
    return a->round == b->round && a->send == b->send && a->peer == b->peer;
}

/* Sorted items become messages, a run of equal (round, direction, peer) each. */
static void form_messages(lk_reduce *reduce, lk_exchange *it, const items *all)
{
    for (int i = 0; i < all->n; i++) {
        const item *now = &all->list[i];
        round      *r = &it->rounds[now->round];
        if (i == 0 || now->round != all->list[i - 1].round) r->first_message = it->n_messages;
        if (i == 0 || !same_message(now, &all->list[i - 1])) {
            it->messages[it->n_messages++] =
                (message){.peer = now->peer, .first_piece = i, .send = now->send};
            r->n_messages++;
        }
        message *m = &it->messages[it->n_messages - 1];
        it->pieces[i] = now->piece;
        m->capacity += piece_capacity(reduce, it, &now->piece);
        m->n_pieces++;
        if (now->send && now->piece.floats)
            reduce->info.planned_bytes_step += it->chunks[now->chunk].count * (int64_t)sizeof(float);
    }
}

/* Messages of one round stand side by side in the arena; rounds take turns in it. */
static lk_status place_buffers(lk_exchange *it)
{
    lk_status st = LK_OK;
    size_t    arena = 0;
    int       busiest = 0;
    for (int i = 0; i < it->n_rounds; i++) {
        size_t used = 0;
        for (int k = 0; k < it->rounds[i].n_messages; k++) {
            message *m = &it->messages[it->rounds[i].first_message + k];
            m->capacity += header_bytes(m->n_pieces);
            m->capacity = (m->capacity + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
            LK_CHECK(
                m->capacity / sizeof(int32_t) <= INT_MAX, LK_E_CONFIG,
                "a message of %.1f GB between two hosts does not fit MPI's counts; use more ranks a host",
                (double)m->capacity / 1e9);
            m->at = used;
            used += m->capacity;
        }
        if (used > arena) arena = used;
        if (it->rounds[i].n_messages > busiest) busiest = it->rounds[i].n_messages;
    }
    LK_TRY(LK_ALLOC(arena, &it->arena));
    LK_TRY(LK_ALLOC(busiest, &it->requests));
done:
    return st;
}

static int compare_meetings(const void *a, const void *b)
{
    const meeting *x = a, *y = b;
    if (x->round != y->round) return x->round < y->round ? -1 : 1;
    if (x->chunk != y->chunk) return x->chunk < y->chunk ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order); /* children before parents */
}

static void place_meetings(lk_exchange *it)
{
    qsort(it->meetings, (size_t)it->n_meetings, sizeof *it->meetings, compare_meetings);
    for (int i = 0; i < it->n_meetings; i++) {
        round *r = &it->rounds[it->meetings[i].round];
        if (r->n_meetings++ == 0) r->first_meeting = i;
    }
}

static lk_status make_plan(lk_reduce *reduce, lk_exchange *it, lk_plan **plan)
{
    lk_status st = LK_OK;
    lk_comm  *comm = reduce->comm;
    int       host = lk_comm_host(comm), n = lk_comm_host_ranks(comm, host);
    int      *ranks = NULL;
    int64_t  *floats = NULL;
    LK_TRY(LK_ALLOC(comm->n_hosts, &ranks));
    for (int i = 0; i < comm->n_hosts; i++) ranks[i] = lk_comm_host_ranks(comm, i);
    LK_TRY(lk_plan_chunks(reduce->tiles, reduce->n_tiles, comm->n_hosts, ranks, &it->chunks, &it->n_chunks));
    LK_TRY(LK_ALLOC(it->n_chunks, &floats));
    for (int i = 0; i < it->n_chunks; i++) floats[i] = it->chunks[i].count;
    int first_tile = lk_slice_cut(reduce->tiles, reduce->n_tiles, n, comm->rank_on_host);
    int end_tile = lk_slice_cut(reduce->tiles, reduce->n_tiles, n, comm->rank_on_host + 1);
    while (it->first < it->n_chunks && it->chunks[it->first].first_tile < first_tile) it->first++;
    it->end = it->first;
    while (it->end < it->n_chunks && it->chunks[it->end].first_tile < end_tile) it->end++;
    lk_plan_spec spec = {.lanes = reduce->options.lanes,
                         .n_hosts = comm->n_hosts,
                         .host_ranks = ranks,
                         .n_chunks = it->n_chunks,
                         .chunk_floats = floats,
                         .host = host,
                         .first_chunk = it->first,
                         .end_chunk = it->end};
    LK_TRY(lk_plan_create(&spec, plan));
done:
    lk_free(&ranks);
    lk_free(&floats);
    return st;
}

static lk_status build(lk_reduce *reduce, const lk_plan *plan, lk_exchange *it)
{
    lk_status st = LK_OK;
    items     all = {0};
    int       most = plan->n_reports + plan->n_adds + plan->n_backs, host = lk_comm_host(reduce->comm);
    it->up_rounds = plan->up_rounds;
    it->n_rounds = 1 + plan->up_rounds + plan->back_rounds;
    it->n_leaves = plan->host_leaf[host + 1] - plan->host_leaf[host];
    LK_TRY(LK_ALLOC(most, &all.list));
    LK_TRY(LK_ALLOC(most, &it->messages));
    LK_TRY(LK_ALLOC(most, &it->pieces));
    LK_TRY(LK_ALLOC(plan->n_adds, &it->meetings));
    LK_TRY(LK_ALLOC(it->n_rounds, &it->rounds));
    LK_TRY(LK_ALLOC(it->end - it->first, &it->root_leaf));
    LK_TRY(LK_ALLOC((it->end - it->first) * it->n_leaves, &it->place));
    collect(reduce, plan, it, &all);
    qsort(all.list, (size_t)all.n, sizeof *all.list, compare_items);
    form_messages(reduce, it, &all);
    place_meetings(it);
    LK_TRY(place_buffers(it));
    for (int c = it->first; c < it->end; c++) {
        int leaf = plan->root_leaf[c] - plan->host_leaf[host];
        it->root_leaf[c - it->first] = leaf >= 0 && leaf < it->n_leaves ? leaf : -1;
    }
done:
    lk_free(&all.list);
    return st;
}

lk_status lk_exchange_create(lk_reduce *reduce, lk_exchange **out)
{
    lk_status st = LK_OK;
    lk_plan  *plan = NULL;
    LK_TRY(LK_ALLOC(1, out));
    LK_TRY(make_plan(reduce, *out, &plan));
    LK_TRY(build(reduce, plan, *out));
done:
    lk_plan_destroy(&plan);
    if (st != LK_OK) lk_exchange_destroy(out);
    return st;
}

void lk_exchange_destroy(lk_exchange **exchange)
{
    if (!exchange || !*exchange) return;
    lk_exchange *it = *exchange;
    lk_free(&it->chunks);
    lk_free(&it->rounds);
    lk_free(&it->messages);
    lk_free(&it->pieces);
    lk_free(&it->meetings);
    lk_free(&it->root_leaf);
    lk_free(&it->place);
    lk_free(&it->arena);
    lk_free(&it->requests);
    lk_free(exchange);
}

/* ---- a step: what a message holds ---- */

/* int32 a piece: is its value present; then, piece by piece, the floats if so, and the rider. */
static int *place_of(const lk_exchange *it, const piece *p)
{
    return &it->place[(int64_t)p->chunk * it->n_leaves + p->leaf];
}

static int *tile_place_of(const lk_exchange *it, const lk_lockstep *lockstep, int chunk)
{
    return &lockstep->tile_place[it->chunks[it->first + chunk].first_tile - lockstep->first_tile];
}

static char *put(char *at, const void *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

static const char *get(const char *at, void *bytes, size_t size)
{
    memcpy(bytes, at, size);
    return at + size;
}

static size_t rider_record_bytes(const lk_record *record)
{
    return (lk_record_bytes(record) + sizeof(double) - 1) / sizeof(double) * sizeof(double);
}

static size_t pack(lk_exchange *it, lk_reduce *reduce, const message *m)
{
    lk_lockstep *lockstep = reduce->impl;
    char        *start = it->arena + m->at, *at = start + header_bytes(m->n_pieces);
    for (int i = 0; i < m->n_pieces; i++) {
        const piece *p = &it->pieces[m->first_piece + i];
        int32_t      slab = -1;
        if (p->floats) slab = p->leaf >= 0 ? *place_of(it, p) : *tile_place_of(it, lockstep, p->chunk);
        memcpy(start + (size_t)i * sizeof slab, &slab, sizeof slab);
        if (slab >= 0) {
            const lk_chunk *chunk = &it->chunks[it->first + p->chunk];
            at = put(at, lockstep->slab[slab] + chunk->offset, (size_t)chunk->count * sizeof(float));
        }
        if (p->rider) {
            int      n = reduce->options.n_sums;
            uint64_t size = rider_record_bytes(&it->record);
            at = put(at, &size, sizeof size);
            at = put(at, &it->record, size);
            at = put(at, reduce->rows + (int64_t)p->first_row * n,
                     (size_t)(p->end_row - p->first_row) * (size_t)n * sizeof(double));
        }
    }
    return (size_t)(at - start);
}

static void set_tile_place(const lk_exchange *it, const lk_lockstep *lockstep, int chunk, int slab)
{
    int *place = tile_place_of(it, lockstep, chunk);
    int  n = it->chunks[it->first + chunk].end_tile - it->chunks[it->first + chunk].first_tile;
    for (int i = 0; i < n; i++) place[i] = slab;
}

/* A value arrives: on the way up it joins mine, on the way back it is the sum and stands in the host's first
 * slab. */
static void take_value(const lk_exchange *it, lk_lockstep *lockstep, const piece *p, const float *values)
{
    const lk_chunk *chunk = &it->chunks[it->first + p->chunk];
    int             home = p->leaf >= 0 ? lockstep->host_leaf[p->leaf] : 0;
    int            *place = p->leaf >= 0 ? place_of(it, p) : NULL;
    if (place && *place >= 0) {
        float *mine = lockstep->slab[*place] + chunk->offset;
        lk_tile_add(chunk->count, mine, values, mine);
        return;
    }
    memcpy(lockstep->slab[home] + chunk->offset, values, (size_t)chunk->count * sizeof *values);
    if (place)
        *place = home;
    else
        set_tile_place(it, lockstep, p->chunk, home);
}

static const char *take_rider(lk_exchange *it, lk_reduce *reduce, const piece *p, bool back, const char *at)
{
    int       n = reduce->options.n_sums;
    uint64_t  size = 0;
    lk_record record;
    at = get(at, &size, sizeof size);
    at = get(at, &record, size < sizeof record ? size : sizeof record);
    if (back)
        memcpy(&it->record, &record, lk_record_bytes(&record));
    else
        lk_record_merge(&it->record, &record);
    return get(at, reduce->rows + (int64_t)p->first_row * n,
               (size_t)(p->end_row - p->first_row) * (size_t)n * sizeof(double));
}

static void unpack(lk_exchange *it, lk_reduce *reduce, const message *m, bool back)
{
    const char *start = it->arena + m->at, *at = start + header_bytes(m->n_pieces);
    for (int i = 0; i < m->n_pieces; i++) {
        const piece *p = &it->pieces[m->first_piece + i];
        int32_t      slab = -1;
        memcpy(&slab, start + (size_t)i * sizeof slab, sizeof slab);
        if (slab >= 0) {
            take_value(it, reduce->impl, p, (const float *)(const void *)at);
            at += (size_t)it->chunks[it->first + p->chunk].count * sizeof(float);
        }
        if (p->rider) at = take_rider(it, reduce, p, back, at);
    }
}

/* ---- a step: rounds ---- */

static lk_status run_messages(lk_exchange *it, lk_reduce *reduce, const round *r, int tag)
{
    lk_status st = LK_OK;
    int       n = r->n_messages;
    MPI_Comm  all = reduce->comm->all;
    message  *m = it->messages + r->first_message;
    for (int i = 0; i < n; i++) {
        char *buffer = it->arena + m[i].at;
        if (!m[i].send) {
            LK_TRY_MPI(MPI_Irecv(buffer, (int)(m[i].capacity / sizeof(int32_t)), MPI_INT32_T, m[i].peer, tag,
                                 all, &it->requests[i]));
            continue;
        }
        size_t bytes = pack(it, reduce, &m[i]);
        LK_TRY_MPI(MPI_Isend(buffer, (int)(bytes / sizeof(int32_t)), MPI_INT32_T, m[i].peer, tag, all,
                             &it->requests[i]));
        reduce->info.sent_bytes += (int64_t)bytes;
    }
    /* Values that arrive in one round go to different places, so the order of arrival changes no bit. */
    for (int left = n; left > 0; left--) {
        int which = 0;
        LK_TRY_MPI(MPI_Waitany(n, it->requests, &which, MPI_STATUS_IGNORE));
        if (!m[which].send) unpack(it, reduce, &m[which], tag - LK_TAG_EXCHANGE > it->up_rounds);
    }
done:
    return st;
}

static void run_meetings(lk_exchange *it, lk_lockstep *lockstep, const round *r)
{
    for (int i = 0; i < r->n_meetings; i++) {
        const meeting  *meet = &it->meetings[r->first_meeting + i];
        const lk_chunk *chunk = &it->chunks[it->first + meet->chunk];
        int            *place = it->place + (int64_t)meet->chunk * it->n_leaves;
        int             to = place[meet->to], from = place[meet->from];
        if (from < 0) continue;
        if (to < 0) {
            place[meet->to] = from;
            continue;
        }
        float *sum = lockstep->slab[to] + chunk->offset;
        lk_tile_add(chunk->count, sum, lockstep->slab[from] + chunk->offset, sum);
    }
}

static void start_step(lk_exchange *it, lk_reduce *reduce, lk_lockstep *lockstep)
{
    for (int c = 0; c < it->end - it->first; c++) {
        memcpy(it->place + (int64_t)c * it->n_leaves, lockstep->place,
               (size_t)it->n_leaves * sizeof *it->place);
        set_tile_place(it, lockstep, c, -1);
    }
    if (it->first != 0 || it->end == 0) return;
    memcpy(&it->record, &lockstep->records[0], lk_record_bytes(&lockstep->records[0]));
    for (int i = 1; i < lk_comm_host_ranks(reduce->comm, lk_comm_host(reduce->comm)); i++)
        lk_record_merge(&it->record, &lockstep->records[i]);
}

/* The way up is over: chunks whose root is here are complete. */
static void finish_roots(const lk_exchange *it, lk_lockstep *lockstep)
{
    for (int c = 0; c < it->end - it->first; c++)
        if (it->root_leaf[c] >= 0)
            set_tile_place(it, lockstep, c, it->place[(int64_t)c * it->n_leaves + it->root_leaf[c]]);
}

lk_status lk_exchange_run(lk_exchange *exchange, lk_reduce *reduce)
{
    lk_status    st = LK_OK;
    lk_lockstep *lockstep = reduce->impl;
    double       start = lk_clock_seconds();
    start_step(exchange, reduce, lockstep);
    for (int i = 0; i < exchange->n_rounds; i++) {
        LK_TRY(run_messages(exchange, reduce, &exchange->rounds[i], LK_TAG_EXCHANGE + i));
        run_meetings(exchange, lockstep, &exchange->rounds[i]);
        if (i == exchange->up_rounds) finish_roots(exchange, lockstep);
    }
    if (exchange->first == 0 && exchange->end > 0)
        memcpy(lockstep->merged, &exchange->record, lk_record_bytes(&exchange->record));
done:
    reduce->info.exchange_s += lk_clock_seconds() - start;
    return st;
}
