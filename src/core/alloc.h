/**
 * The one allocation wrapper, so that running out of memory is a status with a size in it and tests can make
 * the n-th allocation fail.
 */
#ifndef LK_CORE_ALLOC_H
#define LK_CORE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/** count * size zeroed bytes, 64-byte aligned, into *out. Overflow and failure give LK_E_NOMEM. Free with
 * lk_free. */
lk_status lk_alloc_array(size_t count, size_t size, void **out);

/** Frees *pointer and sets it to NULL. NULL targets are fine. */
void lk_free_pointer(void **pointer);

/** A copy of `text`, freed with lk_free. */
lk_status lk_strdup(const char *text, char **out);

/* Typed fronts: LK_ALLOC(n, &array) and lk_free(&array) take the address of any object pointer. */
#define LK_ALLOC(count, target) lk_alloc_array((size_t)(count), sizeof **(target), (void **)(target))
#define lk_free(target)         lk_free_pointer((void **)(target))

/** Tests: fails the n-th next allocation (1 = the next one), then works again; 0 switches off. */
void lk_alloc_fail_at(int64_t nth);

/** Allocations made so far by this process: a test holds that the training loop makes none after warm-up. */
int64_t lk_alloc_count(void);

#endif
