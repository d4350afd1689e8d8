/* Streams: who gets which row when, held against rows made by a formula. */
#include "stream_rows.h"

#include "core/rng.h"
#include "data/source.h"

enum { MAX_RANKS = 4 };

static void order_of(lk_data *data, int64_t batch_size, uint64_t seed, int64_t epoch, int64_t *sample)
{
    lk_stream        *stream = NULL;
    lk_stream_options options = whole(batch_size);
    options.seed = seed;
    assert_ok(lk_stream_create(data, &options, &stream));
    lk_stream_seek(stream, epoch, 0);
    assert_int_equal(take(stream, lk_stream_batches(stream), sample), lk_data_n(data, LK_SPLIT_TRAIN));
    lk_stream_destroy(&stream);
}

static bool is_permutation(const int64_t *sample, int64_t n)
{
    int seen[MOST] = {0};
    for (int64_t i = 0; i < n; i++) {
        if (sample[i] < 0 || sample[i] >= n || seen[sample[i]]) return false;
        seen[sample[i]] = 1;
    }
    return true;
}

/* All that a batch says about its rows, held against the formula of the file. */
static bool rows_are(const lk_batch *batch, int64_t row, int64_t n, const int64_t *sample)
{
    const float *x = batch->input[0], *y = batch->target[0];
    for (int64_t i = 0; i < n; i++) {
        int64_t at = row + i;
        if (batch->sample[at] != sample[i]) return false;
        for (int c = 0; c < F; c++)
            if (x[at * F + c] != x_of(sample[i], c)) return false;
        if (y[at] != y_of(sample[i]) || batch->weight[at] != w_of(sample[i])) return false;
    }
    return true;
}

/* One batch of `n` rows shared out: lanes meet without gap or overlap, each with the rows that are its own.
 */
static bool union_is_the_batch(lk_stream **stream, int ranks, int lanes, int64_t n, const int64_t *sample,
                               int64_t epoch, int64_t step)
{
    int64_t row = 0;
    for (int r = 0; r < ranks; r++) {
        const lk_batch *batch = NULL;
        int             first = r * lanes / ranks, n_lanes = (r + 1) * lanes / ranks - first;
        assert_ok(lk_stream_next(stream[r], &batch));
        const lk_lanes *l = &batch->lanes;
        if (l->first != first || l->n != n_lanes || l->start[0] != 0 || l->start[n_lanes] != batch->n)
            return false;
        if (batch->epoch != epoch || batch->step != step || batch->mask) return false;
        for (int k = 0; k < n_lanes; k++) {
            int64_t begin = (first + k) * n / lanes, end = (first + k + 1) * n / lanes;
            if (row + l->start[k] != begin || row + l->start[k + 1] != end) return false;
            if (!rows_are(batch, l->start[k], end - begin, sample + begin)) return false;
        }
        row += batch->n;
    }
    return row == n;
}

static bool two_epochs_hold(lk_data *data, int64_t n, int64_t batch_size, int ranks, int lanes)
{
    lk_stream *stream[MAX_RANKS] = {NULL};
    bool       fine = true;
    for (int r = 0; r < ranks; r++) {
        lk_stream_options options = whole(batch_size);
        options.lanes = lanes;
        options.first_lane = r * lanes / ranks;
        options.n_lanes = (r + 1) * lanes / ranks - options.first_lane;
        assert_ok(lk_stream_create(data, &options, &stream[r]));
    }
    int64_t batches = lk_stream_batches(stream[0]);
    fine = batches == (n + batch_size - 1) / batch_size;
    for (int64_t epoch = 0; fine && epoch < 2; epoch++) {
        int64_t sample[MOST];
        lk_rng  rng = lk_rng_make(SEED, LK_RNG_SHUFFLE, 0, epoch, 0);
        for (int64_t p = 0; p < n; p++) sample[p] = lk_rng_permute(&rng, n, p);
        fine = is_permutation(sample, n);
        for (int64_t b = 0; fine && b < batches; b++) {
            int64_t first = b * batch_size, rows = n - first < batch_size ? n - first : batch_size;
            fine = union_is_the_batch(stream, ranks, lanes, rows, sample + first, epoch, epoch * batches + b);
        }
    }
    for (int r = 0; r < ranks; r++) lk_stream_destroy(&stream[r]);
    return fine;
}

static void every_sample_comes_once_an_epoch_on_any_number_of_ranks(void **state)
{
    (void)state;
    for (int n = 1; n <= MOST; n++) {
        fixture f;
        open_rows(&f, n, LK_SHUFFLE_FULL, 0);
        for (int batch_size = 1; batch_size <= 13; batch_size++)
            for (int ranks = 1; ranks <= MAX_RANKS; ranks++)
                for (int many = 0; many < 2; many++) {
                    int lanes = !many ? 1 : batch_size < 8 ? batch_size : 8;
                    if (two_epochs_hold(f.data, n, batch_size, ranks, lanes)) continue;
                    fail_msg("%d samples, batch %d, %d ranks, %d lanes", n, batch_size, ranks, lanes);
                }
        lk_data_close(&f.data);
    }
}

static void order_depends_on_seed_and_epoch_and_not_on_the_batch_size(void **state)
{
    fixture f;
    int64_t a[MOST], b[MOST];
    (void)state;
    open_rows(&f, MOST, LK_SHUFFLE_FULL, 0);
    order_of(f.data, 7, SEED, 3, a);
    order_of(f.data, 5, SEED, 3, b);
    assert_memory_equal(a, b, sizeof a);
    order_of(f.data, 7, SEED, 4, b);
    assert_true(is_permutation(b, MOST));
    assert_memory_not_equal(a, b, sizeof a);
    order_of(f.data, 7, SEED + 1, 3, b);
    assert_true(is_permutation(b, MOST));
    assert_memory_not_equal(a, b, sizeof a);
    lk_data_close(&f.data);
}

static void without_shuffle_and_outside_training_the_source_keeps_its_order(void **state)
{
    (void)state;
    for (int training = 0; training < 2; training++) {
        fixture           f;
        lk_stream        *stream = NULL;
        lk_stream_options options = whole(7);
        int64_t           sample[2 * MOST];
        open_rows(&f, MOST, training ? LK_SHUFFLE_NONE : LK_SHUFFLE_FULL, 0);
        options.training = training;
        assert_ok(lk_stream_create(f.data, &options, &stream));
        assert_int_equal(take(stream, 2 * lk_stream_batches(stream), sample), 2 * MOST);
        for (int i = 0; i < 2 * MOST; i++) assert_int_equal(sample[i], i % MOST);
        lk_stream_destroy(&stream);
        lk_data_close(&f.data);
    }
}

/* Each run of positions that a window spans is one stretch of the source, whole. */
static bool windows_are_stretches(const int64_t *sample, int64_t n, int64_t window)
{
    for (int64_t at = 0; at < n;) {
        int64_t chunk = sample[at] / window, begin = chunk * window,
                end = begin + window < n ? begin + window : n;
        if (at + end - begin > n) return false;
        for (int64_t i = at; i < at + end - begin; i++)
            if (sample[i] < begin || sample[i] >= end) return false;
        at += end - begin;
    }
    return true;
}

static void a_window_covers_every_sample_once_and_stays_in_its_stretch(void **state)
{
    (void)state;
    for (int n = 1; n <= MOST; n++)
        for (int window = 1; window <= 13; window++) {
            fixture f;
            int64_t sample[MOST];
            open_rows(&f, n, LK_SHUFFLE_WINDOW, window);
            for (int epoch = 0; epoch < 3; epoch++) {
                order_of(f.data, 6, SEED, epoch, sample);
                if (!is_permutation(sample, n)) fail_msg("%d samples, window %d", n, window);
                if (n >= 2 * window && !windows_are_stretches(sample, n, window))
                    fail_msg("%d samples, window %d: a window mixes stretches", n, window);
            }
            lk_data_close(&f.data);
        }
}

/* 40 samples in windows of 6: six whole ones and one of four. */
static void a_window_moves_stretches_and_samples_and_the_short_one_too(void **state)
{
    enum { WINDOW = 6, EPOCHS = 40 };
    fixture f;
    int64_t sample[MOST];
    int     moved = 0, inside = 0, short_last = 0;
    (void)state;
    open_rows(&f, MOST, LK_SHUFFLE_WINDOW, WINDOW);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        order_of(f.data, 8, SEED, epoch, sample);
        moved += sample[0] / WINDOW != 0;
        inside += sample[1] != sample[0] + 1;
        short_last += sample[MOST - 1] / WINDOW == MOST / WINDOW;
    }
    /* Fair draws give 6/7, about 5/6 and 1/7 of 40; each bound lies beyond four deviations. */
    assert_true(moved >= 24);
    assert_true(inside >= 22);
    assert_true(short_last <= 16);
    lk_data_close(&f.data);
}

static void a_cut_has_the_rows_of_its_lanes(void **state)
{
    enum { LANES = 6, FIRST = 1 };
    static lk_batch_view cut;
    fixture              f;
    lk_stream           *stream = NULL;
    const lk_batch      *batch = NULL;
    lk_stream_options    options = whole(13);
    (void)state;
    options.lanes = LANES;
    options.first_lane = FIRST;
    options.n_lanes = LANES - FIRST;
    open_rows(&f, 16, LK_SHUFFLE_FULL, 0); /* 13 rows, then 3 on six lanes: 0, 2 and 4 are empty */
    assert_ok(lk_stream_create(f.data, &options, &stream));
    for (int b = 0; b < 2; b++) {
        int empty = 0;
        assert_ok(lk_stream_next(stream, &batch));
        for (int first = FIRST; first < LANES; first++)
            for (int n = 1; first + n <= LANES; n++) {
                const int64_t *start = batch->lanes.start + (first - FIRST);
                lk_batch_cut(batch, f.data, first, n, &cut);
                assert_int_equal(cut.batch.n, start[n] - start[0]);
                assert_int_equal(cut.batch.lanes.first, first);
                assert_int_equal(cut.batch.lanes.n, n);
                for (int k = 0; k <= n; k++) assert_int_equal(cut.batch.lanes.start[k], start[k] - start[0]);
                assert_true(rows_are(&cut.batch, 0, cut.batch.n, batch->sample + start[0]));
                assert_int_equal(cut.batch.epoch, batch->epoch);
                assert_int_equal(cut.batch.step, batch->step);
                empty += n == 1 && cut.batch.n == 0;
            }
        assert_int_equal(empty, b == 0 ? 0 : 2); /* lane 0 is not ours */
    }
    lk_stream_destroy(&stream);
    lk_data_close(&f.data);
}

static void a_cut_moves_a_mask_with_its_rows(void **state)
{
    static lk_batch_view cut;
    fixture              f;
    float                x[4 * F], y[4], mask[4];
    int64_t              sample[4] = {0}, start[] = {0, 1, 3, 4};
    const void          *input[] = {x}, *target[] = {y};
    lk_batch             batch = {.n = 4,
                                  .lanes = {2, 3, start},
                                  .n_inputs = 1,
                                  .n_targets = 1,
                                  .input = input,
                                  .target = target,
                                  .mask = mask,
                                  .sample = sample};
    (void)state;
    open_rows(&f, 4, LK_SHUFFLE_NONE, 0);
    lk_batch_cut(&batch, f.data, 3, 2, &cut);
    assert_int_equal(cut.batch.n, 3);
    assert_ptr_equal(cut.batch.input[0], x + F);
    assert_ptr_equal(cut.batch.target[0], y + 1);
    assert_ptr_equal(cut.batch.mask, mask + 1);
    assert_ptr_equal(cut.batch.sample, sample + 1);
    assert_null(cut.batch.weight);
    lk_data_close(&f.data);
}

static void samples_of_a_fraction_keep_their_index_in_the_source(void **state)
{
    fixture  f = {.name = "d.h5:/n40"};
    int      seen[MOST] = {0};
    int64_t  n = 0;
    lk_split split[] = {LK_SPLIT_TRAIN, LK_SPLIT_VALIDATION};
    (void)state;
    f.files[0] = f.name;
    f.options = (lk_data_options){.train = {.files = f.files, .n_files = 1},
                                  .validation = {.fraction = 0.3},
                                  .shuffle = LK_SHUFFLE_FULL,
                                  .base = folder};
    assert_ok(lk_data_open(&f.options, SEED, NULL, &f.data));
    for (int s = 0; s < 2; s++) {
        lk_stream        *stream = NULL;
        const lk_batch   *batch = NULL;
        lk_stream_options options = whole(6);
        options.split = split[s];
        assert_ok(lk_stream_create(f.data, &options, &stream));
        assert_true(lk_data_n(f.data, split[s]) > 0);
        for (int64_t b = 0; b < lk_stream_batches(stream); b++) {
            assert_ok(lk_stream_next(stream, &batch));
            assert_true(rows_are(batch, 0, batch->n, batch->sample));
            for (int64_t i = 0; i < batch->n; i++) seen[batch->sample[i]]++;
            n += batch->n;
        }
        lk_stream_destroy(&stream);
    }
    assert_int_equal(n, MOST);
    for (int i = 0; i < MOST; i++) assert_int_equal(seen[i], 1);
    lk_data_close(&f.data);
}

static void a_stream_of_nothing_is_refused(void **state)
{
    fixture           f;
    lk_stream        *stream = NULL;
    lk_stream_options options = whole(8);
    (void)state;
    open_rows(&f, 3, LK_SHUFFLE_FULL, 0);
    options.split = LK_SPLIT_TEST;
    assert_int_equal(lk_stream_create(f.data, &options, &stream), LK_E_DATA);
    assert_null(stream);
    lk_stream_destroy(&stream);
    lk_data_close(&f.data);
}

static void lanes_beyond_a_batch_view_are_refused(void **state)
{
    fixture           f;
    lk_stream        *stream = NULL;
    lk_stream_options options = whole(2000);
    (void)state;
    open_rows(&f, MOST, LK_SHUFFLE_FULL, 0);
    options.lanes = 1025;
    assert_int_equal(lk_stream_create(f.data, &options, &stream), LK_E_CONFIG);
    assert_non_null(strstr(lk_error_message(), "1025"));
    options.lanes = options.n_lanes = 1024;
    assert_ok(lk_stream_create(f.data, &options, &stream));
    lk_stream_destroy(&stream);
    lk_data_close(&f.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_comes_once_an_epoch_on_any_number_of_ranks),
        cmocka_unit_test(order_depends_on_seed_and_epoch_and_not_on_the_batch_size),
        cmocka_unit_test(without_shuffle_and_outside_training_the_source_keeps_its_order),
        cmocka_unit_test(a_window_covers_every_sample_once_and_stays_in_its_stretch),
        cmocka_unit_test(a_window_moves_stretches_and_samples_and_the_short_one_too),
        cmocka_unit_test(a_cut_has_the_rows_of_its_lanes),
        cmocka_unit_test(a_cut_moves_a_mask_with_its_rows),
        cmocka_unit_test(samples_of_a_fraction_keep_their_index_in_the_source),
        cmocka_unit_test(a_stream_of_nothing_is_refused),
        cmocka_unit_test(lanes_beyond_a_batch_view_are_refused),
    };
    /* Small columns are kept in memory; without that, rows come from the file, and late. */
    int failed = cmocka_run_group_tests_name("columns in memory", tests, write_rows, remove_folder);
    lk_column_resident_bytes = 0;
    return failed + cmocka_run_group_tests_name("columns read", tests, write_rows, remove_folder);
}
