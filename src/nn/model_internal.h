/**
 * The inside of a model: a list of layers in reading order over numbered values.
 *
 * Values 0 .. n_inputs-1 are the inputs; layer i makes value n_inputs + i. A layer kind is one table of
 * functions (lk_layer_ops) in a file of its own; the work calls them in order and back.
 */
#ifndef LK_NN_MODEL_INTERNAL_H
#define LK_NN_MODEL_INTERNAL_H

#include "kernels/conv.h"
#include "kernels/vec.h"
#include "nn/model.h"

enum { LK_MAX_FROM = 8, LK_MAX_LAYER_SPANS = 6 };

typedef struct lk_layer     lk_layer;
typedef struct lk_call      lk_call;
typedef struct lk_layer_ops lk_layer_ops;
typedef struct lk_whole_ops lk_whole_ops;

struct lk_layer {
    const lk_layer_ops *ops;
    lk_layer_options    options; /* strings and children in it are no longer valid after create */
    char                name[LK_PATH_BYTES];
    int                 n_from;
    int                 from[LK_MAX_FROM]; /* values */
    lk_shape            in[LK_MAX_FROM], out;
    int                 n_spans;
    int                 span[LK_MAX_LAYER_SPANS]; /* rows of the span table */
    int                 tied;                     /* layer whose table is used, -1 */
    bool                trains;                   /* it or a layer above it has parameters */
    bool                needs_x, needs_y;         /* backward reads inputs, output */
    lk_epilogue         epilogue;
    lk_conv_shape       conv;
    lk_pool_shape       pool;
    int64_t             parameters, forward_flops, backward_flops; /* per sample */
};

/** What a layer needs for `rows` rows in `lanes` lanes, in bytes. */
typedef struct lk_needs {
    int64_t keep;    /* from forward to backward */
    int64_t scratch; /* during one call */
} lk_needs;

/** What layers that see the whole batch are given: rows of doubles as their lk_whole_ops say. */
typedef struct lk_batch_rows {
    const double *lanes; /* [lanes of the call][width], what these lanes told just before this call */
    const double *total; /* [width], of the whole batch */
} lk_batch_rows;

/** One forward or backward call of one layer. */
struct lk_call {
    const lk_model      *model;
    const lk_layer      *layer;
    const lk_batch      *batch;
    int64_t              rows;
    bool                 training;
    uint64_t             seed;
    const float         *state;
    const lk_batch_rows *known;          /* of the whole batch, only for ops with `whole` while training */
    const void          *x[LK_MAX_FROM]; /* inputs; int32_t for indices */
    float               *y;
    void                *keep, *scratch;
    /* backward */
    float *d_y;              /* may be overwritten: nobody reads it afterwards */
    float *d_x[LK_MAX_FROM]; /* NULL where nobody wants it; d_x[0] may be d_y for ops that work in place */
    bool   add[LK_MAX_FROM]; /* only for ops with `adds`: add to what is there */
    float *gradient;
    bool  *written; /* [n_spans of the table] in this backward */
};

struct lk_layer_ops {
    const char *kind;
    bool        needs_x, needs_y; /* what most layers of the kind need; infer may change its layer's */
    bool        adds;             /* backward can add to d_x by itself */
    bool        view;             /* the output is the input's memory */
    bool        in_place;         /* y may be x (where nobody needs x later), d_x[0] may be d_y */
    int         least_from, most_from;
    lk_status (*infer)(lk_model *model, lk_layer *layer);                             /* out, spans, flops */
    lk_needs (*needs)(const lk_layer *layer, int64_t rows, int lanes, bool training); /* NULL: nothing */
    lk_status (*forward)(const lk_call *call);
    void (*backward)(const lk_call *call);
    const lk_whole_ops *whole; /* NULL: while training the layer looks no further than a lane */
};

/** Right-hand row into the left-hand one, [width] each. */
typedef void lk_join_rows(int64_t width, double *left, const double *right);

/**
 * What lanes tell one another before forward and before backward of a training pass: one row a lane, whose first double is 0
 * if the lane has no value; such rows are left out. whole.h has the walk.
 */
struct lk_whole_ops {
    int64_t (*width)(const lk_layer *layer);
    void (*tell)(const lk_call *call, double *rows); /* rows [lanes of the call][width] out */
    lk_join_rows *join;
    void (*tell_back)(const lk_call *call, double *rows); /* the same; d_y is whole and not to be changed */
    lk_join_rows *join_back;
};

extern const lk_layer_ops lk_ops_dense, lk_ops_conv2d, lk_ops_max_pool, lk_ops_avg_pool,
    lk_ops_global_avg_pool, lk_ops_flatten, lk_ops_reshape, lk_ops_activation, lk_ops_dropout,
    lk_ops_batch_norm, lk_ops_batch_norm_whole, lk_ops_layer_norm, lk_ops_add, lk_ops_multiply, lk_ops_concat,
    lk_ops_embedding, lk_ops_attention;

struct lk_model {
    lk_field     *inputs; /* owned */
    int           n_inputs;
    lk_layer     *layers; /* owned */
    int           n_layers, capacity;
    lk_span_table spans;
    int      n_statistics; /* spans of statistics wait in this list until all parameters are in the table */
    lk_span *statistics;   /* owned */
    int64_t  target_classes;
};

/** Shape of a value. */
const lk_shape *lk_model_value(const lk_model *model, int value);

/** "12:5: dense 'fc1': ..." as a status; the place only where options know it. */
lk_status lk_layer_fail(const lk_layer *layer, lk_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Adds a parameter (or statistic) of this layer; axes like "units,inputs". */
lk_status lk_layer_add_span(lk_model *model, lk_layer *layer, lk_span_kind kind, const char *name,
                            const char *axes, bool decay, int n_axes, const int64_t *axis);

/** State and gradient of the i-th span of the layer. */
const float *lk_call_state(const lk_call *call, int i);
float       *lk_call_gradient(const lk_call *call, int i);

/** True if an earlier layer of this backward has written the gradient of span i: add to it. Marks it. */
bool lk_call_adds(const lk_call *call, int i);

/** start[] of the lanes in units of `per_row` items, into scratch of lanes + 1 numbers. */
const int64_t *lk_call_starts(const lk_call *call, int64_t per_row, int64_t *scratch);

/**
 * Gradients that a layer computes lane by lane: `sums` overwrites `values` [count] with the sums over rows
 * first .. last-1 of lane `lane`; they are folded along the tree. scratch: lk_fold_floats(count, lanes).
 * Returns the fold, [count] at the start of scratch (zeros if no lane is present).
 */
typedef void lk_lane_sums(const lk_call *call, int lane, int64_t first, int64_t last, float *values);
const float *lk_call_fold(const lk_call *call, int64_t count, float *scratch, lk_lane_sums *sums);
int64_t      lk_fold_floats(int64_t count, int lanes);

/** Flops of products with parameters: forward and both gradients; none for an input nobody trains. */
void lk_layer_count_products(lk_model *model, lk_layer *layer, int64_t multiply_adds);

/** The size of one axis after a window of `kernel` moves by `stride`; *before: zeros on the near side. */
lk_status lk_layer_window(const lk_layer *layer, int axis, int64_t kernel, int64_t stride, int64_t *out,
                          int64_t *before);

/** Backward through the fused activation, in place: d_y becomes the gradient before it. `derivative`: what forward
 * kept, of activations that keep it. */
void lk_call_unactivate(const lk_call *call, int64_t width, const float *derivative);

/** Product of all axes but the last, and the last (1 for a scalar). */
int64_t lk_shape_rows(const lk_shape *shape);
int64_t lk_shape_width(const lk_shape *shape);

/** Where every buffer of a workspace lies: plan.c. */
typedef struct lk_place {
    int64_t offset; /* bytes; -1: not in the workspace */
    int64_t bytes;
} lk_place;

typedef struct lk_memory_plan {
    lk_place *value, *d_value; /* owned, [n_layers]: of the output; views share their input's place */
    lk_place *keep;            /* owned, [n_layers] */
    lk_place  scratch, sum;    /* for one call; d_x of a layer that cannot add */
    int      *root, *d_root;   /* owned, [n_inputs + n_layers]: the value whose memory is used */
    int      *last_user;       /* owned, [n_spans]: the layer whose backward writes the span last */
    int64_t   bytes;
} lk_memory_plan;

lk_status lk_memory_plan_create(const lk_model *model, int64_t rows, int lanes, bool training,
                                lk_memory_plan *plan);
void      lk_memory_plan_clear(lk_memory_plan *plan);

/** The walk of work.c layer by layer. `known`: for layers that see the whole batch, else not looked at. */
lk_status    lk_work_check(const lk_work *work, const lk_batch *batch);
lk_status    lk_work_forward_layer(lk_work *work, const float *state, const lk_batch *batch, int layer,
                                   const lk_batch_rows *known);
const float *lk_work_output(const lk_work *work, const lk_batch *batch);
void         lk_work_begin_backward(lk_work *work);
void         lk_work_backward_layer(lk_work *work, const float *state, const lk_batch *batch, float *d_output,
                                    float *gradient, int layer, const lk_batch_rows *known);
/** What the layer's lanes tell: before forward, or before backward where there is a d_output. */
void lk_work_tell(lk_work *work, const float *state, const lk_batch *batch, float *d_output, int layer,
                  double *rows);

#endif
