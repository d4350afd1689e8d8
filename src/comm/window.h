/**
 * One block of memory that all ranks of a host see: MPI_Win_allocate_shared, or plain memory where a host has
 * one rank.
 *
 * Pieces are taken in the same order by every rank of the host, each begins a page, and who will own a part
 * touches it first. Ranks that share it order their accesses by lk_window_barrier alone.
 */
#ifndef LK_COMM_WINDOW_H
#define LK_COMM_WINDOW_H

#include "comm/comm.h"

typedef struct lk_window lk_window;

enum { LK_PAGE_BYTES = 4096 };

/** Bytes that a piece takes from the window: whole pages. */
size_t lk_window_piece(size_t bytes);

/**
 * `bytes` is the sum of the pieces, equal on the ranks of a host. Too little shared memory on any machine
 * gives LK_E_NOMEM on every rank before anything is asked for. The memory is not zeroed. Collective on the
 * whole comm.
 */
lk_status lk_window_create(lk_comm *comm, size_t bytes, lk_window **out);
void      lk_window_destroy(lk_window **window); /* collective on the host */

/** The next piece, at a page boundary. */
void *lk_window_take(lk_window *window, size_t bytes);

/** All ranks of the host; what was written before is visible after. Not a call of MPI. */
void lk_window_barrier(lk_window *window);

bool lk_window_is_shared(const lk_window *window);

#endif
