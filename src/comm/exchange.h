/**
 * The hosts' sums travel: one object per rank, made once from the plan.
 *
 * The owner of a chunk on one host talks to the owner of the same chunk on another. Neighbouring chunks form
 * segments; a segment goes through its rounds by itself: Irecv, Isend, wait, add, next round. All that goes
 * between two owners in a round of a segment is one message. With chunk 0 ride the record of statuses and
 * flags and the rows of sums of the lanes that travel, so its owner knows at the end what every host has to
 * say.
 *
 * A segment may start when the host's sums of its tiles are complete, on each host in its own time and order,
 * during the backward pass if need be: who is early waits, and no order changes a bit.
 */
#ifndef LK_COMM_EXCHANGE_H
#define LK_COMM_EXCHANGE_H

#include "comm/lockstep_internal.h"

/** Local, but for equal arguments everywhere; needs slabs, slices and the run's tiles. */
lk_status lk_exchange_create(lk_reduce *reduce, lk_exchange **out);
void      lk_exchange_destroy(lk_exchange **exchange);

/** A step begins: the places of the host's fringe values are known, no segment has started. Local. */
void lk_exchange_begin(lk_exchange *exchange, lk_reduce *reduce);

/** My segments and their tiles, in the order of tiles. */
int  lk_exchange_n_segments(const lk_exchange *exchange);
void lk_exchange_tiles(const lk_exchange *exchange, int segment, int *first, int *end);

/** The segment with chunk 0: all ranks of the host must have set their records and rows before it starts. */
bool lk_exchange_carries_record(const lk_exchange *exchange, int segment);
bool lk_exchange_waits(const lk_exchange *exchange, int segment); /* not started in this step */

/** The host's sums of the segment's tiles are complete: sends what can go. Does not wait. */
lk_status lk_exchange_start(lk_exchange *exchange, lk_reduce *reduce, int segment);

/**
 * Takes what has arrived and sends what can go then; `wait`: for at least one message, if any is open. *n:
 * messages that ended.
 */
lk_status lk_exchange_progress(lk_exchange *exchange, lk_reduce *reduce, bool wait, int *n);

/**
 * A segment whose whole sums are here (tile_place[]), each once a step; -1: none right now. The owner of
 * chunk 0 then also has the window's rows and the merged record complete.
 */
int lk_exchange_take_complete(lk_exchange *exchange);

#endif
