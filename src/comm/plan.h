/** How work is shared out: slices of tiles within a host. */
#ifndef LK_COMM_PLAN_H
#define LK_COMM_PLAN_H

#include "core/span.h"

/** First tile of slice k of n: the first tile that begins at or after k / n of the floats. k = n gives
 * n_tiles. */
int lk_slice_cut(const lk_tile *tiles, int n_tiles, int n, int k);

#endif
