#include "comm/barrier.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

/*
 * Spins (tens of ns each) cover ranks in step. Yields (some 200 ns each with nobody else to run) cover an
 * imbalance of a few ms and let the rank's own reading thread have the core; after that a sleep costs less
 * than it saves. With more ranks than cores somebody else always has work, so the sleep comes early.
 */
enum { SPINS = 2000, YIELDS = 20000, YIELDS_CROWDED = 200, NAP_NS = 50 * 1000, SLEEP_S = 1 };

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

void lk_barrier_cores(uint64_t mask[LK_CORE_WORDS])
{
    memset(mask, 0, LK_CORE_WORDS * sizeof *mask);
#ifdef __linux__
    if (syscall(SYS_sched_getaffinity, 0, LK_CORE_WORDS * sizeof *mask, mask) > 0) return;
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    for (long i = 0; i < n && i < LK_CORE_WORDS * 64; i++) mask[i / 64] |= (uint64_t)1 << (i % 64);
}

int lk_barrier_count_cores(const uint64_t mask[LK_CORE_WORDS])
{
    int n = 0;
    for (int i = 0; i < LK_CORE_WORDS; i++) n += __builtin_popcountll(mask[i]);
    return n > 0 ? n : 1;
}

/* Returns after a wake-up, a change of the word, a signal or the time limit: the caller looks again. */
static void sleep_on(_Atomic uint32_t *word, uint32_t seen)
{
#ifdef __linux__
    struct timespec limit = {.tv_sec = SLEEP_S};
    syscall(SYS_futex, (void *)word, FUTEX_WAIT, seen, &limit, NULL, 0);
#else
    struct timespec nap = {.tv_nsec = NAP_NS};
    (void)word;
    (void)seen;
    nanosleep(&nap, NULL);
#endif
}

static void wake_all(_Atomic uint32_t *word)
{
#ifdef __linux__
    syscall(SYS_futex, (void *)word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
#else
    (void)word;
#endif
}

static bool turned(lk_barrier *barrier, uint32_t generation)
{
    return atomic_load_explicit(&barrier->generation, memory_order_acquire) != generation;
}

static void wait_for_turn(lk_barrier *barrier, uint32_t generation, bool crowded)
{
    for (int i = 0; i < SPINS && !crowded; i++) {
        if (turned(barrier, generation)) return;
        relax();
    }
    for (int i = 0; i < (crowded ? YIELDS_CROWDED : YIELDS); i++) {
        if (turned(barrier, generation)) return;
        sched_yield();
    }
    atomic_fetch_add(&barrier->sleepers, 1);
    while (!turned(barrier, generation)) sleep_on(&barrier->generation, generation);
    atomic_fetch_sub(&barrier->sleepers, 1);
}

void lk_barrier_wait(lk_barrier *barrier, int n_ranks, bool crowded)
{
    if (n_ranks == 1) return;
    uint32_t generation = atomic_load_explicit(&barrier->generation, memory_order_relaxed);
    uint32_t before = atomic_fetch_add(&barrier->arrived, 1);
    if (before + 1 < (uint32_t)n_ranks) {
        wait_for_turn(barrier, generation, crowded);
        return;
    }
    atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
    atomic_store(&barrier->generation, generation + 1);
    if (atomic_load(&barrier->sleepers) > 0) wake_all(&barrier->generation);
}
