/**
 * A model: a graph of layers over flat buffers.
 *
 * Options describe layers as the user wrote them; create expands `repeat` and `residual`, infers shapes and
 * writes the span table. A workspace holds the static memory plan for a number of rows; forward and backward
 * allocate nothing.
 */
#ifndef LK_NN_MODEL_H
#define LK_NN_MODEL_H

#include <stdio.h>

#include "core/batch.h"
#include "core/span.h"

typedef enum lk_layer_kind {
    LK_LAYER_DENSE,
    LK_LAYER_CONV2D,
    LK_LAYER_MAX_POOL,
    LK_LAYER_AVG_POOL,
    LK_LAYER_GLOBAL_AVG_POOL,
    LK_LAYER_FLATTEN,
    LK_LAYER_RESHAPE,
    LK_LAYER_ACTIVATION,
    LK_LAYER_DROPOUT,
    LK_LAYER_BATCH_NORM,
    LK_LAYER_LAYER_NORM,
    LK_LAYER_ADD,
    LK_LAYER_MULTIPLY,
    LK_LAYER_CONCAT,
    LK_LAYER_EMBEDDING,
    LK_LAYER_ATTENTION,
    LK_LAYER_REPEAT,
    LK_LAYER_RESIDUAL, /* structure only: expanded at create */
    LK_LAYER_KINDS
} lk_layer_kind;

typedef enum lk_activation {
    LK_ACT_NONE,
    LK_ACT_RELU,
    LK_ACT_LEAKY_RELU,
    LK_ACT_SIGMOID,
    LK_ACT_TANH,
    LK_ACT_GELU,
    LK_ACT_SILU,
    LK_ACT_SOFTMAX
} lk_activation;

typedef enum lk_init_kind {
    LK_INIT_DEFAULT, /* he_normal before relu-like activations, glorot_uniform else */
    LK_INIT_HE_NORMAL,
    LK_INIT_HE_UNIFORM,
    LK_INIT_GLOROT_NORMAL,
    LK_INIT_GLOROT_UNIFORM,
    LK_INIT_CONSTANT
} lk_init_kind;

typedef struct lk_init {
    lk_init_kind kind;
    float        value; /* constant */
} lk_init;

typedef enum lk_padding_kind { LK_PAD_VALID, LK_PAD_SAME, LK_PAD_COUNT } lk_padding_kind;

/** One layer as written. Unused fields are zero. Strings and arrays are borrowed while lk_model_create runs.
 */
typedef struct lk_layer_options lk_layer_options;
struct lk_layer_options {
    lk_layer_kind kind;
    const char   *name; /* NULL: numbered by kind in reading order */
    const char  **from; /* names of layers or inputs; NULL: the layer above */
    int           n_from;
    int           line, column; /* where it stands in the file, 0 if nowhere: for messages */

    int64_t units; /* dense, embedding: width of the output; dense 0 = number of classes or vocabulary of the
                      data */
    int64_t         filters;              /* conv2d */
    int64_t         kernel[2], stride[2]; /* conv2d; pools: kernel is `size`, stride 0 = size */
    lk_padding_kind padding;
    int64_t         pad[2];     /* LK_PAD_COUNT: rows and columns on each side (PyTorch's rule) */
    lk_activation   activation; /* dense, conv2d: fused; activation: the layer itself */
    float           slope;      /* leaky_relu */
    bool            no_weight;  /* dense `weights: none`: bias only, a single trainable constant */
    bool            no_bias;
    lk_init         init, bias_init;
    const char     *tied; /* dense `weights: NAME`: uses the table of that embedding, transposed */
    float           rate; /* dropout: probability to drop; kept values are divided by 1 - rate */
    float           epsilon, momentum; /* norms; momentum: share of the new value in running statistics */
    int64_t         vocabulary;        /* embedding rows; 0 = from the data */
    bool            learned_positions; /* embedding */
    int64_t         heads;             /* attention */
    bool            causal;
    lk_shape        shape; /* reshape */

    int                     times; /* repeat */
    const lk_layer_options *body;  /* repeat, residual */
    int                     n_body;
    const lk_layer_options *shortcut; /* residual; n_shortcut 0: identity */
    int                     n_shortcut;
};

typedef struct lk_model_options {
    const lk_layer_options *layers;
    int                     n_layers;
} lk_model_options;

typedef struct lk_model lk_model;
typedef struct lk_work  lk_work;

/**
 * Builds the graph. `inputs` [n_inputs] describe a sample; classes of the target field fill `units: 0`.
 * Errors: LK_E_CONFIG, LK_E_SHAPE with the layer's name, both shapes, and line:column where options have
 * them.
 */
lk_status lk_model_create(const lk_model_options *options, const lk_field *inputs, int n_inputs,
                          int64_t target_classes, lk_model **out);
void      lk_model_destroy(lk_model **model);

const lk_span_table *lk_model_spans(const lk_model *model);
const lk_shape      *lk_model_output(const lk_model *model); /* of one sample */
bool                 lk_model_ends_in_softmax(const lk_model *model);
/** False if a table is used by two layers: their parts of a lane must meet before lanes are added, so a call
 * takes one lane.
 */
bool lk_model_merges_lanes(const lk_model *model);
/** Share of the new value in the running statistics of a batch_norm layer (lk_span.layer). */
float lk_model_momentum(const lk_model *model, int layer);

/** One row of the layer table, for inspect and for configuration errors. */
typedef struct lk_layer_info {
    const char *name, *kind; /* borrowed from the model */
    lk_shape    output;
    int64_t     parameters;
    int64_t     forward_flops,
        backward_flops;       /* per sample; the multiply-adds the mathematics needs, counted as two */
    int64_t activation_bytes; /* per sample kept for backward */
} lk_layer_info;

int  lk_model_n_layers(const lk_model *model);
void lk_model_layer(const lk_model *model, int layer, lk_layer_info *info);

/** Initial values, a pure function of (seed, span): state [total_floats], out. Variances start at 1. */
void lk_model_init(const lk_model *model, uint64_t seed, float *state);

/** A workspace for up to `max_rows` rows in `max_lanes` lanes; `training` plans for backward too. Static from
 * here on. */
lk_status lk_work_create(const lk_model *model, int64_t max_rows, int max_lanes, bool training, uint64_t seed,
                         lk_work **out);
void      lk_work_destroy(lk_work **work);
int64_t   lk_work_bytes(const lk_work *work);

/**
 * Forward pass. state [total_floats] in: parameters and running statistics. *output: n rows of
 * lk_model_output, owned by the work and valid until its next forward. A training work normalises by lane and
 * drops; others use running statistics. Local. Deterministic: a row's bits depend on its lane alone. Errors:
 * LK_E_DATA for indices out of range.
 */
lk_status lk_model_forward(lk_work *work, const float *state, const lk_batch *batch, const float **output);

/** Reports that all gradients of span `span` in the current backward are written. */
typedef void lk_span_hook(void *context, int span);

/**
 * Backward pass of the last forward. d_output [n, output] in, may be overwritten. gradient [total_floats]
 * out, overwritten: the sums over the rows of each lane, folded along the canonical tree over the lanes of
 * the batch (absent lanes skipped); statistics spans get n*mean and n*variance of each lane, folded likewise.
 */
lk_status lk_model_backward(lk_work *work, const float *state, const lk_batch *batch, float *d_output,
                            float *gradient, lk_span_hook *on_span, void *context);

#endif
