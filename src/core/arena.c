#include "core/arena.h"

#include <string.h>

#include "core/alloc.h"

lk_status lk_arena_init(lk_arena *arena, size_t bytes)
{
    *arena = (lk_arena){0};
    lk_status st = LK_ALLOC(bytes, &arena->base);
    if (st == LK_OK) arena->size = bytes;
    return st;
}

void lk_arena_clear(lk_arena *arena)
{
    lk_free(&arena->base);
    *arena = (lk_arena){0};
}

lk_status lk_arena_push(lk_arena *arena, size_t bytes, void **out)
{
    size_t take = (bytes + 63) / 64 * 64;
    *out = NULL;
    if (take < bytes || take > arena->size - arena->used)
        return lk_fail(LK_E_NOMEM, "arena: %zu bytes asked for, %zu of %zu left", bytes,
                       arena->size - arena->used, arena->size);
    *out = arena->base + arena->used;
    arena->used += take;
    if (arena->used > arena->peak) arena->peak = arena->used;
#ifndef NDEBUG
    memset(*out, 0xff, take); /* 0xffffffff is a NaN */
#endif
    return LK_OK;
}

void lk_arena_pop(lk_arena *arena, size_t mark)
{
    LK_ASSERT(mark <= arena->used);
    arena->used = mark;
}

void lk_arena_reset(lk_arena *arena)
{
    arena->used = 0;
}
