/* Splits, statistics, class targets, bad values, and the transform's way through a file. */
#include "lk_test_folder.h"

#include <hdf5.h>

#include "core/alloc.h"
#include "core/log.h"
#include "data/data_internal.h"
#include "data/field.h"
#include "data/source.h"

enum { N = 400, F = 3 };

static double x[N][F], y[N];
static char   labels[N];

static void fill(void)
{
    for (int i = 0; i < N; i++) {
        for (int c = 0; c < F; c++) x[i][c] = 1e6 * c + (double)((i * 37 + c * 11) % 101) / 7;
        y[i] = 3 * x[i][0] - 2;
        labels[i] = (char)(i * 13 % 7);
    }
}

/* File `name` with group `group`: x f64 [N, F], and y of classes or of values. */
static void write_group(lk_h5 *file, const char *group, bool classes)
{
    char    path[64];
    int64_t axes[] = {N, F};
    snprintf(path, sizeof path, "%s/x", group);
    assert_ok(lk_h5_write(file, path, LK_H5_F64, 2, axes, x));
    snprintf(path, sizeof path, "%s/y", group);
    if (classes)
        assert_ok(lk_h5_write(file, path, LK_H5_U8, 1, axes, labels));
    else
        assert_ok(lk_h5_write(file, path, LK_H5_F64, 1, axes, y));
}

static void write_data(const char *name, bool classes)
{
    lk_h5 *file = NULL;
    assert_ok(lk_h5_create(path_of(name), &file));
    write_group(file, "/train", classes);
    write_group(file, "/test", classes);
    assert_ok(lk_h5_close(&file));
}

static lk_data_options plain(const char *const *train, lk_normalise normalise)
{
    return (lk_data_options){.train = {.files = train, .n_files = 1}, .normalise = normalise, .base = folder};
}

static void open_fails(const lk_data_options *options, lk_status status, const char *part)
{
    lk_data *data = NULL;
    lk_error_clear();
    assert_int_equal(lk_data_open(options, 1, NULL, &data), status);
    assert_null(data);
    if (!strstr(lk_error_message(), part)) print_error("'%s' lacks '%s'\n", lk_error_message(), part);
    assert_non_null(strstr(lk_error_message(), part));
}

/* All rows of a split. */
static void read_all(lk_data *data, lk_split split, float *input, void *target, int64_t *sample)
{
    lk_data_reader *reader = NULL;
    int64_t         n = lk_data_n(data, split), index[N];
    void           *in[] = {input}, *out[] = {target};
    for (int64_t i = 0; i < n; i++) index[i] = i;
    assert_ok(lk_data_reader_create(data, split, NULL, &reader));
    assert_ok(lk_data_read(reader, n, index, in, target ? out : NULL, NULL, NULL, sample));
    lk_data_reader_destroy(&reader);
}

static void fractions_cover_the_source_once_and_depend_on_the_seed_alone(void **state)
{
    const char     *train[] = {"d.h5:/train"};
    lk_data_options options = plain(train, LK_NORMALISE_NONE);
    lk_data        *data = NULL, *again = NULL;
    int             seen[N] = {0}, other = 0;
    static float    in[N * F], out[N];
    int64_t         sample[N], sample_again[N];
    (void)state;
    write_data("d.h5", false);
    options.validation.fraction = 0.2;
    options.test.fraction = 0.1;
    assert_ok(lk_data_open(&options, 7, NULL, &data));
    assert_ok(lk_data_open(&options, 8, NULL, &again));
    for (int s = 0; s < LK_SPLITS; s++) {
        int64_t n = lk_data_n(data, (lk_split)s);
        read_all(data, (lk_split)s, in, out, sample);
        read_all(again, (lk_split)s, in, out, sample_again);
        for (int64_t i = 0; i < n; i++) {
            seen[sample[i]]++;
            if (i > 0) assert_true(sample[i] > sample[i - 1]);
            other += i < lk_data_n(again, (lk_split)s) && sample[i] != sample_again[i];
        }
    }
    for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
    assert_true(other > N / 4);
    /* 0.2 and 0.1 of 400 within four deviations of a fair draw */
    assert_true(llabs(lk_data_n(data, LK_SPLIT_VALIDATION) - 80) <= 32);
    assert_true(llabs(lk_data_n(data, LK_SPLIT_TEST) - 40) <= 24);
    lk_data_close(&data);
    lk_data_close(&again);
}

static void statistics_come_from_training_rows_and_are_those_of_two_passes(void **state)
{
    const char     *train[] = {"d.h5:/train"};
    lk_data_options options = plain(train, LK_NORMALISE_STANDARD);
    lk_data        *data = NULL;
    static float    in[N * F], out[N];
    int64_t         sample[N];
    (void)state;
    options.validation.fraction = 0.3;
    options.normalise_targets = LK_NORMALISE_STANDARD;
    assert_ok(lk_data_open(&options, 3, NULL, &data));
    int64_t n = lk_data_n(data, LK_SPLIT_TRAIN);
    read_all(data, LK_SPLIT_TRAIN, in, out, sample);
    for (int c = 0; c < F; c++) {
        long double mean = 0, square = 0;
        for (int64_t i = 0; i < n; i++) mean += (long double)x[sample[i]][c];
        mean /= n;
        for (int64_t i = 0; i < n; i++) {
            long double d = (long double)x[sample[i]][c] - mean;
            square += d * d;
        }
        long double deviation = sqrtl(square / n);
        /* Offsets of 1e6 leave about 10 digits of the deviation in double; the float result has 7. */
        for (int64_t i = 0; i < n; i++) {
            double expected = (double)(((long double)x[sample[i]][c] - mean) / deviation);
            assert_true(fabs((double)in[i * F + c] - expected) <= 2e-7 * fabs(expected) + 1e-9);
        }
    }
    lk_transform_undo_target(lk_data_transform(data), 0, n, out);
    for (int64_t i = 0; i < n; i++) assert_true(fabs((double)out[i] - y[sample[i]]) < 1e-5);
    lk_data_close(&data);
}

/* Four values a channel in a sample or four samples of one: the statistics are those of all the values. */
static void points_of_a_sample_count_like_samples(void **state)
{
    const char     *flat[] = {"d.h5:/train"}, *space[] = {"space.h5"};
    lk_data_options options = plain(flat, LK_NORMALISE_STANDARD);
    lk_data        *data = NULL;
    lk_h5          *file = NULL;
    static float    a[N * F], b[N * F], out[N];
    int64_t         sample[N], axes[] = {N / 4, 2, 2, F};
    (void)state;
    write_data("d.h5", false);
    assert_ok(lk_h5_create(path_of("space.h5"), &file));
    assert_ok(lk_h5_write(file, "/x", LK_H5_F64, 4, axes, x));
    assert_ok(lk_h5_write(file, "/y", LK_H5_F64, 1, axes, y));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    read_all(data, LK_SPLIT_TRAIN, a, out, sample);
    lk_data_close(&data);
    options = plain(space, LK_NORMALISE_STANDARD);
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    read_all(data, LK_SPLIT_TRAIN, b, out, sample);
    lk_data_close(&data);
    for (int i = 0; i < N * F; i++) assert_true(fabsf(a[i] - b[i]) <= 2e-7F * fabsf(a[i]) + 1e-8F);
    /* A quarter of the rows, evenly spread, gives other statistics. */
    options = plain(flat, LK_NORMALISE_STANDARD);
    options.statistics_samples = N / 4;
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    read_all(data, LK_SPLIT_TRAIN, b, out, sample);
    lk_data_close(&data);
    double mean = 0, square = 0;
    for (int i = 0; i < N; i += 4) mean += x[i][0] / (N / 4);
    for (int i = 0; i < N; i += 4) square += (x[i][0] - mean) * (x[i][0] - mean) / (N / 4);
    for (int i = 0; i < N; i++) assert_true(fabs((double)b[i * F] - (x[i][0] - mean) / sqrt(square)) < 1e-6);
}

static void a_saved_transform_gives_the_same_bits(void **state)
{
    const char     *train[] = {"d.h5:/train"}, *test[] = {"d.h5:/test"};
    lk_data_options options = plain(train, LK_NORMALISE_STANDARD);
    lk_data        *data = NULL, *again = NULL, *input = NULL;
    lk_transform   *loaded = NULL;
    lk_h5          *file = NULL;
    static float    a[N * F], b[N * F], ya[N], yb[N];
    int64_t         sample[N];
    (void)state;
    options.test = (lk_split_options){.files = test, .n_files = 1};
    options.normalise_targets = LK_NORMALISE_STANDARD;
    assert_ok(lk_data_open(&options, 3, NULL, &data));
    assert_ok(lk_h5_create(path_of("t.h5"), &file));
    assert_ok(lk_transform_save(lk_data_transform(data), file, "/input"));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_h5_open(path_of("t.h5"), &file));
    assert_ok(lk_transform_load(file, "/input", &loaded));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_data_open(&options, 3, loaded, &again));
    read_all(data, LK_SPLIT_TEST, a, ya, sample);
    read_all(again, LK_SPLIT_TEST, b, yb, sample);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_equal(ya, yb, sizeof ya);
    assert_ok(lk_data_open_input(path_of("d.h5:/test"), true, &options, loaded, NULL, &input));
    memset(b, 0, sizeof b);
    memset(yb, 0, sizeof yb);
    read_all(input, LK_SPLIT_TEST, b, yb, sample);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_equal(ya, yb, sizeof ya);
    assert_true(lk_data_has_targets(input, LK_SPLIT_TEST));
    lk_data_close(&input);
    /* A dataset alone: inputs without targets. */
    assert_ok(lk_data_open_input(path_of("d.h5:/test/x"), true, &options, loaded, NULL, &input));
    memset(b, 0, sizeof b);
    read_all(input, LK_SPLIT_TEST, b, NULL, sample);
    assert_memory_equal(a, b, sizeof a);
    assert_false(lk_data_has_targets(input, LK_SPLIT_TEST));
    lk_data_close(&input);
    lk_transform_undo_target(loaded, 0, N, ya);
    for (int i = 0; i < N; i++) assert_true(fabs((double)ya[i] - y[i]) < 1e-5);
    lk_data_close(&data);
    lk_data_close(&again);
    lk_transform_destroy(&loaded);
}

static void class_targets_count_their_classes_and_know_their_names(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    const char              *train[] = {"c.h5:/train"};
    lk_data_options          options = plain(train, LK_NORMALISE_NONE);
    lk_data                 *data = NULL;
    lk_h5                   *file = NULL;
    static float             in[N * F];
    int32_t                  out[N];
    int64_t                  sample[N], n;
    (void)state;
    write_data("c.h5", true);
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    const lk_field *field = lk_transform_target(lk_data_transform(data), 0);
    assert_int_equal(field->dtype, LK_I32);
    assert_int_equal(field->classes, 7);
    assert_int_equal(field->shape.n_axes, 0);
    assert_null(lk_transform_class_names(lk_data_transform(data), &n));
    read_all(data, LK_SPLIT_TRAIN, in, out, sample);
    for (int i = 0; i < N; i++) assert_int_equal(out[i], labels[i]);
    lk_data_close(&data);
    assert_ok(lk_h5_create(path_of("c.h5"), &file));
    write_group(file, "/train", true);
    assert_ok(lk_h5_put_texts(file, "/train/y", "class_names", names, 8));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_int_equal(lk_transform_target(lk_data_transform(data), 0)->classes, 8);
    const char *const *found = lk_transform_class_names(lk_data_transform(data), &n);
    assert_int_equal(n, 8);
    assert_string_equal(found[7], "h");
    lk_data_close(&data);
}

static void bad_values_are_named_by_file_dataset_and_index(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    const char              *train[] = {"bad.h5:/train"}, *test[] = {"bad.h5:/test"};
    lk_data_options          options = plain(train, LK_NORMALISE_STANDARD);
    lk_h5                   *file = NULL;
    (void)state;
    double kept = x[123][1];
    x[123][1] = (double)NAN;
    write_data("bad.h5", false);
    open_fails(&options, LK_E_DATA, "bad.h5: /train/x[123,1] holds NaN");
    /* Without statistics the row is met when it is read. */
    options.normalise = LK_NORMALISE_NONE;
    lk_data        *data = NULL;
    lk_data_reader *reader = NULL;
    float           in[F], out[1];
    int64_t         index = 123, sample;
    void           *to[] = {in}, *target[] = {out};
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
    assert_int_equal(lk_data_read(reader, 1, &index, to, target, NULL, NULL, &sample), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "bad.h5: /train/x[123,1] holds NaN"));
    lk_data_reader_destroy(&reader);
    lk_data_close(&data);
    x[123][1] = kept;

    write_data("bad.h5", true);
    assert_ok(lk_h5_create(path_of("bad.h5"), &file));
    write_group(file, "/train", true);
    assert_ok(lk_h5_put_texts(file, "/", "class_names", names, 6));
    assert_ok(lk_h5_close(&file));
    /* labels[i] = 13 i mod 7 is 6 for the first time at i = 1 */
    open_fails(&options, LK_E_DATA, "bad.h5: /train/y[1] is 6, outside 0..5");

    /* A label that training never had: out of range in the other split. */
    assert_ok(lk_h5_create(path_of("bad.h5"), &file));
    write_group(file, "/train", true);
    labels[17] = 9;
    write_group(file, "/test", true);
    labels[17] = (char)(17 * 13 % 7);
    assert_ok(lk_h5_close(&file));
    options.test = (lk_split_options){.files = test, .n_files = 1};
    open_fails(&options, LK_E_DATA, "bad.h5: /test/y[17] is 9, outside 0..6");
}

/* Two datasets stacked, one with the channels first and the samples last: what is wrong stands where h5dump shows it. */
static void a_bad_cell_and_a_constant_dataset_are_named_as_stored(void **state)
{
    enum { ROWS = 6, H = 4, W = 3, C = 2 };
    const lk_dataset_options sets[] = {{.path = "/fields/h", .axes = "NHW"},
                                       {.path = "/fields/v", .axes = "CWHN"}},
                             y_set = {.path = "/y"};
    const lk_field_options input = {.name = "state",
                                    .datasets = sets,
                                    .n_datasets = 2,
                                    .normalise = LK_NORMALISE_STANDARD},
                           target = {.name = "y", .datasets = &y_set, .n_datasets = 1};
    const char     *train[] = {"cell.h5"};
    lk_data_options options = {.inputs = &input,
                               .n_inputs = 1,
                               .targets = &target,
                               .n_targets = 1,
                               .train = {.files = train, .n_files = 1},
                               .base = folder};
    double          h[ROWS][H][W], v[C][W][H][ROWS];
    int64_t         h_axes[] = {ROWS, H, W}, v_axes[] = {C, W, H, ROWS}, n = ROWS;
    (void)state;
    for (int which = 0; which < 4; which++) {
        static const char *const said[] = {
            "cell.h5: /fields/h[5,3,2] holds NaN", "cell.h5: /fields/v[1,2,0,4] holds an infinite value",
            "channel 0, /fields/h in ", "channel 2, channel 1 of /fields/v in "};
        lk_h5 *file = NULL;
        for (int i = 0; i < ROWS * H * W; i++) (&h[0][0][0])[i] = which == 2 ? 7 : i;
        for (int i = 0; i < C * W * H * ROWS; i++) (&v[0][0][0][0])[i] = which == 3 ? 7 : i;
        for (int i = 0; i < W * H * ROWS; i++) (&v[0][0][0][0])[i] = i;
        if (which == 0) h[5][3][2] = (double)NAN;
        if (which == 1) v[1][2][0][4] = (double)INFINITY;
        assert_ok(lk_h5_create(path_of("cell.h5"), &file));
        assert_ok(lk_h5_write(file, "/fields/h", LK_H5_F64, 3, h_axes, h));
        assert_ok(lk_h5_write(file, "/fields/v", LK_H5_F64, 4, v_axes, v));
        assert_ok(lk_h5_write(file, "/y", LK_H5_F64, 1, &n, y));
        assert_ok(lk_h5_close(&file));
        open_fails(&options, LK_E_DATA, said[which]);
    }
}

static void a_constant_channel_cannot_be_standardised(void **state)
{
    const char     *train[] = {"constant.h5:/train"};
    lk_data_options options = plain(train, LK_NORMALISE_STANDARD);
    (void)state;
    for (int i = 0; i < N; i++) x[i][2] = 4.25;
    write_data("constant.h5", false);
    fill();
    open_fails(&options, LK_E_DATA, "channel 2 is 4.25 in all training samples");
    options.normalise = LK_NORMALISE_UNIT;
    open_fails(&options, LK_E_CONFIG, "/train/x in");
}

static void files_are_found_or_the_reason_is_given(void **state)
{
    const char *train[] = {"part_[0-2].h5:/train"}, *same[] = {"part_1.h5:/train"},
               *none[] = {"part_[7-9].h5"};
    const char *missing[] = {"absent.h5:/train"}, *wrong[] = {"part_1.h5:/tarin"},
               *twice[2] = {"d.h5", "d.h5"};
    lk_data_options options = plain(train, LK_NORMALISE_NONE);
    lk_data        *data = NULL;
    char            line[256], hex[33], other[33];
    (void)state;
    for (int i = 2; i >= 0; i--) {
        char name[32];
        snprintf(name, sizeof name, "part_%d.h5", i);
        y[0] = i;
        write_data(name, false);
    }
    fill();
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_int_equal(lk_data_n(data, LK_SPLIT_TRAIN), 3 * N);
    lk_data_describe(data, LK_SPLIT_TRAIN, line, sizeof line);
    assert_string_equal(line, "1200 samples of 3 f64 in 3 files (contiguous)");
    lk_data_fingerprint(data, LK_SPLIT_TRAIN, hex);
    /* sorted by name, whatever order they were written in */
    lk_data_reader *reader = NULL;
    float           in[3 * F], out[3];
    int64_t         index[] = {0, N, 2 * N}, sample[3];
    void           *to[] = {in}, *target[] = {out};
    assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
    assert_ok(lk_data_read(reader, 3, index, to, target, NULL, NULL, sample));
    for (int i = 0; i < 3; i++) assert_true(out[i] == (float)i);
    lk_data_reader_destroy(&reader);
    lk_data_close(&data);
    y[5] = -1;
    write_data("part_1.h5", false);
    fill();
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    lk_data_fingerprint(data, LK_SPLIT_TRAIN, other);
    assert_string_not_equal(hex, other);
    lk_data_close(&data);

    options.validation = (lk_split_options){.files = same, .n_files = 1};
    open_fails(&options, LK_E_CONFIG, "data.train and data.validation share");
    /* the same samples under other names: a link to the file, a link inside it, a path with a detour */
    static const char *const linked[] = {"linked.h5:/train"}, *const inner[] = {"part_2.h5:/again/train"},
                             *const detour[] = {"./part_0.h5:/train", "part_0.h5:/train"};
    assert_int_equal(link(path_of("part_1.h5"), path_of("linked.h5")), 0);
    options.validation = (lk_split_options){.files = linked, .n_files = 1};
    open_fails(&options, LK_E_CONFIG, "linked.h5: /train/x: what was");
    assert_int_equal(unlink(path_of("linked.h5")), 0);
    hid_t file = H5Fopen(path_of("part_2.h5"), H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Lcreate_soft("/", file, "again", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(file);
    options.validation = (lk_split_options){0};
    options.test = (lk_split_options){.files = inner, .n_files = 1};
    open_fails(&options, LK_E_CONFIG, "part_2.h5: /again/train/x: what was");
    options = plain(detour, LK_NORMALISE_NONE);
    options.train.n_files = 2;
    open_fails(&options, LK_E_CONFIG, "is the same as that of");
    options = plain(none, LK_NORMALISE_NONE);
    open_fails(&options, LK_E_CONFIG, "'part_[7-9].h5' matches no file");
    options = plain(missing, LK_NORMALISE_NONE);
    open_fails(&options, LK_E_DATA, "absent.h5");
    options = plain(wrong, LK_NORMALISE_NONE);
    open_fails(&options, LK_E_DATA, "there is no /tarin/x");
    options = plain(twice, LK_NORMALISE_NONE);
    options.train.n_files = 2;
    open_fails(&options, LK_E_CONFIG, "is named twice");
}

/* Files of one sample each: no dataset has an axis of samples. */
static void a_file_that_is_a_sample_is_not_shared(void **state)
{
    enum { FILES = 4 };
    const lk_dataset_options x_set = {.path = "/x"}, y_set = {.path = "/y"}, grid_set = {.path = "/grid"};
    const lk_field_options   inputs[] = {{.name = "x", .datasets = &x_set, .n_datasets = 1, .axes = "C"},
                                         {.name = "grid", .datasets = &grid_set, .n_datasets = 1, .axes = "C"}};
    const lk_field_options   target = {.name = "y", .datasets = &y_set, .n_datasets = 1, .axes = "C"};
    const char              *train[] = {"out_[0-2].h5"}, *last[] = {"out_2.h5"}, *other[] = {"out_3.h5"};
    const char              *groups[] = {"all.h5:/0", "all.h5:/1"}, *more[] = {"all.h5:/2", "all.h5:/3"};
    lk_data_options          options = {.inputs = inputs,
                                        .n_inputs = 1,
                                        .targets = &target,
                                        .n_targets = 1,
                                        .train = {.files = train, .n_files = 1},
                                        .validation = {.files = last, .n_files = 1},
                                        .base = folder};
    lk_h5                   *one = NULL, *all = NULL;
    lk_data                 *data = NULL;
    int64_t                  width = F, single = 1;
    char                     name[32];
    (void)state;
    assert_ok(lk_h5_create(path_of("all.h5"), &all));
    assert_ok(lk_h5_write(all, "/grid", LK_H5_F64, 1, &width, x[N - 1]));
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "out_%d.h5", i);
        assert_ok(lk_h5_create(path_of(name), &one));
        assert_ok(lk_h5_write(one, "/x", LK_H5_F64, 1, &width, x[i]));
        assert_ok(lk_h5_write(one, "/y", LK_H5_F64, 1, &single, &y[i]));
        assert_ok(lk_h5_close(&one));
        snprintf(name, sizeof name, "/%d/x", i);
        assert_ok(lk_h5_write(all, name, LK_H5_F64, 1, &width, x[i]));
        snprintf(name, sizeof name, "/%d/y", i);
        assert_ok(lk_h5_write(all, name, LK_H5_F64, 1, &single, &y[i]));
    }
    assert_ok(lk_h5_close(&all));
    open_fails(&options, LK_E_CONFIG, "out_2.h5: /x: what was trained on");
    options.validation.files = other;
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_int_equal(lk_data_n(data, LK_SPLIT_TRAIN), 3);
    assert_int_equal(lk_data_n(data, LK_SPLIT_VALIDATION), 1);
    lk_data_close(&data);

    /* What is linked into every place is no sample. */
    hid_t file = H5Fopen(path_of("all.h5"), H5F_ACC_RDWR, H5P_DEFAULT);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "/%d/grid", i);
        assert_true(H5Lcreate_hard(file, "/grid", file, name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    }
    H5Fclose(file);
    options.n_inputs = 2;
    options.train = (lk_split_options){.files = groups, .n_files = 2};
    options.validation = (lk_split_options){.files = more, .n_files = 2};
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    lk_data_close(&data);
}

static void weights_are_read_and_a_negative_one_is_named(void **state)
{
    const char     *train[] = {"w.h5:/train"};
    lk_data_options options = plain(train, LK_NORMALISE_NONE);
    lk_data        *data = NULL;
    lk_data_reader *reader = NULL;
    lk_h5          *file = NULL;
    float           w[N], in[2 * F], out[2], weight[2];
    int64_t         axes[] = {N}, index[] = {3, 9}, sample[2];
    void           *to[] = {in}, *target[] = {out};
    (void)state;
    for (int i = 0; i < N; i++) w[i] = (float)i / 4;
    w[8] = -1;
    assert_ok(lk_h5_create(path_of("w.h5"), &file));
    write_group(file, "/train", false);
    assert_ok(lk_h5_write(file, "/train/w", LK_H5_F32, 1, axes, w));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_true(lk_data_has_weights(data, LK_SPLIT_TRAIN));
    assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
    assert_ok(lk_data_read(reader, 2, index, to, target, weight, NULL, sample));
    assert_true(weight[0] == 0.75F && weight[1] == 2.25F);
    index[1] = 8;
    assert_int_equal(lk_data_read(reader, 2, index, to, target, weight, NULL, sample), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "/train/w[8] is -1"));
    lk_data_reader_destroy(&reader);
    lk_data_close(&data);
}

/* A map without samples serves all; a dataset without samples in each file serves that file's rows; integers
 * wider than bytes stay indices when nobody asks to normalise them. */
static void static_fields_and_indices_keep_their_meaning(void **state)
{
    enum { ROWS = 3, P = 4 };
    const char              *files[] = {"s_*.h5"}, *grid[] = {"grid.h5"};
    const lk_dataset_options depth_set = {.path = "/depth"}, token_set = {.path = "/tokens"},
                             run_set = {.path = "/run"}, label_set = {.path = "/label"};
    const lk_field_options inputs[] = {
        {.name = "tokens", .datasets = &token_set, .n_datasets = 1},
        {.name = "depth", .datasets = &depth_set, .n_datasets = 1, .axes = "W", .files = grid, .n_files = 1},
        {.name = "run", .datasets = &run_set, .n_datasets = 1, .axes = "C"}};
    const lk_field_options target = {.name = "label", .datasets = &label_set, .n_datasets = 1};
    lk_data_options        options = {.inputs = inputs,
                                      .n_inputs = 3,
                                      .targets = &target,
                                      .n_targets = 1,
                                      .train = {.files = files, .n_files = 1},
                                      .base = folder};
    lk_h5                 *file = NULL;
    lk_data               *data = NULL;
    lk_data_reader        *reader = NULL;
    int32_t                tokens[ROWS][P], got_tokens[2 * P], got_label[2];
    float                  depth[P] = {1, 2, 3, 4}, got_depth[2 * P], run, got_run[2];
    int64_t                rows_axes[] = {ROWS, P}, p = P, one = 1, n = ROWS, index[] = {1, 4}, sample[2];
    unsigned char          label[ROWS] = {0, 1, 2};
    void                  *in[] = {got_tokens, got_depth, got_run}, *out[] = {got_label};
    (void)state;
    assert_ok(lk_h5_create(path_of("grid.h5"), &file));
    assert_ok(lk_h5_write(file, "/depth", LK_H5_F32, 1, &p, depth));
    assert_ok(lk_h5_close(&file));
    for (int f = 0; f < 2; f++) {
        char name[32];
        snprintf(name, sizeof name, "s_%d.h5", f);
        for (int i = 0; i < ROWS * P; i++) tokens[i / P][i % P] = f * 100 + i;
        run = (float)f + 0.5F;
        assert_ok(lk_h5_create(path_of(name), &file));
        assert_ok(lk_h5_write(file, "/tokens", LK_H5_I32, 2, rows_axes, tokens));
        assert_ok(lk_h5_write_chunked(file, "/run", LK_H5_F32, 1, &one, &one, 4, &run));
        assert_ok(lk_h5_write(file, "/label", LK_H5_U8, 1, &n, label));
        assert_ok(lk_h5_close(&file));
    }
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_int_equal(lk_data_n(data, LK_SPLIT_TRAIN), 2 * ROWS);
    const lk_field *field = lk_transform_input(lk_data_transform(data), 0);
    assert_int_equal(field->dtype, LK_I32);
    assert_int_equal(field->classes, 112);
    field = lk_transform_input(lk_data_transform(data), 1);
    assert_true(field->dtype == LK_F32 && field->shape.n_axes == 2 && field->shape.axis[1] == 1);
    assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
    assert_ok(lk_data_read(reader, 2, index, in, out, NULL, NULL, sample));
    for (int i = 0; i < P; i++) {
        assert_int_equal(got_tokens[i], P + i);
        assert_int_equal(got_tokens[P + i], 100 + P + i);
        assert_true(got_depth[i] == depth[i] && got_depth[P + i] == depth[i]);
    }
    assert_true(got_run[0] == 0.5F && got_run[1] == 1.5F);
    assert_true(got_label[0] == 1 && got_label[1] == 1);
    lk_data_reader_destroy(&reader);
    lk_data_close(&data);
    /* A map serves the samples of any split; samples in files of their own are those of data.train. */
    const char *first[] = {"s_0.h5"}, *second[] = {"s_1.h5"};
    options.train.files = first;
    options.validation = (lk_split_options){.files = second, .n_files = 1};
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_int_equal(lk_data_n(data, LK_SPLIT_VALIDATION), ROWS);
    lk_data_close(&data);
    lk_field_options own = target;
    own.files = first;
    own.n_files = 1;
    options.targets = &own;
    open_fails(&options, LK_E_CONFIG, "data.targets.label has files of its own");
    options.validation = (lk_split_options){0};
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    lk_data_close(&data);
}

/* Targets and weights that do not fit, where nobody asks for any. */
static void an_input_without_targets_leaves_them_alone(void **state)
{
    const char     *train[] = {"d.h5:/train"};
    lk_data_options options = plain(train, LK_NORMALISE_NONE);
    lk_data        *data = NULL, *input = NULL;
    lk_h5          *file = NULL;
    int64_t         axes[] = {N, F}, few = 5;
    (void)state;
    write_data("d.h5", false);
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_ok(lk_h5_create(path_of("raw.h5"), &file));
    assert_ok(lk_h5_write(file, "/x", LK_H5_F64, 2, axes, x));
    assert_ok(lk_h5_write(file, "/y", LK_H5_F64, 1, &few, y));
    assert_ok(lk_h5_write(file, "/w", LK_H5_F64, 1, &few, y));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_data_open_input(path_of("raw.h5"), false, &options, lk_data_transform(data), NULL, &input));
    assert_int_equal(lk_data_n(input, LK_SPLIT_TEST), N);
    assert_false(lk_data_has_targets(input, LK_SPLIT_TEST));
    lk_data_close(&input);
    assert_int_equal(
        lk_data_open_input(path_of("raw.h5"), true, &options, lk_data_transform(data), NULL, &input),
        LK_E_DATA);
    lk_data_close(&data);
}

/* What the files say of themselves is no mistake of the configuration. */
static void files_of_another_shape_are_bad_files(void **state)
{
    const char     *train[] = {"shape_*.h5"};
    lk_data_options options = plain(train, LK_NORMALISE_NONE);
    lk_h5          *file = NULL;
    (void)state;
    for (int i = 0; i < 2; i++) {
        int64_t axes[] = {N / 2, F - i};
        assert_ok(lk_h5_create(path_of(i ? "shape_1.h5" : "shape_0.h5"), &file));
        assert_ok(lk_h5_write(file, "/x", LK_H5_F64, 2, axes, x));
        assert_ok(lk_h5_write(file, "/y", LK_H5_F64, 1, axes, y));
        assert_ok(lk_h5_close(&file));
    }
    open_fails(&options, LK_E_DATA, "shape_1.h5: samples of /x are 2, in ");
}

static void static_fields_too_large_to_keep_are_read(void **state)
{
    int64_t before = lk_column_resident_bytes;
    lk_column_resident_bytes = 0;
    static_fields_and_indices_keep_their_meaning(state);
    lk_column_resident_bytes = before;
}

/* NetCDF-4: stored integers stand for scaled values, and one of them for nothing. */
static void netcdf_attributes_are_honoured(void **state)
{
    const char     *train[] = {"nc.h5"};
    short           stored[4][2] = {{1, 2}, {3, 4}, {-5, 6}, {7, -999}};
    double          scale = 0.5, offset = 10, fill = -999, target[4] = {1, 2, 3, 4};
    int64_t         axes[] = {4, 2}, index[] = {0, 1, 2, 3}, sample[4];
    lk_data_options options = plain(train, LK_NORMALISE_NONE);
    lk_h5          *file = NULL;
    lk_data        *data = NULL;
    lk_data_reader *reader = NULL;
    float           in[8], out[4];
    void           *to[] = {in}, *targets[] = {out};
    (void)state;
    assert_ok(lk_h5_create(path_of("nc.h5"), &file));
    assert_ok(lk_h5_write(file, "/x", LK_H5_I16, 2, axes, stored));
    assert_ok(lk_h5_put_doubles(file, "/x", "scale_factor", &scale, 1));
    assert_ok(lk_h5_put_doubles(file, "/x", "add_offset", &offset, 1));
    assert_ok(lk_h5_put_doubles(file, "/x", "_FillValue", &fill, 1));
    assert_ok(lk_h5_write(file, "/y", LK_H5_F64, 1, axes, target));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_int_equal(lk_transform_input(lk_data_transform(data), 0)->dtype, LK_F32);
    assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
    assert_ok(lk_data_read(reader, 3, index, to, targets, NULL, NULL, sample));
    for (int i = 0; i < 6; i++) assert_true(in[i] == 10 + 0.5F * (float)stored[i / 2][i % 2]);
    assert_int_equal(lk_data_read(reader, 4, index, to, targets, NULL, NULL, sample), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "/x[3,1] holds NaN or its fill value"));
    lk_data_reader_destroy(&reader);
    lk_data_close(&data);
}

static void put_attribute(const char *name, const char *attribute, hid_t type, int64_t n, const void *values)
{
    hsize_t size = (hsize_t)n;
    hid_t   file = H5Fopen(path_of(name), H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t   set = H5Dopen2(file, "/x", H5P_DEFAULT), space = H5Screate_simple(1, &size, NULL);
    hid_t   it = H5Acreate2(set, attribute, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(it, type, values) >= 0);
    H5Aclose(it);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
}

static void write_netcdf(lk_h5_type type, const void *values)
{
    double  target[4] = {1, 2, 3, 4};
    int64_t axes[] = {4, 2};
    lk_h5  *file = NULL;
    assert_ok(lk_h5_create(path_of("nc.h5"), &file));
    assert_ok(lk_h5_write(file, "/x", type, 2, axes, values));
    assert_ok(lk_h5_write(file, "/y", LK_H5_F64, 1, axes, target));
    assert_ok(lk_h5_close(&file));
}

/* /x of nc.h5 anew, as halves. */
static void write_halves(const float *values)
{
    hsize_t axes[] = {4, 2};
    write_netcdf(LK_H5_F32, values);
    hid_t half = H5Tcopy(H5T_IEEE_F32LE), file = H5Fopen(path_of("nc.h5"), H5F_ACC_RDWR, H5P_DEFAULT);
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    H5Ldelete(file, "/x", H5P_DEFAULT);
    hid_t space = H5Screate_simple(2, axes, NULL);
    hid_t set = H5Dcreate2(file, "/x", half, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Tclose(half);
    H5Fclose(file);
}

/* Attributes in another precision than the values, and the older of the two names. */
static void missing_values_are_known_whatever_the_attribute_is_stored_as(void **state)
{
    const char     *train[] = {"nc.h5"};
    lk_data_options options = plain(train, LK_NORMALISE_STANDARD);
    const double    fill = 1e20, odd = -999.9, last = 4, both[2] = {1e20, -999.9};
    const float     fill_32 = 1e20F, odd_32 = -999.9F;
    float           values_32[8] = {1, 2, 3, 4, 5, 1e20F, 7, -999.9F};
    double          values[8] = {1, 2, 3, 4, 5, 1e20, 7, -999.9};
    (void)state;
    write_netcdf(LK_H5_F32, values_32);
    put_attribute("nc.h5", "_FillValue", H5T_NATIVE_DOUBLE, 1, &fill);
    open_fails(&options, LK_E_DATA, "/x[2,1] holds NaN or its fill value");
    write_netcdf(LK_H5_F32, values_32);
    put_attribute("nc.h5", "missing_value", H5T_NATIVE_DOUBLE, 1, &odd);
    open_fails(&options, LK_E_DATA, "/x[3,1] holds NaN or its fill value");
    write_netcdf(LK_H5_F64, values);
    put_attribute("nc.h5", "_FillValue", H5T_NATIVE_FLOAT, 1, &fill_32);
    open_fails(&options, LK_E_DATA, "/x[2,1] holds NaN or its fill value");
    write_netcdf(LK_H5_F64, values);
    put_attribute("nc.h5", "missing_value", H5T_NATIVE_FLOAT, 1, &odd_32);
    open_fails(&options, LK_E_DATA, "/x[3,1] holds NaN or its fill value");
    /* values that came through floats themselves */
    for (int i = 0; i < 8; i++) values[i] = (double)values_32[i];
    write_netcdf(LK_H5_F64, values);
    put_attribute("nc.h5", "missing_value", H5T_NATIVE_FLOAT, 1, &odd_32);
    open_fails(&options, LK_E_DATA, "/x[3,1] holds NaN or its fill value");
    /* both names count */
    write_netcdf(LK_H5_F32, values_32);
    put_attribute("nc.h5", "_FillValue", H5T_NATIVE_DOUBLE, 1, &odd);
    put_attribute("nc.h5", "missing_value", H5T_NATIVE_DOUBLE, 1, &last);
    open_fails(&options, LK_E_DATA, "/x[1,1] holds NaN or its fill value");
    /* what cannot be understood is not passed over */
    static const char *const names[] = {"scale_factor", "add_offset", "_FillValue", "missing_value"};
    char                     text[64];
    for (int i = 0; i < 4; i++) {
        write_netcdf(LK_H5_F32, values_32);
        put_attribute("nc.h5", names[i], H5T_NATIVE_DOUBLE, 2, both);
        snprintf(text, sizeof text, "nc.h5: attribute %s of /x has 2 elements", names[i]);
        open_fails(&options, LK_E_DATA, text);
        write_netcdf(LK_H5_F32, values_32);
        put_attribute("nc.h5", names[i], H5T_C_S1, 1, "x");
        snprintf(text, sizeof text, "nc.h5: attribute %s of /x is no number", names[i]);
        open_fails(&options, LK_E_DATA, text);
    }
}

static void missing_halves_and_other_values_are_told_apart(void **state)
{
    const char     *train[] = {"nc.h5"};
    lk_data_options options = plain(train, LK_NORMALISE_STANDARD);
    const double    fill = -999.9, near = 1e20 * (1 + 1e-7), far = 1e300;
    const float     fill_32 = 1e20F;
    float           halves[8] = {1, 2, 3, 4, 5, 6, -999.9F, 8};
    double          values[8] = {1, 2, 3, 4, 5, 1.00000003e20, 7, 8};
    lk_data        *data = NULL;
    (void)state;
    write_halves(halves);
    put_attribute("nc.h5", "_FillValue", H5T_NATIVE_DOUBLE, 1, &fill);
    open_fails(&options, LK_E_DATA, "/x[3,0] holds NaN or its fill value");
    /* a neighbour of the fill value is a value, and so is what the type cannot hold as one */
    write_netcdf(LK_H5_F64, values);
    put_attribute("nc.h5", "_FillValue", H5T_NATIVE_FLOAT, 1, &fill_32);
    put_attribute("nc.h5", "missing_value", H5T_NATIVE_DOUBLE, 1, &near);
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    lk_data_close(&data);
    halves[6] = 7;
    write_netcdf(LK_H5_F32, halves);
    put_attribute("nc.h5", "missing_value", H5T_NATIVE_DOUBLE, 1, &far);
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    lk_data_close(&data);
}

/* Half-built objects come apart again, whichever allocation fails. */
static void every_failing_allocation_is_reported(void **state)
{
    const char     *train[] = {"d.h5:/train"}, *test[] = {"d.h5:/test"};
    lk_data_options options = plain(train, LK_NORMALISE_STANDARD);
    int64_t         k = 1;
    (void)state;
    write_data("d.h5", false);
    options.validation.fraction = 0.1;
    options.test = (lk_split_options){.files = test, .n_files = 1};
    for (int resident = 0; resident < 2; resident++) {
        lk_column_resident_bytes = resident ? 1 << 20 : 0;
        for (k = 1;; k++) {
            lk_data        *data = NULL;
            lk_data_reader *reader = NULL;
            lk_alloc_fail_at(k);
            lk_status st = lk_data_open(&options, 1, NULL, &data);
            if (st == LK_OK) st = lk_data_reader_create(data, LK_SPLIT_VALIDATION, NULL, &reader);
            lk_alloc_fail_at(0);
            assert_true((st == LK_OK) == (data != NULL && reader != NULL));
            lk_data_reader_destroy(&reader);
            lk_data_close(&data);
            if (st == LK_OK) break;
            assert_int_equal(st, LK_E_NOMEM);
        }
        assert_true(k > 40);
    }
}

static void a_file_cut_short_is_named(void **state)
{
    const char     *train[] = {"cut.h5:/train"};
    lk_data_options options = plain(train, LK_NORMALISE_NONE);
    (void)state;
    write_data("cut.h5", false);
    for (int part = 0; part < 8; part++) {
        lk_data *data = NULL;
        assert_int_equal(truncate(path_of("cut.h5"), 13000 - part * 1800), 0);
        assert_int_equal(lk_data_open(&options, 1, NULL, &data), LK_E_DATA);
        assert_non_null(strstr(lk_error_message(), "cut.h5"));
    }
}

/* Rows that were there when the data were opened, mapped or read. */
static void a_file_cut_short_later_is_named(void **state)
{
    const char     *train[] = {"later.h5:/train"};
    lk_data_options options = plain(train, LK_NORMALISE_NONE);
    (void)state;
    lk_column_resident_bytes = 0;
    for (int mapped = 0; mapped < 2; mapped++) {
        lk_data   *data = NULL;
        lk_stream *stream = NULL;
        lk_status  st = LK_OK;
        write_data("later.h5", false);
        lk_column_map_bytes = mapped ? 1 << 20 : 0;
        assert_ok(lk_data_open(&options, 1, NULL, &data));
        assert_ok(lk_stream_create(
            data,
            &(lk_stream_options){
                .split = LK_SPLIT_TRAIN, .batch_size = 8, .lanes = 1, .n_lanes = 1, .prefetch = true},
            &stream));
        assert_int_equal(truncate(path_of("later.h5"), 4096), 0);
        for (int64_t i = 0; st == LK_OK && i < lk_stream_batches(stream); i++) {
            const lk_batch *batch;
            st = lk_stream_next(stream, &batch);
        }
        assert_int_equal(st, LK_E_DATA);
        assert_non_null(strstr(lk_error_message(), "later.h5"));
        lk_stream_destroy(&stream);
        lk_data_close(&data);
    }
}

static int start(void **state)
{
    fill();
    return make_folder(state);
}

typedef struct told {
    int  lines;
    char last[512];
} told;

static void keep_line(void *context, lk_log_level level, const char *line)
{
    told *it = context;
    if (level != LK_LOG_INFO) return;
    it->lines++;
    snprintf(it->last, sizeof it->last, "%s", line);
}

static bool third_time(void *context)
{
    int *asked = context;
    return ++*asked == 3;
}

/* Rows so long that each of them is looked at. */
static void a_long_reading_is_told_of_once_and_can_be_left(void **state)
{
    enum { ROWS = 8, WIDTH = 1 << 16 };
    const char     *train[] = {"wide.h5:/train"};
    lk_data_options options = plain(train, LK_NORMALISE_STANDARD);
    int64_t         axes[] = {ROWS, WIDTH};
    float          *wide = NULL;
    lk_h5          *file = NULL;
    lk_data        *data = NULL;
    told            it = {0};
    int             asked = 0;
    lk_data_stop    stop = {third_time, &asked};
    (void)state;
    assert_ok(LK_ALLOC(ROWS * WIDTH, &wide));
    for (int i = 0; i < ROWS * WIDTH; i++) wide[i] = (float)(i % 1009);
    assert_ok(lk_h5_create(path_of("wide.h5"), &file));
    assert_ok(lk_h5_write(file, "/train/x", LK_H5_F32, 2, axes, wide));
    assert_ok(lk_h5_write(file, "/train/y", LK_H5_U8, 1, axes, labels));
    assert_ok(lk_h5_close(&file));
    lk_free(&wide);
    lk_log_set_sink(keep_line, &it);

    assert_ok(
        lk_data_find(&options, 1, NULL, true, &data)); /* a short one: nobody is told, nobody is asked */
    assert_ok(lk_data_use(data, NULL, &stop));
    lk_data_close(&data);
    assert_int_equal(it.lines, 0);
    assert_int_equal(asked, 0);

    lk_reading_patience = 0;
    assert_ok(lk_data_find(&options, 1, NULL, true, &data));
    assert_int_equal(lk_data_use(data, NULL, &stop), LK_STOPPED);
    lk_data_close(&data);
    assert_int_equal(asked, 3);
    assert_int_equal(it.lines, 1);
    assert_non_null(strstr(it.last, "field x: 8 samples are read before the first step"));
    assert_non_null(strstr(it.last, "{samples: 10000}"));
    lk_reading_patience = 3;
    lk_log_set_sink(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fractions_cover_the_source_once_and_depend_on_the_seed_alone),
        cmocka_unit_test(a_long_reading_is_told_of_once_and_can_be_left),
        cmocka_unit_test(statistics_come_from_training_rows_and_are_those_of_two_passes),
        cmocka_unit_test(points_of_a_sample_count_like_samples),
        cmocka_unit_test(a_saved_transform_gives_the_same_bits),
        cmocka_unit_test(class_targets_count_their_classes_and_know_their_names),
        cmocka_unit_test(bad_values_are_named_by_file_dataset_and_index),
        cmocka_unit_test(a_constant_channel_cannot_be_standardised),
        cmocka_unit_test(a_bad_cell_and_a_constant_dataset_are_named_as_stored),
        cmocka_unit_test(files_are_found_or_the_reason_is_given),
        cmocka_unit_test(a_file_that_is_a_sample_is_not_shared),
        cmocka_unit_test(weights_are_read_and_a_negative_one_is_named),
        cmocka_unit_test(netcdf_attributes_are_honoured),
        cmocka_unit_test(missing_values_are_known_whatever_the_attribute_is_stored_as),
        cmocka_unit_test(missing_halves_and_other_values_are_told_apart),
        cmocka_unit_test(every_failing_allocation_is_reported),
        cmocka_unit_test(a_file_cut_short_is_named),
        cmocka_unit_test(a_file_cut_short_later_is_named),
        cmocka_unit_test(static_fields_too_large_to_keep_are_read),
        cmocka_unit_test(an_input_without_targets_leaves_them_alone),
        cmocka_unit_test(files_of_another_shape_are_bad_files),
        cmocka_unit_test(static_fields_and_indices_keep_their_meaning),
    };
    return cmocka_run_group_tests(tests, start, remove_folder);
}
