/*
 * Models that see the whole batch: gradients against central differences and PyTorch, the same bits however the lanes are
 * grouped, and what happens when a rank fails on the way.
 */
#include "../golden/golden.h"

#include "lk_test_model.h"
#include "nn/whole.h"

#define WHOLE NORM(true)

static const model_case CASES[] = {
    MODEL("in place", VECTOR, DENSE(8, LK_ACT_NONE), WHOLE, ACT(LK_ACT_SIGMOID), DROP, WHOLE,
          ACT(LK_ACT_TANH), DENSE(3, LK_ACT_NONE)),
    MODEL("first and last", VECTOR, WHOLE, DENSE(5, LK_ACT_TANH), WHOLE),
    MODEL("resnet", IMAGE, CONV(4, 3, 1, LK_ACT_NONE), WHOLE, ACT(LK_ACT_TANH),
          {.kind = LK_LAYER_RESIDUAL,
           BODY(CONV(6, 3, 2, LK_ACT_NONE), WHOLE, ACT(LK_ACT_SIGMOID), CONV(6, 3, 1, LK_ACT_NONE),
                NORM(false)),
           SHORT(CONV(6, 1, 2, LK_ACT_NONE), WHOLE)},
          ACT(LK_ACT_TANH),
          {.kind = LK_LAYER_REPEAT,
           .times = 2,
           BODY({.kind = LK_LAYER_RESIDUAL, BODY(CONV(6, 3, 1, LK_ACT_NONE), WHOLE)})},
          {.kind = LK_LAYER_GLOBAL_AVG_POOL}, DENSE(3, LK_ACT_NONE)),
};
enum { N_CASES = sizeof CASES / sizeof *CASES, WIDEST = 64 };

/* Lanes in groups that are nodes of the tree: how many lanes each group has. */
typedef struct grouping {
    int n, lanes[LANES];
} grouping;
static const grouping GROUPINGS[] = {
    {1, {4}}, {2, {2, 2}}, {3, {1, 1, 2}}, {3, {2, 1, 1}}, {4, {1, 1, 1, 1}}};
enum { N_GROUPINGS = sizeof GROUPINGS / sizeof *GROUPINGS };

typedef struct fixture {
    lk_model    *model;
    lk_whole    *whole;
    float       *state, *gradient, *aim;
    const float *x; /* [rows, width] borrowed */
    int64_t      width, sample[ROWS];
    const void  *input[LANES][1];
    int64_t      start[LANES][LANES + 1];
    lk_batch     batch[LANES];
} fixture;

static void cut(fixture *f, const int64_t *starts, const grouping *groups)
{
    for (int g = 0, lane = 0; g < groups->n; lane += groups->lanes[g++]) {
        for (int i = 0; i <= groups->lanes[g]; i++) f->start[g][i] = starts[lane + i] - starts[lane];
        f->input[g][0] = f->x + starts[lane] * f->width;
        f->batch[g] = (lk_batch){.n = f->start[g][groups->lanes[g]],
                                 .lanes = {lane, groups->lanes[g], f->start[g]},
                                 .n_inputs = 1,
                                 .input = f->input[g],
                                 .sample = f->sample + starts[lane],
                                 .epoch = 1};
        lk_whole_part(f->whole, g)->batch = &f->batch[g];
    }
}

static void setup_model(fixture *f, const lk_field *input, const lk_layer_options *layers, int n,
                        const float *x, const int64_t *starts, const grouping *groups)
{
    *f = (fixture){.x = x, .width = lk_shape_count(&input->shape)};
    assert_ok(lk_model_create(&(lk_model_options){layers, n}, input, 1, 0, &f->model));
    assert_true(lk_model_sees_batch(f->model));
    lk_whole_options options = {
        .lanes = LANES, .n_parts = groups->n, .max_rows = ROWS, .max_lanes = LANES, .seed = 3};
    assert_ok(lk_whole_create(f->model, &options, &f->whole));
    int64_t floats = lk_model_spans(f->model)->total_floats,
            outputs = ROWS * lk_shape_count(lk_model_output(f->model));
    assert_ok(LK_ALLOC(floats, &f->state));
    assert_ok(LK_ALLOC(floats, &f->gradient));
    assert_ok(LK_ALLOC(outputs, &f->aim));
    begin_state(f->model, f->state);
    for (int64_t i = 0; i < outputs; i++) f->aim[i] = noise(2, i);
    for (int64_t i = 0; i < ROWS; i++) f->sample[i] = 100 + 3 * i;
    cut(f, starts, groups);
}

static float x_of_cases[ROWS * WIDEST];

static void setup(fixture *f, const model_case *what, const grouping *groups)
{
    for (int64_t i = 0; i < ROWS * WIDEST; i++) x_of_cases[i] = noise(3, i);
    setup_model(f, &what->input, what->layers, what->n_layers, x_of_cases, STARTS, groups);
}

static void teardown(fixture *f)
{
    lk_whole_destroy(&f->whole);
    lk_model_destroy(&f->model);
    lk_free(&f->state);
    lk_free(&f->gradient);
    lk_free(&f->aim);
}

/* The rows of a part in `aim` and in the output of the whole batch. */
static int64_t first_of(const fixture *f, const lk_part *part)
{
    int64_t first = 0;
    for (int g = 0; lk_whole_part(f->whole, g) != part; g++) first += f->batch[g].n;
    return first * lk_shape_count(lk_model_output(f->model));
}

/* L = sum of aim * output, in double; outputs [rows, output] or NULL. */
static double objective(fixture *f, float *outputs)
{
    double sum = 0;
    assert_ok(lk_whole_forward(f->whole, f->state, LK_OK));
    assert_false(lk_whole_stopped(f->whole));
    for (int g = 0; g < lk_whole_n_parts(f->whole); g++) {
        const lk_part *part = lk_whole_part(f->whole, g);
        int64_t n = part->batch->n * lk_shape_count(lk_model_output(f->model)), first = first_of(f, part);
        for (int64_t i = 0; i < n; i++) sum += (double)f->aim[first + i] * (double)part->output[i];
        if (outputs && n) memcpy(outputs + first, part->output, (size_t)n * sizeof *outputs);
    }
    return sum;
}

static double value_of(void *context)
{
    return objective(context, NULL);
}

/* Gradients of the parts. */
static test_node part_of(void *context, int lo, int size, float *out)
{
    fixture *f = context;
    for (int g = 0; g < lk_whole_n_parts(f->whole); g++) {
        const lk_part *part = lk_whole_part(f->whole, g);
        if (part->batch->lanes.first != lo || part->batch->lanes.n != size) continue;
        if (part->batch->n == 0) return NODE_ABSENT;
        memcpy(out, part->gradient, (size_t)lk_model_spans(f->model)->total_floats * sizeof *out);
        return NODE_PRESENT;
    }
    return NODE_HALVES;
}

static void differentiate(fixture *f, float *outputs)
{
    int64_t n = lk_model_spans(f->model)->total_floats;
    objective(f, outputs);
    for (int g = 0; g < lk_whole_n_parts(f->whole); g++) {
        lk_part *part = lk_whole_part(f->whole, g);
        for (int64_t i = 0; i < n; i++) part->gradient[i] = NAN; /* what is overwritten is never read first */
        memcpy(part->d_output, f->aim + first_of(f, part),
               (size_t)(part->batch->n * lk_shape_count(lk_model_output(f->model))) * sizeof(float));
    }
    assert_ok(lk_whole_backward(f->whole, f->state, LK_OK));
    assert_true(fold(part_of, f, 0, LANES, n, f->gradient));
}

static void gradients_match_central_differences(void **state)
{
    (void)state;
    double worst = 0;
    for (int c = 0; c < N_CASES; c++)
        for (int k = 0; k < N_GROUPINGS; k += 2) {
            fixture f;
            setup(&f, &CASES[c], &GROUPINGS[k]);
            differentiate(&f, NULL);
            worst = fmax(worst, gradient_error(CASES[c].name, lk_model_spans(f.model), f.state, f.gradient,
                                               value_of, &f));
            teardown(&f);
        }
    print_message("largest error %.2g\n", worst);
    assert_true(worst <= 1e-2);
}

static void lanes_in_any_groups_give_the_same_bits(void **state)
{
    (void)state;
    for (int c = 0; c < N_CASES; c++) {
        fixture f;
        float  *one = NULL, *gradient = NULL, outputs[ROWS * WIDEST], first[ROWS * WIDEST];
        for (int k = 0; k < N_GROUPINGS; k++) {
            setup(&f, &CASES[c], &GROUPINGS[k]);
            int64_t n = lk_model_spans(f.model)->total_floats,
                    m = ROWS * lk_shape_count(lk_model_output(f.model));
            differentiate(&f, k ? outputs : first);
            gradient = f.gradient;
            f.gradient = NULL;
            if (k == 0) {
                one = gradient;
            } else {
                assert_memory_equal(outputs, first, (size_t)m * sizeof *outputs);
                assert_memory_equal(gradient, one, (size_t)n * sizeof *gradient);
                lk_free(&gradient);
            }
            teardown(&f);
        }
        lk_free(&one);
    }
}

/* One lane is the whole batch: what a lane-wise model computes, to the bit. One row of a vector is one value a channel: the
 * running statistics stand in, in both. */
static void a_batch_of_one_lane_is_that_lane(void **state)
{
    (void)state;
    static const grouping  ONE = {1, {LANES}};
    const lk_layer_options lane_wise[] = {DENSE(5, LK_ACT_TANH), NORM(false), DENSE(2, LK_ACT_NONE)};
    const lk_layer_options whole[] = {DENSE(5, LK_ACT_TANH), WHOLE, DENSE(2, LK_ACT_NONE)};
    const lk_field         input = {.name = "x", .shape = {1, {6}}};
    const int64_t          rows[] = {1, 2, ROWS};
    for (int k = 0; k < 3; k++) {
        fixture      f;
        int64_t      starts[LANES + 1] = {0, 0, rows[k], rows[k], rows[k]};
        float        outputs[ROWS * 2], d_output[ROWS * 2], *gradient = NULL;
        const float *y = NULL;
        lk_model    *model = NULL;
        lk_work     *work = NULL;
        for (int64_t i = 0; i < ROWS * WIDEST; i++) x_of_cases[i] = noise(3, i);
        setup_model(&f, &input, whole, 3, x_of_cases, starts, &ONE);
        int64_t floats = lk_model_spans(f.model)->total_floats;
        for (int64_t i = lk_model_spans(f.model)->parameter_floats; i < floats; i++)
            f.state[i] = 1 + 0.1f * noise(4, i);
        differentiate(&f, outputs);
        assert_ok(lk_model_create(&(lk_model_options){lane_wise, 3}, &input, 1, 0, &model));
        assert_false(lk_model_sees_batch(model));
        assert_ok(lk_work_create(model, ROWS, LANES, true, 3, &work));
        assert_ok(LK_ALLOC(floats, &gradient));
        assert_ok(lk_model_forward(work, f.state, &f.batch[0], &y));
        assert_memory_equal(y, outputs, (size_t)(2 * rows[k]) * sizeof *y);
        memcpy(d_output, f.aim, sizeof d_output);
        assert_ok(lk_model_backward(work, f.state, &f.batch[0], d_output, gradient, NULL, NULL));
        for (int s = 0; s < lk_model_spans(model)->n_spans; s++) { /* what lies between spans nobody writes */
            const lk_span *span = &lk_model_spans(model)->spans[s];
            assert_memory_equal(gradient + span->offset, f.gradient + span->offset,
                                (size_t)span->count * sizeof *gradient);
        }
        lk_work_destroy(&work);
        lk_model_destroy(&model);
        lk_free(&gradient);
        teardown(&f);
    }
}

/* ---- PyTorch ---- */

static void compare(const char *name, const char *array, int64_t n, const float *ours, const float *theirs)
{
    double error = lk_golden_error(n, ours, theirs);
    if (!(error <= 1e-5)) fail_msg("%s: %s is off by %.2g", name, array, error);
}

/* As test_golden_layers: a dense layer makes x out of unit vectors, so the gradient of its weight is that of x. */
static void golden_case(lk_h5 *file, const char *name, const int64_t *starts, const grouping *groups)
{
    fixture   f;
    lk_golden x = lk_golden_read(file, name, "x"), y = lk_golden_read(file, name, "y"),
              d_y = lk_golden_read(file, name, "d_y");
    int64_t          n = x.n, width = lk_shape_count(&x.shape);
    float            units[ROWS * ROWS] = {0}, outputs[6 * 140], d_x[6 * 140];
    lk_field         input = {.name = "x", .shape = {1, {n}}};
    lk_layer_options layers[] = {{.kind = LK_LAYER_DENSE, .units = width, .no_bias = true, .name = "load"},
                                 {.kind = LK_LAYER_RESHAPE, .shape = x.shape},
                                 NORM(true)};
    assert_true(n * width <= 6 * 140 && n <= ROWS);
    for (int64_t i = 0; i < n; i++) units[i * n + i] = 1;
    layers[2].name = "under";
    setup_model(&f, &input, layers, 3, units, starts, groups);
    const lk_span_table *table = lk_model_spans(f.model);
    for (int64_t r = 0; r < n; r++)
        for (int64_t j = 0; j < width; j++)
            f.state[table->spans[0].offset + j * n + r] = x.values[r * width + j];
    for (int s = 1; s < table->n_spans && table->spans[s].kind == LK_SPAN_PARAMETER; s++) {
        lk_golden p = lk_golden_read(file, name, strrchr(table->spans[s].name, '/') + 1);
        memcpy(f.state + table->spans[s].offset, p.values, (size_t)p.n * sizeof(float));
        lk_golden_clear(&p);
    }
    memcpy(f.aim, d_y.values, (size_t)(n * width) * sizeof(float));
    differentiate(&f, outputs);
    compare(name, "y", n * width, outputs, y.values);
    for (int64_t r = 0; r < n; r++)
        for (int64_t j = 0; j < width; j++)
            d_x[r * width + j] = f.gradient[table->spans[0].offset + j * n + r];
    for (int s = 0; s < table->n_spans; s++) {
        const lk_span *span = &table->spans[s];
        const char    *own = strrchr(span->name, '/') + 1;
        char           array[64];
        snprintf(array, sizeof array, "%s%s", span->kind == LK_SPAN_STATISTIC ? "" : "d_", s ? own : "x");
        lk_golden theirs = lk_golden_read(file, name, array);
        compare(name, array, span->count, s ? f.gradient + span->offset : d_x, theirs.values);
        lk_golden_clear(&theirs);
    }
    lk_golden_clear(&x);
    lk_golden_clear(&y);
    lk_golden_clear(&d_y);
    teardown(&f);
}

static void agrees_with_pytorch_over_the_whole_batch(void **state)
{
    (void)state;
    lk_h5        *file = lk_golden_open("layers.h5");
    const int64_t six[] = {0, 2, 2, 3, 6}, three[] = {0, 1, 1, 2, 3}, one[] = {0, 0, 1, 1, 1};
    for (int k = 0; k < N_GROUPINGS; k++) {
        golden_case(file, "batch_norm", six, &GROUPINGS[k]);
        golden_case(file, "batch_norm_image", three, &GROUPINGS[k]);
        golden_case(file, "batch_norm_one", one, &GROUPINGS[k]);
    }
    lk_h5_abandon(&file);
}

/* Values around 30,000 that differ by about 1, and lanes whose means differ: sums of squares alone would lose it all. */
static void variance_far_from_zero_is_exact(void **state)
{
    (void)state;
    enum { CHANNELS = 6 };
    const lk_layer_options layers[] = {WHOLE};
    const lk_field         input = {.name = "x", .shape = {1, {CHANNELS}}};
    float                  x[ROWS * CHANNELS];
    fixture                f;
    for (int i = 0; i < ROWS * CHANNELS; i++) x[i] = 30000 + noise(5, i) + (float)(i / CHANNELS);
    setup_model(&f, &input, layers, 1, x, STARTS, &GROUPINGS[2]);
    differentiate(&f, NULL);
    const lk_span *mean = &lk_model_spans(f.model)->spans[2], *variance = &lk_model_spans(f.model)->spans[3];
    for (int c = 0; c < CHANNELS; c++) {
        double m = 0, v = 0;
        for (int r = 0; r < ROWS; r++) m += (double)x[r * CHANNELS + c] / ROWS;
        for (int r = 0; r < ROWS; r++) v += pow((double)x[r * CHANNELS + c] - m, 2) / ROWS;
        assert_true(fabs((double)f.gradient[mean->offset + c] / ROWS / m - 1) < 1e-6);
        assert_true(fabs((double)f.gradient[variance->offset + c] / ROWS / v - 1) < 1e-6);
    }
    teardown(&f);
}

/* ---- ranks that fail ---- */

typedef struct witness {
    int  calls, fails_at; /* at this call another rank says that it has failed */
    bool told;            /* this rank said so in the last call */
} witness;

static lk_status share(void *context, double *rows, int64_t width, bool *well)
{
    witness *w = context;
    (void)rows;
    (void)width;
    w->told = !*well;
    if (++w->calls == w->fails_at) *well = false;
    return LK_OK;
}

static lk_status unreachable(void *context, double *rows, int64_t width, bool *well)
{
    (void)rows;
    (void)width;
    (void)well;
    ++*(int *)context;
    return lk_fail(LK_E_MPI, "no network");
}

/* A rank with all lanes, and one without any; `local`: it fails by itself before forward or before backward. */
static void one_step(int n_parts, lk_status before_forward, lk_status before_backward, witness *w,
                     bool *stopped)
{
    lk_model *model = NULL;
    lk_whole *whole = NULL;
    fixture   f;
    setup(&f, &CASES[2], &GROUPINGS[1]);
    lk_whole_options options = {.lanes = LANES,
                                .n_parts = n_parts,
                                .max_rows = ROWS,
                                .max_lanes = LANES,
                                .seed = 3,
                                .share = share,
                                .context = w};
    assert_ok(lk_model_create(&(lk_model_options){CASES[2].layers, CASES[2].n_layers}, &CASES[2].input, 1, 0,
                              &model));
    assert_ok(lk_whole_create(model, &options, &whole));
    for (int g = 0; g < n_parts; g++) lk_whole_part(whole, g)->batch = &f.batch[g];
    lk_status st = lk_whole_forward(whole, f.state, before_forward);
    assert_int_equal(st, before_forward);
    if (st == LK_OK && !lk_whole_stopped(whole)) st = before_backward;
    for (int g = 0; g < n_parts; g++) memset(lk_whole_part(whole, g)->d_output, 0, ROWS * 3 * sizeof(float));
    assert_int_equal(lk_whole_backward(whole, f.state, st), st);
    *stopped = lk_whole_stopped(whole);
    lk_whole_destroy(&whole);
    lk_model_destroy(&model);
    teardown(&f);
}

static void a_failure_is_told_once_and_ends_the_walk(void **state)
{
    (void)state;
    enum { NORMS = 5 }; /* layers of the case that see the batch */
    for (int n_parts = 0; n_parts <= 2; n_parts += 2) {
        bool    stopped;
        witness well = {0}, early = {.fails_at = 1}, late = {.fails_at = 1};
        one_step(n_parts, LK_OK, LK_OK, &well, &stopped);
        assert_false(stopped);
        assert_int_equal(well.calls, 2 * NORMS);
        one_step(n_parts, LK_E_DATA, LK_OK, &early,
                 &stopped); /* the others hear it, so well is false for this one too */
        assert_true(stopped && early.told);
        assert_int_equal(early.calls, 1);
        late.fails_at = NORMS + 1;
        one_step(n_parts, LK_OK, LK_E_DATA, &late, &stopped);
        assert_true(stopped && late.told);
        assert_int_equal(late.calls, NORMS + 1);
        for (int k = 1; k <= 2 * NORMS; k++) { /* another rank fails */
            witness other = {.fails_at = k};
            one_step(n_parts, LK_OK, LK_OK, &other, &stopped);
            assert_true(stopped && !other.told);
            assert_int_equal(other.calls, k);
        }
    }
}

static void ranks_out_of_reach_are_an_error(void **state)
{
    (void)state;
    int              calls = 0;
    lk_model        *model = NULL;
    lk_whole        *whole = NULL;
    lk_whole_options options = {.lanes = LANES, .share = unreachable, .context = &calls};
    assert_ok(lk_model_create(&(lk_model_options){CASES[2].layers, CASES[2].n_layers}, &CASES[2].input, 1, 0,
                              &model));
    assert_ok(lk_whole_create(model, &options, &whole));
    assert_int_equal(lk_whole_forward(whole, NULL, LK_OK), LK_E_MPI);
    assert_int_equal(lk_whole_backward(whole, NULL, LK_E_MPI), LK_E_MPI);
    assert_int_equal(calls, 1);
    lk_whole_destroy(&whole);
    lk_model_destroy(&model);
}

static void part_of_a_batch_alone_is_refused(void **state)
{
    (void)state;
    fixture      f;
    lk_work     *work = NULL;
    const float *y;
    setup(&f, &CASES[0], &GROUPINGS[0]);
    assert_ok(lk_work_create(f.model, ROWS, LANES, true, 3, &work));
    assert_int_equal(lk_model_forward(work, f.state, &f.batch[0], &y), LK_E_BUG);
    lk_work_destroy(&work);
    assert_ok(lk_work_create(f.model, ROWS, LANES, false, 3, &work)); /* running statistics need no batch */
    assert_ok(lk_model_forward(work, f.state, &f.batch[0], &y));
    lk_work_destroy(&work);
    teardown(&f);
}

static void passes_allocate_nothing(void **state)
{
    (void)state;
    fixture f;
    setup(&f, &CASES[2], &GROUPINGS[0]);
    int64_t before = lk_alloc_count();
    differentiate(&f, NULL);
    assert_int_equal(lk_alloc_count(), before);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_central_differences),
        cmocka_unit_test(lanes_in_any_groups_give_the_same_bits),
        cmocka_unit_test(a_batch_of_one_lane_is_that_lane),
        cmocka_unit_test(agrees_with_pytorch_over_the_whole_batch),
        cmocka_unit_test(variance_far_from_zero_is_exact),
        cmocka_unit_test(a_failure_is_told_once_and_ends_the_walk),
        cmocka_unit_test(ranks_out_of_reach_are_an_error),
        cmocka_unit_test(part_of_a_batch_alone_is_refused),
        cmocka_unit_test(passes_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, choose_kernels, NULL);
}
