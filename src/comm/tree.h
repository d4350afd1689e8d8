/**
 * The canonical tree over the lanes of a step (design 2a), as pure functions of lane numbers: no MPI, no
 * buffers.
 *
 * L lanes, S the next power of two. Node (lo, s) stands for lanes lo .. lo+s-1. A lane at or above L is
 * absent, and so is an empty lane of the batch; a node with one absent child is the other child. Example, L =
 * 5:
 *
 *                (0,8)              value(0,8) = ((0 + 1) + (2 + 3)) + 4
 *           (0,4)      (4,4)        (4,4) has one lane and is lane 4 itself
 *        (0,2)  (2,2)    4
 */
#ifndef LK_COMM_TREE_H
#define LK_COMM_TREE_H

#include "comm/reduce.h"

enum { LK_TREE_DEPTH = 32 };

/** The root (0, S). */
lk_node lk_tree_root(int lanes);

/** Lanes that a node has: s, cut at L. */
int lk_tree_node_lanes(int lanes, lk_node node);

/** First lane of position q of p: q L / p, rounded down. */
int lk_tree_cut(int lanes, int p, int q);

/**
 * The fringe of lanes first .. end-1: the largest nodes that lie inside the run (lanes at or above L count as
 * inside), in lane order; max_s > 0 cuts them into nodes of at most max_s. Returns how many; `out` may be
 * NULL to count.
 */
int lk_tree_fringe(int lanes, int first, int end, int max_s, lk_node *out);

/**
 * Folding like a binary counter. Groups under one fringe node arrive in order; values that wait for a sibling
 * stand on a stack, and the present ones among them occupy buffers 0, 1, 2 ... from the bottom. So the next
 * group's value goes to buffer `n_present`, and what is left at the end is the fringe node's value in buffer
 * 0. No value is ever copied.
 */
typedef struct lk_fold {
    lk_node node[LK_TREE_DEPTH];
    bool    present[LK_TREE_DEPTH];
    int     depth;     /* nodes on the stack */
    int     n_present; /* buffers in use */
} lk_fold;

void lk_fold_start(lk_fold *fold);
/**
 * Pushes a group under the fringe node `top`; returns the number n of additions now due. With t = n_present +
 * n - 1 after the call: buffer t-1 += buffer t, then t-2 += t-1, and so on, n times.
 */
int lk_fold_push(lk_fold *fold, int lanes, lk_node top, lk_node group, bool present);
/** The top of the tree is complete: one node is left and it is `top`. */
bool lk_fold_done(const lk_fold *fold, lk_node top);
/** Buffers needed at most to fold a fringe node from groups of at most max_s lanes. */
int lk_tree_fold_buffers(int lanes, lk_node top, int max_s);

/** One addition of a sum along the tree: out = a + b, each the number of a place. */
typedef struct lk_tree_add {
    int out, a, b;
} lk_tree_add;

/**
 * The additions that turn the values at `leaves` (in lane order, places 0 .. n-1; present[i] or absent) into
 * the value of `top`, in an order in which they can be done. Intermediate sums go to scratch places n, n+1,
 * ...; the last addition goes to the place of the leftmost present leaf. At most n - 1 additions and
 * *n_scratch scratch places. Returns the place of the value, or -1 if all leaves are absent. `leaves` must
 * lie under `top` and cover its lanes.
 */
int lk_tree_program(int lanes, lk_node top, const lk_node *leaves, const bool *present, int n,
                    lk_tree_add *adds, int *n_adds, int *n_scratch);

#endif
