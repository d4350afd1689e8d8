/**
 * Memory by lifetime. An arena is one block, sized once; pushes are aligned to 64 bytes, and reset frees all.
 * Debug builds fill fresh memory with NaN so that a value never written is never mistaken for a zero.
 */
#ifndef LK_CORE_ARENA_H
#define LK_CORE_ARENA_H

#include <stddef.h>

#include "core/status.h"

typedef struct lk_arena {
    char  *base; /* owned */
    size_t size;
    size_t used;
    size_t peak;
} lk_arena;

lk_status lk_arena_init(lk_arena *arena, size_t bytes);
void      lk_arena_clear(lk_arena *arena);

/** `bytes` of memory in *out, not initialised; LK_E_NOMEM names what was asked for and what is left. */
lk_status lk_arena_push(lk_arena *arena, size_t bytes, void **out);

/** lk_arena_pop(arena, mark) gives back all that was pushed since `size_t mark = arena->used`. */
void lk_arena_pop(lk_arena *arena, size_t mark);
void lk_arena_reset(lk_arena *arena);

#define LK_PUSH(arena, count, target)                                                                        \
    lk_arena_push((arena), (size_t)(count) * sizeof **(target), (void **)(target))

#endif
