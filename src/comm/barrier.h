/**
 * A barrier for the ranks of one host, in memory that they share.
 *
 * The last to arrive resets the count and turns the generation, on which the others wait: they spin for a
 * moment while every rank has a core, then yield, then sleep on the generation (futex on Linux, short naps
 * elsewhere), so that ranks that outnumber the cores do not take time from those that work. Everything
 * written before is visible after.
 */
#ifndef LK_COMM_BARRIER_H
#define LK_COMM_BARRIER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** In shared memory, zeroed at first; each word on a cache line of its own. */
typedef struct lk_barrier {
    _Alignas(64) _Atomic uint32_t arrived;
    _Alignas(64) _Atomic uint32_t generation;
    _Alignas(64) _Atomic uint32_t sleepers;
} lk_barrier;

/** Waits for all `n_ranks`. `crowded`: more ranks than cores, so spinning is pointless. */
void lk_barrier_wait(lk_barrier *barrier, int n_ranks, bool crowded);

enum { LK_CORE_WORDS = 16 };

/**
 * The cores that this process may run on, a bit each; or-ed over the ranks of a machine they are the cores
 * that these share. A rank bound to a core of its own sees that one alone, so its own mask says nothing about
 * crowding.
 */
void lk_barrier_cores(uint64_t mask[LK_CORE_WORDS]);
int  lk_barrier_count_cores(const uint64_t mask[LK_CORE_WORDS]);

#endif
