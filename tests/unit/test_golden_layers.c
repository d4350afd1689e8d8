/*
 * Every layer against PyTorch: outputs, input gradients, parameter gradients.
 *
 * The model API gives gradients of parameters alone. So the input of the layer under test is made of
 * parameters: the batch holds the unit vectors, a dense layer without bias has row r of x as column r of its
 * weight, and its output is x exactly. The gradient of that weight is then the gradient of x, element by
 * element.
 */
#include "../golden/golden.h"

#include "kernels/kernels.h"
#include "nn/model.h"

enum { MAX_INPUTS = 3 };

typedef struct layer_case {
    const char      *name;
    int              n_inputs;
    lk_layer_options layer;
    bool             frozen; /* evaluation: running statistics, outputs only */
} layer_case;

#define DENSE(units_, act_)                                                                                  \
    {                                                                                                        \
        .kind = LK_LAYER_DENSE, .units = (units_), .activation = (act_)                                      \
    }
#define CONV(filters_, kh, kw, sh, sw, padding_, act_)                                                       \
    .kind = LK_LAYER_CONV2D, .filters = (filters_), .kernel = {(kh), (kw)}, .stride = {(sh), (sw)},          \
    .padding = (padding_), .activation = (act_)
#define POOL(kind_, kh, kw, sh, sw, padding_)                                                                \
    {                                                                                                        \
        .kind = (kind_), .kernel = {(kh), (kw)}, .stride = {(sh), (sw)}, .padding = (padding_)               \
    }
#define ACT(act_)                                                                                            \
    {                                                                                                        \
        .kind = LK_LAYER_ACTIVATION, .activation = (act_), .slope = 0.1f                                     \
    }
#define NORM(kind_)                                                                                          \
    {                                                                                                        \
        .kind = (kind_), .epsilon = 1e-3f, .momentum = 0.1f                                                  \
    }
#define SHAPED(...)                                                                                          \
    {                                                                                                        \
        .kind = LK_LAYER_RESHAPE, .shape = { __VA_ARGS__ }                                                   \
    }

static const layer_case CASES[] = {
    {"dense", 1, DENSE(3, LK_ACT_NONE), false},
    {"dense_one", 1, DENSE(17, LK_ACT_RELU), false},
    {"dense_wide", 1, DENSE(50, LK_ACT_TANH), false},
    {"dense_no_bias",
     1,
     {.kind = LK_LAYER_DENSE, .units = 16, .activation = LK_ACT_GELU, .no_bias = true},
     false},
    {"dense_silu", 1, DENSE(24, LK_ACT_SILU), false},
    {"dense_softmax", 1, DENSE(5, LK_ACT_SOFTMAX), false},
    {"conv", 1, {CONV(4, 3, 3, 1, 1, LK_PAD_SAME, LK_ACT_RELU)}, false},
    {"conv_one", 1, {CONV(8, 5, 3, 1, 1, LK_PAD_VALID, LK_ACT_NONE)}, false},
    {"conv_stride_same", 1, {CONV(5, 3, 3, 2, 2, LK_PAD_SAME, LK_ACT_NONE)}, false},
    {"conv_stride_count",
     1,
     {CONV(5, 3, 3, 2, 2, LK_PAD_COUNT, LK_ACT_LEAKY_RELU), .pad = {1, 1}, .slope = 0.1f},
     false},
    {"conv_even_kernel", 1, {CONV(4, 2, 4, 1, 1, LK_PAD_SAME, LK_ACT_SIGMOID)}, false},
    {"conv_point", 1, {CONV(7, 1, 1, 2, 2, LK_PAD_VALID, LK_ACT_NONE), .no_bias = true}, false},
    {"conv_wide", 1, {CONV(20, 3, 3, 1, 1, LK_PAD_SAME, LK_ACT_SILU)}, false},
    {"conv_pad_more", 1, {CONV(3, 3, 2, 3, 1, LK_PAD_COUNT, LK_ACT_NONE), .pad = {2, 1}}, false},
    {"max_pool", 1, POOL(LK_LAYER_MAX_POOL, 2, 2, 2, 2, LK_PAD_VALID), false},
    {"max_pool_one", 1, POOL(LK_LAYER_MAX_POOL, 3, 3, 2, 2, LK_PAD_SAME), false},
    {"max_pool_overlap", 1, POOL(LK_LAYER_MAX_POOL, 3, 2, 1, 1, LK_PAD_VALID), false},
    {"avg_pool", 1, POOL(LK_LAYER_AVG_POOL, 2, 2, 2, 2, LK_PAD_VALID), false},
    {"avg_pool_one", 1, POOL(LK_LAYER_AVG_POOL, 3, 3, 2, 2, LK_PAD_SAME), false},
    {"avg_pool_overlap", 1, POOL(LK_LAYER_AVG_POOL, 3, 2, 1, 1, LK_PAD_VALID), false},
    {"global_avg_pool", 1, {.kind = LK_LAYER_GLOBAL_AVG_POOL}, false},
    {"global_avg_pool_one", 1, {.kind = LK_LAYER_GLOBAL_AVG_POOL}, false},
    {"global_avg_pool_cell", 1, {.kind = LK_LAYER_GLOBAL_AVG_POOL}, false},
    {"flatten", 1, {.kind = LK_LAYER_FLATTEN}, false},
    {"flatten_one", 1, {.kind = LK_LAYER_FLATTEN}, false},
    {"flatten_flat", 1, {.kind = LK_LAYER_FLATTEN}, false},
    {"reshape", 1, SHAPED(2, {3, 8}), false},
    {"reshape_one", 1, SHAPED(3, {5, 3, 2}), false},
    {"reshape_flat", 1, SHAPED(1, {27}), false},
#define ACT_CASES(name_, act_)                                                                               \
    {name_, 1, ACT(act_), false}, {name_ "_one", 1, ACT(act_), false},                                       \
    {                                                                                                        \
        name_ "_rows", 1, ACT(act_), false                                                                   \
    }
    ACT_CASES("act_relu", LK_ACT_RELU),
    ACT_CASES("act_leaky_relu", LK_ACT_LEAKY_RELU),
    ACT_CASES("act_sigmoid", LK_ACT_SIGMOID),
    ACT_CASES("act_tanh", LK_ACT_TANH),
    ACT_CASES("act_gelu", LK_ACT_GELU),
    ACT_CASES("act_silu", LK_ACT_SILU),
    ACT_CASES("act_softmax", LK_ACT_SOFTMAX),
    {"batch_norm", 1, NORM(LK_LAYER_BATCH_NORM), false},
    {"batch_norm_image", 1, NORM(LK_LAYER_BATCH_NORM), false},
    {"batch_norm_one", 1, NORM(LK_LAYER_BATCH_NORM), false},
    {"batch_norm_frozen", 1, NORM(LK_LAYER_BATCH_NORM), true},
    {"layer_norm", 1, NORM(LK_LAYER_LAYER_NORM), false},
    {"layer_norm_one", 1, NORM(LK_LAYER_LAYER_NORM), false},
    {"layer_norm_tokens", 1, NORM(LK_LAYER_LAYER_NORM), false},
    {"add", 2, {.kind = LK_LAYER_ADD}, false},
    {"add_one", 2, {.kind = LK_LAYER_ADD}, false},
    {"add_three", 3, {.kind = LK_LAYER_ADD}, false},
    {"multiply", 2, {.kind = LK_LAYER_MULTIPLY}, false},
    {"multiply_one", 2, {.kind = LK_LAYER_MULTIPLY}, false},
    {"multiply_image", 2, {.kind = LK_LAYER_MULTIPLY}, false},
    {"concat", 2, {.kind = LK_LAYER_CONCAT}, false},
    {"concat_one", 2, {.kind = LK_LAYER_CONCAT}, false},
    {"concat_three", 3, {.kind = LK_LAYER_CONCAT}, false},
    {"embedding", 1, {.kind = LK_LAYER_EMBEDDING, .units = 4, .vocabulary = 7}, false},
    {"embedding_one", 1, {.kind = LK_LAYER_EMBEDDING, .units = 11, .vocabulary = 3}, false},
    {"embedding_rows", 1, {.kind = LK_LAYER_EMBEDDING, .units = 16, .vocabulary = 20}, false},
};
enum { N_CASES = sizeof CASES / sizeof *CASES };

/* Outputs and gradients are chains of at most a few hundred float roundings; the worst one is printed. */
static const double TOLERANCE = 1e-5;

static const char *const LOAD[MAX_INPUTS] = {"load", "load2", "load3"};
static const char *const PLACE[MAX_INPUTS] = {"place", "place2", "place3"};
static const char *const X[MAX_INPUTS] = {"x", "x2", "x3"};
static const char *const D_X[MAX_INPUTS] = {"d_x", "d_x2", "d_x3"};

typedef struct bench {
    const layer_case *what;
    lk_h5            *file;
    lk_golden         x[MAX_INPUTS];
    lk_model         *model;
    lk_work          *work;
    float            *state, *gradient, *units, *d_y;
    const char       *failed; /* the first array that is off */
    double            worst;
} bench;

/** The layer behind as many loaders as it has inputs; tokens go in directly. */
static void build(bench *b)
{
    static const char *input[] = {"input"};
    lk_layer_options   layers[2 * MAX_INPUTS + 1];
    const char        *from[MAX_INPUTS];
    int                n = 0;
    bool               tokens = b->x[0].indices != NULL;
    lk_field           field = {.name = "x", .dtype = tokens ? LK_I32 : LK_F32, .shape = {1, {b->x[0].n}}};

    if (tokens) {
        field.shape = b->x[0].shape;
        field.classes = b->what->layer.vocabulary;
    }
    for (int i = 0; i < b->what->n_inputs && !tokens; i++) {
        layers[n++] = (lk_layer_options){.kind = LK_LAYER_DENSE,
                                         .name = LOAD[i],
                                         .from = input,
                                         .n_from = 1,
                                         .units = lk_shape_count(&b->x[i].shape),
                                         .no_bias = true};
        layers[n++] = (lk_layer_options){.kind = LK_LAYER_RESHAPE, .name = PLACE[i], .shape = b->x[i].shape};
        from[i] = PLACE[i];
    }
    layers[n] = b->what->layer;
    layers[n].name = "under";
    if (!tokens) {
        layers[n].from = from;
        layers[n].n_from = b->what->n_inputs;
    }
    assert_ok(lk_model_create(&(lk_model_options){layers, n + 1}, &field, 1, 0, &b->model));
    assert_ok(lk_work_create(b->model, b->x[0].n, 1, !b->what->frozen, 1, &b->work));
}

/** Which input the loader's span belongs to; -1: a span of the layer under test, whose name goes to *own. */
static int input_of(const lk_span *span, const char **own)
{
    const char *slash = strchr(span->name, '/');

    assert_non_null(slash);
    *own = slash + 1;
    for (int i = 0; i < MAX_INPUTS; i++)
        if ((size_t)(slash - span->name) == strlen(LOAD[i]) && !strncmp(span->name, LOAD[i], strlen(LOAD[i])))
            return i;
    return -1;
}

/** Parameters from the file; loaders hold the inputs, transposed. */
static void fill(bench *b)
{
    const lk_span_table *table = lk_model_spans(b->model);

    assert_ok(LK_ALLOC(table->total_floats, &b->state));
    assert_ok(LK_ALLOC(table->total_floats, &b->gradient));
    for (int s = 0; s < table->n_spans; s++) {
        const lk_span *span = &table->spans[s];
        const char    *own;
        int            input = input_of(span, &own);
        if (input >= 0) {
            int64_t n = b->x[input].n, width = lk_shape_count(&b->x[input].shape);
            for (int64_t r = 0; r < n; r++)
                for (int64_t j = 0; j < width; j++)
                    b->state[span->offset + j * n + r] = b->x[input].values[r * width + j];
        } else if (span->kind == LK_SPAN_PARAMETER || b->what->frozen) {
            lk_golden p = lk_golden_read(b->file, b->what->name, own);
            assert_int_equal(lk_golden_count(&p), span->count);
            memcpy(b->state + span->offset, p.values, (size_t)span->count * sizeof *p.values);
            lk_golden_clear(&p);
        }
    }
}

/** Remembers the array of the largest error. */
static void compare(bench *b, const char *array, int64_t n, const float *ours, const float *theirs)
{
    double error = lk_golden_error(n, ours, theirs);

    if (!(error <= TOLERANCE) && !b->failed) b->failed = array;
    if (!(error <= b->worst)) b->worst = error;
}

/** One gradient span against d_x, d_<parameter>, or the lane's n * mean and n * variance. */
static void compare_span(bench *b, const lk_span *span)
{
    static char names[8][64]; /* what `failed` points to outlives the call */
    static int  next;
    const char *own;
    int         input = input_of(span, &own);
    char       *name = names[next++ % 8];
    float      *ours = b->gradient + span->offset;

    snprintf(name, sizeof names[0], "%s%s", span->kind == LK_SPAN_STATISTIC ? "" : "d_", own);
    if (input >= 0) snprintf(name, sizeof names[0], "%s", D_X[input]);
    lk_golden theirs = lk_golden_read(b->file, b->what->name, name);
    assert_int_equal(lk_golden_count(&theirs), span->count);
    if (input >= 0) {
        int64_t n = b->x[input].n, width = lk_shape_count(&b->x[input].shape);
        float  *turned = NULL;
        assert_ok(LK_ALLOC(span->count, &turned));
        for (int64_t r = 0; r < n; r++)
            for (int64_t j = 0; j < width; j++) turned[r * width + j] = ours[j * n + r];
        compare(b, name, span->count, turned, theirs.values);
        lk_free(&turned);
    } else {
        compare(b, name, span->count, ours, theirs.values);
    }
    lk_golden_clear(&theirs);
}

static void run(bench *b)
{
    int64_t              n = b->x[0].n, start[] = {0, n};
    const void          *inputs[1];
    lk_golden            y = lk_golden_read(b->file, b->what->name, "y");
    const float         *output = NULL;
    lk_batch             batch = {.n = n, .lanes = {0, 1, start}, .n_inputs = 1, .input = inputs};
    const lk_span_table *table = lk_model_spans(b->model);

    assert_ok(LK_ALLOC(n * n, &b->units));
    for (int64_t i = 0; i < n; i++) b->units[i * n + i] = 1.0f;
    inputs[0] = b->x[0].indices ? (const void *)b->x[0].indices : b->units;
    assert_true(lk_shape_equal(lk_model_output(b->model), &y.shape));
    assert_ok(lk_model_forward(b->work, b->state, &batch, &output));
    compare(b, "y", lk_golden_count(&y), output, y.values);
    if (!b->what->frozen) {
        lk_golden d_y = lk_golden_read(b->file, b->what->name, "d_y");
        /* what is overwritten is never read first */
        for (int64_t i = 0; i < table->total_floats; i++) b->gradient[i] = NAN;
        assert_ok(lk_model_backward(b->work, b->state, &batch, d_y.values, b->gradient, NULL, NULL));
        for (int s = 0; s < table->n_spans; s++) compare_span(b, &table->spans[s]);
        lk_golden_clear(&d_y);
    }
    lk_golden_clear(&y);
}

static void finish(bench *b)
{
    lk_work_destroy(&b->work);
    lk_model_destroy(&b->model);
    lk_free(&b->state);
    lk_free(&b->gradient);
    lk_free(&b->units);
    for (int i = 0; i < MAX_INPUTS; i++) lk_golden_clear(&b->x[i]);
}

static void layers_agree_with_pytorch(void **state)
{
    (void)state;
    lk_h5 *file = lk_golden_open("layers.h5");
    int    failed = 0;
    double worst = 0;

    for (int c = 0; c < N_CASES; c++) {
        bench b = {.what = &CASES[c], .file = file};
        for (int i = 0; i < CASES[c].n_inputs; i++) b.x[i] = lk_golden_read(file, CASES[c].name, X[i]);
        build(&b);
        fill(&b);
        run(&b);
        if (b.failed)
            print_error("%s: %s is off, the worst array by %.2g\n", CASES[c].name, b.failed, b.worst);
        failed += b.failed != NULL;
        worst = fmax(worst, b.worst);
        finish(&b);
    }
    print_message("%d cases, largest error %.2g of the largest value\n", (int)N_CASES, worst);
    lk_h5_abandon(&file);
    assert_int_equal(failed, 0);
}

static lk_status count_group(void *context, const char *path, lk_h5_kind kind)
{
    *(int *)context += kind == LK_H5_GROUP && path[1] && !strchr(path + 1, '/');
    return LK_OK;
}

static void every_golden_case_is_compared(void **state)
{
    (void)state;
    lk_h5 *file = lk_golden_open("layers.h5");
    int    n = 0;

    assert_ok(lk_h5_walk(file, "/", count_group, &n));
    assert_int_equal(n, N_CASES);
    lk_h5_abandon(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_agree_with_pytorch),
        cmocka_unit_test(every_golden_case_is_compared),
    };
    return lk_kernels_select("auto") == LK_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
