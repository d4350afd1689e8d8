/**
 * The plain twins: every kernel as naive loops. They are the definition of the order of operations, and the
 * oracle that the sets avx512, haswell and portable must meet bit for bit. Never called in training.
 * Arguments as in gemm.h, conv.h and vec.h, without scratch.
 */
#ifndef LK_KERNELS_REF_H
#define LK_KERNELS_REF_H

#include "kernels/conv.h"
#include "kernels/vec.h"

void lk_ref_dense_forward(int64_t m, int64_t n, int64_t k, const float *x, const float *w, const float *bias,
                          lk_epilogue epilogue, float slope, float *y, float *derivative);
void lk_ref_dense_backward_data(int64_t m, int64_t n, int64_t k, const float *d_y, const float *w, bool add,
                                float *d_x);
void lk_ref_dense_backward_weight(int n_lanes, const int64_t *start, int64_t n, int64_t k, const float *d_y,
                                  const float *x, bool add, float *d_w, float *d_bias);
void lk_ref_gemm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t row_a, int64_t col_a,
                 const float *b, int64_t ldb, bool trans_b, float beta, float *c, int64_t ldc);

void lk_ref_conv_forward(const lk_conv_shape *shape, int64_t rows, const float *x, const float *w,
                         const float *bias, lk_epilogue epilogue, float slope, float *y, float *derivative);
void lk_ref_conv_backward_data(const lk_conv_shape *shape, int64_t rows, const float *d_y, const float *w,
                               bool add, float *d_x);
void lk_ref_conv_backward_weight(const lk_conv_shape *shape, int n_lanes, const int64_t *start,
                                 const float *d_y, const float *x, bool add, float *d_w, float *d_bias);

void   lk_ref_act_forward(lk_epilogue kind, float slope, int64_t n, const float *x, float *y,
                          float *derivative);
void   lk_ref_act_backward(lk_epilogue kind, float slope, int64_t n, const float *y, const float *z,
                           const float *d_y, float *d_x);
double lk_ref_squares(int64_t n, const float *x, int64_t *bad);
void   lk_ref_softmax_rows(int64_t m, int64_t n, const float *x, float *y);
void   lk_ref_softmax_backward_rows(int64_t m, int64_t n, const float *y, const float *d_y, float *d_x);

void lk_ref_max_pool_forward(const lk_pool_shape *shape, int64_t rows, const float *x, float *y,
                             uint8_t *which);
void lk_ref_max_pool_backward(const lk_pool_shape *shape, int64_t rows, const float *d_y,
                              const uint8_t *which, float *d_x);
void lk_ref_avg_pool_forward(const lk_pool_shape *shape, int64_t rows, const float *x, float *y);
void lk_ref_avg_pool_backward(const lk_pool_shape *shape, int64_t rows, const float *d_y, float *d_x);

void lk_ref_channel_moments(int64_t rows, int64_t c, const float *x, float *mean, float *variance);
void lk_ref_channel_spread(int64_t rows, int64_t c, const float *x, double *mean, double *squares);
void lk_ref_channel_normalise(int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd,
                              const float *scale, const float *shift, lk_epilogue epilogue, float *y);
void lk_ref_channel_normalise_backward(int64_t rows, int64_t c, const float *x, const float *mean,
                                       const float *rstd, const float *scale, bool frozen, const float *d_y,
                                       float *d_x, float *d_scale, float *d_shift);
void lk_ref_channel_dots(int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd,
                         const float *d_y, double *sum, double *dot);
void lk_ref_channel_gradient(int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd,
                             const float *scale, const float *m1, const float *m2, const float *d_y,
                             float *d_x);
void lk_ref_layer_norm_forward(int64_t rows, int64_t n, float epsilon, const float *x, const float *scale,
                               const float *shift, float *y, float *mean, float *rstd);
void lk_ref_layer_norm_backward(int64_t rows, int64_t n, const float *x, const float *scale,
                                const float *mean, const float *rstd, const float *d_y, float *d_x,
                                float *d_scale, float *d_shift);
void lk_ref_column_sums(int64_t rows, int64_t c, const float *d_y, float *d_bias);

bool lk_ref_standardise_u8(int64_t n, const void *x, const lk_standard *by, float *y);
bool lk_ref_standardise_f32(int64_t n, const void *x, const lk_standard *by, float *y);
bool lk_ref_standardise_f64(int64_t n, const void *x, const lk_standard *by, float *y);

#endif
