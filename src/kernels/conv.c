#include "kernels/conv.h"

#include <string.h>

#include "kernels/blas.h"
#include "kernels/conv_internal.h"
#include "kernels/fold.h"
#include "kernels/order.h"
#include "kernels/set.h"

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static int64_t largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t window_floats(const lk_conv_shape *s)
{
    return s->kernel_h * s->kernel_w * s->channels;
}

/* The panel of columns from j of n: its vectors and its columns. */
static int panel(int64_t n, int64_t j, int *cols)
{
    const int vectors = n - j > lk_set->lanes ? 2 : 1;
    *cols = (int)(n - j < vectors * lk_set->lanes ? n - j : vectors * lk_set->lanes);
    return vectors;
}

/* True if windows lie inside the image, so that it can be read where it is. */
static bool needs_no_frame(const lk_conv_shape *s)
{
    const lk_frame f = lk_frame_of_input(s);
    return f.top == 0 && f.left == 0 && f.rows <= s->in_h && f.cols <= s->in_w;
}

/*
 * Forward. For one kernel row kh the window of an output cell is kw * channels contiguous floats, and those
 * of its neighbour begin stride_w * channels later: an output row is a product whose left side has
 * overlapping rows, and the kernel rows are its segments. No column matrix is ever built.
 */
static void pack_filters(const lk_conv_shape *s, const float *w, float *pack)
{
    const int64_t k = window_floats(s);
    for (int64_t f = 0, cols; f < s->filters; f += cols) {
        int           n;
        const int64_t width = panel(s->filters, f, &n) * lk_set->lanes;
        cols = n;
        lk_set->transpose(cols, k, w + f * k, k, pack, width, width);
        pack += k * width;
    }
}

static void forward_image(const lk_conv_shape *s, const float *x, int64_t pitch, const float *pack,
                          const float *bias, int flags, float *y)
{
    const int64_t run = s->kernel_w * s->channels;
    /* Output rows whose windows continue those of the row before make one product (1x1 kernels, and no
     * padding). */
    const bool    merged = s->stride_h * pitch == s->out_w * s->stride_w * s->channels;
    const int64_t out_h = merged ? 1 : s->out_h, m = merged ? s->out_h * s->out_w : s->out_w;
    lk_tile_call  t = {.row_a = s->stride_w * s->channels,
                       .col_a = 1,
                       .next_a = pitch,
                       .k = run,
                       .segments = (int)s->kernel_h,
                       .ldc = s->filters,
                       .flags = flags,
                       .b = pack};
    for (int64_t f = 0; f < s->filters; f += t.cols) {
        const int vectors = panel(s->filters, f, &t.cols);
        t.ldb = vectors * lk_set->lanes;
        t.next_b = run * t.ldb;
        t.bias = bias ? bias + f : NULL;
        for (int64_t oh = 0; oh < out_h; oh++) {
            t.a = x + oh * s->stride_h * pitch;
            t.c = y + oh * s->out_w * s->filters + f;
            lk_tile_column(m, vectors, &t);
        }
        t.b += s->kernel_h * t.next_b;
    }
}

void lk_conv_forward(const lk_conv_shape *s, int64_t rows, const float *x, const float *w, const float *bias,
                     lk_epilogue epilogue, float slope, float *y, float *derivative, float *scratch)
{
    const bool     relu = epilogue == LK_EPI_RELU, later = !relu && epilogue != LK_EPI_NONE;
    const bool     framed = !needs_no_frame(s);
    const int      flags = (relu ? LK_TILE_RELU : 0) | (bias ? LK_TILE_BIAS : 0);
    const int64_t  in = s->in_h * s->in_w * s->channels, out = s->out_h * s->out_w * s->filters;
    const lk_frame frame = lk_frame_of_input(s);
    const int64_t  pitch = (framed ? frame.cols : s->in_w) * s->channels;
    float         *pack = scratch + (framed ? round_up(lk_frame_floats(&frame), LK_TILE_MAX_WIDTH) : 0);
    if (lk_set->products_by_blas) {
        lk_conv_blas_forward(s, rows, x, w, bias, y, scratch);
        lk_act_forward(epilogue, slope, rows * out, y, y, derivative);
        return;
    }
    pack_filters(s, w, pack);
    if (framed) lk_frame_clear(&frame, scratch);
    for (int64_t i = 0; i < rows; i++, x += in, y += out) {
        if (framed) lk_frame_fill(&frame, x, scratch);
        forward_image(s, framed ? scratch : x, pitch, pack, bias, flags, y);
        if (later) lk_act_forward(epilogue, slope, out, y, y, derivative ? derivative + i * out : NULL);
    }
}

/*
 * Backward to the input. Input cells with the same remainder modulo the stride (a phase) see the same kernel
 * rows and columns, and among them it is a forward convolution of d_y, framed by zeros, with the kernel
 * turned round.
 */
typedef struct phases {
    lk_frame frame;            /* of d_y */
    int64_t  reach_h, reach_w; /* kernel rows and columns of the largest phase */
} phases;

static phases phases_of(const lk_conv_shape *s)
{
    phases p;
    p.reach_h = (s->kernel_h + s->stride_h - 1) / s->stride_h;
    p.reach_w = (s->kernel_w + s->stride_w - 1) / s->stride_w;
    p.frame = (lk_frame){.in_h = s->out_h,
                         .in_w = s->out_w,
                         .depth = s->filters,
                         .top = p.reach_h - 1,
                         .left = p.reach_w - 1,
                         .rows = (s->in_h - 1 + s->pad_top) / s->stride_h + p.reach_h,
                         .cols = (s->in_w - 1 + s->pad_left) / s->stride_w + p.reach_w};
    return p;
}

/* Kernel rows (or columns) phase, phase + stride, ... below `kernel`. */
static int64_t taps(int64_t kernel, int64_t stride, int64_t phase)
{
    return phase < kernel ? (kernel - phase + stride - 1) / stride : 0;
}

/* The weights that a phase uses as [taps_h][taps_w][filters] rows of a panel of channels, kernel turned
 * round. */
static float *pack_phase(const lk_conv_shape *s, int64_t ph, int64_t pw, const float *w, float *pack)
{
    const int64_t taps_h = taps(s->kernel_h, s->stride_h, ph), taps_w = taps(s->kernel_w, s->stride_w, pw);
    int           cols;
    for (int64_t c = 0; c < s->channels; c += cols) {
        const int64_t width = panel(s->channels, c, &cols) * lk_set->lanes;
        for (int64_t i = taps_h - 1; i >= 0; i--) {
            for (int64_t j = taps_w - 1; j >= 0; j--) {
                const int64_t tap = (ph + i * s->stride_h) * s->kernel_w + pw + j * s->stride_w;
                lk_set->copy(s->filters, cols, w + tap * s->channels + c, window_floats(s), pack, width);
                pack += s->filters * width;
            }
        }
    }
    return pack;
}

static const float *data_phase(const lk_conv_shape *s, const phases *p, int64_t ph, int64_t pw,
                               const float *d_y, const float *pack, bool add, float *d_x)
{
    const int64_t taps_h = taps(s->kernel_h, s->stride_h, ph), taps_w = taps(s->kernel_w, s->stride_w, pw);
    const int64_t pitch = p->frame.cols * s->filters;
    /* The first input row and column of the phase: (first + pad) mod stride = phase. */
    const int64_t h0 = (ph + s->stride_h - s->pad_top % s->stride_h) % s->stride_h;
    const int64_t w0 = (pw + s->stride_w - s->pad_left % s->stride_w) % s->stride_w;
    const int64_t m = w0 < s->in_w ? (s->in_w - w0 + s->stride_w - 1) / s->stride_w : 0;
    lk_tile_call  t = {.row_a = s->filters,
                       .col_a = 1,
                       .next_a = pitch,
                       .k = taps_w * s->filters,
                       .segments = (int)taps_h,
                       .ldc = s->stride_w * s->channels,
                       .flags = add ? LK_TILE_START_C : 0,
                       .b = pack};
    for (int64_t c = 0; c < s->channels; c += t.cols) {
        const int vectors = panel(s->channels, c, &t.cols);
        t.ldb = vectors * lk_set->lanes;
        t.next_b = t.k * t.ldb;
        for (int64_t h = h0; h < s->in_h; h += s->stride_h) {
            const int64_t row = (h + s->pad_top - ph) / s->stride_h + p->reach_h - taps_h;
            const int64_t col = (w0 + s->pad_left - pw) / s->stride_w + p->reach_w - taps_w;
            t.a = d_y + row * pitch + col * s->filters;
            t.c = d_x + (h * s->in_w + w0) * s->channels + c;
            lk_tile_column(m, vectors, &t);
        }
        t.b += taps_h * t.next_b;
    }
    return t.b;
}

void lk_conv_backward_data(const lk_conv_shape *s, int64_t rows, const float *d_y, const float *w, bool add,
                           float *d_x, float *scratch)
{
    const phases  p = phases_of(s);
    const int64_t in = s->in_h * s->in_w * s->channels, out = s->out_h * s->out_w * s->filters;
    float        *pack = scratch + round_up(lk_frame_floats(&p.frame), LK_TILE_MAX_WIDTH), *end = pack;
    if (lk_set->products_by_blas) {
        lk_conv_blas_backward_data(s, rows, d_y, w, add, d_x, scratch);
        return;
    }
    for (int64_t ph = 0; ph < s->stride_h; ph++)
        for (int64_t pw = 0; pw < s->stride_w; pw++) end = pack_phase(s, ph, pw, w, end);
    lk_frame_clear(&p.frame, scratch);
    for (int64_t i = 0; i < rows; i++, d_y += out, d_x += in) {
        const float *b = pack;
        lk_frame_fill(&p.frame, d_y, scratch);
        for (int64_t ph = 0; ph < s->stride_h; ph++)
            for (int64_t pw = 0; pw < s->stride_w; pw++) b = data_phase(s, &p, ph, pw, scratch, b, add, d_x);
    }
}

/*
 * Backward to the weights: two ways to lay out the same sums.
 *   across windows: d_w[f][kh][(kw, c)] with d_y turned as the left side and the windows of an output row,
 * read where they are, as the right side; across filters: d_w^T [(kh, kw, c)][f] with the windows gathered as
 * columns on the left and d_y on the right. The second is for narrow windows (few channels), which would fill
 * a vector badly.
 */
static bool across_filters(const lk_conv_shape *s)
{
    const int64_t run = s->kernel_w * s->channels, lanes = lk_set->lanes;
    const int64_t lost_windows = round_up(run, lanes) * s->filters,
                  lost_filters = round_up(s->filters, lanes) * run;
    return lost_filters * 5 < lost_windows * 4;
}

/* Right sides are read in whole vectors: x may be read in place only if no panel is wider than its columns.
 */
static bool weight_needs_no_frame(const lk_conv_shape *s)
{
    return needs_no_frame(s) && s->kernel_w * s->channels % lk_set->lanes == 0;
}

static void windows_band(const lk_conv_shape *s, int64_t oh, int64_t band, const float *d_y, const float *x,
                         int64_t pitch, bool first, float *d_w)
{
    const int64_t run = s->kernel_w * s->channels;
    lk_tile_call  t = {.a = d_y + oh * s->out_w * s->filters,
                       .row_a = 1,
                       .col_a = s->filters,
                       .next_a = s->out_w * s->filters,
                       .ldb = s->stride_w * s->channels,
                       .next_b = s->stride_h * pitch,
                       .k = s->out_w,
                       .segments = (int)band,
                       .ldc = window_floats(s),
                       .beta = 1.0f,
                       .flags = first ? 0 : LK_TILE_ADD_C};
    for (int64_t kh = 0; kh < s->kernel_h; kh++) {
        for (int64_t j = 0; j < run; j += t.cols) {
            const int vectors = panel(run, j, &t.cols);
            t.b = x + (oh * s->stride_h + kh) * pitch + j;
            t.c = d_w + kh * run + j;
            lk_tile_column(s->filters, vectors, &t);
        }
    }
}

/* columns [kh kw c][band out_w]: row (kh, kw, c) holds that tap of every output cell of the band. */
static void gather_columns(const lk_conv_shape *s, int64_t oh, int64_t band, const float *x, int64_t pitch,
                           float *columns)
{
    const int64_t step = s->stride_w * s->channels;
    for (int64_t kh = 0; kh < s->kernel_h; kh++) {
        for (int64_t kw = 0; kw < s->kernel_w; kw++) {
            for (int64_t c = 0; c < s->channels; c++) {
                const float *tap = x + (oh * s->stride_h + kh) * pitch + kw * s->channels + c;
                for (int64_t r = 0; r < band; r++, tap += s->stride_h * pitch, columns += s->out_w) {
                    if (step == 1)
                        memcpy(columns, tap, (size_t)s->out_w * sizeof *columns);
                    else
                        for (int64_t i = 0; i < s->out_w; i++) columns[i] = tap[i * step];
                }
            }
        }
    }
}

static void filters_band(const lk_conv_shape *s, int64_t oh, int64_t band, const float *d_y,
                         const float *columns, bool first, float *pack, float *d_w)
{
    const int64_t pixels = band * s->out_w;
    lk_tile_call  t = {.a = columns,
                       .row_a = pixels,
                       .col_a = 1,
                       .k = pixels,
                       .segments = 1,
                       .ldc = s->filters,
                       .beta = 1.0f,
                       .flags = first ? 0 : LK_TILE_ADD_C};
    d_y += oh * s->out_w * s->filters;
    for (int64_t f = 0; f < s->filters; f += t.cols) {
        const int     vectors = panel(s->filters, f, &t.cols);
        const int64_t width = vectors * lk_set->lanes;
        t.b = d_y + f;
        t.ldb = s->filters;
        if (t.cols < width) {
            lk_set->copy(pixels, t.cols, d_y + f, s->filters, pack, width);
            t.b = pack;
            t.ldb = width;
        }
        t.c = d_w + f;
        lk_tile_column(window_floats(s), vectors, &t);
    }
}

static int64_t band_pixels(const lk_conv_shape *s)
{
    return lk_conv_band_rows(s) * s->out_w;
}

/* One lane: bands of its images in order. d_w [filters][window], or [window][filters] if across_filters. */
static void weight_lane(const lk_conv_shape *s, int64_t first, int64_t end, const float *d_y, const float *x,
                        float *d_w, float *scratch)
{
    const bool     turned = across_filters(s), framed = !weight_needs_no_frame(s);
    const lk_frame frame = lk_frame_of_input(s);
    const int64_t  in = s->in_h * s->in_w * s->channels, out = s->out_h * s->out_w * s->filters;
    const int64_t  pitch = (framed ? frame.cols : s->in_w) * s->channels, step = lk_conv_band_rows(s);
    float         *columns = scratch + round_up(lk_frame_floats(&frame), LK_TILE_MAX_WIDTH);
    float         *pack = columns + window_floats(s) * band_pixels(s);
    if (framed) lk_frame_clear(&frame, scratch);
    for (int64_t i = first; i < end; i++) {
        const float *image = framed ? scratch : x + i * in;
        if (framed) lk_frame_fill(&frame, x + i * in, scratch);
        for (int64_t oh = 0; oh < s->out_h; oh += step) {
            const int64_t band = s->out_h - oh < step ? s->out_h - oh : step;
            const bool    opens = i == first && oh == 0;
            if (turned) {
                gather_columns(s, oh, band, image, pitch, columns);
                filters_band(s, oh, band, d_y + i * out, columns, opens, pack, d_w);
            } else {
                windows_band(s, oh, band, d_y + i * out, image, pitch, opens, d_w);
            }
        }
    }
}

typedef struct weight_work {
    const lk_conv_shape *shape;
    const int64_t       *start;
    const float         *d_y, *x;
    float               *scratch;
} weight_work;

static bool weight_leaf(void *context, int lo, int size, float *value)
{
    const weight_work *w = context;
    if (size > 1) return false;
    (lk_set->products_by_blas ? lk_conv_blas_lane : weight_lane)(w->shape, w->start[lo], w->start[lo + 1],
                                                                 w->d_y, w->x, value, w->scratch);
    return true;
}

static bool bias_leaf(void *context, int lo, int size, float *value)
{
    const weight_work *w = context;
    const int64_t      pixels = w->shape->out_h * w->shape->out_w;
    if (size > 1) return false;
    lk_column_sums((w->start[lo + 1] - w->start[lo]) * pixels, w->shape->filters,
                   w->d_y + w->start[lo] * pixels * w->shape->filters, value);
    return true;
}

void lk_conv_backward_weight(const lk_conv_shape *s, int n_lanes, const int64_t *start, const float *d_y,
                             const float *x, bool add, float *d_w, float *d_bias, float *scratch)
{
    const int64_t k = window_floats(s), n = s->filters * k;
    const int     size = lk_fold_size(n_lanes);
    weight_work   w = {s, start, d_y, x, scratch + lk_fold_levels(n_lanes) * n};
    if (!lk_fold_present(n_lanes, start, 0, size)) {
        if (!add) memset(d_w, 0, (size_t)n * sizeof *d_w);
        if (!add && d_bias) memset(d_bias, 0, (size_t)s->filters * sizeof *d_bias);
        return;
    }
    const lk_fold_work fold = {n_lanes, start, n, weight_leaf, &w};
    lk_fold_buffers(&fold, 0, size, scratch);
    if (!lk_set->products_by_blas && across_filters(s)) {
        lk_set->transpose(k, s->filters, scratch, s->filters, w.scratch, k, k);
        lk_fold_store(n, w.scratch, add, d_w);
    } else {
        lk_fold_store(n, scratch, add, d_w);
    }
    if (d_bias) {
        const lk_fold_work bias_fold = {n_lanes, start, s->filters, bias_leaf, &w};
        lk_fold_buffers(&bias_fold, 0, size, scratch);
        lk_fold_store(s->filters, scratch, add, d_bias);
    }
}

int64_t lk_conv_scratch(const lk_conv_shape *s, int64_t rows, int n_lanes)
{
    const lk_frame frame = lk_frame_of_input(s);
    const phases   p = phases_of(s);
    const int64_t  k = window_floats(s), wide = LK_TILE_MAX_WIDTH,
                  values = lk_fold_levels(n_lanes) * s->filters * k;
    (void)rows; /* images are framed one at a time */
    if (lk_set->products_by_blas) return values + lk_conv_blas_scratch(s, n_lanes);
    const int64_t input = round_up(lk_frame_floats(&frame), wide);
    const int64_t forward = input + k * round_up(s->filters, wide);
    const int64_t data = round_up(lk_frame_floats(&p.frame), wide) +
                         s->kernel_h * s->kernel_w * s->filters * round_up(s->channels, wide);
    const int64_t lane = across_filters(s) ? k * band_pixels(s) + band_pixels(s) * wide : 0;
    return largest(largest(forward, data), values + largest(input + lane, s->filters * k));
}
