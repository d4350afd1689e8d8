/**
 * Lines that another core holds, asked for before they are written. A store to such a line waits until that core
 * gave it up, 70 ns from one part of a chip to the next, and stores that stand between arithmetic wait one after
 * the other. A store a line with nothing between them makes the CPU ask for many lines at once. Local.
 */
#ifndef LK_KERNELS_OWN_H
#define LK_KERNELS_OWN_H

#include <stdbool.h>
#include <stdint.h>

enum { LK_LINE = 16 }; /* floats */

/** Makes the lines of x [n] this core's, if others read them a while ago. Changes nothing; nobody else may write
 * x meanwhile. */
static inline void lk_own_lines(int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i += LK_LINE) {
        volatile float *line = x + i;
        *line = *line;
    }
}

/** Whether prefetching for a store takes a line from another core: a loop that prefetches what it will write then needs
 * no lk_own_lines before it. Intel's CPUs do, and AMD's from Zen 5 on; Zen 4 leaves the line there. */
bool lk_prefetch_owns(void);

/** Begins the same for lines that are needed soon, and does not wait: a help where lk_prefetch_owns (elsewhere
 * lk_own_lines waits for them as before). */
static inline void lk_ask_lines(int64_t n, const float *x)
{
    for (int64_t i = 0; i < n; i += LK_LINE) __builtin_prefetch(x + i, 1);
}

#endif
