/** What both kinds of reduction share: the run of lanes, tiles, the judgement of a step, and the hook's call.
 */
#ifndef LK_COMM_REDUCE_INTERNAL_H
#define LK_COMM_REDUCE_INTERNAL_H

#include "comm/comm_internal.h"
#include "comm/reduce.h"
#include "comm/tree.h"

/** Divisors and clip factor of a step, equal on all ranks. */
typedef struct lk_factors {
    float inverse_weight; /* (float)(1.0 / weight): mean gradient = sum * inverse_weight */
    float inverse_count;  /* (float)(1.0 / rows): statistics */
    float grad_scale;
} lk_factors;

/** One figure a tile of the summed gradient, written by the tile's owner. */
typedef struct lk_tile_table {
    double *squares; /* [n_tiles] sum of squares; 0 for statistics */
    double *bad;     /* [n_tiles] values that are not finite */
} lk_tile_table;

/** One way to reduce. `finish` and the others get what the front has checked; see reduce.h for what each
 * promises. */
typedef struct lk_reduce_methods {
    lk_status (*create)(lk_reduce *reduce);
    void (*destroy)(lk_reduce *reduce);
    lk_status (*publish)(lk_reduce *reduce);
    float *(*group_begin)(lk_reduce *reduce, int group);
    void (*group_end)(lk_reduce *reduce, int group, bool present);
    void (*span_ready)(lk_reduce *reduce, int span); /* NULL: nothing leaves before the last group's end */
    lk_status (*finish)(lk_reduce *reduce, lk_status local, unsigned flags, lk_tile_hook *hook, void *context,
                        lk_step_result *result);
    /* Tiles whose hash this rank gives, and a barrier after which all hashes of a replica stand in `hashes`.
     */
    void (*verify_range)(const lk_reduce *reduce, int *first, int *end);
    void (*verify_barrier)(lk_reduce *reduce);
} lk_reduce_methods;

extern const lk_reduce_methods lk_reduce_allreduce, lk_reduce_lockstep;

struct lk_reduce {
    lk_comm                 *comm;  /* borrowed, outlives us */
    const lk_span_table     *spans; /* borrowed, outlives us */
    lk_reduce_options        options;
    const lk_reduce_methods *methods;
    void                    *impl; /* owned by the methods */
    lk_tile                 *tiles;
    int                      n_tiles;
    int                      first_lane, end_lane; /* this rank's run */
    lk_node                 *groups;               /* [n_groups] owned */
    int                      n_groups;
    float                   *state; /* owned by the methods, as are slots, rows, table and hashes */
    float                   *slots; /* [n_slots][parameter_floats] */
    double                  *rows;  /* [lanes][n_sums] */
    lk_tile_table            table;
    uint64_t                *hashes;       /* [1 + n_slots][n_tiles] of this replica */
    uint64_t                *span_hashes;  /* [1 + n_slots][n_spans] owned scratch */
    double                  *sums;         /* [n_sums] owned: tree sum of rows */
    bool                    *lane_present; /* [lanes] owned scratch */
    lk_reduce_info           info;
};

/** Sum of squares and bad values of one tile of the summed gradient into the table; NULL: no lane has it, all
 * 0. */
void lk_reduce_measure_tile(lk_reduce *reduce, const lk_tile *tile, const float *sum);
/** The same where the sum of squares is known already. */
void lk_reduce_note_tile(lk_reduce *reduce, const lk_tile *tile, const float *sum, double squares);

/** Tree sum of all rows into reduce->sums; lanes without rows in this batch (column 1 is 0) are absent. */
void lk_reduce_sum_rows(lk_reduce *reduce);

/**
 * Whether the step is good, from reduce->sums and the whole tile table: LK_E_DATA if nothing has weight,
 * LK_E_DIVERGED naming what is not finite. Fills result (but flags) and factors. Local, and equal wherever
 * its input is equal.
 */
lk_status lk_reduce_judge(lk_reduce *reduce, lk_step_result *result, lk_factors *factors);

/** The hook's call for one tile. */
void lk_reduce_update_tile(lk_reduce *reduce, const lk_tile *tile, const float *sum,
                           const lk_factors *factors, lk_tile_hook *hook, void *context);

/** Zeroes the rows of this rank's lanes. */
void lk_reduce_clear_rows(lk_reduce *reduce);

/** Floats of all slots together. */
int64_t lk_reduce_slot_floats(const lk_reduce *reduce);

#endif
