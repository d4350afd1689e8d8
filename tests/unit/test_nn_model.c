/* Models as graphs: gradients against central differences, lanes in company against lanes alone, names and
 * messages. */
#include "lk_test_model.h"

#define FROM(...)                                                                                            \
    .from = (const char *[]){__VA_ARGS__},                                                                   \
    .n_from = (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))
#define TOKENS                                                                                               \
    {                                                                                                        \
        .name = "x", .dtype = LK_I32, .shape = {1, {5}}, .classes = 7                                        \
    }
#define LONG_TEXT                                                                                            \
    {                                                                                                        \
        .name = "x", .dtype = LK_I32, .shape = {1, {150}}, .classes = 7                                      \
    }

#define LAYER_NORM                                                                                           \
    {                                                                                                        \
        .kind = LK_LAYER_LAYER_NORM, .epsilon = 1e-3f                                                        \
    }
#define POOL(kind_)                                                                                          \
    {                                                                                                        \
        .kind = (kind_), .kernel = { 2, 2 }                                                                  \
    }
#define ATTENTION                                                                                            \
    {                                                                                                        \
        .kind = LK_LAYER_ATTENTION, .heads = 2, .causal = true                                               \
    }

static const model_case CASES[] = {
    MODEL("mlp", VECTOR, DENSE(8, LK_ACT_TANH), DENSE(7, LK_ACT_GELU), DENSE(3, LK_ACT_NONE)),
    MODEL("softmax", VECTOR, DENSE(8, LK_ACT_SILU), DENSE(5, LK_ACT_SOFTMAX)),
    MODEL("in place", VECTOR, DENSE(8, LK_ACT_NONE), NORM(false), ACT(LK_ACT_SIGMOID), DROP, ACT(LK_ACT_TANH),
          LAYER_NORM, DENSE(3, LK_ACT_NONE)),
    MODEL("constant", VECTOR, {.kind = LK_LAYER_DENSE, .units = 2, .no_weight = true}),
    MODEL("cnn", IMAGE, CONV(4, 3, 1, LK_ACT_TANH), POOL(LK_LAYER_MAX_POOL), CONV(3, 3, 2, LK_ACT_NONE),
          {.kind = LK_LAYER_FLATTEN}, DENSE(4, LK_ACT_NONE)),
    MODEL("resnet", IMAGE, CONV(4, 3, 1, LK_ACT_NONE), NORM(false), ACT(LK_ACT_TANH),
          {.kind = LK_LAYER_RESIDUAL,
           BODY(CONV(6, 3, 2, LK_ACT_NONE), NORM(false), ACT(LK_ACT_SIGMOID), CONV(6, 3, 1, LK_ACT_NONE),
                NORM(false)),
           SHORT(CONV(6, 1, 2, LK_ACT_NONE), NORM(false))},
          ACT(LK_ACT_TANH), {.kind = LK_LAYER_RESIDUAL, BODY(CONV(6, 3, 1, LK_ACT_NONE), NORM(false))},
          {.kind = LK_LAYER_GLOBAL_AVG_POOL}, DENSE(3, LK_ACT_NONE)),
    MODEL("graph", VECTOR, {.kind = LK_LAYER_DENSE, .name = "a", .units = 4, .activation = LK_ACT_TANH},
          {.kind = LK_LAYER_DENSE, .name = "b", .units = 4, FROM("input")},
          {.kind = LK_LAYER_RESHAPE, .name = "bb", .shape = {2, {2, 2}}, FROM("b")},
          {.kind = LK_LAYER_FLATTEN, .name = "bf"},
          {.kind = LK_LAYER_MULTIPLY, .name = "m", FROM("a", "bf", "b")},
          {.kind = LK_LAYER_CONCAT, .name = "c", FROM("m", "a", "bf")},
          {.kind = LK_LAYER_ADD, .name = "s", FROM("c", "c")}, ACT(LK_ACT_SOFTMAX),
          {.kind = LK_LAYER_DENSE, .units = 3}),
    MODEL("pools", IMAGE, CONV(3, 3, 1, LK_ACT_TANH),
          {.kind = LK_LAYER_AVG_POOL, .kernel = {2, 2}, .name = "p"},
          {.kind = LK_LAYER_RESIDUAL,
           BODY({.kind = LK_LAYER_AVG_POOL, .kernel = {3, 3}, .stride = {1, 1}, .padding = LK_PAD_SAME})},
          {.kind = LK_LAYER_FLATTEN}, DENSE(3, LK_ACT_NONE)),
    MODEL(
        "transformer", TOKENS,
        {.kind = LK_LAYER_EMBEDDING, .name = "tokens", .units = 8, .learned_positions = true},
        {.kind = LK_LAYER_REPEAT,
         .name = "block",
         .times = 2,
         BODY({.kind = LK_LAYER_RESIDUAL, BODY(LAYER_NORM, ATTENTION, DROP)},
              {.kind = LK_LAYER_RESIDUAL, BODY(LAYER_NORM, DENSE(16, LK_ACT_GELU), DENSE(8, LK_ACT_NONE))})},
        LAYER_NORM, DENSE(7, LK_ACT_NONE)),
    /* Causal products are cut into blocks of positions; without, they are whole. */
    MODEL("long text", LONG_TEXT, {.kind = LK_LAYER_EMBEDDING, .units = 6, .learned_positions = true},
          LAYER_NORM, ATTENTION, {.kind = LK_LAYER_ATTENTION, .heads = 3}, LAYER_NORM, DENSE(2, LK_ACT_NONE)),
    MODEL("tied", TOKENS, {.kind = LK_LAYER_EMBEDDING, .name = "tokens", .units = 8}, LAYER_NORM,
          {.kind = LK_LAYER_DENSE, .tied = "tokens", .no_bias = true}),
    MODEL("bent constant", VECTOR,
          {.kind = LK_LAYER_DENSE, .units = 2, .activation = LK_ACT_GELU, .no_weight = true}),
};
enum { N_CASES = sizeof CASES / sizeof *CASES };
static const int64_t ONE_LANE[] = {0, ROWS};

typedef struct fixture {
    const model_case *what;
    lk_model         *model;
    lk_work          *work;
    float            *state, *gradient, *aim, *d_output;
    float             floats[ROWS * 64];
    int32_t           indices[ROWS * 150];
    int64_t           sample[ROWS];
    const void       *input[1];
    lk_batch          batch;
} fixture;

static void setup(fixture *f, const model_case *what, int lanes)
{
    *f = (fixture){.what = what};
    assert_ok(
        lk_model_create(&(lk_model_options){what->layers, what->n_layers}, &what->input, 1, 0, &f->model));
    assert_ok(lk_work_create(f->model, ROWS, lanes, true, 3, &f->work));
    int64_t n = lk_model_spans(f->model)->total_floats,
            outputs = ROWS * lk_shape_count(lk_model_output(f->model));
    assert_ok(LK_ALLOC(n, &f->state));
    assert_ok(LK_ALLOC(n, &f->gradient));
    assert_ok(LK_ALLOC(outputs, &f->aim));
    assert_ok(LK_ALLOC(outputs, &f->d_output));
    begin_state(f->model, f->state);
    for (int64_t i = 0; i < outputs; i++) f->aim[i] = noise(2, i);
    for (int64_t i = 0; i < ROWS * 64; i++) f->floats[i] = noise(3, i);
    for (int64_t i = 0; i < ROWS * 150; i++) f->indices[i] = (int32_t)(3.5f + 3.5f * noise(4, i));
    for (int64_t i = 0; i < ROWS; i++) f->sample[i] = 100 + 3 * i;
    f->input[0] = what->input.dtype == LK_I32 ? (const void *)f->indices : f->floats;
    f->batch = (lk_batch){.n = ROWS,
                          .lanes = {0, LANES, STARTS},
                          .n_inputs = 1,
                          .input = f->input,
                          .sample = f->sample,
                          .epoch = 1};
}

static void teardown(fixture *f)
{
    lk_work_destroy(&f->work);
    lk_model_destroy(&f->model);
    lk_free(&f->state);
    lk_free(&f->gradient);
    lk_free(&f->aim);
    lk_free(&f->d_output);
}

/* L = sum of aim * output, in double. */
static double objective(void *context)
{
    fixture     *f = context;
    const float *y = NULL;
    double       sum = 0;
    int64_t      n = f->batch.n * lk_shape_count(lk_model_output(f->model));
    assert_ok(lk_model_forward(f->work, f->state, &f->batch, &y));
    for (int64_t i = 0; i < n; i++) sum += (double)f->aim[i] * (double)y[i];
    return sum;
}

static void differentiate(fixture *f)
{
    int64_t n = f->batch.n * lk_shape_count(lk_model_output(f->model));
    objective(f);
    for (int64_t i = 0; i < lk_model_spans(f->model)->total_floats; i++) f->gradient[i] = NAN;
    memcpy(f->d_output, f->aim, (size_t)n * sizeof(float));
    assert_ok(lk_model_backward(f->work, f->state, &f->batch, f->d_output, f->gradient, NULL, NULL));
}

static void gradients_match_central_differences(void **state)
{
    (void)state;
    double worst = 0;
    for (int c = 0; c < N_CASES; c++) {
        fixture f;
        setup(&f, &CASES[c], LANES);
        if (!lk_model_merges_lanes(f.model)) f.batch.lanes = (lk_lanes){0, 1, ONE_LANE};
        differentiate(&f);
        worst = fmax(worst, gradient_error(CASES[c].name, lk_model_spans(f.model), f.state, f.gradient,
                                           objective, &f));
        teardown(&f);
    }
    print_message("largest error %.2g\n", worst);
    assert_true(worst <= 1e-2);
}

/* Gradients of single lanes, computed one call a lane. */
static test_node lane_alone(void *context, int lo, int size, float *out)
{
    fixture *f = context;
    if (lo >= LANES) return NODE_ABSENT;
    if (size > 1) return NODE_HALVES;
    int64_t first = STARTS[lo], rows = STARTS[lo + 1] - first, width = lk_shape_count(&f->what->input.shape),
            outputs = lk_shape_count(lk_model_output(f->model));
    if (rows == 0) return NODE_ABSENT;
    fixture *g = test_malloc(sizeof *g);
    setup(g, f->what, 1);
    g->batch.n = rows;
    g->batch.lanes = (lk_lanes){lo, 1, (int64_t[]){0, rows}};
    g->batch.sample += first;
    g->input[0] = f->what->input.dtype == LK_I32 ? (const void *)(g->indices + first * width)
                                                 : g->floats + first * width;
    memmove(g->aim, g->aim + first * outputs, (size_t)(rows * outputs) * sizeof(float));
    differentiate(g);
    memcpy(out, g->gradient, (size_t)lk_model_spans(f->model)->total_floats * sizeof *out);
    teardown(g);
    test_free(g);
    return NODE_PRESENT;
}

static void lanes_in_company_fold_to_the_bits_of_lanes_alone(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        fixture f;
        setup(&f, &CASES[c], LANES);
        const lk_span_table *table = lk_model_spans(f.model);
        float               *expected = test_malloc((size_t)table->total_floats * sizeof *expected);
        if (lk_model_merges_lanes(f.model)) {
            differentiate(&f);
            fold(lane_alone, &f, 0, LANES, table->total_floats, expected);
            for (int s = 0; s < table->n_spans; s++)
                if (memcmp(expected + table->spans[s].offset, f.gradient + table->spans[s].offset,
                           (size_t)table->spans[s].count * sizeof(float)) != 0)
                    fail_msg("%s: %s has other bits", CASES[c].name, table->spans[s].name);
        }
        test_free(expected);
        teardown(&f);
    }
}

static void expect(lk_field input, const lk_layer_options *layers, int n, const char *text)
{
    lk_model *model = NULL;
    assert_int_not_equal(lk_model_create(&(lk_model_options){layers, n}, &input, 1, 0, &model), LK_OK);
    assert_null(model);
    if (!strstr(lk_error_message(), text)) fail_msg("'%s' does not say '%s'", lk_error_message(), text);
}
#define EXPECT(text, field, ...) expect((lk_field)field, LAYERS(__VA_ARGS__), COUNT(__VA_ARGS__), text)

static void shapes_that_do_not_fit_are_named(void **state)
{
    (void)state;
    EXPECT("conv2d 'conv2d_1': its input is 6", VECTOR, CONV(3, 3, 1, LK_ACT_NONE));
    EXPECT("3:7: dense 'fc'", TOKENS,
           {.kind = LK_LAYER_DENSE, .name = "fc", .units = 3, .line = 3, .column = 7});
    EXPECT("the first has 4, input 2 has 6", VECTOR, {.kind = LK_LAYER_DENSE, .name = "a", .units = 4},
           {.kind = LK_LAYER_ADD, FROM("a", "input")});
    EXPECT("its shape 5x2 has 10", VECTOR, {.kind = LK_LAYER_RESHAPE, .shape = {2, {5, 2}}});
    EXPECT("there is no layer 'nowhere'", VECTOR, {.kind = LK_LAYER_DENSE, .units = 3, FROM("nowhere")});
    EXPECT("another layer of this name", VECTOR, {.kind = LK_LAYER_DENSE, .name = "a", .units = 4},
           {.kind = LK_LAYER_DENSE, .name = "a", .units = 4});
    EXPECT("no layer below takes its output", VECTOR, {.kind = LK_LAYER_DENSE, .name = "a", .units = 4},
           {.kind = LK_LAYER_DENSE, .units = 4, FROM("input")});
    EXPECT("cannot be shared out among 3 heads", TOKENS, {.kind = LK_LAYER_EMBEDDING, .units = 8},
           {.kind = LK_LAYER_ATTENTION, .heads = 3});
    EXPECT("its window needs 7", IMAGE, {.kind = LK_LAYER_MAX_POOL, .kernel = {7, 7}});
    EXPECT("the classes of the data", VECTOR, {.kind = LK_LAYER_DENSE});
}

static void names_count_by_kind_and_repeat_has_its_own(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"tokens", "block.1.layer_norm_1", "block.1.attention_1",
                                        "block.1.dropout_1", "block.1.residual_1"};
    fixture                  f;
    setup(&f, &CASES[8], LANES);
    for (int i = 0; i < 5; i++) {
        lk_layer_info info;
        lk_model_layer(f.model, i, &info);
        assert_string_equal(info.name, NAMES[i]);
    }
    assert_string_equal(lk_model_spans(f.model)->spans[2].name, "block.1.layer_norm_1/scale");
    teardown(&f);
}

static void indices_out_of_range_are_refused(void **state)
{
    (void)state;
    const float *y;
    fixture      f;
    setup(&f, &CASES[8], LANES);
    f.indices[6] = 7;
    assert_int_equal(lk_model_forward(f.work, f.state, &f.batch, &y), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "sample 103 has index 7, the table has rows 0..6"));
    teardown(&f);
}

/* Without backward layers keep nothing and may pass a few rows at a time: where neither dropout nor a batch's statistics
 * tell both apart, outputs are equal. */
static void evaluation_has_the_bits_of_training(void **state)
{
    (void)state;
    static const char *const same[] = {"mlp", "long text", "tied"};
    int                      n_found = 0;
    for (int i = 0; i < N_CASES; i++)
        for (int k = 0; k < 3; k++) {
            fixture      f;
            lk_work     *work = NULL;
            const float *trained = NULL, *evaluated = NULL;
            if (strcmp(CASES[i].name, same[k]) != 0) continue;
            setup(&f, &CASES[i], LANES);
            assert_ok(lk_work_create(f.model, ROWS, LANES, false, 3, &work));
            assert_ok(lk_model_forward(f.work, f.state, &f.batch, &trained));
            assert_ok(lk_model_forward(work, f.state, &f.batch, &evaluated));
            assert_memory_equal(evaluated, trained,
                                (size_t)(ROWS * lk_shape_count(lk_model_output(f.model))) * sizeof(float));
            lk_work_destroy(&work);
            teardown(&f);
            n_found++;
        }
    assert_int_equal(n_found, 3);
}

static void passes_allocate_nothing(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        fixture f;
        setup(&f, &CASES[c], LANES);
        int64_t before = lk_alloc_count();
        differentiate(&f);
        assert_int_equal(lk_alloc_count(), before);
        teardown(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_central_differences),
        cmocka_unit_test(lanes_in_company_fold_to_the_bits_of_lanes_alone),
        cmocka_unit_test(shapes_that_do_not_fit_are_named),
        cmocka_unit_test(names_count_by_kind_and_repeat_has_its_own),
        cmocka_unit_test(indices_out_of_range_are_refused),
        cmocka_unit_test(evaluation_has_the_bits_of_training),
        cmocka_unit_test(passes_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, choose_kernels, NULL);
}
