#include "lk_test.h"

#include "core/rng.h"

static void permutation_hits_every_index_once(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 300; n += 7) {
        lk_rng rng = lk_rng_make(3, LK_RNG_SHUFFLE, 0, n, 0);
        char   seen[300] = {0};
        for (int64_t i = 0; i < n; i++) {
            int64_t at = lk_rng_permute(&rng, n, i);
            assert_true(at >= 0 && at < n && !seen[at]);
            seen[at] = 1;
        }
    }
}

static void each_width(void (*claim)(void))
{
    for (lk_rng_widest = 64; lk_rng_widest >= 16; lk_rng_widest /= 2) claim();
    lk_rng_widest = 64;
}

static void permute_many(void)
{
    static const int64_t sizes[] = {1, 2, 5, 16, 17, 4096, 54000, 267493, INT64_C(5000000000)};
    enum { COUNT = 100 };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int64_t n = sizes[k], first = n > 300 ? n - COUNT : n / 3,
                count = n - first < COUNT ? n - first : COUNT;
        int64_t out[COUNT];
        lk_rng  rng = lk_rng_make(5, LK_RNG_SHUFFLE, 0, (int64_t)k, 0);
        lk_rng_permute_run(&rng, n, first, count, out);
        for (int64_t i = 0; i < count; i++) assert_int_equal(out[i], lk_rng_permute(&rng, n, first + i));
        lk_rng_permute_run(&rng, n, first, 0, out);
    }
}

static void many_at_a_time_are_the_same_permutation(void **state)
{
    (void)state;
    each_width(permute_many);
}

static void bound_many(void)
{
    enum { MOST = 300 };
    for (int64_t n = 0; n <= MOST; n++) {
        uint8_t  out[MOST + 1];
        uint32_t least = (uint32_t)n * 55924u; /* 0 ... nearly 2^24 */
        lk_rng   rng = lk_rng_make(5, LK_RNG_DROPOUT, 1, 2, n);
        out[n] = 77;
        lk_rng_at_least(&rng, least, n, out);
        for (int64_t i = 0; i < n; i++)
            assert_int_equal(out[i], lk_rng_word(&rng, (uint64_t)i) >> 8 >= least);
        assert_int_equal(out[n], 77); /* nothing beyond the end */
    }
}

static void many_bounds_at_a_time_are_those_of_the_words(void **state)
{
    (void)state;
    each_width(bound_many);
}

static void neighbouring_keys_give_unrelated_words(void **state)
{
    (void)state;
    lk_rng a = lk_rng_make(1, LK_RNG_DROPOUT, 2, 3, 4);
    lk_rng near[] = {lk_rng_make(2, LK_RNG_DROPOUT, 2, 3, 4), lk_rng_make(1, LK_RNG_AUGMENT, 2, 3, 4),
                     lk_rng_make(1, LK_RNG_DROPOUT, 3, 3, 4), lk_rng_make(1, LK_RNG_DROPOUT, 2, 4, 4),
                     lk_rng_make(1, LK_RNG_DROPOUT, 2, 3, 5)};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        int equal = 0;
        for (uint64_t e = 0; e < 1000; e++) equal += lk_rng_word(&a, e) == lk_rng_word(&near[i], e);
        assert_true(equal < 3);
    }
}

static void normal_has_mean_zero_and_variance_one(void **state)
{
    (void)state;
    enum { N = 100000 };
    lk_rng rng = lk_rng_make(9, LK_RNG_TEST, 0, 0, 0);
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < N; i++) {
        double x = (double)lk_rng_normal(&rng, i);
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / N) < 0.015); /* five standard errors */
    assert_true(fabs(squares / N - 1) < 0.025);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permutation_hits_every_index_once),
        cmocka_unit_test(many_at_a_time_are_the_same_permutation),
        cmocka_unit_test(many_bounds_at_a_time_are_those_of_the_words),
        cmocka_unit_test(neighbouring_keys_give_unrelated_words),
        cmocka_unit_test(normal_has_mean_zero_and_variance_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
