/* Streams of chunked data: which blocks are unpacked how often, what they take, and what is said of it. */
#include "stream_rows.h"

#include <unistd.h>

#include "data/set.h"

enum { CHUNK = 4, BLOCKS = MOST / CHUNK, BLOCK_BYTES = CHUNK * F * (int)sizeof(float) };
enum { X_BYTES = MOST * F * (int)sizeof(float), Y_BYTES = MOST * (int)sizeof(float) };

static int64_t resident, cache, block, host;

/* packed.h5: MOST rows in chunks of CHUNK; bad.h5: the same with NaN in rows 9 and 30; nine.h5: in chunks of 9. */
static void write_packed(const char *name, int64_t chunk_rows, bool bad)
{
    lk_h5  *file = NULL;
    float   x[MOST][F], y[MOST];
    int64_t axis[] = {MOST, F}, chunk[] = {chunk_rows, F};
    for (int i = 0; i < MOST; i++) {
        y[i] = y_of(i);
        for (int c = 0; c < F; c++) x[i][c] = bad && (i == 9 || i == 30) ? NAN : x_of(i, c);
    }
    assert_ok(lk_h5_create(path_of(name), &file));
    assert_ok(lk_h5_write_chunked(file, "/train/x", LK_H5_F32, 2, axis, chunk, 4, x));
    assert_ok(lk_h5_write(file, "/train/y", LK_H5_F32, 1, axis, y));
    assert_ok(lk_h5_close(&file));
}

static int write_files(void **state)
{
    if (make_folder(state) != 0) return -1;
    write_packed("packed.h5", CHUNK, false);
    write_packed("bad.h5", CHUNK, true);
    write_packed("nine.h5", 9, false);
    resident = lk_column_resident_bytes;
    cache = lk_column_cache_bytes;
    block = lk_column_block_bytes;
    host = lk_column_host_bytes;
    return 0;
}

/* Nothing stays in memory, and there is room for `blocks` blocks. */
static int begin(int blocks)
{
    lk_column_resident_bytes = 0;
    lk_column_cache_bytes = (int64_t)blocks * BLOCK_BYTES;
    return 0;
}

static int as_before(void **state)
{
    (void)state;
    lk_column_resident_bytes = resident;
    lk_column_cache_bytes = cache;
    lk_column_block_bytes = block;
    lk_column_host_bytes = host;
    return 0;
}

/* Bytes taken from the file by an epoch, the `epoch`-th; rows are checked. */
static int64_t read_epoch(lk_stream *stream)
{
    int64_t         before, bytes;
    double          wait;
    const lk_batch *batch = NULL;
    lk_stream_figures(stream, &before, &wait);
    for (int64_t b = 0; b < lk_stream_batches(stream); b++) {
        assert_ok(lk_stream_next(stream, &batch));
        for (int64_t i = 0; i < batch->n; i++) {
            const float *row = (const float *)batch->input[0] + i * F;
            for (int c = 0; c < F; c++) assert_true(row[c] == x_of(batch->sample[i], c));
            assert_true(((const float *)batch->target[0])[i] == y_of(batch->sample[i]));
        }
    }
    lk_stream_figures(stream, &bytes, &wait);
    return bytes - before;
}

static void a_batch_unpacks_no_block_twice(void **state)
{
    (void)state;
    fixture           f;
    lk_stream        *stream = NULL;
    lk_stream_options options = whole(MOST);
    begin(3);
    open_file(&f, "packed.h5:/train", LK_SHUFFLE_FULL, 0);
    assert_ok(lk_stream_create(f.data, &options, &stream));
    assert_int_equal(read_epoch(stream), X_BYTES + Y_BYTES);
    /* and the next one begins with those that are there */
    for (int i = 0; i < 3; i++) assert_int_equal(read_epoch(stream), (BLOCKS - 3) * BLOCK_BYTES + Y_BYTES);
    lk_stream_destroy(&stream);
    lk_data_close(&f.data);
}

static void of_bad_rows_the_first_in_the_batch_is_blamed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 9; seed++) {
        char message[2][512];
        for (int packed = 0; packed < 2; packed++) {
            fixture           f;
            lk_stream        *stream = NULL;
            const lk_batch   *batch = NULL;
            lk_stream_options options = whole(MOST);
            options.seed = seed;
            begin(3);
            if (!packed) lk_column_resident_bytes = resident; /* read in the order of the batch */
            open_file(&f, "bad.h5:/train", LK_SHUFFLE_FULL, 0);
            assert_ok(lk_stream_create(f.data, &options, &stream));
            assert_int_equal(lk_stream_next(stream, &batch), LK_E_DATA);
            snprintf(message[packed], sizeof message[packed], "%s", lk_error_message());
            lk_stream_destroy(&stream);
            lk_data_close(&f.data);
        }
        assert_string_equal(message[0], message[1]);
    }
}

static void what_is_read_in_order_needs_one_block_at_a_time(void **state)
{
    (void)state;
    fixture           f;
    lk_stream        *stream = NULL;
    lk_stream_options options = whole(7);
    begin(BLOCKS);
    options.training = false;
    open_file(&f, "packed.h5:/train", LK_SHUFFLE_FULL, 0);
    const lk_column *x = &f.data->set[LK_SPLIT_TRAIN].input[0].column[0];
    assert_int_equal(lk_column_blocks(x, NULL).n_slots, 1);
    assert_int_equal(lk_column_blocks(x, &(lk_shared){NULL, 1, 1}).n_slots, BLOCKS);
    assert_true(lk_stream_own_bytes(f.data, LK_SPLIT_TRAIN, false) > 0);
    assert_int_equal(lk_stream_own_bytes(f.data, LK_SPLIT_TEST, false), 0);
    assert_ok(lk_stream_create(f.data, &options, &stream));
    assert_int_equal(read_epoch(stream), X_BYTES + Y_BYTES);
    lk_stream_destroy(&stream);
    lk_data_close(&f.data);
}

/* Readers that share one block: who waits for it has let go of it, and so has who does not read. */
static void fewer_blocks_than_readers_are_enough(void **state)
{
    (void)state;
    fixture    f;
    lk_stream *stream[2] = {NULL};
    begin(0);
    lk_column_host_bytes = BLOCK_BYTES;
    open_file(&f, "packed.h5:/train", LK_SHUFFLE_FULL, 0);
    lk_shared two = {NULL, 2, 1};
    size_t    size = lk_stream_shared_bytes(f.data, LK_SPLIT_TRAIN, 2);
    assert_int_equal(lk_column_blocks(&f.data->set[LK_SPLIT_TRAIN].input[0].column[0], &two).n_slots, 1);
    void *memory = malloc(size);
    assert_non_null(memory);
    assert_ok(lk_stream_shared_init(f.data, LK_SPLIT_TRAIN, 2, memory));
    for (int r = 0; r < 2; r++) {
        lk_stream_options options = whole(8);
        options.lanes = 2;
        options.first_lane = r;
        options.n_lanes = 1;
        options.prefetch = true;
        options.shared = memory;
        options.sharers = 2;
        assert_ok(lk_stream_create(f.data, &options, &stream[r]));
    }
    alarm(60); /* one that waits for ever ends, and fails the test */
    for (int epoch = 0; epoch < 20; epoch++)
        for (int r = 0; r < 2; r++) read_epoch(stream[r]);
    alarm(0);
    for (int r = 0; r < 2; r++) lk_stream_destroy(&stream[r]);
    lk_data_close(&f.data);
    free(memory);
}

static void put_warnings(const char *name, lk_shuffle shuffle, int64_t window, lk_str *text)
{
    fixture f;
    lk_str_init(text);
    open_file(&f, name, shuffle, window);
    lk_stream_warnings(f.data, 1, 2, text);
    lk_data_close(&f.data);
}

static int64_t bytes_of_an_epoch(lk_shuffle shuffle, int64_t window)
{
    fixture           f;
    lk_stream        *stream = NULL;
    lk_stream_options options = whole(2);
    open_file(&f, "packed.h5:/train", shuffle, window);
    assert_ok(lk_stream_create(f.data, &options, &stream));
    int64_t bytes = read_epoch(stream);
    lk_stream_destroy(&stream);
    lk_data_close(&f.data);
    return bytes;
}

static void a_shuffle_over_more_than_is_kept_is_warned_of(void **state)
{
    (void)state;
    lk_str      text;
    const char *advice = "data.shuffle.window.samples=";
    begin(BLOCKS);
    put_warnings("packed.h5:/train", LK_SHUFFLE_FULL, 0, &text);
    assert_string_equal(lk_str_text(&text), ""); /* all of it fits */
    lk_str_clear(&text);
    begin(3);
    put_warnings("packed.h5:/train", LK_SHUFFLE_NONE, 0, &text);
    assert_string_equal(lk_str_text(&text), "");
    lk_str_clear(&text);
    put_warnings("packed.h5:/train", LK_SHUFFLE_WINDOW, 8192, &text); /* more than there are: a full one */
    assert_non_null(strstr(lk_str_text(&text), advice));
    lk_str_clear(&text);
    put_warnings("packed.h5:/train", LK_SHUFFLE_FULL, 0, &text);
    const char *at = strstr(lk_str_text(&text), advice);
    assert_non_null(at);
    int64_t window = atoll(at + strlen(advice));
    assert_in_range(window, 1, MOST / 2);
    lk_str_clear(&text);
    put_warnings("packed.h5:/train", LK_SHUFFLE_WINDOW, window, &text);
    assert_string_equal(lk_str_text(&text), "");
    lk_str_clear(&text);
    /* What is advised does it. */
    assert_true(bytes_of_an_epoch(LK_SHUFFLE_FULL, 0) > 2 * X_BYTES);
    assert_int_equal(bytes_of_an_epoch(LK_SHUFFLE_WINDOW, window), X_BYTES + Y_BYTES);
}

static int64_t block_rows(const char *name)
{
    fixture f;
    open_file(&f, name, LK_SHUFFLE_NONE, 0);
    int64_t rows = f.data->set[LK_SPLIT_TRAIN].input[0].column[0].part[0].block_rows;
    lk_data_close(&f.data);
    return rows;
}

static void a_chunk_that_is_too_large_is_cut_as_little_as_possible(void **state)
{
    (void)state;
    lk_str text;
    begin(2);
    assert_int_equal(block_rows("nine.h5:/train"), 9);
    put_warnings("nine.h5:/train", LK_SHUFFLE_NONE, 0, &text);
    assert_string_equal(lk_str_text(&text), "");
    lk_str_clear(&text);
    lk_column_block_bytes = 4 * F * (int64_t)sizeof(float);
    assert_int_equal(block_rows("nine.h5:/train"), 3); /* in three, where row by row would be nine */
    put_warnings("nine.h5:/train", LK_SHUFFLE_NONE, 0, &text);
    assert_non_null(strstr(lk_str_text(&text), "nine.h5: a chunk of /train/x spans 9 samples"));
    assert_non_null(strstr(lk_str_text(&text), "unpacked at least 3 times"));
    assert_non_null(strstr(lk_str_text(&text), "h5repack -l /train/x:CHUNK=4x3 "));
    lk_str_clear(&text);
    assert_int_equal(block_rows("packed.h5:/train"), 4);
}

/* 16 steps of a grid of 720 x 1440: 127 MiB a chunk, where neighbours are counted. */
static void chunks_of_a_real_grid_are_unpacked_whole(void **state)
{
    (void)state;
    enum { STEPS = 9, SIDE = 1024 }; /* 72 MiB */
    lk_h5  *file = NULL;
    int64_t axis[] = {STEPS, SIDE, SIDE}, chunk[] = {STEPS, SIDE / 8, SIDE};
    double *x = calloc((size_t)STEPS * SIDE * SIDE, sizeof *x), y[STEPS] = {0};
    assert_non_null(x);
    assert_ok(lk_h5_create(path_of("grid.h5"), &file));
    assert_ok(lk_h5_write_chunked(file, "/train/x", LK_H5_F64, 3, axis, chunk, 1, x));
    assert_ok(lk_h5_write(file, "/train/y", LK_H5_F64, 1, axis, y));
    assert_ok(lk_h5_close(&file));
    free(x);
    assert_int_equal(block_rows("grid.h5:/train"), STEPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_batch_unpacks_no_block_twice, as_before),
        cmocka_unit_test_teardown(of_bad_rows_the_first_in_the_batch_is_blamed, as_before),
        cmocka_unit_test_teardown(what_is_read_in_order_needs_one_block_at_a_time, as_before),
        cmocka_unit_test_teardown(fewer_blocks_than_readers_are_enough, as_before),
        cmocka_unit_test_teardown(a_shuffle_over_more_than_is_kept_is_warned_of, as_before),
        cmocka_unit_test_teardown(a_chunk_that_is_too_large_is_cut_as_little_as_possible, as_before),
        cmocka_unit_test_teardown(chunks_of_a_real_grid_are_unpacked_whole, as_before),
    };
    return cmocka_run_group_tests(tests, write_files, remove_folder);
}
