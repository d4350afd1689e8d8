/* Exact global-batch mathematics: every (samples, batch size) against a serial oracle in double, lanes
 * without a row and ranks without a lane included. One process per rank count goes through all of them. */
#include "lk_test_session.h"

enum { MOST_SAMPLES = 40, MOST_BATCH = 13, INPUTS = 3, OUTPUTS = 2, PARAMETERS = INPUTS * OUTPUTS + OUTPUTS };

static float x_at(int64_t sample, int i)
{
    return (float)sin(1.0 + 0.7 * (double)sample + 1.3 * i);
}

static float y_at(int64_t sample, int j)
{
    return (float)cos(0.3 * (double)sample - 0.9 * j);
}

static lk_status write_dataset(int64_t n, const char *path)
{
    float x[MOST_SAMPLES][INPUTS], y[MOST_SAMPLES][OUTPUTS];
    for (int64_t s = 0; s < n; s++) {
        for (int i = 0; i < INPUTS; i++) x[s][i] = x_at(s, i);
        for (int j = 0; j < OUTPUTS; j++) y[s][j] = y_at(s, j);
    }
    return write_train(path, (test_array){LK_H5_F32, 2, {n, INPUTS}, x},
                       (test_array){LK_H5_F32, 2, {n, OUTPUTS}, y});
}

/* The mean gradient of mse over samples [first, last), in double, weights [units, inputs] then bias. */
static void oracle(const float *w, const float *b, int64_t first, int64_t last, double gradient[PARAMETERS])
{
    memset(gradient, 0, PARAMETERS * sizeof *gradient);
    double weight = (double)(last - first) * OUTPUTS;
    for (int64_t s = first; s < last; s++)
        for (int j = 0; j < OUTPUTS; j++) {
            double out = (double)b[j];
            for (int i = 0; i < INPUTS; i++) out += (double)w[j * INPUTS + i] * (double)x_at(s, i);
            double d = 2 * (out - (double)y_at(s, j)) / weight;
            for (int i = 0; i < INPUTS; i++) gradient[j * INPUTS + i] += d * (double)x_at(s, i);
            gradient[INPUTS * OUTPUTS + j] += d;
        }
}

/* Steps once. A momentum of 1e-30 leaves the mean gradient itself in the optimizer's slot. */
static lk_status step_error(lk_run *run, int64_t first, int64_t last, double *error)
{
    lk_status            st = LK_OK;
    const lk_span_table *spans = lk_model_spans(run->model);
    int64_t              at_w = spans->spans[0].offset, at_b = spans->spans[1].offset;
    const float         *state = lk_run_state(run), *slot = lk_reduce_slot(run->reduce, 0);
    double               expected[PARAMETERS], loss, difference = 0, norm = 0;
    unsigned             flags = 0;
    oracle(state + at_w, state + at_b, first, last, expected);
    LK_TRY(lk_comm_barrier(run->comm)); /* nobody updates the shared copy while another one reads it */
    LK_TRY(lk_run_step(run, &flags, &loss));
    for (int k = 0; k < PARAMETERS; k++) {
        int64_t at = k < INPUTS * OUTPUTS ? at_w + k : at_b + k - INPUTS * OUTPUTS;
        double  gradient = (double)slot[at];
        difference += (gradient - expected[k]) * (gradient - expected[k]);
        norm += expected[k] * expected[k];
    }
    *error = sqrt(difference / norm);
    LK_TRY(lk_comm_barrier(run->comm));
done:
    return st;
}

static lk_status one_case(int64_t n, int64_t batch, const char *path, const char *reduce, double *worst,
                          bool *counted)
{
    lk_status st = LK_OK;
    test_run  it;
    LK_TRY(start_run(session->comm, &it,
                     "lockstep: 1\nseed: 5\ndata: {train: \"%s:/train\", shuffle: none, normalise: none}\n"
                     "model:\n  - dense: {units: %d}\nloss: mse\noptimizer: {sgd: {learning_rate: 0.01, "
                     "momentum: 1e-30}}\n"
                     "train: {epochs: 1, batch_size: %lld, reduce: %s}\n",
                     path, OUTPUTS, (long long)batch, reduce));
    for (int64_t first = 0; first < n; first += batch) {
        double error = 0;
        LK_TRY(step_error(it.run, first, first + batch < n ? first + batch : n, &error));
        if (!(error <= *worst)) *worst = error;
    }
    if (it.run->epoch_sums[LK_SUM_COUNT] != (double)n) *counted = false;
    if (it.run->epoch_sums[LK_SUM_WEIGHT] != (double)(n * OUTPUTS)) *counted = false;
done:
    stop_run(&it);
    return st;
}

static void all_sizes(const char *reduce)
{
    double worst = 0;
    bool   counted = true;
    for (int64_t n = 1; n <= MOST_SAMPLES; n++) {
        char      name[32];
        lk_status st = LK_OK;
        snprintf(name, sizeof name, "n%lld.h5", (long long)n);
        const char *path = path_of(name);
        if (lk_session_is_root(session) && access(path, F_OK) != 0) st = write_dataset(n, path);
        assert_ok(lk_session_agree(session, st));
        for (int64_t batch = 1; batch <= MOST_BATCH; batch++)
            assert_ok(lk_session_agree(session, one_case(n, batch, path, reduce, &worst, &counted)));
    }
    int good = worst <= 1e-6 && counted;
    if (!good) print_error("worst relative error %.3g, counts %s\n", worst, counted ? "exact" : "wrong");
    assert_ok(lk_session_agree(session, good ? LK_OK : lk_fail(LK_E_BUG, "not exact")));
}

static void lockstep_matches_the_serial_oracle_for_every_size(void **state)
{
    (void)state;
    all_sizes("lockstep");
}

static void allreduce_matches_the_serial_oracle_for_every_size(void **state)
{
    (void)state;
    all_sizes("allreduce");
}

static int set_up(void **state)
{
    if (begin_session(state) != 0) return 1;
    return lk_comm_layout(session->comm, &(lk_comm_options){0}) != LK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lockstep_matches_the_serial_oracle_for_every_size),
        cmocka_unit_test(allreduce_matches_the_serial_oracle_for_every_size),
    };
    return cmocka_run_group_tests(tests, set_up, end_session);
}
