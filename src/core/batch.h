/**
 * A batch as it travels from `data` through `nn` and `loss`: the rows this rank works on now, cut into lanes.
 *
 * A lane is the unit of computation: batch-norm statistics, dropout and gradients see one lane. The rows of a
 * batch here belong to a run of neighbouring lanes; forward and backward take several lanes in one call where
 * the kernels give every row the same bits in any company, and fold lane gradients along the canonical tree
 * (design 2a).
 */
#ifndef LK_CORE_BATCH_H
#define LK_CORE_BATCH_H

#include "core/shape.h"

/**
 * Lanes first .. first+n-1 of the step. Lane first+i has rows start[i] .. start[i+1]-1 of the batch; it may
 * be empty. For backward the run is one node of the canonical tree: n <= s, s a power of two, first a
 * multiple of s.
 */
typedef struct lk_lanes {
    int            first;
    int            n;
    const int64_t *start; /* [n + 1], borrowed; start[0] = 0 */
} lk_lanes;

typedef struct lk_batch {
    int64_t        n; /* rows = start[n] of lanes */
    lk_lanes       lanes;
    int            n_inputs, n_targets;
    const void   **input;  /* [n_inputs]: n rows of the field's shape, float or int32_t, contiguous */
    const void   **target; /* [n_targets]: the same for targets */
    const float   *weight; /* [n] weight of each sample; NULL: all 1 */
    const float   *mask;   /* [n, elements of target 0] 0 or 1: elements that count; NULL: all */
    const int64_t *sample; /* [n] index of the sample in its source: keys the random numbers */
    int64_t        epoch;
    int64_t        step;
} lk_batch;

#endif
