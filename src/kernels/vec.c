#include "kernels/vec.h"

#include "kernels/ref.h"
#include "kernels/vec_math.h"

void lk_act_forward(lk_epilogue kind, float slope, int64_t n, const float *x, float *y)
{
    lk_ref_act_forward(kind, slope, n, x, y);
}
void lk_act_backward(lk_epilogue kind, float slope, int64_t n, const float *y, const float *z,
                     const float *d_y, float *d_x)
{
    lk_ref_act_backward(kind, slope, n, y, z, d_y, d_x);
}
void lk_vec_add(int64_t n, const float *a, const float *b, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}
void lk_vec_multiply(int64_t n, const float *a, const float *b, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}
void lk_vec_scale(int64_t n, float factor, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] *= factor;
}
void lk_vec_exp(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = lk_exp(x[i]);
}
double lk_vec_squares(int64_t n, const float *x, int64_t *bad)
{
    return lk_ref_squares(n, x, bad);
}
void lk_softmax_rows(int64_t m, int64_t n, const float *x, float *y)
{
    lk_ref_softmax_rows(m, n, x, y);
}
void lk_softmax_backward_rows(int64_t m, int64_t n, const float *y, const float *d_y, float *d_x)
{
    lk_ref_softmax_backward_rows(m, n, y, d_y, d_x);
}
void lk_max_pool_forward(const lk_pool_shape *shape, int64_t rows, const float *x, float *y, uint8_t *which)
{
    lk_ref_max_pool_forward(shape, rows, x, y, which);
}
void lk_max_pool_backward(const lk_pool_shape *shape, int64_t rows, const float *d_y, const uint8_t *which,
                          float *d_x)
{
    lk_ref_max_pool_backward(shape, rows, d_y, which, d_x);
}
void lk_avg_pool_forward(const lk_pool_shape *shape, int64_t rows, const float *x, float *y)
{
    lk_ref_avg_pool_forward(shape, rows, x, y);
}
void lk_avg_pool_backward(const lk_pool_shape *shape, int64_t rows, const float *d_y, float *d_x)
{
    lk_ref_avg_pool_backward(shape, rows, d_y, d_x);
}
void lk_channel_moments(int64_t rows, int64_t c, const float *x, float *mean, float *variance)
{
    lk_ref_channel_moments(rows, c, x, mean, variance);
}
void lk_channel_normalise(int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd,
                          const float *scale, const float *shift, lk_epilogue epilogue, float *y)
{
    lk_ref_channel_normalise(rows, c, x, mean, rstd, scale, shift, epilogue, y);
}
void lk_channel_normalise_backward(int64_t rows, int64_t c, const float *x, const float *mean,
                                   const float *rstd, const float *scale, bool frozen, const float *d_y,
                                   float *d_x, float *d_scale, float *d_shift)
{
    lk_ref_channel_normalise_backward(rows, c, x, mean, rstd, scale, frozen, d_y, d_x, d_scale, d_shift);
}
void lk_layer_norm_forward(int64_t rows, int64_t n, float epsilon, const float *x, const float *scale,
                           const float *shift, float *y, float *mean, float *rstd)
{
    lk_ref_layer_norm_forward(rows, n, epsilon, x, scale, shift, y, mean, rstd);
}
void lk_layer_norm_backward(int64_t rows, int64_t n, const float *x, const float *scale, const float *mean,
                            const float *rstd, const float *d_y, float *d_x, float *d_scale, float *d_shift)
{
    lk_ref_layer_norm_backward(rows, n, x, scale, mean, rstd, d_y, d_x, d_scale, d_shift);
}
void lk_column_sums(int64_t rows, int64_t c, const float *d_y, float *d_bias)
{
    lk_ref_column_sums(rows, c, d_y, d_bias);
}
