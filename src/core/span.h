/**
 * The one vocabulary: a flat float buffer and the spans that name its pieces.
 *
 * `nn` writes the table once. Gradients, parameters and moments are buffers laid out by it. Spans of kind
 * LK_SPAN_STATISTIC (running mean and variance of batch norm) come after all parameters: they travel through
 * the same reduction but take no part in norms, decay, penalties and optimizer moments.
 */
#ifndef LK_CORE_SPAN_H
#define LK_CORE_SPAN_H

#include "core/shape.h"
#include "core/status.h"

enum { LK_SPAN_ALIGN = 16, LK_TILE_FLOATS = 4096, LK_PATH_BYTES = 128 };

typedef enum lk_span_kind { LK_SPAN_PARAMETER, LK_SPAN_STATISTIC } lk_span_kind;

typedef struct lk_span {
    char         name[LK_PATH_BYTES]; /* "<layer>/<weight|bias|scale|shift|mean|variance>" */
    char         axes[LK_PATH_BYTES]; /* "units,inputs"; stored as attribute `axes` in checkpoints */
    lk_span_kind kind;
    int          layer;  /* node of the graph it belongs to */
    bool         decay;  /* weights: l1, l2 and weight decay apply; biases and norm scales: not */
    int64_t      offset; /* floats, a multiple of LK_SPAN_ALIGN; padding between spans is zero */
    int64_t      count;
    lk_shape     shape; /* output first: dense [units, inputs], conv2d [filters, kh, kw, channels] */
} lk_span;

typedef struct lk_span_table {
    lk_span *spans; /* owned, in reading order, weight before bias; parameters first, then statistics */
    int      n_spans;
    int64_t  n_parameters;     /* trainable numbers, padding not counted */
    int64_t  parameter_floats; /* length of a parameter or moment buffer, padding included */
    int64_t  total_floats;     /* parameters and statistics: length of a gradient buffer */
} lk_span_table;

/** Appends a span (copied) behind the last one and sets its offset, `count` from its shape. Parameters must
 * come first. */
lk_status lk_span_table_add(lk_span_table *table, const lk_span *span);
void      lk_span_table_clear(lk_span_table *table);

/** A tile: at most LK_TILE_FLOATS floats of one span. The unit in which sums, norms and updates are shared
 * out. */
typedef struct lk_tile {
    int64_t offset; /* floats in the flat buffer */
    int64_t count;
    int     span;
    int     index; /* number of the tile, from 0 in table order */
} lk_tile;

/** All tiles of the table in order; *tiles is owned by the caller (lk_free). */
lk_status lk_span_table_tiles(const lk_span_table *table, lk_tile **tiles, int *n_tiles);

#endif
