/* Plain C for any CPU: fmaf() is one instruction where the CPU has it and a library call, correctly rounded,
 * elsewhere. */
#include <math.h>
#include <string.h>

#include "kernels/set.h"

enum { LANES = 4, TILE_ROWS = 4, WIDTH = 2 * LANES };

static void chain(int rows, int width, const lk_tile_call *t, const float *a, const float *b, int64_t k,
                  float acc[TILE_ROWS][WIDTH])
{
    for (; k > 0; k--, a += t->col_a, b += t->ldb)
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < width; j++) acc[r][j] = fmaf(a[r * t->row_a], b[j], acc[r][j]);
}

/* What waits for its right sibling is on the stack, the last sum in `acc`. */
static void fold_lanes(int rows, const lk_tile_call *t, float acc[TILE_ROWS][WIDTH])
{
    const float *a = t->a, *b = t->b;
    float(*top)[WIDTH] = (float(*)[WIDTH])t->stack;
    for (int i = 0; i < t->n_lanes; i++) {
        const int64_t k = t->lanes[i].rows;
        if (i > 0) {
            memcpy(top, acc, sizeof(float[TILE_ROWS][WIDTH]));
            memset(acc, 0, sizeof(float[TILE_ROWS][WIDTH]));
            top += TILE_ROWS;
        }
        chain(rows, t->cols, t, a, b, k, acc);
        a += k * t->col_a;
        b += k * t->ldb;
        for (int merges = t->lanes[i].merges; merges > 0; merges--) {
            top -= TILE_ROWS;
            for (int r = 0; r < rows; r++)
                for (int j = 0; j < t->cols; j++) acc[r][j] = top[r][j] + acc[r][j];
        }
    }
}

static float finish(const lk_tile_call *t, int r, int j, float value)
{
    if (t->flags & LK_TILE_SCALE) value = t->alpha * value;
    if (t->flags & LK_TILE_BIAS) value += t->bias[j];
    if (t->flags & LK_TILE_ROW_BIAS) value += t->bias[r];
    if (t->flags & LK_TILE_RELU) value = value < 0.0f ? 0.0f : value;
    if (t->flags & LK_TILE_ADD_C) value = fmaf(t->beta, t->c[r * t->ldc + j], value);
    return value;
}

static void tile(int rows, int vectors, const lk_tile_call *t)
{
    float acc[TILE_ROWS][WIDTH] = {{0}};
    (void)vectors; /* cols says it */
    if (t->flags & LK_TILE_START_C) {
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < t->cols; j++) acc[r][j] = t->c[r * t->ldc + j];
    }
    if (t->lanes)
        fold_lanes(rows, t, acc);
    else
        for (int s = 0; s < t->segments; s++)
            chain(rows, t->cols, t, t->a + s * t->next_a, t->b + s * t->next_b, t->k, acc);
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < t->cols; j++) t->c[r * t->ldc + j] = finish(t, r, j, acc[r][j]);
}

static void transpose(int64_t rows, int64_t cols, const float *src, int64_t ld_src, float *dst,
                      int64_t ld_dst, int64_t width)
{
    for (int64_t j = 0; j < cols; j++)
        for (int64_t i = 0; i < width; i++) dst[j * ld_dst + i] = i < rows ? src[i * ld_src + j] : 0.0f;
}

static void copy(int64_t rows, int64_t cols, const float *src, int64_t ld_src, float *dst, int64_t width)
{
    for (int64_t i = 0; i < rows; i++, src += ld_src, dst += width) {
        memcpy(dst, src, (size_t)cols * sizeof *dst);
        for (int64_t j = cols; j < width; j++) dst[j] = 0.0f;
    }
}

#include "kernels/vec.inc"

const lk_kernel_set lk_set_portable = {"portable", false, LANES, TILE_ROWS, tile, transpose, copy, VEC_LOOPS};
