#include "comm/plan.h"

int lk_slice_cut(const lk_tile *tiles, int n_tiles, int n, int k)
{
    if (n_tiles == 0 || k <= 0) return 0;
    if (k >= n) return n_tiles;
    int64_t total = tiles[n_tiles - 1].offset + tiles[n_tiles - 1].count;
    int     low = 0, high = n_tiles; /* offset * n >= k * total holds from `high` on, not below `low` */
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (tiles[middle].offset * n >= k * total)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
