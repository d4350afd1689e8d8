/* Compiled with -mavx2 -mfma; called only where the CPU has them. */
#include <immintrin.h>

#include "kernels/set.h"

#define VEC       __m256
#define LANES     8
#define TILE_ROWS 6

static inline __m256i part(int64_t n)
{
    static const int32_t ramp[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(ramp + (n >= 8 ? 0 : n <= 0 ? 8 : 8 - n)));
}

#define V_ZERO()              _mm256_setzero_ps()
#define V_ALL(x)              _mm256_set1_ps(x)
#define V_LOAD(p)             _mm256_loadu_ps(p)
#define V_STORE(p, x)         _mm256_storeu_ps(p, x)
#define V_PART_LOAD(p, n)     _mm256_maskload_ps(p, part(n))
#define V_PART_STORE(p, n, x) _mm256_maskstore_ps(p, part(n), x)
#define V_ADD(a, b)           _mm256_add_ps(a, b)
#define V_MUL(a, b)           _mm256_mul_ps(a, b)
#define V_FMA(a, b, c)        _mm256_fmadd_ps(a, b, c)
/* max(0, x) returns its second operand for NaN and for -0: exactly x < 0 ? 0 : x. */
#define V_RELU(x) _mm256_max_ps(_mm256_setzero_ps(), x)

#include "kernels/tile.inc"

TILE_CASE(1)
TILE_CASE(2)
TILE_CASE(3)
TILE_CASE(4)
TILE_CASE(5)
TILE_CASE(6)

static void tile(int rows, int vectors, const lk_tile_call *call)
{
    static void (*const table[TILE_ROWS][2])(const lk_tile_call *) = {
        {tile_1_1, tile_1_2}, {tile_2_1, tile_2_2}, {tile_3_1, tile_3_2},
        {tile_4_1, tile_4_2}, {tile_5_1, tile_5_2}, {tile_6_1, tile_6_2},
    };
    table[rows - 1][vectors - 1](call);
}

/* Eight rows of eight: pairs, quads, then the 128-bit halves change places. */
static inline __attribute__((always_inline)) void transpose_block(const float *src, int64_t ld_src,
                                                                  float *dst, int64_t ld_dst)
{
    __m256 x[8], y[8];
    UNROLLED for (int i = 0; i < 8; i++) x[i] = _mm256_loadu_ps(src + i * ld_src);
    UNROLLED for (int i = 0; i < 8; i += 2)
    {
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
    UNROLLED for (int i = 0; i < 8; i += 4)
    {
        x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
        x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
        x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
        x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
    UNROLLED for (int j = 0; j < 4; j++)
    {
        _mm256_storeu_ps(dst + j * ld_dst, _mm256_permute2f128_ps(x[j], x[4 + j], 0x20));
        _mm256_storeu_ps(dst + (4 + j) * ld_dst, _mm256_permute2f128_ps(x[j], x[4 + j], 0x31));
    }
}

static void transpose(int64_t rows, int64_t cols, const float *src, int64_t ld_src, float *dst,
                      int64_t ld_dst, int64_t width)
{
    for (int64_t i = 0; i < width; i += 8) {
        const int64_t n_rows = rows - i < 8 ? rows - i : 8, n_out = width - i < 8 ? width - i : 8;
        int64_t       j = 0;
        for (; n_rows == 8 && j + 8 <= cols; j += 8)
            transpose_block(src + i * ld_src + j, ld_src, dst + j * ld_dst + i, ld_dst);
        for (; j < cols; j++)
            for (int64_t r = 0; r < n_out; r++)
                dst[j * ld_dst + i + r] = r < n_rows ? src[(i + r) * ld_src + j] : 0.0f;
    }
}

static void copy(int64_t rows, int64_t cols, const float *src, int64_t ld_src, float *dst, int64_t width)
{
    const __m256i low = part(cols), high = part(cols - 8);
    for (int64_t i = 0; i < rows; i++, src += ld_src, dst += width) {
        _mm256_storeu_ps(dst, _mm256_maskload_ps(src, low));
        if (width > 8) _mm256_storeu_ps(dst + 8, _mm256_maskload_ps(src + 8, high));
    }
}

#include "kernels/vec.inc"

const lk_kernel_set lk_set_haswell = {"haswell", false, LANES, TILE_ROWS, tile, transpose, copy, VEC_LOOPS};
