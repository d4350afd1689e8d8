/** A short name for the data of a split: what changes the data very likely changes it. */
#ifndef LK_DATA_FINGERPRINT_H
#define LK_DATA_FINGERPRINT_H

#include "data/source.h"

enum { LK_SAMPLE_BLOCKS = 16 };

/** What a file adds to it: its size and evenly spread blocks. */
typedef struct lk_sample {
    bool     taken;
    int64_t  size;
    uint64_t high[LK_SAMPLE_BLOCKS], low[LK_SAMPLE_BLOCKS]; /* XXH3-128 of a block */
} lk_sample;

lk_status lk_sample_take(lk_handles *handles, int file, lk_sample *out);

#endif
