#include "core/rng.h"

#include <math.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

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

/* ---- many at a time ---- */

enum { WALKERS = 32 }; /* values that lk_rng_permute_run walks together: some times BLOCKS */

#define INLINE static inline __attribute__((always_inline))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_OF_WORD(w) (8 * (w))
#else
#define BYTE_OF_WORD(w) (24 - 8 * (w))
#endif

#define CPU(name) name##_any
#define TARGET
#define WIDE   16
#define GROUPS 2
#ifdef __SSE2__
#define PRODUCT(a, b) ((wide_any)_mm_mul_epu32((__m128i)(a), (__m128i)(b)))
#else
#define PRODUCT(a, b) (((a)&UINT32_MAX) * ((b)&UINT32_MAX))
#endif
#include "core/philox.inc"

typedef struct wide_set {
    void (*at_least)(const lk_rng *rng, uint32_t least, int64_t n, uint8_t *out);
    void (*turn)(const lk_rng *rng, int half, uint64_t *value);
} wide_set;

#ifdef __x86_64__
#undef CPU
#undef TARGET
#undef WIDE
#undef PRODUCT
#define CPU(name)     name##_avx2
#define TARGET        __attribute__((target("avx2")))
#define WIDE          32
#define PRODUCT(a, b) ((wide_avx2)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#include "core/philox.inc"

#undef CPU
#undef TARGET
#undef WIDE
#undef PRODUCT
#undef GROUPS
#define CPU(name)     name##_avx512
#define TARGET        __attribute__((target("avx512f")))
#define WIDE          64
#define GROUPS        4 /* of 32 registers; of 16 two are faster */
#define PRODUCT(a, b) ((wide_avx512)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#include "core/philox.inc"
#endif

int lk_rng_widest = 64;

/* The bits are the same in each. */
static wide_set widest(void)
{
#ifdef __x86_64__
    if (lk_rng_widest >= 64 && __builtin_cpu_supports("avx512f"))
        return (wide_set){at_least_avx512, turn_avx512};
    if (lk_rng_widest >= 32 && __builtin_cpu_supports("avx2")) return (wide_set){at_least_avx2, turn_avx2};
#endif
    return (wide_set){at_least_any, turn_any};
}

void lk_rng_at_least(const lk_rng *rng, uint32_t least, int64_t n, uint8_t *out)
{
    widest().at_least(rng, least, n, out);
}

/* A walker that has arrived begins the walk of the next index. */
void lk_rng_permute_run(const lk_rng *rng, int64_t n, int64_t first, int64_t count, int64_t *out)
{
    uint64_t value[WALKERS] = {0};
    int64_t  place[WALKERS], begun = 0, done = 0;
    int      half = half_bits(n);
    wide_set all = widest();
    LK_ASSERT(n >= 1 && first >= 0 && first + count <= n);
    for (int l = 0; l < WALKERS; l++) {
        place[l] = begun < count ? begun++ : -1;
        value[l] = place[l] < 0 ? 0 : (uint64_t)(first + place[l]);
    }
    while (done < count) {
        all.turn(rng, half, value);
        for (int l = 0; l < WALKERS; l++) {
            if (place[l] < 0 || value[l] >= (uint64_t)n) continue;
            out[place[l]] = (int64_t)value[l];
            done++;
            place[l] = begun < count ? begun++ : -1;
            value[l] = place[l] < 0 ? 0 : (uint64_t)(first + place[l]);
        }
    }
}
