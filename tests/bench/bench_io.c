/*
 * bench_io u8|f32|f64|packed|checkpoint|write FOLDER MEGABYTES: what reading and checkpoints cost against the least that anybody must do,
 * in turns within one run.
 *   u8, f32, f64  contiguous data in random order, by a stream, against a bare pread of the same rows. The files were just
 *                 written, so they come from the page cache. u8: images of 28x28, f32 and f64: fields of 64x64x3, normalised
 *   packed        deflated and shuffled f64 in 500 files, by a stream, against H5Dread of whole chunks, one after the other, and
 *                 the conversion to normalised floats; also bytes unpacked for each byte used, and files open at a time
 *   checkpoint    image, hash, write, fsync and rename of parameters and two moments, against write and fsync of as many bytes
 *   write         only makes FOLDER/large.h5 with /train of the f32 fields, in little memory, for trainings of more data than memory
 * Prints "ratio R" (least time / ours, median of the rounds) and what belongs to it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/rng.h"
#include "data/stream.h"
#include "io/h5.h"
#include "kernels/kernels.h"

enum { ROUNDS = 8, FILES = 500, CHUNK_ROWS = 8, BATCH = 64, LANES = 8, PATH_BYTES = 512 };

static double median(double *values, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && values[k] < values[k - 1]; k--) {
            double v = values[k];
            values[k] = values[k - 1];
            values[k - 1] = v;
        }
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ---- files ---- */

typedef struct kind {
    const char *name;
    lk_h5_type  type;
    int64_t     bytes, height, width, channels;
} kind;

static const kind kinds[] = {{"u8", LK_H5_U8, 1, 28, 28, 1},
                             {"f32", LK_H5_F32, 4, 64, 64, 3},
                             {"f64", LK_H5_F64, 8, 64, 64, 3},
                             {"packed", LK_H5_F64, 8, 32, 32, 1}};

static int64_t row_bytes(const kind *it)
{
    return it->height * it->width * it->channels * it->bytes;
}

static void draw(const kind *it, int64_t first, int64_t n, void *out)
{
    lk_rng rng = lk_rng_make(3, LK_RNG_TEST, 0, 0, first);
    for (int64_t i = 0; i < n * row_bytes(it) / it->bytes; i++) {
        int value = (int)(200.0f * lk_rng_uniform(&rng, (uint64_t)i));
        if (it->type == LK_H5_U8) ((uint8_t *)out)[i] = (uint8_t)value;
        if (it->type == LK_H5_F32) ((float *)out)[i] = 270 + 0.25f * (float)value;
        if (it->type == LK_H5_F64) ((double *)out)[i] = 270 + 0.25 * value;
    }
}

/* /train/x and /train/y of `rows` samples, chunked and packed or not. */
static lk_status write_file(const char *path, const kind *it, int64_t first, int64_t rows, bool packed)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    char     *x = NULL;
    float    *y = NULL;
    int64_t   axis[] = {rows, it->height, it->width, it->channels},
            chunk[] = {CHUNK_ROWS, it->height, it->width, it->channels};
    LK_TRY(LK_ALLOC(rows * row_bytes(it), &x));
    LK_TRY(LK_ALLOC(rows, &y));
    draw(it, first, rows, x);
    LK_TRY(lk_h5_create(path, &file));
    LK_TRY(
        lk_h5_write_chunked(file, "/train/x", it->type, 4, axis, packed ? chunk : NULL, packed ? 4 : 0, x));
    LK_TRY(lk_h5_write(file, "/train/y", LK_H5_F32, 1, axis, y));
    LK_TRY(lk_h5_close(&file));
done:
    lk_h5_abandon(&file);
    lk_free(&x);
    lk_free(&y);
    return st;
}

/* FOLDER/large.h5, a piece at a time: the same fields again and again. */
static lk_status write_large(const kind *it, const char *folder, int64_t megabytes)
{
    enum { PIECE = 256 };
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    char      path[PATH_BYTES], *x = NULL;
    float     y[PIECE];
    int64_t   rows = (megabytes << 20) / row_bytes(it), axis[] = {rows, it->height, it->width, it->channels};
    LK_TRY(LK_ALLOC(PIECE * row_bytes(it), &x));
    draw(it, 0, PIECE, x);
    for (int i = 0; i < PIECE; i++) y[i] = (float)i / PIECE;
    snprintf(path, sizeof path, "%s/large.h5", folder);
    LK_TRY(lk_h5_create(path, &file));
    LK_TRY(lk_h5_create_dataset(file, "/train/x", it->type, 4, axis));
    LK_TRY(lk_h5_create_dataset(file, "/train/y", LK_H5_F32, 1, axis));
    for (int64_t row = 0; row < rows; row += PIECE) {
        int64_t n = rows - row < PIECE ? rows - row : PIECE;
        int64_t from[] = {row, 0, 0, 0}, count[] = {n, it->height, it->width, it->channels};
        LK_TRY(lk_h5_write_box(file, "/train/x", from, count, it->type, x));
        LK_TRY(lk_h5_write_box(file, "/train/y", from, count, LK_H5_F32, y));
    }
    LK_TRY(lk_h5_close(&file));
    printf("%s: %lld samples\n", path, (long long)rows);
done:
    lk_h5_abandon(&file);
    lk_free(&x);
    return st;
}

static int open_files(void)
{
    int  n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder)) n++;
    if (folder) closedir(folder);
    return n - 3; /* ".", ".." and the folder itself */
}

/* ---- one pass over an epoch, by a stream ---- */

typedef struct pass {
    double   seconds;
    int64_t  bytes;
    int      most_open;
    int64_t *sample; /* the order, [n] */
} pass;

static lk_status open_stream(lk_data *data, int rank, int size, void *shared, lk_stream **out)
{
    lk_stream_options options = {.split = LK_SPLIT_TRAIN,
                                 .batch_size = BATCH,
                                 .lanes = LANES,
                                 .first_lane = LANES * rank / size,
                                 .n_lanes = LANES / size,
                                 .training = true,
                                 .seed = 1,
                                 .shared = shared,
                                 .sharers = size};
    return lk_stream_create(data, &options, out);
}

static lk_status read_epoch(lk_data *data, pass *out)
{
    lk_status       st = LK_OK;
    lk_stream      *stream = NULL;
    const lk_batch *batch;
    int64_t         at = 0;
    double          wait;
    LK_TRY(open_stream(data, 0, 1, NULL, &stream));
    double start = lk_clock_seconds();
    for (int64_t i = 0; i < lk_stream_batches(stream); i++) {
        LK_TRY(lk_stream_next(stream, &batch));
        if (out->sample) memcpy(out->sample + at, batch->sample, (size_t)batch->n * sizeof *out->sample);
        at += batch->n;
    }
    out->seconds = lk_clock_seconds() - start;
    out->most_open = open_files();
    lk_stream_figures(stream, &out->bytes, &wait);
done:
    lk_stream_destroy(&stream);
    return st;
}

/* Bytes that two ranks of a host unpack together in an epoch; both in this process. */
static lk_status read_by_two(lk_data *data, int64_t *bytes)
{
    lk_status       st = LK_OK;
    lk_stream      *stream[2] = {NULL};
    const lk_batch *batch;
    size_t          size = lk_stream_shared_bytes(data, LK_SPLIT_TRAIN, 2);
    char           *memory = NULL;
    *bytes = 0;
    LK_TRY(LK_ALLOC(size, &memory));
    LK_TRY(lk_stream_shared_init(data, LK_SPLIT_TRAIN, 2, memory));
    for (int r = 0; r < 2; r++) LK_TRY(open_stream(data, r, 2, memory, &stream[r]));
    for (int64_t i = 0; i < lk_stream_batches(stream[0]); i++)
        for (int r = 0; r < 2; r++) LK_TRY(lk_stream_next(stream[r], &batch));
    for (int r = 0; r < 2; r++) {
        int64_t mine;
        double  wait;
        lk_stream_figures(stream[r], &mine, &wait);
        *bytes += mine;
    }
done:
    for (int r = 0; r < 2; r++) lk_stream_destroy(&stream[r]);
    lk_free(&memory);
    return st;
}

/* ---- contiguous ---- */

static lk_status bare_rows(const char *path, int64_t offset, int64_t bytes, const int64_t *sample, int64_t n,
                           double *seconds)
{
    lk_status st = LK_OK;
    char     *row = NULL;
    int       fd = open(path, O_RDONLY | O_CLOEXEC);
    LK_CHECK(fd >= 0, LK_E_IO, "%s cannot be opened", path);
    LK_TRY(LK_ALLOC(bytes, &row));
    double start = lk_clock_seconds();
    for (int64_t i = 0; i < n; i++)
        LK_CHECK(pread(fd, row, (size_t)bytes, (off_t)(offset + sample[i] * bytes)) == bytes, LK_E_IO,
                 "%s is cut short", path);
    *seconds = lk_clock_seconds() - start;
done:
    if (fd >= 0) close(fd);
    lk_free(&row);
    return st;
}

static lk_status contiguous(const kind *it, const char *folder, int64_t megabytes)
{
    lk_status       st = LK_OK;
    lk_data        *data = NULL;
    lk_h5          *file = NULL;
    lk_h5_info      info;
    pass            ours = {0};
    char            path[PATH_BYTES], group[PATH_BYTES + 8];
    const char     *names[] = {group};
    int64_t         rows = (megabytes << 20) / row_bytes(it);
    double          ratio[ROUNDS], rate[ROUNDS], bare = 0;
    lk_data_options options = {.train = {.files = names, .n_files = 1},
                               .normalise = it->type == LK_H5_U8 ? LK_NORMALISE_UNIT : LK_NORMALISE_STANDARD,
                               .normalise_targets = LK_NORMALISE_NONE,
                               .statistics_samples = 50};
    snprintf(path, sizeof path, "%s/%s.h5", folder, it->name);
    snprintf(group, sizeof group, "%s:/train", path);
    LK_TRY(write_file(path, it, 0, rows, false));
    LK_TRY(lk_h5_open(path, &file));
    LK_TRY(lk_h5_stat(file, "/train/x", &info));
    LK_TRY(lk_data_open(&options, 1, NULL, &data));
    LK_TRY(LK_ALLOC(rows, &ours.sample));
    LK_TRY(read_epoch(data, &ours)); /* the order, and pages of both sides */
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 2 == 0) LK_TRY(read_epoch(data, &ours));
        LK_TRY(bare_rows(path, info.file_offset, row_bytes(it), ours.sample, rows, &bare));
        if (i % 2) LK_TRY(read_epoch(data, &ours));
        ratio[i] = bare / ours.seconds;
        rate[i] = (double)(rows * row_bytes(it)) / ours.seconds;
    }
    LK_CHECK(ours.bytes == rows * row_bytes(it), LK_E_BUG, "%lld bytes were read, %lld were used",
             (long long)ours.bytes, (long long)(rows * row_bytes(it)));
    printf("%s, rows of %lld bytes, contiguous: ratio %.2f, %.2f GB/s\n", it->name, (long long)row_bytes(it),
           median(ratio, ROUNDS), median(rate, ROUNDS) / 1e9);
done:
    lk_data_close(&data);
    lk_h5_abandon(&file);
    lk_free(&ours.sample);
    return st;
}

/* ---- packed ---- */

static void file_name(const char *folder, int number, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/packed_%03d.h5", folder, number);
}

/* Whole chunks in the order of the files, and what a network takes: (value - mean) / deviation as floats. */
static lk_status bare_chunks(const kind *it, const char *folder, int64_t rows_file, double *seconds)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    double   *chunk = NULL;
    float    *out = NULL;
    int64_t   n = CHUNK_ROWS * row_bytes(it) / it->bytes;
    char      path[PATH_BYTES];
    LK_TRY(LK_ALLOC(n, &chunk));
    LK_TRY(LK_ALLOC(n, &out));
    double start = lk_clock_seconds();
    for (int f = 0; f < FILES; f++) {
        file_name(folder, f, path);
        LK_TRY(lk_h5_open(path, &file));
        for (int64_t row = 0; row < rows_file; row += CHUNK_ROWS) {
            int64_t from[] = {row, 0, 0, 0}, count[] = {CHUNK_ROWS, it->height, it->width, it->channels};
            LK_TRY(lk_h5_read(file, "/train/x", from, count, LK_H5_F64, chunk));
            for (int64_t i = 0; i < n; i++) out[i] = (float)((chunk[i] - 295.0) / 14.5);
        }
        LK_TRY(lk_h5_close(&file));
    }
    *seconds = lk_clock_seconds() - start;
done:
    lk_h5_abandon(&file);
    lk_free(&chunk);
    lk_free(&out);
    return st;
}

static lk_status packed(const kind *it, const char *folder, int64_t megabytes)
{
    lk_status       st = LK_OK;
    lk_data        *data = NULL;
    pass            ours = {0};
    char            path[PATH_BYTES], pattern[PATH_BYTES + 8];
    const char     *names[] = {pattern};
    int64_t         chunks = (megabytes << 20) / FILES / (CHUNK_ROWS * row_bytes(it)), all = 0;
    double          ratio[ROUNDS], bare = 0;
    lk_data_options options = {.train = {.files = names, .n_files = 1},
                               .normalise = LK_NORMALISE_STANDARD,
                               .statistics_samples = 50,
                               .shuffle = LK_SHUFFLE_WINDOW,
                               .shuffle_window = 256};
    int64_t rows_file = CHUNK_ROWS * (chunks < 1 ? 1 : chunks), used = FILES * rows_file * row_bytes(it);
    snprintf(pattern, sizeof pattern, "%s/packed_*.h5:/train", folder);
    for (int f = 0; f < FILES; f++) {
        file_name(folder, f, path);
        LK_TRY(write_file(path, it, f * rows_file, rows_file, true));
    }
    LK_TRY(lk_data_open(&options, 1, NULL, &data));
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 2 == 0) LK_TRY(read_epoch(data, &ours));
        LK_TRY(bare_chunks(it, folder, rows_file, &bare));
        if (i % 2) LK_TRY(read_epoch(data, &ours));
        ratio[i] = bare / ours.seconds;
    }
    printf("packed f64 in %d files of %lld rows: ratio %.2f, %.2f GB/s, unpacked %.2f times the bytes used, "
           "%d files open\n",
           FILES, (long long)rows_file, median(ratio, ROUNDS), (double)used / ours.seconds / 1e9,
           (double)ours.bytes / (double)used, ours.most_open);
    LK_TRY(read_by_two(data, &all));
    printf("two ranks of a host together: unpacked %.2f times the bytes used\n", (double)all / (double)used);
done:
    lk_data_close(&data);
    return st;
}

/* ---- checkpoint ---- */

static lk_status bare_write(const char *path, const char *bytes, size_t size, double *seconds)
{
    lk_status st = LK_OK;
    double    start = lk_clock_seconds();
    int       fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    LK_CHECK(fd >= 0, LK_E_IO, "%s cannot be made", path);
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, bytes + at, size - at);
        LK_CHECK(n > 0, LK_E_IO, "%s cannot be written", path);
        at += (size_t)n;
    }
    LK_CHECK(fsync(fd) == 0, LK_E_IO, "%s cannot be synced", path);
    *seconds = lk_clock_seconds() - start;
done:
    if (fd >= 0) close(fd);
    unlink(path);
    return st;
}

/* As a run does it: the image of the checkpoint before gives way to this one. */
static lk_status save(lk_checkpoint_writer **writer, const char *path, const lk_span_table *spans,
                      float *const buffer[3], double *whole, double *write_s)
{
    static const char *const prefix[] = {"/model", "/optimizer/m", "/optimizer/v"};
    lk_status                st = LK_OK;
    double                   start = lk_clock_seconds(), sealed;
    LK_TRY(*writer ? lk_checkpoint_begin_again(*writer) : lk_checkpoint_begin(writer));
    for (int i = 0; i < 3; i++) LK_TRY(lk_checkpoint_put_spans(*writer, prefix[i], spans, 1, buffer[i]));
    LK_TRY(lk_checkpoint_seal(*writer, 1));
    sealed = lk_clock_seconds();
    LK_TRY(lk_checkpoint_commit(*writer, path, NULL));
    *whole = lk_clock_seconds() - start;
    *write_s = lk_clock_seconds() - sealed;
done:
    unlink(path);
    return st;
}

static lk_status checkpoint(const char *folder, int64_t megabytes)
{
    lk_status             st = LK_OK;
    lk_checkpoint_writer *writer = NULL;
    lk_span_table         spans = {0};
    lk_span               span = {.kind = LK_SPAN_PARAMETER,
                                  .name = "layer/weight",
                                  .shape = {.n_axes = 2, .axis = {(megabytes << 18) / 3 / 256, 256}}};
    float                *buffer[3] = {NULL};
    char                  path[PATH_BYTES], other[PATH_BYTES], *bytes = NULL;
    double                ratio[ROUNDS], written[ROUNDS], whole = 0, write_s = 0, bare = 0;
    size_t                size = (size_t)(3 * span.shape.axis[0] * span.shape.axis[1]) * sizeof(float);
    snprintf(path, sizeof path, "%s/step-00000001.h5", folder);
    snprintf(other, sizeof other, "%s/bare", folder);
    LK_TRY(lk_span_table_add(&spans, &span));
    for (int i = 0; i < 3; i++) {
        LK_TRY(LK_ALLOC(spans.total_floats, &buffer[i]));
        for (int64_t k = 0; k < spans.total_floats; k++) buffer[i][k] = 0.5f + (float)(k % 1013);
    }
    LK_TRY(LK_ALLOC(size, &bytes));
    memcpy(bytes, buffer[0], size / 3);
    LK_TRY(save(&writer, path, &spans, buffer, &whole, &write_s)); /* takes the memory */
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 2 == 0) LK_TRY(save(&writer, path, &spans, buffer, &whole, &write_s));
        LK_TRY(bare_write(other, bytes, size, &bare));
        if (i % 2) LK_TRY(save(&writer, path, &spans, buffer, &whole, &write_s));
        ratio[i] = bare / whole;
        written[i] = bare / write_s;
    }
    printf("checkpoint of %.0f MB: ratio %.2f with image and hash, %.2f without, on the helper thread; write "
           "and fsync alone take %.3f s\n",
           (double)size / 1e6, median(ratio, ROUNDS), median(written, ROUNDS), bare);
done:
    lk_checkpoint_abandon(&writer);
    for (int i = 0; i < 3; i++) lk_free(&buffer[i]);
    lk_span_table_clear(&spans);
    lk_free(&bytes);
    return st;
}

int main(int argc, char **argv)
{
    lk_status st = LK_E_USAGE;
    if (argc != 4 || atoll(argv[3]) < 1) {
        fprintf(stderr, "bench_io u8|f32|f64|packed|checkpoint|write FOLDER MEGABYTES\n");
        return 2;
    }
    if (lk_kernels_select("auto") != LK_OK) return 1;
    for (int i = 0; i < 4; i++)
        if (!strcmp(argv[1], kinds[i].name))
            st = i == 3 ? packed(&kinds[i], argv[2], atoll(argv[3]))
                        : contiguous(&kinds[i], argv[2], atoll(argv[3]));
    if (!strcmp(argv[1], "checkpoint")) st = checkpoint(argv[2], atoll(argv[3]));
    if (!strcmp(argv[1], "write")) st = write_large(&kinds[1], argv[2], atoll(argv[3]));
    if (st != LK_OK) fprintf(stderr, "bench_io: %s\n", lk_error_message());
    return st == LK_OK ? 0 : 1;
}
