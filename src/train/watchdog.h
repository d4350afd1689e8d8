/**
 * No hang: one thread per rank watches the ranks of its host and ends the job when nothing moves.
 *
 * Every rank owns a slot on a board in shared memory: its process, what it does, since when, and a beat that
 * its watchdog thread renews. A stopped process has a late beat, and the kernel knows it as stopped; a stuck one has old progress
 * while it is not waiting for others; a dead one is no process any more. Threads of this kind make no MPI call: they write
 * one message and leave, which ends the job: with exit code 77 for a hang, 137 for a death where the launcher
 * did not end the job itself. A job that was suspended as a whole (SIGSTOP to all, a laptop's lid) and goes
 * on is no hang: time in which a watchdog did not run itself does not count.
 *
 * Limits: a host whose only rank is stopped is noticed by the other hosts, which can name the host but not
 * the phase; where they wait for the root's own work (LK_WAIT_ROOT), after ten times as long. While files of any size are opened
 * (LK_WAIT_START), only a process of the own host that is stopped or dead is noticed. Without shared memory nobody watches.
 */
#ifndef LK_TRAIN_WATCHDOG_H
#define LK_TRAIN_WATCHDOG_H

#include "comm/comm.h"
#include "train/phase.h"

typedef struct lk_watchdog lk_watchdog;

typedef enum lk_wait {
    LK_WAIT_START, /* before the first step or chunk: no bound is known for how long this takes */
    LK_WAIT_NONE,  /* working */
    LK_WAIT_ALL,   /* in a collective: every rank should arrive soon */
    LK_WAIT_ROOT,  /* for work of the root that may take long: evaluation, a checkpoint */
} lk_wait;

/** How long it waits, and what it then says. */
typedef struct lk_watch {
    double             timeout; /* seconds; 0: no watchdog */
    const char        *set_by;  /* borrowed; the key or option that sets it, for the warning */
    bool               resumes; /* the same command goes on from a checkpoint */
    const char *const *tests;   /* borrowed; what step 0, 1, ... tests; NULL: they are steps */
} lk_watch;

/**
 * Starts the thread; *out is NULL where nobody watches: one rank, no timeout, no shared memory (a warning says so). Warns at a fifth of it. Collective, after
 * lk_comm_layout and not across another one.
 */
lk_status lk_watchdog_create(lk_comm *comm, lk_watch watch, lk_watchdog **out);
/** Says that this rank leaves in good order. Local. */
void lk_watchdog_destroy(lk_watchdog **watchdog);

/** This rank goes on: step, phase, and whether it now waits. NULL watchdogs are fine. Local, a few stores. */
void lk_watchdog_tick(lk_watchdog *watchdog, int64_t step, lk_phase phase, lk_wait wait);

#endif
