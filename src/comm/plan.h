/**
 * Who sends which sums to whom: a pure function of lanes, ranks per host and chunk sizes, so that all ranks
 * derive the same plan by themselves (design 2a). No MPI here.
 *
 * Tiles of a host are cut into one slice a rank; the tile range cut at every slice boundary of every host
 * gives pieces with one owner a host, and each piece is cut into 8 m chunks or more. For each chunk, every
 * node of the canonical tree with lanes on two or more hosts is computed at the place of one of its children:
 * where both values already are, else in the direction that has carried less so far. The sum goes back along
 * a spanning tree of the same edges.
 * Among up to eight hosts, unless they are 2^k of one node each, a hub adds up the whole chunk instead.
 *
 * Four hosts with two lanes each, one chunk: round 1: 1 -> 0 and 3 -> 2; round 2: 2 -> 0; back: 0 -> 2; 0 ->
 * 1, 2 -> 3. Other chunks take the other directions, so all hosts send alike: recursive halving, then
 * doubling.
 */
#ifndef LK_COMM_PLAN_H
#define LK_COMM_PLAN_H

#include "comm/tree.h"
#include "core/span.h"

/** First tile of part k of n of these tiles: the first that begins at or after k / n of their floats; n_tiles
 * at k = n. */
int lk_slice_cut(const lk_tile *tiles, int n_tiles, int n, int k);
/** The part k of n that tile `tile` falls in. */
int lk_slice_of(const lk_tile *tiles, int n_tiles, int n, int tile);

/**
 * A run of tiles; contiguous in the flat buffer, padding between its spans included. Neighbouring chunks of a
 * piece form a segment: what travels together. Segments go through their rounds without regard to each other,
 * so while one is added up the next is on the wire.
 */
typedef struct lk_chunk {
    int     first_tile, end_tile;
    int64_t offset, count; /* floats */
    int     segment;       /* from 0 on, in the order of chunks; equal numbering on all ranks */
} lk_chunk;

/** All chunks in order, none empty; *chunks is the caller's (lk_free). */
lk_status lk_plan_chunks(const lk_tile *tiles, int n_tiles, int n_hosts, const int *host_ranks,
                         lk_chunk **chunks, int *n_chunks);

/** What the plan is made for. Arrays are borrowed during the call. */
typedef struct lk_plan_spec {
    int            lanes;
    int            n_hosts;
    const int     *host_ranks; /* [n_hosts] */
    int            n_chunks;
    const int64_t *chunk_floats;           /* [n_chunks], or NULL: all alike */
    int            host;                   /* keep what this host sends, receives or adds; -1: everything */
    int            first_chunk, end_chunk; /* keep these chunks */
} lk_plan_spec;

/**
 * One addition on the way up: value(node) = value at `to` + value at `from`, at host `to`. The values have
 * the names `to_leaf` and `from_leaf`: places in the list of all hosts' fringe nodes; the result keeps the
 * name `to_leaf`. from == to: both are there, nothing travels; done at the end of the round, in the plan's
 * order.
 */
typedef struct lk_plan_add {
    int     chunk, round;
    lk_node node;
    lk_node moved; /* child that travels */
    int     from, to, from_leaf, to_leaf;
} lk_plan_add;

/** A value that travels to its chunk's hub, to be added there under its own name (`adds` with from == to). */
typedef struct lk_plan_visit {
    int     chunk, round;
    lk_node node;
    int     from, to, leaf;
} lk_plan_visit;

/** The finished sum of a chunk on its way back; or, on the way up, status alone from a host without lanes
 * (round 0). */
typedef struct lk_plan_move {
    int chunk, round, from, to;
} lk_plan_move;

typedef struct lk_plan {
    lk_plan_add   *adds;    /* by chunk, then in tree order (children first) */
    lk_plan_visit *visits;  /* by chunk */
    lk_plan_move  *backs;   /* by chunk, then by round */
    lk_plan_move  *reports; /* chunk 0: hosts without lanes tell their status first */
    int            n_adds, n_visits, n_backs, n_reports;
    int            up_rounds, back_rounds; /* over all chunks and hosts; rounds count from 1 */
    int           *root_leaf;              /* [n_chunks] name of the complete sum */
    int           *host_leaf; /* [n_hosts + 1] first fringe node of each host in the list of all */
    int64_t       *sent;      /* [n_hosts] floats that each host sends in a step, all chunks */
    int            n_leaves;  /* K */
} lk_plan;

lk_status lk_plan_create(const lk_plan_spec *spec, lk_plan **out);
void      lk_plan_destroy(lk_plan **plan);

#endif
