/** The three loops that run over a tile. Each has one order of operations, whatever the CPU's vectors. Local.
 */
#ifndef LK_COMM_TILE_H
#define LK_COMM_TILE_H

#include <stdint.h>

/** y = a + b. y may be a or b. */
void lk_tile_add(int64_t n, const float *a, const float *b, float *y);

/** y = factor * x, in float. y may be x. */
void lk_tile_scale(int64_t n, float factor, const float *x, float *y);

/**
 * Sum of squares in double: element i goes to accumulator i mod 16, and the accumulators are added pairwise.
 * A value that is not finite makes the result not finite.
 */
double lk_tile_squares(int64_t n, const float *x);

/** How many values are infinite or NaN. */
int64_t lk_tile_count_bad(int64_t n, const float *x);

#endif
