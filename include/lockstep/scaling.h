/** Scaling experiments: what the exchange between hosts reaches. */
#ifndef LOCKSTEP_SCALING_H
#define LOCKSTEP_SCALING_H

#include <stdint.h>

#include "lockstep/session.h"
#include "lockstep/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_exchange_options {
    const int64_t *sizes; /* [n_sizes] bytes of gradient */
    int            n_sizes;
    int            lanes;          /* 0: four a rank */
    int            ranks_per_host; /* > 0 cuts machines into virtual hosts */
    double         seconds;        /* to measure each size for */
    double         backward_s;     /* sleep in place of a backward pass that reports spans as it goes */
    int            json;
} lk_exchange_options;

/**
 * Times steps of made-up gradients through the reduction, with no model: one-way goodput of the links, time
 * and bytes of the exchange, and both against the plan and the bound 2 (m - 1) / m n / B. The sums are
 * checked. Collective; text on the root.
 */
LK_API lk_status lk_exchange_measure(lk_session *session, const lk_exchange_options *options, char **text);

#ifdef __cplusplus
}
#endif
#endif
