/** What the three convolution kernels share: zero borders, panels of weights, and the way through CBLAS. */
#ifndef LK_KERNELS_CONV_INTERNAL_H
#define LK_KERNELS_CONV_INTERNAL_H

#include "kernels/conv.h"

/** Images framed by zeros: cell (h, w) of an image stands at row top + h, column left + w of a frame. */
typedef struct lk_frame {
    int64_t in_h, in_w, depth; /* the image; depth: channels or filters */
    int64_t top, left, rows, cols;
} lk_frame;

/** The frame in which every window of the convolution lies. */
lk_frame lk_frame_of_input(const lk_conv_shape *shape);
int64_t  lk_frame_floats(const lk_frame *frame); /* with LK_FRAME_SLACK readable floats behind it */
void     lk_frame_clear(const lk_frame *frame, float *at);
/** Copies one image into a cleared frame; cells beyond the frame are left out. */
void lk_frame_fill(const lk_frame *frame, const float *image, float *at);

enum { LK_FRAME_SLACK = 32 /* a tile may read as far behind its last column */ };

/** The set "openblas": one image at a time as [out_h out_w, kh kw channels] columns, then sgemm. */
int64_t lk_conv_blas_scratch(const lk_conv_shape *shape, int n_lanes);
void    lk_conv_blas_forward(const lk_conv_shape *shape, int64_t rows, const float *x, const float *w,
                             const float *bias, float *y, float *scratch);
void    lk_conv_blas_backward_data(const lk_conv_shape *shape, int64_t rows, const float *d_y, const float *w,
                                   bool add, float *d_x, float *scratch);
/** d_w [filters][kh kw channels] of samples first .. end-1, overwritten. */
void lk_conv_blas_lane(const lk_conv_shape *shape, int64_t first, int64_t end, const float *d_y,
                       const float *x, float *d_w, float *scratch);

#endif
