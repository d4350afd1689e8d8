/* Evaluation has the same bits whoever computes its chunks, and keeps no more for many of them than for few. */
#include "lk_test_session.h"

#include <limits.h>
#include <sys/resource.h>

enum { SAMPLES = 6000, WIDTH = 3, CLASSES = 60 };

static lk_status write_data(void)
{
    static float   x[SAMPLES * WIDTH];
    static int32_t y[SAMPLES];
    for (int i = 0; i < SAMPLES * WIDTH; i++) x[i] = (float)(i * 37 % 251) / 251;
    for (int i = 0; i < SAMPLES; i++) y[i] = i % CLASSES;
    return write_train(path_of("d.h5"), (test_array){LK_H5_F32, 2, {SAMPLES, WIDTH}, x},
                       (test_array){LK_H5_I32, 1, {SAMPLES}, y});
}

/* A run that only evaluates, with the state it would begin to train with. Collective. */
static lk_status start_evaluation(const char *by, int chunk, int units, test_run *it)
{
    lk_status st = LK_OK;
    char      text[512];
    *it = (test_run){0};
    snprintf(
        text, sizeof text,
        "lockstep: 1\nseed: 5\ndata: {train: \"%s:/train\", normalise: none}\nmodel: [dense: {units: %d}]\n"
        "loss: softmax_cross_entropy\nmetrics: [accuracy, confusion_matrix]\n"
        "train: {epochs: 1, batch_size: 60}\nevaluate: {chunk: %d, by: %s}\n",
        path_of("d.h5"), units, chunk, by);
    LK_TRY(lk_config_parse(text, "test", NULL, NULL, 0, &it->config));
    LK_TRY(lk_run_create(session->comm, lk_config_options(it->config), NULL, NULL, false, &it->run));
    LK_TRY(LK_ALLOC(lk_model_spans(it->run->model)->total_floats, &it->run->evaluate_state));
    lk_model_init(it->run->model, 5, it->run->evaluate_state);
done:
    return st;
}

static double peak_megabytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1e3;
}

/* The sums by one rank and by all, and by how much all of it raised this rank's peak of memory. */
static lk_status compare(int chunk, int units, double *megabytes)
{
    static const char *const by[] = {"root", "all"};
    lk_status                st = LK_OK;
    double                  *sums[2] = {0}, before = peak_megabytes();
    test_run                 it = {0};
    int                      n = 0;
    for (int i = 0; i < 2; i++) {
        LK_TRY(start_evaluation(by[i], chunk, units, &it));
        n = it.run->n_columns;
        LK_TRY(LK_ALLOC(n, &sums[i]));
        LK_TRY(lk_evaluate(it.run, LK_SPLIT_TRAIN, sums[i]));
        stop_run(&it);
    }
    *megabytes = peak_megabytes() - before;
    LK_CHECK(sums[0][LK_SUM_COUNT] == SAMPLES, LK_E_BUG, "%g samples were evaluated", sums[0][LK_SUM_COUNT]);
    LK_CHECK(!memcmp(sums[0], sums[1], (size_t)n * sizeof(double)), LK_E_BUG, "other bits by all ranks");
done:
    stop_run(&it);
    lk_free(&sums[0]);
    lk_free(&sums[1]);
    return st;
}

static void everywhere(lk_status st)
{
    st = lk_session_agree(session, st);
    if (st != LK_OK) print_error("%s\n", lk_error_message());
    assert_int_equal(st, LK_OK);
}

/* 6,000 rows of 3,604 numbers are 173 MB; a round is 16 MB on the root and its ranks' shares of that. */
static void memory_does_not_grow_with_chunks(void **state)
{
    double megabytes = 0;
    (void)state;
    lk_status st = compare(1, CLASSES, &megabytes);
    if (st == LK_OK && megabytes > 80) st = lk_fail(LK_E_BUG, "an evaluation took %.0f MB", megabytes);
    everywhere(st);
}

static void few_chunks_have_the_same_bits(void **state)
{
    static const int chunks[] = {7, 999, 1500, 6000};
    double           megabytes;
    (void)state;
    for (int i = 0; i < 4; i++) everywhere(compare(chunks[i], CLASSES, &megabytes));
}

/* Counts beyond an int were cut to one, and nothing was gathered. */
static void a_gather_beyond_the_counts_of_mpi_is_refused(void **state)
{
    double    value = 0;
    lk_status st = LK_E_CONFIG;
    (void)state;
    if (!lk_comm_has_mpi(session->comm)) return;
    for (int64_t n = (int64_t)1 << 32; n > INT_MAX / lk_session_size(session); n /= 4) {
        if (lk_comm_gather(session->comm, &value, n, &value) != LK_E_CONFIG) st = LK_E_BUG;
        if (lk_comm_allgather(session->comm, &value, n, &value) != LK_E_CONFIG) st = LK_E_BUG;
        if (!strstr(lk_error_message(), "more than MPI counts")) st = LK_E_BUG;
    }
    assert_int_equal(st, LK_E_CONFIG);
}

static int set_up(void **state)
{
    if (begin_session(state) != 0) return 1;
    if (lk_comm_layout(session->comm, &(lk_comm_options){0}) != LK_OK) return 1;
    return lk_session_agree(session, lk_session_is_root(session) ? write_data() : LK_OK) != LK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_does_not_grow_with_chunks),
        cmocka_unit_test(few_chunks_have_the_same_bits),
        cmocka_unit_test(a_gather_beyond_the_counts_of_mpi_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, end_session);
}
