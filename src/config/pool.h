/**
 * Memory of one configuration: many small pieces, all freed at once. A piece that cannot be had is NULL and
 * sets `failed`, which the public calls turn into LK_E_NOMEM; so the code between need not stop at each
 * piece.
 */
#ifndef LK_CONFIG_POOL_H
#define LK_CONFIG_POOL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct lk_pool_block lk_pool_block;

typedef struct lk_pool {
    lk_pool_block *blocks; /* owned, the newest first */
    bool           failed;
} lk_pool;

void lk_pool_clear(lk_pool *pool);

/** `bytes` of zeros, 16-byte aligned, or NULL. */
void *lk_pool_get(lk_pool *pool, size_t bytes);

/** A copy of size bytes and a NUL; "" on failure, so that a text is never NULL. */
const char *lk_pool_text(lk_pool *pool, const char *bytes, size_t size);
const char *lk_pool_printf(lk_pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *lk_pool_vprintf(lk_pool *pool, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/** An array of n zeroed elements, or NULL. */
#define LK_POOL_ARRAY(pool, type, n) ((type *)lk_pool_get((pool), sizeof(type) * (size_t)(n)))

#endif
