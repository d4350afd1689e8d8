/*
 * attention: scaled dot-product self-attention with several heads over [positions, units].
 *   q, k, v = x W^T + b;   p = softmax(q k^T / sqrt(d)), causal: positions to the right have p = 0;
 *   y = (p v) V^T + c
 * Source: Vaswani et al., "Attention is all you need", 2017, sec. 3.2.
 */
#include "nn/model_internal.h"

#include <math.h>
#include <string.h>

enum { QKV_WEIGHT, QKV_BIAS, OUT_WEIGHT, OUT_BIAS };

/* Sizes of one call. */
typedef struct sizes {
    int64_t t, u, heads, d; /* positions, units, heads, units a head */
} sizes;

static sizes sizes_of(const lk_layer *layer)
{
    int64_t u = layer->out.axis[1], heads = layer->options.heads;
    return (sizes){layer->out.axis[0], u, heads, u / heads};
}

/*
 * Rows from .. end-1 of a head's matrices. In causal attention they are BLOCK at a time and their products leave out
 * the zeros beyond: with 128 positions a quarter, with many nearly half. Adding zeros changes no sum: same bits.
 */
typedef struct block {
    int64_t from, end, rows;
    int64_t seen;  /* positions that these see: 0 .. seen-1 */
    int64_t first; /* the first that sees these: first .. t-1 */
} block;

enum { BLOCK = 64 };

static bool next_block(const sizes *s, bool causal, block *b)
{
    b->from = b->end;
    b->end = causal && s->t - b->from > BLOCK ? b->from + BLOCK : s->t;
    b->rows = b->end - b->from;
    b->seen = causal ? b->end : s->t;
    b->first = causal ? b->from : 0;
    return b->rows > 0;
}

static lk_status infer(lk_model *model, lk_layer *layer)
{
    lk_status st = LK_OK;
    char      text[LK_SHAPE_TEXT_BYTES];
    layer->out = layer->in[0];
    if (layer->out.n_axes != 2)
        return lk_layer_fail(layer, LK_E_SHAPE, "its input is %s; it needs positions x units",
                             lk_shape_text(&layer->in[0], text));
    int64_t t = layer->out.axis[0], u = layer->out.axis[1];
    if (layer->options.heads < 1 || u % layer->options.heads)
        return lk_layer_fail(layer, LK_E_CONFIG, "%lld units cannot be shared out among %lld heads",
                             (long long)u, (long long)layer->options.heads);
    LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "query_key_value_weight", "3 units,inputs",
                             true, 2, (int64_t[]){3 * u, u}));
    LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "query_key_value_bias", "3 units", false, 1,
                             (int64_t[]){3 * u}));
    LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "output_weight", "units,inputs", true, 2,
                             (int64_t[]){u, u}));
    LK_TRY(
        lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "output_bias", "units", false, 1, (int64_t[]){u}));
    /* Causal attention needs half of the scores (and the diagonal). */
    int64_t pairs = layer->options.causal ? t * (t + 1) / 2 : t * t;
    lk_layer_count_products(model, layer, 4 * t * u * u);
    layer->forward_flops += 2 * 2 * pairs * u;
    layer->backward_flops += 2 * 4 * pairs * u;
done:
    return st;
}

/* Samples that are passed forward together where nothing is kept: what lies between then stays in a cache. */
enum { FORWARD_ROWS = 4 };

static int64_t at_a_time(bool training, int64_t rows)
{
    return training || rows < FORWARD_ROWS ? rows : FORWARD_ROWS;
}

/* Kept: qkv [rows t, 3u], p [rows, heads, t, t], p v [rows t, u]. Scratch: d_qkv, d(p v), d_p, pack. */
static int64_t kept(const lk_layer *layer, int64_t rows)
{
    sizes s = sizes_of(layer);
    return rows * s.t * (4 * s.u + s.heads * s.t);
}

static int64_t pack_floats(const lk_layer *layer, int lanes)
{
    sizes   s = sizes_of(layer);
    int64_t size[] = {lk_gemm_pack_floats(3 * s.u, s.u), lk_gemm_pack_floats(s.u, 3 * s.u),
                      lk_gemm_pack_floats(s.t, s.t),     lk_gemm_pack_floats(s.t, s.d),
                      lk_gemm_pack_floats(s.d, s.t),     lk_dense_weight_scratch(lanes, 3 * s.u, s.u)};
    int64_t most = 0;
    for (int i = 0; i < 6; i++) most = size[i] > most ? size[i] : most;
    return most;
}

static lk_needs needs(const lk_layer *layer, int64_t rows, int lanes, bool training)
{
    sizes   s = sizes_of(layer);
    int64_t pack = pack_floats(layer, lanes), starts = 2 * (lanes + 2),
            back = rows * s.t * 4 * s.u + s.t * s.t;
    return training ? (lk_needs){4 * kept(layer, rows), 4 * (starts + pack + back)}
                    : (lk_needs){0, 4 * (kept(layer, at_a_time(false, rows)) + pack)};
}

/* Rows of a softmax; in causal rows i the values right of i are zero. */
static void attend(int64_t t, bool causal, float *p)
{
    for (int64_t i = 0; causal && i < t; i++) {
        lk_softmax_rows(1, i + 1, p + i * t, p + i * t);
        memset(p + i * t + i + 1, 0, (size_t)(t - i - 1) * sizeof *p);
    }
    if (!causal) lk_softmax_rows(t, t, p, p);
}

/* Samples first .. first + rows - 1, with room for as many at qkv. */
static void forward_rows(const lk_call *call, int64_t first, int64_t rows, float *qkv)
{
    sizes        s = sizes_of(call->layer);
    float       *p = qkv + rows * s.t * 3 * s.u, *mixed = p + rows * s.heads * s.t * s.t;
    float       *pack = call->training ? call->scratch : mixed + rows * s.t * s.u;
    const float *x = (const float *)call->x[0] + first * s.t * s.u;
    float        scale = 1.0f / sqrtf((float)s.d);
    bool         causal = call->layer->options.causal;
    lk_dense_forward(rows * s.t, 3 * s.u, s.u, x, lk_call_state(call, QKV_WEIGHT),
                     lk_call_state(call, QKV_BIAS), LK_EPI_NONE, 0, qkv, NULL, pack);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t h = 0; h < s.heads; h++) {
            const float *q = qkv + row * s.t * 3 * s.u + h * s.d, *k = q + s.u, *v = k + s.u;
            float       *own = p + (row * s.heads + h) * s.t * s.t;
            float       *out = mixed + row * s.t * s.u + h * s.d;
            for (block b = {0}; next_block(&s, causal, &b);)
                lk_gemm(b.rows, b.seen, s.d, scale, q + b.from * 3 * s.u, 3 * s.u, 1, k, 3 * s.u, true, 0,
                        own + b.from * s.t, s.t, pack);
            attend(s.t, causal, own);
            for (block b = {0}; next_block(&s, causal, &b);)
                lk_gemm(b.rows, s.d, b.seen, 1, own + b.from * s.t, s.t, 1, v, 3 * s.u, false, 0,
                        out + b.from * s.u, s.u, pack);
        }
    lk_dense_forward(rows * s.t, s.u, s.u, mixed, lk_call_state(call, OUT_WEIGHT),
                     lk_call_state(call, OUT_BIAS), LK_EPI_NONE, 0, call->y + first * s.t * s.u, NULL, pack);
}

static lk_status forward(const lk_call *call)
{
    int64_t step = at_a_time(call->training, call->rows);
    for (int64_t first = 0; first < call->rows; first += step)
        forward_rows(call, first, call->rows - first < step ? call->rows - first : step,
                     call->training ? call->keep : call->scratch);
    return LK_OK;
}

/* One head of one sample: d_mixed -> d_q, d_k, d_v. */
static void backward_head(const lk_call *call, int64_t row, int64_t h, const float *d_mixed, float *d_qkv,
                          float *d_p, float *pack)
{
    sizes        s = sizes_of(call->layer);
    const float *qkv = call->keep, *p = qkv + call->rows * s.t * 3 * s.u + (row * s.heads + h) * s.t * s.t;
    const float *q = qkv + row * s.t * 3 * s.u + h * s.d, *k = q + s.u, *v = k + s.u;
    float       *d_q = d_qkv + row * s.t * 3 * s.u + h * s.d, *d_k = d_q + s.u, *d_v = d_k + s.u;
    float        scale = 1.0f / sqrtf((float)s.d);
    bool         causal = call->layer->options.causal;
    d_mixed += row * s.t * s.u + h * s.d;
    for (block b = {0}; next_block(&s, causal, &b);) {
        lk_gemm(b.rows, s.d, s.t - b.first, 1, p + b.first * s.t + b.from, 1, s.t, d_mixed + b.first * s.u,
                s.u, false, 0, d_v + b.from * 3 * s.u, 3 * s.u, pack);
        lk_gemm(b.rows, b.seen, s.d, 1, d_mixed + b.from * s.u, s.u, 1, v, 3 * s.u, true, 0,
                d_p + b.from * s.t, s.t, pack);
        for (int64_t i = b.from; i < b.end && b.seen < s.t; i++)
            memset(d_p + i * s.t + b.seen, 0, (size_t)(s.t - b.seen) * sizeof *d_p);
    }
    lk_softmax_backward_rows(s.t, s.t, p, d_p, d_p); /* zeros stay zeros: p is zero there */
    for (block b = {0}; next_block(&s, causal, &b);) {
        lk_gemm(b.rows, s.d, b.seen, scale, d_p + b.from * s.t, s.t, 1, k, 3 * s.u, false, 0,
                d_q + b.from * 3 * s.u, 3 * s.u, pack);
        lk_gemm(b.rows, s.d, s.t - b.first, scale, d_p + b.first * s.t + b.from, 1, s.t,
                q + b.first * 3 * s.u, 3 * s.u, false, 0, d_k + b.from * 3 * s.u, 3 * s.u, pack);
    }
}

static void backward(const lk_call *call)
{
    sizes           s = sizes_of(call->layer);
    const lk_lanes *lanes = &call->batch->lanes;
    int64_t         m = call->rows * s.t;
    const float    *mixed = (const float *)call->keep + call->rows * s.t * (3 * s.u + s.heads * s.t);
    const int64_t  *start = lk_call_starts(call, s.t, call->scratch);
    float          *d_qkv = (float *)call->scratch + 2 * (lanes->n + 2), *d_mixed = d_qkv + m * 3 * s.u;
    float          *d_p = d_mixed + m * s.u, *pack = d_p + s.t * s.t;
    lk_dense_backward_weight(lanes->n, start, s.u, s.u, call->d_y, mixed, lk_call_adds(call, OUT_WEIGHT),
                             lk_call_gradient(call, OUT_WEIGHT), lk_call_gradient(call, OUT_BIAS), pack);
    lk_dense_backward_data(m, s.u, s.u, call->d_y, lk_call_state(call, OUT_WEIGHT), false, d_mixed, pack);
    for (int64_t row = 0; row < call->rows; row++)
        for (int64_t h = 0; h < s.heads; h++) backward_head(call, row, h, d_mixed, d_qkv, d_p, pack);
    lk_dense_backward_weight(lanes->n, start, 3 * s.u, s.u, d_qkv, call->x[0], lk_call_adds(call, QKV_WEIGHT),
                             lk_call_gradient(call, QKV_WEIGHT), lk_call_gradient(call, QKV_BIAS), pack);
    if (call->d_x[0])
        lk_dense_backward_data(m, 3 * s.u, s.u, d_qkv, lk_call_state(call, QKV_WEIGHT), call->add[0],
                               call->d_x[0], pack);
}

const lk_layer_ops lk_ops_attention = {.kind = "attention",
                                       .needs_x = true,
                                       .adds = true,
                                       .least_from = 1,
                                       .most_from = 1,
                                       .infer = infer,
                                       .needs = needs,
                                       .forward = forward,
                                       .backward = backward};
