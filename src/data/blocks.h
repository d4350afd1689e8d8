/**
 * Unpacked blocks of a column in a bounded number of slots: for one reader, or in memory that the readers of a host share, so
 * that a block is unpacked once a host and not once a rank. Who needs a block first reads it, the others wait for it.
 *
 * All of it lies in one piece of memory without pointers, which may stand at different addresses in different processes. A
 * reader holds one slot at a time and none while it waits, so as many slots as readers are enough for nobody to wait for ever;
 * and one is, if readers give back what they hold before they wait for anything else.
 * Nothing here decides what a row is, so sharing cannot change a bit. Slots are taken by second chance.
 */
#ifndef LK_DATA_BLOCKS_H
#define LK_DATA_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct lk_blocks lk_blocks;

typedef struct lk_blocks_shape {
    int64_t n_blocks, slot_bytes;
    int32_t n_slots;
} lk_blocks_shape;

/** Whole pages. */
size_t lk_blocks_bytes(const lk_blocks_shape *shape);
/** Empty slots in memory of that size, at a page boundary or where malloc puts it; once, before anybody takes one. */
lk_status lk_blocks_init(const lk_blocks_shape *shape, void *memory);

typedef lk_status lk_blocks_read(void *context, char *slot);

/** The slot of block `number`, read by `read` unless it is there; it stays until it is given back. Local; may wait for another
 * reader. Errors: what `read` returns. */
lk_status lk_blocks_take(lk_blocks *blocks, int64_t number, lk_blocks_read *read, void *context,
                         int32_t *slot);
/** It is there now: a hint, where there are other readers. */
bool        lk_blocks_has(lk_blocks *blocks, int64_t number);
void        lk_blocks_give(lk_blocks *blocks, int32_t slot);
const char *lk_blocks_slot(lk_blocks *blocks, int32_t slot);

#endif
