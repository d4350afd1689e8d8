/* Imported tables: what a row becomes, and that nothing but training rows decides it. */
#include "lk_test_folder.h"

#include "core/alloc.h"
#include "data/data_internal.h"
#include "data/import.h"

enum { N = 8, COLUMNS = 4, M = 4 };

static const char *const columns[] = {"carat", "cut", "depth", "clarity"};
static const char *const kinds[] = {"numeric", "categorical", "numeric", "categorical"};
static const char *const cuts[] = {"Fair", "Good", "Ideal"};
static const char *const clarities[] = {"SI1", "VS2"};
static const char *const prices[] = {"price"};

static void write_group(lk_h5 *file, const char *group, const char *const *words, int64_t n, const double *x,
                        const double *y)
{
    char    path[64];
    int64_t axes[] = {n, COLUMNS};
    snprintf(path, sizeof path, "%s/x", group);
    assert_ok(lk_h5_write(file, path, LK_H5_F64, 2, axes, x));
    snprintf(path, sizeof path, "%s/y", group);
    assert_ok(lk_h5_write(file, path, LK_H5_F64, 1, axes, y));
    assert_ok(lk_h5_put_texts(file, group, "columns", columns, COLUMNS));
    assert_ok(lk_h5_put_texts(file, group, "kinds", kinds, COLUMNS));
    assert_ok(lk_h5_put_texts(file, group, "dictionary_cut", words, 3));
    assert_ok(lk_h5_put_texts(file, group, "dictionary_clarity", clarities, 2));
    assert_ok(lk_h5_put_texts(file, group, "target_columns", prices, 1));
}

/* carat 1..8; cut never Good; depth with two cells missing; clarity in both words. */
static const double train_x[N][COLUMNS] = {{1, 0, 10, 0}, {2, 2, (double)NAN, 1}, {3, 0, 20, 0},
                                           {4, 2, 30, 1}, {5, 0, 40, 0},          {6, 2, (double)NAN, 1},
                                           {7, 0, 50, 0}, {8, 2, 60, 1}};
static const double train_y[N] = {2, 4, 6, 8, 10, 12, 14, 16};
/* A missing number where training had none, an unknown word, a word that only the dictionary has, a missing
 * category. */
static const double test_x[M][COLUMNS] = {
    {(double)NAN, 2, 35, 0}, {4.5, -1, (double)NAN, 1}, {4.5, 1, 35, 1}, {4.5, 0, 35, (double)NAN}};
static const double test_y[M] = {9, 9, 9, 9};

enum { WIDTH = 1 + 2 + 2 + 2 };

static void write_table(void)
{
    lk_h5 *file = NULL;
    assert_ok(lk_h5_create(path_of("t.h5"), &file));
    write_group(file, "/train", cuts, N, &train_x[0][0], train_y);
    write_group(file, "/test", cuts, M, &test_x[0][0], test_y);
    assert_ok(lk_h5_close(&file));
}

static void read_all(lk_data *data, lk_split split, float *in, float *out)
{
    lk_data_reader *reader = NULL;
    int64_t         index[N], sample[N], n = lk_data_n(data, split);
    void           *input[] = {in}, *target[] = {out};
    for (int64_t i = 0; i < n; i++) index[i] = i;
    assert_ok(lk_data_reader_create(data, split, NULL, &reader));
    assert_ok(lk_data_read(reader, n, index, input, target, NULL, NULL, sample));
    lk_data_reader_destroy(&reader);
}

static lk_data_options options_of(const char *const *train, const char *const *test)
{
    return (lk_data_options){.train = {.files = train, .n_files = 1},
                             .test = {.files = test, .n_files = 1},
                             .normalise = LK_NORMALISE_STANDARD,
                             .normalise_targets = LK_NORMALISE_STANDARD,
                             .base = folder};
}

static void check_test_rows(const float *in)
{
    /* carat: mean 4.5; depth: values 10..60, mean 35; outputs: carat | Fair Ideal | depth missing | SI1 VS2
     */
    static const float expected[M][WIDTH] = {
        {0, 0, 1, 0, 0, 1, 0}, {0, 0, 0, 0, 1, 0, 1}, {0, 0, 0, 0, 0, 0, 1}, {0, 1, 0, 0, 0, 0, 0}};
    for (int i = 0; i < M; i++)
        for (int c = 0; c < WIDTH; c++) assert_true(in[i * WIDTH + c] == expected[i][c]);
}

static void cells_become_what_training_rows_decide(void **state)
{
    const char     *train[] = {"t.h5:/train"}, *test[] = {"t.h5:/test"};
    lk_data_options options = options_of(train, test);
    lk_data        *data = NULL;
    float           in[N * WIDTH], out[N];
    (void)state;
    write_table();
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    const lk_field *field = lk_transform_input(lk_data_transform(data), 0);
    assert_true(field->shape.n_axes == 1 && field->shape.axis[0] == WIDTH);
    read_all(data, LK_SPLIT_TRAIN, in, out);
    /* deviation of 1..8: sqrt(63/12); of 10, 20 .. 60: 10 sqrt(35/12) */
    double carat = sqrt(63.0 / 12), depth = 10 * sqrt(35.0 / 12);
    for (int i = 0; i < N; i++) {
        const float *row = in + i * WIDTH;
        bool         missing = i == 1 || i == 5;
        assert_true(fabs((double)row[0] - (i - 3.5) / carat) < 1e-6);
        assert_true(row[1] == (i % 2 ? 0 : 1) && row[2] == (i % 2 ? 1 : 0));
        assert_true(fabs((double)row[3] - (missing ? 0 : (train_x[i][2] - 35) / depth)) < 1e-6);
        assert_true(row[4] == (missing ? 1 : 0));
    }
    read_all(data, LK_SPLIT_TEST, in, out);
    check_test_rows(in);
    assert_true(out[0] == 0);
    lk_transform_undo_target(lk_data_transform(data), 0, M, out);
    for (int i = 0; i < M; i++) assert_true(out[i] == 9);
    lk_data_close(&data);
}

/* Another import of the same columns may number its words in another way. */
static void codes_of_another_file_are_matched_by_word(void **state)
{
    static const char *const shuffled[] = {"Ideal", "Fair", "Awful"};
    static const double      other[M][COLUMNS] = {
             {(double)NAN, 0, 35, 0}, {4.5, 2, (double)NAN, 1}, {4.5, -1, 35, 1}, {4.5, 1, 35, (double)NAN}};
    const char     *train[] = {"t.h5:/train"}, *test[] = {"t.h5:/test"};
    lk_data_options options = options_of(train, test);
    lk_data        *data = NULL, *input = NULL;
    lk_transform   *loaded = NULL;
    lk_h5          *file = NULL;
    float           in[N * WIDTH], out[N];
    (void)state;
    write_table();
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    assert_ok(lk_h5_create(path_of("saved.h5"), &file));
    assert_ok(lk_transform_save(lk_data_transform(data), file, "/input"));
    assert_ok(lk_h5_close(&file));
    lk_data_close(&data);
    assert_ok(lk_h5_open(path_of("saved.h5"), &file));
    assert_ok(lk_transform_load(file, "/input", &loaded));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_h5_create(path_of("other.h5"), &file));
    write_group(file, "/rows", shuffled, M, &other[0][0], test_y);
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_data_open_input(path_of("other.h5:/rows"), true, &options, loaded, NULL, &input));
    read_all(input, LK_SPLIT_TEST, in, out);
    check_test_rows(in);
    lk_data_close(&input);
    lk_transform_destroy(&loaded);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static lk_transform *saved_transform(const lk_data_options *options)
{
    lk_data      *data = NULL;
    lk_transform *loaded = NULL;
    lk_h5        *file = NULL;
    assert_ok(lk_data_open(options, 1, NULL, &data));
    assert_ok(lk_h5_create(path_of("saved.h5"), &file));
    assert_ok(lk_transform_save(lk_data_transform(data), file, "/input"));
    assert_ok(lk_h5_close(&file));
    lk_data_close(&data);
    assert_ok(lk_h5_open(path_of("saved.h5"), &file));
    assert_ok(lk_transform_load(file, "/input", &loaded));
    assert_ok(lk_h5_close(&file));
    return loaded;
}

static void input_fails(const char *name, const lk_data_options *options, const lk_transform *known,
                        lk_status status, const char *part)
{
    lk_data *data = NULL;
    assert_int_equal(lk_data_open_input(path_of(name), true, options, known, NULL, &data), status);
    if (!strstr(lk_error_message(), part)) print_error("'%s' lacks '%s'\n", lk_error_message(), part);
    assert_non_null(strstr(lk_error_message(), part));
}

/* Columns in another order and among others; a user's file, not one of ours. */
static void a_raw_csv_is_read_by_names_and_words(void **state)
{
    const char     *train[] = {"t.h5:/train"}, *test[] = {"t.h5:/test"};
    lk_data_options options = options_of(train, test);
    lk_data        *input = NULL;
    float           in[N * WIDTH], out[N];
    (void)state;
    write_table();
    lk_transform *known = saved_transform(&options);
    write_text(path_of("raw.csv"), "clarity,note,price,depth,cut,carat\n"
                                   "SI1,a,9,35,Ideal,\n"
                                   "VS2,b,9,NA,Splendid,4.5\n"
                                   "VS2,\"c,d\",9,35,Good,4.5\n"
                                   ",e,9,35,Fair,4.5\n");
    assert_ok(lk_data_open_input(path_of("raw.csv"), true, &options, known, NULL, &input));
    assert_int_equal(lk_data_n(input, LK_SPLIT_TEST), M);
    assert_true(lk_data_has_targets(input, LK_SPLIT_TEST));
    read_all(input, LK_SPLIT_TEST, in, out);
    check_test_rows(in);
    for (int i = 0; i < M; i++) assert_true(out[i] == 0);
    lk_data_close(&input);
    write_text(path_of("raw.csv"), "clarity,depth,cut,carat\nSI1,35,Ideal,\n");
    assert_ok(lk_data_open_input(path_of("raw.csv"), true, &options, known, NULL, &input));
    assert_false(lk_data_has_targets(input, LK_SPLIT_TEST));
    lk_data_close(&input);
    write_text(path_of("raw.csv"), "clarity,depth,cut\nSI1,35,Ideal\n");
    input_fails("raw.csv", &options, known, LK_E_DATA, "there is no column 'carat'");
    write_text(path_of("raw.csv"), "clarity,depth,cut,carat\nSI1,35,Ideal,1\nSI1,deep,Ideal,1\n");
    input_fails("raw.csv", &options, known, LK_E_DATA, "row 2, column 'depth': 'deep' is no number");
    lk_transform_destroy(&known);
}

static void write_npy(const char *path, const char *descr, const char *shape, const void *bytes, size_t size)
{
    char  header[118];
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr,
                     shape);
    memset(header + n, ' ', sizeof header - (size_t)n);
    header[sizeof header - 1] = '\n';
    fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file);
    fwrite(header, 1, sizeof header, file);
    fwrite(bytes, 1, size, file);
    assert_int_equal(fclose(file), 0);
}

static void an_npy_array_is_an_input_without_targets(void **state)
{
    enum { ROWS = 3, F = 2 };
    const char   *train[] = {"array.h5"};
    double        x[ROWS][F] = {{1, 20}, {2, 40}, {6, 90}}, y[ROWS] = {1, 2, 3};
    unsigned char big[ROWS][F][4] = {
        {{0, 0, 0, 1}, {0, 0, 0, 20}}, {{0, 0, 0, 2}, {0, 0, 0, 40}}, {{0, 0, 0, 6}, {0, 0, 0, 90}}};
    lk_data_options options = {
        .train = {.files = train, .n_files = 1}, .base = folder, .normalise = LK_NORMALISE_STANDARD};
    lk_h5          *file = NULL;
    lk_data        *data = NULL, *input = NULL;
    float           a[ROWS * F], b[ROWS * F], out[ROWS];
    int64_t         axes[] = {ROWS, F}, index[] = {0, 1, 2}, sample[ROWS];
    void           *to[] = {a}, *target[] = {out};
    lk_data_reader *reader = NULL;
    (void)state;
    assert_ok(lk_h5_create(path_of("array.h5"), &file));
    assert_ok(lk_h5_write(file, "/x", LK_H5_F64, 2, axes, x));
    assert_ok(lk_h5_write(file, "/y", LK_H5_F64, 1, axes, y));
    assert_ok(lk_h5_close(&file));
    lk_transform *known = saved_transform(&options);
    assert_ok(lk_data_open(&options, 1, known, &data));
    assert_ok(lk_data_reader_create(data, LK_SPLIT_TRAIN, NULL, &reader));
    assert_ok(lk_data_read(reader, ROWS, index, to, target, NULL, NULL, sample));
    lk_data_reader_destroy(&reader);
    lk_data_close(&data);
    write_npy(path_of("a.npy"), "<f8", "(3, 2)", x, sizeof x);
    write_npy(path_of("b.npy"), ">i4", "(3, 2)", big, sizeof big);
    write_npy(path_of("c.npy"), "<f8", "(3, 2, 1)", x, sizeof x);
    for (const char *name = "abc"; *name; name++) {
        char path[16] = {*name, '.', 'n', 'p', 'y'};
        assert_ok(lk_data_open_input(path_of(path), true, &options, known, NULL, &input));
        assert_false(lk_data_has_targets(input, LK_SPLIT_TEST));
        read_all(input, LK_SPLIT_TEST, b, out);
        assert_memory_equal(a, b, sizeof a);
        lk_data_close(&input);
    }
    write_npy(path_of("d.npy"), "<f8", "(2, 3)", x, sizeof x);
    input_fails("d.npy", &options, known, LK_E_SHAPE, "samples of array are 3, field 'x' takes 2");
    lk_transform_destroy(&known);
}

/* What eval reads from the imported file and predict from the user's: the same bits, row by row. */
static void an_imported_csv_and_the_raw_one_give_the_same_rows(void **state)
{
    enum { ROWS = 300, MOST = 16 };
    static const char *const colors[] = {"red", "green", "blue", ""}, *const targets[] = {"kind"};
    const char     *train[] = {"i.h5:/train"}, *test[] = {"i.h5:/test"};
    lk_import_split split = {.validation = 0.1, .test = 0.3, .seed = 5};
    lk_data_options options = options_of(train, test);
    lk_data        *data = NULL, *input = NULL;
    char           *text = NULL;
    static float    a[ROWS * MOST], b[ROWS * MOST];
    int32_t         ya[ROWS], yb[ROWS];
    int64_t         index[ROWS], sample[ROWS], at = 0;
    lk_data_reader *reader = NULL;
    void           *in_a[] = {a}, *out_a[] = {ya}, *in_b[] = {b}, *out_b[] = {yb};
    (void)state;
    FILE *file = fopen(path_of("i.csv"), "w");
    assert_non_null(file);
    fputs("width,color,kind,note\n", file);
    for (int i = 0; i < ROWS; i++) {
        const char *color = i == 7 ? "only once" : colors[i * 7 % 4];
        if (i % 11 == 3)
            fprintf(file, ",%s,%s,w%d\n", color, i % 3 ? "cat" : "dog", i % 5);
        else
            fprintf(file, "%.17g,%s,%s,w%d\n", i * 0.37 - 4, color, i % 3 ? "cat" : "dog", i % 5);
    }
    assert_int_equal(fclose(file), 0);
    assert_ok(lk_data_import_csv(path_of("i.csv"), targets, 1, &split, path_of("i.h5"), &text));
    free(text);
    options.normalise_targets = LK_NORMALISE_NONE;
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    const lk_transform *t = lk_data_transform(data);
    int64_t width = lk_shape_count(&lk_transform_input(t, 0)->shape), n = lk_data_n(data, LK_SPLIT_TEST);
    assert_int_equal(lk_transform_target(t, 0)->classes, 2);
    assert_in_range(width, 10, MOST);
    assert_in_range(n, 50, 130);
    for (int64_t i = 0; i < ROWS; i++) index[i] = i;
    assert_ok(lk_data_reader_create(data, LK_SPLIT_TEST, NULL, &reader));
    assert_ok(lk_data_read(reader, n, index, in_a, out_a, NULL, NULL, sample));
    lk_data_reader_destroy(&reader);
    assert_ok(lk_data_open_input(path_of("i.csv"), true, &options, t, NULL, &input));
    assert_int_equal(lk_data_n(input, LK_SPLIT_TEST), ROWS);
    assert_ok(lk_data_reader_create(input, LK_SPLIT_TEST, NULL, &reader));
    assert_ok(lk_data_read(reader, ROWS, index, in_b, out_b, NULL, NULL, sample));
    lk_data_reader_destroy(&reader);
    for (int64_t row = 0; row < ROWS; row++) {
        if (lk_import_split_of(&split, row) != LK_SPLIT_TEST) continue;
        assert_memory_equal(a + at * width, b + row * width, (size_t)width * sizeof *a);
        assert_int_equal(ya[at++], yb[row]);
    }
    assert_int_equal(at, n);
    lk_data_close(&input);
    lk_data_close(&data);
}

static void missing_cells_need_the_mean_and_a_constant_column_is_named(void **state)
{
    const char     *train[] = {"t.h5:/train"}, *test[] = {"t.h5:/test"};
    lk_data_options options = options_of(train, test);
    lk_data        *data = NULL;
    lk_h5          *file = NULL;
    double          x[N][COLUMNS];
    (void)state;
    write_table();
    options.normalise = LK_NORMALISE_NONE;
    assert_int_equal(lk_data_open(&options, 1, NULL, &data), LK_E_CONFIG);
    assert_non_null(strstr(lk_error_message(), "column 'depth' has missing cells"));
    options.normalise = LK_NORMALISE_STANDARD;
    memcpy(x, train_x, sizeof x);
    for (int i = 0; i < N; i++) x[i][0] = 3;
    assert_ok(lk_h5_create(path_of("t.h5"), &file));
    write_group(file, "/train", cuts, N, &x[0][0], train_y);
    write_group(file, "/test", cuts, M, &test_x[0][0], test_y);
    assert_ok(lk_h5_close(&file));
    assert_int_equal(lk_data_open(&options, 1, NULL, &data), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "column 'carat' is 3 in all training rows"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_become_what_training_rows_decide),
        cmocka_unit_test(codes_of_another_file_are_matched_by_word),
        cmocka_unit_test(a_raw_csv_is_read_by_names_and_words),
        cmocka_unit_test(an_imported_csv_and_the_raw_one_give_the_same_rows),
        cmocka_unit_test(an_npy_array_is_an_input_without_targets),
        cmocka_unit_test(missing_cells_need_the_mean_and_a_constant_column_is_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
