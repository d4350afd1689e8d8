/**
 * One training step between hosts, replayed event by event: the plan of the exchange, with given times of computing.
 *
 * Hosts hang on one switch that never is the limit. A message costs its two ranks time to pack and to take in, then
 * crosses the sender's and the receiver's link, each of which carries one message after the other in each direction.
 * A segment enters its next round at a rank when all messages of the present one have come and gone there. While a
 * rank computes it looks after messages only when a span of its gradient becomes complete. All as in
 * comm/exchange.c; what happens inside a host is in the times that the caller hands over.
 */
#ifndef LK_BENCH_REPLAY_H
#define LK_BENCH_REPLAY_H

#include "bench/samples.h"

enum { LK_REPLAY_SPANS = 8 }; /* the gradient is cut into as many equal spans */

typedef struct lk_replay_network {
    double bytes_per_s; /* of a link, one way */
    double latency_s;   /* of a small message, one way */
    double message_s;   /* of a rank, per message, at either end */
    double byte_s;      /* of a rank, per byte, at either end */
} lk_replay_network;

typedef struct lk_replay lk_replay;

/** Equal hosts of `ranks` ranks each; the plan is that of lk_plan_create. Local. */
lk_status lk_replay_create(int hosts, int ranks, int lanes, int64_t bytes, lk_replay **out);
void      lk_replay_destroy(lk_replay **replay);

/** Seconds from a common start until the last host has updated. `times` [hosts]; their `step` is not read. Local,
 * deterministic. */
double lk_replay_step(lk_replay *replay, const lk_replay_network *network, const lk_sample *times);

/** Bytes that the busiest host sends in a step. */
int64_t lk_replay_busiest_bytes(const lk_replay *replay);

#endif
