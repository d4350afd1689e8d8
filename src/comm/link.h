/** What a link between two hosts carries: the yardstick of the exchange. */
#ifndef LK_COMM_LINK_H
#define LK_COMM_LINK_H

#include "comm/comm.h"

/**
 * Streams one way from rank `from` to rank `to` for about `seconds` while all others wait, with the messages
 * that the exchange uses; *bytes_per_s is what arrived over the time it took, on every rank. A short stream
 * first finds the rate, so a slow link is not kept busy for long. Collective. `from` and `to` differ.
 */
lk_status lk_link_goodput(lk_comm *comm, int from, int to, double seconds, double *bytes_per_s);

/** Half the median time of a message of 8 bytes there and back, in seconds, on every rank. Collective. */
lk_status lk_link_latency(lk_comm *comm, int from, int to, double *seconds);

/** What a pair of hosts reaches. */
typedef struct lk_link {
    int    from, to;     /* hosts */
    double latency_us;   /* half a round trip of 8 bytes, the least of several */
    double mbytes_per_s; /* messages of 1 MiB, there and back in turn: the fastest few in a row */
} lk_link;

/**
 * All pairs of hosts, their first ranks only, in rounds in which every host has one partner: so m hosts take m
 * rounds of about `seconds`. *links on the root: *n of them by (from, to), freed with lk_free; elsewhere NULL
 * and 0. Collective.
 */
lk_status lk_link_pairs(lk_comm *comm, double seconds, lk_link **links, int *n);

#endif
