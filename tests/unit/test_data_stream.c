/* Streams: who gets which row when, held against rows made by a formula. */
#include "lk_test.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/rng.h"
#include "data/data_internal.h"
#include "data/source.h"

enum { MOST = 40, F = 3, SEED = 5, MAX_RANKS = 4, BIG_ROWS = 16, BIG_WIDTH = 1 << 17 };

static char folder[64];

/* Row i of every file here: no two rows share a value. */
static float x_of(int64_t i, int c)
{
    return (float)i * 8 + (float)c + 0.5f;
}
static float y_of(int64_t i)
{
    return -(float)i - 0.25f;
}
static float w_of(int64_t i)
{
    return 1 + (float)i / 64;
}

/* big.h5: rows of half a megabyte, which take long enough to be caught while they are read. */
static void write_big(void)
{
    lk_h5  *file = NULL;
    char    path[128];
    float  *x = calloc((size_t)BIG_ROWS * BIG_WIDTH, sizeof *x), y[BIG_ROWS];
    int64_t axis[] = {BIG_ROWS, BIG_WIDTH};
    assert_non_null(x);
    for (int64_t i = 0; i < BIG_ROWS; i++) {
        y[i] = y_of(i);
        for (int64_t k = 0; k < BIG_WIDTH; k++) x[i * BIG_WIDTH + k] = (float)i;
    }
    snprintf(path, sizeof path, "%s/big.h5", folder);
    assert_ok(lk_h5_create(path, &file));
    assert_ok(lk_h5_write(file, "/train/x", LK_H5_F32, 2, axis, x));
    assert_ok(lk_h5_write(file, "/train/y", LK_H5_F32, 1, axis, y));
    assert_ok(lk_h5_close(&file));
    free(x);
}

/* d.h5 with groups /n1 .. /n40 of that many rows; nan.h5 with a NaN in row 11 of 20. */
static int write_files(void **state)
{
    (void)state;
    lk_h5 *file = NULL;
    char   path[128];
    float  x[MOST][F], y[MOST], w[MOST];
    snprintf(folder, sizeof folder, "/tmp/lk_stream_XXXXXX");
    if (!mkdtemp(folder)) return -1;
    for (int i = 0; i < MOST; i++) {
        for (int c = 0; c < F; c++) x[i][c] = x_of(i, c);
        y[i] = y_of(i);
        w[i] = w_of(i);
    }
    snprintf(path, sizeof path, "%s/d.h5", folder);
    assert_ok(lk_h5_create(path, &file));
    for (int64_t n = 1; n <= MOST; n++) {
        snprintf(path, sizeof path, "/n%d/x", (int)n);
        assert_ok(lk_h5_write(file, path, LK_H5_F32, 2, (int64_t[]){n, F}, x));
        snprintf(path, sizeof path, "/n%d/y", (int)n);
        assert_ok(lk_h5_write(file, path, LK_H5_F32, 1, &n, y));
        snprintf(path, sizeof path, "/n%d/w", (int)n);
        assert_ok(lk_h5_write(file, path, LK_H5_F32, 1, &n, w));
    }
    assert_ok(lk_h5_close(&file));
    write_big();
    snprintf(path, sizeof path, "%s/nan.h5", folder);
    assert_ok(lk_h5_create(path, &file));
    x[11][1] = NAN;
    assert_ok(lk_h5_write(file, "/train/x", LK_H5_F32, 2, (int64_t[]){20, F}, x));
    assert_ok(lk_h5_write(file, "/train/y", LK_H5_F32, 1, (int64_t[]){20}, y));
    assert_ok(lk_h5_close(&file));
    return 0;
}

static int remove_files(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/d.h5", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/nan.h5", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/big.h5", folder);
    unlink(path);
    return rmdir(folder);
}

/* The options are borrowed by the data, so they live as long. */
typedef struct fixture {
    char            name[32];
    const char     *files[1];
    lk_data_options options;
    lk_data        *data;
} fixture;

static void open_file(fixture *f, const char *name, lk_shuffle shuffle, int64_t window)
{
    *f = (fixture){.options = {.shuffle = shuffle, .shuffle_window = window, .base = folder}};
    snprintf(f->name, sizeof f->name, "%s", name);
    f->files[0] = f->name;
    f->options.train = (lk_split_options){.files = f->files, .n_files = 1};
    assert_ok(lk_data_open(&f->options, SEED, NULL, &f->data));
}

static void open_rows(fixture *f, int n, lk_shuffle shuffle, int64_t window)
{
    char name[32];
    snprintf(name, sizeof name, "d.h5:/n%d", n);
    open_file(f, name, shuffle, window);
}

static lk_stream_options whole(int64_t batch_size)
{
    return (lk_stream_options){.split = LK_SPLIT_TRAIN,
                               .batch_size = batch_size,
                               .lanes = 1,
                               .n_lanes = 1,
                               .training = true,
                               .seed = SEED};
}

/* The samples of the next `n_batches` batches of a stream; returns how many. */
static int64_t take(lk_stream *stream, int64_t n_batches, int64_t *sample)
{
    int64_t n = 0;
    for (int64_t b = 0; b < n_batches; b++) {
        const lk_batch *batch = NULL;
        assert_ok(lk_stream_next(stream, &batch));
        for (int64_t i = 0; i < batch->n; i++) sample[n++] = batch->sample[i];
    }
    return n;
}

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

typedef struct record {
    int64_t n, epoch, step, sample[MOST];
    float   x[MOST * F], y[MOST], weight[MOST];
} record;

static void keep(const lk_batch *batch, record *out)
{
    *out = (record){.n = batch->n, .epoch = batch->epoch, .step = batch->step};
    size_t n = (size_t)batch->n;
    memcpy(out->sample, batch->sample, n * sizeof *out->sample);
    memcpy(out->x, batch->input[0], n * F * sizeof *out->x);
    memcpy(out->y, batch->target[0], n * sizeof *out->y);
    memcpy(out->weight, batch->weight, n * sizeof *out->weight);
}

static void seeking_gives_what_running_on_gives(void **state)
{
    enum { BATCHES = 6, ALL = 4 * BATCHES }; /* 40 samples in sevens */
    static record   run[ALL], now;
    fixture         f;
    const lk_batch *batch = NULL;
    (void)state;
    open_rows(&f, MOST, LK_SHUFFLE_FULL, 0);
    for (int prefetch = 0; prefetch < 2; prefetch++) {
        lk_stream        *stream = NULL;
        lk_stream_options options = whole(7);
        options.lanes = 5;
        options.first_lane = 1;
        options.n_lanes = 3;
        options.prefetch = prefetch;
        assert_ok(lk_stream_create(f.data, &options, &stream));
        assert_int_equal(lk_stream_batches(stream), BATCHES);
        for (int b = 0; b < ALL; b++) {
            assert_ok(lk_stream_next(stream, &batch));
            if (prefetch == 0) keep(batch, &run[b]); /* without a thread once, then both against it */
            keep(batch, &now);
            assert_memory_equal(&now, &run[b], sizeof now);
        }
        /* 7 is coprime to 24, so this walks over all places, back and forth, and from each runs on by two. */
        for (int i = 0; i < ALL; i++) {
            int at = i * 7 % ALL;
            lk_stream_seek(stream, at / BATCHES, at % BATCHES);
            for (int b = at; b < at + 2 && b < ALL; b++) {
                assert_ok(lk_stream_next(stream, &batch));
                keep(batch, &now);
                assert_memory_equal(&now, &run[b], sizeof now);
            }
        }
        lk_stream_seek(stream, 0, 3); /* nobody asks: the thread must not mind */
        lk_stream_seek(stream, 2, 1);
        assert_ok(lk_stream_next(stream, &batch));
        keep(batch, &now);
        assert_memory_equal(&now, &run[2 * BATCHES + 1], sizeof now);
        lk_stream_destroy(&stream);
    }
    lk_data_close(&f.data);
}

/* A seek may find the thread not yet awake, in the middle of a batch, or done with it. */
static void a_seek_drops_what_is_being_read(void **state)
{
    fixture           f;
    lk_stream        *stream = NULL;
    const lk_batch   *batch = NULL;
    lk_stream_options options = whole(4);
    (void)state;
    options.prefetch = true;
    open_file(&f, "big.h5:/train", LK_SHUFFLE_NONE, 0);
    assert_ok(lk_stream_create(f.data, &options, &stream));
    for (int i = 0; i < 24; i++) {
        int64_t place = i * 3 % 4; /* 0, 3, 2, 1: never the one that would have come next */
        lk_stream_seek(stream, 0, place);
        assert_ok(lk_stream_next(stream, &batch));
        for (int64_t k = 0; k < 4; k++) {
            const float *row = (const float *)batch->input[0] + k * BIG_WIDTH;
            assert_int_equal(batch->sample[k], 4 * place + k);
            assert_true(row[0] == (float)batch->sample[k] && row[BIG_WIDTH - 1] == row[0]);
        }
        usleep((useconds_t)i * 100);
    }
    lk_stream_destroy(&stream); /* and so may the end */
    lk_data_close(&f.data);
}

static void a_batch_stays_while_the_next_one_is_read(void **state)
{
    fixture           f;
    lk_stream        *stream = NULL;
    const lk_batch   *batch = NULL;
    lk_stream_options options = whole(5);
    static record     before, after;
    (void)state;
    open_rows(&f, MOST, LK_SHUFFLE_FULL, 0);
    options.prefetch = true;
    assert_ok(lk_stream_create(f.data, &options, &stream));
    for (int b = 0; b < 4; b++) {
        assert_ok(lk_stream_next(stream, &batch));
        keep(batch, &before);
        usleep(3000); /* time for the helper thread, which would otherwise hardly have begun */
        keep(batch, &after);
        assert_memory_equal(&before, &after, sizeof before);
    }
    lk_stream_destroy(&stream);
    lk_data_close(&f.data);
}

static void rows_that_cannot_be_read_are_told_when_their_batch_is_due(void **state)
{
    (void)state;
    for (int prefetch = 0; prefetch < 2; prefetch++) {
        fixture           f;
        lk_stream        *stream = NULL;
        const lk_batch   *batch = NULL;
        lk_stream_options options = whole(4);
        options.prefetch = prefetch;
        open_file(&f, "nan.h5:/train", LK_SHUFFLE_NONE, 0);
        assert_ok(lk_stream_create(f.data, &options, &stream));
        for (int round = 0; round < 2; round++) {
            lk_stream_seek(stream, 0, 0);
            assert_ok(lk_stream_next(stream, &batch));
            assert_ok(lk_stream_next(stream, &batch)); /* rows 4..7; the bad one, 11, is now being read */
            lk_error_clear();
            assert_int_equal(lk_stream_next(stream, &batch), LK_E_DATA);
            assert_non_null(strstr(lk_error_message(), "nan.h5"));
            assert_non_null(strstr(lk_error_message(), "x[11"));
        }
        assert_ok(lk_stream_next(stream, &batch)); /* and the stream goes on behind it */
        assert_int_equal(batch->sample[0], 12);
        lk_stream_destroy(&stream);

        /* Ranks without the bad row do not see the error. */
        options.lanes = 2;
        assert_ok(lk_stream_create(f.data, &options, &stream));
        for (int b = 0; b < 5; b++) assert_ok(lk_stream_next(stream, &batch));
        lk_stream_destroy(&stream);
        lk_data_close(&f.data);
    }
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

static void after_the_first_epoch_nothing_is_allocated(void **state)
{
    (void)state;
    for (int prefetch = 0; prefetch < 2; prefetch++) {
        fixture           f;
        lk_stream        *stream = NULL;
        lk_stream_options options = whole(7);
        int64_t           sample[4 * MOST];
        options.prefetch = prefetch;
        open_rows(&f, MOST, LK_SHUFFLE_FULL, 0);
        assert_ok(lk_stream_create(f.data, &options, &stream));
        take(stream, lk_stream_batches(stream), sample);
        int64_t before = lk_alloc_count();
        take(stream, 3 * lk_stream_batches(stream), sample);
        lk_stream_seek(stream, 0, 2);
        take(stream, 2, sample);
        assert_int_equal(lk_alloc_count(), before);
        lk_stream_destroy(&stream);
        lk_data_close(&f.data);
    }
}

static void an_allocation_that_fails_is_a_status(void **state)
{
    fixture           f;
    lk_stream        *stream = NULL;
    lk_stream_options options = whole(7);
    int               k = 0;
    (void)state;
    options.prefetch = true;
    open_rows(&f, 9, LK_SHUFFLE_FULL, 0);
    for (;;) {
        lk_alloc_fail_at(++k);
        lk_status st = lk_stream_create(f.data, &options, &stream);
        lk_alloc_fail_at(0);
        if (st == LK_OK) break;
        assert_int_equal(st, LK_E_NOMEM);
        assert_null(stream);
    }
    assert_true(k > 10); /* it did fail, many times */
    lk_stream_destroy(&stream);
    lk_data_close(&f.data);
}

/* A column in memory takes no bytes from its file; one that is read takes the same with a thread as without.
 */
static void figures_count_what_was_handed_over(void **state)
{
    int64_t bytes[2] = {0}, start = -1;
    double  wait = -1;
    (void)state;
    for (int prefetch = 0; prefetch < 2; prefetch++) {
        fixture           f;
        lk_stream        *stream = NULL;
        lk_stream_options options = whole(8);
        int64_t           sample[MOST];
        options.prefetch = prefetch;
        open_rows(&f, MOST, LK_SHUFFLE_NONE, 0);
        assert_ok(lk_stream_create(f.data, &options, &stream));
        lk_stream_figures(stream, &start, &wait);
        assert_int_equal(start, 0);
        assert_true(wait == 0);
        take(stream, 3, sample);
        usleep(5000); /* the fourth has been read; it was not handed over */
        lk_stream_figures(stream, &bytes[prefetch], &wait);
        assert_true(wait > 0);
        lk_stream_destroy(&stream);
        lk_data_close(&f.data);
    }
    assert_int_equal(bytes[0], bytes[1]);
    if (lk_column_resident_bytes)
        assert_int_equal(bytes[0], 0);
    else
        assert_true(bytes[0] >= 24 * (F + 2) * 4);
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

static int list_threads(long *id, int most)
{
    int            n = 0;
    struct dirent *entry;
    DIR           *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    while ((entry = readdir(tasks)) && n < most)
        if (entry->d_name[0] != '.') id[n++] = strtol(entry->d_name, NULL, 10);
    closedir(tasks);
    return n;
}

/* Bit s-1: the thread holds signal s back. */
static unsigned long long blocked_by(long thread)
{
    char               path[64], line[256];
    unsigned long long mask = 0;
    snprintf(path, sizeof path, "/proc/self/task/%ld/status", thread);
    FILE *status = fopen(path, "r");
    assert_non_null(status);
    while (fgets(line, sizeof line, status))
        if (!strncmp(line, "SigBlk:", 7)) mask = strtoull(line + 7, NULL, 16);
    fclose(status);
    return mask;
}

static void the_helper_thread_leaves_signals_to_the_others(void **state)
{
    enum { MOST_THREADS = 256 };
    static const int  number[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGHUP};
    fixture           f;
    lk_stream        *stream = NULL;
    lk_stream_options options = whole(4);
    long              before[MOST_THREADS], after[MOST_THREADS], own = 0;
    (void)state;
    options.prefetch = true;
    open_rows(&f, MOST, LK_SHUFFLE_FULL, 0);
    int n_before = list_threads(before, MOST_THREADS);
    assert_ok(lk_stream_create(f.data, &options, &stream));
    int n_after = list_threads(after, MOST_THREADS);
    assert_int_equal(n_after, n_before + 1);
    for (int i = 0; i < n_after; i++) {
        bool old = false;
        for (int k = 0; k < n_before; k++) old = old || after[i] == before[k];
        if (!old) own = after[i];
    }
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        assert_true(blocked_by(own) >> (number[i] - 1) & 1);
        assert_false(blocked_by((long)getpid()) >> (number[i] - 1) & 1);
    }
    lk_stream_destroy(&stream);
    /* The kernel takes a joined thread off the list a little later. */
    for (int i = 0; i < 1000 && list_threads(after, MOST_THREADS) > n_before; i++) usleep(1000);
    assert_int_equal(list_threads(after, MOST_THREADS), n_before);
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

/* Two ranks of a host on packed data: the rows of two streams that share nothing, and each chunk unpacked once. */
static void streams_that_share_unpack_each_chunk_once(void **state)
{
    (void)state;
    fixture f;
    lk_h5  *file = NULL;
    char    path[128];
    float   x[MOST][F], y[MOST];
    int64_t axis[] = {MOST, F}, chunk[] = {4, F}, resident = lk_column_resident_bytes, all = 0, bytes,
            rows = 0;
    lk_stream *stream[2] = {NULL};
    for (int i = 0; i < MOST; i++) {
        y[i] = y_of(i);
        for (int c = 0; c < F; c++) x[i][c] = x_of(i, c);
    }
    snprintf(path, sizeof path, "%s/packed.h5", folder);
    assert_ok(lk_h5_create(path, &file));
    assert_ok(lk_h5_write_chunked(file, "/train/x", LK_H5_F32, 2, axis, chunk, 4, x));
    assert_ok(lk_h5_write(file, "/train/y", LK_H5_F32, 1, axis, y));
    assert_ok(lk_h5_close(&file));
    lk_column_resident_bytes = 0;
    open_file(&f, "packed.h5:/train", LK_SHUFFLE_FULL, 0);
    size_t size = lk_stream_shared_bytes(f.data, LK_SPLIT_TRAIN, 2);
    assert_true(size > 0);
    void *memory = malloc(size);
    assert_non_null(memory);
    assert_ok(lk_stream_shared_init(f.data, LK_SPLIT_TRAIN, 2, memory));
    for (int r = 0; r < 2; r++) {
        lk_stream_options options = whole(8);
        options.lanes = 2;
        options.first_lane = r;
        options.prefetch = true;
        options.shared = memory;
        options.sharers = 2;
        assert_ok(lk_stream_create(f.data, &options, &stream[r]));
    }
    for (int64_t b = 0; b < lk_stream_batches(stream[0]); b++)
        for (int r = 0; r < 2; r++) {
            const lk_batch *batch = NULL;
            assert_ok(lk_stream_next(stream[r], &batch));
            rows += batch->n;
            for (int64_t i = 0; i < batch->n; i++) {
                const float *row = (const float *)batch->input[0] + i * F;
                for (int c = 0; c < F; c++) assert_true(row[c] == x_of(batch->sample[i], c));
            }
        }
    assert_int_equal(rows, MOST);
    for (int r = 0; r < 2; r++) {
        double wait;
        lk_stream_figures(stream[r], &bytes, &wait);
        all += bytes;
        lk_stream_destroy(&stream[r]);
    }
    assert_int_equal(all, MOST * (F + 1) * (int64_t)sizeof(float)); /* x once, and y */
    lk_data_close(&f.data);
    lk_column_resident_bytes = resident;
    free(memory);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_that_share_unpack_each_chunk_once),
        cmocka_unit_test(every_sample_comes_once_an_epoch_on_any_number_of_ranks),
        cmocka_unit_test(order_depends_on_seed_and_epoch_and_not_on_the_batch_size),
        cmocka_unit_test(without_shuffle_and_outside_training_the_source_keeps_its_order),
        cmocka_unit_test(a_window_covers_every_sample_once_and_stays_in_its_stretch),
        cmocka_unit_test(a_window_moves_stretches_and_samples_and_the_short_one_too),
        cmocka_unit_test(seeking_gives_what_running_on_gives),
        cmocka_unit_test(a_seek_drops_what_is_being_read),
        cmocka_unit_test(a_batch_stays_while_the_next_one_is_read),
        cmocka_unit_test(rows_that_cannot_be_read_are_told_when_their_batch_is_due),
        cmocka_unit_test(a_cut_has_the_rows_of_its_lanes),
        cmocka_unit_test(a_cut_moves_a_mask_with_its_rows),
        cmocka_unit_test(samples_of_a_fraction_keep_their_index_in_the_source),
        cmocka_unit_test(after_the_first_epoch_nothing_is_allocated),
        cmocka_unit_test(an_allocation_that_fails_is_a_status),
        cmocka_unit_test(figures_count_what_was_handed_over),
        cmocka_unit_test(a_stream_of_nothing_is_refused),
        cmocka_unit_test(the_helper_thread_leaves_signals_to_the_others),
        cmocka_unit_test(lanes_beyond_a_batch_view_are_refused),
    };
    /* Small columns are kept in memory; without that, rows come from the file, and late. */
    int failed = cmocka_run_group_tests_name("columns in memory", tests, write_files, remove_files);
    lk_column_resident_bytes = 0;
    return failed + cmocka_run_group_tests_name("columns read", tests, write_files, remove_files);
}
