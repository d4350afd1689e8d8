#include <string.h>

#include "kernels/blas.h"
#include "kernels/conv_internal.h"

static int64_t window_floats(const lk_conv_shape *s)
{
    return s->kernel_h * s->kernel_w * s->channels;
}

/* The input cell under tap (kh, kw) of output cell (oh, ow), or -1 in the padding. */
static int64_t cell(const lk_conv_shape *s, int64_t oh, int64_t ow, int64_t kh, int64_t kw)
{
    const int64_t h = oh * s->stride_h + kh - s->pad_top, w = ow * s->stride_w + kw - s->pad_left;
    return h < 0 || h >= s->in_h || w < 0 || w >= s->in_w ? -1 : (h * s->in_w + w) * s->channels;
}

static void gather(const lk_conv_shape *s, const float *x, float *columns)
{
    const size_t bytes = (size_t)s->channels * sizeof *x;
    for (int64_t oh = 0; oh < s->out_h; oh++)
        for (int64_t ow = 0; ow < s->out_w; ow++)
            for (int64_t kh = 0; kh < s->kernel_h; kh++)
                for (int64_t kw = 0; kw < s->kernel_w; kw++, columns += s->channels) {
                    const int64_t at = cell(s, oh, ow, kh, kw);
                    if (at >= 0)
                        memcpy(columns, x + at, bytes);
                    else
                        memset(columns, 0, bytes);
                }
}

static void scatter_add(const lk_conv_shape *s, const float *columns, float *d_x)
{
    for (int64_t oh = 0; oh < s->out_h; oh++)
        for (int64_t ow = 0; ow < s->out_w; ow++)
            for (int64_t kh = 0; kh < s->kernel_h; kh++)
                for (int64_t kw = 0; kw < s->kernel_w; kw++, columns += s->channels) {
                    const int64_t at = cell(s, oh, ow, kh, kw);
                    for (int64_t c = 0; at >= 0 && c < s->channels; c++) d_x[at + c] += columns[c];
                }
}

int64_t lk_conv_blas_scratch(const lk_conv_shape *s, int n_lanes)
{
    (void)n_lanes;
    return s->out_h * s->out_w * window_floats(s);
}

void lk_conv_blas_forward(const lk_conv_shape *s, int64_t rows, const float *x, const float *w,
                          const float *bias, float *y, float *scratch)
{
    const int64_t pixels = s->out_h * s->out_w, k = window_floats(s);
    for (int64_t i = 0; i < rows; i++, x += s->in_h * s->in_w * s->channels, y += pixels * s->filters) {
        gather(s, x, scratch);
        lk_blas_gemm(pixels, s->filters, k, 1.0f, scratch, k, false, w, k, true, 0.0f, y, s->filters);
        lk_blas_bias(pixels, s->filters, bias, y);
    }
}

void lk_conv_blas_backward_data(const lk_conv_shape *s, int64_t rows, const float *d_y, const float *w,
                                bool add, float *d_x, float *scratch)
{
    const int64_t pixels = s->out_h * s->out_w, k = window_floats(s), in = s->in_h * s->in_w * s->channels;
    if (!add) memset(d_x, 0, (size_t)(rows * in) * sizeof *d_x);
    for (int64_t i = 0; i < rows; i++, d_y += pixels * s->filters, d_x += in) {
        lk_blas_gemm(pixels, k, s->filters, 1.0f, d_y, s->filters, false, w, k, false, 0.0f, scratch, k);
        scatter_add(s, scratch, d_x);
    }
}

void lk_conv_blas_lane(const lk_conv_shape *s, int64_t first, int64_t end, const float *d_y, const float *x,
                       float *d_w, float *scratch)
{
    const int64_t pixels = s->out_h * s->out_w, k = window_floats(s);
    for (int64_t i = first; i < end; i++) {
        gather(s, x + i * s->in_h * s->in_w * s->channels, scratch);
        lk_blas_gemm(s->filters, k, pixels, 1.0f, d_y + i * pixels * s->filters, s->filters, true, scratch, k,
                     false, i > first ? 1.0f : 0.0f, d_w, k);
    }
}
