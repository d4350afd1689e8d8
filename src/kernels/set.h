/**
 * What a kernel set consists of: a register tile of the product, a transposition, and the loops of vec.h.
 * Everything above (blocking, packing, convolution, lanes) is common code over this table.
 */
#ifndef LK_KERNELS_SET_H
#define LK_KERNELS_SET_H

#include "kernels/conv.h"
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
 * vectors: they must be readable up to the tile's width; only `cols` columns are stored. merges: the chain's
 * value is the right child of as many nodes of the lane tree; their left children, whole tiles of `vectors`
 * vectors a row, stand at left, left - LK_TILE_FLOATS, ... and are added in this order.
 */
typedef struct lk_tile_call {
    const float *a, *b, *bias, *left;
    float       *c;
    int64_t      row_a, col_a, next_a;
    int64_t      ldb, next_b, k, ldc;
    float        alpha, beta;
    int          segments, cols, merges, flags;
} lk_tile_call;

enum { LK_TILE_MAX_ROWS = 14, LK_TILE_MAX_WIDTH = 32, LK_TILE_FLOATS = LK_TILE_MAX_ROWS * LK_TILE_MAX_WIDTH };

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
} lk_kernel_set;

extern const lk_kernel_set lk_set_avx512, lk_set_haswell, lk_set_portable;

/** The set in use. */
extern const lk_kernel_set *lk_set;

/** All m rows of a product, one panel of columns: `call` describes row 0. Tiles share the rows as evenly as
 * can be. */
void lk_tile_column(int64_t m, int vectors, const lk_tile_call *call);

#endif
