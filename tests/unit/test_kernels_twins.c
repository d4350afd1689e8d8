/* Every kernel of every set that this CPU has against its plain twin, bit for bit, on shapes drawn at random.
 */
#include "lk_test.h"

#include "core/alloc.h"
#include "core/rng.h"
#include "kernels/kernels.h"
#include "kernels/ref.h"

static const char *const SETS[] = {"avx512", "haswell", "portable"};
enum { N_SETS = 3, MOST = 1 << 18, SCRATCH = 1 << 20, ROUNDS = 60 };

/* Numbers in, numbers out, and room for what the twin says. */
static float   *a, *b, *c, *bias, *out, *twin, *out2, *twin2, *scratch;
static uint8_t *bytes, *twin_bytes;
static uint32_t draws;

static int64_t draw(int64_t least, int64_t most)
{
    lk_rng rng = lk_rng_make(11, LK_RNG_TEST, 0, 0, 0);
    return least + (int64_t)(lk_rng_word(&rng, draws++) % (uint32_t)(most - least + 1));
}

static void fill(float *x, int64_t n)
{
    lk_rng rng = lk_rng_make(12, LK_RNG_TEST, 0, 0, draws++);
    for (int64_t i = 0; i < n; i++) x[i] = 2 * lk_rng_uniform(&rng, (uint64_t)i) - 1;
}

static void spoil(int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = twin[i] = out2[i] = twin2[i] = NAN; /* what is overwritten is never read */
}

static void same(const char *what, const float *mine, const float *theirs, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&mine[i], &theirs[i], sizeof *mine) != 0)
            fail_msg("%s, set %s: element %lld of %lld is %.9g, the twin says %.9g", what, lk_kernels_name(),
                     (long long)i, (long long)n, (double)mine[i], (double)theirs[i]);
}

static int draw_lanes(int64_t rows, int64_t *start)
{
    int n = (int)draw(1, 6);
    start[0] = 0;
    for (int i = 1; i < n; i++) start[i] = draw(start[i - 1], rows);
    start[n] = rows;
    return n;
}

static void for_all_sets(void (*body)(void))
{
    for (int s = 0; s < N_SETS; s++) {
        if (lk_kernels_select(SETS[s]) != LK_OK) {
            print_message("%s: not on this CPU\n", SETS[s]);
            continue;
        }
        draws = 0;
        for (int round = 0; round < ROUNDS; round++) body();
    }
}

static void dense_round(void)
{
    int64_t     m = draw(1, 70), n = draw(1, 70), k = draw(1, 120), start[8];
    lk_epilogue epilogue = (lk_epilogue)draw(LK_EPI_NONE, LK_EPI_SILU);
    bool        with_bias = draw(0, 1), add = draw(0, 1);
    int         lanes = draw_lanes(m, start);
    fill(a, m * k);
    fill(b, n * k);
    fill(c, m * n);
    fill(bias, n);
    spoil(n * k + m * n + m * k);
    lk_dense_forward(m, n, k, a, b, with_bias ? bias : NULL, epilogue, 0.1f, out, out2, scratch);
    lk_ref_dense_forward(m, n, k, a, b, with_bias ? bias : NULL, epilogue, 0.1f, twin, twin2);
    same("dense forward", out, twin, m * n);
    if (epilogue >= LK_EPI_GELU) same("derivative of the activation", out2, twin2, m * n);
    if (add) memcpy(out, a, (size_t)(m * k) * sizeof *a);
    if (add) memcpy(twin, a, (size_t)(m * k) * sizeof *a);
    lk_dense_backward_data(m, n, k, c, b, add, out, scratch);
    lk_ref_dense_backward_data(m, n, k, c, b, add, twin);
    same("dense backward, data", out, twin, m * k);
    if (add) memcpy(out, b, (size_t)(n * k) * sizeof *a);
    if (add) memcpy(twin, b, (size_t)(n * k) * sizeof *a);
    if (add) memcpy(out2, bias, (size_t)n * sizeof *a);
    if (add) memcpy(twin2, bias, (size_t)n * sizeof *a);
    lk_dense_backward_weight(lanes, start, n, k, c, a, add, out, with_bias ? out2 : NULL, scratch);
    lk_ref_dense_backward_weight(lanes, start, n, k, c, a, add, twin, with_bias ? twin2 : NULL);
    same("dense backward, weight", out, twin, n * k);
    if (with_bias) same("dense backward, bias", out2, twin2, n);
}

static void gemm_round(void)
{
    int64_t m = draw(1, 40), n = draw(1, 40), k = draw(1, 60), ldb, pad = draw(0, 5);
    bool    turned = draw(0, 1), trans_b = draw(0, 1);
    float   beta = (float)draw(0, 1);
    ldb = (trans_b ? k : n) + pad;
    fill(a, m * k + m + k);
    fill(b, (trans_b ? n : k) * ldb);
    fill(out, m * (n + pad));
    memcpy(twin, out, (size_t)(m * (n + pad)) * sizeof *a);
    lk_gemm(m, n, k, 0.7f, a, turned ? 1 : k, turned ? m : 1, b, ldb, trans_b, beta, out, n + pad, scratch);
    lk_ref_gemm(m, n, k, 0.7f, a, turned ? 1 : k, turned ? m : 1, b, ldb, trans_b, beta, twin, n + pad);
    same("gemm", out, twin, m * (n + pad));
}

static void conv_round(void)
{
    lk_conv_shape s = {.in_h = draw(3, 12),
                       .in_w = draw(3, 12),
                       .channels = draw(1, 20),
                       .filters = draw(1, 36),
                       .kernel_h = draw(1, 3),
                       .kernel_w = draw(1, 3),
                       .stride_h = draw(1, 2),
                       .stride_w = draw(1, 2),
                       .pad_top = draw(0, 1),
                       .pad_left = draw(0, 1)};
    int64_t       rows = draw(1, 9), start[8];
    bool          add = draw(0, 1);
    s.pad_top = s.pad_top < s.kernel_h ? s.pad_top : 0;
    s.pad_left = s.pad_left < s.kernel_w ? s.pad_left : 0;
    s.out_h = (s.in_h + 2 * s.pad_top - s.kernel_h) / s.stride_h + 1;
    s.out_w = (s.in_w + 2 * s.pad_left - s.kernel_w) / s.stride_w + 1;
    int     lanes = draw_lanes(rows, start);
    int64_t x = rows * s.in_h * s.in_w * s.channels, y = rows * s.out_h * s.out_w * s.filters;
    int64_t w = s.filters * s.kernel_h * s.kernel_w * s.channels;
    float  *room = NULL;
    assert_ok(LK_ALLOC(lk_conv_scratch(&s, rows, lanes), &room));
    fill(a, x);
    fill(b, w);
    fill(c, y);
    fill(bias, s.filters);
    spoil(x + y + w);
    lk_conv_forward(&s, rows, a, b, bias, LK_EPI_RELU, 0, out, NULL, room);
    lk_ref_conv_forward(&s, rows, a, b, bias, LK_EPI_RELU, 0, twin, NULL);
    same("conv forward", out, twin, y);
    if (add) memcpy(out, a, (size_t)x * sizeof *a);
    if (add) memcpy(twin, a, (size_t)x * sizeof *a);
    lk_conv_backward_data(&s, rows, c, b, add, out, room);
    lk_ref_conv_backward_data(&s, rows, c, b, add, twin);
    same("conv backward, data", out, twin, x);
    lk_conv_backward_weight(&s, lanes, start, c, a, false, out, out2, room);
    lk_ref_conv_backward_weight(&s, lanes, start, c, a, false, twin, twin2);
    same("conv backward, weight", out, twin, w);
    same("conv backward, bias", out2, twin2, s.filters);
    lk_free(&room);
}

static void pool_round(void)
{
    lk_pool_shape s = {.in_h = draw(3, 9),
                       .in_w = draw(3, 9),
                       .channels = draw(1, 40),
                       .size_h = draw(1, 3),
                       .size_w = draw(1, 3),
                       .stride_h = draw(1, 3),
                       .stride_w = draw(1, 3)};
    int64_t       rows = draw(1, 4);
    s.pad_top = draw(0, s.size_h - 1);
    s.pad_left = draw(0, s.size_w - 1);
    s.out_h = (s.in_h + s.pad_top - s.size_h) / s.stride_h + 1;
    s.out_w = (s.in_w + s.pad_left - s.size_w) / s.stride_w + 1;
    int64_t x = rows * s.in_h * s.in_w * s.channels, y = rows * s.out_h * s.out_w * s.channels;
    fill(a, x);
    fill(c, y);
    if (draw(0, 3) == 0) a[draw(0, x - 1)] = NAN;
    spoil(x + y);
    lk_max_pool_forward(&s, rows, a, out, bytes);
    lk_ref_max_pool_forward(&s, rows, a, twin, twin_bytes);
    same("max pool", out, twin, y);
    assert_memory_equal(bytes, twin_bytes, (size_t)y);
    lk_max_pool_backward(&s, rows, c, bytes, out);
    lk_ref_max_pool_backward(&s, rows, c, bytes, twin);
    same("max pool backward", out, twin, x);
    for (int64_t i = 0; i < x; i++) a[i] = isnan(a[i]) ? 0 : a[i];
    lk_avg_pool_forward(&s, rows, a, out);
    lk_ref_avg_pool_forward(&s, rows, a, twin);
    same("average pool", out, twin, y);
    lk_avg_pool_backward(&s, rows, c, out);
    lk_ref_avg_pool_backward(&s, rows, c, twin);
    same("average pool backward", out, twin, x);
}

static void norm_round(void)
{
    int64_t rows = draw(1, 50), n = draw(1, 70);
    bool    frozen = draw(0, 1);
    double  wide[140], wide_twin[140];
    fill(a, rows * n);
    fill(c, rows * n);
    fill(b, 4 * n); /* scale, shift, mean, rstd */
    spoil(rows * n + rows);
    lk_channel_moments(rows, n, a, out, out2);
    lk_ref_channel_moments(rows, n, a, twin, twin2);
    same("channel mean", out, twin, n);
    same("channel variance", out2, twin2, n);
    lk_channel_normalise(rows, n, a, b + 2 * n, b + 3 * n, b, b + n, LK_EPI_RELU, out);
    lk_ref_channel_normalise(rows, n, a, b + 2 * n, b + 3 * n, b, b + n, LK_EPI_RELU, twin);
    same("channel normalise", out, twin, rows * n);
    lk_channel_normalise_backward(rows, n, a, b + 2 * n, b + 3 * n, b, frozen, c, out, out2, out2 + n);
    lk_ref_channel_normalise_backward(rows, n, a, b + 2 * n, b + 3 * n, b, frozen, c, twin, twin2, twin2 + n);
    same("channel normalise backward", out, twin, rows * n);
    same("channel normalise backward, scale and shift", out2, twin2, 2 * n);
    lk_channel_spread(rows, n, a, wide, wide + n);
    lk_ref_channel_spread(rows, n, a, wide_twin, wide_twin + n);
    assert_memory_equal(wide, wide_twin, (size_t)(2 * n) * sizeof *wide);
    lk_channel_dots(rows, n, a, b + 2 * n, b + 3 * n, c, wide, wide + n);
    lk_ref_channel_dots(rows, n, a, b + 2 * n, b + 3 * n, c, wide_twin, wide_twin + n);
    assert_memory_equal(wide, wide_twin, (size_t)(2 * n) * sizeof *wide);
    lk_channel_gradient(rows, n, a, b + 2 * n, b + 3 * n, b, b + n, b, c, out);
    lk_ref_channel_gradient(rows, n, a, b + 2 * n, b + 3 * n, b, b + n, b, c, twin);
    same("channel gradient", out, twin, rows * n);
    lk_layer_norm_forward(rows, n, 1e-5f, a, b, b + n, out, out2, out2 + rows);
    lk_ref_layer_norm_forward(rows, n, 1e-5f, a, b, b + n, twin, twin2, twin2 + rows);
    same("layer norm", out, twin, rows * n);
    same("layer norm, statistics", out2, twin2, 2 * rows);
    memcpy(bias, out2, (size_t)(2 * rows) * sizeof *bias);
    lk_layer_norm_backward(rows, n, a, b, bias, bias + rows, c, out, out2, out2 + n);
    lk_ref_layer_norm_backward(rows, n, a, b, bias, bias + rows, c, twin, twin2, twin2 + n);
    same("layer norm backward", out, twin, rows * n);
    same("layer norm backward, scale and shift", out2, twin2, 2 * n);
}

static void row_round(void)
{
    int64_t     m = draw(1, 30), n = draw(1, 90), bad = 0, twin_bad = 0;
    lk_epilogue kind = (lk_epilogue)draw(LK_EPI_NONE, LK_EPI_SILU);
    fill(a, m * n);
    fill(c, m * n);
    for (int64_t i = 0; i < m * n; i++) a[i] *= 6;
    memset(out2, 0, (size_t)(m * n) * sizeof *out2);
    memset(twin2, 0, (size_t)(m * n) * sizeof *twin2);
    lk_act_forward(kind, 0.1f, m * n, a, out, out2);
    lk_ref_act_forward(kind, 0.1f, m * n, a, twin, twin2);
    same("activation", out, twin, m * n);
    same("its derivative", out2, twin2, m * n);
    lk_act_forward(kind, 0.1f, m * n, a, out, NULL);
    same("activation alone", out, twin, m * n);
    lk_act_backward(kind, 0.1f, m * n, twin, a, c, out2);
    lk_ref_act_backward(kind, 0.1f, m * n, twin, a, c, twin2);
    same("activation backward", out2, twin2, m * n);
    lk_softmax_rows(m, n, a, out);
    lk_ref_softmax_rows(m, n, a, twin);
    same("softmax", out, twin, m * n);
    lk_softmax_backward_rows(m, n, twin, c, out2);
    lk_ref_softmax_backward_rows(m, n, twin, c, twin2);
    same("softmax backward", out2, twin2, m * n);
    uint8_t kept[30 * 90];
    for (int64_t i = 0; i < m * n; i++) kept[i] = draw(0, 1) != 0;
    lk_vec_keep(m * n, 1.7f, kept, a, out);
    for (int64_t i = 0; i < m * n; i++) twin[i] = kept[i] ? a[i] * 1.7f : 0;
    same("kept values", out, twin, m * n);
    lk_column_sums(m * 41, n, a, out);
    lk_ref_column_sums(m * 41, n, a, twin);
    same("column sums", out, twin, n);
    if (draw(0, 2) == 0) a[draw(0, m * n - 1)] = INFINITY;
    assert_true(lk_vec_squares(m * n, a, &bad) == lk_ref_squares(m * n, a, &twin_bad));
    assert_int_equal(bad, twin_bad);
}

/* A mean and a deviation of any size that is allowed, of -0 and of what only just differs from the mean. */
static void standard_round(void)
{
    enum { PERIOD = 96 };
    double      mean[PERIOD], std[PERIOD], inverse[PERIOD], shift[PERIOD], *raw = (double *)(void *)c;
    int64_t     n = draw(1, 1000), channels = draw(1, 12), offset = draw(0, 7);
    lk_standard by = {channels * (PERIOD / channels), mean, std, inverse, shift};
    char       *x = (char *)a + offset;
    bool        finite;
    fill(b, 2 * channels);
    for (int64_t i = 0; i < by.period; i++) {
        int64_t at = i % channels;
        mean[i] = at % 3 ? ldexp((double)b[at], (int)(9 * at)) : 0;
        std[i] = ldexp(1.5 + (double)b[channels + at], (int)(17 * at) - 100);
        inverse[i] = 1 / std[i];
        shift[i] = -mean[i] / std[i];
    }
    fill(bias, 2 * n);
    for (int64_t i = 0; i < n; i++) {
        double size = (double)bias[i] * std[i % by.period] * 3;
        raw[i] = mean[i % by.period] + size + ldexp((double)bias[n + i] * size, -24);
        if (i % 41 == 0) raw[i] = mean[i % by.period];
        if (i % 43 == 0) raw[i] = -0.0;
        if (i % 47 == 0) raw[i] = ldexp((double)bias[i], -1060);
    }
    if (draw(0, 2) == 0) raw[draw(0, n - 1)] = (double)(draw(0, 1) ? NAN : -INFINITY);
    memcpy(x, raw, (size_t)n * sizeof *raw);
    finite = lk_standardise_f64(n, x, &by, out);
    assert_true(finite == lk_ref_standardise_f64(n, x, &by, twin));
    if (finite) same("standardised doubles", out, twin, n);
    for (int64_t i = 0; i < n; i++) memcpy(x + i * 4, &(float){(float)raw[i]}, 4);
    finite = lk_standardise_f32(n, x, &by, out);
    assert_true(finite == lk_ref_standardise_f32(n, x, &by, twin));
    if (finite) same("standardised floats", out, twin, n);
    finite = lk_standardise_u8(n, x, &by, out); /* any bytes */
    assert_true(finite == lk_ref_standardise_u8(n, x, &by, twin));
    if (finite) same("standardised bytes", out, twin, n);
    if (lk_scales_u8(&by)) {
        assert_true(finite);
        lk_scale_u8(n, x, &by, out);
        same("scaled bytes", out, twin, n);
    }
    memcpy(twin, x, (size_t)n * sizeof *twin);
    finite = true;
    for (int64_t i = 0; i < n; i++) finite = finite && isfinite(twin[i]);
    assert_true(lk_copy_finite(n, x, out) == finite);
    if (finite) same("copied floats", out, twin, n);
}

/* Bytes by one multiply-add: for means and deviations of images, but not with a sum that is wrong by a little. */
static void scale_round(void)
{
    static const double means[] = {0, 72.940352, 127.5, 1.5}, stds[] = {255, 90.021182, 127.5, 1e-3};
    double              mean[2], std[2], inverse[2], shift[2];
    lk_standard         by = {2, mean, std, inverse, shift};
    unsigned char       x[512];
    for (int i = 0; i < 512; i++) x[i] = (unsigned char)(i / 2);
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < 2; i++) {
            int at = i ? k : 1;
            mean[i] = means[at];
            std[i] = stds[at];
            inverse[i] = 1 / std[i];
            shift[i] = -mean[i] / std[i];
        }
        assert_true(lk_scales_u8(&by));
        lk_scale_u8(512, x, &by, out);
        assert_true(lk_ref_standardise_u8(512, x, &by, twin));
        same("scaled bytes", out, twin, 512);
    }
    shift[0] += 1e-6;
    assert_false(lk_scales_u8(&by));
}

#define CLAIM(name, body)                                                                                    \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        for_all_sets(body);                                                                                  \
    }
CLAIM(dense_products_are_their_twins, dense_round)
CLAIM(strided_products_are_their_twins, gemm_round)
CLAIM(convolutions_are_their_twins, conv_round)
CLAIM(pools_are_their_twins, pool_round)
CLAIM(norms_are_their_twins, norm_round)
CLAIM(row_loops_are_their_twins, row_round)
CLAIM(raw_values_become_those_of_plain_divisions, standard_round)
CLAIM(bytes_become_the_same_by_one_multiply_add, scale_round)

/* Largest error in units in the last place of a float, over a sweep. */
static double worst_ulp(lk_epilogue kind, double (*exact)(double), float from, float to)
{
    enum { N = 20000 };
    double worst = 0;
    for (int i = 0; i < N; i++) a[i] = from + (to - from) * (float)i / N;
    if (kind == LK_EPI_NONE)
        lk_vec_exp(N, a, out);
    else
        lk_act_forward(kind, 0, N, a, out, NULL);
    for (int i = 0; i < N; i++) {
        double y = exact((double)a[i]);
        float  near = fabsf((float)y), ulp = nextafterf(near, INFINITY) - near;
        double off = fabs((double)out[i] - y) / (double)ulp;
        if (off > worst) worst = off;
    }
    return worst;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double gelu(double x)
{
    return x * 0.5 * erfc(-x / sqrt(2.0));
}
static double silu(double x)
{
    return x * sigmoid(x);
}

static void functions_are_within_their_bounds(void **state)
{
    (void)state;
    assert_ok(lk_kernels_select("auto"));
    double e = worst_ulp(LK_EPI_NONE, exp, -80, 80), s = worst_ulp(LK_EPI_SIGMOID, sigmoid, -20, 20);
    double t = worst_ulp(LK_EPI_TANH, tanh, -9, 9), g = worst_ulp(LK_EPI_GELU, gelu, -3, 6),
           u = worst_ulp(LK_EPI_SILU, silu, -20, 20);
    print_message("largest errors in ulp: exp %.2f, sigmoid %.2f, tanh %.2f, gelu %.2f, silu %.2f\n", e, s, t,
                  g, u);
    assert_true(e <= 2 && s <= 3 && t <= 4 && u <= 4 && g <= 40);
}

static int setup(void **state)
{
    (void)state;
    float **all[] = {&a, &b, &c, &bias, &out, &twin, &out2, &twin2, &scratch};
    for (int i = 0; i < 9; i++)
        if (LK_ALLOC(all[i] == &scratch ? SCRATCH : MOST, all[i]) != LK_OK) return -1;
    return LK_ALLOC(MOST, &bytes) == LK_OK && LK_ALLOC(MOST, &twin_bytes) == LK_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    float **all[] = {&a, &b, &c, &bias, &out, &twin, &out2, &twin2, &scratch};
    for (int i = 0; i < 9; i++) lk_free(all[i]);
    lk_free(&bytes);
    lk_free(&twin_bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_products_are_their_twins),
        cmocka_unit_test(strided_products_are_their_twins),
        cmocka_unit_test(convolutions_are_their_twins),
        cmocka_unit_test(pools_are_their_twins),
        cmocka_unit_test(norms_are_their_twins),
        cmocka_unit_test(row_loops_are_their_twins),
        cmocka_unit_test(raw_values_become_those_of_plain_divisions),
        cmocka_unit_test(bytes_become_the_same_by_one_multiply_add),
        cmocka_unit_test(functions_are_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
