#include "kernels/conv.h"

#include "kernels/ref.h"

int64_t lk_conv_scratch(const lk_conv_shape *s, int64_t rows, int n_lanes)
{
    (void)rows;
    return (s->in_h + s->kernel_h) * (s->in_w + s->kernel_w) * s->channels * n_lanes + 4096;
}

void lk_conv_forward(const lk_conv_shape *shape, int64_t rows, const float *x, const float *w,
                     const float *bias, lk_epilogue epilogue, float slope, float *y, float *z, float *scratch)
{
    (void)scratch;
    lk_ref_conv_forward(shape, rows, x, w, bias, epilogue, slope, y, z);
}

void lk_conv_backward_data(const lk_conv_shape *shape, int64_t rows, const float *d_y, const float *w,
                           bool add, float *d_x, float *scratch)
{
    (void)scratch;
    lk_ref_conv_backward_data(shape, rows, d_y, w, add, d_x);
}

void lk_conv_backward_weight(const lk_conv_shape *shape, int n_lanes, const int64_t *start, const float *d_y,
                             const float *x, bool add, float *d_w, float *d_bias, float *scratch)
{
    (void)scratch;
    lk_ref_conv_backward_weight(shape, n_lanes, start, d_y, x, add, d_w, d_bias);
}
