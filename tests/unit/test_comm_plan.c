/* The exchange plan alone: carried out in memory for random layouts and held against the definition of the
 * tree. */
#include "comm/plan.h"

#include "core/alloc.h"
#include "core/clock.h"
#include "core/rng.h"
#include "lk_test.h"

enum { MAX_LANES = 64, MAX_HOSTS = 12, MAX_CHUNKS = 16 };

static uint64_t counter;

static int draw(int below)
{
    lk_rng rng = lk_rng_make(11, LK_RNG_TEST, 0, 0, 0);
    return (int)(lk_rng_word(&rng, counter++) % (uint32_t)below);
}

typedef struct value {
    float x;
    bool  present;
} value;

static value add(value a, value b)
{
    if (!a.present || !b.present) return a.present ? a : b;
    return (value){a.x + b.x, true};
}

static value define(const value *lane, int lanes, int lo, int s)
{
    if (lo >= lanes) return (value){0, false};
    if (s == 1) return lane[lo];
    return add(define(lane, lanes, lo, s / 2), define(lane, lanes, lo + s / 2, s / 2));
}

static bool same(value a, value b)
{
    return a.present == b.present && (!a.present || memcmp(&a.x, &b.x, sizeof a.x) == 0);
}

typedef struct layout {
    int     lanes, n_hosts, ranks[MAX_HOSTS], n_ranks, n_chunks;
    int64_t floats[MAX_CHUNKS];
} layout;

static layout draw_layout(void)
{
    layout it = {
        .lanes = 1 + draw(MAX_LANES), .n_hosts = 2 + draw(MAX_HOSTS - 2), .n_chunks = 1 + draw(MAX_CHUNKS)};
    if (draw(2)) it.lanes = 1 << draw(7);
    for (int i = 0; i < it.n_hosts; i++) it.n_ranks += it.ranks[i] = 1 + draw(draw(3) ? 4 : 1);
    for (int i = 0; i < it.n_chunks; i++) it.floats[i] = 1 + draw(draw(2) ? 1 : 5000);
    return it;
}

static lk_plan *make(const layout *it, int host)
{
    lk_plan     *plan = NULL;
    lk_plan_spec spec = {.lanes = it->lanes,
                         .n_hosts = it->n_hosts,
                         .host_ranks = it->ranks,
                         .n_chunks = it->n_chunks,
                         .chunk_floats = it->floats,
                         .host = host,
                         .end_chunk = it->n_chunks};
    assert_ok(lk_plan_create(&spec, &plan));
    return plan;
}

/* One chunk in rounds: all messages of a round leave before any addition of that round. Returns whether all
 * is right. */
static bool carry_out(const layout *it, const lk_plan *plan, int chunk, const value *lane)
{
    value at[MAX_LANES], wire[MAX_LANES];
    bool  gone[MAX_LANES] = {false}, has[MAX_HOSTS] = {false}, fine = true;
    int   owner[MAX_LANES], n = 0;
    for (int host = 0, rank = 0; host < it->n_hosts; rank += it->ranks[host++]) {
        lk_node fringe[MAX_LANES];
        int     first = lk_tree_cut(it->lanes, it->n_ranks, rank);
        int     end = lk_tree_cut(it->lanes, it->n_ranks, rank + it->ranks[host]);
        int     k = lk_tree_fringe(it->lanes, first, end, 0, fringe);
        fine = fine && n == plan->host_leaf[host];
        for (int i = 0; i < k; i++, n++) {
            at[n] = define(lane, it->lanes, fringe[i].lo, fringe[i].s);
            owner[n] = host;
        }
    }
    fine = fine && n == plan->n_leaves;
    for (int round = 0; round <= plan->up_rounds; round++) {
        for (int i = 0; i < plan->n_visits; i++) { /* to the chunk's hub, under its own name */
            const lk_plan_visit *v = &plan->visits[i];
            if (v->chunk != chunk || v->round != round) continue;
            fine = fine && !gone[v->leaf] && owner[v->leaf] == v->from;
            fine = fine && same(at[v->leaf], define(lane, it->lanes, v->node.lo, v->node.s));
            owner[v->leaf] = v->to;
        }
        for (int i = 0; i < plan->n_adds; i++) {
            const lk_plan_add *a = &plan->adds[i];
            if (a->chunk != chunk || a->round != round || a->from == a->to) continue;
            fine = fine && !gone[a->from_leaf] && owner[a->from_leaf] == a->from;
            fine = fine && same(at[a->from_leaf], define(lane, it->lanes, a->moved.lo, a->moved.s));
            wire[a->from_leaf] = at[a->from_leaf];
            gone[a->from_leaf] = true;
        }
        for (int local = 0; local <= 1; local++) /* what arrives first, then what meets at one host */
            for (int i = 0; i < plan->n_adds; i++) {
                const lk_plan_add *a = &plan->adds[i];
                if (a->chunk != chunk || a->round != round || (a->from == a->to) != local) continue;
                fine = fine && owner[a->to_leaf] == a->to && !gone[a->to_leaf];
                if (local) {
                    fine = fine && owner[a->from_leaf] == a->from && !gone[a->from_leaf];
                    gone[a->from_leaf] = true;
                }
                at[a->to_leaf] = add(at[a->to_leaf], local ? at[a->from_leaf] : wire[a->from_leaf]);
                fine = fine && same(at[a->to_leaf], define(lane, it->lanes, a->node.lo, a->node.s));
            }
    }
    int root = plan->root_leaf[chunk];
    fine = fine && same(at[root], define(lane, it->lanes, 0, lk_tree_root(it->lanes).s));
    has[owner[root]] = true;
    for (int round = 1; round <= plan->back_rounds; round++) {
        bool now[MAX_HOSTS] = {false};
        for (int i = 0; i < plan->n_backs; i++) {
            const lk_plan_move *b = &plan->backs[i];
            if (b->chunk != chunk || b->round != round) continue;
            fine = fine && has[b->from] && !has[b->to] && !now[b->to];
            now[b->to] = true;
        }
        for (int host = 0; host < it->n_hosts; host++) has[host] = has[host] || now[host];
    }
    for (int host = 0; host < it->n_hosts; host++) fine = fine && has[host];
    return fine;
}

static void ten_thousand_layouts_follow_the_tree(void **state)
{
    (void)state;
    double start = lk_clock_seconds();
    for (int round = 0; round < 10000; round++) {
        layout   it = draw_layout();
        lk_plan *plan = make(&it, -1);
        for (int chunk = 0; chunk < it.n_chunks && chunk < 3; chunk++) {
            value lane[MAX_LANES];
            for (int i = 0; i < it.lanes; i++)
                lane[i] = (value){ldexpf((float)draw(1 << 24) - (1 << 23), draw(60) - 30), draw(8) > 0};
            assert_true(carry_out(&it, plan, chunk, lane));
        }
        int log = 0;
        while (1 << log < it.lanes) log++;
        assert_true(plan->up_rounds <= log);
        lk_plan_destroy(&plan);
    }
    double seconds = lk_clock_seconds() - start;
    print_message("10,000 layouts in %.2f s\n", seconds);
    assert_true(seconds < 10);
}

static void a_host_keeps_exactly_its_part(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        layout   it = draw_layout();
        lk_plan *all = make(&it, -1);
        for (int host = 0; host < it.n_hosts; host++) {
            lk_plan *mine = make(&it, host);
            int      k = 0;
            for (int i = 0; i < all->n_adds; i++) {
                if (all->adds[i].from != host && all->adds[i].to != host) continue;
                assert_memory_equal(&all->adds[i], &mine->adds[k], sizeof *mine->adds);
                k++;
            }
            assert_int_equal(k, mine->n_adds);
            k = 0;
            for (int i = 0; i < all->n_backs; i++) {
                if (all->backs[i].from != host && all->backs[i].to != host) continue;
                assert_memory_equal(&all->backs[i], &mine->backs[k], sizeof *mine->backs);
                k++;
            }
            assert_int_equal(k, mine->n_backs);
            k = 0;
            for (int i = 0; i < all->n_visits; i++) {
                if (all->visits[i].from != host && all->visits[i].to != host) continue;
                assert_memory_equal(&all->visits[i], &mine->visits[k], sizeof *mine->visits);
                k++;
            }
            assert_int_equal(k, mine->n_visits);
            lk_plan_destroy(&mine);
        }
        lk_plan_destroy(&all);
    }
}

/* Design 2a: 3 + 2 ranks, 8 lanes. Every chunk crosses once up and once down. */
static void five_ranks_on_two_hosts_send_the_lower_bound(void **state)
{
    (void)state;
    layout it = {
        .lanes = 8, .n_hosts = 2, .ranks = {3, 2}, .n_ranks = 5, .n_chunks = 4, .floats = {1, 1, 1, 1}};
    lk_plan *plan = make(&it, -1);
    assert_int_equal(plan->n_leaves, 2);
    assert_int_equal(plan->up_rounds, 1);
    assert_int_equal(plan->back_rounds, 1);
    lk_plan_add want[4] = {{0, 1, {0, 8}, {4, 4}, 1, 0, 1, 0},
                           {1, 1, {0, 8}, {0, 4}, 0, 1, 0, 1},
                           {2, 1, {0, 8}, {4, 4}, 1, 0, 1, 0},
                           {3, 1, {0, 8}, {0, 4}, 0, 1, 0, 1}};
    assert_int_equal(plan->n_adds, 4);
    assert_memory_equal(plan->adds, want, sizeof want);
    lk_plan_move back[4] = {{0, 1, 0, 1}, {1, 1, 1, 0}, {2, 1, 0, 1}, {3, 1, 1, 0}};
    assert_int_equal(plan->n_backs, 4);
    assert_memory_equal(plan->backs, back, sizeof back);
    assert_int_equal(plan->sent[0], 4);
    assert_int_equal(plan->sent[1], 4);
    lk_plan_destroy(&plan);
}

/* Three ranks on three hosts, 8 lanes: K = 5, runs {0,1} {2,3,4} {5,6,7}. */
static void three_hosts_of_eight_lanes_take_turns_as_hub(void **state)
{
    (void)state;
    layout it = {
        .lanes = 8, .n_hosts = 3, .ranks = {1, 1, 1}, .n_ranks = 3, .n_chunks = 3, .floats = {1, 1, 1}};
    lk_plan *plan = make(&it, -1);
    assert_int_equal(plan->n_leaves, 5); /* [01] | [23] [4] | [5] [67] */
    assert_int_equal(plan->up_rounds, 1);
    assert_int_equal(plan->back_rounds, 1);
    /* The second host has two values at home, the first only one: as hub it has less to take in. */
    lk_plan_visit visit[3] = {{0, 1, {0, 2}, 0, 1, 0}, {0, 1, {5, 1}, 2, 1, 3}, {0, 1, {6, 2}, 2, 1, 4}};
    assert_memory_equal(plan->visits, visit, sizeof visit);
    lk_plan_add add[4] = {
        {0, 1, {0, 4}, {0, 2}, 1, 1, 0, 1}, /* [23] is at home: the sum keeps its name */
        {0, 1, {4, 2}, {5, 1}, 1, 1, 3, 2},
        {0, 1, {4, 4}, {6, 2}, 1, 1, 4, 2},
        {0, 1, {0, 8}, {4, 4}, 1, 1, 2, 1},
    };
    assert_memory_equal(plan->adds, add, sizeof add);
    lk_plan_move back[2] = {{0, 1, 1, 2}, {0, 1, 1, 0}};
    assert_memory_equal(plan->backs, back, sizeof back);
    int hubs = 0; /* each of the three once */
    for (int i = 0; i < plan->n_backs; i++) hubs |= 1 << plan->backs[i].from;
    assert_int_equal(hubs, 7);
    lk_plan_destroy(&plan);
}

/* Nine hosts of eight lanes: no hubs there. Runs {} {0} {1} ... {7}; 1 goes to 0 first, then back and forth.
 */
static void many_hosts_go_by_the_places_of_children(void **state)
{
    (void)state;
    layout it = {.lanes = 12, .n_hosts = 12, .n_ranks = 12, .n_chunks = 2, .floats = {1, 1}};
    for (int i = 0; i < 12; i++) it.ranks[i] = 1;
    lk_plan *plan = make(&it, -1);
    assert_int_equal(plan->n_visits, 0);
    assert_int_equal(plan->n_adds, 2 * 11);
    assert_int_equal(plan->up_rounds, 4);
    lk_plan_add first = {0, 1, {0, 2}, {1, 1}, 1, 0, 1, 0}, second = {1, 1, {0, 2}, {0, 1}, 0, 1, 0, 1};
    assert_memory_equal(&plan->adds[0], &first, sizeof first);    /* nothing carried yet: left */
    assert_memory_equal(&plan->adds[11], &second, sizeof second); /* the other way now */
    lk_plan_destroy(&plan);
}

static lk_tile *equal_tiles(int n)
{
    lk_tile *tiles = NULL;
    assert_ok(LK_ALLOC(n, &tiles));
    for (int i = 0; i < n; i++) tiles[i] = (lk_tile){(int64_t)i * LK_TILE_FLOATS, LK_TILE_FLOATS, 0, i};
    return tiles;
}

/* Design 2a: chunk boundaries at 1/3, 1/2, 2/3; owners pair up 0-3, 1-3, 1-4, 2-4. */
static void chunks_have_one_owner_a_host(void **state)
{
    (void)state;
    int       ranks[2] = {3, 2}, n_chunks = 0, n_tiles = 600, pairs[6], n_pairs = 0;
    lk_tile  *tiles = equal_tiles(n_tiles);
    lk_chunk *chunks = NULL;
    assert_ok(lk_plan_chunks(tiles, n_tiles, 2, ranks, &chunks, &n_chunks));
    assert_int_equal(n_chunks, 50 + 25 + 25 + 50); /* a segment is 16,384 floats, at least 4 m chunks */
    assert_int_equal(chunks[n_chunks - 1].segment, n_chunks - 1);
    int at = 0;
    for (int i = 0; i < n_chunks; i++) {
        assert_int_equal(chunks[i].first_tile, at);
        at = chunks[i].end_tile;
        int a = lk_slice_of(tiles, n_tiles, 3, chunks[i].first_tile);
        int b = 3 + lk_slice_of(tiles, n_tiles, 2, chunks[i].first_tile);
        assert_int_equal(a, lk_slice_of(tiles, n_tiles, 3, chunks[i].end_tile - 1));
        assert_int_equal(b, 3 + lk_slice_of(tiles, n_tiles, 2, chunks[i].end_tile - 1));
        if (n_pairs == 0 || pairs[n_pairs - 1] != 10 * a + b) pairs[n_pairs++] = 10 * a + b;
    }
    assert_int_equal(at, n_tiles);
    int want[4] = {3, 13, 14, 24};
    assert_int_equal(n_pairs, 4);
    assert_memory_equal(pairs, want, sizeof want);
    lk_free(&chunks);
    lk_free(&tiles);
}

static void slices_balance_floats_and_cover_all(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        int      n_tiles = 1 + draw(60), n = 1 + draw(9);
        lk_tile *tiles = equal_tiles(n_tiles);
        int64_t  at = draw(1000);
        for (int i = 0; i < n_tiles; at += tiles[i++].count)
            tiles[i] = (lk_tile){at, 1 + draw(LK_TILE_FLOATS), 0, i};
        assert_int_equal(lk_slice_cut(tiles, n_tiles, n, 0), 0);
        assert_int_equal(lk_slice_cut(tiles, n_tiles, n, n), n_tiles);
        for (int k = 0; k < n; k++) {
            int     first = lk_slice_cut(tiles, n_tiles, n, k), end = lk_slice_cut(tiles, n_tiles, n, k + 1);
            int64_t floats = 0;
            assert_true(first <= end);
            for (int i = first; i < end; i++) {
                floats += tiles[i].count;
                assert_int_equal(lk_slice_of(tiles, n_tiles, n, i), k);
            }
            assert_true(floats <= (at - tiles[0].offset) / n + LK_TILE_FLOATS);
        }
        lk_free(&tiles);
    }
}

/* Bytes of a layout against 2 (m - 1) / m of the buffer a host, the least any allreduce can send; the busiest
 * host by what it sends or receives, whichever is more. */
static void price(int n_hosts, int lanes, double *mean, double *busiest, int *leaves, int *rounds)
{
    layout  it = {.lanes = lanes, .n_hosts = n_hosts, .n_ranks = n_hosts};
    int     ranks[256], n_chunks = 256;
    int64_t sum = 0, most = 0, received[256] = {0};
    for (int i = 0; i < n_hosts; i++) ranks[i] = 1;
    lk_plan_spec spec = {.lanes = it.lanes,
                         .n_hosts = n_hosts,
                         .host_ranks = ranks,
                         .n_chunks = n_chunks,
                         .host = -1,
                         .end_chunk = n_chunks};
    lk_plan     *plan = NULL;
    assert_ok(lk_plan_create(&spec, &plan));
    for (int i = 0; i < plan->n_adds; i++)
        received[plan->adds[i].to] += plan->adds[i].from != plan->adds[i].to;
    for (int i = 0; i < plan->n_visits; i++) received[plan->visits[i].to]++;
    for (int i = 0; i < plan->n_backs; i++) received[plan->backs[i].to]++;
    for (int i = 0; i < n_hosts; i++) {
        sum += plan->sent[i];
        if (plan->sent[i] > most) most = plan->sent[i];
        if (received[i] > most) most = received[i];
    }
    double bound = 2.0 * (n_hosts - 1) / n_hosts * n_chunks;
    *mean = (double)sum / n_hosts / bound;
    *busiest = (double)most / bound;
    *leaves = plan->n_leaves;
    *rounds = plan->up_rounds;
    lk_plan_destroy(&plan);
}

static void bytes_meet_the_bound_where_fringes_are_single(void **state)
{
    (void)state;
    int equal[][2] = {{2, 8}, {4, 8}, {8, 8}, {16, 16}, {16, 64}, {64, 64}, {5, 5}, {7, 7}, {12, 12}};
    for (size_t i = 0; i < sizeof equal / sizeof *equal; i++) {
        double mean, busiest;
        int    leaves, rounds;
        price(equal[i][0], equal[i][1], &mean, &busiest, &leaves, &rounds);
        assert_int_equal(leaves, equal[i][0]);
        assert_true(fabs(mean - 1) < 1e-12);
        /* Recursive halving, or hubs in turn: all hosts send alike, up to the last few of the 256 chunks. */
        bool power = (equal[i][0] & (equal[i][0] - 1)) == 0;
        if (power) assert_true(fabs(busiest - 1) < 1e-12);
        if (equal[i][0] <= 8) assert_true(busiest < 1.02);
    }
}

/* Mean and busiest host against the bound: what this plan gives, rounded, and what design 2a
 * allows at most (figures of a separate, slow program without hubs). */
static void no_host_is_busier_than_the_design_allows(void **state)
{
    (void)state;
    struct {
        int    hosts, lanes, leaves, rounds;
        double mean, busiest, allowed;
    } known[] = {{3, 8, 5, 1, 1.333, 1.500, 1.87},    {5, 8, 6, 1, 1.125, 1.255, 1.89},
                 {6, 8, 6, 1, 1.000, 1.003, 1.05},    {7, 8, 7, 1, 1.000, 1.005, 1.02},
                 {3, 64, 11, 1, 2.250, 2.625, 3.50},  {5, 64, 17, 6, 1.947, 2.468, 2.72},
                 {6, 64, 18, 6, 1.791, 2.316, 2.33},  {12, 64, 28, 6, 1.482, 1.747, 1.79},
                 {24, 32, 24, 5, 1.000, 1.009, 1.02}, {100, 128, 112, 7, 1.050, 1.606, 2.00}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double mean, busiest;
        int    leaves, rounds;
        price(known[i].hosts, known[i].lanes, &mean, &busiest, &leaves, &rounds);
        print_message("%d hosts, %d lanes: K %d, %d rounds, mean %.3f, busiest %.3f of the bound\n",
                      known[i].hosts, known[i].lanes, leaves, rounds, mean, busiest);
        assert_int_equal(leaves, known[i].leaves);
        assert_int_equal(rounds, known[i].rounds);
        double promise = 1 + (double)(leaves - known[i].hosts) / (2.0 * (known[i].hosts - 1));
        assert_true(mean <= promise + 1e-12);
        assert_true(fabs(mean - known[i].mean) < 0.000501);
        assert_true(fabs(busiest - known[i].busiest) < 0.000501);
        assert_true(busiest <= known[i].allowed + 0.005);
    }
}

static void four_hosts_halve_and_double(void **state)
{
    (void)state;
    layout it = {.lanes = 8, .n_hosts = 4, .ranks = {1, 1, 1, 1}, .n_ranks = 4, .n_chunks = 16};
    for (int i = 0; i < 16; i++) it.floats[i] = 1;
    lk_plan *plan = make(&it, -1);
    assert_int_equal(plan->up_rounds, 2);
    assert_int_equal(plan->back_rounds, 2);
    for (int i = 0; i < plan->n_adds; i++) /* nearest neighbour first */
        assert_int_equal(plan->adds[i].from ^ plan->adds[i].to,
                         plan->adds[i].round == 1 ? 1 : (plan->adds[i].from ^ plan->adds[i].to));
    for (int host = 0; host < 4; host++) assert_int_equal(plan->sent[host], 24); /* 2 * 3 / 4 of 16 chunks */
    lk_plan_destroy(&plan);
}

static void running_out_of_memory_is_a_status(void **state)
{
    (void)state;
    layout it = {
        .lanes = 8, .n_hosts = 3, .ranks = {1, 2, 1}, .n_ranks = 4, .n_chunks = 3, .floats = {1, 1, 1}};
    lk_plan_spec spec = {
        .lanes = 8, .n_hosts = 3, .host_ranks = it.ranks, .n_chunks = 3, .host = -1, .end_chunk = 3};
    for (int k = 1;; k++) {
        lk_plan *plan = NULL;
        lk_alloc_fail_at(k);
        lk_status st = lk_plan_create(&spec, &plan);
        lk_alloc_fail_at(0);
        if (st == LK_OK) {
            assert_true(k > 5);
            lk_plan_destroy(&plan);
            break;
        }
        assert_int_equal(st, LK_E_NOMEM);
        assert_null(plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_layouts_follow_the_tree),
        cmocka_unit_test(a_host_keeps_exactly_its_part),
        cmocka_unit_test(five_ranks_on_two_hosts_send_the_lower_bound),
        cmocka_unit_test(three_hosts_of_eight_lanes_take_turns_as_hub),
        cmocka_unit_test(many_hosts_go_by_the_places_of_children),
        cmocka_unit_test(chunks_have_one_owner_a_host),
        cmocka_unit_test(slices_balance_floats_and_cover_all),
        cmocka_unit_test(bytes_meet_the_bound_where_fringes_are_single),
        cmocka_unit_test(no_host_is_busier_than_the_design_allows),
        cmocka_unit_test(four_hosts_halve_and_double),
        cmocka_unit_test(running_out_of_memory_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
