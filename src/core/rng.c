#include "core/rng.h"

#include <math.h>
#include <string.h>

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

enum { FEISTEL_ROUNDS = 6 };

/* The domain is at most four times n, so a walk takes four turns on average at worst. */
static int half_bits(int64_t n)
{
    int half = 1;
    while (half < 31 && ((int64_t)1 << (2 * half)) < n) half++;
    return half;
}

int64_t lk_rng_permute(const lk_rng *rng, int64_t n, int64_t index)
{
    int      half = half_bits(n);
    uint64_t mask = ((uint64_t)1 << half) - 1;
    uint64_t value = (uint64_t)index;
    LK_ASSERT(n >= 1 && index >= 0 && index < n);
    do {
        uint64_t left = value >> half, right = value & mask;
        for (uint64_t round = 0; round < FEISTEL_ROUNDS; round++) {
            uint64_t next = left ^ (lk_rng_word(rng, (round << 40 | right) * 4) & mask);
            left = right;
            right = next;
        }
        value = left << half | right;
    } while (value >= (uint64_t)n);
    return (int64_t)value;
}

/* Philox4x32-10 on LANES counters at a time, written so that compilers make vectors of it. */
enum { LANES = 16 };
#define INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__)
#define FOR_EACH_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_CPU
#endif

INLINE void high_and_low(uint32_t factor, const uint32_t *x, uint32_t *high, uint32_t *low)
{
    for (int l = 0; l < LANES; l++) {
        uint64_t product = (uint64_t)factor * x[l];
        high[l] = (uint32_t)(product >> 32);
        low[l] = (uint32_t)product;
    }
}

/* c[w][l] = word w of block (high, low[l]). */
INLINE void words_of_blocks(const lk_rng *rng, uint32_t high, const uint32_t *low, uint32_t c[4][LANES])
{
    uint32_t key[2] = {rng->key[0], rng->key[1]};
    for (int l = 0; l < LANES; l++) {
        c[0][l] = low[l];
        c[1][l] = high;
        c[2][l] = rng->stream[0];
        c[3][l] = rng->stream[1];
    }
    for (int round = 0; round < 10; round++) {
        uint32_t high0[LANES], low0[LANES], high1[LANES], low1[LANES];
        high_and_low(PHILOX_M4x32_0, c[0], high0, low0);
        high_and_low(PHILOX_M4x32_1, c[2], high1, low1);
        for (int l = 0; l < LANES; l++) {
            c[0][l] = high1[l] ^ c[1][l] ^ key[0];
            c[1][l] = low1[l];
            c[2][l] = high0[l] ^ c[3][l] ^ key[1];
            c[3][l] = low0[l];
        }
        key[0] += PHILOX_W32_0;
        key[1] += PHILOX_W32_1;
    }
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_OF_WORD(w) (8 * (w))
#else
#define BYTE_OF_WORD(w) (24 - 8 * (w))
#endif

/* The four answers of a block are the bytes of one word, so that a vector of them is stored as it is. */
FOR_EACH_CPU static void at_least(const lk_rng *rng, uint32_t least, int64_t n, uint8_t *out)
{
    for (int64_t i = 0; i < n; i += 4 * LANES) {
        const uint64_t block = (uint64_t)i / 4;
        uint32_t       low[LANES], c[4][LANES], bytes[LANES];
        for (int l = 0; l < LANES; l++)
            low[l] = (uint32_t)block + (uint32_t)l; /* i / 4 is a multiple of LANES: no carry */
        words_of_blocks(rng, (uint32_t)(block >> 32), low, c);
        for (int l = 0; l < LANES; l++) bytes[l] = 0;
        for (int w = 0; w < 4; w++)
            for (int l = 0; l < LANES; l++) bytes[l] |= (uint32_t)(c[w][l] >> 8 >= least) << BYTE_OF_WORD(w);
        memcpy(out + i, bytes, n - i < 4 * LANES ? (size_t)(n - i) : sizeof bytes);
    }
}

void lk_rng_at_least(const lk_rng *rng, uint32_t least, int64_t n, uint8_t *out)
{
    at_least(rng, least, n, out);
}

/* One turn of the walk of lk_rng_permute. */
FOR_EACH_CPU static void turn(const lk_rng *rng, int half, uint64_t *value)
{
    uint32_t left[LANES], right[LANES], c[4][LANES], mask = (uint32_t)(((uint64_t)1 << half) - 1);
    for (int l = 0; l < LANES; l++) {
        left[l] = (uint32_t)(value[l] >> half);
        right[l] = (uint32_t)value[l] & mask;
    }
    for (uint32_t round = 0; round < FEISTEL_ROUNDS; round++) {
        words_of_blocks(rng, round << 8, right, c);
        for (int l = 0; l < LANES; l++) {
            uint32_t next = left[l] ^ (c[0][l] & mask);
            left[l] = right[l];
            right[l] = next;
        }
    }
    for (int l = 0; l < LANES; l++) value[l] = (uint64_t)left[l] << half | right[l];
}

/* A lane whose walk has ended begins that of the next index. */
void lk_rng_permute_run(const lk_rng *rng, int64_t n, int64_t first, int64_t count, int64_t *out)
{
    uint64_t value[LANES] = {0};
    int64_t  place[LANES], begun = 0, done = 0;
    int      half = half_bits(n);
    LK_ASSERT(n >= 1 && first >= 0 && first + count <= n);
    for (int l = 0; l < LANES; l++) {
        place[l] = begun < count ? begun++ : -1;
        value[l] = place[l] < 0 ? 0 : (uint64_t)(first + place[l]);
    }
    while (done < count) {
        turn(rng, half, value);
        for (int l = 0; l < LANES; l++) {
            if (place[l] < 0 || value[l] >= (uint64_t)n) continue;
            out[place[l]] = (int64_t)value[l];
            done++;
            place[l] = begun < count ? begun++ : -1;
            value[l] = place[l] < 0 ? 0 : (uint64_t)(first + place[l]);
        }
    }
}
