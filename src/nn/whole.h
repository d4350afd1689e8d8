/**
 * A step in which layers see the whole batch (batch_norm over: batch): all groups of lanes of this rank go through the layers
 * side by side. Before such a layer, forward and backward, each lane of each rank tells all ranks a row of doubles; every rank
 * joins the rows along the canonical tree, so all come to the same bits, whatever ranks and hosts there are.
 *
 *   layer     0      1      2 (whole)     3 ...
 *   group 0   ->     ->    | tell |  ->   ->
 *   group 1   ->     ->    | tell |  ->   ->
 *                          share, join
 *
 * All of it happens in the same order on every rank, one without a lane included. A rank that fails says so when it next
 * shares, and all ranks leave there together.
 */
#ifndef LK_NN_WHOLE_H
#define LK_NN_WHOLE_H

#include "nn/model.h"

/** True if a layer sees the whole batch while training: lk_model_forward of a training work is not enough then. */
bool lk_model_sees_batch(const lk_model *model);
/** The widest row that its lanes share: doubles, 0 if none sees the batch. */
int64_t lk_model_row_width(const lk_model *model);

/**
 * Makes the rows of all lanes known to all ranks. rows [lanes][width], in: those of this rank's lanes; out: all. *well, in:
 * nothing has failed here; out: nowhere, else `rows` is not to be read. Collective. An error means that the others cannot be
 * reached any more.
 */
typedef lk_status lk_share_rows(void *context, double *rows, int64_t width, bool *well);

typedef struct lk_whole_options {
    int            lanes;     /* of the step, over all ranks */
    int            n_parts;   /* groups of this rank; 0 is fine */
    int64_t        max_rows;  /* of a group */
    int            max_lanes; /* of a group */
    uint64_t       seed;      /* of dropout */
    lk_share_rows *share;     /* NULL: no other rank has a lane */
    void          *context;   /* of share */
} lk_whole_options;

/** One group of lanes on its way. */
typedef struct lk_part {
    lk_work        *work;     /* owned by the whole, as are d_output and gradient */
    const lk_batch *batch;    /* set by the caller before forward; without rows if its lanes are empty */
    const float    *output;   /* forward's result, valid until the next forward */
    float          *d_output; /* [max_rows, output] filled by the caller before backward */
    float *gradient; /* [total_floats] backward's result, as of lk_model_backward; only of parts with rows */
} lk_part;

typedef struct lk_whole lk_whole;

lk_status lk_whole_create(const lk_model *model, const lk_whole_options *options, lk_whole **out);
void      lk_whole_destroy(lk_whole **whole);
/** Workspaces, gradients and rows of this rank. */
int64_t  lk_whole_bytes(const lk_whole *whole);
int      lk_whole_n_parts(const lk_whole *whole);
lk_part *lk_whole_part(lk_whole *whole, int part);

/**
 * Forward of all parts. `local` is this rank's status so far: one that has failed only tells the others. Returns `local`, or
 * what failed here since. Where another rank has failed it returns early with lk_whole_stopped set. Collective as `share` is.
 */
lk_status lk_whole_forward(lk_whole *whole, const float *state, lk_status local);
/** Backward of all parts, likewise; nothing is done or shared if forward has stopped. */
lk_status lk_whole_backward(lk_whole *whole, const float *state, lk_status local);
/** Some rank has failed since forward began, and all ranks know it: nobody computes or shares any more in this step. */
bool lk_whole_stopped(const lk_whole *whole);

#endif
