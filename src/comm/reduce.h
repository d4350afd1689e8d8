/**
 * The reduction: lane gradients in, updated parameters out, the same bits on any rank count (design 2a).
 *
 * It owns the buffers that live once per host: state (parameters and statistics) and optimizer slots. A step:
 *
 * - local, may fail: for each of my groups buffer = begin(group), forward, backward into buffer, end(group);
 * - collective: finish, which folds, sums, exchanges, agrees, hooks each of my tiles, publishes.
 *
 * A group is a node (lo, s) of the canonical tree inside this rank's run of lanes: the largest nodes of at
 * most `group_lanes` lanes that tile the run. `sums` is a table of doubles, one row a lane, summed along the
 * same tree.
 */
#ifndef LK_COMM_REDUCE_H
#define LK_COMM_REDUCE_H

#include "comm/comm.h"
#include "core/span.h"

typedef enum lk_reduce_kind { LK_REDUCE_LOCKSTEP, LK_REDUCE_ALLREDUCE } lk_reduce_kind;

typedef struct lk_reduce_options {
    lk_reduce_kind kind;
    int            lanes;       /* L of the config, never of the launch */
    int            group_lanes; /* a power of two: lanes that one backward call may take */
    int            n_slots;     /* optimizer slots of parameter_floats each */
    int     n_sums;       /* columns of the table of sums; 0 is the weight, 1 the count of rows, 2 the loss */
    double  clip_norm;    /* of the mean gradient of parameters, 0: off */
    int64_t bucket_bytes; /* allreduce kind; 0: 1 MiB */
} lk_reduce_options;

typedef struct lk_node {
    int lo, s; /* lanes lo .. lo+s-1; s a power of two, lo a multiple of s */
} lk_node;

typedef struct lk_reduce lk_reduce;

/** Collective. Too little shared memory is found before it is asked for: LK_E_NOMEM with the need and the way
 * out. */
lk_status lk_reduce_create(lk_comm *comm, const lk_reduce_options *options, const lk_span_table *spans,
                           lk_reduce **out);
void      lk_reduce_destroy(lk_reduce **reduce); /* collective */

float *lk_reduce_state(lk_reduce *reduce);          /* [total_floats], one copy a host (lockstep) or a rank */
float *lk_reduce_slot(lk_reduce *reduce, int slot); /* [parameter_floats] */
/** After writing state or slots (start, resume): equal values on every host. Root's copy wins. Collective. */
lk_status lk_reduce_publish(lk_reduce *reduce);

/** The lanes of this rank, [first, first + n), and its groups in lane order. */
void    lk_reduce_run(const lk_reduce *reduce, int *first, int *n);
int     lk_reduce_n_groups(const lk_reduce *reduce);
lk_node lk_reduce_group(const lk_reduce *reduce, int group);

/** Where this group's folded gradient goes, [total_floats], to be overwritten. Groups go in order, one at a
 * time. */
float *lk_reduce_group_begin(lk_reduce *reduce, int group);
/** The row of doubles [n_sums] of one of this rank's lanes; zeroed at the start of a step. */
double *lk_reduce_lane_sums(lk_reduce *reduce, int lane);
/** `present` false: all lanes of the group are empty in this batch and the buffer was not written. Local. */
void lk_reduce_group_end(lk_reduce *reduce, int group, bool present);

/**
 * To be called by backward (lk_span_hook) of a group that is present, once a span of its buffer is complete.
 * Between hosts sending starts when the last groups of all ranks of this host have reported it. Does not
 * wait. -1: no span, but a moment to send what is ready and take what has come. Local.
 */
void lk_reduce_span_ready(lk_reduce *reduce, int span);

typedef struct lk_tile_update {
    const lk_tile *tile;
    float         *state;      /* [count] at the tile: update in place */
    const float   *sum;        /* [count] over all lanes */
    float          mean_scale; /* mean_scale * sum is the mean gradient: 1 / weight; statistics: 1 / rows */
    float          grad_scale; /* clip factor, 1 without clipping */
} lk_tile_update;

/** Updates one tile; called for each tile that this rank owns, after all ranks agreed that the step is good.
 */
typedef void lk_tile_hook(void *context, const lk_tile_update *update);

enum { LK_FLAG_STOP = 1, LK_FLAG_TIME = 2 };

typedef struct lk_step_result {
    unsigned      flags;     /* of all ranks, or-ed */
    double        grad_norm; /* of the mean gradient of parameters, before clipping */
    float         grad_scale;
    const double *sums; /* [n_sums], tree sum over all lanes; valid until the next begin */
} lk_step_result;

/**
 * Ends the step. `local` is this rank's status: if any rank failed, or a sum, loss or gradient is not finite
 * (LK_E_DIVERGED, naming the first span), every rank returns the same status and message and no parameter has
 * moved. Collective. Order of additions: the canonical tree for LK_REDUCE_LOCKSTEP; for LK_REDUCE_ALLREDUCE
 * it depends on ranks, lanes per rank and MPI's algorithm.
 */
lk_status lk_reduce_finish(lk_reduce *reduce, lk_status local, unsigned flags, lk_tile_hook *hook,
                           void *context, lk_step_result *result);

/** Compares a hash of state and slots between hosts; LK_E_DESYNC names span and odd host. One host: LK_OK.
 * Collective. */
lk_status lk_reduce_verify(lk_reduce *reduce);

/** Figures for header, reports and tests. */
typedef struct lk_reduce_info {
    int     n_slabs_host;       /* fringe values on this host */
    int     fringe_total;       /* K of design 2a */
    int64_t window_bytes;       /* shared memory of this host */
    int64_t private_bytes;      /* state, gradients and slots of this rank where none is shared */
    int64_t sent_bytes;         /* all that this rank sent to other hosts so far */
    int64_t payload_bytes;      /* gradients among it */
    int64_t planned_bytes_step; /* payload of one step by the plan, this rank */
    int64_t n_window_steps, n_exchange_steps; /* steps that used them: proof that a path was taken */
    int64_t n_early_segments;                 /* left during backward */
    double  balance;                          /* L / (p * ceil(L / p)) */
    double  fold_s, sum_s, exchange_s, norm_s, update_s, barrier_s; /* seconds so far, this rank */
    double  early_s; /* spent on folding, adding and sending during backward; sum_s counts its part of it */
} lk_reduce_info;
void lk_reduce_get_info(const lk_reduce *reduce, lk_reduce_info *info);

/**
 * Sum along the canonical tree of rows [n_lanes][n] of doubles into out [n]: the same call serves evaluation
 * chunks. `present` [n_lanes] or NULL (all). Local, deterministic.
 */
void lk_tree_sum_rows(const double *rows, const bool *present, int n_lanes, int n, double *out);

#endif
