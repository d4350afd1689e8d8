#include "comm/tile.h"

#include <math.h>
#include <string.h>

/*
 * The same C compiled for wider vectors: every clone's result has the same bits. This file is compiled with
 * contraction of a * b + c where the CPU has it: the only products here are squares of floats in double,
 * which are exact, so fused or not they give the same sum.
 */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&     \
    !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif
#define INLINE static inline __attribute__((always_inline))

/* Vectors of the compiler, so that the accumulators stay in registers; on narrower CPUs each is several
 * registers. */
typedef float  floats __attribute__((vector_size(32)));
typedef double doubles __attribute__((vector_size(64)));

enum { VECTOR = 8, VECTORS = 4, ACCUMULATORS = VECTOR * VECTORS };

/* Slabs of other ranks come from far: a line is asked for 1 KB before its turn, across the pages at which the
 * CPU's own prefetching ends. */
enum { AHEAD = 256, LINE = 16 };

WIDE static void add(int64_t n, const float *a, const float *b, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

/* The last n < ACCUMULATORS elements, and then the accumulators pairwise. */
INLINE double finish(const doubles *accumulator, int64_t n, const float *x)
{
    double sum[ACCUMULATORS];
    memcpy(sum, accumulator, sizeof sum);
    for (int64_t i = 0; i < n; i++) sum[i] += (double)x[i] * (double)x[i];
    for (int half = ACCUMULATORS / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++) sum[k] += sum[k + half];
    return sum[0];
}

WIDE static double squares(int64_t n, const float *x)
{
    doubles sum[VECTORS] = {{0}};
    int64_t i = 0;
    for (; i + ACCUMULATORS <= n; i += ACCUMULATORS)
        for (int k = 0; k < VECTORS; k++) {
            floats v;
            memcpy(&v, x + i + VECTOR * k, sizeof v);
            doubles wide = __builtin_convertvector(v, doubles);
            sum[k] += wide * wide;
        }
    return finish(sum, n - i, x + i);
}

WIDE static double add_squares(int64_t n, const float *a, const float *b, float *y)
{
    doubles sum[VECTORS] = {{0}};
    int64_t i = 0;
    for (; i + ACCUMULATORS <= n; i += ACCUMULATORS) {
        for (int k = 0; k < ACCUMULATORS; k += LINE) {
            __builtin_prefetch(a + i + k + AHEAD);
            __builtin_prefetch(b + i + k + AHEAD);
        }
        for (int k = 0; k < VECTORS; k++) {
            floats v, w;
            memcpy(&v, a + i + VECTOR * k, sizeof v);
            memcpy(&w, b + i + VECTOR * k, sizeof w);
            v = v + w;
            memcpy(y + i + VECTOR * k, &v, sizeof v);
            doubles wide = __builtin_convertvector(v, doubles);
            sum[k] += wide * wide;
        }
    }
    for (int64_t k = i; k < n; k++) y[k] = a[k] + b[k];
    return finish(sum, n - i, y + i);
}

/* Clones are static: gcc exports those of other functions, and their resolvers, from a shared library. */
void lk_tile_add(int64_t n, const float *a, const float *b, float *y)
{
    add(n, a, b, y);
}

double lk_tile_squares(int64_t n, const float *x)
{
    return squares(n, x);
}

double lk_tile_add_squares(int64_t n, const float *a, const float *b, float *y)
{
    return add_squares(n, a, b, y);
}

int64_t lk_tile_count_bad(int64_t n, const float *x)
{
    int64_t bad = 0;
    for (int64_t i = 0; i < n; i++) bad += !isfinite(x[i]);
    return bad;
}
