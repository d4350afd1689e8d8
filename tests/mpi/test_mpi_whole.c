/*
 * Batch norm over the whole batch: every rank trains the same configuration together with the others and once more alone, and
 * both must have the same bits; a rank that fails on the way takes all others with it, and none is left waiting.
 */
#include "lk_test_session.h"

enum { SAMPLES = 101, SIDE = 6, CHANNELS = 2, WIDTH = SIDE * SIDE * CHANNELS, CLASSES = 4, MOST_STEPS = 16 };

static float x_at(int64_t i)
{
    return (float)(sin(0.37 * (double)i) + 3 * cos(0.011 * (double)i));
}

/* The file with a NaN in sample `bad`; -1: without one. */
static const char *path_with(int64_t bad)
{
    char name[32];
    snprintf(name, sizeof name, "bad%lld.h5", (long long)bad);
    return path_of(name);
}

static lk_status write_data(int64_t bad)
{
    static float x[SAMPLES * WIDTH];
    int32_t      y[SAMPLES];
    for (int64_t i = 0; i < SAMPLES * WIDTH; i++) x[i] = x_at(i);
    for (int i = 0; i < SAMPLES; i++) y[i] = i * 7 % CLASSES;
    if (bad >= 0) x[bad * WIDTH + 5] = NAN;
    return write_train(path_with(bad), (test_array){LK_H5_F32, 4, {SAMPLES, SIDE, SIDE, CHANNELS}, x},
                       (test_array){LK_H5_I32, 1, {SAMPLES}, y});
}

typedef struct run_case {
    int         batch, lanes;
    const char *reduce;
} run_case;

/* Layers over the batch and over a lane, side by side and one after the other; dropout between them. */
static lk_status start(lk_comm *comm, int64_t bad, const run_case *c, test_run *it)
{
    return start_run(
        comm, it,
        "lockstep: 1\nseed: 5\ndata: {train: \"%s:/train\", shuffle: none, normalise: none}\nmodel:\n"
        "  - conv2d: {filters: 5, kernel: 3, padding: same}\n  - batch_norm: {over: batch}\n"
        "  - activation: relu\n  - dropout: 0.2\n"
        "  - residual:\n      layers: [{conv2d: {filters: 7, kernel: 3, padding: same}}, {batch_norm: {over: "
        "batch}}]\n      shortcut: [{conv2d: {filters: 7, kernel: 1}}, batch_norm]\n"
        "  - activation: relu\n  - global_avg_pool\n  - dense: {units: %d}\n"
        "loss: softmax_cross_entropy\noptimizer: {sgd: {learning_rate: 0.1, momentum: 0.9}}\n"
        "train: {epochs: 2, batch_size: %d, lanes: %d, reduce: %s, clip_norm: 1}\n",
        path_with(bad), CLASSES, c->batch, c->lanes, c->reduce);
}

/* Where a run is after its steps. */
typedef struct result {
    float  *state; /* owned [n_state] */
    int64_t n_state;
    double  loss[MOST_STEPS];
    int     n_steps;
} result;

/* Two epochs, so the last step of each is uneven. */
static lk_status train(lk_comm *comm, const run_case *c, result *out)
{
    lk_status st = LK_OK;
    test_run  it;
    *out = (result){.n_steps = 2 * ((SAMPLES + c->batch - 1) / c->batch)};
    LK_TRY(start(comm, -1, c, &it));
    for (int i = 0; i < out->n_steps; i++) {
        unsigned flags = 0;
        LK_TRY(lk_run_step(it.run, &flags, &out->loss[i]));
    }
    const lk_span_table *table = lk_model_spans(it.run->model);
    out->n_state = table->total_floats;
    LK_TRY(LK_ALLOC(out->n_state, &out->state));
    for (int s = 0; s < table->n_spans; s++) {
        const lk_span *span = &table->spans[s];
        memcpy(out->state + span->offset, lk_run_state(it.run) + span->offset,
               (size_t)span->count * sizeof(float));
    }
done:
    stop_run(&it);
    return st;
}

/* Largest relative difference of the losses; -1 if bits of state or losses differ. */
static double difference(const result *a, const result *b)
{
    double worst = 0;
    bool   equal = !memcmp(a->state, b->state, (size_t)a->n_state * sizeof(float)) &&
                 !memcmp(a->loss, b->loss, (size_t)a->n_steps * sizeof(double));
    for (int i = 0; i < a->n_steps; i++) worst = fmax(worst, fabs(a->loss[i] / b->loss[i] - 1));
    return equal ? -1 : worst;
}

/* `bits`: equal; else losses within rounding. */
static lk_status like_alone(const run_case *c, bool bits)
{
    lk_status st = LK_OK;
    lk_comm  *alone = NULL;
    result    own = {0}, together = {0};
    LK_TRY(lk_comm_create_alone(&alone));
    LK_TRY(train(alone, c, &own));
    LK_TRY(train(session->comm, c, &together));
    double off = difference(&together, &own);
    LK_CHECK(bits ? off < 0 : off < 1e-4, LK_E_BUG,
             "batch %d in %d lanes, %s: other bits, losses differ by %.2g", c->batch, c->lanes, c->reduce,
             off);
done:
    lk_free(&own.state);
    lk_free(&together.state);
    lk_comm_destroy(&alone);
    return st;
}

/* Last batches of 5, 3 and 1 samples: most lanes are empty, and some ranks have none with a row; 2 lanes: some have none at
 * all. A last batch of one sample still has 36 values a channel. */
static const run_case CASES[] = {
    {16, 8, "lockstep"}, {14, 2, "lockstep"}, {20, 5, "lockstep"}, {14, 14, "lockstep"}};
enum { N_CASES = sizeof CASES / sizeof *CASES };

static void on_layout(int ranks_per_host, const run_case *cases, int n, bool bits)
{
    assert_ok(lk_comm_layout(session->comm, &(lk_comm_options){.ranks_per_host = ranks_per_host}));
    for (int i = 0; i < n; i++) {
        lk_status st = lk_session_agree(session, like_alone(&cases[i], bits));
        if (st != LK_OK) print_error("%d ranks a host: %s\n", ranks_per_host, lk_error_message());
        assert_int_equal(st, LK_OK);
    }
}

static void ranks_have_the_bits_of_one_process(void **state)
{
    (void)state;
    for (int ranks_per_host = 0; ranks_per_host <= 2; ranks_per_host++)
        on_layout(ranks_per_host, CASES, N_CASES, true);
}

static void allreduce_has_the_same_statistics(void **state)
{
    (void)state;
    static const run_case ALL[] = {{16, 8, "allreduce"}, {14, 2, "allreduce"}};
    on_layout(0, ALL, 2, false);
}

/* A NaN in sample `bad` is found by the rank that reads it, in step bad / batch; the others are in the middle of a pass then.
 * All return its status and message after the same step, with parameters as before it. */
static lk_status fails_together(const run_case *c, int64_t bad)
{
    lk_status st = LK_OK;
    test_run  it;
    char      where[32];
    int       step = 0;
    unsigned  flags = 0;
    double    loss;
    snprintf(where, sizeof where, "%lld", (long long)bad);
    LK_TRY(start(session->comm, bad, c, &it));
    while (step < MOST_STEPS && (st = lk_run_step(it.run, &flags, &loss)) == LK_OK) step++;
    bool together = lk_comm_failed_together(session->comm);
    LK_CHECK(st == LK_E_DATA && together && step == bad / c->batch && strstr(lk_error_message(), where),
             LK_E_BUG, "a NaN in sample %lld: status %d in step %d: %s", (long long)bad, (int)st, step,
             lk_error_message());
    for (int64_t i = 0; i < lk_model_spans(it.run->model)->parameter_floats; i++)
        LK_CHECK(isfinite(lk_run_state(it.run)[i]), LK_E_BUG,
                 "a parameter is not finite after a NaN in the data");
    st = LK_OK;
done:
    st = lk_session_agree(session, st); /* hangs if one has left alone */
    stop_run(&it);
    return st;
}

static const int64_t BAD[] = {0, 19, 30, 47, 97}; /* samples of several lanes and steps */
enum { N_BAD = sizeof BAD / sizeof *BAD };

static void a_rank_that_fails_alone_takes_all_along(void **state)
{
    (void)state;
    for (int ranks_per_host = 0; ranks_per_host <= 2; ranks_per_host += 2) {
        assert_ok(lk_comm_layout(session->comm, &(lk_comm_options){.ranks_per_host = ranks_per_host}));
        for (int i = 0; i < N_BAD; i++) {
            assert_ok(fails_together(&(run_case){16, 8, "lockstep"}, BAD[i]));
            assert_ok(fails_together(&(run_case){14, 2, "allreduce"}, BAD[i]));
        }
    }
}

static lk_status write_all(void)
{
    lk_status st = write_data(-1);
    for (int i = 0; st == LK_OK && i < N_BAD; i++) st = write_data(BAD[i]);
    return st;
}

static int set_up(void **state)
{
    if (begin_session(state) != 0) return 1;
    return lk_session_agree(session, lk_session_is_root(session) ? write_all() : LK_OK) != LK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_have_the_bits_of_one_process),
        cmocka_unit_test(allreduce_has_the_same_statistics),
        cmocka_unit_test(a_rank_that_fails_alone_takes_all_along),
    };
    return cmocka_run_group_tests(tests, set_up, end_session);
}
