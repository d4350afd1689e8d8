/* Weight gradients of dense layers: sums over rows, lane by lane, folded along the tree tile by tile in
 * registers. */
#include <string.h>

#include "kernels/blas.h"
#include "kernels/fold.h"
#include "kernels/set.h"

enum {
    PANEL_ROWS = 256, /* rows of x that a packed panel holds: 32 KB at 32 columns */
    STACK_TILES = 10  /* values waiting for their right sibling: 256 lanes of one row make 9 */
};

typedef struct weight_work {
    int            n_lanes;
    const int64_t *start;
    int64_t        n, k;
    const float   *d_y, *x;
    /* the panel of columns in work */
    int64_t column;
    int     cols, vectors;
    float  *pack; /* [PANEL_ROWS][width] */
} weight_work;

static int panel_width(const weight_work *w)
{
    return w->vectors * lk_set->lanes;
}

static void pack_rows(const weight_work *w, int64_t first, int64_t rows)
{
    lk_set->copy(rows, w->cols, w->x + first * w->k + w->column, w->k, w->pack, panel_width(w));
}

/* A node of at most PANEL_ROWS rows: each tile of the result runs over all lanes before it leaves the
 * registers. */
static void small_node(const weight_work *w, int lo, int size, const lk_tile_call *target)
{
    _Alignas(64) float stack[STACK_TILES * LK_TILE_FLOATS];
    lk_fold_leaf       leaves[PANEL_ROWS];
    const int          n_leaves = lk_fold_plan(w->n_lanes, w->start, lo, size, leaves);
    const int          width = panel_width(w);
    const int64_t      tiles = (w->n + lk_set->rows - 1) / lk_set->rows, base = leaves[0].first;
    pack_rows(w, base, leaves[n_leaves - 1].first + leaves[n_leaves - 1].rows - base);
    for (int64_t s = 0; s < tiles; s++) {
        const int64_t j = s * w->n / tiles, rows = (s + 1) * w->n / tiles - j;
        int           depth = 0;
        for (int i = 0; i < n_leaves; i++) {
            const bool   last = i == n_leaves - 1;
            lk_tile_call t = {.row_a = 1, .col_a = w->n, .ldb = width, .segments = 1, .beta = 1.0f};
            t.a = w->d_y + leaves[i].first * w->n + j;
            t.b = w->pack + (leaves[i].first - base) * width;
            t.k = leaves[i].rows;
            t.merges = leaves[i].merges;
            t.left = stack + (depth - 1) * LK_TILE_FLOATS;
            depth -= t.merges;
            t.c = last ? target->c + j * target->ldc : stack + depth * LK_TILE_FLOATS;
            t.ldc = last ? target->ldc : width;
            t.cols = last ? target->cols : width;
            t.flags = last ? target->flags : 0;
            lk_set->tile((int)rows, w->vectors, &t);
            depth++;
        }
    }
}

/* One lane of more rows: its chains go on from panel to panel in `value` [n][width]. */
static void long_lane(const weight_work *w, int lane, float *value)
{
    const int64_t end = w->start[lane + 1];
    for (int64_t r = w->start[lane]; r < end; r += PANEL_ROWS) {
        const int64_t      rows = end - r < PANEL_ROWS ? end - r : PANEL_ROWS;
        const lk_tile_call t = {.a = w->d_y + r * w->n,
                                .row_a = 1,
                                .col_a = w->n,
                                .b = w->pack,
                                .ldb = panel_width(w),
                                .k = rows,
                                .segments = 1,
                                .c = value,
                                .ldc = panel_width(w),
                                .cols = panel_width(w),
                                .flags = r > w->start[lane] ? LK_TILE_START_C : 0};
        pack_rows(w, r, rows);
        lk_tile_column(w->n, w->vectors, &t);
    }
}

static int64_t rows_of(const weight_work *w, int lo, int size)
{
    const int end = lo + size < w->n_lanes ? lo + size : w->n_lanes;
    return w->start[end] - w->start[lo];
}

static bool column_leaf(void *context, int lo, int size, float *value)
{
    const weight_work *w = context;
    if (rows_of(w, lo, size) <= PANEL_ROWS) {
        const lk_tile_call target = {.c = value, .ldc = panel_width(w), .cols = panel_width(w)};
        small_node(w, lo, size, &target);
        return true;
    }
    if (size == 1) long_lane(w, lo, value);
    return size == 1;
}

static void store_column(const weight_work *w, const float *value, bool add, float *d_w)
{
    for (int64_t j = 0; j < w->n; j++, value += panel_width(w), d_w += w->k)
        for (int l = 0; l < w->cols; l++) d_w[l] = add ? d_w[l] + value[l] : value[l];
}

static void weight_columns(weight_work *w, bool add, float *d_w, float *scratch)
{
    const int     size = lk_fold_size(w->n_lanes);
    const int64_t widest = 2 * lk_set->lanes;
    float        *value = scratch + PANEL_ROWS * widest;
    w->pack = scratch;
    for (w->column = 0; w->column < w->k; w->column += w->cols) {
        w->vectors = w->k - w->column > lk_set->lanes ? 2 : 1;
        w->cols = (int)(w->k - w->column < panel_width(w) ? w->k - w->column : panel_width(w));
        if (w->start[w->n_lanes] - w->start[0] <= PANEL_ROWS) {
            const lk_tile_call target = {
                .c = d_w + w->column, .ldc = w->k, .cols = w->cols, .flags = add ? LK_TILE_ADD_C : 0};
            small_node(w, 0, size, &target);
        } else {
            const lk_fold_work fold = {w->n_lanes, w->start, w->n * panel_width(w), column_leaf, w};
            lk_fold_buffers(&fold, 0, size, value);
            store_column(w, value, add, d_w + w->column);
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
    return (lk_fold_levels(n_lanes) * n + PANEL_ROWS) * 2 * lk_set->lanes;
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
    } else {
        weight_columns(&w, add, d_w, scratch);
    }
}
