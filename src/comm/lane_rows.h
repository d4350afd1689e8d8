/**
 * A row of doubles a lane, from the rank that works on the lane to all ranks, in the middle of a step. Whether all ranks are
 * well travels with it: one that has failed says so here, and all know it before anybody waits for it again.
 */
#ifndef LK_COMM_LANE_ROWS_H
#define LK_COMM_LANE_ROWS_H

#include "comm/comm.h"

typedef struct lk_lane_rows lk_lane_rows;

/** For up to `most_width` doubles a lane. Local. */
lk_status lk_lane_rows_create(lk_comm *comm, int lanes, int64_t most_width, lk_lane_rows **out);
void      lk_lane_rows_destroy(lk_lane_rows **rows);

/**
 * rows [lanes][width], in: those of this rank's lanes; out: all, the same on every rank. *well, in: nothing has failed on this
 * rank; out: on no rank; where it is false `rows` is unspecified. Collective; LK_E_MPI where the others cannot be reached.
 */
lk_status lk_lane_rows_share(lk_lane_rows *rows, double *values, int64_t width, bool *well);

/** Bytes of memory. */
int64_t lk_lane_rows_bytes(const lk_lane_rows *rows);

#endif
