/**
 * Elementwise loops, row operations, pools and norms: everything that is not a product. Transcendental
 * functions are our own polynomials, equal in all kernel sets and in any position of a vector; errors at most
 * 2 ulp or as stated.
 */
#ifndef LK_KERNELS_VEC_H
#define LK_KERNELS_VEC_H

#include "kernels/gemm.h"

/** y = f(x). y may alias x. For gelu and silu f'(x) goes to `derivative` [n] unless that is NULL. */
void lk_act_forward(lk_epilogue kind, float slope, int64_t n, const float *x, float *y, float *derivative);
/** d_x = d_y f'(.). y is the output; z the input (used by gelu and silu only, else may be NULL). d_x may
 * alias d_y. */
void lk_act_backward(lk_epilogue kind, float slope, int64_t n, const float *y, const float *z,
                     const float *d_y, float *d_x);

void lk_vec_add(int64_t n, const float *a, const float *b, float *y);      /* y = a + b; may alias either */
void lk_vec_multiply(int64_t n, const float *a, const float *b, float *y); /* y = a * b; may alias either */
/** y = kept ? x * scale : 0; y may be x. */
void lk_vec_keep(int64_t n, float scale, const uint8_t *kept, const float *x, float *y);
void lk_vec_exp(int64_t n, const float *x, float *y);
/** Sum of squares in double in blocks of fixed size, and the number of values that are not finite (added to
 * *bad). */
double lk_vec_squares(int64_t n, const float *x, int64_t *bad);

/** y [m, n] = softmax of each row, max subtracted. May alias. */
void lk_softmax_rows(int64_t m, int64_t n, const float *x, float *y);
/** d_x = y * (d_y - sum(d_y * y)) row by row. May alias d_y. */
void lk_softmax_backward_rows(int64_t m, int64_t n, const float *y, const float *d_y, float *d_x);

typedef struct lk_pool_shape {
    int64_t in_h, in_w, channels, out_h, out_w, size_h, size_w, stride_h, stride_w, pad_top, pad_left;
} lk_pool_shape;
/** which [rows, out_h, out_w, channels]: position of the maximum inside its window (first one of equals,
 * padding never). */
void lk_max_pool_forward(const lk_pool_shape *shape, int64_t rows, const float *x, float *y, uint8_t *which);
void lk_max_pool_backward(const lk_pool_shape *shape, int64_t rows, const float *d_y, const uint8_t *which,
                          float *d_x);
/** Mean over the window's cells inside the image (TensorFlow's rule; PyTorch's count_include_pad=False). */
void lk_avg_pool_forward(const lk_pool_shape *shape, int64_t rows, const float *x, float *y);
void lk_avg_pool_backward(const lk_pool_shape *shape, int64_t rows, const float *d_y, float *d_x);

/** Per channel over `rows` rows of c values: mean and biased variance, two passes, float rows summed in
 * double. */
void lk_channel_moments(int64_t rows, int64_t c, const float *x, float *mean, float *variance);
/** The same before it is rounded: mean, and sum of squared deviations from it. rows > 0. */
void lk_channel_spread(int64_t rows, int64_t c, const float *x, double *mean, double *squares);
/** y = epilogue((x - mean) * rstd * scale + shift), channel by channel. */
void lk_channel_normalise(int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd,
                          const float *scale, const float *shift, lk_epilogue epilogue, float *y);
/** Batch-norm backward of one lane, statistics of the lane itself (frozen: statistics are constants).
 *  d_x may alias d_y. d_scale, d_shift [c] out, overwritten. */
void lk_channel_normalise_backward(int64_t rows, int64_t c, const float *x, const float *mean,
                                   const float *rstd, const float *scale, bool frozen, const float *d_y,
                                   float *d_x, float *d_scale, float *d_shift);
/** Its two halves, for statistics of more rows than these. Sums [c] out, of d_y and of d_y (x - mean) rstd ... */
void lk_channel_dots(int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd,
                     const float *d_y, double *sum, double *dot);
/** ... and d_x = (d_y - m1 - (x - mean) rstd m2) scale rstd, m1 and m2 [c] being their means. d_x may alias d_y. */
void lk_channel_gradient(int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd,
                         const float *scale, const float *m1, const float *m2, const float *d_y, float *d_x);
/** Layer norm over the last axis: rows of n. mean, rstd [rows] out. */
void lk_layer_norm_forward(int64_t rows, int64_t n, float epsilon, const float *x, const float *scale,
                           const float *shift, float *y, float *mean, float *rstd);
/** d_x may alias d_y; d_scale, d_shift [n] out, overwritten (one lane's rows a call). */
void lk_layer_norm_backward(int64_t rows, int64_t n, const float *x, const float *scale, const float *mean,
                            const float *rstd, const float *d_y, float *d_x, float *d_scale, float *d_shift);
/**
 * d_bias [c] = column sums of d_y [rows, c] for one lane. Overwritten; zeros without rows. Order of
 * additions: in blocks of 1,024 rows, four chains a block (row r of it in chain r mod 4), joined (0 + 1) + (2
 * + 3), blocks in order.
 */
void lk_column_sums(int64_t rows, int64_t c, const float *d_y, float *d_bias);

/**
 * How raw values of a row become floats: element i of `period`, which is a whole number of pixels, has
 * mean[i], std[i] (positive, from 2^-100 to 2^100), inverse[i] = 1 / std[i] and shift[i] = -mean[i] / std[i].
 */
typedef struct lk_standard {
    int64_t       period;
    const double *mean, *std, *inverse, *shift;
} lk_standard;

/**
 * y[i] = float((x[i] - mean) / std) in double, rounded once to double by the division and once to float; x
 * [n] as the type says, at any address. Returns whether all of y is finite. Equal in all kernel sets: where
 * the CPU has fused multiply-add, q = d inverse, q + (d - q std) inverse is the quotient d / std, correctly
 * rounded. Source: Brisebarre, Muller, Raina, "Accelerating correctly rounded floating-point division when
 * the divisor is known in advance", IEEE Transactions on Computers 53(8), 2004.
 */
bool lk_standardise_u8(int64_t n, const void *x, const lk_standard *by, float *y);
bool lk_standardise_f32(int64_t n, const void *x, const lk_standard *by, float *y);
bool lk_standardise_f64(int64_t n, const void *x, const lk_standard *by, float *y);
/**
 * The same for bytes by one multiply-add, y[i] = float(x[i] inverse[i] + shift[i]): right only where the set in use makes the same
 * floats of all 256 values at every place of the period, which lk_scales_u8 has tried.
 */
void lk_scale_u8(int64_t n, const void *x, const lk_standard *by, float *y);
bool lk_scales_u8(const lk_standard *by);
/** y = x, floats at any address; returns whether all are finite. */
bool lk_copy_finite(int64_t n, const void *x, float *y);

#endif
