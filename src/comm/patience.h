/**
 * Somebody looks at the clock while MPI starts. An interface that leads nowhere, or a firewall, leaves all ranks waiting for
 * ever in their first message, without a word from MPI and before the watchdog of a run exists.
 */
#ifndef LK_COMM_PATIENCE_H
#define LK_COMM_PATIENCE_H

#include "comm/comm_internal.h"

typedef struct lk_patience lk_patience;

/**
 * From now on a thread waits: after 20 s the root says on stderr which networks MPI may use here, after 600 s the process ends
 * with 77. NULL where no thread is to be had: nobody looks then. Local.
 */
lk_patience *lk_patience_begin(const lk_launch *launch);
/** MPI is there. Takes the address; NULL is fine. */
void lk_patience_end(lk_patience **patience);
/** Puts the same into the message of a start that failed. Returns `status`. */
lk_status lk_patience_explain(const lk_launch *launch, lk_status status);

#endif
