#include "data/subset.h"

#include "core/alloc.h"

enum { WORD = 64 };

lk_status lk_subset_init(lk_subset *subset, int64_t rows)
{
    *subset = (lk_subset){.n_words = (rows + WORD - 1) / WORD};
    return LK_ALLOC(subset->n_words, &subset->bits);
}

void lk_subset_clear(lk_subset *subset)
{
    lk_free(&subset->bits);
    lk_free(&subset->mark);
    *subset = (lk_subset){0};
}

void lk_subset_add(lk_subset *subset, int64_t row)
{
    uint64_t *word = &subset->bits[row / WORD], bit = (uint64_t)1 << row % WORD;
    subset->n += !(*word & bit);
    *word |= bit;
}

/* Counting and finding bits in all bytes of a word at once, without a branch that the CPU would guess wrong at each row:
 * Warren, Hacker's Delight, 2nd edition, chapters 5 and 6. */
#define EACH_BYTE(value) (0x0101010101010101U * (uint64_t)(value))

/* In byte b: how many bits are set in bytes 0..b. */
static uint64_t sums_of(uint64_t word)
{
    word -= word >> 1 & EACH_BYTE(0x55);
    word = (word & EACH_BYTE(0x33)) + (word >> 2 & EACH_BYTE(0x33));
    word = (word + (word >> 4)) & EACH_BYTE(0x0f);
    return EACH_BYTE(word);
}

static int64_t count_of(uint64_t word)
{
    return (int64_t)(sums_of(word) >> 56);
}

/* The first byte that is more than `n`; bytes do not decrease, and with n are at most 64. */
static int byte_above(uint64_t bytes, int64_t n)
{
    uint64_t no_more = (EACH_BYTE(n) + EACH_BYTE(0x80) - bytes) & EACH_BYTE(0x80);
    return (int)(EACH_BYTE(no_more >> 7) >> 56);
}

/* The place of the `nth` bit that is set, of at least nth + 1: its byte, then in there. */
static int place_of(uint64_t word, int64_t nth)
{
    uint64_t sums = sums_of(word);
    int      byte = byte_above(sums, nth);
    nth -= (int64_t)(sums << 8 >> 8 * byte & 0xff);
    uint64_t bits = EACH_BYTE(word >> 8 * byte & 0xff) & 0x8040201008040201U; /* bit b of it in byte b */
    bits = ((bits & EACH_BYTE(0x7f)) + EACH_BYTE(0x7f)) | bits;
    return 8 * byte + byte_above(EACH_BYTE(bits >> 7 & EACH_BYTE(1)), nth);
}

lk_status lk_subset_finish(lk_subset *subset)
{
    lk_status st = LK_OK;
    int64_t   seen = 0;
    LK_TRY(LK_ALLOC((subset->n + LK_SUBSET_STEP - 1) / LK_SUBSET_STEP, &subset->mark));
    subset->n_marks = 0;
    for (int64_t w = 0; w < subset->n_words; w++) {
        int64_t here = count_of(subset->bits[w]), next = subset->n_marks * LK_SUBSET_STEP;
        if (next < seen + here) /* at most one: a word has no more bits than a step */
            subset->mark[subset->n_marks++] = w * WORD + place_of(subset->bits[w], next - seen);
        seen += here;
    }
done:
    return st;
}

int64_t lk_subset_row(const lk_subset *subset, int64_t i)
{
    int64_t  from = subset->mark[i / LK_SUBSET_STEP], left = i % LK_SUBSET_STEP, w = from / WORD, here;
    uint64_t word = subset->bits[w] & ~(uint64_t)0 << from % WORD;
    while ((here = count_of(word)) <= left) {
        left -= here;
        word = subset->bits[++w];
    }
    return w * WORD + place_of(word, left);
}

/* Mark and word are on their way into the cache some rows ahead. */
void lk_subset_rows(const lk_subset *subset, int64_t n, const int64_t *i, int64_t *row)
{
    enum { AHEAD = 8 };
    for (int64_t k = 0; k < n; k++) {
        if (k + 2 * AHEAD < n) __builtin_prefetch(&subset->mark[i[k + 2 * AHEAD] / LK_SUBSET_STEP]);
        if (k + AHEAD < n)
            __builtin_prefetch(&subset->bits[subset->mark[i[k + AHEAD] / LK_SUBSET_STEP] / WORD]);
        row[k] = lk_subset_row(subset, i[k]);
    }
}
