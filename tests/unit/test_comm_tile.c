/* The loops over a tile against their definitions, element by element, for every length and overlap of
 * places. */
#include "comm/tile.h"

#include "core/rng.h"
#include "kernels/own.h"
#include "lk_test.h"

enum { MOST = 4096 + 40, SHORT = 140 };

static float a[MOST], b[MOST], y[MOST], want[MOST];

static float draw(int buffer, int i)
{
    lk_rng   rng = lk_rng_make(3, LK_RNG_TEST, buffer, 0, 0);
    uint32_t word = lk_rng_word(&rng, (uint64_t)i);
    return ldexpf((float)(word & 0xffffff) - (float)0x7fffff, (int)(word >> 24) % 60 - 50);
}

static void fill(void)
{
    for (int i = 0; i < MOST; i++) {
        a[i] = draw(0, i);
        b[i] = draw(1, i);
        y[i] = NAN;
    }
}

/* Element i goes to accumulator i mod 32, the accumulators pairwise. volatile: one rounding an operation. */
static double define_squares(int n, const float *x)
{
    volatile double sum[32] = {0};
    for (int i = 0; i < n; i++) {
        volatile double square = (double)x[i] * (double)x[i];
        sum[i % 32] = sum[i % 32] + square;
    }
    for (int half = 16; half > 0; half /= 2)
        for (int k = 0; k < half; k++) sum[k] = sum[k] + sum[k + half];
    return sum[0];
}

static void a_sum_and_its_squares_are_those_of_the_definition(void **state)
{
    (void)state;
    for (int k = 0; k <= SHORT + 1; k++) {
        int n = k <= SHORT ? k : 4096, shift = k % 16; /* other alignments as well */
        fill();
        for (int i = 0; i < n; i++) want[i] = a[shift + i] + b[i];
        double squares = define_squares(n, want);
        lk_tile_add(n, a + shift, b, y);
        assert_memory_equal(y, want, (size_t)n * sizeof *y);
        assert_true(isnan(y[n])); /* not a float further */
        assert_true(lk_tile_squares(n, want) == squares);
        for (int place = 0; place < 3; place++) { /* a third buffer, the first, the second */
            fill();
            float *out = place == 0 ? y : place == 1 ? a + shift : b;
            float  behind = out[n];
            assert_true(lk_tile_add_squares(n, a + shift, b, out) == squares);
            assert_memory_equal(out, want, (size_t)n * sizeof *out);
            assert_memory_equal(&out[n], &behind, sizeof behind);
        }
    }
}

static void the_order_of_the_squares_can_be_seen(void **state)
{
    (void)state;
    fill();
    double forward = 0;
    for (int i = 0; i < 4096; i++) forward += (double)a[i] * (double)a[i];
    assert_true(lk_tile_squares(4096, a) != forward); /* else the test above would prove nothing */
    assert_true(fabs(lk_tile_squares(4096, a) - forward) <= 1e-12 * forward);
}

static void a_value_that_is_not_finite_shows(void **state)
{
    (void)state;
    const float bad[] = {INFINITY, -INFINITY, NAN};
    for (int k = 0; k < 3; k++)
        for (int at = 0; at < 70; at++) {
            fill();
            a[at] = bad[k];
            assert_false((bool)isfinite(lk_tile_squares(70, a)));
            assert_false((bool)isfinite(lk_tile_add_squares(70, a, b, y)));
            assert_int_equal(lk_tile_count_bad(70, a), 1);
            assert_int_equal(lk_tile_count_bad(70, y), 1);
        }
    assert_int_equal(lk_tile_count_bad(70, b), 0);
}

static void owning_changes_no_bit(void **state)
{
    (void)state;
    for (int n = 0; n <= SHORT; n++) {
        fill();
        if (n > 16) a[16] = NAN;
        memcpy(want, a, sizeof want);
        lk_own_lines(n, a);
        assert_memory_equal(a, want, sizeof want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sum_and_its_squares_are_those_of_the_definition),
        cmocka_unit_test(the_order_of_the_squares_can_be_seen),
        cmocka_unit_test(a_value_that_is_not_finite_shows),
        cmocka_unit_test(owning_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
