/* Metrics against hand values; sums that add up over lanes. */
#include "lk_test.h"

#include "core/rng.h"
#include "metric/metric.h"

static lk_field field_of(lk_dtype dtype, lk_shape shape, int64_t n_classes)
{
    return (lk_field){.name = "y", .dtype = dtype, .shape = shape, .classes = n_classes};
}

/** n rows in lanes that end at `ends`; pointers into what the caller keeps. */
typedef struct rows {
    int64_t     start[5];
    const void *target[1];
    lk_batch    batch;
} rows;

static const lk_batch *rows_of(rows *own, int n_lanes, const int64_t *ends, const void *target)
{
    *own = (rows){.target = {target}};
    for (int i = 0; i < n_lanes; i++) own->start[i + 1] = ends[i];
    own->batch = (lk_batch){.n = ends[n_lanes - 1], .lanes = {0, n_lanes, own->start}, .target = own->target};
    return &own->batch;
}

/** The value over n rows in one lane. */
static double value(lk_metric_options options, lk_shape output, lk_field target, bool logits, int64_t n,
                    const float *z, const void *y)
{
    rows       own;
    double     sums[64];
    lk_metric *metric = NULL;

    assert_ok(lk_metric_create(&options, &output, &target, logits, &metric));
    assert_true(lk_metric_n_sums(metric) <= 64);
    lk_metric_eval(metric, z, rows_of(&own, 1, &n, y), sums, 64, 0);
    double result = lk_metric_value(metric, sums);
    lk_metric_destroy(&metric);
    return result;
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

/* Four classes, of which class 3 occurs neither in truth nor in prediction: said 0 1 1 2 0 0. */
static const float   LOGITS[] = {3, 1, 2, 0, 0, 5, 1, 2, 1, 2, 0, 0, 0, 1, 2, 1, 9, 8, 7, 6, 4, 3, 2, 1};
static const int32_t CLASSES[] = {0, 1, 2, 2, 1, 2};

static double of_classes(lk_metric_kind kind, int k)
{
    return value((lk_metric_options){.kind = kind, .k = k}, (lk_shape){1, {4}},
                 field_of(LK_I32, (lk_shape){0}, 4), true, 6, LOGITS, CLASSES);
}

static void classes_have_their_hand_values(void **state)
{
    (void)state;
    assert_true(near(of_classes(LK_METRIC_ACCURACY, 0), 3.0 / 6));
    /* the true class is 1st, 1st, 3rd or tied 3rd, 1st, 2nd, 3rd */
    assert_true(near(of_classes(LK_METRIC_TOP_K, 1), 3.0 / 6));
    assert_true(near(of_classes(LK_METRIC_TOP_K, 2), 4.0 / 6));
    assert_true(near(of_classes(LK_METRIC_TOP_K, 3), 1));
    /* precision 1/3, 1/2, 1; recall 1, 1/2, 1/3; class 3 is left out of the mean */
    assert_true(near(of_classes(LK_METRIC_PRECISION, 0), (1.0 / 3 + 0.5 + 1) / 3));
    assert_true(near(of_classes(LK_METRIC_RECALL, 0), (1 + 0.5 + 1.0 / 3) / 3));
    assert_true(near(of_classes(LK_METRIC_F1, 0), (0.5 + 0.5 + 0.5) / 3));
    assert_true(isnan(of_classes(LK_METRIC_CONFUSION_MATRIX, 0)));
}

static void confusion_counts_truth_by_row(void **state)
{
    (void)state;
    rows          own;
    double        sums[2 + 16 + 1];
    const int64_t n = 6;
    lk_metric    *metric = NULL;
    lk_shape      output = {1, {4}};
    lk_field      target = field_of(LK_I32, (lk_shape){0}, 4);
    const double  table[16] = {1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0};

    assert_ok(lk_metric_create(&(lk_metric_options){.kind = LK_METRIC_CONFUSION_MATRIX}, &output, &target,
                               true, &metric));
    assert_int_equal(lk_metric_matrix_side(metric), 4);
    assert_int_equal(lk_metric_n_sums(metric), 16);
    sums[1] = sums[18] = -7;
    lk_metric_eval(metric, LOGITS, rows_of(&own, 1, &n, CLASSES), sums, 19, 2);
    assert_memory_equal(sums + 2, table, sizeof table);
    assert_true(sums[1] == -7 && sums[18] == -7); /* neighbours are not touched */
    lk_metric_destroy(&metric);
    assert_null(metric);
}

/* Binary: said 1 1 0 0 1 at 0.5; truth 1 0 1 0 1. */
static double of_binary(lk_metric_kind kind, float threshold)
{
    const float z[] = {1, 0.5f, -1, -3, 4}, y[] = {1, 0, 1, 0, 1};

    return value((lk_metric_options){.kind = kind, .threshold = threshold}, (lk_shape){1, {1}},
                 field_of(LK_F32, (lk_shape){0}, 0), true, 5, z, y);
}

static void binary_values_are_those_of_class_one(void **state)
{
    (void)state;
    assert_true(near(of_binary(LK_METRIC_ACCURACY, 0), 0.6));
    assert_true(near(of_binary(LK_METRIC_PRECISION, 0), 2.0 / 3));
    assert_true(near(of_binary(LK_METRIC_RECALL, 0), 2.0 / 3));
    assert_true(near(of_binary(LK_METRIC_F1, 0), 2.0 / 3));
    /* at 0.7 the logit must exceed 0.847: said 1 0 0 0 1 */
    assert_true(near(of_binary(LK_METRIC_PRECISION, 0.7f), 1));
    assert_true(near(of_binary(LK_METRIC_RECALL, 0.7f), 2.0 / 3));
    /* at 0.999 nothing is said: 0 / 0 counts as 0 */
    assert_true(of_binary(LK_METRIC_PRECISION, 0.999f) == 0 && of_binary(LK_METRIC_F1, 0.999f) == 0);

    const int32_t labels[] = {1, 0, 1, 0, 1};
    const float   p[] = {0.9f, 0.6f, 0.2f, 0.1f, 0.8f}, two[] = {0, 1, 0, 2, 1, 0, 3, 1, 0, 4};
    assert_true(near(value((lk_metric_options){.kind = LK_METRIC_F1}, (lk_shape){0},
                           field_of(LK_I32, (lk_shape){0}, 2), false, 5, p, labels),
                     2.0 / 3));
    assert_true(near(value((lk_metric_options){.kind = LK_METRIC_RECALL}, (lk_shape){1, {2}},
                           field_of(LK_I32, (lk_shape){0}, 2), true, 5, two, labels),
                     2.0 / 3));
}

static void numbers_have_their_hand_values(void **state)
{
    (void)state;
    const float z[] = {1, 2, 4, 8}, y[] = {2, 2, 2, 6};
    lk_field    one = field_of(LK_F32, (lk_shape){1, {1}}, 0), pair = field_of(LK_F32, (lk_shape){1, {2}}, 0);

#define OF(kind_, n_, width_, field_)                                                                        \
    value((lk_metric_options){.kind = (kind_)}, (lk_shape){1, {(width_)}}, (field_), false, (n_), z, y)
    assert_true(near(OF(LK_METRIC_MSE, 4, 1, one), 9.0 / 4));
    assert_true(near(OF(LK_METRIC_RMSE, 4, 1, one), 1.5));
    assert_true(near(OF(LK_METRIC_MAE, 4, 1, one), 5.0 / 4));
    assert_true(near(OF(LK_METRIC_R2, 4, 1, one), 1 - 9.0 / 12));
    assert_true(near(OF(LK_METRIC_MSE, 2, 2, pair), 9.0 / 4));
    assert_true(isnan(OF(LK_METRIC_R2, 2, 2, pair))); /* the first column's truth is constant */
    assert_true(isnan(OF(LK_METRIC_R2, 1, 1, one)));
#undef OF
    const float many_z[] = {1, 5, 2, 8, 4, 6}, many_y[] = {1, 4, 2, 8, 3, 6};
    assert_true(near(
        value((lk_metric_options){.kind = LK_METRIC_R2}, (lk_shape){1, {2}}, pair, false, 3, many_z, many_y),
        ((1 - 1 / 2.0) + (1 - 1 / 8.0)) / 2));
}

static void a_constant_target_has_no_r2(void **state)
{
    (void)state;
    enum { N = 1000 };
    float z[N], y[N];

    for (int i = 0; i < N; i++) {
        z[i] = (float)i;
        y[i] = 0.1f;
    }
    assert_true(isnan(value((lk_metric_options){.kind = LK_METRIC_R2}, (lk_shape){0},
                            field_of(LK_F32, (lk_shape){0}, 0), false, N, z, y)));
}

static void no_sample_gives_nan(void **state)
{
    (void)state;
    for (int kind = LK_METRIC_ACCURACY; kind <= LK_METRIC_R2; kind++)
        assert_true(isnan(value((lk_metric_options){.kind = (lk_metric_kind)kind, .k = 1},
                                (lk_shape){1, {kind >= LK_METRIC_MSE ? 1 : 3}},
                                field_of(kind >= LK_METRIC_MSE ? LK_F32 : LK_I32, (lk_shape){0}, 0), true, 0,
                                LOGITS, CLASSES)));
}

/** Random classes or numbers: whole against four lanes, one of them empty. */
static void sums_add_up_over_lanes(void **state)
{
    (void)state;
    enum { N = 40, C = 3 };
    float         z[N * C], y[N * C];
    int32_t       label[N];
    const int64_t all = N, ends[] = {7, 7, 30, N};
    lk_rng        rng = lk_rng_make(5, LK_RNG_TEST, 0, 0, 0);

    for (uint64_t i = 0; i < N * C; i++) {
        z[i] = lk_rng_normal(&rng, i);
        y[i] = lk_rng_normal(&rng, 1000 + i);
    }
    for (uint64_t i = 0; i < N; i++) label[i] = (int32_t)(lk_rng_uniform(&rng, 9000 + i) * C);
    for (int kind = LK_METRIC_ACCURACY; kind <= LK_METRIC_R2; kind++) {
        bool       numbers = kind >= LK_METRIC_MSE;
        rows       own;
        double     whole[16], parts[4 * 17], total[16] = {0};
        lk_metric *metric = NULL;
        lk_shape   output = {1, {C}};
        lk_field   target =
            field_of(numbers ? LK_F32 : LK_I32, numbers ? output : (lk_shape){0}, numbers ? 0 : C);
        assert_ok(lk_metric_create(&(lk_metric_options){.kind = (lk_metric_kind)kind, .k = 2}, &output,
                                   &target, true, &metric));
        int n = lk_metric_n_sums(metric);
        lk_metric_eval(metric, z, rows_of(&own, 1, &all, numbers ? (const void *)y : label), whole, n, 0);
        lk_metric_eval(metric, z, rows_of(&own, 4, ends, numbers ? (const void *)y : label), parts, 17, 1);
        for (int lane = 0; lane < 4; lane++)
            for (int i = 0; i < n; i++) total[i] += parts[17 * lane + 1 + i];
        for (int i = 0; i < n; i++) assert_true(fabs(total[i] - whole[i]) <= 1e-12 * (1 + fabs(whole[i])));
        if (kind != LK_METRIC_CONFUSION_MATRIX)
            assert_true(near(lk_metric_value(metric, total), lk_metric_value(metric, whole)));
        lk_metric_destroy(&metric);
    }
}

static void masked_elements_and_weightless_samples_are_left_out(void **state)
{
    (void)state;
    rows          own;
    double        sums[2];
    const int64_t n = 3;
    const float   z[] = {1, 2, 3, 9, 5, 6}, y[] = {1, 2, NAN, 6, 100, 100};
    const float   mask[] = {1, 1, 0, 1, 1, 1}, weight[] = {2, 1, 0};
    lk_metric    *metric = NULL;
    lk_shape      shape = {1, {2}};
    lk_field      target = field_of(LK_F32, shape, 0);

    assert_ok(lk_metric_create(&(lk_metric_options){.kind = LK_METRIC_MAE}, &shape, &target, false, &metric));
    rows_of(&own, 1, &n, y);
    own.batch.mask = mask;
    own.batch.weight = weight;
    lk_metric_eval(metric, z, &own.batch, sums, 2, 0);
    assert_true(sums[0] == 3 && sums[1] == 3);
    lk_metric_destroy(&metric);
}

static void errors_speak_in_the_units_of_the_data(void **state)
{
    (void)state;
    rows          own;
    double        sums[8];
    const int64_t n = 2;
    const float   z[] = {1, 2, 3, 4}, y[] = {0, 2, 3, 2}; /* errors 1, 0 and 0, 2 */
    const double  deviation[] = {10, 100};                /* 10, 0 and 0, 200 */
    static const struct {
        lk_metric_kind kind;
        double         value;
    } cases[] = {{LK_METRIC_MAE, 52.5},
                 {LK_METRIC_MSE, 10025},
                 {LK_METRIC_RMSE, 100.12492197250393},
                 {LK_METRIC_R2, 0}};
    lk_shape shape = {1, {2}};
    lk_field target = field_of(LK_F32, shape, 0);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double     value[2];
        lk_metric *metric = NULL;
        assert_ok(
            lk_metric_create(&(lk_metric_options){.kind = cases[i].kind}, &shape, &target, false, &metric));
        for (int units = 0; units < 2; units++) {
            assert_ok(lk_metric_set_units(metric, units ? 2 : 0, deviation));
            rows_of(&own, 1, &n, y);
            lk_metric_eval(metric, z, &own.batch, sums, 8, 0);
            value[units] = lk_metric_value(metric, sums);
        }
        if (cases[i].kind == LK_METRIC_R2) /* free of units */
            assert_true((isnan(value[0]) && isnan(value[1])) || value[0] == value[1]);
        else
            assert_true(near(value[1], cases[i].value) && !near(value[0], value[1]));
        lk_metric_destroy(&metric);
    }
}

static void tokens_are_counted_one_by_one(void **state)
{
    (void)state;
    const int32_t y[] = {1, 0, 0, 1};
    const float   z[] = {0, 1, 0, 1, 1, 0, 1, 0};

    assert_true(near(value((lk_metric_options){.kind = LK_METRIC_ACCURACY}, (lk_shape){2, {2, 2}},
                           field_of(LK_I32, (lk_shape){1, {2}}, 2), true, 2, z, y),
                     0.5));
}

/** lk_metric_create fails with a message that has `words` in it. */
static void expect_misfit(lk_metric_options options, lk_shape output, lk_field target, const char *words)
{
    lk_metric *metric = NULL;

    assert_true(lk_metric_create(&options, &output, &target, true, &metric) != LK_OK);
    assert_null(metric);
    if (!strstr(lk_error_message(), words)) fail_msg("'%s' lacks '%s'", lk_error_message(), words);
}

static void misfits_are_refused(void **state)
{
    (void)state;
    lk_shape ten = {1, {10}}, three = {1, {3}}, wide = {1, {5000}}, scalar = {0};
    lk_field number = field_of(LK_F32, scalar, 0), label = field_of(LK_I32, scalar, 10);

#define KIND(kind_) (lk_metric_options){.kind = (kind_)}
    expect_misfit(KIND(LK_METRIC_ACCURACY), ten, number, "it counts classes");
    expect_misfit(KIND(LK_METRIC_ACCURACY), (lk_shape){1, {1}}, label, "one unit a class");
    expect_misfit(KIND(LK_METRIC_MSE), ten, label, "for classes take accuracy");
    expect_misfit(KIND(LK_METRIC_F1), (lk_shape){2, {4, 10}}, field_of(LK_I32, three, 10),
                  "4x10, target 'y' is 3");
    expect_misfit(KIND(LK_METRIC_CONFUSION_MATRIX), wide, label, "5000 classes");
    expect_misfit(KIND(LK_METRIC_R2), wide, field_of(LK_F32, wide, 0), "take rmse");
    expect_misfit((lk_metric_options){.kind = LK_METRIC_TOP_K, .k = 11}, ten, label, "1..10");
    expect_misfit((lk_metric_options){.kind = LK_METRIC_ACCURACY, .threshold = 2}, scalar, number,
                  "threshold is 2");
#undef KIND
}

static void names_say_which_way_is_better(void **state)
{
    (void)state;
    const char *const names[] = {"accuracy",         "top_5", "precision", "recall", "f1",
                                 "confusion_matrix", "mse",   "rmse",      "mae",    "r2"};
    lk_shape          ten = {1, {10}};

    for (int kind = LK_METRIC_ACCURACY; kind <= LK_METRIC_R2; kind++) {
        bool       numbers = kind >= LK_METRIC_MSE;
        lk_metric *metric = NULL;
        lk_field   target = field_of(numbers ? LK_F32 : LK_I32, numbers ? ten : (lk_shape){0}, 0);
        assert_ok(lk_metric_create(&(lk_metric_options){.kind = (lk_metric_kind)kind, .k = 5}, &ten, &target,
                                   true, &metric));
        assert_string_equal(lk_metric_name(metric), names[kind]);
        bool error = kind == LK_METRIC_MSE || kind == LK_METRIC_RMSE || kind == LK_METRIC_MAE;
        assert_true(lk_metric_higher_is_better(metric) == !error);
        assert_int_equal(lk_metric_matrix_side(metric), kind == LK_METRIC_CONFUSION_MATRIX ? 10 : 0);
        lk_metric_destroy(&metric);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_have_their_hand_values),
        cmocka_unit_test(confusion_counts_truth_by_row),
        cmocka_unit_test(binary_values_are_those_of_class_one),
        cmocka_unit_test(numbers_have_their_hand_values),
        cmocka_unit_test(a_constant_target_has_no_r2),
        cmocka_unit_test(no_sample_gives_nan),
        cmocka_unit_test(sums_add_up_over_lanes),
        cmocka_unit_test(masked_elements_and_weightless_samples_are_left_out),
        cmocka_unit_test(errors_speak_in_the_units_of_the_data),
        cmocka_unit_test(tokens_are_counted_one_by_one),
        cmocka_unit_test(misfits_are_refused),
        cmocka_unit_test(names_say_which_way_is_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
