/**
 * The hosts' sums travel: one object per rank, made once from the plan, run once a step between barriers 1
 * and 2.
 *
 * The owner of a chunk on one host talks to the owner of the same chunk on another. A round is Irecv, Isend,
 * Waitall, add; all that goes between two owners in a round is one message. With chunk 0 ride the record of
 * statuses and flags and the rows of sums of the lanes that travel, so its owner knows at the end what every
 * host has to say.
 */
#ifndef LK_COMM_EXCHANGE_H
#define LK_COMM_EXCHANGE_H

#include "comm/lockstep_internal.h"

/** Local, but for equal arguments everywhere; needs slabs, slices and the run's tiles. */
lk_status lk_exchange_create(lk_reduce *reduce, lk_exchange **out);
void      lk_exchange_destroy(lk_exchange **exchange);

/**
 * From the host's fringe values (place[]) to the whole sum of each of my tiles (tile_place[]). The owner of
 * chunk 0 also completes the window's rows and the merged record. Collective over all owners.
 */
lk_status lk_exchange_run(lk_exchange *exchange, lk_reduce *reduce);

#endif
