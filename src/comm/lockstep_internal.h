/** The node window's contents and one step's working set: shared by reduce_lockstep.c and exchange.c. */
#ifndef LK_COMM_LOCKSTEP_INTERNAL_H
#define LK_COMM_LOCKSTEP_INTERNAL_H

#include <stdatomic.h>

#include "comm/record.h"
#include "comm/reduce_internal.h"
#include "comm/window.h"

typedef struct lk_exchange    lk_exchange;
typedef _Atomic unsigned char ready_flag;

/**
 * Slabs hold the fringe values of the host's ranks, in lane order: the leaves of the host's sums. Example, L
 * = 8, three ranks on one host, runs {0,1} {2,3,4} {5,6,7}: slabs [01] | [23], [4] | [5], [67], and the
 * host's fringe is the root:
 * ([01] + [23]) + (([4] + [5]) + [67]), computed tile by tile by the tile's owner.
 */
typedef struct lk_lockstep {
    lk_window   *window;
    lk_record   *records;      /* window [ranks on host]: each rank's own */
    lk_record   *merged;       /* window: all hosts', written by the owner of chunk 0 (several hosts only) */
    int         *broken;       /* window [ranks on host]: an exchange failed there (several hosts only) */
    int         *slab_present; /* window [n_slabs] */
    float      **slab;         /* owned [n_slabs]: pointers into the window */
    lk_node     *slab_node;    /* owned [n_slabs] */
    int          n_slabs;      /* at least 1: a host without lanes needs a place for the sum */
    int          n_leaves;     /* slabs that hold a fringe value; n_slabs, or 0 on a host without lanes */
    int          first_slab, end_slab; /* this rank's */
    lk_node     *host_fringe;          /* owned [n_host_fringe] */
    int          n_host_fringe;
    int         *host_leaf; /* owned [n_host_fringe + 1]: first slab under each */
    int         *place;     /* owned [n_host_fringe]: slab that holds its value in this step, -1: absent */
    lk_tree_add *adds;      /* owned [n_slabs]: additions of a tile's host sum */
    int          n_adds;
    bool        *present; /* owned [n_slabs] */
    float       *scratch; /* owned [n_scratch][LK_TILE_FLOATS] */
    int          n_scratch;
    float      **temp; /* owned [n_temp]: gradients that wait for a sibling, [total_floats] each */
    int          n_temp;
    lk_fold      fold;
    int          slab_at;              /* slab of the fringe node whose groups come now */
    int          first_tile, end_tile; /* my slice */
    int *tile_place; /* owned [end_tile - first_tile]: slab with a tile's whole sum, -1: no lane has it */
    lk_exchange *exchange; /* NULL on one host; what follows serves it */
    bool         begun;    /* this step's exchange: presence is known, segments may have left */
    bool         in_last_group;
    int          n_last_adds, last_buffer; /* additions due at its end; buffer last_buffer-1 += last_buffer */
    bool        *folded;                   /* owned [n_spans]: they are done for this span */
    ready_flag **ready; /* owned [ranks on host]: rows of the window [n_spans + 1]: see raise_flag */
} lk_lockstep;

#endif
