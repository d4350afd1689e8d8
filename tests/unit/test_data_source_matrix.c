/* The same batches, bit for bit, whatever files hold the samples: against a reader that takes whole datasets
 * through HDF5 and follows the definition. */
#include "lk_test.h"

#include <hdf5.h>
#include <unistd.h>

#include "core/alloc.h"
#include "data/data_internal.h"
#include "data/set.h"

enum { N = 23, H = 5, W = 4, C = 3, FILES_MOST = 7 };

typedef enum layout { CONTIGUOUS, CHUNKED, PACKED, LAYOUTS } layout;
typedef enum order { HWC, CHW, STACKED, ORDERS } order;

/* How contiguous rows are reached. */
enum way { READ, MAPPED, IN_MEMORY, WAYS };

static void take_way(enum way way)
{
    lk_column_resident_bytes = way == IN_MEMORY ? 1 << 20 : 0;
    lk_column_map_bytes = way == MAPPED ? 1 << 20 : 0;
}

static const int    rows_of_seven[FILES_MOST] = {5, 1, 4, 2, 6, 3, 2};
static const double mean[C] = {3.25, -7.1, 0.3}, deviation[C] = {1.7, 0.9, 11.3};

typedef struct kind {
    const char *name;
    hid_t       type;
} kind;

/* Values that every tested type holds exactly, but for a fraction that floats keep and integers drop. */
static double value_of(int64_t n, int64_t h, int64_t w, int64_t c)
{
    return (double)((n * 131 + h * 37 + w * 17 + c * 71) % 251) + 0.125 * (double)(c + 1);
}

static void put(hid_t file, const char *path, hid_t type, layout how, int axes, const hsize_t *size,
                const double *values)
{
    static const hsize_t chunk_most[4] = {4, 3, 2, 2};
    hsize_t              chunk[4];
    hid_t                create = H5Pcreate(H5P_DATASET_CREATE);
    for (int i = 0; i < axes; i++) chunk[i] = size[i] < chunk_most[i] ? size[i] : chunk_most[i];
    if (how != CONTIGUOUS) H5Pset_chunk(create, axes, chunk);
    if (how == PACKED) {
        H5Pset_shuffle(create);
        H5Pset_deflate(create, 4);
    }
    hid_t space = H5Screate_simple(axes, size, NULL);
    hid_t dataset = H5Dcreate2(file, path, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    assert_true(dataset >= 0);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(create);
}

static void write_file(const char *path, hid_t type, layout how, order o, int64_t first, int rows)
{
    hid_t   file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    double *values = calloc((size_t)rows * H * W * C, sizeof *values);
    hsize_t n = (hsize_t)rows, hwc[4] = {n, H, W, C}, chw[4] = {n, C, H, W};
    int64_t at = 0;
    double  labels[N];
    for (int i = 0; i < rows; i++) labels[i] = (double)((first + i) * 7 % 5);
    put(file, "/y", H5T_STD_U8LE, CONTIGUOUS, 1, &n, labels);
    if (o == STACKED) {
        for (int c = 0; c < C; c++) {
            char name[16];
            snprintf(name, sizeof name, "/c%d", c);
            at = 0;
            for (int64_t i = 0; i < rows; i++)
                for (int64_t h = 0; h < H; h++)
                    for (int64_t w = 0; w < W; w++) values[at++] = value_of(first + i, h, w, c);
            put(file, name, type, how, 3, hwc, values);
        }
    } else if (o == CHW) {
        for (int64_t i = 0; i < rows; i++)
            for (int64_t c = 0; c < C; c++)
                for (int64_t h = 0; h < H; h++)
                    for (int64_t w = 0; w < W; w++) values[at++] = value_of(first + i, h, w, c);
        put(file, "/x", type, how, 4, chw, values);
    } else {
        for (int64_t i = 0; i < rows; i++)
            for (int64_t h = 0; h < H; h++)
                for (int64_t w = 0; w < W; w++)
                    for (int64_t c = 0; c < C; c++) values[at++] = value_of(first + i, h, w, c);
        put(file, "/x", type, how, 4, hwc, values);
    }
    free(values);
    H5Fclose(file);
}

/* ---- the reference: whole datasets through HDF5, one file after the other, then the definition ---- */

static double *whole(const char *path, const char *dataset, int64_t count)
{
    double *values = calloc((size_t)count, sizeof *values);
    hid_t   file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, dataset, H5P_DEFAULT);
    assert_true(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Fclose(file);
    return values;
}

static void reference_file(const char *path, order o, int rows, float *x, int32_t *y)
{
    char    name[16] = "/x";
    double *labels = whole(path, "/y", rows), *all = NULL;
    for (int i = 0; i < rows; i++) y[i] = (int32_t)labels[i];
    free(labels);
    for (int c = 0; c < C; c++) {
        if (o == STACKED) snprintf(name, sizeof name, "/c%d", c);
        all = whole(path, name, (int64_t)rows * H * W * (o == STACKED ? 1 : C));
        for (int n = 0; n < rows; n++)
            for (int h = 0; h < H; h++)
                for (int w = 0; w < W; w++) {
                    int at = o == HWC   ? ((n * H + h) * W + w) * C + c
                             : o == CHW ? ((n * C + c) * H + h) * W + w
                                        : (n * H + h) * W + w;
                    x[((n * H + h) * W + w) * C + c] = (float)((all[at] - mean[c]) / deviation[c]);
                }
        free(all);
    }
}

/* ---- one cell of the matrix ---- */

enum { ROWS = 26 };

static const int64_t order_of_rows[][ROWS] = {
    {22, 0, 7, 7, 5, 4, 6, 21, 12, 11, 1, 13, 2, 20, 3, 19, 8, 18, 9, 17, 10, 16, 15, 14, 0, 22},
    {3,  4,  5,  6,  7,  7,  8,  9,  10, 11, 12, 13, 14,
     15, 16, 17, 18, 19, 20, 21, 22, 0,  1,  2,  3,  4}}; /* rows that stand together */

static void check_rows(lk_data *data, const int64_t *rows, const float *x, const int32_t *y)
{
    static float    got_x[ROWS * H * W * C];
    int32_t         got_y[ROWS];
    int64_t         sample[ROWS];
    lk_data_reader *reader = NULL;
    void           *input[] = {got_x}, *target[] = {got_y};
    memset(got_x, 0xff, sizeof got_x);
    assert_int_equal(lk_data_n(data, LK_SPLIT_TRAIN), N);
    assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
    int64_t before = lk_alloc_count();
    assert_ok(lk_data_read(reader, ROWS, rows, input, target, NULL, NULL, sample));
    if (lk_data_bytes(reader) == 0) assert_int_equal(lk_alloc_count(), before);
    for (int i = 0; i < ROWS; i++) {
        int64_t row = rows[i];
        assert_int_equal(sample[i], row);
        assert_int_equal(got_y[i], y[row]);
        assert_memory_equal(got_x + i * H * W * C, x + row * H * W * C, sizeof(float) * H * W * C);
    }
    lk_data_reader_destroy(&reader);
}

static void check_cell(const kind *k, layout how, order o, int n_files)
{
    static float             x[N * H * W * C];
    int32_t                  y[N];
    char                     names[FILES_MOST][64];
    const char              *files[FILES_MOST];
    lk_data                 *data = NULL;
    const lk_dataset_options one = {.path = "/x"},
                             three[C] = {{.path = "/c0"}, {.path = "/c1"}, {.path = "c2"}};
    const lk_dataset_options label = {.path = "/y"};
    lk_field_options         input = {.name = "x",
                                      .datasets = o == STACKED ? three : &one,
                                      .n_datasets = o == STACKED ? C : 1,
                                      .axes = o == STACKED ? "NHW"
                                              : o == CHW   ? "NCHW"
                                                           : NULL,
                                      .normalise = LK_NORMALISE_GIVEN,
                                      .mean = mean,
                                      .std = deviation,
                                      .n_given = C};
    lk_field_options         target = {.name = "y", .datasets = &label, .n_datasets = 1};
    lk_data_options          options = {.inputs = &input, .n_inputs = 1, .targets = &target, .n_targets = 1};
    int64_t                  first = 0;
    for (int i = 0; i < n_files; i++) {
        int rows = n_files == 1 ? N : rows_of_seven[i];
        snprintf(names[i], sizeof names[i], "part_%d_%d.h5", i, (int)getpid());
        files[i] = names[i];
        write_file(names[i], k->type, how, o, first, rows);
        reference_file(names[i], o, rows, x + first * H * W * C, y + first);
        first += rows;
    }
    options.train = (lk_split_options){.files = files, .n_files = n_files};
    for (int way = 0; way < WAYS; way++) {
        take_way((enum way)way);
        /* Room for two blocks of the larger types: what was evicted must come back right. */
        lk_column_cache_bytes = 2 * 4 * H * W * C * 8;
        assert_ok(lk_data_open(&options, 1, NULL, &data));
        const lk_field *field = lk_transform_input(lk_data_transform(data), 0);
        assert_int_equal(field->dtype, LK_F32);
        assert_int_equal(field->shape.n_axes, 3);
        assert_int_equal(lk_transform_target(lk_data_transform(data), 0)->classes, 5);
        for (int rows = 0; rows < 2; rows++) check_rows(data, order_of_rows[rows], x, y);
        lk_data_close(&data);
    }
    for (int i = 0; i < n_files; i++) unlink(names[i]);
}

static void every_kind_of_file_gives_the_same_batches(void **state)
{
    const kind kinds[] = {{"u8", H5T_STD_U8LE},       {"i16 le", H5T_STD_I16LE},  {"i16 be", H5T_STD_I16BE},
                          {"f32 le", H5T_IEEE_F32LE}, {"f32 be", H5T_IEEE_F32BE}, {"f64 le", H5T_IEEE_F64LE},
                          {"f64 be", H5T_IEEE_F64BE}, {"i8", H5T_STD_I8LE},       {"u16 be", H5T_STD_U16BE},
                          {"i32 be", H5T_STD_I32BE},  {"u32 le", H5T_STD_U32LE},  {"i64 be", H5T_STD_I64BE},
                          {"u64 le", H5T_STD_U64LE}};
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int how = 0; how < LAYOUTS; how++)
            for (int o = 0; o < ORDERS; o++)
                for (int n = 1; n <= FILES_MOST; n += FILES_MOST - 1)
                    check_cell(&kinds[k], (layout)how, (order)o, n);
}

/* The sample axis need not come first, and halves are numbers like others. */
static void samples_in_the_last_axis_and_halves_are_read(void **state)
{
    double                   values[C * N];
    hsize_t                  size[2] = {C, N};
    char                     name[64];
    const char              *files[] = {name};
    const lk_dataset_options one = {.path = "/x"}, label = {.path = "/y"};
    lk_field_options         input = {.name = "x", .datasets = &one, .n_datasets = 1, .axes = "CN"};
    lk_field_options         target = {.name = "y", .datasets = &label, .n_datasets = 1};
    lk_data_options          options = {.inputs = &input,
                                        .n_inputs = 1,
                                        .targets = &target,
                                        .n_targets = 1,
                                        .train = {.files = files, .n_files = 1}};
    (void)state;
    snprintf(name, sizeof name, "half_%d.h5", (int)getpid());
    for (int i = 0; i < C * N; i++) values[i] = (double)(i - 30) / 8;
    values[5] = 6.103515625e-05 / 4; /* subnormal as a half */
    for (int how = 0; how < LAYOUTS; how++) {
        for (int big = 0; big < 2; big++) {
            hid_t half = H5Tcopy(big ? H5T_IEEE_F32BE : H5T_IEEE_F32LE);
            H5Tset_fields(half, 15, 10, 5, 0, 10);
            H5Tset_size(half, 2);
            H5Tset_ebias(half, 15);
            hid_t   file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
            hsize_t n = N;
            double  labels[N];
            for (int i = 0; i < N; i++) labels[i] = i / 2.0;
            put(file, "/x", half, (layout)how, 2, size, values);
            put(file, "/y", half, (layout)how, 1, &n, labels);
            H5Fclose(file);
            H5Tclose(half);
            lk_column_resident_bytes = how == CHUNKED ? 1 << 20 : 0;
            lk_data        *data = NULL;
            lk_data_reader *reader = NULL;
            float           x[3 * C], y[3];
            int64_t         index[] = {5, 6, 22}, sample[3];
            void           *in[] = {x}, *out[] = {y};
            assert_ok(lk_data_open(&options, 1, NULL, &data));
            assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
            assert_ok(lk_data_read(reader, 3, index, in, out, NULL, NULL, sample));
            for (int i = 0; i < 3; i++) {
                assert_true(y[i] == (float)index[i] / 2);
                for (int c = 0; c < C; c++) assert_true(x[i * C + c] == (float)values[c * N + index[i]]);
            }
            lk_data_reader_destroy(&reader);
            lk_data_close(&data);
        }
    }
    unlink(name);
}

/* Types that only HDF5's own conversion reads right: their bytes look like halves, shorts and bytes. */
static void numbers_in_other_clothes_are_read_by_value(void **state)
{
    hid_t brain = H5Tcopy(H5T_IEEE_F32LE), twelve = H5Tcopy(H5T_STD_I16BE),
          truth = H5Tenum_create(H5T_STD_I8LE);
    int8_t no = 0, yes = 1;
    H5Tset_fields(brain, 15, 7, 8, 0, 7); /* bfloat16 */
    H5Tset_size(brain, 2);
    H5Tset_ebias(brain, 127);
    H5Tset_precision(twelve, 12);
    H5Tset_offset(twelve, 3);
    H5Tenum_insert(truth, "FALSE", &no); /* numpy.bool_ as h5py stores it */
    H5Tenum_insert(truth, "TRUE", &yes);
    const struct {
        hid_t  type;
        double value[2];
    } cases[] = {{brain, {1.5, -2.03125}}, {twelve, {-700, 2047}}, {truth, {0, 1}}};
    char                     name[64];
    const char              *files[] = {name};
    const lk_dataset_options one = {.path = "/x"};
    lk_field_options         field = {.name = "x", .datasets = &one, .n_datasets = 1};
    lk_data_options          options = {.inputs = &field,
                                        .n_inputs = 1,
                                        .targets = &field,
                                        .n_targets = 1,
                                        .train = {.files = files, .n_files = 1}};
    (void)state;
    snprintf(name, sizeof name, "clothes_%d.h5", (int)getpid());
    for (int k = 0; k < 3; k++) {
        for (int how = 0; how < LAYOUTS; how++) {
            double  values[2 * N];
            int8_t  truths[2 * N];
            hsize_t size[2] = {N, 2}, chunk[2] = {4, 2};
            hid_t   access = H5Pcreate(H5P_FILE_CREATE), create = H5Pcreate(H5P_DATASET_CREATE);
            for (int i = 0; i < 2 * N; i++) {
                values[i] = cases[k].value[i * 7 % 5 % 2];
                truths[i] = values[i] > 0.5;
            }
            H5Pset_userblock(access, 512); /* offsets in the file are not offsets behind the block */
            hid_t file = H5Fcreate(name, H5F_ACC_TRUNC, access, H5P_DEFAULT);
            if (how != CONTIGUOUS) H5Pset_chunk(create, 2, chunk);
            hid_t space = H5Screate_simple(2, size, NULL);
            hid_t x = H5Dcreate2(file, "/x", cases[k].type, space, H5P_DEFAULT, create, H5P_DEFAULT);
            assert_true(H5Dwrite(x, k == 2 ? truth : H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                 k == 2 ? (void *)truths : (void *)values) >= 0);
            H5Dclose(x);
            H5Sclose(space);
            H5Pclose(create);
            H5Pclose(access);
            H5Fclose(file);
            for (int way = 0; way < WAYS; way++) {
                lk_data        *data = NULL;
                lk_data_reader *reader = NULL;
                float           got[N][2], again[N][2];
                int64_t         index[N], sample[N];
                void           *in[] = {got}, *out[] = {again};
                take_way((enum way)way);
                for (int i = 0; i < N; i++) index[i] = i;
                field.normalise = LK_NORMALISE_GIVEN; /* numbers, not indices */
                field.mean = (double[]){0};
                field.std = (double[]){1};
                field.n_given = 1;
                assert_ok(lk_data_open(&options, 1, NULL, &data));
                assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
                assert_ok(lk_data_read(reader, N, index, in, out, NULL, NULL, sample));
                for (int i = 0; i < 2 * N; i++) assert_true((double)got[i / 2][i % 2] == values[i]);
                lk_data_reader_destroy(&reader);
                lk_data_close(&data);
            }
        }
    }
    H5Tclose(brain);
    H5Tclose(twelve);
    H5Tclose(truth);
    unlink(name);
}

/* A user block moves everything: plain numbers are found behind it, too. */
static void a_user_block_is_skipped(void **state)
{
    char            name[64];
    const char     *files[] = {name};
    hsize_t         size[2] = {N, 2}, n = N;
    double          values[2 * N], labels[N];
    float           got[N][2], y[N];
    int64_t         index[N], sample[N];
    void           *in[] = {got}, *out[] = {y};
    lk_data_options options = {.train = {.files = files, .n_files = 1}};
    lk_data        *data = NULL;
    lk_data_reader *reader = NULL;
    (void)state;
    snprintf(name, sizeof name, "block_%d.h5", (int)getpid());
    for (int i = 0; i < 2 * N; i++) values[i] = i * 0.25;
    for (int i = 0; i < N; i++) labels[index[i] = i] = i * 0.5;
    hid_t create = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_userblock(create, 2048);
    hid_t file = H5Fcreate(name, H5F_ACC_TRUNC, create, H5P_DEFAULT);
    put(file, "/x", H5T_IEEE_F64BE, CONTIGUOUS, 2, size, values);
    put(file, "/y", H5T_IEEE_F32LE, CONTIGUOUS, 1, &n, labels);
    H5Fclose(file);
    H5Pclose(create);
    lk_column_resident_bytes = 0;
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
    assert_ok(lk_data_read(reader, N, index, in, out, NULL, NULL, sample));
    for (int i = 0; i < N; i++)
        assert_true((double)got[i][0] == values[2 * i] && (double)got[i][1] == values[2 * i + 1] &&
                    (double)y[i] == labels[i]);
    lk_data_reader_destroy(&reader);
    lk_data_close(&data);
    unlink(name);
}

/* A dataset of terabytes in a file of kilobytes: refused at once, not read for days. */
static void claims_beyond_the_file_are_refused(void **state)
{
    char        name[64];
    const char *files[] = {name};
    hsize_t     size[2] = {1000000000, 1000}, chunk[2] = {64, 1000};
    (void)state;
    snprintf(name, sizeof name, "claims_%d.h5", (int)getpid());
    lk_data_options options = {.train = {.files = files, .n_files = 1}};
    lk_data        *data = NULL;
    hid_t           file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t           space = H5Screate_simple(2, size, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(create, 2, chunk);
    H5Dclose(H5Dcreate2(file, "/x", H5T_IEEE_F64LE, space, H5P_DEFAULT, create, H5P_DEFAULT));
    H5Dclose(H5Dcreate2(file, "/y", H5T_IEEE_F64LE, space, H5P_DEFAULT, create, H5P_DEFAULT));
    H5Pclose(create);
    H5Sclose(space);
    H5Fclose(file);
    assert_int_equal(lk_data_open(&options, 1, NULL, &data), LK_E_DATA);
    assert_non_null(
        strstr(lk_error_message(), "/x was made but never written: it claims 8000000000000 bytes of values"));
    file = H5Fopen(name, H5F_ACC_RDWR, H5P_DEFAULT); /* one chunk of all those */
    hid_t   x = H5Dopen2(file, "/x", H5P_DEFAULT), disk = H5Dget_space(x);
    hsize_t first[2] = {0, 0}, one[2] = {1, 1};
    double  value = 1;
    H5Sselect_hyperslab(disk, H5S_SELECT_SET, first, NULL, one, NULL);
    hid_t memory = H5Screate_simple(2, one, NULL);
    assert_true(H5Dwrite(x, H5T_NATIVE_DOUBLE, memory, disk, H5P_DEFAULT, &value) >= 0);
    H5Sclose(memory);
    H5Sclose(disk);
    H5Dclose(x);
    H5Fclose(file);
    assert_int_equal(lk_data_open(&options, 1, NULL, &data), LK_E_DATA);
    assert_non_null(
        strstr(lk_error_message(), "/x claims 8000000000000 bytes of values, the file has 512000"));
    unlink(name);
}

/* More files than may be open at once, visited back and forth. */
static void more_files_than_handles_are_read(void **state)
{
    enum { MANY = 130 };
    const char              *files[] = {"many_*.h5"};
    const lk_dataset_options one = {.path = "/x"}, label = {.path = "/y"};
    lk_field_options         input = {.name = "x", .datasets = &one, .n_datasets = 1};
    lk_field_options         target = {.name = "y", .datasets = &label, .n_datasets = 1};
    lk_data_options          options = {.inputs = &input,
                                        .n_inputs = 1,
                                        .targets = &target,
                                        .n_targets = 1,
                                        .train = {.files = files, .n_files = 1}};
    lk_data                 *data = NULL;
    lk_data_reader          *reader = NULL;
    char                     name[32];
    (void)state;
    lk_column_resident_bytes = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many_%03d.h5", i);
        hid_t   file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
        hsize_t n = 2;
        double  values[2] = {i + 0.25, i + 0.5};
        put(file, "/x", H5T_IEEE_F32LE, i % 2 ? CHUNKED : CONTIGUOUS, 1, &n, values);
        put(file, "/y", H5T_IEEE_F64BE, CONTIGUOUS, 1, &n, values);
        H5Fclose(file);
    }
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_int_equal(lk_data_n(data, LK_SPLIT_TRAIN), 2 * MANY);
    assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
    for (int64_t i = 0; i < 4 * MANY; i++) {
        int64_t index = i * 97 % (2 * MANY), sample;
        float   x, y;
        void   *in[] = {&x}, *out[] = {&y};
        assert_ok(lk_data_read(reader, 1, &index, in, out, NULL, NULL, &sample));
        assert_true(x == (float)(index / 2) + (index % 2 ? 0.5F : 0.25F) && y == x);
    }
    lk_data_reader_destroy(&reader);
    lk_data_close(&data);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many_%03d.h5", i);
        unlink(name);
    }
}

/* Files of one sample each, in any layout: what is too much to be kept is read as it is wanted. */
static void files_that_are_samples_are_read_one_by_one(void **state)
{
    enum { MANY = 130, ROW = H * W * C };
    const char              *files[] = {"single_*.h5"};
    const lk_dataset_options image = {.path = "/x"}, value = {.path = "/y"};
    lk_field_options         input = {.name = "x", .datasets = &image, .n_datasets = 1, .axes = "CHW"};
    lk_field_options         target = {.name = "y", .datasets = &value, .n_datasets = 1, .axes = "C"};
    lk_data_options          options = {.inputs = &input,
                                        .n_inputs = 1,
                                        .targets = &target,
                                        .n_targets = 1,
                                        .train = {.files = files, .n_files = 1}};
    const hsize_t            one = 1, chw[3] = {C, H, W};
    char                     name[32];
    (void)state;
    for (int i = 0; i < MANY; i++) {
        double values[ROW], y = i;
        int    at = 0;
        for (int c = 0; c < C; c++)
            for (int h = 0; h < H; h++)
                for (int w = 0; w < W; w++) values[at++] = value_of(i, h, w, c);
        snprintf(name, sizeof name, "single_%03d.h5", i);
        hid_t file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
        put(file, "/x", i % 5 ? H5T_IEEE_F32LE : H5T_IEEE_F64BE, (layout)(i % LAYOUTS), 3, chw, values);
        put(file, "/y", H5T_IEEE_F32LE, i % 2 ? CHUNKED : CONTIGUOUS, 1, &one, &y);
        H5Fclose(file);
    }
    for (int way = 0; way < WAYS; way++) {
        lk_data        *data = NULL;
        lk_data_reader *reader = NULL;
        take_way((enum way)way);
        assert_ok(lk_data_open(&options, 1, NULL, &data));
        assert_int_equal(lk_data_n(data, LK_SPLIT_TRAIN), MANY);
        for (int i = 0; i < MANY; i++) {
            const lk_part *part = &data->set[LK_SPLIT_TRAIN].input[0].column[0].part[i];
            assert_int_equal(part->memory != NULL, way == IN_MEMORY);
            assert_int_equal(part->map != NULL, way == MAPPED && i % LAYOUTS == CONTIGUOUS);
        }
        assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
        for (int64_t i = 0; i < 3 * MANY; i++) {
            int64_t index = i * 97 % MANY, sample;
            float   x[ROW], y;
            void   *in[] = {x}, *out[] = {&y};
            assert_ok(lk_data_read(reader, 1, &index, in, out, NULL, NULL, &sample));
            assert_true(y == (float)index);
            for (int k = 0; k < ROW; k++)
                assert_true(x[k] == (float)value_of(index, k / C / W, k / C % W, k % C));
        }
        lk_data_reader_destroy(&reader);
        lk_data_close(&data);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "single_%03d.h5", i);
        unlink(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_gives_the_same_batches),
        cmocka_unit_test(numbers_in_other_clothes_are_read_by_value),
        cmocka_unit_test(a_user_block_is_skipped),
        cmocka_unit_test(claims_beyond_the_file_are_refused),
        cmocka_unit_test(more_files_than_handles_are_read),
        cmocka_unit_test(files_that_are_samples_are_read_one_by_one),
        cmocka_unit_test(samples_in_the_last_axis_and_halves_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
