/**
 * The order of additions where it is more than "one chain over the summed index": constants and small rules
 * shared by the twins and by all kernel sets. They depend on shapes alone, never on the set, the thread or
 * the rows of a call.
 */
#ifndef LK_KERNELS_ORDER_H
#define LK_KERNELS_ORDER_H

#include "kernels/conv.h"

enum {
    LK_COLUMN_BLOCK = 1024, /* rows whose column sums form one partial sum; blocks are added in order */
    LK_COLUMN_PARTS = 4,    /* chains in a block: row r goes to chain r mod 4; joined (0 + 1) + (2 + 3) */
    LK_ROW_PARTS = 16, /* chains of a sum along a row: element i goes to chain i mod 16; halves are added */
    LK_SQUARES_BLOCK = 4096,
    LK_BAND_PIXELS = 1024 /* output pixels of an image whose weight gradients form one chain, in whole rows */
};

/** Output rows of an image in one chain of a weight gradient. */
static inline int64_t lk_conv_band_rows(const lk_conv_shape *shape)
{
    const int64_t rows = LK_BAND_PIXELS / shape->out_w;
    return rows < 1 ? 1 : rows > shape->out_h ? shape->out_h : rows;
}

#endif
