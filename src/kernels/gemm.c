#include "kernels/gemm.h"

#include <stddef.h>

#include "kernels/blas.h"
#include "kernels/set.h"

enum {
    DEPTH = 2048, /* summed indices a packed panel holds: 256 KB at 32 columns */
    LEFT_FLOATS =
        3 << 14, /* rows of the left side that stay in the second-level cache: 192 KB, more or less */
    LEFT_ROOM =
        1 << 17, /* for a copy of them, or for rows of x that are turned: half as much again and a tile */
    TURNED_FLOATS = 1 << 17, /* rows of x held transposed at a time: 512 KB */
    TURNED_DEPTH = 128,      /* or columns of them, for a narrow result: 16 KB */
    NARROW = 4               /* columns of a result that are better held as rows */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Vectors that the panel of columns from j needs: two, or one where the rest fits one. */
static int panel_vectors(int64_t n, int64_t j)
{
    return n - j > lk_set->lanes ? 2 : 1;
}

static int64_t tiles_of(int64_t m)
{
    return (m + lk_set->rows - 1) / lk_set->rows;
}

void lk_tile_column(int64_t m, int vectors, const lk_tile_call *call)
{
    lk_tile_call  t = *call;
    const int64_t tiles = tiles_of(m);
    for (int64_t i = 0, row = 0; i < tiles; i++) {
        const int64_t end = (i + 1) * m / tiles;
        const int     rows = (int)(end - row);
        lk_set->tile(rows, vectors, &t);
        t.a += rows * t.row_a;
        t.c += rows * t.ldc;
        if (t.flags & LK_TILE_ROW_BIAS) t.bias += rows;
        row = end;
    }
}

/* Columns of a product whose right-hand side is brought into panels of [k][width], DEPTH summed indices at a
 * time. */
typedef struct right_side {
    const float *b;
    int64_t      ld;
    bool         transposed; /* b is [n, k] */
} right_side;

static void pack_panel(const right_side *side, int64_t l, int64_t depth, int64_t j, int64_t cols,
                       int64_t width, float *pack)
{
    if (side->transposed)
        lk_set->transpose(cols, depth, side->b + j * side->ld + l, side->ld, pack, width, width);
    else
        lk_set->copy(depth, cols, side->b + l * side->ld + j, side->ld, pack, width);
}

/* A block of rows of the left side; `copied`: it stands tile by tile as [depth][rows of the tile]. */
typedef struct left_side {
    const float *a;
    int64_t      m;
    bool         copied;
} left_side;

/* Rows of a left side that are multiples of LK_BAD_STRIDE apart drive each other out of the cache: they are
 * copied. */
static bool wants_copy(const lk_tile_call *shape, int64_t m, int64_t n)
{
    return shape->col_a == 1 && shape->row_a % LK_BAD_STRIDE == 0 && m > 1 && n > 2 * lk_set->lanes;
}

static void copy_left(int64_t m, int64_t depth, const float *a, int64_t row_a, float *copy)
{
    const int64_t tiles = tiles_of(m);
    for (int64_t i = 0, row = 0; i < tiles; i++) {
        const int64_t end = (i + 1) * m / tiles, rows = end - row;
        lk_set->transpose(rows, depth, a + row * row_a, row_a, copy + row * depth, rows, rows);
        row = end;
    }
}

/* Lines that are needed later, asked for by the tiles that run before: `left` times two lines, `step` floats apart,
 * `share` of them a tile. */
typedef struct wanted {
    const float *at;
    int64_t      step, left, share;
} wanted;

/* Rows of k floats one after the other, spread over so many tiles. */
static wanted rows_wanted(const float *at, int64_t rows, int64_t k, int64_t tiles)
{
    const int64_t left = (rows * k + 2 * LK_LINE - 1) / (2 * LK_LINE);
    return (wanted){at, 2 * LK_LINE, left, (left + tiles - 1) / tiles};
}

static void ask_for(wanted *w, lk_tile_call *t)
{
    const int64_t n = least(least(w->share, w->left), t->k / LK_TILE_ASKS);
    t->n_ahead = 0;
    if (n <= 0) return;
    t->ahead = w->at;
    t->ahead_step = w->step;
    t->n_ahead = (int)n;
    w->at += n * w->step;
    w->left -= n;
}

/*
 * All rows of a block, one panel: `call` describes row 0. While the tiles run they ask for the source of the next
 * panel, those that are left over for the next rows of the left side, and each for its own place in c.
 */
static void column(const left_side *left, int vectors, wanted *panel, wanted *next, const lk_tile_call *call)
{
    lk_tile_call  t = *call;
    const int64_t tiles = tiles_of(left->m);
    for (int64_t i = 0, row = 0; i < tiles; i++) {
        const int64_t end = (i + 1) * left->m / tiles, rows = end - row;
        if (left->copied) {
            t.a = left->a + row * t.k;
            t.row_a = 1;
            t.col_a = rows;
        } else {
            t.a = left->a + row * t.row_a;
        }
        ask_for(panel, &t);
        if (!t.n_ahead) ask_for(next, &t);
        t.own = t.c;
        t.n_own = (int)rows;
        lk_set->tile((int)rows, vectors, &t);
        t.c += rows * t.ldc;
        row = end;
    }
}

/* The source of the panel from j: rows that stand together, or a row or two lines of the cache for each summed
 * index. */
static wanted panel_wanted(const right_side *side, int64_t l, int64_t k, int64_t j, int64_t n)
{
    wanted w = {0};
    if (j >= n || (side->transposed && side->ld != k)) return w;
    if (side->transposed)
        w = rows_wanted(side->b + j * k, least(2 * lk_set->lanes, n - j), k, 1);
    else
        w = (wanted){side->b + l * side->ld + j, side->ld, k, k};
    return w;
}

/* One block of rows and of summed indices l ... over all panels; next: the rows of the block after it. kept: panels
 * stay in `pack`, made by the first block of rows. */
static void row_block(const left_side *left, int64_t n, int64_t l, bool opens, bool kept, wanted *next,
                      const lk_tile_call *shape, const right_side *side, float *pack)
{
    lk_tile_call t = *shape;
    for (int64_t j = 0; j < n; j += t.cols) {
        const int     vectors = panel_vectors(n, j);
        const int64_t width = vectors * lk_set->lanes;
        float        *panel = kept ? pack + j * t.k : pack;
        wanted        source = {0};
        t.cols = (int)least(width, n - j);
        t.c = shape->c + j;
        t.bias = shape->bias ? shape->bias + j : NULL;
        t.b = panel;
        t.ldb = width;
        if (!kept && !side->transposed && t.cols == width && left->m <= lk_set->rows) {
            t.b = side->b + l * side->ld + j; /* used by a single row of tiles: read where it is */
            t.ldb = side->ld;
        } else if (opens) {
            pack_panel(side, l, t.k, j, t.cols, width, panel);
            source = panel_wanted(side, l, t.k, j + t.cols, n);
        }
        column(left, vectors, &source, next, &t);
    }
}

/* Blocks of whole tiles that hold about LEFT_FLOATS each, LEFT_ROOM at most. */
static int64_t left_blocks(int64_t floats)
{
    const int64_t blocks = (floats + LEFT_FLOATS / 2) / LEFT_FLOATS;
    return blocks > 0 ? blocks : 1;
}

/* What becomes of a result: flags of the tiles that end its chains, then an activation that is no flag, over rows that
 * are still in the cache; those rows stand together. */
typedef struct finish {
    int         flags;
    lk_epilogue activation;
    float       slope;
    float      *derivative; /* [m, n] or NULL */
} finish;

static void activate(const finish *end, int64_t first, int64_t count, float *y)
{
    if (end->activation == LK_EPI_NONE) return;
    lk_act_forward(end->activation, end->slope, count, y, y,
                   end->derivative ? end->derivative + first : NULL);
}

/* c [m, n] = finish(a [m, k] b); `start` says what stands for the first block. */
static void product(int64_t m, int64_t n, int64_t k, const lk_tile_call *shape, const right_side *side,
                    int start, const finish *end, float *pack)
{
    const int64_t block =
        end->flags & LK_TILE_ADD_C ? k : DEPTH; /* c must keep its old value until the end */
    const int64_t tiles = tiles_of(m), panels = (n + 2 * lk_set->lanes - 1) / (2 * lk_set->lanes);
    lk_tile_call  t = *shape;
    if (m == 0 || n == 0) return;
    t.segments = 1;
    for (int64_t l = 0; l == 0 || l<k; l += block> 0 ? block : 1) {
        t.k = least(block, k - l);
        const bool ends = l + block >= k;
        t.flags = (l == 0 ? start : LK_TILE_START_C) | (ends ? end->flags : 0);
        const bool    deep = t.k * lk_set->rows > LEFT_FLOATS; /* rare: one block */
        const int64_t blocks = deep ? 1 : left_blocks(m * t.k);
        const bool    copied = !deep && wants_copy(shape, m, n),
                   together = shape->col_a == 1 && shape->row_a == t.k;
        for (int64_t b = 0, i = 0; b < blocks; b++) {
            const int64_t first = b * tiles / blocks, last = (b + 1) * tiles / blocks;
            const int64_t stop = last * m / tiles, after = (b + 2) * tiles / blocks * m / tiles;
            left_side     left = {shape->a + i * shape->row_a + l * shape->col_a, stop - i, copied};
            wanted        next = {0};
            if (copied) {
                copy_left(left.m, t.k, left.a, shape->row_a, pack);
                left.a = pack;
            }
            if (together && b + 1 < blocks)
                next = rows_wanted(shape->a + stop * t.k, after - stop, t.k, (last - first) * panels);
            t.c = shape->c + i * shape->ldc;
            row_block(&left, n, l, b == 0, blocks > 1, &next, &t, side, pack + LEFT_ROOM);
            if (ends) activate(end, i * n, left.m * n, t.c);
            i = stop;
        }
    }
}

/**
 * The same product held transposed, y^T = w x^T: x is turned instead of w, and tiles of the result are turned
 * back. Cheaper where x and y are smaller than w; the bits are equal, every element being the same chain.
 */
static void turned_product(int64_t m, int64_t n, int64_t k, const lk_tile_call *shape, const float *x,
                           const float *w, int end, float *pack)
{
    float         tile[LK_TILE_FLOATS];
    const int64_t wide = 2 * lk_set->lanes;
    const int64_t tiles = tiles_of(n);
    lk_tile_call  t = {.row_a = k, .col_a = 1, .k = k, .segments = 1, .flags = end, .c = tile};
    for (int64_t i = 0; i < m; i += wide) {
        const int64_t width = panel_vectors(m, i) * lk_set->lanes;
        lk_set->transpose(least(width, m - i), k, x + i * k, k, pack + i * k, width, width);
    }
    for (int64_t s = 0, j = 0; s < tiles; s++) {
        const int64_t stop = (s + 1) * n / tiles;
        t.a = w + j * k;
        t.bias = shape->bias ? shape->bias + j : NULL;
        wanted next = s + 1 < tiles
                          ? rows_wanted(w + stop * k, (s + 2) * n / tiles - stop, k, (m + wide - 1) / wide)
                          : (wanted){0};
        for (int64_t i = 0; i < m; i += wide) {
            const int vectors = panel_vectors(m, i);
            t.ldb = t.ldc = t.cols = vectors * lk_set->lanes;
            t.b = pack + i * k;
            ask_for(&next, &t);
            lk_set->tile((int)(stop - j), vectors, &t);
            lk_set->transpose(stop - j, least(t.cols, m - i), tile, t.ldc, shape->c + i * n + j, n, stop - j);
        }
        j = stop;
    }
}

/* The same for a result of one row of tiles, which uses x once: turned in parts that stay in the first-level cache. */
static void turned_in_parts(int64_t m, int64_t n, int64_t k, const lk_tile_call *shape, const float *x,
                            const float *w, int end, float *pack)
{
    float         tile[LK_TILE_FLOATS];
    const int64_t wide = 2 * lk_set->lanes;
    lk_tile_call  t = {.row_a = k, .col_a = 1, .b = pack, .c = tile, .segments = 1, .bias = shape->bias};
    for (int64_t i = 0; i < m; i += wide) {
        const int vectors = panel_vectors(m, i);
        t.ldb = t.ldc = t.cols = vectors * lk_set->lanes;
        for (int64_t l = 0; l < k; l += t.k) {
            t.k = least(TURNED_DEPTH, k - l);
            t.a = w + l;
            t.flags = (l > 0 ? LK_TILE_START_C : 0) | (l + t.k >= k ? end : 0);
            lk_set->transpose(least(t.cols, m - i), t.k, x + i * k + l, k, pack, t.ldb, t.ldb);
            lk_set->tile((int)n, vectors, &t);
        }
        lk_set->transpose(n, least(t.cols, m - i), tile, t.ldc, shape->c + i * n, n, n);
    }
}

int64_t lk_gemm_pack_floats(int64_t n, int64_t k)
{
    return LEFT_ROOM + round_up(n, LK_TILE_MAX_WIDTH) * round_up(k, LK_TILE_MAX_WIDTH);
}

/* x is smaller than w, or the result so narrow that its columns would leave most of a vector empty: the model
 * of one output. */
static bool wants_turning(int64_t m, int64_t n, int64_t k)
{
    return m * (k + n) < n * k || (n <= NARROW && k > 0);
}

/* Rows of x to turn at a time: whole panels, within the cache; one panel of very long rows is within n k floats. */
static int64_t turned_rows(int64_t m, int64_t n, int64_t k)
{
    const int64_t room = m < n ? TURNED_FLOATS : TURNED_FLOATS / 2;
    const int64_t rows = room / k / LK_TILE_MAX_WIDTH * LK_TILE_MAX_WIDTH;
    return rows < LK_TILE_MAX_WIDTH ? least(m, LK_TILE_MAX_WIDTH) : least(m, rows);
}

void lk_dense_forward(int64_t m, int64_t n, int64_t k, const float *x, const float *w, const float *bias,
                      lk_epilogue epilogue, float slope, float *y, float *derivative, float *pack)
{
    if (lk_set->products_by_blas) {
        lk_blas_gemm(m, n, k, 1.0f, x, k, false, w, k, true, 0.0f, y, n);
        lk_blas_bias(m, n, bias, y);
        lk_act_forward(epilogue, slope, m * n, y, y, derivative);
        return;
    }
    const bool       relu = epilogue == LK_EPI_RELU; /* done by the tiles */
    finish           end = {relu ? LK_TILE_RELU : 0, relu ? LK_EPI_NONE : epilogue, slope, derivative};
    const right_side side = {w, k, true};
    if (wants_turning(m, n, k)) {
        const int64_t step = turned_rows(m, n, k);
        end.flags |= bias ? LK_TILE_ROW_BIAS : 0;
        for (int64_t i = 0; i < m; i += step) {
            const int64_t      rows = least(step, m - i);
            const lk_tile_call t = {.bias = bias, .c = y + i * n};
            (n <= NARROW ? turned_in_parts : turned_product)(rows, n, k, &t, x + i * k, w, end.flags, pack);
            activate(&end, i * n, rows * n, t.c);
        }
    } else {
        const lk_tile_call t = {.a = x, .row_a = k, .col_a = 1, .bias = bias, .c = y, .ldc = n};
        end.flags |= bias ? LK_TILE_BIAS : 0;
        product(m, n, k, &t, &side, 0, &end, pack);
    }
}

void lk_dense_backward_data(int64_t m, int64_t n, int64_t k, const float *d_y, const float *w, bool add,
                            float *d_x, float *pack)
{
    if (lk_set->products_by_blas) {
        lk_blas_gemm(m, k, n, 1.0f, d_y, n, false, w, k, false, add ? 1.0f : 0.0f, d_x, k);
        return;
    }
    const right_side   side = {w, k, false};
    const lk_tile_call t = {.a = d_y, .row_a = n, .col_a = 1, .c = d_x, .ldc = k};
    product(m, k, n, &t, &side, add ? LK_TILE_START_C : 0, &(finish){0}, pack);
}

void lk_gemm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t row_a, int64_t col_a,
             const float *b, int64_t ldb, bool trans_b, float beta, float *c, int64_t ldc, float *pack)
{
    if (lk_set->products_by_blas) {
        lk_blas_gemm(m, n, k, alpha, a, col_a == 1 ? row_a : col_a, col_a != 1, b, ldb, trans_b, beta, c,
                     ldc);
        return;
    }
    const right_side side = {b, ldb, trans_b};
    const finish end = {.flags = (alpha != 1.0f ? LK_TILE_SCALE : 0) | (beta != 0.0f ? LK_TILE_ADD_C : 0)};
    const lk_tile_call t = {
        .a = a, .row_a = row_a, .col_a = col_a, .c = c, .ldc = ldc, .alpha = alpha, .beta = beta};
    product(m, n, k, &t, &side, 0, &end, pack);
}
