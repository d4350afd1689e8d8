#include "bench/replay.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/plan.h"
#include "core/alloc.h"

/* MPI sends longer messages only once the receiver has said where to (TCP's default in Open MPI). */
enum { EAGER_BYTES = 65536 };

/* All that goes from one owner to another in a round of a segment; between hosts, for a segment has one owner on
 * each. */
typedef struct message {
    int     segment, round, from, to;
    int64_t bytes;
    /* In this step: */
    double packed;                 /* when the sender was done with it */
    bool   sent, awaited, arrived; /* the sender, the receiver is in its round; it is there */
} message;

typedef enum event_kind { READY, GO, LEFT, ARRIVED, TAKEN } event_kind;

/* READY: of place segment * hosts + host, else of a message. */
typedef struct event {
    double     time;
    event_kind kind;
    int        of;
} event;

struct lk_replay {
    int  hosts, ranks, n_segments, n_rounds;
    int *plane, *first_span; /* owned [n_segments]: which rank of each host owns it; the span it waits for */
    message *messages;       /* owned: by segment, round, sender */
    int      n_messages;
    int     *by_receiver;              /* owned [n_messages]: by segment, round, receiver */
    int     *first_sent, *first_taken; /* owned [n_segments * n_rounds * hosts + 1]: into the two orders */
    int64_t  busiest;

    /* of a step */
    const lk_replay_network *network;
    const lk_sample         *times;
    int                     *round, *open;       /* owned [n_segments * hosts] */
    double                  *out_free, *in_free; /* owned [hosts]: links */
    double                  *busy;               /* owned [hosts]: computing ends */
    double                  *cpu_free;           /* owned [hosts * ranks] */
    double                  *done;               /* owned [hosts] */
    event                   *heap;               /* owned, the earliest first */
    int                      n_events, capacity;
};

/* ---- from the plan to messages ---- */

static int compare_sent(const void *a, const void *b)
{
    const message *x = a, *y = b;
    if (x->segment != y->segment) return x->segment < y->segment ? -1 : 1;
    if (x->round != y->round) return x->round < y->round ? -1 : 1;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return (x->to > y->to) - (x->to < y->to);
}

/* A chunk's values on their way, merged with those that travel along. */
static void add_message(lk_replay *it, const lk_chunk *chunks, int chunk, int round, int from, int to)
{
    it->messages[it->n_messages++] = (message){.segment = chunks[chunk].segment,
                                               .round = round - 1,
                                               .from = from,
                                               .to = to,
                                               .bytes = chunks[chunk].count * (int64_t)sizeof(float)};
}

static void merge_messages(lk_replay *it)
{
    int n = 0;
    qsort(it->messages, (size_t)it->n_messages, sizeof *it->messages, compare_sent);
    for (int i = 0; i < it->n_messages; i++) {
        if (n > 0 && compare_sent(&it->messages[n - 1], &it->messages[i]) == 0)
            it->messages[n - 1].bytes += it->messages[i].bytes;
        else
            it->messages[n++] = it->messages[i];
    }
    it->n_messages = n;
}

static lk_status collect_messages(lk_replay *it, const lk_plan *plan, const lk_chunk *chunks)
{
    lk_status st = LK_OK;
    it->n_rounds = plan->up_rounds + plan->back_rounds;
    LK_TRY(LK_ALLOC(plan->n_adds + plan->n_visits + plan->n_backs, &it->messages));
    for (int i = 0; i < plan->n_visits; i++) {
        const lk_plan_visit *v = &plan->visits[i];
        add_message(it, chunks, v->chunk, v->round, v->from, v->to);
    }
    for (int i = 0; i < plan->n_adds; i++) {
        const lk_plan_add *add = &plan->adds[i];
        if (add->from != add->to) add_message(it, chunks, add->chunk, add->round, add->from, add->to);
    }
    for (int i = 0; i < plan->n_backs; i++) {
        const lk_plan_move *back = &plan->backs[i];
        add_message(it, chunks, back->chunk, plan->up_rounds + back->round, back->from, back->to);
    }
    merge_messages(it);
    for (int i = 0; i < it->hosts; i++)
        if (plan->sent[i] > it->busiest) it->busiest = plan->sent[i];
    it->busiest *= (int64_t)sizeof(float);
done:
    return st;
}

static int64_t slot_of(const lk_replay *it, int segment, int round, int host)
{
    return ((int64_t)segment * it->n_rounds + round) * it->hosts + host;
}

/* Two counting sorts: the messages are in the senders' order already. */
static lk_status index_messages(lk_replay *it)
{
    lk_status st = LK_OK;
    int64_t   n = slot_of(it, it->n_segments, 0, 0);
    LK_TRY(LK_ALLOC(n + 1, &it->first_sent));
    LK_TRY(LK_ALLOC(n + 1, &it->first_taken));
    LK_TRY(LK_ALLOC(it->n_messages, &it->by_receiver));
    for (int i = 0; i < it->n_messages; i++) {
        const message *m = &it->messages[i];
        it->first_sent[slot_of(it, m->segment, m->round, m->from) + 1]++;
        it->first_taken[slot_of(it, m->segment, m->round, m->to) + 1]++;
    }
    for (int64_t k = 0; k < n; k++) {
        it->first_sent[k + 1] += it->first_sent[k];
        it->first_taken[k + 1] += it->first_taken[k];
    }
    for (int i = it->n_messages - 1; i >= 0;
         i--) { /* fills each slot from its end, which moves to its start */
        const message *m = &it->messages[i];
        it->by_receiver[--it->first_taken[slot_of(it, m->segment, m->round, m->to) + 1]] = i;
    }
    memmove(it->first_taken, it->first_taken + 1, (size_t)n * sizeof *it->first_taken);
    it->first_taken[n] = it->n_messages;
done:
    return st;
}

static lk_status make_tiles(int64_t bytes, lk_tile **tiles, int *n_tiles)
{
    lk_status     st = LK_OK;
    lk_span_table table = {0};
    int64_t       count = bytes / (int64_t)sizeof(float) / LK_REPLAY_SPANS;
    for (int i = 0; i < LK_REPLAY_SPANS; i++) {
        lk_span span = {.kind = LK_SPAN_PARAMETER, .shape = {.n_axes = 1, .axis = {count > 0 ? count : 1}}};
        snprintf(span.name, sizeof span.name, "span_%d/weight", i);
        LK_TRY(lk_span_table_add(&table, &span));
    }
    LK_TRY(lk_span_table_tiles(&table, tiles, n_tiles));
done:
    lk_span_table_clear(&table);
    return st;
}

static lk_status make_plan(lk_replay *it, int lanes, const lk_tile *tiles, int n_tiles)
{
    lk_status st = LK_OK;
    lk_chunk *chunks = NULL;
    int      *ranks = NULL, n = 0;
    int64_t  *floats = NULL;
    lk_plan  *plan = NULL;
    LK_TRY(LK_ALLOC(it->hosts, &ranks));
    for (int i = 0; i < it->hosts; i++) ranks[i] = it->ranks;
    LK_TRY(lk_plan_chunks(tiles, n_tiles, it->hosts, ranks, &chunks, &n));
    LK_TRY(LK_ALLOC(n, &floats));
    for (int i = 0; i < n; i++) floats[i] = chunks[i].count;
    LK_TRY(lk_plan_create(&(lk_plan_spec){.lanes = lanes,
                                          .n_hosts = it->hosts,
                                          .host_ranks = ranks,
                                          .n_chunks = n,
                                          .chunk_floats = floats,
                                          .host = -1,
                                          .end_chunk = n},
                          &plan));
    it->n_segments = chunks[n - 1].segment + 1;
    LK_TRY(LK_ALLOC(it->n_segments, &it->plane));
    LK_TRY(LK_ALLOC(it->n_segments, &it->first_span));
    for (int i = n - 1; i >= 0; i--) {
        it->plane[chunks[i].segment] = lk_slice_of(tiles, n_tiles, it->ranks, chunks[i].first_tile);
        it->first_span[chunks[i].segment] = tiles[chunks[i].first_tile].span;
    }
    LK_TRY(collect_messages(it, plan, chunks));
done:
    lk_plan_destroy(&plan);
    lk_free(&chunks);
    lk_free(&ranks);
    lk_free(&floats);
    return st;
}

lk_status lk_replay_create(int hosts, int ranks, int lanes, int64_t bytes, lk_replay **out)
{
    lk_status  st = LK_OK;
    lk_replay *it = NULL;
    lk_tile   *tiles = NULL;
    int        n_tiles = 0;
    LK_TRY(LK_ALLOC(1, out));
    it = *out;
    it->hosts = hosts;
    it->ranks = ranks;
    LK_TRY(make_tiles(bytes, &tiles, &n_tiles));
    LK_TRY(make_plan(it, lanes, tiles, n_tiles));
    LK_TRY(index_messages(it));
    LK_TRY(LK_ALLOC((int64_t)it->n_segments * hosts, &it->round));
    LK_TRY(LK_ALLOC((int64_t)it->n_segments * hosts, &it->open));
    LK_TRY(LK_ALLOC(hosts, &it->out_free));
    LK_TRY(LK_ALLOC(hosts, &it->in_free));
    LK_TRY(LK_ALLOC(hosts, &it->busy));
    LK_TRY(LK_ALLOC(hosts, &it->done));
    LK_TRY(LK_ALLOC((int64_t)hosts * ranks, &it->cpu_free));
    /* At most two events of a message wait at any time. */
    it->capacity = 2 * it->n_messages + it->n_segments * hosts;
    LK_TRY(LK_ALLOC(it->capacity, &it->heap));
done:
    lk_free(&tiles);
    if (st != LK_OK) lk_replay_destroy(out);
    return st;
}

void lk_replay_destroy(lk_replay **replay)
{
    if (!*replay) return;
    lk_replay *it = *replay;
    lk_free(&it->plane);
    lk_free(&it->first_span);
    lk_free(&it->messages);
    lk_free(&it->by_receiver);
    lk_free(&it->first_sent);
    lk_free(&it->first_taken);
    lk_free(&it->round);
    lk_free(&it->open);
    lk_free(&it->out_free);
    lk_free(&it->in_free);
    lk_free(&it->busy);
    lk_free(&it->done);
    lk_free(&it->cpu_free);
    lk_free(&it->heap);
    lk_free(replay);
}

int64_t lk_replay_busiest_bytes(const lk_replay *it)
{
    return it->busiest;
}

/* ---- events, a binary heap ---- */

/* Equal times go by kind and number, so that a replay depends on nothing else. */
static bool earlier(const event *a, const event *b)
{
    if (a->time != b->time) return a->time < b->time;
    if (a->kind != b->kind) return a->kind < b->kind;
    return a->of < b->of;
}

static void push(lk_replay *it, double time, event_kind kind, int of)
{
    event new = {time, kind, of};
    int i = it->n_events++;
    LK_ASSERT(i < it->capacity);
    for (; i > 0 && earlier(&new, &it->heap[(i - 1) / 2]); i = (i - 1) / 2)
        it->heap[i] = it->heap[(i - 1) / 2];
    it->heap[i] = new;
}

static event pop(lk_replay *it)
{
    event first = it->heap[0], last = it->heap[--it->n_events];
    int   i = 0;
    for (int child; (child = 2 * i + 1) < it->n_events; i = child) {
        if (child + 1 < it->n_events && earlier(&it->heap[child + 1], &it->heap[child])) child++;
        if (!earlier(&it->heap[child], &last)) break;
        it->heap[i] = it->heap[child];
    }
    it->heap[i] = last;
    return first;
}

/* ---- a step ---- */

static double span_time(const lk_replay *it, int host, int span)
{
    return it->busy[host] - it->times[host].backward * span / LK_REPLAY_SPANS;
}

/* When the rank looks after messages next: at once if it has nothing else to do. */
static double next_look(const lk_replay *it, int host, double time)
{
    if (time >= it->busy[host]) return time;
    int span = LK_REPLAY_SPANS - 1;
    if (it->times[host].backward > 0)
        span =
            (int)((it->busy[host] - time) / it->times[host].backward * LK_REPLAY_SPANS + 1e-6); /* rounding */
    return span_time(it, host, span < LK_REPLAY_SPANS ? span : LK_REPLAY_SPANS - 1);
}

/* A rank works on a message from `time` on, as soon as it can; what it does during backward makes that longer. */
static double work(lk_replay *it, const message *m, int host, double time)
{
    double *free = &it->cpu_free[(int64_t)host * it->ranks + it->plane[m->segment]];
    double  cost = it->network->message_s + (double)m->bytes * it->network->byte_s;
    double  start = fmax(next_look(it, host, time), *free);
    if (start < it->busy[host]) it->busy[host] += cost;
    *free = start + cost;
    return *free;
}

/* Short messages leave when they are packed, long ones when the receiver has said where to as well. */
static void go(lk_replay *it, int number, double time)
{
    const message *m = &it->messages[number];
    if (m->bytes <= EAGER_BYTES)
        push(it, m->packed, GO, number);
    else if (m->awaited)
        push(it, fmax(m->packed, time) + 2 * it->network->latency_s, GO, number);
}

static void enter_round(lk_replay *it, int segment, int host, double time)
{
    int64_t place = (int64_t)segment * it->hosts + host;
    for (; it->round[place] < it->n_rounds; it->round[place]++) {
        int64_t slot = slot_of(it, segment, it->round[place], host);
        int     sends = it->first_sent[slot + 1] - it->first_sent[slot];
        int     takes = it->first_taken[slot + 1] - it->first_taken[slot];
        it->open[place] = sends + takes;
        for (int i = it->first_taken[slot]; i < it->first_taken[slot + 1]; i++) {
            message *m = &it->messages[it->by_receiver[i]];
            m->awaited = true;
            if (m->arrived) push(it, work(it, m, host, time), TAKEN, it->by_receiver[i]);
            if (!m->arrived && m->sent && m->bytes > EAGER_BYTES) go(it, it->by_receiver[i], time);
        }
        for (int i = it->first_sent[slot]; i < it->first_sent[slot + 1]; i++) {
            it->messages[i].sent = true;
            it->messages[i].packed = work(it, &it->messages[i], host, time);
            go(it, i, time);
        }
        if (it->open[place] > 0) return;
    }
    it->done[host] = fmax(it->done[host], time);
}

/* A message of the present round has come or gone. */
static void close_message(lk_replay *it, int segment, int host, double time)
{
    int64_t place = (int64_t)segment * it->hosts + host;
    if (--it->open[place] > 0) return;
    it->round[place]++;
    enter_round(it, segment, host, time);
}

/* The links: one message after the other. A switch between them takes what comes, so the receiver's link may be a
 * message behind. */
static void cross(lk_replay *it, int number, double time)
{
    const message *m = &it->messages[number];
    double         wire = (double)m->bytes / it->network->bytes_per_s;
    double         start = fmax(time, it->out_free[m->from]);
    it->out_free[m->from] = start + wire;
    it->in_free[m->to] = fmax(start + it->network->latency_s, it->in_free[m->to]) + wire;
    push(it, it->out_free[m->from], LEFT, number);
    push(it, it->in_free[m->to], ARRIVED, number);
}

static void handle(lk_replay *it, const event *e)
{
    if (e->kind == READY) {
        enter_round(it, e->of / it->hosts, e->of % it->hosts, e->time);
        return;
    }
    message *m = &it->messages[e->of];
    if (e->kind == GO) cross(it, e->of, e->time);
    if (e->kind == LEFT) close_message(it, m->segment, m->from, e->time);
    if (e->kind == TAKEN) close_message(it, m->segment, m->to, e->time);
    if (e->kind != ARRIVED) return;
    m->arrived = true;
    if (m->awaited) push(it, work(it, m, m->to, e->time), TAKEN, e->of);
}

double lk_replay_step(lk_replay *it, const lk_replay_network *network, const lk_sample *times)
{
    double end = 0;
    it->network = network;
    it->times = times;
    it->n_events = 0;
    memset(it->cpu_free, 0, (size_t)it->hosts * (size_t)it->ranks * sizeof *it->cpu_free);
    for (int i = 0; i < it->n_messages; i++)
        it->messages[i].sent = it->messages[i].awaited = it->messages[i].arrived = false;
    for (int h = 0; h < it->hosts; h++) {
        it->out_free[h] = it->in_free[h] = it->done[h] = 0;
        it->busy[h] = times[h].compute;
        for (int s = 0; s < it->n_segments; s++) {
            it->round[(int64_t)s * it->hosts + h] = 0;
            push(it, span_time(it, h, s == 0 ? 0 : it->first_span[s]), READY, s * it->hosts + h);
        }
    }
    while (it->n_events > 0) {
        event e = pop(it);
        handle(it, &e);
    }
    for (int h = 0; h < it->hosts; h++) end = fmax(end, fmax(it->done[h], it->busy[h]) + times[h].tail);
    return end;
}
