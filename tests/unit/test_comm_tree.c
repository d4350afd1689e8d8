/* The canonical tree: fringes, folding and addition programs against a recursion written straight from the
 * definition. */
#include "comm/tree.h"

#include "core/rng.h"
#include "lk_test.h"

enum { MAX_LANES = 80 };

static uint64_t counter;

static uint32_t draw(uint32_t below)
{
    lk_rng rng = lk_rng_make(7, LK_RNG_TEST, 0, 0, 0);
    return lk_rng_word(&rng, counter++) % below;
}

static float draw_value(void)
{
    return ldexpf((float)draw(1 << 24) - (1 << 23), (int)draw(60) - 30);
}

typedef struct lane_value {
    float value;
    bool  present;
} lane_value;

/* value(lo, s) = value(lo, s/2) + value(lo + s/2, s/2); an absent child is left out. */
static lane_value define(const lane_value *lane, int lanes, int lo, int s)
{
    if (lo >= lanes) return (lane_value){0, false};
    if (s == 1) return lane[lo];
    lane_value a = define(lane, lanes, lo, s / 2), b = define(lane, lanes, lo + s / 2, s / 2);
    if (!a.present || !b.present) return a.present ? a : b;
    return (lane_value){a.value + b.value, true};
}

static int draw_lanes(lane_value *lane)
{
    int lanes = 1 + (int)draw(MAX_LANES);
    for (int i = 0; i < lanes; i++) lane[i] = (lane_value){draw_value(), draw(5) > 0};
    return lanes;
}

static bool same_bits(lane_value a, bool present, float value)
{
    return a.present == present && (!present || memcmp(&a.value, &value, sizeof value) == 0);
}

static void root_is_the_next_power_of_two(void **state)
{
    (void)state;
    int expected[][2] = {{1, 1}, {2, 2}, {3, 4}, {4, 4}, {5, 8}, {8, 8}, {9, 16}, {64, 64}, {65, 128}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(lk_tree_root(expected[i][0]).s, expected[i][1]);
}

static void three_ranks_of_eight_lanes_own_five_slabs(void **state)
{
    (void)state;
    lk_node want[3][2] = {{{0, 2}}, {{2, 2}, {4, 1}}, {{5, 1}, {6, 2}}};
    int     n_want[3] = {1, 2, 2};
    for (int q = 0; q < 3; q++) {
        lk_node got[8];
        int     n = lk_tree_fringe(8, lk_tree_cut(8, 3, q), lk_tree_cut(8, 3, q + 1), 0, got);
        assert_int_equal(n, n_want[q]);
        assert_memory_equal(got, want[q], (size_t)n * sizeof *got);
    }
}

static void fringe_is_the_shortest_cover(void **state)
{
    (void)state;
    for (int lanes = 1; lanes <= 40; lanes++)
        for (int first = 0; first < lanes; first++)
            for (int end = first + 1; end <= lanes; end++) {
                lk_node node[MAX_LANES];
                int     n = lk_tree_fringe(lanes, first, end, 0, node), at = first;
                for (int i = 0; i < n; i++) { /* contiguous, and each parent sticks out of the run */
                    assert_int_equal(node[i].lo, at);
                    at += lk_tree_node_lanes(lanes, node[i]);
                    int  lo = node[i].lo / (2 * node[i].s) * 2 * node[i].s;
                    int  stop = lo + 2 * node[i].s < lanes ? lo + 2 * node[i].s : lanes;
                    bool is_root = node[i].s == lk_tree_root(lanes).s;
                    assert_true(is_root || lo < first || stop > end);
                }
                assert_int_equal(at, end);
            }
}

/* Groups of a run go through a fold; each fringe node must come out as the definition says, in the promised
 * buffers. */
static void folding_gives_the_fringe_values(void **state)
{
    (void)state;
    for (int round = 0; round < 4000; round++) {
        lane_value lane[MAX_LANES];
        lk_node    group[MAX_LANES], top[MAX_LANES];
        int        lanes = draw_lanes(lane), max_s = 1 << draw(4), at = 0;
        int        first = (int)draw((uint32_t)lanes), end = first + 1 + (int)draw((uint32_t)(lanes - first));
        int        n = lk_tree_fringe(lanes, first, end, max_s, group);
        int        n_top = lk_tree_fringe(lanes, first, end, 0, top);
        float      buffer[LK_TREE_DEPTH];
        lk_fold    fold;
        lk_fold_start(&fold);
        for (int i = 0; i < n; i++) {
            lane_value v = define(lane, lanes, group[i].lo, group[i].s);
            assert_true(fold.n_present < lk_tree_fold_buffers(lanes, top[at], max_s));
            if (v.present) buffer[fold.n_present] = v.value;
            int adds = lk_fold_push(&fold, lanes, top[at], group[i], v.present);
            for (int t = fold.n_present + adds - 1; adds > 0; adds--, t--) buffer[t - 1] += buffer[t];
            if (!lk_fold_done(&fold, top[at])) continue;
            lane_value want = define(lane, lanes, top[at].lo, top[at].s);
            assert_true(same_bits(want, fold.present[0], buffer[0]));
            lk_fold_start(&fold);
            at++;
        }
        assert_int_equal(at, n_top);
        assert_int_equal(fold.depth, 0);
    }
}

static void programs_add_along_the_tree(void **state)
{
    (void)state;
    for (int round = 0; round < 4000; round++) {
        lane_value  lane[MAX_LANES];
        lk_node     leaf[MAX_LANES];
        bool        present[MAX_LANES];
        float       place[2 * MAX_LANES];
        lk_tree_add adds[MAX_LANES];
        int         lanes = draw_lanes(lane), p = 1 + (int)draw(9), n = 0, n_adds = 0, n_scratch = 0;
        for (int q = 0; q < p; q++)
            n += lk_tree_fringe(lanes, lk_tree_cut(lanes, p, q), lk_tree_cut(lanes, p, q + 1), 0, leaf + n);
        for (int i = 0; i < n; i++) {
            lane_value v = define(lane, lanes, leaf[i].lo, leaf[i].s);
            present[i] = v.present;
            place[i] = v.present ? v.value : NAN;
        }
        int at = lk_tree_program(lanes, lk_tree_root(lanes), leaf, present, n, adds, &n_adds, &n_scratch);
        assert_true(n_adds < n || n_adds == 0);
        for (int i = 0; i < n_adds; i++) {
            assert_true(adds[i].out < n + n_scratch);
            assert_true(adds[i].out >= n || i == n_adds - 1); /* leaves stay as they are until the end */
            place[adds[i].out] = place[adds[i].a] + place[adds[i].b];
        }
        lane_value want = define(lane, lanes, 0, lk_tree_root(lanes).s);
        assert_true(same_bits(want, at >= 0, at >= 0 ? place[at] : 0));
        assert_true(at < n);
    }
}

static void a_negative_zero_survives_absent_lanes(void **state)
{
    (void)state;
    double rows[5] = {1, -0.0, 1, 1, 1}, out = 1;
    bool   present[5] = {false, true, false, false, false};
    lk_tree_sum_rows(rows, present, 5, 1, &out);
    assert_true(out == 0 && signbit(out));
}

static void rows_are_summed_along_the_tree(void **state)
{
    (void)state;
    double rows[5][2] = {{1e16, 1}, {1, 2}, {-1e16, 4}, {1, 8}, {0.5, 16}}, out[2];
    lk_tree_sum_rows(&rows[0][0], NULL, 5, 2, out);
    assert_true(out[0] == ((1e16 + 1) + (-1e16 + 1)) + 0.5);
    assert_true(out[1] == 31);
    lk_tree_sum_rows(&rows[0][0], NULL, 0, 2, out);
    assert_true(out[0] == 0 && out[1] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_is_the_next_power_of_two),
        cmocka_unit_test(three_ranks_of_eight_lanes_own_five_slabs),
        cmocka_unit_test(fringe_is_the_shortest_cover),
        cmocka_unit_test(folding_gives_the_fringe_values),
        cmocka_unit_test(programs_add_along_the_tree),
        cmocka_unit_test(a_negative_zero_survives_absent_lanes),
        cmocka_unit_test(rows_are_summed_along_the_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
