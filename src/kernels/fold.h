/**
 * The canonical tree over the lanes of one call: value(lo, s) = value(lo, s/2) + value(lo + s/2, s/2), an
 * absent child leaving the other as it is.
 */
#ifndef LK_KERNELS_FOLD_H
#define LK_KERNELS_FOLD_H

#include <stdbool.h>
#include <stdint.h>

/** The least power of two not below n_lanes (1 for 0). */
int lk_fold_size(int n_lanes);

/** Levels of the tree, 1 for one lane: buffers a depth-first fold needs at most. */
int lk_fold_levels(int n_lanes);

/** True if some lane of node (lo, size) has rows. */
bool lk_fold_present(int n_lanes, const int64_t *start, int lo, int size);

/** A lane that is present, and how many nodes it completes whose children are both present. */
typedef struct lk_fold_leaf {
    int64_t first, rows;
    int     merges;
} lk_fold_leaf;

/**
 * The present lanes of node (lo, size) in order: after pushing a lane's value on a stack, `merges` times the
 * two topmost values are replaced by their sum, and at the end one value is left. Returns the number of
 * leaves, which is at most the node's number of rows.
 */
int lk_fold_plan(int n_lanes, const int64_t *start, int lo, int size, lk_fold_leaf *leaves);

/** Computes node (lo, size), known to be present, by `leaf`, or splits it; see lk_fold_buffers. */
typedef struct lk_fold_work {
    int            n_lanes;
    const int64_t *start;
    int64_t        floats; /* of one value */
    /* Overwrites value with the node (lo, size) and returns true, or returns false to have it split; size 1
     * must be done. */
    bool (*leaf)(void *context, int lo, int size, float *value);
    void *context;
} lk_fold_work;

/** Folds node (lo, size), which must be present, into value[0 .. floats); value[floats ..) holds the levels
 * below. */
void lk_fold_buffers(const lk_fold_work *work, int lo, int size, float *value);

/** target [n] = value, or with `add` what it held before + value. */
void lk_fold_store(int64_t n, const float *value, bool add, float *target);

#endif
