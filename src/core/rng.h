/**
 * Random numbers without state: Philox4x32-10, a pure function of a key and a counter.
 *
 * The key says what is drawn (seed, purpose, layer or step, epoch, sample or tile), the counter is the
 * element. No rank, thread, clock or address takes part, so the numbers are equal on any number of ranks and
 * after any restart. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
 * 2011 (Random123).
 */
#ifndef LK_CORE_RNG_H
#define LK_CORE_RNG_H

#include <stdint.h>

typedef enum lk_rng_purpose {
    LK_RNG_INIT = 1,
    LK_RNG_DROPOUT,
    LK_RNG_SHUFFLE,
    LK_RNG_SPLIT,
    LK_RNG_AUGMENT,
    LK_RNG_TEST,
    LK_RNG_BOOTSTRAP,
} lk_rng_purpose;

typedef struct lk_rng {
    uint32_t key[2];
    uint32_t stream[2]; /* upper half of the counter */
} lk_rng;

/**
 * A stream of its own for each (seed, purpose, layer, epoch, sample): `layer` below 2^16, `epoch` below 2^24.
 * Distinct arguments give distinct (key, counter) pairs: seed and sample are mixed with constants, not added.
 */
lk_rng lk_rng_make(uint64_t seed, lk_rng_purpose purpose, int64_t layer, int64_t epoch, int64_t sample);

/** Four 32-bit words of block `block` of the stream. Elements 4*block ... 4*block+3 are these words in order.
 */
void lk_rng_block(const lk_rng *rng, uint64_t block, uint32_t out[4]);

/** The 32-bit word of element `element`. */
uint32_t lk_rng_word(const lk_rng *rng, uint64_t element);

/** Uniform in [0, 1) with 24 bits: (word >> 8) * 2^-24. */
float lk_rng_uniform(const lk_rng *rng, uint64_t element);

/** out[i] = 1 where the 24 bits of lk_rng_uniform(rng, i) are at least `least` (0 ... 2^24), else 0, for i < n. */
void lk_rng_at_least(const lk_rng *rng, uint32_t least, int64_t n, uint8_t *out);

/** Standard normal by Box-Muller from elements 2*element and 2*element+1, in double, then rounded. */
float lk_rng_normal(const lk_rng *rng, uint64_t element);

/**
 * Position `index` of a pseudo-random permutation of 0..n-1, in O(1) memory: a Feistel network of six rounds
 * keyed by the stream, walked until the value falls below n. n >= 1, 0 <= index < n.
 */
int64_t lk_rng_permute(const lk_rng *rng, int64_t n, int64_t index);

/** out[i] = lk_rng_permute(rng, n, first + i), i < count, several at a time. */
void lk_rng_permute_run(const lk_rng *rng, int64_t n, int64_t first, int64_t count, int64_t *out);

/** Bytes of the widest vectors that lk_rng_at_least and lk_rng_permute_run may use, where the CPU has them; tests take less. */
extern int lk_rng_widest;

#endif
