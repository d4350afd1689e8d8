/**
 * Ranks that share work on files. This folder knows no MPI: `train` hands in how the ranks meet. Where no share is given (NULL),
 * this rank does all of it.
 */
#ifndef LK_DATA_SHARE_H
#define LK_DATA_SHARE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct lk_share {
    int rank, size;
    /** Row [n] of every rank into rows [size, n]; every rank leaves with the status of the first that failed. */
    lk_status (*gather)(void *context, lk_status mine, const double *row, int n, double *rows);
    void *context;
} lk_share;

static inline int lk_share_rank(const lk_share *share)
{
    return share ? share->rank : 0;
}

static inline int lk_share_size(const lk_share *share)
{
    return share ? share->size : 1;
}

/** Rank r takes [first(r), first(r + 1)) of n things: neighbours, and as many as the others or one more. */
static inline int64_t lk_share_first(const lk_share *share, int rank, int64_t n)
{
    return (int64_t)((__int128)n * rank / lk_share_size(share));
}

/** Collective, all of them: a rank that failed gives its status, and nobody waits for it. */
lk_status lk_share_gather(const lk_share *share, lk_status mine, const double *row, int n, double *rows);
lk_status lk_share_agree(const lk_share *share, lk_status mine);
/** Of items of `bytes` bytes in `all`, rank r has those in [first[r], first[r + 1]); afterwards all ranks have all. In rounds
 * that take no more than a few MiB. */
lk_status lk_share_spread(const lk_share *share, lk_status mine, void *all, size_t bytes,
                          const int64_t *first);

#endif
