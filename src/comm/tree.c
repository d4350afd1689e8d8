#include "comm/tree.h"

lk_node lk_tree_root(int lanes)
{
    int s = 1;
    while (s < lanes) s *= 2;
    return (lk_node){0, s};
}

int lk_tree_node_lanes(int lanes, lk_node node)
{
    int left = lanes - node.lo;
    return left < node.s ? left : node.s;
}

int lk_tree_cut(int lanes, int p, int q)
{
    return (int)((int64_t)q * lanes / p);
}

static void collect_fringe(int lanes, int first, int end, int max_s, lk_node node, lk_node *out, int *n)
{
    int stop = node.lo + lk_tree_node_lanes(lanes, node);
    if (node.lo >= lanes || node.lo >= end || stop <= first) return;
    bool inside = node.lo >= first && stop <= end;
    if (inside && (max_s <= 0 || node.s <= max_s)) {
        if (out) out[*n] = node;
        ++*n;
        return;
    }
    int half = node.s / 2;
    collect_fringe(lanes, first, end, max_s, (lk_node){node.lo, half}, out, n);
    collect_fringe(lanes, first, end, max_s, (lk_node){node.lo + half, half}, out, n);
}

int lk_tree_fringe(int lanes, int first, int end, int max_s, lk_node *out)
{
    int n = 0;
    if (first < end) collect_fringe(lanes, first, end, max_s, lk_tree_root(lanes), out, &n);
    return n;
}

/* ---- folding ---- */

void lk_fold_start(lk_fold *fold)
{
    fold->depth = fold->n_present = 0;
}

static bool is_left_child(lk_node node)
{
    return node.lo / node.s % 2 == 0;
}

static bool same_node(lk_node a, lk_node b)
{
    return a.lo == b.lo && a.s == b.s;
}

int lk_fold_push(lk_fold *fold, int lanes, lk_node top, lk_node group, bool present)
{
    int n_adds = 0;
    fold->node[fold->depth] = group;
    fold->present[fold->depth] = present;
    fold->depth++;
    fold->n_present += present;
    for (;;) {
        int     last = fold->depth - 1;
        lk_node node = fold->node[last];
        if (same_node(node, top)) break;
        if (is_left_child(node)) {
            if (node.lo + node.s < lanes) break; /* its sibling is still to come */
            fold->node[last].s *= 2; /* its sibling lies at or above L: the parent is this child */
            continue;
        }
        bool both = fold->present[last - 1] && fold->present[last];
        n_adds += both;
        fold->n_present -= both;
        fold->present[last - 1] = fold->present[last - 1] || fold->present[last];
        fold->node[last - 1].s *= 2;
        fold->depth--;
    }
    return n_adds;
}

bool lk_fold_done(const lk_fold *fold, lk_node top)
{
    return fold->depth == 1 && same_node(fold->node[0], top);
}

int lk_tree_fold_buffers(int lanes, lk_node top, int max_s)
{
    int buffers = 1, covered = lk_tree_node_lanes(lanes, top);
    for (int s = max_s; s < covered; s *= 2) buffers++;
    return buffers;
}

/* ---- sums along the tree ---- */

typedef struct program {
    const lk_node *leaves;
    const bool    *present;
    lk_tree_add   *adds;
    int            lanes, n, next, n_adds, n_scratch;
} program;

/* Emits the additions for `node` with scratch places from n + free on; returns the place of its value, -1:
 * absent. */
static int emit(program *p, lk_node node, int free)
{
    if (node.lo >= p->lanes) return -1;
    if (same_node(node, p->leaves[p->next])) {
        int leaf = p->next++;
        return p->present[leaf] ? leaf : -1;
    }
    int half = node.s / 2;
    int a = emit(p, (lk_node){node.lo, half}, free);
    int b = emit(p, (lk_node){node.lo + half, half}, a >= p->n ? free + 1 : free);
    if (a < 0 || b < 0) return a < 0 ? b : a;
    p->adds[p->n_adds++] = (lk_tree_add){.out = p->n + free, .a = a, .b = b};
    if (p->n_scratch < free + 1) p->n_scratch = free + 1;
    return p->n + free;
}

int lk_tree_program(int lanes, lk_node top, const lk_node *leaves, const bool *present, int n,
                    lk_tree_add *adds, int *n_adds, int *n_scratch)
{
    program p = {.leaves = leaves, .present = present, .adds = adds, .lanes = lanes, .n = n};
    int     place = emit(&p, top, 0);
    if (place >= n) {
        for (place = 0; !present[place]; place++) {
        }
        adds[p.n_adds - 1].out = place;
    }
    *n_adds = p.n_adds;
    *n_scratch = p.n_scratch;
    return place;
}

void lk_tree_sum_rows(const double *rows, const bool *present, int n_lanes, int n, double *out)
{
    for (int column = 0; column < n; column++) {
        double  stack[LK_TREE_DEPTH]; /* values of the present nodes on the fold's stack, bottom first */
        lk_fold fold;
        lk_node top = lk_tree_root(n_lanes);
        lk_fold_start(&fold);
        for (int lane = 0; lane < n_lanes; lane++) {
            bool here = !present || present[lane];
            if (here) stack[fold.n_present] = rows[(int64_t)lane * n + column];
            int adds = lk_fold_push(&fold, n_lanes, top, (lk_node){lane, 1}, here);
            for (int t = fold.n_present + adds - 1; adds > 0; adds--, t--) stack[t - 1] += stack[t];
        }
        out[column] = fold.n_present ? stack[0] : 0;
    }
}
