/**
 * Dense products. Every output element is one chain of fused multiply-adds in the order of the summed index,
 * so its bits depend on its own row and column alone: not on the number of rows in the call, blocking or
 * instruction set. (The set "openblas" is the exception: there a call must hold the rows of one lane.) All
 * matrices row-major. `pack` is scratch of lk_gemm_pack_floats(n, k) floats.
 */
#ifndef LK_KERNELS_GEMM_H
#define LK_KERNELS_GEMM_H

#include <stdbool.h>
#include <stdint.h>

/** What the epilogue applies. nn has more activations, and a table from its own to these. */
typedef enum lk_epilogue {
    LK_EPI_NONE,
    LK_EPI_RELU,
    LK_EPI_LEAKY_RELU,
    LK_EPI_SIGMOID,
    LK_EPI_TANH,
    LK_EPI_GELU,
    LK_EPI_SILU
} lk_epilogue;

/** True for activations whose derivative cannot be told from their output: it is kept for backward. */
static inline bool lk_epilogue_keeps_derivative(lk_epilogue epilogue)
{
    return epilogue == LK_EPI_GELU || epilogue == LK_EPI_SILU;
}

int64_t lk_gemm_pack_floats(int64_t n, int64_t k);

/** y [m, n] = epilogue(x [m, k] w[n, k]^T + bias [n] or NULL). `slope` for leaky relu. For gelu and silu the
 * derivative at the value before the activation goes to `derivative` [m, n] unless NULL; else it may be NULL. */
void lk_dense_forward(int64_t m, int64_t n, int64_t k, const float *x, const float *w, const float *bias,
                      lk_epilogue epilogue, float slope, float *y, float *derivative, float *pack);
/** d_x [m, k] = (add ? d_x : 0) + d_y [m, n] w [n, k]. */
void lk_dense_backward_data(int64_t m, int64_t n, int64_t k, const float *d_y, const float *w, bool add,
                            float *d_x, float *pack);
/**
 * d_w [n, k] = fold over lanes of sum over the lane's rows of d_y[r, n] x[r, k]; d_bias [n] likewise (or
 * NULL). Lane i has rows start[i] .. start[i+1]-1 (empty = absent); fold is the balanced tree over i =
 * 0..s-1, s the next power of two: value(lo, s) = value(lo, s/2) + value(lo + s/2, s/2), an absent child
 * leaving the other as it is. All lanes empty: zeros. add: the fold is added to what is there (a second use
 * of a tied table). scratch: lk_dense_weight_scratch floats.
 */
int64_t lk_dense_weight_scratch(int n_lanes, int64_t n, int64_t k);
void    lk_dense_backward_weight(int n_lanes, const int64_t *start, int64_t n, int64_t k, const float *d_y,
                                 const float *x, bool add, float *d_w, float *d_bias, float *scratch);

/** General product for attention: c [m, n] (ldc) = alpha * a [m, k] op(b) + beta * c; strides in floats.
 *  trans_b: b is [n, k]. Same guarantee. */
void lk_gemm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t row_a, int64_t col_a,
             const float *b, int64_t ldb, bool trans_b, float beta, float *c, int64_t ldc, float *pack);

/** Folds rows along the tree in place: value [n_lanes][n], present [n_lanes]; result in value[0]. For small
 * spans. Returns false if no lane was present (value[0] is then zeroed). */
bool lk_fold_rows(int n_lanes, const bool *present, int64_t n, float *value, int64_t stride);

#endif
