/* Compiled with -mavx512f -mavx512dq -mavx512vl -mavx512bw -mfma; called only where the CPU has them. */
#include <immintrin.h>

#include "kernels/set.h"

#define VEC       __m512
#define LANES     16
#define TILE_ROWS 14

static inline __mmask16 part(int64_t n)
{
    return (__mmask16)(n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u);
}

#define V_ZERO()              _mm512_setzero_ps()
#define V_ALL(x)              _mm512_set1_ps(x)
#define V_LOAD(p)             _mm512_loadu_ps(p)
#define V_STORE(p, x)         _mm512_storeu_ps(p, x)
#define V_PART_LOAD(p, n)     _mm512_maskz_loadu_ps(part(n), p)
#define V_PART_STORE(p, n, x) _mm512_mask_storeu_ps(p, part(n), x)
#define V_ADD(a, b)           _mm512_add_ps(a, b)
#define V_MUL(a, b)           _mm512_mul_ps(a, b)
#define V_FMA(a, b, c)        _mm512_fmadd_ps(a, b, c)
/* max(0, x) returns its second operand for NaN and for -0: exactly x < 0 ? 0 : x. */
#define V_RELU(x) _mm512_max_ps(_mm512_setzero_ps(), x)

#include "kernels/tile.inc"

TILE_CASE(1)
TILE_CASE(2)
TILE_CASE(3)
TILE_CASE(4)
TILE_CASE(5)
TILE_CASE(6)
TILE_CASE(7)
TILE_CASE(8)
TILE_CASE(9)
TILE_CASE(10)
TILE_CASE(11)
TILE_CASE(12)
TILE_CASE(13)
TILE_CASE(14)

static void tile(int rows, int vectors, const lk_tile_call *call)
{
    static void (*const table[TILE_ROWS][2])(const lk_tile_call *) = {
        {tile_1_1, tile_1_2},   {tile_2_1, tile_2_2},   {tile_3_1, tile_3_2},   {tile_4_1, tile_4_2},
        {tile_5_1, tile_5_2},   {tile_6_1, tile_6_2},   {tile_7_1, tile_7_2},   {tile_8_1, tile_8_2},
        {tile_9_1, tile_9_2},   {tile_10_1, tile_10_2}, {tile_11_1, tile_11_2}, {tile_12_1, tile_12_2},
        {tile_13_1, tile_13_2}, {tile_14_1, tile_14_2},
    };
    table[rows - 1][vectors - 1](call);
}

/* x[16] holds 16 rows; afterwards x[j] is column j. Pairs, quads, then 128-bit blocks change places. */
static inline __attribute__((always_inline)) void transpose_block(__m512 x[16])
{
    __m512 y[16];
    UNROLLED for (int i = 0; i < 16; i += 2)
    {
        y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
    UNROLLED for (int i = 0; i < 16; i += 4)
    {
        for (int h = 0; h < 2; h++) {
            const __m512d low = _mm512_castps_pd(y[i + h]), high = _mm512_castps_pd(y[i + 2 + h]);
            x[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            x[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    /* x[4 b + j]: block q (of 4 floats) holds column 4 q + j of rows 4 b .. 4 b + 3. */
    UNROLLED for (int j = 0; j < 4; j++)
    {
        const __m512 a = _mm512_shuffle_f32x4(x[j], x[4 + j], 0x44),
                     b = _mm512_shuffle_f32x4(x[j], x[4 + j], 0xee);
        const __m512 c = _mm512_shuffle_f32x4(x[8 + j], x[12 + j], 0x44);
        const __m512 d = _mm512_shuffle_f32x4(x[8 + j], x[12 + j], 0xee);
        y[j] = _mm512_shuffle_f32x4(a, c, 0x88);
        y[4 + j] = _mm512_shuffle_f32x4(a, c, 0xdd);
        y[8 + j] = _mm512_shuffle_f32x4(b, d, 0x88);
        y[12 + j] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
    UNROLLED for (int j = 0; j < 16; j++) x[j] = y[j];
}

static void transpose(int64_t rows, int64_t cols, const float *src, int64_t ld_src, float *dst,
                      int64_t ld_dst, int64_t width)
{
    for (int64_t i = 0; i < width; i += 16) {
        const int64_t   n_rows = rows - i < 16 ? rows - i : 16;
        const __mmask16 keep = part(width - i);
        for (int64_t j = 0; j < cols; j += 16) {
            const __mmask16 load = part(cols - j);
            __m512          x[16];
            UNROLLED for (int r = 0; r < 16; r++) x[r] =
                _mm512_maskz_loadu_ps(r < n_rows ? load : 0, src + (i + r) * ld_src + j);
            transpose_block(x);
            float *out = dst + j * ld_dst + i;
            if (cols - j >= 16 && keep == 0xffff) {
                UNROLLED for (int c = 0; c < 16; c++) _mm512_storeu_ps(out + c * ld_dst, x[c]);
            } else {
                UNROLLED for (int c = 0; c < 16; c++)
                    _mm512_mask_storeu_ps(out + c * ld_dst, c < cols - j ? keep : 0, x[c]);
            }
        }
    }
}

static void copy(int64_t rows, int64_t cols, const float *src, int64_t ld_src, float *dst, int64_t width)
{
    const __mmask16 low = part(cols), high = part(cols - 16);
    for (int64_t i = 0; i < rows; i++, src += ld_src, dst += width) {
        __builtin_prefetch(src + LK_ROWS_AHEAD * ld_src, 0, 2);
        if (width > 16) __builtin_prefetch(src + LK_ROWS_AHEAD * ld_src + 16, 0, 2);
        _mm512_storeu_ps(dst, _mm512_maskz_loadu_ps(low, src));
        if (width > 16) _mm512_storeu_ps(dst + 16, _mm512_maskz_loadu_ps(high, src + 16));
    }
}

#include "kernels/vec.inc"

const lk_kernel_set lk_set_avx512 = {"avx512", false, LANES, TILE_ROWS, tile, transpose, copy, VEC_LOOPS};
