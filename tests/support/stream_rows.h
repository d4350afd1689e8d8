/** Rows made by a formula, the file that holds them, and streams of it: what the tests of streams share. */
#ifndef LK_STREAM_ROWS_H
#define LK_STREAM_ROWS_H

#include "data/data_internal.h"
#include "lk_test_folder.h"

enum { MOST = 40, F = 3, SEED = 5 };

/* Row i of every file here: no two rows share a value. */
static inline float x_of(int64_t i, int c)
{
    return (float)i * 8 + (float)c + 0.5f;
}
static inline float y_of(int64_t i)
{
    return -(float)i - 0.25f;
}
static inline float w_of(int64_t i)
{
    return 1 + (float)i / 64;
}

/* d.h5 with groups /n1 .. /n40 of that many rows. */
static inline int write_rows(void **state)
{
    lk_h5 *file = NULL;
    char   path[128];
    float  x[MOST][F], y[MOST], w[MOST];
    if (make_folder(state) != 0) return -1;
    for (int i = 0; i < MOST; i++) {
        for (int c = 0; c < F; c++) x[i][c] = x_of(i, c);
        y[i] = y_of(i);
        w[i] = w_of(i);
    }
    assert_ok(lk_h5_create(path_of("d.h5"), &file));
    for (int64_t n = 1; n <= MOST; n++) {
        snprintf(path, sizeof path, "/n%d/x", (int)n);
        assert_ok(lk_h5_write(file, path, LK_H5_F32, 2, (int64_t[]){n, F}, x));
        snprintf(path, sizeof path, "/n%d/y", (int)n);
        assert_ok(lk_h5_write(file, path, LK_H5_F32, 1, &n, y));
        snprintf(path, sizeof path, "/n%d/w", (int)n);
        assert_ok(lk_h5_write(file, path, LK_H5_F32, 1, &n, w));
    }
    assert_ok(lk_h5_close(&file));
    return 0;
}

/* The options are borrowed by the data, so they live as long. */
typedef struct fixture {
    char            name[32];
    const char     *files[1];
    lk_data_options options;
    lk_data        *data;
} fixture;

static inline void open_file(fixture *f, const char *name, lk_shuffle shuffle, int64_t window)
{
    *f = (fixture){.options = {.shuffle = shuffle, .shuffle_window = window, .base = folder}};
    snprintf(f->name, sizeof f->name, "%s", name);
    f->files[0] = f->name;
    f->options.train = (lk_split_options){.files = f->files, .n_files = 1};
    assert_ok(lk_data_open(&f->options, SEED, NULL, &f->data));
}

static inline void open_rows(fixture *f, int n, lk_shuffle shuffle, int64_t window)
{
    char name[32];
    snprintf(name, sizeof name, "d.h5:/n%d", n);
    open_file(f, name, shuffle, window);
}

static inline lk_stream_options whole(int64_t batch_size)
{
    return (lk_stream_options){.split = LK_SPLIT_TRAIN,
                               .batch_size = batch_size,
                               .lanes = 1,
                               .n_lanes = 1,
                               .training = true,
                               .seed = SEED};
}

/* The samples of the next `n_batches` batches of a stream; returns how many. */
static inline int64_t take(lk_stream *stream, int64_t n_batches, int64_t *sample)
{
    int64_t n = 0;
    for (int64_t b = 0; b < n_batches; b++) {
        const lk_batch *batch = NULL;
        assert_ok(lk_stream_next(stream, &batch));
        for (int64_t i = 0; i < batch->n; i++) sample[n++] = batch->sample[i];
    }
    return n;
}

#endif
