/* Weight gradients of dense layers: sums over rows, lane by lane, folded along the tree tile by tile in
 * registers. */
#include <string.h>

#include "kernels/blas.h"
#include "kernels/fold.h"
#include "kernels/own.h"
#include "kernels/set.h"

enum {
    NODE_ROWS = 1024,      /* rows that a tile of the result runs over before it leaves the registers */
    SIDE_FLOATS = 1 << 18, /* of d_y or x in a copy that is used for all of the other: 1 MB, more or less */
    BLOCK_PANELS =
        4, /* of x beside such a copy of d_y; a tile's rows stay in the first-level cache for them */
    BLOCK_UNITS = 56, /* of d_y beside such a copy of x */
    BLOCK_SIDE = 256, /* rows and columns of d_w whose lanes are folded in memory */
    COPIED_ROWS = 16, /* at a time, so that each line of the cache is read once */
    SPILL = 16,       /* floats that the last row of a copy may write beyond its end: less than a vector */
    STACK_TILES = 12  /* values waiting for their right sibling: 1,024 lanes of one row make 11 */
};

typedef struct weight_work {
    int            n_lanes;
    const int64_t *start;
    int64_t        n, k;
    const float   *d_y, *x;
    float         *right; /* [right_floats(k)]: panels of x */
    float         *left;  /* [left_floats(n)]: columns of d_y, tile by tile */
    /* the block of d_w in work, where it is folded in memory */
    int64_t j, units, column, cols;
} weight_work;

/* One node of at most NODE_ROWS rows, in work. */
typedef struct node_work {
    const weight_work  *all;
    const lk_fold_leaf *leaves;
    int                 n_leaves, asks; /* how often a tile over these rows asks for lines */
    int64_t             first, rows;
} node_work;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t rows_of(const weight_work *w, int lo, int size)
{
    const int end = lo + size < w->n_lanes ? lo + size : w->n_lanes;
    return w->start[end] - w->start[lo];
}

static int64_t tiles_of(int64_t units)
{
    return (units + lk_set->rows - 1) / lk_set->rows;
}

/* Copy of the tile of units from `at`, the s-th. */
static float *left_tile(const node_work *node, int64_t s, int64_t at)
{
    return node->all->left + at * node->rows + s * SPILL;
}

static int64_t panel_width(int64_t cols)
{
    return (cols > lk_set->lanes ? 2 : 1) * lk_set->lanes;
}

/* Columns j .. j+units-1 of d_y, tile by tile as [rows][units of the tile]. */
static void copy_left(const node_work *node, int64_t j, int64_t units)
{
    const weight_work *w = node->all;
    const int64_t      tiles = tiles_of(units);
    const float       *d_y = w->d_y + node->first * w->n + j;
    for (int64_t r = 0; r < node->rows; r += COPIED_ROWS) {
        const int64_t rows = least(COPIED_ROWS, node->rows - r);
        for (int64_t s = 0; s < tiles; s++) {
            const int64_t at = s * units / tiles, high = (s + 1) * units / tiles - at;
            lk_set->copy(rows, high, d_y + r * w->n + at, w->n, left_tile(node, s, at) + r * high, high);
        }
    }
}

/* Columns column .. column+cols-1 of x, panel by panel as [rows][width]; only the last panel may be narrower. */
static void copy_right(const node_work *node, int64_t column, int64_t cols)
{
    const weight_work *w = node->all;
    const int64_t      full = 2 * lk_set->lanes;
    const float       *x = w->x + node->first * w->k + column;
    for (int64_t r = 0; r < node->rows; r += COPIED_ROWS) {
        const int64_t rows = least(COPIED_ROWS, node->rows - r);
        for (int64_t at = 0; at < cols; at += full) {
            const int64_t width = panel_width(cols - at);
            lk_set->copy(rows, least(width, cols - at), x + r * w->k + at, w->k,
                         w->right + at * node->rows + r * width, width);
        }
    }
}

/* One tile of the result over all lanes of the node; next: where the tile after it will stand, or NULL. */
static void tile_of_node(const node_work *node, int high, int vectors, const lk_tile_call *call, float *next)
{
    _Alignas(64) float stack[STACK_TILES * LK_TILE_FLOATS];
    lk_tile_call       t = *call;
    t.lanes = node->leaves;
    t.n_lanes = node->n_leaves;
    t.stack = stack;
    /* Other ranks may have read the slab; at the end of the arithmetic the wait would only begin. */
    if (lk_prefetch_owns()) {
        t.own = next;
        t.n_own = next ? high : 0;
        for (int r = node->asks; next && r < high; r++) lk_ask_lines(2 * lk_set->lanes, next + r * t.ldc);
    } else {
        for (int r = 0; r < high; r++) lk_own_lines(t.cols, t.c + r * t.ldc);
    }
    lk_set->tile(high, vectors, &t);
}

/* A block of d_w over the rows of a node: units of which copy_left made a copy, columns of which copy_right did.
 * target: c, ldc and flags of the block. */
static void copied_block(const node_work *node, int64_t units, int64_t cols, const lk_tile_call *target)
{
    const int64_t tiles = tiles_of(units), full = 2 * lk_set->lanes;
    lk_tile_call  t = *target;
    t.row_a = 1;
    t.beta = 1.0f;
    for (int64_t r = 0; lk_prefetch_owns() && r < units / tiles; r++)
        lk_ask_lines(least(full, cols), t.c + r * t.ldc);
    for (int64_t s = 0; s < tiles; s++) {
        const int64_t at = s * units / tiles, high = (s + 1) * units / tiles - at;
        t.a = left_tile(node, s, at);
        t.col_a = high;
        t.c = target->c + at * t.ldc;
        for (int64_t c = 0; c < cols; c += full, t.c += full) {
            const bool last = c + full >= cols;
            float     *below = s + 1 < tiles ? target->c + (at + high) * t.ldc : NULL;
            t.ldb = panel_width(cols - c);
            t.cols = (int)least(t.ldb, cols - c);
            t.b = node->all->right + c * node->rows;
            tile_of_node(node, (int)high, (int)(t.ldb / lk_set->lanes), &t, last ? below : t.c + full);
        }
    }
}

/* The same for columns column .. column+cols-1 of which there is no copy yet. */
static void node_block(const node_work *node, int64_t units, int64_t column, int64_t cols,
                       const lk_tile_call *target)
{
    lk_tile_call t = *target;
    for (int64_t from = 0, some; from < cols; from += some, t.c += some) {
        some = least(BLOCK_PANELS * 2 * lk_set->lanes, cols - from);
        copy_right(node, column + from, some);
        copied_block(node, units, some, &t);
    }
}

/* The same for a single row of tiles: x is used once, so whole panels of it are read where they lie. */
static void narrow_block(const node_work *node, const lk_tile_call *target)
{
    const weight_work *w = node->all;
    const int64_t      full = 2 * lk_set->lanes, whole = w->k / full * full;
    lk_tile_call       t = *target;
    t.row_a = 1;
    t.beta = 1.0f;
    t.a = left_tile(node, 0, 0);
    t.col_a = w->n;
    t.ldb = w->k;
    t.cols = (int)full;
    t.b = w->x + node->first * w->k;
    for (int64_t c = 0; c < whole; c += full, t.b += full, t.c += full)
        tile_of_node(node, (int)w->n, 2, &t, c + full < whole ? t.c + full : NULL);
    t = *target;
    t.c += whole;
    node_block(node, w->n, whole, w->k - whole, &t);
}

/* Parts in which d_y, so large, is copied one after the other: SIDE_FLOATS each, more or less. */
static int64_t left_blocks(int64_t floats)
{
    const int64_t blocks = (floats + SIDE_FLOATS / 2) / SIDE_FLOATS;
    return blocks > 0 ? blocks : 1;
}

static void plan_node(node_work *node, const weight_work *w, int lo, int size, lk_fold_leaf *leaves)
{
    *node = (node_work){.all = w, .leaves = leaves};
    node->n_leaves = lk_fold_plan(w->n_lanes, w->start, lo, size, leaves);
    for (int i = 0; i < node->n_leaves; i++) node->asks += (int)(leaves[i].rows / LK_TILE_ASKS);
    node->first = leaves[0].first;
    node->rows = leaves[node->n_leaves - 1].first + leaves[node->n_leaves - 1].rows - node->first;
}

/* All lanes, of at most NODE_ROWS rows together, into d_w: no sum of a lane leaves the registers but for the stack.
 * What is copied whole, if it can be, is the smaller of d_y and x. */
static void small_batch(const weight_work *w, bool add, float *d_w)
{
    lk_fold_leaf leaves[NODE_ROWS];
    node_work    node;
    plan_node(&node, w, 0, lk_fold_size(w->n_lanes), leaves);
    if (w->n == 0) return;
    const int64_t wide = (w->k + lk_set->lanes - 1) / lk_set->lanes * lk_set->lanes;
    const bool    whole_x = w->k < w->n && node.rows * wide <= SIDE_FLOATS;
    const int64_t tiles = tiles_of(w->n);
    const int64_t blocks = whole_x ? (w->n + BLOCK_UNITS - 1) / BLOCK_UNITS : left_blocks(node.rows * w->n);
    if (whole_x) copy_right(&node, 0, w->k);
    for (int64_t b = 0, j = 0; b < blocks; b++) {
        const lk_tile_call target = {.c = d_w + j * w->k, .ldc = w->k, .flags = add ? LK_TILE_ADD_C : 0};
        const int64_t      units = (b + 1) * tiles / blocks * w->n / tiles - j;
        copy_left(&node, j, units);
        if (whole_x)
            copied_block(&node, units, w->k, &target);
        else if (tiles == 1)
            narrow_block(&node, &target);
        else
            node_block(&node, units, 0, w->k, &target);
        j += units;
    }
}

/* The block in work of a node, or of a lane of more rows, whose chains then go on in `value` [units][cols] from
 * piece to piece. */
static bool block_leaf(void *context, int lo, int size, float *value)
{
    const weight_work *w = context;
    lk_fold_leaf       leaves[NODE_ROWS];
    lk_tile_call       target = {.c = value, .ldc = w->cols};
    node_work          node;
    if (rows_of(w, lo, size) <= NODE_ROWS) {
        plan_node(&node, w, lo, size, leaves);
        copy_left(&node, w->j, w->units);
        node_block(&node, w->units, w->column, w->cols, &target);
        return true;
    }
    if (size > 1) return false;
    for (int64_t r = w->start[lo], end = w->start[lo + 1]; r < end; r += NODE_ROWS) {
        const int64_t piece[2] = {r, least(end, r + NODE_ROWS)};
        weight_work   part = *w;
        part.n_lanes = 1;
        part.start = piece;
        plan_node(&node, &part, 0, 1, leaves);
        copy_left(&node, w->j, w->units);
        node_block(&node, w->units, w->column, w->cols, &target);
        target.flags = LK_TILE_START_C;
    }
    return true;
}

static void large_batch(weight_work *w, bool add, float *d_w, float *value)
{
    for (w->j = 0; w->j < w->n; w->j += w->units) {
        w->units = least(BLOCK_SIDE, w->n - w->j);
        for (w->column = 0; w->column < w->k; w->column += w->cols) {
            w->cols = least(BLOCK_SIDE, w->k - w->column);
            const lk_fold_work fold = {w->n_lanes, w->start, w->units * w->cols, block_leaf, w};
            lk_fold_buffers(&fold, 0, lk_fold_size(w->n_lanes), value);
            for (int64_t i = 0; i < w->units; i++) {
                float *to = d_w + (w->j + i) * w->k + w->column;
                lk_fold_store(w->cols, value + i * w->cols, add, to);
            }
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

static int64_t right_floats(int64_t k)
{
    const int64_t panels = BLOCK_PANELS * NODE_ROWS * 2 * lk_set->lanes,
                  all = NODE_ROWS * (k + 2 * lk_set->lanes);
    return least(panels > SIDE_FLOATS ? panels : SIDE_FLOATS, all);
}

static int64_t left_floats(int64_t n)
{
    return least(2 * SIDE_FLOATS, NODE_ROWS * n) + tiles_of(n) * SPILL;
}

int64_t lk_dense_weight_scratch(int n_lanes, int64_t n, int64_t k)
{
    if (lk_set->products_by_blas) return lk_fold_levels(n_lanes) * n * k;
    const int64_t block = least(BLOCK_SIDE, n) * least(BLOCK_SIDE, k), levels = lk_fold_levels(n_lanes);
    const int64_t bias = levels * n, product = right_floats(k) + left_floats(n) + levels * block;
    return bias > product ? bias : product;
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
        lk_fold_store(n, scratch, add, d_bias);
    }
    if (lk_set->products_by_blas) {
        const lk_fold_work fold = {n_lanes, start, n * k, blas_leaf, &w};
        lk_fold_buffers(&fold, 0, size, scratch);
        lk_fold_store(n * k, scratch, add, d_w);
        return;
    }
    w.right = scratch;
    w.left = w.right + right_floats(k);
    if (rows_of(&w, 0, size) <= NODE_ROWS)
        small_batch(&w, add, d_w);
    else
        large_batch(&w, add, d_w, w.left + left_floats(n));
}
