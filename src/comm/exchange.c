#include "comm/exchange.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "comm/plan.h"
#include "comm/tags.h"
#include "comm/tile.h"
#include "core/alloc.h"
#include "core/clock.h"

/* One value of one chunk inside a message. On the way up `leaf` names the value that leaves or is added to:
 * one of the host's fringe nodes, or a guest of the hub that this host is for the chunk. */
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
    int segment, round, chunk, order, to, from;
} meeting;

typedef struct round {
    int first_message, n_messages; /* receives before sends */
    int first_meeting, n_meetings;
} round;

typedef enum progress { WAITS, RUNS, COMPLETE, TAKEN } progress;

/* What travels together. A segment goes through its rounds by itself: the next one begins when all messages
 * of the last have come and gone. */
typedef struct segment {
    int      number;                 /* by the plan: part of the tags */
    int      first_chunk, end_chunk; /* among mine */
    int      first_request;          /* room for the messages of its busiest round */
    progress progress;
    int      round, n_open; /* running: which, and messages not yet done in it */
} segment;

struct lk_exchange {
    lk_chunk    *chunks;               /* [n_chunks] owned: everybody's */
    int          n_chunks, first, end; /* mine are first .. end-1 */
    segment     *segments;             /* [n_segments] owned: mine, in the order of chunks */
    int          n_segments;
    round       *rounds; /* [n_segments][n_rounds]: reports, up, back */
    int          n_rounds, up_rounds;
    message     *messages;
    int          n_messages;
    piece       *pieces;
    int          n_pieces;
    meeting     *meetings;
    int          n_meetings;
    int         *root_leaf; /* [mine] my leaf that holds the complete sum, -1: on another host */
    int          n_leaves;  /* n_host_fringe: names 0 .. n_leaves-1; guests have the names above */
    int          n_guests;  /* values of other hosts that a hub takes; 0: the plan has no hubs */
    int         *place;     /* [mine][n_leaves + n_guests] where each value is in this step: a slab; n_slabs +
                              guest; -1: absent */
    float      **guest;     /* [mine][n_guests] where a visiting value stands in the arena */
    char        *arena;     /* buffers of the busiest round of each segment */
    MPI_Request *requests;  /* [n_requests] */
    int         *finished;  /* [n_requests] scratch: which have */
    int         *request_segment; /* [n_requests] */
    int          n_requests;
    lk_record    record; /* owner of chunk 0: merged so far */
};

/* ---- create: from the plan to rounds of messages ---- */

/* A piece with the message it belongs to, before messages are formed. */
typedef struct item {
    int   segment, round, peer, chunk, order;
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
    if (x->segment != y->segment) return x->segment < y->segment ? -1 : 1;
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

/* Which of my segments a chunk belongs to. */
static int segment_of(const lk_exchange *it, int chunk)
{
    return it->chunks[chunk].segment - it->chunks[it->first].segment;
}

static item *add_item(items *all, const lk_reduce *reduce, const lk_exchange *it, const lk_plan_move *move)
{
    item *new = &all->list[all->n++];
    bool send = move->from == lk_comm_host(reduce->comm);
    *new = (item){.segment = segment_of(it, move->chunk),
                  .round = move->round,
                  .peer = owner_on(reduce, it, send ? move->to : move->from, move->chunk),
                  .chunk = move->chunk,
                  .send = send,
                  .piece = {.chunk = move->chunk - it->first, .leaf = -1, .rider = move->chunk == 0}};
    return new;
}

/* The name that a leaf of the plan has here. */
static int name_of(const lk_reduce *reduce, const lk_exchange *it, const lk_plan *plan, int leaf)
{
    int host = lk_comm_host(reduce->comm), base = plan->host_leaf[host];
    if (leaf >= base && leaf < base + it->n_leaves) return leaf - base;
    return it->n_leaves + (leaf < base ? leaf : leaf - it->n_leaves);
}

static void collect_visits(const lk_reduce *reduce, const lk_plan *plan, lk_exchange *it, items *all)
{
    for (int i = 0; i < plan->n_visits; i++) {
        const lk_plan_visit *visit = &plan->visits[i];
        lk_plan_move         move = {visit->chunk, visit->round, visit->from, visit->to};
        item *new = add_item(all, reduce, it, &move);
        new->piece.leaf = name_of(reduce, it, plan, visit->leaf);
        new->piece.floats = true;
        new->piece.first_row = visit->node.lo;
        new->piece.end_row = visit->node.lo + lk_tree_node_lanes(reduce->options.lanes, visit->node);
        new->order = visit->node.lo;
    }
}

static void collect(const lk_reduce *reduce, const lk_plan *plan, lk_exchange *it, items *all)
{
    int lanes = reduce->options.lanes;
    for (int i = 0; i < plan->n_reports; i++) add_item(all, reduce, it, &plan->reports[i]);
    collect_visits(reduce, plan, it, all);
    for (int i = 0; i < plan->n_adds; i++) {
        const lk_plan_add *add = &plan->adds[i];
        if (add->from == add->to) {
            it->meetings[it->n_meetings++] = (meeting){.segment = segment_of(it, add->chunk),
                                                       .round = add->round,
                                                       .chunk = add->chunk - it->first,
                                                       .order = i,
                                                       .to = name_of(reduce, it, plan, add->to_leaf),
                                                       .from = name_of(reduce, it, plan, add->from_leaf)};
            continue;
        }
        item *new = add_item(all, reduce, it, &(lk_plan_move){add->chunk, add->round, add->from, add->to});
        new->piece.leaf = name_of(reduce, it, plan, new->send ? add->from_leaf : add->to_leaf);
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
    return a->segment == b->segment && a->round == b->round && a->send == b->send && a->peer == b->peer;
}

static round *round_of(const lk_exchange *it, int of_segment, int number)
{
    return &it->rounds[of_segment * it->n_rounds + number];
}

/* Sorted items become messages, a run of equal (segment, round, direction, peer) each. */
static void form_messages(lk_reduce *reduce, lk_exchange *it, const items *all)
{
    for (int i = 0; i < all->n; i++) {
        const item *now = &all->list[i];
        round      *r = round_of(it, now->segment, now->round);
        if (r->n_messages == 0) r->first_message = it->n_messages;
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

static lk_status size_message(message *m)
{
    lk_status st = LK_OK;
    m->capacity += header_bytes(m->n_pieces);
    m->capacity = (m->capacity + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
    LK_CHECK(m->capacity / sizeof(int32_t) <= INT_MAX, LK_E_CONFIG,
             "a message of %.1f GB between two hosts does not fit MPI's counts; use more ranks a host",
             (double)m->capacity / 1e9);
done:
    return st;
}

/* Messages of one round stand side by side in the segment's part of the arena; its rounds take turns there.
 */
static lk_status place_buffers(lk_exchange *it)
{
    lk_status st = LK_OK;
    size_t    base = 0;
    for (int s = 0; s < it->n_segments; s++) {
        size_t room = 0;
        int    busiest = 0;
        for (int i = 0; i < it->n_rounds; i++) {
            const round *r = round_of(it, s, i);
            size_t       used = 0;
            for (int k = 0; k < r->n_messages; k++) {
                message *m = &it->messages[r->first_message + k];
                LK_TRY(size_message(m));
                m->at = base + used;
                used += m->capacity;
            }
            if (used > room) room = used;
            if (r->n_messages > busiest) busiest = r->n_messages;
        }
        it->segments[s].first_request = it->n_requests;
        it->n_requests += busiest;
        base += room;
    }
    LK_TRY(LK_ALLOC(base, &it->arena));
    LK_TRY(LK_ALLOC(it->n_requests, &it->requests));
    LK_TRY(LK_ALLOC(it->n_requests, &it->finished));
    LK_TRY(LK_ALLOC(it->n_requests, &it->request_segment));
    for (int s = 0; s < it->n_segments; s++) {
        int end = s + 1 < it->n_segments ? it->segments[s + 1].first_request : it->n_requests;
        for (int i = it->segments[s].first_request; i < end; i++) it->request_segment[i] = s;
    }
    for (int i = 0; i < it->n_requests; i++) it->requests[i] = MPI_REQUEST_NULL;
done:
    return st;
}

static int compare_meetings(const void *a, const void *b)
{
    const meeting *x = a, *y = b;
    if (x->segment != y->segment) return x->segment < y->segment ? -1 : 1;
    if (x->round != y->round) return x->round < y->round ? -1 : 1;
    if (x->chunk != y->chunk) return x->chunk < y->chunk ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order); /* children before parents */
}

static void place_meetings(lk_exchange *it)
{
    qsort(it->meetings, (size_t)it->n_meetings, sizeof *it->meetings, compare_meetings);
    for (int i = 0; i < it->n_meetings; i++) {
        round *r = round_of(it, it->meetings[i].segment, it->meetings[i].round);
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

static lk_status list_segments(lk_exchange *it)
{
    lk_status st = LK_OK;
    it->n_segments = it->end > it->first ? segment_of(it, it->end - 1) + 1 : 0;
    LK_TRY(LK_ALLOC(it->n_segments, &it->segments));
    for (int c = it->end - 1; c >= it->first; c--) {
        segment *s = &it->segments[segment_of(it, c)];
        s->number = it->chunks[c].segment;
        s->first_chunk = c - it->first;
        if (s->end_chunk == 0) s->end_chunk = c - it->first + 1;
    }
done:
    return st;
}

static lk_status build(lk_reduce *reduce, const lk_plan *plan, lk_exchange *it)
{
    lk_status st = LK_OK;
    items     all = {0};
    int       most = plan->n_reports + plan->n_visits + plan->n_adds + plan->n_backs,
        host = lk_comm_host(reduce->comm);
    it->up_rounds = plan->up_rounds;
    it->n_rounds = 1 + plan->up_rounds + plan->back_rounds;
    it->n_leaves = plan->host_leaf[host + 1] - plan->host_leaf[host];
    it->n_guests = plan->n_visits > 0 ? plan->n_leaves - it->n_leaves : 0;
    LK_TRY(list_segments(it));
    LK_TRY(LK_ALLOC(most, &all.list));
    LK_TRY(LK_ALLOC(most, &it->messages));
    LK_TRY(LK_ALLOC(most, &it->pieces));
    LK_TRY(LK_ALLOC(plan->n_adds, &it->meetings));
    LK_TRY(LK_ALLOC((int64_t)it->n_segments * it->n_rounds, &it->rounds));
    LK_TRY(LK_ALLOC(it->end - it->first, &it->root_leaf));
    LK_TRY(LK_ALLOC((int64_t)(it->end - it->first) * (it->n_leaves + it->n_guests), &it->place));
    LK_TRY(LK_ALLOC((int64_t)(it->end - it->first) * it->n_guests, &it->guest));
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

/* Each round of each segment has a tag of its own, and MPI has only so many: the same on all ranks. */
static lk_status check_tags(const lk_exchange *it)
{
    lk_status st = LK_OK;
    int      *most = NULL, known = 0;
    int64_t   segments = it->n_chunks > 0 ? it->chunks[it->n_chunks - 1].segment + 1 : 0;
    int64_t   last = LK_TAG_EXCHANGE + segments * it->n_rounds - 1;
    LK_TRY_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, (void *)&most, &known));
    LK_CHECK(
        !known || last <= *most, LK_E_CONFIG,
        "the exchange between hosts needs message tags up to %lld, this MPI has %d: use fewer ranks a host, "
        "or train.reduce: allreduce",
        (long long)last, *most);
done:
    return st;
}

lk_status lk_exchange_create(lk_reduce *reduce, lk_exchange **out)
{
    lk_status st = LK_OK;
    lk_plan  *plan = NULL;
    LK_TRY(LK_ALLOC(1, out));
    LK_TRY(make_plan(reduce, *out, &plan));
    LK_TRY(build(reduce, plan, *out));
    LK_TRY(check_tags(*out));
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
    lk_free(&it->segments);
    lk_free(&it->rounds);
    lk_free(&it->messages);
    lk_free(&it->pieces);
    lk_free(&it->meetings);
    lk_free(&it->root_leaf);
    lk_free(&it->place);
    lk_free(&it->guest);
    lk_free(&it->arena);
    lk_free(&it->requests);
    lk_free(&it->finished);
    lk_free(&it->request_segment);
    lk_free(exchange);
}

/* ---- a step: what a message holds ---- */

/* int32 a piece: is its value present; then, piece by piece, the floats if so, and the rider. */
static int *places_of(const lk_exchange *it, int chunk)
{
    return &it->place[(int64_t)chunk * (it->n_leaves + it->n_guests)];
}

static float *value_at(const lk_exchange *it, const lk_lockstep *lockstep, int chunk, int place)
{
    if (place < lockstep->n_slabs) return lockstep->slab[place] + it->chunks[it->first + chunk].offset;
    return it->guest[(int64_t)chunk * it->n_guests + place - lockstep->n_slabs];
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

static char *get(char *at, void *bytes, size_t size)
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
        if (p->floats)
            slab = p->leaf >= 0 ? places_of(it, p->chunk)[p->leaf] : *tile_place_of(it, lockstep, p->chunk);
        memcpy(start + (size_t)i * sizeof slab, &slab, sizeof slab);
        if (slab >= 0) {
            const lk_chunk *chunk = &it->chunks[it->first + p->chunk];
            at = put(at, lockstep->slab[slab] + chunk->offset, (size_t)chunk->count * sizeof(float));
            reduce->info.payload_bytes += chunk->count * (int64_t)sizeof(float);
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

/* A value arrives. A guest stays where it is, in the message; else on the way up it joins mine, and on the
 * way back it is the sum and stands in the host's first slab. */
static void take_value(const lk_exchange *it, lk_lockstep *lockstep, const piece *p, float *values)
{
    const lk_chunk *chunk = &it->chunks[it->first + p->chunk];
    int             home = p->leaf >= 0 && p->leaf < it->n_leaves ? lockstep->host_leaf[p->leaf] : 0;
    int            *place = p->leaf >= 0 ? &places_of(it, p->chunk)[p->leaf] : NULL;
    if (p->leaf >= it->n_leaves) {
        int guest = p->leaf - it->n_leaves;
        it->guest[(int64_t)p->chunk * it->n_guests + guest] = values;
        *place = lockstep->n_slabs + guest;
        return;
    }
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

static char *take_rider(lk_exchange *it, lk_reduce *reduce, const piece *p, bool back, char *at)
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
    char *start = it->arena + m->at, *at = start + header_bytes(m->n_pieces);
    for (int i = 0; i < m->n_pieces; i++) {
        const piece *p = &it->pieces[m->first_piece + i];
        int32_t      slab = -1;
        memcpy(&slab, start + (size_t)i * sizeof slab, sizeof slab);
        if (slab >= 0) {
            take_value(it, reduce->impl, p, (float *)(void *)at);
            at += (size_t)it->chunks[it->first + p->chunk].count * sizeof(float);
        }
        if (p->rider) at = take_rider(it, reduce, p, back, at);
    }
}

/* ---- a step: segments through their rounds ---- */

bool lk_exchange_carries_record(const lk_exchange *it, int number)
{
    return it->first == 0 && number == 0;
}

static int tag_of(const lk_exchange *it, const segment *s)
{
    return LK_TAG_EXCHANGE + s->number * it->n_rounds + s->round;
}

static lk_status post(lk_exchange *it, lk_reduce *reduce, segment *s)
{
    lk_status    st = LK_OK;
    const round *r = round_of(it, (int)(s - it->segments), s->round);
    MPI_Comm     all = reduce->comm->all;
    int          tag = tag_of(it, s);
    for (int i = 0; i < r->n_messages; i++) {
        const message *m = &it->messages[r->first_message + i];
        MPI_Request   *request = &it->requests[s->first_request + i];
        char          *buffer = it->arena + m->at;
        if (!m->send) {
            LK_TRY_MPI(MPI_Irecv(buffer, (int)(m->capacity / sizeof(int32_t)), MPI_INT32_T, m->peer, tag, all,
                                 request));
        } else {
            size_t bytes = pack(it, reduce, m);
            LK_TRY_MPI(
                MPI_Isend(buffer, (int)(bytes / sizeof(int32_t)), MPI_INT32_T, m->peer, tag, all, request));
            reduce->info.sent_bytes += (int64_t)bytes;
        }
        s->n_open++;
    }
done:
    return st;
}

static void run_meetings(lk_exchange *it, lk_lockstep *lockstep, const round *r)
{
    for (int i = 0; i < r->n_meetings; i++) {
        const meeting *meet = &it->meetings[r->first_meeting + i];
        int           *place = places_of(it, meet->chunk), to = place[meet->to], from = place[meet->from];
        if (from < 0) continue;
        if (to < 0) {
            place[meet->to] = from;
            continue;
        }
        float *sum = value_at(it, lockstep, meet->chunk, to);
        lk_tile_add(it->chunks[it->first + meet->chunk].count, sum, value_at(it, lockstep, meet->chunk, from),
                    sum);
    }
}

/* The way up is over: chunks whose root is here are complete. If none of a hub's own lanes had a value, the
 * sum is still a guest and gets a place. */
static void finish_roots(const lk_exchange *it, lk_lockstep *lockstep, const segment *s)
{
    for (int c = s->first_chunk; c < s->end_chunk; c++) {
        const lk_chunk *chunk = &it->chunks[it->first + c];
        if (it->root_leaf[c] < 0) continue;
        int place = places_of(it, c)[it->root_leaf[c]];
        if (place >= lockstep->n_slabs) {
            float *home = lockstep->slab[lockstep->host_leaf[0]] + chunk->offset;
            memcpy(home, value_at(it, lockstep, c, place), (size_t)chunk->count * sizeof *home);
            place = lockstep->host_leaf[0];
        }
        set_tile_place(it, lockstep, c, place);
    }
}

/* No message of the round is open: what meets here is added, and the next round with messages begins. */
static lk_status advance(lk_exchange *it, lk_reduce *reduce, segment *s)
{
    lk_status    st = LK_OK;
    lk_lockstep *lockstep = reduce->impl;
    while (s->n_open == 0) {
        run_meetings(it, lockstep, round_of(it, (int)(s - it->segments), s->round));
        if (s->round == it->up_rounds) finish_roots(it, lockstep, s);
        if (++s->round == it->n_rounds) break;
        LK_TRY(post(it, reduce, s));
    }
    if (s->round < it->n_rounds) goto done;
    s->progress = COMPLETE;
    if (lk_exchange_carries_record(it, (int)(s - it->segments)))
        memcpy(lockstep->merged, &it->record, lk_record_bytes(&it->record));
done:
    return st;
}

void lk_exchange_begin(lk_exchange *it, lk_reduce *reduce)
{
    lk_lockstep *lockstep = reduce->impl;
    for (int c = 0; c < it->end - it->first; c++) {
        int *place = places_of(it, c);
        memcpy(place, lockstep->place, (size_t)it->n_leaves * sizeof *place);
        for (int i = 0; i < it->n_guests; i++) place[it->n_leaves + i] = -1;
        set_tile_place(it, lockstep, c, -1);
    }
    for (int s = 0; s < it->n_segments; s++) it->segments[s].progress = WAITS;
}

int lk_exchange_n_segments(const lk_exchange *it)
{
    return it->n_segments;
}

void lk_exchange_tiles(const lk_exchange *it, int number, int *first, int *end)
{
    *first = it->chunks[it->first + it->segments[number].first_chunk].first_tile;
    *end = it->chunks[it->first + it->segments[number].end_chunk - 1].end_tile;
}

bool lk_exchange_waits(const lk_exchange *it, int number)
{
    return it->segments[number].progress == WAITS;
}

lk_status lk_exchange_start(lk_exchange *it, lk_reduce *reduce, int number)
{
    lk_status    st = LK_OK;
    lk_lockstep *lockstep = reduce->impl;
    segment     *s = &it->segments[number];
    LK_ASSERT(s->progress == WAITS);
    if (lk_exchange_carries_record(it, number)) {
        memcpy(&it->record, &lockstep->records[0], lk_record_bytes(&lockstep->records[0]));
        for (int i = 1; i < lk_comm_host_ranks(reduce->comm, lk_comm_host(reduce->comm)); i++)
            lk_record_merge(&it->record, &lockstep->records[i]);
    }
    s->progress = RUNS;
    s->round = s->n_open = 0;
    LK_TRY(post(it, reduce, s));
    LK_TRY(advance(it, reduce, s));
done:
    return st;
}

/* Values that arrive in one round go to different places, so the order of arrival changes no bit. */
static lk_status take(lk_exchange *it, lk_reduce *reduce, int request)
{
    lk_status      st = LK_OK;
    int            number = it->request_segment[request];
    segment       *s = &it->segments[number];
    const message *m =
        &it->messages[round_of(it, number, s->round)->first_message + request - s->first_request];
    if (!m->send) unpack(it, reduce, m, s->round > it->up_rounds);
    s->n_open--;
    LK_TRY(advance(it, reduce, s));
done:
    return st;
}

/* Whose message is the first that has not come, for the watchdog's message; -1: none is under way. */
static int awaited(const lk_exchange *it)
{
    for (int number = 0; number < it->n_segments; number++) {
        const segment *s = &it->segments[number];
        if (s->progress != RUNS) continue;
        const round *r = round_of(it, number, s->round);
        for (int i = 0; i < r->n_messages; i++) {
            const message *m = &it->messages[r->first_message + i];
            if (!m->send && it->requests[s->first_request + i] != MPI_REQUEST_NULL) return m->peer;
        }
    }
    return -1;
}

static lk_status wait_some(lk_exchange *it, lk_comm *comm, int *n)
{
    lk_status st = LK_OK;
    atomic_store_explicit(&comm->awaited, awaited(it), memory_order_relaxed);
    LK_TRY_MPI(MPI_Waitsome(it->n_requests, it->requests, n, it->finished, MPI_STATUSES_IGNORE));
    atomic_store_explicit(&comm->awaited, -1, memory_order_relaxed);
done:
    return st;
}

lk_status lk_exchange_progress(lk_exchange *it, lk_reduce *reduce, bool wait, int *n)
{
    lk_status st = LK_OK;
    if (wait)
        LK_TRY(wait_some(it, reduce->comm, n));
    else
        LK_TRY_MPI(MPI_Testsome(it->n_requests, it->requests, n, it->finished, MPI_STATUSES_IGNORE));
    if (*n == MPI_UNDEFINED) *n = 0; /* nothing is under way */
    for (int i = 0; i < *n; i++) LK_TRY(take(it, reduce, it->finished[i]));
done:
    return st;
}

int lk_exchange_take_complete(lk_exchange *it)
{
    for (int s = it->n_segments - 1; s >= 0; s--) {
        if (it->segments[s].progress != COMPLETE) continue;
        it->segments[s].progress = TAKEN;
        return s;
    }
    return -1;
}
