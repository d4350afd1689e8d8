/**
 * 2-D convolution (cross-correlation), NHWC, weights [filters, kh, kw, channels]. Same guarantee as gemm.h:
 * the bits of an output depend on its own sample alone, of a weight gradient on its lane alone.
 */
#ifndef LK_KERNELS_CONV_H
#define LK_KERNELS_CONV_H

#include "kernels/gemm.h"

typedef struct lk_conv_shape {
    int64_t in_h, in_w, channels;
    int64_t out_h, out_w, filters;
    int64_t kernel_h, kernel_w, stride_h, stride_w;
    int64_t pad_top, pad_left; /* zeros before; those after follow from the output size */
} lk_conv_shape;

/** Scratch in floats that any of the three calls may use for `rows` samples in n_lanes lanes. */
int64_t lk_conv_scratch(const lk_conv_shape *shape, int64_t rows, int n_lanes);

/** y [rows, out_h, out_w, filters] = epilogue(x * w + bias); `derivative` as in lk_dense_forward. */
void lk_conv_forward(const lk_conv_shape *shape, int64_t rows, const float *x, const float *w,
                     const float *bias, lk_epilogue epilogue, float slope, float *y, float *derivative,
                     float *scratch);
/** d_x = (add ? d_x : 0) + transposed convolution of d_y. */
void lk_conv_backward_data(const lk_conv_shape *shape, int64_t rows, const float *d_y, const float *w,
                           bool add, float *d_x, float *scratch);
/** d_w, d_bias (or NULL): lane sums folded along the tree, as lk_dense_backward_weight. */
void lk_conv_backward_weight(const lk_conv_shape *shape, int n_lanes, const int64_t *start, const float *d_y,
                             const float *x, bool add, float *d_w, float *d_bias, float *scratch);

#endif
