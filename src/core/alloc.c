#include "core/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static _Atomic int64_t n_allocations;
static _Atomic int64_t fail_at;

lk_status lk_alloc_array(size_t count, size_t size, void **out)
{
    *out = NULL;
    atomic_fetch_add(&n_allocations, 1);
    size_t bytes = 0;
    int    refuse = atomic_load(&fail_at) > 0 && atomic_fetch_sub(&fail_at, 1) == 1;
    if (refuse || __builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - ALIGNMENT)
        return lk_fail(LK_E_NOMEM, "no memory for %zu elements of %zu bytes", count, size);
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes == 0) bytes = ALIGNMENT;
    void *memory = aligned_alloc(ALIGNMENT, bytes);
    if (!memory) return lk_fail(LK_E_NOMEM, "no memory for %zu bytes", bytes);
    memset(memory, 0, bytes);
    *out = memory;
    return LK_OK;
}

void lk_free_pointer(void **pointer)
{
    if (!pointer) return;
    free(*pointer);
    *pointer = NULL;
}

lk_status lk_strdup(const char *text, char **out)
{
    size_t    n = strlen(text) + 1;
    lk_status st = LK_ALLOC(n, out);
    if (st == LK_OK) memcpy(*out, text, n);
    return st;
}

void lk_alloc_fail_at(int64_t nth)
{
    atomic_store(&fail_at, nth);
}

int64_t lk_alloc_count(void)
{
    return atomic_load(&n_allocations);
}
