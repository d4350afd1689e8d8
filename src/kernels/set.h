/**
 * What a kernel set consists of: a register tile of the product, a transposition, and the loops of vec.h.
 * Everything above (blocking, packing, convolution, lanes) is common code over this table.
 */
#ifndef LK_KERNELS_SET_H
#define LK_KERNELS_SET_H

#include "kernels/conv.h"
#include "kernels/fold.h"
#include "kernels/own.h"
#include "kernels/vec.h"

typedef enum lk_tile_flags {
    LK_TILE_START_C = 1,   /* the chains go on from c; else they start at 0 */
    LK_TILE_SCALE = 2,     /* chain times alpha */
    LK_TILE_ADD_C = 4,     /* fmaf(beta, c, chain) is stored */
    LK_TILE_BIAS = 8,      /* bias[column] is added */
    LK_TILE_ROW_BIAS = 16, /* bias[row] is added (the product is held transposed) */
    LK_TILE_RELU = 32
} lk_tile_flags;

/**
 * One register tile: c[i][j] = finish(sum over segments s and l < k of a[s next_a + i row_a + l col_a] *
 * b[s next_b + l ldb + j]), every element one chain of fmaf in the order (s, l). Rows of b are read in whole
 * vectors: they must be readable up to the tile's width; only `cols` columns are stored.
 *
 * While the chains run, lines that are needed soon are asked for, a few with every LK_TILE_ASKS of l (in lanes of at
 * least so many, and in calls of one segment), so that they come in the shadow of the arithmetic: `n_ahead` times two
 * lines at `ahead`, which moves on by ahead_step floats, to be read; n_own times two lines at `own`, which moves on by
 * ldc, to be written. The portable set does not ask.
 *
 * With `lanes` (a plan of lk_fold_plan) l runs over the rows of these lanes one after the other, in place of k and
 * segments: every lane is a chain of its own, and their values are folded along the tree. `stack` then has room for
 * one tile a level of the tree.
 */
typedef struct lk_tile_call {
    const float        *a, *b, *bias, *ahead;
    float              *c, *own, *stack;
    const lk_fold_leaf *lanes;
    int64_t             row_a, col_a, next_a;
    int64_t             ldb, next_b, k, ldc, ahead_step;
    float               alpha, beta;
    int                 segments, n_lanes, cols, flags, n_ahead, n_own;
} lk_tile_call;

/* Floats: rows at multiples of it fall into one set of a first-level cache of 4 KB a way and drive each other
 * out. */
enum { LK_BAD_STRIDE = 1024 };

/* Rows ahead that loops ask for which want a few columns of each, since the CPU does not see what they do. */
enum { LK_TILE_ASKS = 4, LK_ROWS_AHEAD = 16 };

enum { LK_TILE_MAX_ROWS = 14, LK_TILE_MAX_WIDTH = 32, LK_TILE_FLOATS = LK_TILE_MAX_ROWS * LK_TILE_MAX_WIDTH };

/* The loops of vec.h that a set has its own compilation of: X(type, name, parameters, arguments) makes
 * lk_<name>. */
#define LK_VEC_LIST(X)                                                                                       \
    X(void, act_forward,                                                                                     \
      (lk_epilogue kind, float slope, int64_t n, const float *x, float *y, float *derivative),               \
      (kind, slope, n, x, y, derivative))                                                                    \
    X(void, act_backward,                                                                                    \
      (lk_epilogue kind, float slope, int64_t n, const float *y, const float *z, const float *d_y,           \
       float *d_x),                                                                                          \
      (kind, slope, n, y, z, d_y, d_x))                                                                      \
    X(void, vec_add, (int64_t n, const float *a, const float *b, float *y), (n, a, b, y))                    \
    X(void, vec_multiply, (int64_t n, const float *a, const float *b, float *y), (n, a, b, y))               \
    X(void, vec_keep, (int64_t n, float scale, const uint8_t *kept, const float *x, float *y),               \
      (n, scale, kept, x, y))                                                                                \
    X(void, vec_exp, (int64_t n, const float *x, float *y), (n, x, y))                                       \
    X(double, vec_squares, (int64_t n, const float *x, int64_t *bad), (n, x, bad))                           \
    X(void, softmax_rows, (int64_t m, int64_t n, const float *x, float *y), (m, n, x, y))                    \
    X(void, softmax_backward_rows, (int64_t m, int64_t n, const float *y, const float *d_y, float *d_x),     \
      (m, n, y, d_y, d_x))                                                                                   \
    X(void, max_pool_forward,                                                                                \
      (const lk_pool_shape *shape, int64_t rows, const float *x, float *y, uint8_t *which),                  \
      (shape, rows, x, y, which))                                                                            \
    X(void, max_pool_backward,                                                                               \
      (const lk_pool_shape *shape, int64_t rows, const float *d_y, const uint8_t *which, float *d_x),        \
      (shape, rows, d_y, which, d_x))                                                                        \
    X(void, avg_pool_forward, (const lk_pool_shape *shape, int64_t rows, const float *x, float *y),          \
      (shape, rows, x, y))                                                                                   \
    X(void, avg_pool_backward, (const lk_pool_shape *shape, int64_t rows, const float *d_y, float *d_x),     \
      (shape, rows, d_y, d_x))                                                                               \
    X(void, channel_moments, (int64_t rows, int64_t c, const float *x, float *mean, float *variance),        \
      (rows, c, x, mean, variance))                                                                          \
    X(void, channel_spread, (int64_t rows, int64_t c, const float *x, double *mean, double *squares),        \
      (rows, c, x, mean, squares))                                                                           \
    X(void, channel_normalise,                                                                               \
      (int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd, const float *scale,    \
       const float *shift, lk_epilogue epilogue, float *y),                                                  \
      (rows, c, x, mean, rstd, scale, shift, epilogue, y))                                                   \
    X(void, channel_normalise_backward,                                                                      \
      (int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd, const float *scale,    \
       bool frozen, const float *d_y, float *d_x, float *d_scale, float *d_shift),                           \
      (rows, c, x, mean, rstd, scale, frozen, d_y, d_x, d_scale, d_shift))                                   \
    X(void, channel_dots,                                                                                    \
      (int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd, const float *d_y,      \
       double *sum, double *dot),                                                                            \
      (rows, c, x, mean, rstd, d_y, sum, dot))                                                               \
    X(void, channel_gradient,                                                                                \
      (int64_t rows, int64_t c, const float *x, const float *mean, const float *rstd, const float *scale,    \
       const float *m1, const float *m2, const float *d_y, float *d_x),                                      \
      (rows, c, x, mean, rstd, scale, m1, m2, d_y, d_x))                                                     \
    X(void, layer_norm_forward,                                                                              \
      (int64_t rows, int64_t n, float epsilon, const float *x, const float *scale, const float *shift,       \
       float *y, float *mean, float *rstd),                                                                  \
      (rows, n, epsilon, x, scale, shift, y, mean, rstd))                                                    \
    X(void, layer_norm_backward,                                                                             \
      (int64_t rows, int64_t n, const float *x, const float *scale, const float *mean, const float *rstd,    \
       const float *d_y, float *d_x, float *d_scale, float *d_shift),                                        \
      (rows, n, x, scale, mean, rstd, d_y, d_x, d_scale, d_shift))                                           \
    X(void, column_sums, (int64_t rows, int64_t c, const float *d_y, float *d_bias), (rows, c, d_y, d_bias)) \
    X(bool, standardise_u8, (int64_t n, const void *x, const lk_standard *by, float *y), (n, x, by, y))      \
    X(bool, standardise_f32, (int64_t n, const void *x, const lk_standard *by, float *y), (n, x, by, y))     \
    X(bool, standardise_f64, (int64_t n, const void *x, const lk_standard *by, float *y), (n, x, by, y))     \
    X(void, scale_u8, (int64_t n, const void *x, const lk_standard *by, float *y), (n, x, by, y))            \
    X(bool, copy_finite, (int64_t n, const void *x, float *y), (n, x, y))

typedef struct lk_kernel_set {
    const char *name;
    bool        products_by_blas; /* gemm.h and conv.h go through CBLAS, lane by lane */
    int         lanes;            /* floats in a vector */
    int         rows;             /* rows of a full tile; a tile is one or two vectors wide */
    void (*tile)(int rows, int vectors, const lk_tile_call *call);
    /* dst[j ld_dst + i] = src[i ld_src + j] for i < rows, j < cols; zeros for rows <= i < width */
    void (*transpose)(int64_t rows, int64_t cols, const float *src, int64_t ld_src, float *dst,
                      int64_t ld_dst, int64_t width);
    /* dst[i width + j] = src[i ld_src + j] for i < rows, j < cols; zeros for cols <= j < width <= 2 lanes */
    void (*copy)(int64_t rows, int64_t cols, const float *src, int64_t ld_src, float *dst, int64_t width);
#define LK_VEC_FIELD(type, name, parameters, arguments) type(*name) parameters;
    LK_VEC_LIST(LK_VEC_FIELD)
#undef LK_VEC_FIELD
} lk_kernel_set;

extern const lk_kernel_set lk_set_avx512, lk_set_haswell, lk_set_portable;

/** The set in use. */
extern const lk_kernel_set *lk_set;

/** All m rows of a product, one panel of columns: `call` describes row 0. Tiles share the rows as evenly as
 * can be. */
void lk_tile_column(int64_t m, int vectors, const lk_tile_call *call);

#endif
