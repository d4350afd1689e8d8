/*
 * Batch norm over the whole batch: every rank trains the same configuration together with the others and once more alone, and
 * both must have the same bits; a rank that fails on the way takes all others with it, and none is left waiting.
 */
#include "lk_test.h"

#include <unistd.h>

#include "core/alloc.h"
#include "core/str.h"
#include "train/run.h"
#include "train/session.h"

enum { SAMPLES = 101, SIDE = 6, CHANNELS = 2, WIDTH = SIDE * SIDE * CHANNELS, CLASSES = 4, MOST_STEPS = 16 };

static lk_session *session;
static char        folder[256];

static float x_at(int64_t i)
{
    return (float)(sin(0.37 * (double)i) + 3 * cos(0.011 * (double)i));
}

/* `bad`: the sample with a NaN, -1: none. */
static lk_status write_data(const char *path, int64_t bad)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    float    *x = NULL;
    int32_t  *y = NULL;
    int64_t   axes[] = {SAMPLES, SIDE, SIDE, CHANNELS}, n = SAMPLES;
    LK_TRY(LK_ALLOC(SAMPLES * WIDTH, &x));
    LK_TRY(LK_ALLOC(SAMPLES, &y));
    for (int64_t i = 0; i < SAMPLES * WIDTH; i++) x[i] = x_at(i);
    for (int i = 0; i < SAMPLES; i++) y[i] = i * 7 % CLASSES;
    if (bad >= 0) x[bad * WIDTH + 5] = NAN;
    LK_TRY(lk_h5_create(path, &file));
    LK_TRY(lk_h5_write(file, "/train/x", LK_H5_F32, 4, axes, x));
    LK_TRY(lk_h5_write(file, "/train/y", LK_H5_I32, 1, &n, y));
    LK_TRY(lk_h5_close(&file));
done:
    lk_h5_abandon(&file);
    lk_free(&x);
    lk_free(&y);
    return st;
}

typedef struct run_case {
    int         batch, lanes;
    const char *reduce;
} run_case;

/* Layers over the batch and over a lane, side by side and one after the other; dropout between them. */
static lk_status parse(const char *path, const run_case *c, lk_config **config)
{
    lk_str    text;
    lk_status st;
    lk_str_init(&text);
    lk_str_printf(
        &text,
        "lockstep: 1\nseed: 5\ndata: {train: \"%s:/train\", shuffle: none, normalise: none}\nmodel:\n"
        "  - conv2d: {filters: 5, kernel: 3, padding: same}\n  - batch_norm: {over: batch}\n"
        "  - activation: relu\n  - dropout: 0.2\n"
        "  - residual:\n      layers: [{conv2d: {filters: 7, kernel: 3, padding: same}}, {batch_norm: {over: "
        "batch}}]\n      shortcut: [{conv2d: {filters: 7, kernel: 1}}, batch_norm]\n"
        "  - activation: relu\n  - global_avg_pool\n  - dense: {units: %d}\n"
        "loss: softmax_cross_entropy\noptimizer: {sgd: {learning_rate: 0.1, momentum: 0.9}}\n"
        "train: {epochs: 2, batch_size: %d, lanes: %d, reduce: %s, clip_norm: 1}\n",
        path, CLASSES, c->batch, c->lanes, c->reduce);
    st = lk_config_parse(lk_str_text(&text), "test", NULL, NULL, 0, config);
    lk_str_clear(&text);
    return st;
}

static lk_status start(lk_comm *comm, const char *path, const run_case *c, lk_config **config, lk_run **run)
{
    lk_status st = LK_OK;
    LK_TRY(parse(path, c, config));
    LK_TRY(lk_run_create(comm, lk_config_options(*config), NULL, NULL, true, run));
    if (lk_comm_is_root(comm)) lk_run_initial(*run);
    LK_TRY(lk_reduce_publish((*run)->reduce));
    lk_stream_seek((*run)->stream, 0, 0);
done:
    return st;
}

/* Where a run is after its steps. */
typedef struct result {
    float *state; /* owned */
    double loss[MOST_STEPS];
    int    n_steps;
} result;

/* Two epochs, so the last step of each is uneven. */
static lk_status train(lk_comm *comm, const run_case *c, result *out)
{
    lk_status  st = LK_OK;
    lk_config *config = NULL;
    lk_run    *run = NULL;
    char       path[300];
    snprintf(path, sizeof path, "%s/good.h5", folder);
    *out = (result){.n_steps = 2 * ((SAMPLES + c->batch - 1) / c->batch)};
    LK_TRY(start(comm, path, c, &config, &run));
    for (int i = 0; i < out->n_steps; i++) {
        unsigned flags = 0;
        LK_TRY(lk_run_step(run, &flags, &out->loss[i]));
    }
    int64_t n = lk_model_spans(run->model)->total_floats;
    LK_TRY(LK_ALLOC(n, &out->state));
    for (int s = 0; s < lk_model_spans(run->model)->n_spans; s++) {
        const lk_span *span = &lk_model_spans(run->model)->spans[s];
        memcpy(out->state + span->offset, lk_run_state(run) + span->offset,
               (size_t)span->count * sizeof(float));
    }
done:
    lk_run_destroy(&run);
    lk_config_destroy(&config);
    return st;
}

/* Largest relative difference of the losses; -1 if bits of state or losses differ. */
static double difference(const result *a, const result *b, int64_t n_state)
{
    double worst = 0;
    bool   equal = !memcmp(a->state, b->state, (size_t)n_state * sizeof(float)) &&
                 !memcmp(a->loss, b->loss, (size_t)a->n_steps * sizeof(double));
    for (int i = 0; i < a->n_steps; i++) worst = fmax(worst, fabs(a->loss[i] / b->loss[i] - 1));
    return equal ? -1 : worst;
}

static int64_t floats_of(const run_case *c)
{
    lk_config *config = NULL;
    lk_run    *run = NULL;
    lk_comm   *alone = NULL;
    char       path[300];
    int64_t    n = 0;
    snprintf(path, sizeof path, "%s/good.h5", folder);
    if (lk_comm_create_alone(&alone) == LK_OK && start(alone, path, c, &config, &run) == LK_OK)
        n = lk_model_spans(run->model)->total_floats;
    lk_run_destroy(&run);
    lk_config_destroy(&config);
    lk_comm_destroy(&alone);
    return n;
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
    double off = difference(&together, &own, floats_of(c));
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
    lk_status  st = LK_OK;
    lk_config *config = NULL;
    lk_run    *run = NULL;
    char       path[300], where[32];
    int        step = 0;
    unsigned   flags = 0;
    double     loss;
    snprintf(path, sizeof path, "%s/bad-%lld.h5", folder, (long long)bad);
    snprintf(where, sizeof where, "%lld", (long long)bad);
    LK_TRY(start(session->comm, path, c, &config, &run));
    while (step < MOST_STEPS && (st = lk_run_step(run, &flags, &loss)) == LK_OK) step++;
    bool together = lk_comm_failed_together(session->comm);
    LK_CHECK(st == LK_E_DATA && together && step == bad / c->batch && strstr(lk_error_message(), where),
             LK_E_BUG, "a NaN in sample %lld: status %d in step %d: %s", (long long)bad, (int)st, step,
             lk_error_message());
    for (int64_t i = 0; i < lk_model_spans(run->model)->parameter_floats; i++)
        LK_CHECK(isfinite(lk_run_state(run)[i]), LK_E_BUG,
                 "a parameter is not finite after a NaN in the data");
    st = LK_OK;
done:
    st = lk_session_agree(session, st); /* hangs if one has left alone */
    lk_run_destroy(&run);
    lk_config_destroy(&config);
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
    lk_status st = LK_OK;
    char      path[300];
    snprintf(path, sizeof path, "%s/good.h5", folder);
    LK_TRY(write_data(path, -1));
    for (int i = 0; i < N_BAD; i++) {
        snprintf(path, sizeof path, "%s/bad-%lld.h5", folder, (long long)BAD[i]);
        LK_TRY(write_data(path, BAD[i]));
    }
done:
    return st;
}

static int set_up(void **state)
{
    (void)state;
    if (lk_session_start(&session) != LK_OK) return 1;
    if (lk_session_is_root(session)) {
        snprintf(folder, sizeof folder, "/tmp/lockstep-whole-XXXXXX");
        if (!mkdtemp(folder)) return 1;
    }
    if (lk_session_share(session, folder, sizeof folder) != LK_OK) return 1;
    return lk_session_agree(session, lk_session_is_root(session) ? write_all() : LK_OK) != LK_OK;
}

static int tear_down(void **state)
{
    (void)state;
    char path[300];
    if (lk_session_is_root(session)) {
        snprintf(path, sizeof path, "%s/good.h5", folder);
        unlink(path);
        for (int i = 0; i < N_BAD; i++) {
            snprintf(path, sizeof path, "%s/bad-%lld.h5", folder, (long long)BAD[i]);
            unlink(path);
        }
        rmdir(folder);
    }
    lk_session_end(&session);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_have_the_bits_of_one_process),
        cmocka_unit_test(allreduce_has_the_same_statistics),
        cmocka_unit_test(a_rank_that_fails_alone_takes_all_along),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
