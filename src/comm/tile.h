/** The loops that run over a tile. Each has one order of operations, whatever the CPU's vectors. Local. */
#ifndef LK_COMM_TILE_H
#define LK_COMM_TILE_H

#include <stdint.h>

/** y = a + b. y may be a or b. */
void lk_tile_add(int64_t n, const float *a, const float *b, float *y);

/**
 * Sum of squares in double: element i goes to accumulator i mod 32, and the accumulators are added pairwise.
 * A value that is not finite makes the result not finite.
 */
double lk_tile_squares(int64_t n, const float *x);

/** lk_tile_add and the squares of y in one pass, with the bits of both. y may be a or b. */
double lk_tile_add_squares(int64_t n, const float *a, const float *b, float *y);

/** How many values are infinite or NaN. */
int64_t lk_tile_count_bad(int64_t n, const float *x);

#endif
