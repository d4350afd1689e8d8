#include "core/rng.h"

#include <math.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include <Random123/philox.h>
#pragma GCC diagnostic pop

#include "core/status.h"

lk_rng lk_rng_make(uint64_t seed, lk_rng_purpose purpose, int64_t layer, int64_t epoch, int64_t sample)
{
    LK_ASSERT(layer >= 0 && layer < 1 << 16);
    /* One Philox call with the arguments in fixed places derives the key: its mixing is what tells near seeds
     * and near samples apart. The sample stays in the counter too, so that no two samples can ever share a
     * stream. */
    philox4x32_ctr_t place = {{(uint32_t)sample, (uint32_t)((uint64_t)sample >> 32), (uint32_t)epoch,
                               (uint32_t)purpose << 16 | (uint32_t)layer}};
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t mixed = philox4x32(place, key);
    lk_rng           rng = {.key = {mixed.v[0], mixed.v[1]}, .stream = {mixed.v[2], (uint32_t)sample}};
    return rng;
}

void lk_rng_block(const lk_rng *rng, uint64_t block, uint32_t out[4])
{
    philox4x32_ctr_t counter = {{(uint32_t)block, (uint32_t)(block >> 32), rng->stream[0], rng->stream[1]}};
    philox4x32_key_t key = {{rng->key[0], rng->key[1]}};
    philox4x32_ctr_t words = philox4x32(counter, key);
    for (int i = 0; i < 4; i++) out[i] = words.v[i];
}

uint32_t lk_rng_word(const lk_rng *rng, uint64_t element)
{
    uint32_t words[4];
    lk_rng_block(rng, element / 4, words);
    return words[element % 4];
}

float lk_rng_uniform(const lk_rng *rng, uint64_t element)
{
    return (float)(lk_rng_word(rng, element) >> 8) * 0x1p-24f;
}

float lk_rng_normal(const lk_rng *rng, uint64_t element)
{
    uint32_t words[4];
    lk_rng_block(rng, element / 2, words);
    uint32_t a = words[element % 2 * 2], b = words[element % 2 * 2 + 1];
    /* u in (0, 1], so that the logarithm is finite. */
    double u = ((double)a + 1.0) * 0x1p-32, v = (double)b * 0x1p-32;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

int64_t lk_rng_permute(const lk_rng *rng, int64_t n, int64_t index)
{
    enum { ROUNDS = 6 };
    int half = 1;
    while (half < 31 && ((int64_t)1 << (2 * half)) < n) half++;
    uint64_t mask = ((uint64_t)1 << half) - 1;
    uint64_t value = (uint64_t)index;
    LK_ASSERT(n >= 1 && index >= 0 && index < n);
    /* The domain is at most four times n, so the walk takes four turns on average at worst. */
    do {
        uint64_t left = value >> half, right = value & mask;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            uint64_t next = left ^ (lk_rng_word(rng, (round << 40 | right) * 4) & mask);
            left = right;
            right = next;
        }
        value = left << half | right;
    } while (value >= (uint64_t)n);
    return (int64_t)value;
}
