/**
 * Small models, written in one line each, and what shows that their gradients are right: central differences, and the canonical
 * tree over gradients of parts of a batch.
 */
#ifndef LK_TEST_MODEL_H
#define LK_TEST_MODEL_H

#include "lk_test.h"

#include "core/alloc.h"
#include "core/rng.h"
#include "kernels/kernels.h"
#include "nn/model.h"

#define LAYERS(...)                                                                                          \
    (const lk_layer_options[])                                                                               \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define COUNT(...) (int)(sizeof(LAYERS(__VA_ARGS__)) / sizeof(lk_layer_options))
#define BODY(...)  .body = LAYERS(__VA_ARGS__), .n_body = COUNT(__VA_ARGS__)
#define SHORT(...) .shortcut = LAYERS(__VA_ARGS__), .n_shortcut = COUNT(__VA_ARGS__)
#define MODEL(name_, field_, ...)                                                                            \
    {                                                                                                        \
        name_, field_, LAYERS(__VA_ARGS__), COUNT(__VA_ARGS__)                                               \
    }

typedef struct model_case {
    const char             *name;
    lk_field                input;
    const lk_layer_options *layers;
    int                     n_layers;
} model_case;

#define VECTOR                                                                                               \
    {                                                                                                        \
        .name = "x", .shape = { 1, {6} }                                                                     \
    }
#define IMAGE                                                                                                \
    {                                                                                                        \
        .name = "x", .shape = { 3, {6, 5, 2} }                                                               \
    }

#define DENSE(n, act)                                                                                        \
    {                                                                                                        \
        .kind = LK_LAYER_DENSE, .units = (n), .activation = (act)                                            \
    }
#define CONV(n, k, s, act)                                                                                   \
    {                                                                                                        \
        .kind = LK_LAYER_CONV2D, .filters = (n), .kernel = {(k), (k)}, .stride = {(s), (s)},                 \
        .padding = LK_PAD_SAME, .activation = (act)                                                          \
    }
#define ACT(act)                                                                                             \
    {                                                                                                        \
        .kind = LK_LAYER_ACTIVATION, .activation = (act), .slope = 0.1f                                      \
    }
#define DROP                                                                                                 \
    {                                                                                                        \
        .kind = LK_LAYER_DROPOUT, .rate = 0.25f                                                              \
    }
#define NORM(over_batch_)                                                                                    \
    {                                                                                                        \
        .kind = LK_LAYER_BATCH_NORM, .epsilon = 1e-3f, .momentum = 0.1f, .over_batch = (over_batch_)         \
    }

/* The batch of every case, an empty lane and one of a single row in it. */
enum { ROWS = 11, LANES = 4 };
static const int64_t STARTS[LANES + 1] = {0, 3, 3, 4, ROWS};

/** -1 to 1, a function of its arguments. */
static inline float noise(int purpose, int64_t i)
{
    lk_rng rng = lk_rng_make(7, LK_RNG_TEST, purpose, 0, 0);
    return 2 * lk_rng_uniform(&rng, (uint64_t)i) - 1;
}

/** Initial values, and no parameter at a value where its gradient would be an easy one. */
static inline void begin_state(const lk_model *model, float *state)
{
    lk_model_init(model, 5, state);
    for (int64_t i = 0; i < lk_model_spans(model)->parameter_floats; i++) state[i] += 0.1f * noise(1, i);
}

/** L, a function of the state that the context holds. */
typedef double test_objective(void *context);

/* Along a random direction in one span; h balances float rounding (1e-7 / h) against the third derivative (h^2). */
static inline double span_error(const lk_span *span, float *state, const float *gradient,
                                test_objective *objective, void *context)
{
    const double h = 1.5e-3;
    double       slope = 0, length = 0, value[2];
    size_t       bytes = (size_t)span->count * sizeof *state;
    float       *at = state + span->offset, *old = test_malloc(bytes);
    for (int64_t i = 0; i < span->count; i++) {
        double v = (double)noise(9, i + span->offset), g = (double)gradient[span->offset + i];
        slope += g * v;
        length += g * g * v * v;
    }
    memcpy(old, at, bytes);
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < span->count; i++)
            at[i] = old[i] + (float)(side ? h : -h) * noise(9, i + span->offset);
        value[side] = objective(context);
    }
    memcpy(at, old, bytes);
    test_free(old);
    return fabs((value[1] - value[0]) / (2 * h) - slope) / (sqrt(length) + 0.02);
}

/** The largest error of a gradient over all spans with parameters, by central differences; statistics must be finite. */
static inline double gradient_error(const char *name, const lk_span_table *table, float *state,
                                    const float *gradient, test_objective *objective, void *context)
{
    double worst = 0;
    for (int s = 0; s < table->n_spans; s++) {
        const lk_span *span = &table->spans[s];
        for (int64_t i = 0; i < span->count; i++) assert_true(isfinite(gradient[span->offset + i]));
        if (span->kind == LK_SPAN_STATISTIC) continue;
        double error = span_error(span, state, gradient, objective, context);
        if (error > 1e-2) print_error("%s: %s is off by %.3g\n", name, span->name, error);
        worst = fmax(worst, error);
    }
    return worst;
}

/** What a test has of node (lo, size): it is to be added up from its halves, it has no rows, or its gradient is in `out`. */
typedef enum test_node { NODE_HALVES, NODE_ABSENT, NODE_PRESENT } test_node;
typedef test_node test_nodes(void *context, int lo, int size, float *out);

/** value(lo, size) of n floats along the canonical tree into `out`; false: absent. */
static inline bool fold(test_nodes *nodes, void *context, int lo, int size, int64_t n, float *out)
{
    test_node known = nodes(context, lo, size, out);
    if (known != NODE_HALVES) return known == NODE_PRESENT;
    float *right = test_malloc((size_t)n * sizeof *right);
    bool   l = fold(nodes, context, lo, size / 2, n, out);
    bool   r = fold(nodes, context, lo + size / 2, size / 2, n, l ? right : out);
    for (int64_t i = 0; l && r && i < n; i++) out[i] = out[i] + right[i];
    test_free(right);
    return l || r;
}

/** For cmocka's setup of a group. */
static inline int choose_kernels(void **state)
{
    (void)state;
    return lk_kernels_select("auto") == LK_OK ? 0 : -1;
}

#endif
