/* Streams in motion: read ahead by a thread, sought, shared, failing; with the thread and without the same rows. */
#include "stream_rows.h"

#include <dirent.h>
#include <signal.h>

#include "core/alloc.h"
#include "data/source.h"

enum { BIG_ROWS = 16, BIG_WIDTH = 1 << 17 };

/* big.h5: rows of half a megabyte, which take long enough to be caught while they are read. */
static void write_big(void)
{
    lk_h5  *file = NULL;
    float  *x = calloc((size_t)BIG_ROWS * BIG_WIDTH, sizeof *x), y[BIG_ROWS];
    int64_t axis[] = {BIG_ROWS, BIG_WIDTH};
    assert_non_null(x);
    for (int64_t i = 0; i < BIG_ROWS; i++) {
        y[i] = y_of(i);
        for (int64_t k = 0; k < BIG_WIDTH; k++) x[i * BIG_WIDTH + k] = (float)i;
    }
    assert_ok(lk_h5_create(path_of("big.h5"), &file));
    assert_ok(lk_h5_write(file, "/train/x", LK_H5_F32, 2, axis, x));
    assert_ok(lk_h5_write(file, "/train/y", LK_H5_F32, 1, axis, y));
    assert_ok(lk_h5_close(&file));
    free(x);
}

/* nan.h5: 20 rows with a NaN in row 11. */
static void write_nan(void)
{
    lk_h5  *file = NULL;
    float   x[20][F], y[20];
    int64_t axis[] = {20, F};
    for (int i = 0; i < 20; i++) {
        for (int c = 0; c < F; c++) x[i][c] = x_of(i, c);
        y[i] = y_of(i);
    }
    x[11][1] = NAN;
    assert_ok(lk_h5_create(path_of("nan.h5"), &file));
    assert_ok(lk_h5_write(file, "/train/x", LK_H5_F32, 2, axis, x));
    assert_ok(lk_h5_write(file, "/train/y", LK_H5_F32, 1, axis, y));
    assert_ok(lk_h5_close(&file));
}

static int write_files(void **state)
{
    if (write_rows(state) != 0) return -1;
    write_big();
    write_nan();
    return 0;
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

/* Two ranks of a host on packed data: the rows of two streams that share nothing, and each chunk unpacked once. */
static void streams_that_share_unpack_each_chunk_once(void **state)
{
    (void)state;
    fixture f;
    lk_h5  *file = NULL;
    float   x[MOST][F], y[MOST];
    int64_t axis[] = {MOST, F}, chunk[] = {4, F}, resident = lk_column_resident_bytes, all = 0, bytes,
            rows = 0;
    lk_stream *stream[2] = {NULL};
    for (int i = 0; i < MOST; i++) {
        y[i] = y_of(i);
        for (int c = 0; c < F; c++) x[i][c] = x_of(i, c);
    }
    assert_ok(lk_h5_create(path_of("packed.h5"), &file));
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_that_share_unpack_each_chunk_once),
        cmocka_unit_test(seeking_gives_what_running_on_gives),
        cmocka_unit_test(a_seek_drops_what_is_being_read),
        cmocka_unit_test(a_batch_stays_while_the_next_one_is_read),
        cmocka_unit_test(rows_that_cannot_be_read_are_told_when_their_batch_is_due),
        cmocka_unit_test(after_the_first_epoch_nothing_is_allocated),
        cmocka_unit_test(an_allocation_that_fails_is_a_status),
        cmocka_unit_test(figures_count_what_was_handed_over),
        cmocka_unit_test(the_helper_thread_leaves_signals_to_the_others),
    };
    /* Small columns are kept in memory; without that, rows come from the file, and late. */
    int failed = cmocka_run_group_tests_name("columns in memory", tests, write_files, remove_folder);
    lk_column_resident_bytes = 0;
    return failed + cmocka_run_group_tests_name("columns read", tests, write_files, remove_folder);
}
