/**
 * No hang: one thread per rank watches the ranks of its host and ends the job when nothing moves.
 *
 * Every rank owns a slot on a board in shared memory: what it does, since when, and a beat that its watchdog
 * thread renews. A stopped process has an old beat; a stuck one has old progress while it is not waiting for
 * others. Threads of this kind make no MPI call: they write one message and leave with exit code 77, which
 * ends the job. Limit: a host whose only rank is stopped is noticed by the other hosts, which can name the
 * host but not the phase.
 */
#ifndef LK_TRAIN_WATCHDOG_H
#define LK_TRAIN_WATCHDOG_H

#include "comm/comm.h"
#include "train/phase.h"

typedef struct lk_watchdog lk_watchdog;

typedef enum lk_wait {
    LK_WAIT_NONE, /* working */
    LK_WAIT_ALL,  /* in a collective: every rank should arrive soon */
    LK_WAIT_ROOT, /* for work of the root that may take long: evaluation, a checkpoint */
} lk_wait;

/** Starts the thread; `timeout` seconds, 0: no watchdog (*out NULL). Warns at a fifth of it. Collective. */
lk_status lk_watchdog_create(lk_comm *comm, double timeout, lk_watchdog **out);
void      lk_watchdog_destroy(lk_watchdog **watchdog);

/** This rank goes on: step, phase, and whether it now waits. NULL watchdogs are fine. Local, a few stores. */
void lk_watchdog_tick(lk_watchdog *watchdog, int64_t step, lk_phase phase, lk_wait wait);

#endif
