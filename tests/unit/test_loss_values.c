/* Losses against hand values and a plain double twin; gradients against central differences. */
#include "lk_test.h"

#include "core/rng.h"
#include "loss/loss.h"

enum { ROWS = 5, MAX = 4096 };

/** A batch of one lane; the caller fills in what it needs. */
typedef struct one_lane {
    lk_batch    batch;
    int64_t     start[2];
    const void *target[1];
} one_lane;

static const lk_batch *one_lane_of(one_lane *own, int64_t n, const void *target)
{
    *own = (one_lane){.start = {0, n}, .target = {target}};
    own->batch.n = n;
    own->batch.lanes = (lk_lanes){0, 1, own->start};
    own->batch.target = own->target;
    return &own->batch;
}

static lk_shape shape1(int64_t a)
{
    return (lk_shape){1, {a}};
}

static lk_field numbers(lk_shape shape)
{
    return (lk_field){.name = "y", .dtype = LK_F32, .shape = shape};
}

static lk_field classes(lk_shape shape, int64_t n)
{
    return (lk_field){.name = "y", .dtype = LK_I32, .shape = shape, .classes = n};
}

/** One row of numbers through a loss: its sum, and the gradient in d. */
static double value_of(lk_loss_options options, int n, const float *z, const float *y, float *d)
{
    one_lane own;
    double   sums[3];
    lk_loss *loss = NULL;
    lk_shape shape = shape1(n);
    lk_field target = numbers(shape);

    assert_ok(lk_loss_create(&options, &shape, &target, &loss));
    assert_ok(lk_loss_eval(loss, z, one_lane_of(&own, 1, y), d, sums, 3));
    assert_true(sums[LK_SUM_WEIGHT] == n);
    assert_true(sums[LK_SUM_COUNT] == 1);
    lk_loss_destroy(&loss);
    assert_null(loss);
    return sums[LK_SUM_LOSS];
}

static void elementwise_losses_have_their_hand_values(void **state)
{
    (void)state;
    const float z[] = {1.0f, -2.0f, 0.5f, 3.0f}, y[] = {0.0f, 1.0f, 0.5f, 2.5f};
    float       d[4];

    /* errors 1, -3, 0, 0.5 */
    assert_true(value_of((lk_loss_options){.kind = LK_LOSS_MSE}, 4, z, y, d) == 10.25);
    assert_true(d[0] == 2 && d[1] == -6 && d[2] == 0 && d[3] == 1);
    assert_true(value_of((lk_loss_options){.kind = LK_LOSS_MAE}, 4, z, y, d) == 4.5);
    assert_true(d[0] == 1 && d[1] == -1 && d[2] == 0 && d[3] == 1);
    /* delta 1: 0.5, 1 (3 - 0.5), 0, 0.125 */
    assert_true(value_of((lk_loss_options){.kind = LK_LOSS_HUBER, .delta = 1}, 4, z, y, d) == 3.125);
    assert_true(d[0] == 1 && d[1] == -1 && d[2] == 0 && d[3] == 0.5f);
}

static void binary_cross_entropy_is_stable_at_both_ends(void **state)
{
    (void)state;
    const float z[] = {0.0f, 100.0f, -100.0f, 100.0f}, y[] = {1.0f, 1.0f, 0.0f, 0.0f};
    float       d[4];
    double      sum = value_of((lk_loss_options){.kind = LK_LOSS_BINARY_CROSS_ENTROPY}, 4, z, y, d);

    assert_true(fabs(sum - (log(2.0) + 100.0)) < 1e-5);
    assert_true(fabsf(d[0] + 0.5f) < 1e-7f && d[1] == 0 && fabsf(d[2]) < 1e-30f && d[3] == 1);
}

static void softmax_of_equal_logits_costs_log_c(void **state)
{
    (void)state;
    one_lane      own;
    const float   z[] = {7, 7, 7, 7, -1000, 1000, -1000, -1000};
    const int32_t y[] = {2, 1};
    float         d[8] = {0};
    double        sums[3];
    lk_loss      *loss = NULL;
    lk_shape      shape = shape1(4);
    lk_field      target = classes((lk_shape){0}, 4);

    assert_ok(
        lk_loss_create(&(lk_loss_options){.kind = LK_LOSS_SOFTMAX_CROSS_ENTROPY}, &shape, &target, &loss));
    assert_ok(lk_loss_eval(loss, z, one_lane_of(&own, 2, y), d, sums, 3));
    assert_true(fabs(sums[LK_SUM_LOSS] - log(4.0)) < 1e-7); /* the second row is certain and right: 0 */
    for (int i = 0; i < 4; i++) assert_true(fabsf(d[i] - (i == 2 ? -0.75f : 0.25f)) < 1e-6f);
    for (int i = 4; i < 8; i++) assert_true(fabsf(d[i]) < 1e-30f);
    lk_loss_destroy(&loss);
}

/* What the checks by twin and by differences run over. */
typedef struct problem {
    const char     *what;
    lk_loss_options options;
    lk_shape        output, target; /* of one sample */
    bool            weights, mask;
} problem;

static const problem PROBLEMS[] = {
    {"mse", {.kind = LK_LOSS_MSE}, {1, {3}}, {1, {3}}, false, false},
    {"mse, long rows", {.kind = LK_LOSS_MSE}, {2, {23, 17}}, {2, {23, 17}}, true, true},
    {"mse, scalar", {.kind = LK_LOSS_MSE}, {1, {1}}, {0, {0}}, true, false},
    {"mae", {.kind = LK_LOSS_MAE}, {1, {7}}, {1, {7}}, true, true},
    {"huber", {.kind = LK_LOSS_HUBER, .delta = 0.7f}, {1, {300}}, {1, {300}}, true, true},
    {"binary", {.kind = LK_LOSS_BINARY_CROSS_ENTROPY}, {1, {5}}, {1, {5}}, true, true},
    {"softmax", {.kind = LK_LOSS_SOFTMAX_CROSS_ENTROPY}, {1, {10}}, {0, {0}}, true, false},
    {"softmax, smooth",
     {.kind = LK_LOSS_SOFTMAX_CROSS_ENTROPY, .label_smoothing = 0.1f},
     {1, {7}},
     {0, {0}},
     true,
     false},
    {"softmax, tokens",
     {.kind = LK_LOSS_SOFTMAX_CROSS_ENTROPY, .label_smoothing = 0.2f},
     {2, {6, 5}},
     {1, {6}},
     true,
     true},
    {"softmax, many", {.kind = LK_LOSS_SOFTMAX_CROSS_ENTROPY}, {1, {700}}, {1, {1}}, false, false},
};

typedef struct filled {
    float z[MAX], d[MAX], y[MAX], weight[ROWS], mask[MAX];
    int32_t class[MAX];
    int64_t     start[4];
    const void *target[1];
    lk_batch    batch;
    lk_field    field;
} filled;

/** Random outputs, targets, weights and masks in three lanes of which the second is empty. */
static void fill(const problem *p, filled *f)
{
    lk_rng  rng = lk_rng_make(11, LK_RNG_TEST, 0, 0, 0);
    int64_t outputs = ROWS * lk_shape_count(&p->output), targets = ROWS * lk_shape_count(&p->target);
    bool    soft = p->options.kind == LK_LOSS_SOFTMAX_CROSS_ENTROPY;
    int64_t c = soft ? p->output.axis[p->output.n_axes - 1] : 1;

    assert_true(outputs <= MAX);
    for (int64_t i = 0; i < outputs; i++) f->z[i] = 2.0f * lk_rng_normal(&rng, (uint64_t)i);
    for (int64_t i = 0; i < targets; i++) {
        float u = lk_rng_uniform(&rng, 100000 + (uint64_t)i);
        f->y[i] = p->options.kind == LK_LOSS_BINARY_CROSS_ENTROPY ? u : 4.0f * u - 2.0f;
        f->class[i] = (int32_t)(u * (float)c);
        f->mask[i] = lk_rng_uniform(&rng, 200000 + (uint64_t)i) < 0.7f ? 1.0f : 0.0f;
    }
    for (int i = 0; i < ROWS; i++) f->weight[i] = i == 3 ? 0.0f : 0.5f + (float)i;
    memcpy(f->start, (int64_t[4]){0, 2, 2, ROWS}, sizeof f->start);
    f->target[0] = soft ? (const void *)f->class : (const void *)f->y;
    f->batch = (lk_batch){.n = ROWS,
                          .lanes = {4, 3, f->start},
                          .target = f->target,
                          .weight = p->weights ? f->weight : NULL,
                          .mask = p->mask ? f->mask : NULL};
    f->field = soft ? classes(p->target, c) : numbers(p->target);
}

/** The definition, element by element, in double. */
static double twin_term(const problem *p, const filled *f, int64_t at, int64_t c)
{
    const float *z = f->z + at * c;
    double       d = (double)z[0] - (double)f->y[at], delta = (double)p->options.delta, sum = 0, cost = 0;

    switch (p->options.kind) {
    case LK_LOSS_MSE:
        return d * d;
    case LK_LOSS_MAE:
        return fabs(d);
    case LK_LOSS_HUBER:
        return fabs(d) <= delta ? 0.5 * d * d : delta * (fabs(d) - 0.5 * delta);
    case LK_LOSS_BINARY_CROSS_ENTROPY: {
        double prob = 1.0 / (1.0 + exp(-(double)z[0])), y = (double)f->y[at];
        return -y * log(prob) - (1 - y) * log(1 - prob);
    }
    default:
        break;
    }
    for (int64_t j = 0; j < c; j++) sum += exp((double)z[j]);
    for (int64_t j = 0; j < c; j++) {
        double s = (double)p->options.label_smoothing, q = s / (double)c + (j == f->class[at] ? 1 - s : 0);
        cost -= q * log(exp((double)z[j]) / sum);
    }
    return cost;
}

static void sums_are_those_of_the_plain_twin(void **state)
{
    (void)state;
    static filled f;

    for (size_t i = 0; i < sizeof PROBLEMS / sizeof *PROBLEMS; i++) {
        const problem *p = &PROBLEMS[i];
        lk_loss       *loss = NULL;
        double         sums[3 * 4], weight[3] = {0}, cost[3] = {0}, rows[3] = {2, 0, 3};
        fill(p, &f);
        int64_t elements = lk_shape_count(&p->target), c = lk_shape_count(&p->output) / elements;
        for (int64_t row = 0; row < ROWS; row++) {
            for (int64_t e = row * elements; e < (row + 1) * elements; e++) {
                double w = p->weights ? (double)f.weight[row] : 1.0;
                if (p->mask && f.mask[e] == 0.0f) w = 0;
                weight[row < 2 ? 0 : 2] += w;
                cost[row < 2 ? 0 : 2] += w * twin_term(p, &f, e, c);
            }
        }
        for (int k = 0; k < 12; k++) sums[k] = -77;
        assert_ok(lk_loss_create(&p->options, &p->output, &f.field, &loss));
        assert_ok(lk_loss_eval(loss, f.z, &f.batch, NULL, sums, 4));
        for (int lane = 0; lane < 3; lane++) {
            if (fabs(sums[4 * lane + LK_SUM_LOSS] - cost[lane]) > 2e-6 * cost[lane])
                fail_msg("%s, lane %d: loss %.9g, twin %.9g", p->what, lane, sums[4 * lane + LK_SUM_LOSS],
                         cost[lane]);
            assert_true(fabs(sums[4 * lane + LK_SUM_WEIGHT] - weight[lane]) < 1e-9);
            assert_true(sums[4 * lane + LK_SUM_COUNT] == rows[lane]);
            assert_true(sums[4 * lane + 3] == -77); /* a metric's column is not touched */
        }
        lk_loss_destroy(&loss);
    }
}

static double total_loss(const lk_loss *loss, const filled *f)
{
    double sums[9];

    assert_ok(lk_loss_eval(loss, f->z, &f->batch, NULL, sums, 3));
    return sums[LK_SUM_LOSS] + sums[3 + LK_SUM_LOSS] + sums[6 + LK_SUM_LOSS];
}

static void gradients_are_central_differences(void **state)
{
    (void)state;
    static filled f;

    for (size_t i = 0; i < sizeof PROBLEMS / sizeof *PROBLEMS; i++) {
        const problem *p = &PROBLEMS[i];
        lk_loss       *loss = NULL;
        double         sums[9];
        fill(p, &f);
        int64_t outputs = ROWS * lk_shape_count(&p->output), stride = outputs > 400 ? outputs / 397 + 1 : 1;
        assert_ok(lk_loss_create(&p->options, &p->output, &f.field, &loss));
        assert_ok(lk_loss_eval(loss, f.z, &f.batch, f.d, sums, 3));
        for (int64_t k = 0; k < outputs; k += stride) {
            float  z = f.z[k], h = 4e-3f;
            double above, below, wide;
            f.z[k] = z + h;
            wide = (double)f.z[k];
            above = total_loss(loss, &f);
            f.z[k] = z - h;
            wide -= (double)f.z[k];
            below = total_loss(loss, &f);
            f.z[k] = z;
            /* terms are floats of size 10 weighed up to 4.5: 1e-6 over h; huber and mae bend inside h now and
             * then */
            double difference = (above - below) / wide, bend = p->options.kind == LK_LOSS_HUBER ? 2e-2 : 0;
            bool   kink = p->options.kind == LK_LOSS_MAE && fabsf(z - f.y[k]) < h;
            if (!kink && fabs(difference - (double)f.d[k]) > 2e-3 * (1 + fabs(difference)) + bend)
                fail_msg("%s at %lld: %.7g, by differences %.7g", p->what, (long long)k, (double)f.d[k],
                         difference);
        }
        lk_loss_destroy(&loss);
    }
}

static void gradient_may_take_the_outputs_place(void **state)
{
    (void)state;
    static filled f;

    for (size_t i = 0; i < sizeof PROBLEMS / sizeof *PROBLEMS; i++) {
        lk_loss *loss = NULL;
        double   sums[9], again[9];
        fill(&PROBLEMS[i], &f);
        assert_ok(lk_loss_create(&PROBLEMS[i].options, &PROBLEMS[i].output, &f.field, &loss));
        assert_ok(lk_loss_eval(loss, f.z, &f.batch, f.d, sums, 3));
        assert_ok(lk_loss_eval(loss, f.z, &f.batch, f.z, again, 3));
        assert_memory_equal(sums, again, sizeof sums);
        assert_memory_equal(f.d, f.z, (size_t)(ROWS * lk_shape_count(&PROBLEMS[i].output)) * sizeof *f.d);
        lk_loss_destroy(&loss);
    }
}

static void masked_elements_may_hold_anything(void **state)
{
    (void)state;
    one_lane    own;
    const float z[] = {NAN, 2.0f}, y[] = {NAN, 1.0f}, mask[] = {0, 1};
    float       d[2] = {5, 5};
    double      sums[3];
    lk_loss    *loss = NULL;
    lk_shape    shape = shape1(2);
    lk_field    target = numbers(shape);

    assert_ok(lk_loss_create(&(lk_loss_options){.kind = LK_LOSS_MSE}, &shape, &target, &loss));
    one_lane_of(&own, 1, y);
    own.batch.mask = mask;
    assert_ok(lk_loss_eval(loss, z, &own.batch, d, sums, 3));
    assert_true(sums[LK_SUM_LOSS] == 1 && sums[LK_SUM_WEIGHT] == 1 && d[0] == 0 && d[1] == 2);
    lk_loss_destroy(&loss);
}

static void an_output_of_nan_is_a_loss_of_nan(void **state)
{
    (void)state;
    one_lane      own;
    const float   z[] = {1, NAN, 2}, y[] = {0, 0, 0};
    const int32_t label[] = {0};
    double        sums[3];
    lk_shape      shape = shape1(3);
    lk_field      target;

    for (int kind = LK_LOSS_MSE; kind <= LK_LOSS_BINARY_CROSS_ENTROPY; kind++) {
        bool     soft = kind == LK_LOSS_SOFTMAX_CROSS_ENTROPY;
        lk_loss *loss = NULL;
        target = soft ? classes((lk_shape){0}, 3) : numbers(shape);
        assert_ok(lk_loss_create(&(lk_loss_options){.kind = (lk_loss_kind)kind, .delta = 1}, &shape, &target,
                                 &loss));
        assert_ok(lk_loss_eval(loss, z, one_lane_of(&own, 1, soft ? (const void *)label : (const void *)y),
                               NULL, sums, 3));
        assert_true(isnan(sums[LK_SUM_LOSS]));
        lk_loss_destroy(&loss);
    }
}

/** lk_loss_eval fails with LK_E_DATA and a message that has `words` in it. */
static void expect_data_error(lk_loss_kind kind, int64_t width, const void *y, lk_field target,
                              const float *weight, const char *words)
{
    one_lane           own;
    static const float z[30];
    int64_t            sample[] = {40, 41, 42};
    double             sums[3];
    lk_loss           *loss = NULL;
    lk_shape           shape = shape1(width);

    assert_ok(lk_loss_create(&(lk_loss_options){.kind = kind, .delta = 1}, &shape, &target, &loss));
    one_lane_of(&own, 3, y);
    own.batch.sample = sample;
    own.batch.weight = weight;
    assert_status(lk_loss_eval(loss, z, &own.batch, NULL, sums, 3), LK_E_DATA);
    if (!strstr(lk_error_message(), words)) fail_msg("'%s' lacks '%s'", lk_error_message(), words);
    lk_loss_destroy(&loss);
}

static void bad_targets_are_named_with_their_sample(void **state)
{
    (void)state;
    const float   weight[] = {1, 1, -1};
    const int32_t ten[] = {0, 9, 10}, minus[] = {0, -1, 0};
    lk_field      one = numbers((lk_shape){0}), label = classes((lk_shape){0}, 0);

    expect_data_error(LK_LOSS_SOFTMAX_CROSS_ENTROPY, 10, ten, label, NULL, "sample 42 has class 10");
    expect_data_error(LK_LOSS_SOFTMAX_CROSS_ENTROPY, 10, minus, label, NULL, "sample 41 has class -1");
    expect_data_error(LK_LOSS_MSE, 1, (const float[]){0, 0, NAN}, one, NULL, "sample 42 has target nan");
    expect_data_error(LK_LOSS_HUBER, 1, (const float[]){0, INFINITY, 0}, one, NULL,
                      "sample 41 has target inf");
    expect_data_error(LK_LOSS_BINARY_CROSS_ENTROPY, 1, (const float[]){0, 1, 2}, one, NULL, "takes 0..1");
    expect_data_error(LK_LOSS_BINARY_CROSS_ENTROPY, 1, ten, label, NULL, "sample 41 has target 9");
    expect_data_error(LK_LOSS_MSE, 1, (const float[]){0, 0, 0}, one, weight, "sample 42 has weight -1");
}

/** lk_loss_create fails with `status` and a message that has `words` in it. */
static void expect_misfit(lk_loss_options options, lk_shape output, lk_field target, lk_status status,
                          const char *words)
{
    lk_loss *loss = NULL;

    assert_status(lk_loss_create(&options, &output, &target, &loss), status);
    assert_null(loss);
    if (!strstr(lk_error_message(), words)) fail_msg("'%s' lacks '%s'", lk_error_message(), words);
}

static void misfits_are_refused_with_both_shapes(void **state)
{
    (void)state;
    lk_loss_options soft = {.kind = LK_LOSS_SOFTMAX_CROSS_ENTROPY}, mse = {.kind = LK_LOSS_MSE};
    lk_shape        scalar = {0};

    expect_misfit(soft, shape1(10), numbers(scalar), LK_E_CONFIG, "class indices");
    expect_misfit(soft, shape1(1), classes(scalar, 2), LK_E_SHAPE, "binary_cross_entropy");
    expect_misfit(soft, shape1(10), classes(scalar, 11), LK_E_SHAPE, "10 units, target 'y' has 11 classes");
    expect_misfit(soft, (lk_shape){2, {7, 10}}, classes(shape1(8), 10), LK_E_SHAPE, "7x10, target 'y' is 8");
    expect_misfit(mse, shape1(3), numbers(shape1(4)), LK_E_SHAPE, "output is 3, target 'y' is 4");
    expect_misfit((lk_loss_options){.kind = LK_LOSS_HUBER}, shape1(3), numbers(shape1(3)), LK_E_CONFIG,
                  "delta is 0");
    soft.label_smoothing = 1.5f;
    expect_misfit(soft, shape1(3), classes(scalar, 3), LK_E_CONFIG, "label_smoothing is 1.5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise_losses_have_their_hand_values),
        cmocka_unit_test(binary_cross_entropy_is_stable_at_both_ends),
        cmocka_unit_test(softmax_of_equal_logits_costs_log_c),
        cmocka_unit_test(sums_are_those_of_the_plain_twin),
        cmocka_unit_test(gradients_are_central_differences),
        cmocka_unit_test(gradient_may_take_the_outputs_place),
        cmocka_unit_test(masked_elements_may_hold_anything),
        cmocka_unit_test(an_output_of_nan_is_a_loss_of_nan),
        cmocka_unit_test(bad_targets_are_named_with_their_sample),
        cmocka_unit_test(misfits_are_refused_with_both_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
