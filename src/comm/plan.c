#include "comm/plan.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

enum { CHUNKS_PER_HOST = 8, SEGMENT_FLOATS = 16384, MOST_SEGMENTS = 64, HUB_HOSTS = 8 };

/* ---- slices and chunks ---- */

int lk_slice_cut(const lk_tile *tiles, int n_tiles, int n, int k)
{
    if (n_tiles == 0 || k <= 0) return 0;
    if (k >= n) return n_tiles;
    int64_t base = tiles[0].offset;
    int64_t total = tiles[n_tiles - 1].offset + tiles[n_tiles - 1].count - base;
    int low = 0, high = n_tiles; /* (offset - base) * n >= k * total holds from `high` on, not below `low` */
    while (low < high) {
        int middle = low + (high - low) / 2;
        if ((tiles[middle].offset - base) * n >= k * total)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int lk_slice_of(const lk_tile *tiles, int n_tiles, int n, int tile)
{
    int low = 0, high = n - 1; /* the last k whose cut is at or before the tile */
    while (low < high) {
        int middle = low + (high - low + 1) / 2;
        if (lk_slice_cut(tiles, n_tiles, n, middle) <= tile)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Every slice boundary of every host, sorted, each once; the first is 0, the last n_tiles. */
static lk_status all_cuts(const lk_tile *tiles, int n_tiles, int n_hosts, const int *host_ranks, int **cuts,
                          int *n_cuts)
{
    lk_status st = LK_OK;
    int       n = 2, kept = 0;
    for (int i = 0; i < n_hosts; i++) n += host_ranks[i];
    LK_TRY(LK_ALLOC(n, cuts));
    n = 0;
    (*cuts)[n++] = 0;
    (*cuts)[n++] = n_tiles;
    for (int i = 0; i < n_hosts; i++) {
        if (i > 0 && host_ranks[i] == host_ranks[i - 1]) continue; /* hosts of one size are cut alike */
        for (int k = 1; k < host_ranks[i]; k++) (*cuts)[n++] = lk_slice_cut(tiles, n_tiles, host_ranks[i], k);
    }
    qsort(*cuts, (size_t)n, sizeof **cuts, compare_ints);
    for (int i = 0; i < n; i++)
        if (kept == 0 || (*cuts)[i] != (*cuts)[kept - 1]) (*cuts)[kept++] = (*cuts)[i];
    *n_cuts = kept;
done:
    return st;
}

/* Chunks of one piece, tiles first .. first+n-1, and its segments; numbers go on from `segment`. Returns the
 * next one. */
static int cut_piece(const lk_tile *tiles, int first, int n, int n_hosts, int segment, lk_chunk *chunks,
                     int *n_chunks)
{
    int64_t floats = tiles[first + n - 1].offset + tiles[first + n - 1].count - tiles[first].offset;
    int64_t segments = floats / SEGMENT_FLOATS < MOST_SEGMENTS ? floats / SEGMENT_FLOATS : MOST_SEGMENTS;
    int64_t parts = (int64_t)CHUNKS_PER_HOST * n_hosts, last = -1;
    if (segments < 1) segments = 1;
    if (parts < segments) parts = segments;
    for (int64_t k = 0; k < parts; k++) {
        int from = first + lk_slice_cut(tiles + first, n, (int)parts, (int)k);
        int end = first + lk_slice_cut(tiles + first, n, (int)parts, (int)k + 1);
        if (from == end) continue;
        if (k * segments / parts != last) segment++;
        last = k * segments / parts;
        int64_t offset = tiles[from].offset, stop = tiles[end - 1].offset + tiles[end - 1].count;
        chunks[(*n_chunks)++] = (lk_chunk){from, end, offset, stop - offset, segment - 1};
    }
    return segment;
}

lk_status lk_plan_chunks(const lk_tile *tiles, int n_tiles, int n_hosts, const int *host_ranks,
                         lk_chunk **chunks, int *n_chunks)
{
    lk_status st = LK_OK;
    int      *cuts = NULL, n_cuts = 0, segment = 0;
    *chunks = NULL;
    *n_chunks = 0;
    LK_TRY(all_cuts(tiles, n_tiles, n_hosts, host_ranks, &cuts, &n_cuts));
    LK_TRY(LK_ALLOC(n_tiles, chunks));
    for (int i = 0; i + 1 < n_cuts; i++)
        segment = cut_piece(tiles, cuts[i], cuts[i + 1] - cuts[i], n_hosts, segment, *chunks, n_chunks);
done:
    lk_free(&cuts);
    return st;
}

/* ---- the tree between hosts ---- */

/* A node with lanes on two or more hosts and both children present; children are numbers of `at` below. */
typedef struct joint {
    lk_node node;
    int     left, right;
} joint;

/* What is known of each value while one chunk is planned: leaves first, then joints, children before parents.
 */
typedef struct value {
    int host, depth, leaf;
} value;

typedef struct builder {
    const lk_plan_spec *spec;
    lk_plan            *plan;
    lk_node            *leaf_node; /* [n_leaves] owned */
    joint              *joints;    /* [n_leaves - 1] owned */
    int                 n_joints;
    value              *at;       /* [2 n_leaves - 1] owned: leaves, then joints */
    lk_plan_add        *adds;     /* [n_joints] owned: the chunk's */
    int64_t            *carried;  /* [LK_TREE_DEPTH][n_hosts][2] owned: floats received and sent on the way
                                    up, by level */
    int64_t            *received; /* [n_hosts] owned: floats that each host receives in a step */
    bool                by_hubs;  /* few hosts: see wants_hubs */
    bool               *have;     /* [n_hosts] owned */
    int                *with, *without; /* [n_hosts] owned: hosts with and without lanes */
    int                 n_with, n_without;
} builder;

static int host_lane(const lk_plan_spec *spec, int ranks, int rank)
{
    return lk_tree_cut(spec->lanes, ranks, rank);
}

static lk_status list_leaves(builder *b)
{
    lk_status           st = LK_OK;
    const lk_plan_spec *spec = b->spec;
    int                 ranks = 0, first = 0;
    for (int i = 0; i < spec->n_hosts; i++) ranks += spec->host_ranks[i];
    LK_TRY(LK_ALLOC(spec->lanes, &b->leaf_node)); /* K <= L */
    for (int i = 0; i < spec->n_hosts; i++) {
        int from = host_lane(spec, ranks, first), end = host_lane(spec, ranks, first + spec->host_ranks[i]);
        b->plan->host_leaf[i] = b->plan->n_leaves;
        b->plan->n_leaves += lk_tree_fringe(spec->lanes, from, end, 0, b->leaf_node + b->plan->n_leaves);
        first += spec->host_ranks[i];
        if (from < end)
            b->with[b->n_with++] = i;
        else
            b->without[b->n_without++] = i;
    }
    b->plan->host_leaf[spec->n_hosts] = b->plan->n_leaves;
done:
    return st;
}

/* Number of the value of `node`, -1 if it has no lane; `next` walks along the leaves. */
static int list_joints(builder *b, lk_node node, int *next)
{
    if (node.lo >= b->spec->lanes) return -1;
    lk_node leaf = b->leaf_node[*next];
    if (leaf.lo == node.lo && leaf.s == node.s) return (*next)++;
    int half = node.s / 2;
    int left = list_joints(b, (lk_node){node.lo, half}, next);
    int right = list_joints(b, (lk_node){node.lo + half, half}, next);
    if (right < 0) return left;
    b->joints[b->n_joints] = (joint){node, left, right};
    return b->plan->n_leaves + b->n_joints++;
}

/* ---- one chunk ---- */

static int log2_of(int s)
{
    int log = 0;
    while (s > 1) s /= 2, log++;
    return log;
}

static bool keeps(const lk_plan_spec *spec, int chunk, int from, int to)
{
    if (chunk < spec->first_chunk || chunk >= spec->end_chunk) return false;
    return spec->host < 0 || spec->host == from || spec->host == to;
}

static int own_leaves(const lk_plan *plan, int host)
{
    return plan->host_leaf[host + 1] - plan->host_leaf[host];
}

/* The host, among those with lanes, with which the busiest of all has least to do. */
static int choose_hub(const builder *b, int chunk, int64_t floats)
{
    const lk_plan *plan = b->plan;
    int            m = b->spec->n_hosts, best = -1;
    int64_t        least = INT64_MAX;
    for (int k = 0; k < b->n_with; k++) {
        int     hub = b->with[(chunk + k) % b->n_with];
        int64_t most = 0;
        for (int host = 0; host < m; host++) {
            int64_t out = host == hub ? m - 1 : own_leaves(plan, host);
            int64_t in = host == hub ? plan->n_leaves - own_leaves(plan, hub) : 1;
            if (plan->sent[host] + out * floats > most) most = plan->sent[host] + out * floats;
            if (b->received[host] + in * floats > most) most = b->received[host] + in * floats;
        }
        if (most < least) {
            least = most;
            best = hub;
        }
    }
    return best;
}

/* Where the leaves of a chunk are when its additions begin: at home, or all at the hub (-1: there is none).
 */
static void place_leaves(builder *b, int chunk, int64_t floats, int hub)
{
    lk_plan *plan = b->plan;
    for (int host = 0; host < b->spec->n_hosts; host++)
        for (int i = plan->host_leaf[host]; i < plan->host_leaf[host + 1]; i++) {
            bool visits = hub >= 0 && hub != host;
            b->at[i] = (value){visits ? hub : host, visits, i};
            if (!visits) continue;
            plan->sent[host] += floats;
            b->received[hub] += floats;
            if (plan->up_rounds < 1) plan->up_rounds = 1;
            if (!keeps(b->spec, chunk, host, hub)) continue;
            if (plan->visits)
                plan->visits[plan->n_visits] = (lk_plan_visit){chunk, 1, b->leaf_node[i], host, hub, i};
            plan->n_visits++;
        }
}

/* What each host has received and sent at the level of nodes of s lanes. */
static int64_t *carried_at(const builder *b, int s)
{
    return b->carried + 2 * (int64_t)log2_of(s) * b->spec->n_hosts;
}

/*
 * The node is computed where its left (true) or right child is: on the side whose direction has carried less
 * at this level, so that both directions of a link work in every round. A quarter of the difference in all
 * that the two hosts have sent so far counts as well, for the place of a node also sends what comes later;
 * with more weight rounds become uneven, with less the busiest host of uneven layouts has more to send
 * (tried: 0, 1/4, 1/2, 1, 2 and 4).
 */
static bool to_the_left(const builder *b, int chunk, int s, int left, int right)
{
    const int64_t *carried = carried_at(b, s), *sent = b->plan->sent;
    int64_t        to_left = carried[2 * left] + carried[2 * right + 1];
    int64_t        to_right = carried[2 * right] + carried[2 * left + 1];
    int64_t        score = 4 * (to_left - to_right) + sent[left] - sent[right];
    if (score != 0) return score < 0;
    return (chunk >> (log2_of(s) - 1) & 1) == 0;
}

/* Of two values at one host, a sum keeps the name of one that is at home there, so it ends up at home. */
static bool keeps_left_name(const builder *b, const value *l, const value *r)
{
    int first = b->plan->host_leaf[l->host], end = b->plan->host_leaf[l->host + 1];
    return (l->leaf >= first && l->leaf < end) || r->leaf < first || r->leaf >= end;
}

static void plan_up(builder *b, int chunk, int64_t floats)
{
    for (int i = 0; i < b->n_joints; i++) {
        const joint *j = &b->joints[i];
        value        l = b->at[j->left], r = b->at[j->right];
        lk_node      lower = {j->node.lo, j->node.s / 2}, upper = {j->node.lo + j->node.s / 2, j->node.s / 2};
        bool         left =
            l.host == r.host ? keeps_left_name(b, &l, &r) : to_the_left(b, chunk, j->node.s, l.host, r.host);
        value to = left ? l : r, from = left ? r : l;
        int   round = (l.depth > r.depth ? l.depth : r.depth) + (l.host != r.host);
        if (to.host != from.host) {
            int64_t *carried = carried_at(b, j->node.s);
            carried[2 * to.host] += floats;
            carried[2 * from.host + 1] += floats;
            b->plan->sent[from.host] += floats;
            b->received[to.host] += floats;
        }
        b->at[b->plan->n_leaves + i] = (value){to.host, round, to.leaf};
        b->adds[i] = (lk_plan_add){chunk,     round,   j->node,   left ? upper : lower,
                                   from.host, to.host, from.leaf, to.leaf};
        if (round > b->plan->up_rounds) b->plan->up_rounds = round;
        if (!keeps(b->spec, chunk, from.host, to.host)) continue;
        if (b->plan->adds) b->plan->adds[b->plan->n_adds] = b->adds[i];
        b->plan->n_adds++;
    }
    b->plan->root_leaf[chunk] = b->at[b->plan->n_leaves + b->n_joints - 1].leaf;
}

static void add_back(builder *b, int chunk, int round, int from, int to, int64_t floats)
{
    b->plan->sent[from] += floats;
    b->received[to] += floats;
    if (round > b->plan->back_rounds) b->plan->back_rounds = round;
    if (!keeps(b->spec, chunk, from, to)) return;
    if (b->plan->backs) b->plan->backs[b->plan->n_backs] = (lk_plan_move){chunk, round, from, to};
    b->plan->n_backs++;
}

/*
 * Back along the same edges, latest round first. The receiver of an addition passes its value on in a later
 * round or is the root, so it has the sum before its turn comes. Hosts without lanes get theirs last, senders
 * doubling each round.
 */
static void plan_back(builder *b, int chunk, int64_t floats)
{
    value root = b->at[b->plan->n_leaves + b->n_joints - 1];
    memset(b->have, 0, (size_t)b->spec->n_hosts * sizeof *b->have);
    b->have[root.host] = true;
    for (int round = root.depth; round > 0; round--)
        for (int i = b->n_joints - 1; i >= 0; i--) {
            const lk_plan_add *add = &b->adds[i];
            if (add->round != round || b->have[add->from]) continue;
            b->have[add->from] = true;
            add_back(b, chunk, root.depth - round + 1, add->to, add->from, floats);
        }
    int served = 0, round = root.depth;
    while (served < b->n_without) {
        int senders = b->n_with + served, now = 0;
        for (round++; now < senders && served + now < b->n_without; now++) {
            int k = (now + chunk) % senders;
            int from = k < b->n_with ? b->with[k] : b->without[k - b->n_with];
            add_back(b, chunk, round, from, b->without[served + now], floats);
        }
        served += now;
    }
}

static void plan_back_from_hub(builder *b, int chunk, int64_t floats, int hub)
{
    for (int i = 1; i < b->spec->n_hosts; i++)
        add_back(b, chunk, 1, hub, (hub + i) % b->spec->n_hosts, floats);
}

/* ---- all chunks ---- */

static lk_status allocate_work(builder *b)
{
    lk_status st = LK_OK;
    int       n = b->plan->n_leaves, hosts = b->spec->n_hosts;
    LK_TRY(LK_ALLOC(n, &b->joints));
    LK_TRY(LK_ALLOC(2 * n, &b->at));
    LK_TRY(LK_ALLOC(n, &b->adds));
    LK_TRY(LK_ALLOC(2 * LK_TREE_DEPTH * (int64_t)hosts, &b->carried));
    LK_TRY(LK_ALLOC(hosts, &b->received));
    LK_TRY(LK_ALLOC(hosts, &b->have));
    LK_TRY(LK_ALLOC(b->spec->n_chunks, &b->plan->root_leaf));
done:
    return st;
}

static void plan_reports(builder *b)
{
    lk_plan *plan = b->plan;
    for (int i = 0; i < b->n_without; i++) {
        int from = b->without[i], to = b->with[i % b->n_with];
        if (!keeps(b->spec, 0, from, to)) continue;
        if (plan->reports) plan->reports[plan->n_reports] = (lk_plan_move){0, 0, from, to};
        plan->n_reports++;
    }
}

/* Called twice: the first time there are no arrays yet and it counts. */
static void plan_all(builder *b)
{
    lk_plan *plan = b->plan;
    size_t   hosts = (size_t)b->spec->n_hosts;
    plan->n_adds = plan->n_visits = plan->n_backs = plan->n_reports = 0;
    memset(b->carried, 0, 2 * LK_TREE_DEPTH * hosts * sizeof *b->carried);
    memset(b->received, 0, hosts * sizeof *b->received);
    memset(plan->sent, 0, hosts * sizeof *plan->sent);
    plan_reports(b);
    for (int chunk = 0; chunk < b->spec->n_chunks; chunk++) {
        int64_t floats = b->spec->chunk_floats ? b->spec->chunk_floats[chunk] : 1;
        int     hub = b->by_hubs ? choose_hub(b, chunk, floats) : -1;
        place_leaves(b, chunk, floats, hub);
        plan_up(b, chunk, floats);
        if (hub >= 0)
            plan_back_from_hub(b, chunk, floats, hub);
        else
            plan_back(b, chunk, floats);
    }
}

/* What the busiest host sends or receives in a step. */
static int64_t busiest(builder *b, bool by_hubs)
{
    int64_t most = 0;
    b->by_hubs = by_hubs;
    plan_all(b);
    for (int i = 0; i < b->spec->n_hosts; i++) {
        if (b->plan->sent[i] > most) most = b->plan->sent[i];
        if (b->received[i] > most) most = b->received[i];
    }
    b->plan->up_rounds = b->plan->back_rounds = 0;
    return most;
}

/*
 * Among few hosts one of them, the hub, takes all values of a chunk and adds them up, the next chunk has
 * another hub: two rounds, and no value travels twice on its way up. Going by the children's places instead
 * takes more rounds, and leaves those hosts idle that are at the end of a path in every chunk: three hosts of
 * one node each would send 1, 1.5 and 1.5 times the buffer instead of 4/3 each. Hosts of one node each whose
 * number is a power of two have neither trouble (recursive halving) and need no room for visiting values.
 */
static bool wants_hubs(builder *b)
{
    int m = b->spec->n_hosts;
    if (m > HUB_HOSTS || (b->plan->n_leaves == m && b->n_without == 0 && (m & (m - 1)) == 0)) return false;
    return busiest(b, true) <= busiest(b, false);
}

lk_status lk_plan_create(const lk_plan_spec *spec, lk_plan **out)
{
    lk_status st = LK_OK;
    builder   b = {.spec = spec};
    int       next = 0;
    LK_TRY(LK_ALLOC(1, out));
    b.plan = *out;
    LK_TRY(LK_ALLOC(spec->n_hosts + 1, &b.plan->host_leaf));
    LK_TRY(LK_ALLOC(spec->n_hosts, &b.plan->sent));
    LK_TRY(LK_ALLOC(spec->n_hosts, &b.with));
    LK_TRY(LK_ALLOC(spec->n_hosts, &b.without));
    LK_TRY(list_leaves(&b));
    LK_TRY(allocate_work(&b));
    list_joints(&b, lk_tree_root(spec->lanes), &next);
    b.by_hubs = wants_hubs(&b);
    plan_all(&b);
    LK_TRY(LK_ALLOC(b.plan->n_adds, &b.plan->adds));
    LK_TRY(LK_ALLOC(b.plan->n_visits, &b.plan->visits));
    LK_TRY(LK_ALLOC(b.plan->n_backs, &b.plan->backs));
    LK_TRY(LK_ALLOC(b.plan->n_reports, &b.plan->reports));
    plan_all(&b);
done:
    lk_free(&b.leaf_node);
    lk_free(&b.joints);
    lk_free(&b.at);
    lk_free(&b.adds);
    lk_free(&b.carried);
    lk_free(&b.received);
    lk_free(&b.have);
    lk_free(&b.with);
    lk_free(&b.without);
    if (st != LK_OK) lk_plan_destroy(out);
    return st;
}

void lk_plan_destroy(lk_plan **plan)
{
    if (!plan || !*plan) return;
    lk_free(&(*plan)->adds);
    lk_free(&(*plan)->visits);
    lk_free(&(*plan)->backs);
    lk_free(&(*plan)->reports);
    lk_free(&(*plan)->root_leaf);
    lk_free(&(*plan)->host_leaf);
    lk_free(&(*plan)->sent);
    lk_free(plan);
}
