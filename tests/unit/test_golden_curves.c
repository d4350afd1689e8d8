/*
 * The losses of 20 steps against PyTorch's: forward, loss, backward, the fold over four lanes and SGD
 * together.
 *
 * Weights and data come from the integer hash of scripts/golden/curves.py. A gradient scaled by 1.01 leaves
 * the curve, so the comparison has the power to see an error of one per cent.
 */
#include "../golden/golden.h"

#include "kernels/kernels.h"
#include "loss/loss.h"
#include "nn/whole.h"
#include "optim/optim.h"

enum {
    STEPS = 20,
    LANES = 4,
    LANE_ROWS = 8,
    ROWS = LANES * LANE_ROWS,
    BATCHES = 4,
    PARTS = 2,
    PIXELS = 784,
    CLASSES = 10
};

/** lowbias32, an integer hash by C. Wellons. */
static uint32_t mixed(uint32_t v)
{
    v = (v ^ (v >> 16)) * 0x7FEB352Du;
    v = (v ^ (v >> 15)) * 0x846CA68Bu;
    return v ^ (v >> 16);
}

/** Number i of a stream, in [0, 1) with 24 bits. */
static float uniform(uint32_t stream, uint32_t i)
{
    return (float)(mixed(i + mixed(stream)) >> 8) * 0x1p-24f;
}

/** The class's own picture and noise, half each, around 0. */
static void fill_batch(uint32_t batch, float *x, int32_t *y)
{
    for (uint32_t r = 0; r < ROWS; r++) {
        y[r] = (int32_t)(mixed(r + 1000 * (batch + 1)) % CLASSES);
        for (uint32_t i = 0; i < PIXELS; i++)
            x[r * PIXELS + i] = 0.5f * uniform(5000 + (uint32_t)y[r], i) +
                                0.5f * uniform(6000 + batch, r * PIXELS + i) - 0.5f;
    }
}

/** Stream numbers count the spans in reading order. */
static void fill_parameters(const lk_span_table *table, float *state)
{
    for (int s = 0; s < table->n_spans; s++) {
        const lk_span *span = &table->spans[s];
        const char    *own = strrchr(span->name, '/') + 1;
        float          bound = 0.1f;
        if (!strcmp(own, "weight")) bound = (float)sqrt(6.0 / (double)(span->count / span->shape.axis[0]));
        for (int64_t i = 0; i < span->count; i++) {
            float value = (2.0f * uniform((uint32_t)s + 1, (uint32_t)i) - 1.0f) * bound;
            if (!strcmp(own, "scale") || !strcmp(own, "variance")) value = 1.0f;
            if (!strcmp(own, "shift") || !strcmp(own, "mean")) value = 0.0f;
            state[span->offset + i] = value;
        }
    }
}

#define DENSE(units_, act_)                                                                                  \
    {                                                                                                        \
        .kind = LK_LAYER_DENSE, .units = (units_), .activation = (act_)                                      \
    }
#define CONV(filters_, kernel_, stride_)                                                                     \
    .kind = LK_LAYER_CONV2D, .filters = (filters_), .kernel = {(kernel_), (kernel_)},                        \
    .stride = {(stride_), (stride_)}, .padding = LK_PAD_SAME
#define NORM .kind = LK_LAYER_BATCH_NORM, .epsilon = 1e-3f, .momentum = 0.1f
#define RELU .kind = LK_LAYER_ACTIVATION, .activation = LK_ACT_RELU
#define POOL                                                                                                 \
    {                                                                                                        \
        .kind = LK_LAYER_MAX_POOL, .kernel = {2, 2}, .stride = { 2, 2 }                                      \
    }

static const lk_layer_options MLP[] = {
    {.kind = LK_LAYER_FLATTEN},
    DENSE(512, LK_ACT_RELU),
    DENSE(512, LK_ACT_RELU),
    DENSE(10, LK_ACT_NONE),
};

static const lk_layer_options CNN[] = {
    {CONV(32, 3, 1), .activation = LK_ACT_RELU},
    POOL,
    {CONV(64, 3, 1), .activation = LK_ACT_RELU},
    POOL,
    {.kind = LK_LAYER_FLATTEN},
    DENSE(128, LK_ACT_RELU),
    DENSE(10, LK_ACT_NONE),
};

/* Written with `add` in place of `residual`, so that the order of the parameters stands here. */
static const char *FROM_STEM[] = {"body1", "stem"};
static const char *FROM_SHORT[] = {"body2", "short2"}, *FROM_ONE[] = {"out1"};
static const char *FROM_LAST[] = {"body3", "short3"}, *FROM_TWO[] = {"out2"};

static const lk_layer_options RESNET8[] = {
    {CONV(16, 3, 1), .no_bias = true},
    {NORM},
    {RELU, .name = "stem"},
    {CONV(16, 3, 1), .no_bias = true},
    {NORM},
    {RELU},
    {CONV(16, 3, 1), .no_bias = true},
    {NORM, .name = "body1"},
    {.kind = LK_LAYER_ADD, .from = FROM_STEM, .n_from = 2},
    {RELU, .name = "out1"},
    {CONV(32, 3, 2), .no_bias = true},
    {NORM},
    {RELU},
    {CONV(32, 3, 1), .no_bias = true},
    {NORM, .name = "body2"},
    {CONV(32, 1, 2), .no_bias = true, .from = FROM_ONE, .n_from = 1},
    {NORM, .name = "short2"},
    {.kind = LK_LAYER_ADD, .from = FROM_SHORT, .n_from = 2},
    {RELU, .name = "out2"},
    {CONV(64, 3, 2), .no_bias = true},
    {NORM},
    {RELU},
    {CONV(64, 3, 1), .no_bias = true},
    {NORM, .name = "body3"},
    {CONV(64, 1, 2), .no_bias = true, .from = FROM_TWO, .n_from = 1},
    {NORM, .name = "short3"},
    {.kind = LK_LAYER_ADD, .from = FROM_LAST, .n_from = 2},
    {RELU},
    {.kind = LK_LAYER_GLOBAL_AVG_POOL},
    DENSE(10, LK_ACT_NONE),
};

/** A model, its buffers and its golden losses. */
typedef struct course {
    lk_model *model;
    lk_work  *work;  /* NULL where there is a whole */
    lk_whole *whole; /* in two groups of lanes */
    lk_loss  *loss;
    float    *state, *gradient, *moment, *x, *d_output;
    lk_golden golden;
    float     rate;
} course;

static void course_open(course *own, const char *name, const lk_layer_options *layers, int n_layers)
{
    lk_field  input = {.name = "x", .dtype = LK_F32, .shape = {3, {28, 28, 1}}};
    lk_field  target = {.name = "y", .dtype = LK_I32, .shape = {0}, .classes = CLASSES};
    lk_h5    *file = lk_golden_open("curves.h5");
    lk_golden rate = lk_golden_read(file, name, "rate");

    *own = (course){.rate = rate.values[0], .golden = lk_golden_read(file, name, "loss")};
    assert_int_equal(own->golden.n, STEPS);
    assert_ok(lk_model_create(&(lk_model_options){layers, n_layers}, &input, 1, CLASSES, &own->model));
    lk_whole_options whole = {
        .lanes = LANES, .n_parts = PARTS, .max_rows = ROWS / PARTS, .max_lanes = LANES / PARTS};
    if (lk_model_sees_batch(own->model))
        assert_ok(lk_whole_create(own->model, &whole, &own->whole));
    else
        assert_ok(lk_work_create(own->model, ROWS, LANES, true, 1, &own->work));
    assert_ok(lk_loss_create(&(lk_loss_options){.kind = LK_LOSS_SOFTMAX_CROSS_ENTROPY},
                             lk_model_output(own->model), &target, &own->loss));
    const lk_span_table *table = lk_model_spans(own->model);
    assert_ok(LK_ALLOC(table->total_floats, &own->state));
    assert_ok(LK_ALLOC(table->total_floats, &own->gradient));
    assert_ok(LK_ALLOC(table->parameter_floats, &own->moment));
    assert_ok(LK_ALLOC(ROWS * PIXELS, &own->x));
    assert_ok(LK_ALLOC(ROWS * CLASSES, &own->d_output));
    lk_golden_clear(&rate);
    lk_h5_abandon(&file);
}

static void course_close(course *own)
{
    lk_work_destroy(&own->work);
    lk_whole_destroy(&own->whole);
    lk_model_destroy(&own->model);
    lk_loss_destroy(&own->loss);
    lk_free(&own->state);
    lk_free(&own->gradient);
    lk_free(&own->moment);
    lk_free(&own->x);
    lk_free(&own->d_output);
    lk_golden_clear(&own->golden);
}

/** Gradient of the batch, and the lanes' sums of losses. */
static void lane_wise_pass(course *own, const lk_batch *batch, double *sums)
{
    const float *output;
    assert_ok(lk_model_forward(own->work, own->state, batch, &output));
    assert_ok(lk_loss_eval(own->loss, output, batch, own->d_output, sums, 3));
    assert_ok(lk_model_backward(own->work, own->state, batch, own->d_output, own->gradient, NULL, NULL));
}

/** The same with the batch in two groups that see each other. */
static void whole_pass(course *own, const lk_batch *batch, double *sums)
{
    const int64_t start[] = {0, LANE_ROWS, 2 * LANE_ROWS};
    lk_batch      half[PARTS];
    const void   *inputs[PARTS], *targets[PARTS];
    for (int k = 0; k < PARTS; k++) {
        half[k] = *batch;
        half[k].n = start[2];
        half[k].lanes = (lk_lanes){2 * k, 2, start};
        inputs[k] = (const float *)batch->input[0] + k * start[2] * PIXELS;
        targets[k] = (const int32_t *)batch->target[0] + k * start[2];
        half[k].input = &inputs[k];
        half[k].target = &targets[k];
        lk_whole_part(own->whole, k)->batch = &half[k];
    }
    assert_ok(lk_whole_forward(own->whole, own->state, LK_OK));
    for (int k = 0; k < PARTS; k++) {
        lk_part *part = lk_whole_part(own->whole, k);
        assert_ok(lk_loss_eval(own->loss, part->output, &half[k], part->d_output, sums + 2 * 3 * k, 3));
    }
    assert_ok(lk_whole_backward(own->whole, own->state, LK_OK));
    for (int64_t i = 0; i < lk_model_spans(own->model)->total_floats; i++)
        own->gradient[i] =
            lk_whole_part(own->whole, 0)->gradient[i] + lk_whole_part(own->whole, 1)->gradient[i];
}

/** One step; returns the mean loss before it. The gradient of span `scaled` is multiplied by `factor` first.
 */
static double one_step(course *own, int step, int scaled, float factor)
{
    const lk_span_table *table = lk_model_spans(own->model);
    const int64_t        start[] = {0, LANE_ROWS, 2 * LANE_ROWS, 3 * LANE_ROWS, ROWS};
    int64_t              sample[ROWS];
    int32_t              y[ROWS];
    const void          *inputs[] = {own->x}, *targets[] = {y};
    double               sums[LANES * 3], loss = 0, weight = 0;
    lk_batch             batch = {.n = ROWS,
                                  .lanes = {0, LANES, start},
                                  .n_inputs = 1,
                                  .n_targets = 1,
                                  .input = inputs,
                                  .target = targets,
                                  .sample = sample};
    lk_optim_options     sgd = {.kind = LK_OPTIM_SGD, .momentum = 0.9f};

    fill_batch((uint32_t)(step % BATCHES), own->x, y);
    for (int i = 0; i < ROWS; i++) sample[i] = i;
    (own->whole ? whole_pass : lane_wise_pass)(own, &batch, sums);
    for (int lane = 0; lane < LANES; lane++) {
        weight += sums[3 * lane + LK_SUM_WEIGHT];
        loss += sums[3 * lane + LK_SUM_LOSS];
    }
    for (int64_t i = 0; scaled >= 0 && i < table->spans[scaled].count; i++)
        own->gradient[table->spans[scaled].offset + i] *= factor;
    lk_optim_step now = lk_optim_step_make(&sgd, own->rate, step + 1);
    now.mean_scale = (float)(1.0 / weight);
    lk_optim_update(&sgd, &now, true, table->parameter_floats, own->state, own->gradient, &own->moment);
    return loss / weight;
}

/** Largest relative distance from PyTorch's losses over all steps. */
static double distance(course *own, int scaled, float factor)
{
    const lk_span_table *table = lk_model_spans(own->model);
    double               worst = 0;

    fill_parameters(table, own->state);
    memset(own->moment, 0, (size_t)table->parameter_floats * sizeof *own->moment);
    for (int step = 0; step < STEPS; step++) {
        double golden = (double)own->golden.values[step],
               off = fabs(one_step(own, step, scaled, factor) / golden - 1);
        if (!(off <= worst)) worst = off;
    }
    return worst;
}

/** Within the tolerance as it is, and outside with the gradient of any one of the named spans scaled by 1.01.
 */
static void follow(const char *name, const lk_layer_options *layers, int n_layers, double tolerance,
                   const int *scaled, int n_scaled)
{
    course own;

    course_open(&own, name, layers, n_layers);
    double off = distance(&own, -1, 1);
    print_message("%s: losses of %d steps within %.2g\n", name, STEPS, off);
    assert_true(off <= tolerance);
    for (int i = 0; i < n_scaled; i++) {
        const lk_span *span = &lk_model_spans(own.model)->spans[scaled[i]];
        double         away = distance(&own, scaled[i], 1.01f);
        print_message("  gradient of %s times 1.01: %.2g\n", span->name, away);
        assert_true(away > tolerance);
    }
    course_close(&own);
}

#define FOLLOW(name_, layers_, tolerance_, ...)                                                              \
    follow(name_, layers_, sizeof layers_ / sizeof *layers_, tolerance_, (const int[]){__VA_ARGS__},         \
           sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void mlp_follows_pytorch(void **state)
{
    (void)state;
    FOLLOW("mlp", MLP, 1e-4, 0, 2, 4);
}

static void cnn_follows_pytorch(void **state)
{
    (void)state;
    FOLLOW("cnn", CNN, 1e-4, 0, 2, 4, 6);
}

static void resnet8_follows_pytorch(void **state)
{
    (void)state;
    /* A convolution before a batch norm may be scaled without effect: the dense layer shows the power. */
    FOLLOW("resnet8", RESNET8, 1e-4, 27);
}

static void resnet8_with_norms_over_the_batch_follows_pytorch(void **state)
{
    (void)state;
    lk_layer_options layers[sizeof RESNET8 / sizeof *RESNET8];
    memcpy(layers, RESNET8, sizeof layers);
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        layers[i].over_batch = layers[i].kind == LK_LAYER_BATCH_NORM;
    FOLLOW("resnet8_whole", layers, 1e-4, 27);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mlp_follows_pytorch),
        cmocka_unit_test(cnn_follows_pytorch),
        cmocka_unit_test(resnet8_follows_pytorch),
        cmocka_unit_test(resnet8_with_norms_over_the_batch_follows_pytorch),
    };
    return lk_kernels_select("auto") == LK_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
