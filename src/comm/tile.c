#include "comm/tile.h"

#include <math.h>

/* The same C compiled for wider vectors: without contraction every lane's result has the same bits in each
 * clone. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&     \
    !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

enum { ACCUMULATORS = 16 };

WIDE void lk_tile_add(int64_t n, const float *a, const float *b, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

WIDE void lk_tile_scale(int64_t n, float factor, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = factor * x[i];
}

WIDE double lk_tile_squares(int64_t n, const float *x)
{
    double  sum[ACCUMULATORS] = {0};
    int64_t whole = n - n % ACCUMULATORS;
    for (int64_t i = 0; i < whole; i += ACCUMULATORS)
        for (int k = 0; k < ACCUMULATORS; k++) sum[k] += (double)x[i + k] * (double)x[i + k];
    for (int64_t i = whole; i < n; i++) sum[i - whole] += (double)x[i] * (double)x[i];
    for (int half = ACCUMULATORS / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++) sum[k] += sum[k + half];
    return sum[0];
}

int64_t lk_tile_count_bad(int64_t n, const float *x)
{
    int64_t bad = 0;
    for (int64_t i = 0; i < n; i++) bad += !isfinite(x[i]);
    return bad;
}
