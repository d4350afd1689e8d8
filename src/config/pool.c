#include "config/pool.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"

enum { BLOCK_BYTES = 64 * 1024, ALIGN = 16 };

struct lk_pool_block {
    lk_pool_block *next;
    size_t         size, used;
    _Alignas(ALIGN) char bytes[];
};

void lk_pool_clear(lk_pool *pool)
{
    while (pool->blocks) {
        lk_pool_block *next = pool->blocks->next;
        lk_free(&pool->blocks);
        pool->blocks = next;
    }
    pool->failed = false;
}

static bool grow(lk_pool *pool, size_t bytes)
{
    size_t         size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    lk_pool_block *block = NULL;
    if (lk_alloc_array(1, sizeof *block + size, (void **)&block) != LK_OK) {
        pool->failed = true;
        return false;
    }
    block->size = size;
    block->next = pool->blocks;
    pool->blocks = block;
    return true;
}

void *lk_pool_get(lk_pool *pool, size_t bytes)
{
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    lk_pool_block *block = pool->blocks;
    if ((!block || block->size - block->used < bytes) && !grow(pool, bytes)) return NULL;
    block = pool->blocks;
    void *piece = block->bytes + block->used;
    block->used += bytes;
    return piece;
}

const char *lk_pool_text(lk_pool *pool, const char *bytes, size_t size)
{
    char *copy = lk_pool_get(pool, size + 1);
    if (!copy) return "";
    memcpy(copy, bytes, size);
    return copy;
}

const char *lk_pool_vprintf(lk_pool *pool, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int   n = vsnprintf(NULL, 0, format, again);
    char *text = n < 0 ? NULL : lk_pool_get(pool, (size_t)n + 1);
    va_end(again);
    if (!text) return "";
    vsnprintf(text, (size_t)n + 1, format, args);
    return text;
}

const char *lk_pool_printf(lk_pool *pool, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = lk_pool_vprintf(pool, format, args);
    va_end(args);
    return text;
}
