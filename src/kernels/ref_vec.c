#include "kernels/order.h"
#include "kernels/ref.h"
#include "kernels/vec_math.h"

/* Sixteen chains, halves added: 16 -> 8 -> 4 -> 2 -> 1. */
static double join_row_parts(double part[LK_ROW_PARTS])
{
    for (int half = LK_ROW_PARTS / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) part[j] += part[j + half];
    return part[0];
}

static double join_column_parts(const double part[LK_COLUMN_PARTS])
{
    return (part[0] + part[1]) + (part[2] + part[3]);
}

void lk_ref_act_forward(lk_epilogue kind, float slope, int64_t n, const float *x, float *y, float *derivative)
{
    for (int64_t i = 0; i < n; i++) {
        const float z = x[i];
        y[i] = lk_act(kind, slope, z);
        if (derivative && lk_epilogue_keeps_derivative(kind)) derivative[i] = lk_act_derivative(kind, z);
    }
}

void lk_ref_act_backward(lk_epilogue kind, float slope, int64_t n, const float *y, const float *z,
                         const float *d_y, float *d_x)
{
    for (int64_t i = 0; i < n; i++) d_x[i] = lk_act_gradient(kind, slope, y[i], z ? z[i] : 0.0f, d_y[i]);
}

double lk_ref_squares(int64_t n, const float *x, int64_t *bad)
{
    double total = 0.0;
    for (int64_t block = 0; block < n; block += LK_SQUARES_BLOCK) {
        double part[LK_ROW_PARTS] = {0};
        for (int64_t i = block; i < n && i < block + LK_SQUARES_BLOCK; i++) {
            part[i % LK_ROW_PARTS] += (double)x[i] * (double)x[i]; /* the product of two floats is exact */
            *bad += !isfinite(x[i]);
        }
        total += join_row_parts(part);
    }
    return total;
}

void lk_ref_softmax_rows(int64_t m, int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < m; i++, x += n, y += n) {
        float  top = x[0];
        double part[LK_ROW_PARTS] = {0};
        for (int64_t j = 1; j < n; j++) top = x[j] > top ? x[j] : top;
        for (int64_t j = 0; j < n; j++) {
            y[j] = lk_exp(x[j] - top);
            part[j % LK_ROW_PARTS] += (double)y[j];
        }
        const float scale = (float)(1.0 / join_row_parts(part));
        for (int64_t j = 0; j < n; j++) y[j] *= scale;
    }
}

void lk_ref_softmax_backward_rows(int64_t m, int64_t n, const float *y, const float *d_y, float *d_x)
{
    for (int64_t i = 0; i < m; i++, y += n, d_y += n, d_x += n) {
        double part[LK_ROW_PARTS] = {0};
        for (int64_t j = 0; j < n; j++) part[j % LK_ROW_PARTS] += (double)d_y[j] * (double)y[j];
        const float dot = (float)join_row_parts(part);
        for (int64_t j = 0; j < n; j++) d_x[j] = y[j] * (d_y[j] - dot);
    }
}

/* Calls visit(cell of the input or -1 in the padding, position in the window) for each cell of one window, in
 * order. */
typedef struct window {
    int64_t top, left;
} window;

static int64_t cell_at(const lk_pool_shape *s, window at, int64_t position)
{
    const int64_t h = at.top + position / s->size_w, w = at.left + position % s->size_w;
    return h < 0 || h >= s->in_h || w < 0 || w >= s->in_w ? -1 : h * s->in_w + w;
}

static window window_of(const lk_pool_shape *s, int64_t output)
{
    return (window){output / s->out_w * s->stride_h - s->pad_top,
                    output % s->out_w * s->stride_w - s->pad_left};
}

void lk_ref_max_pool_forward(const lk_pool_shape *s, int64_t rows, const float *x, float *y, uint8_t *which)
{
    for (int64_t i = 0; i < rows; i++, x += s->in_h * s->in_w * s->channels) {
        for (int64_t o = 0; o < s->out_h * s->out_w; o++) {
            for (int64_t c = 0; c < s->channels; c++, y++, which++) {
                bool found = false;
                *y = 0.0f;
                *which = 0;
                for (int64_t p = 0; p < s->size_h * s->size_w; p++) {
                    const int64_t cell = cell_at(s, window_of(s, o), p);
                    if (cell < 0) continue;
                    const float v = x[cell * s->channels + c];
                    if (found && !(v > *y) && !isnan(v)) continue; /* a NaN wins: it must not be hidden */
                    if (found && isnan(*y)) continue;
                    *y = v;
                    *which = (uint8_t)p;
                    found = true;
                }
            }
        }
    }
}

void lk_ref_max_pool_backward(const lk_pool_shape *s, int64_t rows, const float *d_y, const uint8_t *which,
                              float *d_x)
{
    const int64_t image = s->in_h * s->in_w * s->channels;
    for (int64_t i = 0; i < rows; i++, d_x += image) {
        for (int64_t e = 0; e < image; e++) d_x[e] = 0.0f;
        for (int64_t o = 0; o < s->out_h * s->out_w; o++)
            for (int64_t c = 0; c < s->channels; c++, d_y++, which++)
                d_x[cell_at(s, window_of(s, o), *which) * s->channels + c] += *d_y;
    }
}

static int64_t cells_inside(const lk_pool_shape *s, int64_t output)
{
    int64_t n = 0;
    for (int64_t p = 0; p < s->size_h * s->size_w; p++) n += cell_at(s, window_of(s, output), p) >= 0;
    return n;
}

void lk_ref_avg_pool_forward(const lk_pool_shape *s, int64_t rows, const float *x, float *y)
{
    for (int64_t i = 0; i < rows; i++, x += s->in_h * s->in_w * s->channels) {
        for (int64_t o = 0; o < s->out_h * s->out_w; o++) {
            for (int64_t c = 0; c < s->channels; c++, y++) {
                float sum = 0.0f;
                for (int64_t p = 0; p < s->size_h * s->size_w; p++) {
                    const int64_t cell = cell_at(s, window_of(s, o), p);
                    if (cell >= 0) sum += x[cell * s->channels + c];
                }
                *y = sum / (float)cells_inside(s, o);
            }
        }
    }
}

void lk_ref_avg_pool_backward(const lk_pool_shape *s, int64_t rows, const float *d_y, float *d_x)
{
    const int64_t image = s->in_h * s->in_w * s->channels;
    for (int64_t i = 0; i < rows; i++, d_x += image) {
        for (int64_t e = 0; e < image; e++) d_x[e] = 0.0f;
        for (int64_t o = 0; o < s->out_h * s->out_w; o++) {
            for (int64_t c = 0; c < s->channels; c++, d_y++) {
                const float share = *d_y / (float)cells_inside(s, o);
                for (int64_t p = 0; p < s->size_h * s->size_w; p++) {
                    const int64_t cell = cell_at(s, window_of(s, o), p);
                    if (cell >= 0) d_x[cell * s->channels + c] += share;
                }
            }
        }
    }
}

void lk_ref_channel_spread(int64_t rows, int64_t c, const float *x, double *mean, double *squares)
{
    for (int64_t j = 0; j < c; j++) {
        double sum[LK_COLUMN_PARTS] = {0}, deviations[LK_COLUMN_PARTS] = {0};
        for (int64_t r = 0; r < rows; r++) sum[r % LK_COLUMN_PARTS] += (double)x[r * c + j];
        mean[j] = join_column_parts(sum) / (double)rows;
        for (int64_t r = 0; r < rows; r++) {
            const double d = (double)x[r * c + j] - mean[j];
            deviations[r % LK_COLUMN_PARTS] += d * d;
        }
        squares[j] = join_column_parts(deviations);
    }
}

void lk_ref_channel_moments(int64_t rows, int64_t c, const float *x, float *mean, float *variance)
{
    for (int64_t j = 0; j < c; j++) {
        double sum[LK_COLUMN_PARTS] = {0}, squares[LK_COLUMN_PARTS] = {0};
        for (int64_t r = 0; r < rows; r++) sum[r % LK_COLUMN_PARTS] += (double)x[r * c + j];
        const double m = join_column_parts(sum) / (double)rows;
        for (int64_t r = 0; r < rows; r++) {
            const double d = (double)x[r * c + j] - m;
            squares[r % LK_COLUMN_PARTS] += d * d;
        }
        mean[j] = (float)m;
        variance[j] = (float)(join_column_parts(squares) / (double)rows);
    }
}

void lk_ref_channel_normalise(int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd,
                              const float *scale, const float *shift, lk_epilogue epilogue, float *y)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < c; j++) {
            const float v = fmaf(x[r * c + j] - mean[j], rstd[j] * scale[j], shift[j]);
            y[r * c + j] = lk_act(epilogue, 0.0f, v);
        }
    }
}

void lk_ref_channel_normalise_backward(int64_t rows, int64_t c, const float *x, const float *mean,
                                       const float *rstd, const float *scale, bool frozen, const float *d_y,
                                       float *d_x, float *d_scale, float *d_shift)
{
    for (int64_t j = 0; j < c; j++) {
        double sum[LK_COLUMN_PARTS] = {0}, dot[LK_COLUMN_PARTS] = {0};
        for (int64_t r = 0; r < rows; r++) {
            const float normal = (x[r * c + j] - mean[j]) * rstd[j];
            sum[r % LK_COLUMN_PARTS] += (double)d_y[r * c + j];
            dot[r % LK_COLUMN_PARTS] += (double)d_y[r * c + j] * (double)normal;
        }
        const double total = join_column_parts(sum), weighted = join_column_parts(dot);
        const float  m1 = frozen ? 0.0f : (float)(total / (double)rows);
        const float  m2 = frozen ? 0.0f : (float)(weighted / (double)rows);
        d_shift[j] = (float)total;
        d_scale[j] = (float)weighted;
        for (int64_t r = 0; r < rows; r++) {
            const float normal = (x[r * c + j] - mean[j]) * rstd[j];
            d_x[r * c + j] = fmaf(-normal, m2, d_y[r * c + j] - m1) * (scale[j] * rstd[j]);
        }
    }
}

void lk_ref_channel_dots(int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd,
                         const float *d_y, double *sum, double *dot)
{
    for (int64_t j = 0; j < c; j++) {
        double total[LK_COLUMN_PARTS] = {0}, weighted[LK_COLUMN_PARTS] = {0};
        for (int64_t r = 0; r < rows; r++) {
            const float normal = (x[r * c + j] - mean[j]) * rstd[j];
            total[r % LK_COLUMN_PARTS] += (double)d_y[r * c + j];
            weighted[r % LK_COLUMN_PARTS] += (double)d_y[r * c + j] * (double)normal;
        }
        sum[j] = join_column_parts(total);
        dot[j] = join_column_parts(weighted);
    }
}

void lk_ref_channel_gradient(int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd,
                             const float *scale, const float *m1, const float *m2, const float *d_y,
                             float *d_x)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < c; j++) {
            const float normal = (x[r * c + j] - mean[j]) * rstd[j];
            d_x[r * c + j] = fmaf(-normal, m2[j], d_y[r * c + j] - m1[j]) * (scale[j] * rstd[j]);
        }
}

void lk_ref_layer_norm_forward(int64_t rows, int64_t n, float epsilon, const float *x, const float *scale,
                               const float *shift, float *y, float *mean, float *rstd)
{
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        double sum[LK_ROW_PARTS] = {0}, squares[LK_ROW_PARTS] = {0};
        for (int64_t j = 0; j < n; j++) sum[j % LK_ROW_PARTS] += (double)x[j];
        const double m = join_row_parts(sum) / (double)n;
        for (int64_t j = 0; j < n; j++) {
            const double d = (double)x[j] - m;
            squares[j % LK_ROW_PARTS] += d * d;
        }
        mean[r] = (float)m;
        rstd[r] = (float)(1.0 / sqrt(join_row_parts(squares) / (double)n + (double)epsilon));
        for (int64_t j = 0; j < n; j++) y[j] = fmaf((x[j] - mean[r]) * rstd[r], scale[j], shift[j]);
    }
}

void lk_ref_layer_norm_backward(int64_t rows, int64_t n, const float *x, const float *scale,
                                const float *mean, const float *rstd, const float *d_y, float *d_x,
                                float *d_scale, float *d_shift)
{
    for (int64_t j = 0; j < n; j++) {
        double sum[LK_COLUMN_PARTS] = {0}, dot[LK_COLUMN_PARTS] = {0};
        for (int64_t r = 0; r < rows; r++) {
            const float normal = (x[r * n + j] - mean[r]) * rstd[r];
            sum[r % LK_COLUMN_PARTS] += (double)d_y[r * n + j];
            dot[r % LK_COLUMN_PARTS] += (double)d_y[r * n + j] * (double)normal;
        }
        d_shift[j] = (float)join_column_parts(sum);
        d_scale[j] = (float)join_column_parts(dot);
    }
    for (int64_t r = 0; r < rows; r++, x += n, d_y += n, d_x += n) {
        double sum[LK_ROW_PARTS] = {0}, dot[LK_ROW_PARTS] = {0};
        for (int64_t j = 0; j < n; j++) {
            const float g = d_y[j] * scale[j], normal = (x[j] - mean[r]) * rstd[r];
            sum[j % LK_ROW_PARTS] += (double)g;
            dot[j % LK_ROW_PARTS] += (double)g * (double)normal;
        }
        const float m1 = (float)(join_row_parts(sum) / (double)n),
                    m2 = (float)(join_row_parts(dot) / (double)n);
        for (int64_t j = 0; j < n; j++) {
            const float g = d_y[j] * scale[j], normal = (x[j] - mean[r]) * rstd[r];
            d_x[j] = fmaf(-normal, m2, g - m1) * rstd[r];
        }
    }
}

bool lk_ref_standardise_u8(int64_t n, const void *x, const lk_standard *by, float *y)
{
    const unsigned char *raw = x;
    bool                 finite = true;
    for (int64_t i = 0; i < n; i++) {
        y[i] = (float)(((double)raw[i] - by->mean[i % by->period]) / by->std[i % by->period]);
        finite = finite && isfinite(y[i]);
    }
    return finite;
}

bool lk_ref_standardise_f32(int64_t n, const void *x, const lk_standard *by, float *y)
{
    bool finite = true;
    for (int64_t i = 0; i < n; i++) {
        float raw;
        memcpy(&raw, (const char *)x + i * (int64_t)sizeof raw, sizeof raw);
        y[i] = (float)(((double)raw - by->mean[i % by->period]) / by->std[i % by->period]);
        finite = finite && isfinite(y[i]);
    }
    return finite;
}

bool lk_ref_standardise_f64(int64_t n, const void *x, const lk_standard *by, float *y)
{
    bool finite = true;
    for (int64_t i = 0; i < n; i++) {
        double raw;
        memcpy(&raw, (const char *)x + i * (int64_t)sizeof raw, sizeof raw);
        y[i] = (float)((raw - by->mean[i % by->period]) / by->std[i % by->period]);
        finite = finite && isfinite(y[i]);
    }
    return finite;
}
