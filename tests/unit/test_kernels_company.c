/* The bit guarantees themselves: a row does not see its neighbours, lanes in one call are lanes alone and
 * folded, and sizes beyond every block constant of the kernels keep the order of their twins. */
#include "lk_test.h"

#include "core/alloc.h"
#include "core/rng.h"
#include "kernels/fold.h"
#include "kernels/kernels.h"
#include "kernels/order.h"
#include "kernels/ref.h"

static const char *const SETS[] = {"avx512", "haswell", "portable"};
enum { N_SETS = 3, MOST = 1 << 19, SCRATCH = 1 << 20, MOST_LANES = 12 };

/* Numbers in; numbers out of the kernel and of what it is compared with. */
static float   *a, *b, *c, *bias, *out, *out2, *other, *other2, *scratch, *lanes_of;
static uint32_t draws;

static void fill(float *x, int64_t n)
{
    lk_rng rng = lk_rng_make(21, LK_RNG_TEST, 0, 0, draws++);
    for (int64_t i = 0; i < n; i++) x[i] = 2 * lk_rng_uniform(&rng, (uint64_t)i) - 1;
}

static void same(const char *what, const float *mine, const float *theirs, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&mine[i], &theirs[i], sizeof *mine) != 0)
            fail_msg("%s, set %s: element %lld of %lld is %.9g, not %.9g", what, lk_kernels_name(),
                     (long long)i, (long long)n, (double)mine[i], (double)theirs[i]);
}

static void for_all_sets(void (*body)(void))
{
    for (int s = 0; s < N_SETS; s++) {
        if (lk_kernels_select(SETS[s]) != LK_OK) {
            print_message("%s: not on this CPU\n", SETS[s]);
            continue;
        }
        draws = 0;
        body();
    }
}

/* m rows in one call against the same rows in calls of `step`. Both layouts of the product are reached: few
 * rows of wide layers are held transposed, many rows are not. */
static void dense_company(int64_t m, int64_t n, int64_t k, int64_t step)
{
    fill(a, m * k);
    fill(b, n * k);
    fill(c, m * n);
    fill(bias, n);
    lk_dense_forward(m, n, k, a, b, bias, LK_EPI_TANH, 0, out, NULL, scratch);
    lk_dense_backward_data(m, n, k, c, b, false, out2, scratch);
    for (int64_t i = 0; i < m; i += step) {
        const int64_t rows = m - i < step ? m - i : step;
        lk_dense_forward(rows, n, k, a + i * k, b, bias, LK_EPI_TANH, 0, other + i * n, NULL, scratch);
        lk_dense_backward_data(rows, n, k, c + i * n, b, false, other2 + i * k, scratch);
    }
    same("dense forward, rows apart", out, other, m * n);
    same("dense backward to the data, rows apart", out2, other2, m * k);
}

static void dense_companies(void)
{
    const int64_t shapes[][3] = {{37, 130, 96}, {200, 10, 70}, {65, 33, 1}, {50, 1, 129}, {96, 64, 64}};
    for (int i = 0; i < 5; i++) {
        dense_company(shapes[i][0], shapes[i][1], shapes[i][2], 1);
        dense_company(shapes[i][0], shapes[i][1], shapes[i][2], 7);
        dense_company(shapes[i][0], shapes[i][1], shapes[i][2], 32);
    }
}

static const lk_conv_shape CONVS[] = {
    /* in, channels; out, filters; kernel; stride; padding before */
    {9, 7, 1, 9, 7, 32, 3, 3, 1, 1, 1, 1},
    {8, 8, 32, 8, 8, 40, 3, 3, 1, 1, 1, 1},
    {9, 11, 5, 5, 4, 17, 3, 5, 2, 3, 1, 2},
    {6, 6, 16, 3, 3, 20, 1, 1, 2, 2, 0, 0},
    {7, 7, 16, 4, 4, 16, 4, 4, 1, 1, 0, 0},
    {5, 5, 3, 5, 5, 2, 2, 2, 1, 1, 0, 0},       /* the padding lies behind the image only */
    {36, 34, 2, 36, 34, 3, 3, 3, 1, 1, 1, 1},   /* more pixels than one band */
    {3, 1100, 1, 3, 1100, 2, 1, 3, 1, 1, 0, 1}, /* a row longer than one band */
};
enum { N_CONVS = sizeof CONVS / sizeof CONVS[0] };

static int64_t conv_in(const lk_conv_shape *s)
{
    return s->in_h * s->in_w * s->channels;
}

static int64_t conv_out(const lk_conv_shape *s)
{
    return s->out_h * s->out_w * s->filters;
}

static int64_t conv_weights(const lk_conv_shape *s)
{
    return s->filters * s->kernel_h * s->kernel_w * s->channels;
}

static void conv_inputs(const lk_conv_shape *s, int64_t rows)
{
    fill(a, rows * conv_in(s));
    fill(b, conv_weights(s));
    fill(c, rows * conv_out(s));
    fill(bias, s->filters);
}

static void conv_companies(void)
{
    for (int i = 0; i < N_CONVS; i++) {
        const lk_conv_shape *s = &CONVS[i];
        const int64_t        rows = 5, in = conv_in(s), n = conv_out(s);
        assert_true(lk_conv_scratch(s, rows, 1) <= MOST);
        conv_inputs(s, rows);
        lk_conv_forward(s, rows, a, b, bias, LK_EPI_SILU, 0, out, other2, scratch);
        for (int64_t r = 0; r < rows; r++)
            lk_conv_forward(s, 1, a + r * in, b, bias, LK_EPI_SILU, 0, other + r * n, other2, scratch);
        same("conv forward, samples apart", out, other, rows * n);
        lk_conv_backward_data(s, rows, c, b, false, out, scratch);
        for (int64_t r = 0; r < rows; r++)
            lk_conv_backward_data(s, 1, c + r * n, b, false, other + r * in, scratch);
        same("conv backward to the data, samples apart", out, other, rows * in);
    }
}

/* Lanes by their sizes; an empty lane is absent. The last ones have more rows than a tile runs over
 * (1,024), together or alone. */
typedef struct lane_case {
    int     n;
    int64_t rows[MOST_LANES];
} lane_case;

static const lane_case LANES_OF[] = {
    {1, {5}},
    {2, {1, 1}},
    {3, {4, 0, 3}},
    {5, {0, 0, 2, 0, 0}},
    {7, {1, 2, 3, 4, 5, 6, 7}},
    {8, {32, 32, 32, 32, 32, 32, 32, 31}},
    {9, {0, 3, 0, 3, 0, 0, 3, 0, 3}},
    {12, {6, 5, 6, 5, 6, 5, 6, 5, 6, 5, 6, 5}},
    {4, {300, 0, 257, 1}},
    {3, {256, 256, 255}},
    {4, {700, 0, 500, 1}},
    {3, {1100, 1, 1024}},
};
enum { N_LANE_CASES = sizeof LANES_OF / sizeof LANES_OF[0] };

static int64_t lane_starts(const lane_case *l, int64_t *start, bool *present)
{
    start[0] = 0;
    for (int i = 0; i < l->n; i++) {
        start[i + 1] = start[i] + l->rows[i];
        present[i] = l->rows[i] > 0;
    }
    return start[l->n];
}

/* Gradients of weights (n k) and bias (n) of each lane alone, folded by lk_fold_rows, against one call. */
static void check_fold(const char *what, const lane_case *l, const bool *present, int64_t n, int64_t floats)
{
    const int64_t stride = floats + n;
    assert_true(l->n * stride <= MOST);
    lk_fold_rows(l->n, present, stride, lanes_of, stride);
    same(what, out, lanes_of, floats);
    same(what, out2, lanes_of + floats, n);
}

static void dense_lanes(void)
{
    const int64_t n = 35, k = 50;
    for (int i = 0; i < N_LANE_CASES; i++) {
        const lane_case *l = &LANES_OF[i];
        int64_t          start[MOST_LANES + 1];
        bool             present[MOST_LANES];
        const int64_t    rows = lane_starts(l, start, present);
        fill(a, rows * k);
        fill(c, rows * n);
        lk_dense_backward_weight(l->n, start, n, k, c, a, false, out, out2, scratch);
        for (int lane = 0; lane < l->n; lane++) {
            const int64_t one[2] = {0, l->rows[lane]};
            float        *value = lanes_of + lane * (n * k + n);
            lk_dense_backward_weight(1, one, n, k, c + start[lane] * n, a + start[lane] * k, false, value,
                                     value + n * k, scratch);
        }
        check_fold("dense lanes folded", l, present, n, n * k);
        lk_ref_dense_backward_weight(l->n, start, n, k, c, a, false, other, other2);
        same("dense lanes and their twin", out, other, n * k);
        same("bias of dense lanes and its twin", out2, other2, n);
    }
}

static void conv_lanes(void)
{
    for (int i = 0; i < N_CONVS; i++) {
        const lk_conv_shape *s = &CONVS[i];
        const lane_case     *l = &LANES_OF[2 + i % 3];
        const int64_t        in = conv_in(s), n = conv_out(s), floats = conv_weights(s);
        int64_t              start[MOST_LANES + 1];
        bool                 present[MOST_LANES];
        const int64_t        rows = lane_starts(l, start, present);
        assert_true(lk_conv_scratch(s, rows, l->n) <= MOST);
        conv_inputs(s, rows);
        lk_conv_backward_weight(s, l->n, start, c, a, false, out, out2, scratch);
        for (int lane = 0; lane < l->n; lane++) {
            const int64_t one[2] = {0, l->rows[lane]};
            float        *value = lanes_of + lane * (floats + s->filters);
            lk_conv_backward_weight(s, 1, one, c + start[lane] * n, a + start[lane] * in, false, value,
                                    value + floats, scratch);
        }
        check_fold("conv lanes folded", l, present, s->filters, floats);
    }
}

/* The tree of fold.h by hand, with values whose sum depends on the order; an absent lane adds no zero to -0.
 */
static void lanes_fold_along_the_tree(void **state)
{
    (void)state;
    const float v[5] = {1e8f, 1.0f, -1e8f, 3.0f, 0.25f};
    float       value[5];
    bool        present[5] = {true, true, true, true, true};
    memcpy(value, v, sizeof v);
    assert_true(lk_fold_rows(5, present, 1, value, 1));
    assert_true(value[0] == ((v[0] + v[1]) + (v[2] + v[3])) + v[4]);
    assert_true(value[0] != v[0] + (v[1] + (v[2] + (v[3] + v[4])))); /* else the case could not tell */
    memcpy(value, v, sizeof v);
    present[1] = present[2] = false;
    assert_true(lk_fold_rows(5, present, 1, value, 1));
    assert_true(value[0] == (v[0] + v[3]) + v[4]);
    float      minus[3] = {7.0f, -0.0f, 7.0f};
    const bool middle[3] = {false, true, false}, none[3] = {false, false, false};
    assert_true(lk_fold_rows(3, middle, 1, minus, 1));
    assert_true(minus[0] == 0.0f && signbit(minus[0]));
    minus[0] = NAN;
    assert_false(lk_fold_rows(3, none, 1, minus, 1));
    assert_true(minus[0] == 0.0f && !signbit(minus[0]));
}

/* Summed indices in two blocks (2,048 of a packed panel), and rows of x turned in several portions. */
static void long_products(void)
{
    const int64_t m = 17, n = 34, k = 2048 + 77;
    fill(a, m * k);
    fill(b, n * k);
    fill(bias, n);
    lk_dense_forward(m, n, k, a, b, bias, LK_EPI_RELU, 0, out, NULL, scratch);
    lk_ref_dense_forward(m, n, k, a, b, bias, LK_EPI_RELU, 0, other, NULL);
    same("dense forward, long rows", out, other, m * n);
    lk_dense_backward_data(m, k, n, a, b, false, out, scratch); /* w is [k, n] here: chains of k */
    lk_ref_dense_backward_data(m, k, n, a, b, false, other);
    same("dense backward to the data, long rows", out, other, m * n);
    for (int64_t deep = k; deep < 4000; deep += 1800) { /* so long that one tile of rows fills a block */
        fill(a, m * deep);
        fill(b, n * deep);
        fill(out, m * n);
        memcpy(other, out, (size_t)(m * n) * sizeof *out);
        lk_gemm(m, n, deep, 0.5f, a, deep, 1, b, deep, true, 0.75f, out, n, scratch);
        lk_ref_gemm(m, n, deep, 0.5f, a, deep, 1, b, deep, true, 0.75f, other, n);
        same("product added to what is there, long rows", out, other, m * n);
    }
    const int64_t wide = 1400, few = 101;
    fill(a, few * wide);
    fill(b, 120 * wide);
    lk_dense_forward(few, 120, wide, a, b, NULL, LK_EPI_SILU, 0, out, out2, scratch);
    lk_ref_dense_forward(few, 120, wide, a, b, NULL, LK_EPI_SILU, 0, other, other2);
    same("dense forward, held transposed", out, other, few * 120);
    same("its derivative", out2, other2, few * 120);
}

/* Weight gradients of more than 1,024 rows, in a node and in a lane, and of more than one block of 256 x 256. */
static void many_rows(void)
{
    const int64_t sizes[2][2] = {{260, 40}, {40, 260}}, start[4] = {0, 3, 1030, 1040};
    for (int i = 0; i < 2; i++) {
        const int64_t n = sizes[i][0], k = sizes[i][1];
        fill(a, start[3] * n);
        fill(c, start[3] * k);
        lk_dense_backward_weight(3, start, n, k, a, c, false, out, out2, scratch);
        lk_ref_dense_backward_weight(3, start, n, k, a, c, false, other, other2);
        same("weight gradient, many rows", out, other, n * k);
        same("bias gradient, many rows", out2, other2, n);
    }
}

/* Left sides of more rows than a block holds (49,152 floats), and rows a multiple of 1,024 floats apart:
 * copied. */
static void large_left_sides(void)
{
    const int64_t strides[] = {1024, 1000}, m = 150, few = 70;
    const int64_t start[4] = {0, 40, 40, m};
    for (int i = 0; i < 2; i++) {
        const int64_t far = strides[i];
        fill(a, m * far);
        fill(b, few * far);
        fill(bias, far);
        lk_dense_forward(m, few, far, a, b, bias, LK_EPI_GELU, 0, out, out2, scratch);
        lk_ref_dense_forward(m, few, far, a, b, bias, LK_EPI_GELU, 0, other, other2);
        same("dense forward, large left side", out, other, m * few);
        same("its derivative", out2, other2, m * few);
        lk_dense_backward_data(m, far, few, a, b, false, out, scratch);
        lk_ref_dense_backward_data(m, far, few, a, b, false, other);
        same("dense backward to the data, large left side", out, other, m * few);
        fill(c, m * few);
        lk_dense_backward_weight(3, start, far, few, a, c, false, out, out2, scratch);
        lk_ref_dense_backward_weight(3, start, far, few, a, c, false, other, other2);
        same("weight gradient, large left side", out, other, far * few);
        same("bias gradient, large left side", out2, other2, far);
    }
}

/* Weight gradients where d_y or x is copied in parts beside a whole copy of the other, and where both are too large. */
static void large_sides(void)
{
    const int64_t sizes[3][2] = {{300, 100}, {420, 450}, {450, 420}}, start[5] = {0, 250, 500, 501, 1000};
    for (int i = 0; i < 3; i++) {
        const int64_t n = sizes[i][0], k = sizes[i][1];
        assert_true(lk_dense_weight_scratch(4, n, k) <= SCRATCH);
        fill(a, start[4] * n);
        fill(c, start[4] * k);
        fill(out, n * k);
        fill(out2, n);
        memcpy(other, out, (size_t)(n * k) * sizeof *out);
        memcpy(other2, out2, (size_t)n * sizeof *out2);
        lk_dense_backward_weight(4, start, n, k, a, c, true, out, out2, scratch);
        lk_ref_dense_backward_weight(4, start, n, k, a, c, true, other, other2);
        same("weight gradient added, large sides", out, other, n * k);
        same("bias gradient, large sides", out2, other2, n);
    }
}

static void large_convolutions(void)
{
    for (int i = 0; i < N_CONVS; i++) {
        const lk_conv_shape *s = &CONVS[i];
        const int64_t     start[3] = {0, 1, 2}, in = 2 * conv_in(s), n = 2 * conv_out(s), w = conv_weights(s);
        const lk_epilogue kinds[] = {LK_EPI_GELU, LK_EPI_NONE, LK_EPI_LEAKY_RELU};
        conv_inputs(s, 2);
        lk_conv_forward(s, 2, a, b, i % 2 ? bias : NULL, kinds[i % 3], 0.3f, out, out2, scratch);
        lk_ref_conv_forward(s, 2, a, b, i % 2 ? bias : NULL, kinds[i % 3], 0.3f, other, other2);
        same("conv forward", out, other, n);
        if (kinds[i % 3] == LK_EPI_GELU) same("conv, derivative of the activation", out2, other2, n);
        lk_conv_backward_data(s, 2, c, b, false, out, scratch);
        lk_ref_conv_backward_data(s, 2, c, b, false, other);
        same("conv backward to the data", out, other, in);
        fill(out, w);
        memcpy(other, out, (size_t)w * sizeof *out);
        memcpy(out2, bias, (size_t)s->filters * sizeof *out);
        memcpy(other2, bias, (size_t)s->filters * sizeof *out);
        lk_conv_backward_weight(s, 2, start, c, a, true, out, out2, scratch);
        lk_ref_conv_backward_weight(s, 2, start, c, a, true, other, other2);
        same("conv backward to the weights, added", out, other, w);
        same("conv backward to the bias, added", out2, other2, s->filters);
    }
}

static void long_loops(void)
{
    const int64_t rows = 2 * LK_COLUMN_BLOCK + 333, n = 21, total = 3 * LK_SQUARES_BLOCK + 5;
    int64_t       bad = 0, other_bad = 0;
    fill(a, rows * n);
    fill(c, rows * n);
    fill(b, 4 * n);
    lk_column_sums(rows, n, a, out);
    lk_ref_column_sums(rows, n, a, other);
    same("column sums over blocks", out, other, n);
    lk_channel_moments(rows, n, a, out, out + n);
    lk_ref_channel_moments(rows, n, a, other, other + n);
    same("moments of many rows", out, other, 2 * n);
    lk_channel_normalise_backward(rows, n, a, b, b + n, b + 2 * n, false, c, out, out2, out2 + n);
    lk_ref_channel_normalise_backward(rows, n, a, b, b + n, b + 2 * n, false, c, other, other2, other2 + n);
    same("normalise backward, many rows", out, other, rows * n);
    same("normalise backward, scale and shift of many rows", out2, other2, 2 * n);
    a[5] = NAN;
    a[LK_SQUARES_BLOCK] = INFINITY;
    a[total - 1] = -INFINITY;
    const bool finite = isfinite(lk_vec_squares(total, a, &bad)) != 0;
    assert_false(finite);
    assert_int_equal(bad, 3);
    assert_true(lk_vec_squares(total - 1 - LK_SQUARES_BLOCK - 1, a + LK_SQUARES_BLOCK + 1, &other_bad) ==
                lk_ref_squares(total - 1 - LK_SQUARES_BLOCK - 1, a + LK_SQUARES_BLOCK + 1, &other_bad));
    assert_int_equal(other_bad, 0);
}

/* An element's bits do not depend on its place in a vector, nor a row's on the rows around it. */
static void rows_alone(void)
{
    const int64_t m = 23, n = 45;
    fill(a, m * n);
    fill(c, m * n);
    for (int64_t i = 0; i < m * n; i++) a[i] *= 9;
    for (lk_epilogue kind = LK_EPI_NONE; kind <= LK_EPI_SILU; kind++) {
        lk_act_forward(kind, 0.1f, m * n, a, out, NULL);
        lk_act_backward(kind, 0.1f, m * n, out, a, c, out2);
        for (int64_t i = 0; i < m * n; i++) {
            lk_act_forward(kind, 0.1f, 1, a + i, other + i, NULL);
            lk_act_backward(kind, 0.1f, 1, other + i, a + i, c + i, other2 + i);
        }
        same("activations one by one", out, other, m * n);
        same("their gradients one by one", out2, other2, m * n);
    }
    lk_softmax_rows(m, n, a, out);
    lk_softmax_backward_rows(m, n, out, c, out2);
    for (int64_t i = 0; i < m; i++) {
        lk_softmax_rows(1, n, a + i * n, other + i * n);
        lk_softmax_backward_rows(1, n, other + i * n, c + i * n, other2 + i * n);
    }
    same("softmax, rows apart", out, other, m * n);
    same("softmax backward, rows apart", out2, other2, m * n);
    memcpy(other, a, (size_t)(m * n) * sizeof *a);
    lk_softmax_rows(m, n, other, other);
    same("softmax in place", other, out, m * n);
}

static void near(const char *what, const float *mine, const float *theirs, int64_t n, int64_t terms)
{
    /* |values| <= 1: each of `terms` additions rounds by at most half an ulp of a sum not above `terms`; sums
     * of signed numbers stay near sqrt(terms), for which this leaves two orders of magnitude less than a
     * misplaced term. */
    const double bound = 6e-8 * (double)terms + 1e-6;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)mine[i] - (double)theirs[i]) <= bound))
            fail_msg("%s: element %lld is %.9g, the twin says %.9g", what, (long long)i, (double)mine[i],
                     (double)theirs[i]);
}

static void openblas_is_near_the_twins(void **state)
{
    (void)state;
    assert_ok(lk_kernels_select("openblas"));
    assert_false(lk_kernels_rows_independent());
    const int64_t m = 19, n = 33, k = 70, start[4] = {0, 8, 8, 19};
    fill(a, m * k);
    fill(b, n * k);
    fill(c, m * n);
    fill(bias, n);
    lk_dense_forward(m, n, k, a, b, bias, LK_EPI_RELU, 0, out, NULL, scratch);
    lk_ref_dense_forward(m, n, k, a, b, bias, LK_EPI_RELU, 0, other, NULL);
    near("dense forward", out, other, m * n, k);
    lk_dense_backward_data(m, n, k, c, b, false, out, scratch);
    lk_ref_dense_backward_data(m, n, k, c, b, false, other);
    near("dense backward to the data", out, other, m * k, n);
    lk_dense_backward_weight(3, start, n, k, c, a, false, out, out2, scratch);
    lk_ref_dense_backward_weight(3, start, n, k, c, a, false, other, other2);
    near("dense backward to the weights", out, other, n * k, m);
    near("dense backward to the bias", out2, other2, n, m);
    for (int i = 0; i < 6; i++) {
        const lk_conv_shape *s = &CONVS[i];
        const int64_t        two[3] = {0, 1, 3};
        const int64_t        taps = s->kernel_h * s->kernel_w;
        assert_true(lk_conv_scratch(s, 3, 2) <= MOST);
        conv_inputs(s, 3);
        lk_conv_forward(s, 3, a, b, bias, LK_EPI_NONE, 0, out, NULL, scratch);
        lk_ref_conv_forward(s, 3, a, b, bias, LK_EPI_NONE, 0, other, NULL);
        near("conv forward", out, other, 3 * conv_out(s), taps * s->channels);
        lk_conv_backward_data(s, 3, c, b, false, out, scratch);
        lk_ref_conv_backward_data(s, 3, c, b, false, other);
        near("conv backward to the data", out, other, 3 * conv_in(s), taps * s->filters);
        lk_conv_backward_weight(s, 2, two, c, a, false, out, out2, scratch);
        lk_ref_conv_backward_weight(s, 2, two, c, a, false, other, other2);
        near("conv backward to the weights", out, other, conv_weights(s), 3 * s->out_h * s->out_w);
        near("conv backward to the bias", out2, other2, s->filters, 3 * s->out_h * s->out_w);
    }
}

static void an_unknown_set_is_named(void **state)
{
    (void)state;
    assert_ok(lk_kernels_select("portable"));
    assert_status(lk_kernels_select("neon"), LK_E_CONFIG);
    assert_non_null(strstr(lk_error_message(), "neon"));
    assert_non_null(strstr(lk_error_message(), "haswell"));
    assert_string_equal(lk_kernels_name(), "portable"); /* a refused choice changes nothing */
    assert_true(lk_kernels_rows_independent());
}

static bool asks_for_another_core(const char *text)
{
    return strstr(text, "OPENBLAS_CORETYPE") != NULL;
}

/* Of the yardstick always; of a set only where its products are the library's. Holds in either case: run it
 * with and without OPENBLAS_CORETYPE on a CPU that the library does not know. */
static void a_library_that_is_slow_on_this_cpu_is_told_where_it_computes(void **state)
{
    static const char *const own[] = {"auto", "avx512", "haswell", "portable"};
    (void)state;
    const bool avx2 = lk_kernels_select("haswell") == LK_OK, avx512 = lk_kernels_select("avx512") == LK_OK;
    assert_ok(lk_kernels_select("openblas"));
    const char *library = lk_kernels_blas();
    const bool  held = avx512 && getenv("OPENBLAS_CORETYPE") && !strstr(library, "SkylakeX") &&
                      !strstr(library, "Cooperlake");
    const bool slow = (avx2 && strstr(library, "Prescott")) || held;
    print_message("%s\n", lk_kernels_detail());
    assert_int_equal(asks_for_another_core(lk_kernels_blas()), slow);
    assert_int_equal(asks_for_another_core(lk_kernels_detail()), slow);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (lk_kernels_select(own[i]) != LK_OK) continue;
        assert_int_equal(asks_for_another_core(lk_kernels_blas()), slow);
        assert_false(asks_for_another_core(lk_kernels_detail()));
        assert_non_null(strstr(lk_kernels_detail(), "1 thread"));
    }
}

#define CLAIM(name, body)                                                                                    \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        for_all_sets(body);                                                                                  \
    }
CLAIM(dense_rows_do_not_see_their_neighbours, dense_companies)
CLAIM(samples_of_a_convolution_do_not_see_their_neighbours, conv_companies)
CLAIM(dense_lanes_together_are_lanes_alone_and_folded, dense_lanes)
CLAIM(conv_lanes_together_are_lanes_alone_and_folded, conv_lanes)
CLAIM(products_beyond_one_block_are_their_twins, long_products)
CLAIM(blocks_of_rows_and_rows_far_apart_are_their_twins, large_left_sides)
CLAIM(weight_gradients_of_many_rows_are_their_twins, many_rows)
CLAIM(weight_gradients_of_large_sides_are_their_twins, large_sides)
CLAIM(convolutions_beyond_one_band_are_their_twins, large_convolutions)
CLAIM(loops_beyond_one_block_are_their_twins, long_loops)
CLAIM(elements_and_rows_alone_have_the_same_bits, rows_alone)

static int setup(void **state)
{
    (void)state;
    float **all[] = {&a, &b, &c, &bias, &out, &out2, &other, &other2, &scratch, &lanes_of};
    for (int i = 0; i < 10; i++)
        if (LK_ALLOC(all[i] == &scratch ? SCRATCH : MOST, all[i]) != LK_OK) return -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    float **all[] = {&a, &b, &c, &bias, &out, &out2, &other, &other2, &scratch, &lanes_of};
    for (int i = 0; i < 10; i++) lk_free(all[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_rows_do_not_see_their_neighbours),
        cmocka_unit_test(samples_of_a_convolution_do_not_see_their_neighbours),
        cmocka_unit_test(dense_lanes_together_are_lanes_alone_and_folded),
        cmocka_unit_test(conv_lanes_together_are_lanes_alone_and_folded),
        cmocka_unit_test(lanes_fold_along_the_tree),
        cmocka_unit_test(products_beyond_one_block_are_their_twins),
        cmocka_unit_test(blocks_of_rows_and_rows_far_apart_are_their_twins),
        cmocka_unit_test(weight_gradients_of_many_rows_are_their_twins),
        cmocka_unit_test(weight_gradients_of_large_sides_are_their_twins),
        cmocka_unit_test(convolutions_beyond_one_band_are_their_twins),
        cmocka_unit_test(loops_beyond_one_block_are_their_twins),
        cmocka_unit_test(elements_and_rows_alone_have_the_same_bits),
        cmocka_unit_test(openblas_is_near_the_twins),
        cmocka_unit_test(an_unknown_set_is_named),
        cmocka_unit_test(a_library_that_is_slow_on_this_cpu_is_told_where_it_computes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
