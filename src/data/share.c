#include "data/share.h"

#include <string.h>

#include "core/alloc.h"

static const int64_t ROUND_BYTES = (int64_t)8 << 20; /* of all ranks together */

lk_status lk_share_gather(const lk_share *share, lk_status mine, const double *row, int n, double *rows)
{
    if (share) return share->gather(share->context, mine, row, n, rows);
    if (mine == LK_OK) memcpy(rows, row, (size_t)n * sizeof *row);
    return mine;
}

lk_status lk_share_agree(const lk_share *share, lk_status mine)
{
    double    none = 0, *all = NULL;
    lk_status st = LK_ALLOC(lk_share_size(share), &all);
    st = lk_share_gather(share, mine == LK_OK ? st : mine, &none, 1, all);
    lk_free(&all);
    return st;
}

typedef struct piece {
    char  *at;
    size_t bytes;
} piece;

/* What travels of a rank's items in the round that begins `at` bytes into them. */
static piece in_round(void *all, int64_t item, const int64_t *first, int64_t at, int64_t most)
{
    int64_t bytes = (first[1] - first[0]) * item - at;
    if (bytes <= 0) return (piece){all, 0};
    return (piece){(char *)all + first[0] * item + at, (size_t)(bytes < most ? bytes : most)};
}

lk_status lk_share_spread(const lk_share *share, lk_status mine, void *all, size_t bytes,
                          const int64_t *first)
{
    lk_status st = mine;
    int       size = lk_share_size(share), rank = lk_share_rank(share);
    int64_t   item = (int64_t)bytes, word = (int64_t)sizeof(double), longest = 0, words = 0;
    int64_t   most = ROUND_BYTES / word / size > 0 ? ROUND_BYTES / word / size : 1;
    double   *row = NULL, *rows = NULL;
    if (size == 1) return mine;
    for (int r = 0; st == LK_OK && r < size; r++)
        if ((first[r + 1] - first[r]) * item > longest) longest = (first[r + 1] - first[r]) * item;
    words = (longest + word - 1) / word < most ? (longest + word - 1) / word : most;
    if (st == LK_OK) st = LK_ALLOC(words, &row);
    if (st == LK_OK) st = LK_ALLOC(words * size, &rows);
    LK_TRY(lk_share_agree(share, st));
    for (int64_t at = 0; at < longest; at += words * word) {
        piece p = in_round(all, item, &first[rank], at, words * word);
        if (p.bytes) memcpy(row, p.at, p.bytes);
        LK_TRY(lk_share_gather(share, LK_OK, row, (int)words, rows));
        for (int r = 0; r < size; r++) {
            p = in_round(all, item, &first[r], at, words * word);
            if (r != rank && p.bytes) memcpy(p.at, rows + r * words, p.bytes);
        }
    }
done:
    lk_free(&row);
    lk_free(&rows);
    return st;
}
