/* Weight gradients of dense layers: sums over rows, lane by lane, folded along the tree tile by tile in
 * registers. */
#include <string.h>

#include "kernels/blas.h"
#include "kernels/fold.h"
#include "kernels/set.h"

enum {
    PANEL_ROWS = 1024, /* rows that a tile of the result runs over before it leaves the registers */
    LEFT_ROWS =
        1 << 7, /* columns of d_y that a copy of that many rows holds: 512 KB, in the second-level cache */
    STACK_TILES = 12 /* values waiting for their right sibling: 1,024 lanes of one row make 11 */
};

typedef struct weight_work {
    int            n_lanes;
    const int64_t *start;
    int64_t        n, k;
    const float   *d_y, *x;
    float         *right; /* [PANEL_ROWS][width]: a panel of x */
    float *left; /* [LEFT_ROWS][PANEL_ROWS]: columns of d_y copied, where they are not read in place */
    /* the panel of columns in work, for nodes that are folded in memory */
    int64_t column;
    int     cols, vectors;
} weight_work;

/* One node of at most PANEL_ROWS rows, in work. */
typedef struct node_work {
    const weight_work  *all;
    const lk_fold_leaf *leaves;
    int                 n_leaves;
    int64_t             first, rows;
    bool                copied; /* d_y */
} node_work;

static int64_t rows_of(const weight_work *w, int lo, int size)
{
    const int end = lo + size < w->n_lanes ? lo + size : w->n_lanes;
    return w->start[end] - w->start[lo];
}

static int64_t tiles_of(int64_t units)
{
    return (units + lk_set->rows - 1) / lk_set->rows;
}

/* Rows of d_y that far apart drive each other out of the cache. */
static bool copies(int64_t n)
{
    return n % LK_BAD_STRIDE == 0;
}

/* Columns j .. j+units-1 of d_y, tile by tile as [rows][units of the tile]. */
static void copy_left(const node_work *node, int64_t j, int64_t units)
{
    const weight_work *w = node->all;
    const int64_t      tiles = tiles_of(units);
    for (int64_t s = 0; s < tiles; s++) {
        const int64_t at = s * units / tiles, high = (s + 1) * units / tiles - at;
        lk_set->copy(node->rows, high, w->d_y + node->first * w->n + j + at, w->n, w->left + at * node->rows,
                     high);
    }
}

static void ask_for_tile(int high, const lk_tile_call *t)
{
    for (int r = 0; r < high; r++) {
        __builtin_prefetch(t->c + r * t->ldc, 1);
        __builtin_prefetch(t->c + r * t->ldc + lk_set->lanes, 1);
    }
}

/* One tile of the result over all lanes of the node. */
static void tile_of_node(const node_work *node, int high, int vectors, const lk_tile_call *call)
{
    _Alignas(64) float stack[STACK_TILES * LK_TILE_FLOATS];
    const int          width = vectors * lk_set->lanes;
    int                depth = 0;
    ask_for_tile(high, call); /* a slab that other ranks have read is far away */
    for (int i = 0; i < node->n_leaves; i++) {
        const lk_fold_leaf *leaf = &node->leaves[i];
        const bool          last = i == node->n_leaves - 1;
        lk_tile_call        t = *call;
        t.a += (leaf->first - node->first) * t.col_a;
        t.b += (leaf->first - node->first) * t.ldb;
        if (t.ahead) t.ahead += (leaf->first - node->first) * t.ahead_step;
        t.k = leaf->rows;
        t.merges = leaf->merges;
        t.left = stack + (depth - 1) * LK_TILE_FLOATS;
        depth -= t.merges;
        if (!last) {
            t.c = stack + depth * LK_TILE_FLOATS;
            t.ldc = t.cols = width;
            t.flags = 0;
        }
        lk_set->tile(high, vectors, &t);
        depth++;
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int panel_vectors(const weight_work *w, int64_t column)
{
    return w->k - column > lk_set->lanes ? 2 : 1;
}

/*
 * The panel of columns from `column` of units j .. j+units-1; `target` says where unit j goes. Its first tile
 * asks for the rows of the next panel.
 */
static void node_panel(const node_work *node, int64_t j, int64_t units, int64_t column,
                       const lk_tile_call *target)
{
    const weight_work *w = node->all;
    const int64_t      tiles = tiles_of(units);
    const float       *x = w->x + node->first * w->k + column;
    const int          vectors = panel_vectors(w, column), width = vectors * lk_set->lanes;
    const int          cols = (int)least(width, w->k - column);
    lk_tile_call       t = *target;
    lk_set->copy(node->rows, cols, x, w->k, w->right, width);
    t.row_a = t.segments = 1;
    t.b = w->right;
    t.ldb = width;
    t.beta = 1.0f;
    t.ahead = column + cols < w->k ? x + cols : NULL;
    t.ahead_step = w->k;
    for (int64_t s = 0; s < tiles; s++) {
        const int64_t at = s * units / tiles, high = (s + 1) * units / tiles - at;
        t.a = node->copied ? w->left + at * node->rows : w->d_y + node->first * w->n + j + at;
        t.col_a = node->copied ? high : w->n;
        t.c = target->c + at * t.ldc;
        tile_of_node(node, (int)high, vectors, &t);
        t.ahead = NULL;
    }
}

static void plan_node(node_work *node, const weight_work *w, int lo, int size, lk_fold_leaf *leaves)
{
    *node = (node_work){.all = w, .leaves = leaves};
    node->n_leaves = lk_fold_plan(w->n_lanes, w->start, lo, size, leaves);
    node->first = leaves[0].first;
    node->rows = leaves[node->n_leaves - 1].first + leaves[node->n_leaves - 1].rows - node->first;
}

/* All lanes, of at most PANEL_ROWS rows together, into d_w: no sum of a lane leaves the registers but for the
 * stack. */
static void small_batch(const weight_work *w, bool add, float *d_w)
{
    lk_fold_leaf leaves[PANEL_ROWS];
    node_work    node;
    plan_node(&node, w, 0, lk_fold_size(w->n_lanes), leaves);
    node.copied = copies(w->n);
    const int64_t block = node.copied ? LEFT_ROWS : w->n;
    for (int64_t j = 0; j < w->n; j += block) {
        const int64_t units = least(block, w->n - j);
        if (node.copied) copy_left(&node, j, units);
        for (int64_t column = 0, cols; column < w->k; column += cols) {
            cols = least(panel_vectors(w, column) * lk_set->lanes, w->k - column);
            const lk_tile_call target = {.c = d_w + j * w->k + column,
                                         .ldc = w->k,
                                         .cols = (int)cols,
                                         .flags = add ? LK_TILE_ADD_C : 0};
            node_panel(&node, j, units, column, &target);
        }
    }
}

/* One panel of a node, or of a lane of more rows, whose chains then go on in `value` [n][width] from piece to
 * piece. */
static bool column_leaf(void *context, int lo, int size, float *value)
{
    const weight_work *w = context;
    const int          width = w->vectors * lk_set->lanes;
    lk_fold_leaf       leaves[PANEL_ROWS];
    lk_tile_call       target = {.c = value, .ldc = width, .cols = width};
    node_work          node;
    if (rows_of(w, lo, size) <= PANEL_ROWS) {
        plan_node(&node, w, lo, size, leaves);
        node_panel(&node, 0, w->n, w->column, &target);
        return true;
    }
    if (size > 1) return false;
    for (int64_t r = w->start[lo], end = w->start[lo + 1]; r < end; r += PANEL_ROWS) {
        const int64_t     piece[2] = {r, least(end, r + PANEL_ROWS)};
        const weight_work part = {1, piece, w->n, w->k, w->d_y, w->x, w->right, NULL, 0, 0, 0};
        plan_node(&node, &part, 0, 1, leaves);
        node_panel(&node, 0, w->n, w->column, &target);
        target.flags = LK_TILE_START_C;
    }
    return true;
}

static void large_batch(weight_work *w, bool add, float *d_w, float *value)
{
    for (w->column = 0; w->column < w->k; w->column += w->cols) {
        w->vectors = panel_vectors(w, w->column);
        const int          width = w->vectors * lk_set->lanes;
        const lk_fold_work fold = {w->n_lanes, w->start, w->n * width, column_leaf, w};
        w->cols = (int)least(width, w->k - w->column);
        lk_fold_buffers(&fold, 0, lk_fold_size(w->n_lanes), value);
        for (int64_t j = 0; j < w->n; j++) {
            const float *from = value + j * width;
            float       *to = d_w + j * w->k + w->column;
            for (int l = 0; l < w->cols; l++) to[l] = add ? to[l] + from[l] : from[l];
        }
    }
}

static bool blas_leaf(void *context, int lo, int size, float *value)
{
    const weight_work *w = context;
    const int64_t      first = w->start[lo];
    if (size == 1)
        lk_blas_gemm(w->n, w->k, w->start[lo + 1] - first, 1.0f, w->d_y + first * w->n, w->n, true,
                     w->x + first * w->k, w->k, false, 0.0f, value, w->k);
    return size == 1;
}

static bool bias_leaf(void *context, int lo, int size, float *value)
{
    const weight_work *w = context;
    if (size == 1) lk_column_sums(w->start[lo + 1] - w->start[lo], w->n, w->d_y + w->start[lo] * w->n, value);
    return size == 1;
}

static void store(int64_t n, const float *value, bool add, float *target)
{
    if (add)
        lk_vec_add(n, target, value, target);
    else
        memcpy(target, value, (size_t)n * sizeof *target);
}

int64_t lk_dense_weight_scratch(int n_lanes, int64_t n, int64_t k)
{
    if (lk_set->products_by_blas) return lk_fold_levels(n_lanes) * n * k;
    const int64_t left = copies(n) ? LEFT_ROWS * PANEL_ROWS + LK_TILE_MAX_WIDTH : 0;
    return (PANEL_ROWS + lk_fold_levels(n_lanes) * n) * 2 * lk_set->lanes + left;
}

void lk_dense_backward_weight(int n_lanes, const int64_t *start, int64_t n, int64_t k, const float *d_y,
                              const float *x, bool add, float *d_w, float *d_bias, float *scratch)
{
    weight_work w = {.n_lanes = n_lanes, .start = start, .n = n, .k = k, .d_y = d_y, .x = x};
    const int   size = lk_fold_size(n_lanes);
    if (!lk_fold_present(n_lanes, start, 0, size)) {
        if (!add) memset(d_w, 0, (size_t)(n * k) * sizeof *d_w);
        if (!add && d_bias) memset(d_bias, 0, (size_t)n * sizeof *d_bias);
        return;
    }
    if (d_bias) {
        const lk_fold_work fold = {n_lanes, start, n, bias_leaf, &w};
        lk_fold_buffers(&fold, 0, size, scratch);
        store(n, scratch, add, d_bias);
    }
    if (lk_set->products_by_blas) {
        const lk_fold_work fold = {n_lanes, start, n * k, blas_leaf, &w};
        lk_fold_buffers(&fold, 0, size, scratch);
        store(n * k, scratch, add, d_w);
        return;
    }
    w.right = scratch;
    w.left = w.right + PANEL_ROWS * 2 * lk_set->lanes; /* the room of the values: it takes one or the other */
    if (rows_of(&w, 0, size) <= PANEL_ROWS)
        small_batch(&w, add, d_w);
    else
        large_batch(&w, add, d_w, w.left);
}
