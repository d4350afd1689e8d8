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

/**
 * What the layers compute, x the input and y the output of one sample; shapes without the sample's axis.
 *
 * dense       y = f(x W^T + b) over the last axis; W [units, inputs], b [units].   PyTorch's Linear; Keras' Dense
 *             stores W transposed. [..., inputs] -> [..., units]
 * conv2d      y[i, j, o] = f(b[o] + sum_{u, v, c} W[o, u, v, c] x[i s + u - p, j s + v - q, c]), zeros outside:
 *             cross-correlation, as PyTorch and Keras. W [filters, kh, kw, channels]. [h, w, c] -> [h', w', filters]
 *             padding valid: h' = (h - kh) / s + 1, rounded down, p = 0
 *             padding same: h' = h / s, rounded up; p = max((h' - 1) s + kh - h, 0) / 2, rounded down, so the odd
 *             row goes to the end: TensorFlow's rule (PyTorch's padding='same' knows s = 1 only)
 *             padding n: n zeros on each side, h' = (h + 2 n - kh) / s + 1, rounded down: PyTorch's rule
 * max_pool    largest value of each window; padding never wins.   avg_pool: mean over the cells of the window that
 *             lie inside the image, as Keras (PyTorch: count_include_pad=False). Padding as conv2d's.
 * global_avg_pool   mean over height and width: [h, w, c] -> [c]
 * activation  relu max(x, 0) · leaky_relu x or slope x · sigmoid 1 / (1 + exp(-x)) · tanh · softmax over the last
 *             axis · gelu x Phi(x), exact, not the tanh form (Hendrycks, Gimpel, arXiv 1606.08415) · silu
 *             x sigmoid(x) (Elfwing, Uchibe, Doya, Neural Networks 107, 2018)
 * dropout     training: x keep / (1 - rate), keep a random 0 or 1; else x.   Source: Srivastava et al., JMLR 15, 2014.
 * batch_norm  y = (x - mean) / sqrt(variance + epsilon) * scale + shift, per channel. Training: mean and biased
 *             variance of the lane (over_batch: of the whole batch over all ranks, as PyTorch's SyncBatchNorm); else
 *             the running ones, r += momentum (new - r), new the weighted mean over lanes. Keras keeps the biased variance as well, PyTorch n / (n - 1) of it.
 *             Source: Ioffe, Szegedy, ICML 2015; over parts of a batch: Hoffer, Hubara, Soudry, NIPS 2017.
 * layer_norm  the same over the last axis of each row.   Source: Ba, Kiros, Hinton, arXiv 1607.06450.
 * embedding   y = row x of a table [vocabulary, units]; positions learned: plus row t of a second one.
 * attention   softmax(Q K^T / sqrt(width / heads)) V by heads, concatenated and projected; Q, K, V projections of
 *             x; causal: position t sees 0..t. [time, width] -> the same.   Source: Vaswani et al., NIPS 2017.
 * add, multiply, concat   value by value; concat along the last axis.
 * residual    its input (through `shortcut`, if given) plus the output of its layers.   Source: He et al., CVPR 2016.
 */
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
    LK_INIT_DEFAULT, /* by the layer's own activation: he_normal with relu, leaky_relu, gelu and silu, else
                        glorot_uniform; embeddings: normal, deviation 0.02 */
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
    int64_t filters;              /* conv2d */
    int64_t kernel[2], stride[2]; /* conv2d; pools: kernel is `size`, stride 0 = size */
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
    bool            over_batch;        /* batch_norm: statistics of the whole batch, not of a lane */
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
    bool    sees_batch;       /* batch_norm over the whole batch */
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
 * LK_E_DATA for indices out of range. Models that see the whole batch train by whole.h.
 */
lk_status lk_model_forward(lk_work *work, const float *state, const lk_batch *batch, const float **output);

/** Reports that all gradients of span `span` in the current backward are written; -1: a layer without spans
 * is done, which is a moment like any other to see to messages. */
typedef void lk_span_hook(void *context, int span);

/**
 * Backward pass of the last forward. d_output [n, output] in, may be overwritten. gradient [total_floats]
 * out, overwritten: the sums over the rows of each lane, folded along the canonical tree over the lanes of
 * the batch (absent lanes skipped); statistics spans get n*mean and n*variance of each lane, folded likewise.
 */
lk_status lk_model_backward(lk_work *work, const float *state, const lk_batch *batch, float *d_output,
                            float *gradient, lk_span_hook *on_span, void *context);

#endif
