#include "kernels/ref.h"

#include "kernels/order.h"
#include "kernels/vec_math.h"

static float finish(float value, const float *bias, int64_t j, lk_epilogue epilogue, float slope,
                    float *derivative)
{
    if (bias) value += bias[j];
    if (derivative && lk_epilogue_keeps_derivative(epilogue))
        *derivative = lk_act_derivative(epilogue, value);
    return lk_act(epilogue, slope, value);
}

void lk_ref_dense_forward(int64_t m, int64_t n, int64_t k, const float *x, const float *w, const float *bias,
                          lk_epilogue epilogue, float slope, float *y, float *derivative)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            float sum = 0.0f;
            for (int64_t l = 0; l < k; l++) sum = fmaf(x[i * k + l], w[j * k + l], sum);
            y[i * n + j] = finish(sum, bias, j, epilogue, slope, derivative ? derivative + i * n + j : NULL);
        }
    }
}

void lk_ref_dense_backward_data(int64_t m, int64_t n, int64_t k, const float *d_y, const float *w, bool add,
                                float *d_x)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t l = 0; l < k; l++) {
            float sum = add ? d_x[i * k + l] : 0.0f; /* the chain goes on where the other use ended */
            for (int64_t j = 0; j < n; j++) sum = fmaf(d_y[i * n + j], w[j * k + l], sum);
            d_x[i * k + l] = sum;
        }
    }
}

/* One element's lane sums, folded along the tree over the next power of two of lanes. */
typedef struct lane_values {
    bool  present;
    float value;
} lane_values;

typedef float leaf_fn(const void *context, int64_t first, int64_t end);

static lane_values fold_node(int lo, int size, int n_lanes, const int64_t *start, leaf_fn *leaf,
                             const void *context)
{
    if (lo >= n_lanes) return (lane_values){false, 0.0f};
    if (size == 1) {
        const bool present = start[lo + 1] > start[lo];
        return (lane_values){present, present ? leaf(context, start[lo], start[lo + 1]) : 0.0f};
    }
    const lane_values a = fold_node(lo, size / 2, n_lanes, start, leaf, context);
    const lane_values b = fold_node(lo + size / 2, size / 2, n_lanes, start, leaf, context);
    if (!a.present) return b;
    if (!b.present) return a;
    return (lane_values){true, a.value + b.value};
}

static float fold(int n_lanes, const int64_t *start, leaf_fn *leaf, const void *context)
{
    int size = 1;
    while (size < n_lanes) size *= 2;
    return fold_node(0, size, n_lanes, start, leaf, context).value;
}

typedef struct dense_element {
    const float *d_y, *x; /* columns: element 0 of each row */
    int64_t      n, k;
} dense_element;

static float dense_weight_leaf(const void *context, int64_t first, int64_t end)
{
    const dense_element *e = context;
    float                sum = 0.0f;
    for (int64_t r = first; r < end; r++) sum = fmaf(e->d_y[r * e->n], e->x[r * e->k], sum);
    return sum;
}

static float bias_leaf(const void *context, int64_t first, int64_t end)
{
    const dense_element *e = context;
    float                total = 0.0f;
    for (int64_t block = first; block < end; block += LK_COLUMN_BLOCK) {
        const int64_t stop = block + LK_COLUMN_BLOCK < end ? block + LK_COLUMN_BLOCK : end;
        float         part[LK_COLUMN_PARTS] = {0};
        for (int64_t r = block; r < stop; r++) part[(r - block) % LK_COLUMN_PARTS] += e->d_y[r * e->n];
        const float sum = (part[0] + part[1]) + (part[2] + part[3]);
        total = block == first ? sum : total + sum;
    }
    return total;
}

void lk_ref_column_sums(int64_t rows, int64_t c, const float *d_y, float *d_bias)
{
    for (int64_t j = 0; j < c; j++) {
        const dense_element e = {.d_y = d_y + j, .n = c};
        d_bias[j] = bias_leaf(&e, 0, rows);
    }
}

static void store_folded(float value, bool add, float *target)
{
    *target = add ? *target + value : value;
}

void lk_ref_dense_backward_weight(int n_lanes, const int64_t *start, int64_t n, int64_t k, const float *d_y,
                                  const float *x, bool add, float *d_w, float *d_bias)
{
    for (int64_t j = 0; j < n; j++) {
        for (int64_t l = 0; l < k; l++) {
            const dense_element e = {.d_y = d_y + j, .x = x + l, .n = n, .k = k};
            store_folded(fold(n_lanes, start, dense_weight_leaf, &e), add, &d_w[j * k + l]);
        }
        const dense_element e = {.d_y = d_y + j, .n = n};
        if (d_bias) store_folded(fold(n_lanes, start, bias_leaf, &e), add, &d_bias[j]);
    }
}

void lk_ref_gemm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t row_a, int64_t col_a,
                 const float *b, int64_t ldb, bool trans_b, float beta, float *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            float sum = 0.0f;
            for (int64_t l = 0; l < k; l++)
                sum = fmaf(a[i * row_a + l * col_a], trans_b ? b[j * ldb + l] : b[l * ldb + j], sum);
            const float scaled = alpha * sum;
            c[i * ldc + j] =
                beta == 0.0f ? scaled : fmaf(beta, c[i * ldc + j], scaled); /* beta 0: c is not read */
        }
    }
}

/* The input at (row h, column w) of an image; cells of the padding are zeros and take part in every chain. */
static float pixel(const lk_conv_shape *s, const float *x, int64_t image, int64_t h, int64_t w, int64_t c)
{
    if (h < 0 || h >= s->in_h || w < 0 || w >= s->in_w) return 0.0f;
    return x[((image * s->in_h + h) * s->in_w + w) * s->channels + c];
}

static float conv_window(const lk_conv_shape *s, const float *x, const float *w, int64_t image, int64_t oh,
                         int64_t ow)
{
    float sum = 0.0f;
    for (int64_t kh = 0; kh < s->kernel_h; kh++)
        for (int64_t kw = 0; kw < s->kernel_w; kw++)
            for (int64_t c = 0; c < s->channels; c++)
                sum = fmaf(pixel(s, x, image, oh * s->stride_h + kh - s->pad_top,
                                 ow * s->stride_w + kw - s->pad_left, c),
                           *w++, sum);
    return sum;
}

void lk_ref_conv_forward(const lk_conv_shape *s, int64_t rows, const float *x, const float *w,
                         const float *bias, lk_epilogue epilogue, float slope, float *y, float *derivative)
{
    const int64_t weights = s->kernel_h * s->kernel_w * s->channels;
    int64_t       at = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t oh = 0; oh < s->out_h; oh++)
            for (int64_t ow = 0; ow < s->out_w; ow++)
                for (int64_t f = 0; f < s->filters; f++, at++)
                    y[at] = finish(conv_window(s, x, w + f * weights, i, oh, ow), bias, f, epilogue, slope,
                                   derivative ? derivative + at : NULL);
}

/* Output row (or column) that cell `in` feeds through kernel row `k`: false if none lies at that stride. */
static bool feeds(int64_t in, int64_t pad, int64_t k, int64_t stride, int64_t *out)
{
    const int64_t reach = in + pad - k;
    *out = reach / stride; /* exact where used; outside 0..out-1 d_y counts as zero */
    return reach % stride == 0;
}

static float conv_data_chain(const lk_conv_shape *s, const float *d_y, const float *w, int64_t image,
                             int64_t h, int64_t v, int64_t c, float sum)
{
    for (int64_t kh = s->kernel_h - 1; kh >= 0; kh--) { /* output rows ascending */
        int64_t oh, ow;
        if (!feeds(h, s->pad_top, kh, s->stride_h, &oh)) continue;
        for (int64_t kw = s->kernel_w - 1; kw >= 0; kw--) {
            if (!feeds(v, s->pad_left, kw, s->stride_w, &ow)) continue;
            const bool inside = oh >= 0 && oh < s->out_h && ow >= 0 && ow < s->out_w;
            for (int64_t f = 0; f < s->filters; f++) {
                const float g =
                    inside ? d_y[((image * s->out_h + oh) * s->out_w + ow) * s->filters + f] : 0.0f;
                sum = fmaf(g, w[((f * s->kernel_h + kh) * s->kernel_w + kw) * s->channels + c], sum);
            }
        }
    }
    return sum;
}

void lk_ref_conv_backward_data(const lk_conv_shape *s, int64_t rows, const float *d_y, const float *w,
                               bool add, float *d_x)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t h = 0; h < s->in_h; h++)
            for (int64_t v = 0; v < s->in_w; v++)
                for (int64_t c = 0; c < s->channels; c++, d_x++)
                    *d_x = conv_data_chain(s, d_y, w, i, h, v, c, add ? *d_x : 0.0f);
}

typedef struct conv_element {
    const lk_conv_shape *shape;
    const float         *d_y, *x;
    int64_t              f, kh, kw, c;
} conv_element;

static float conv_band(const conv_element *e, int64_t image, int64_t first, int64_t end)
{
    const lk_conv_shape *s = e->shape;
    float                sum = 0.0f;
    for (int64_t oh = first; oh < end; oh++)
        for (int64_t ow = 0; ow < s->out_w; ow++)
            sum = fmaf(e->d_y[((image * s->out_h + oh) * s->out_w + ow) * s->filters + e->f],
                       pixel(s, e->x, image, oh * s->stride_h + e->kh - s->pad_top,
                             ow * s->stride_w + e->kw - s->pad_left, e->c),
                       sum);
    return sum;
}

static float conv_weight_leaf(const void *context, int64_t first, int64_t end)
{
    const conv_element *e = context;
    const int64_t       band = lk_conv_band_rows(e->shape);
    float               total = 0.0f;
    for (int64_t i = first; i < end; i++) {
        for (int64_t oh = 0; oh < e->shape->out_h; oh += band) {
            const int64_t stop = oh + band < e->shape->out_h ? oh + band : e->shape->out_h;
            const float   sum = conv_band(e, i, oh, stop);
            total = i == first && oh == 0 ? sum : total + sum;
        }
    }
    return total;
}

static float conv_bias_leaf(const void *context, int64_t first, int64_t end)
{
    const conv_element *e = context;
    const int64_t       pixels = e->shape->out_h * e->shape->out_w;
    const dense_element d = {.d_y = e->d_y + e->f, .n = e->shape->filters};
    return bias_leaf(&d, first * pixels, end * pixels);
}

void lk_ref_conv_backward_weight(const lk_conv_shape *s, int n_lanes, const int64_t *start, const float *d_y,
                                 const float *x, bool add, float *d_w, float *d_bias)
{
    conv_element e = {.shape = s, .d_y = d_y, .x = x};
    for (e.f = 0; e.f < s->filters; e.f++) {
        for (e.kh = 0; e.kh < s->kernel_h; e.kh++)
            for (e.kw = 0; e.kw < s->kernel_w; e.kw++)
                for (e.c = 0; e.c < s->channels; e.c++)
                    store_folded(fold(n_lanes, start, conv_weight_leaf, &e), add, d_w++);
        if (d_bias) store_folded(fold(n_lanes, start, conv_bias_leaf, &e), add, &d_bias[e.f]);
    }
}
