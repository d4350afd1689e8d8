/* Importers: what comes out is what went in, on whichever side of a split; and what cannot be right is refused. */
#include "lk_test_folder.h"

#include <sys/stat.h>
#ifdef LK_HAVE_ZLIB
#include <zlib.h>
#endif

#include "core/alloc.h"
#include "data/import.h"
#include "io/h5.h"

static void write_bytes(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* An NPY file: header and values. */
static void write_npy(const char *name, const char *descr, const char *shape, const void *values, size_t size)
{
    static char bytes[1 << 22];
    char        header[128];
    int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr,
                     shape);
    memcpy(bytes, "\x93NUMPY\1\0", 8);
    bytes[8] = 118;
    bytes[9] = 0;
    memset(bytes + 10, ' ', 118);
    memcpy(bytes + 10, header, (size_t)n);
    bytes[127] = '\n';
    memcpy(bytes + 128, values, size);
    write_bytes(name, bytes, 128 + size);
}

/* All of a dataset as doubles; its type and rows. */
static double *read_back(const char *dataset, lk_h5_info *info)
{
    lk_h5  *file = NULL;
    int64_t start[LK_H5_MAX_AXES] = {0}, n = 1;
    double *values = NULL;
    assert_ok(lk_h5_open(path_of("out.h5"), &file));
    assert_ok(lk_h5_stat(file, dataset, info));
    for (int i = 0; i < info->n_axes; i++) n *= info->axis[i];
    assert_ok(LK_ALLOC(n + 1, &values));
    assert_ok(lk_h5_read(file, dataset, start, info->axis, LK_H5_F64, values));
    lk_h5_abandon(&file);
    return values;
}

enum { ROWS = 5000, WIDTH = 100 }; /* several runs of an import */

static void npy_rows_go_to_their_splits_in_order(void **state)
{
    static uint16_t x[ROWS * WIDTH];
    static int32_t  y[ROWS];
    lk_import_split split = {.validation = 0.2, .test = 0.1, .seed = 3};
    lk_h5_info      info;
    char           *text = NULL;
    int64_t         next[LK_SPLITS] = {0};
    (void)state;
    for (int i = 0; i < ROWS * WIDTH; i++) x[i] = __builtin_bswap16((uint16_t)(i * 7919));
    for (int i = 0; i < ROWS; i++) y[i] = i;
    write_npy("x.npy", ">u2", "(5000, 10, 10)", x, sizeof x);
    write_npy("y.npy", "<i4", "(5000,)", y, sizeof y);
    assert_ok(lk_data_import_npy(path_of("x.npy"), path_of("y.npy"), &split, path_of("out.h5"), &text));
    free(text);
    double *got_x[LK_SPLITS], *got_y[LK_SPLITS];
    int64_t rows[LK_SPLITS], all = 0;
    for (int s = 0; s < LK_SPLITS; s++) {
        char name[32];
        snprintf(name, sizeof name, "/%s/y", lk_split_names[s]);
        got_y[s] = read_back(name, &info);
        all += rows[s] = info.axis[0];
        snprintf(name, sizeof name, "/%s/x", lk_split_names[s]);
        got_x[s] = read_back(name, &info);
        assert_int_equal(info.type, LK_H5_U16);
        assert_int_equal(info.axis[0], rows[s]);
    }
    assert_int_equal(all, ROWS);
    for (int i = 0; i < ROWS; i++) {
        lk_split s = lk_import_split_of(&split, i);
        int64_t  at = next[s]++;
        assert_true(got_y[s][at] == i);
        for (int k = 0; k < WIDTH; k++)
            assert_true(got_x[s][at * WIDTH + k] == (double)(uint16_t)((i * WIDTH + k) * 7919));
    }
    for (int s = 0; s < LK_SPLITS; s++) {
        lk_free(&got_x[s]);
        lk_free(&got_y[s]);
    }
}

static void halves_become_floats_of_the_same_value(void **state)
{
    /* 1, -2, 65504, the least subnormal, 0.333251953125 */
    static const uint16_t little[] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x3555};
    static const double   value[] = {1, -2, 65504, 5.9604644775390625e-08, 0.333251953125};
    uint16_t              big[5];
    lk_import_split       split = {.seed = 1};
    lk_h5_info            info;
    char                 *text = NULL;
    (void)state;
    for (int i = 0; i < 5; i++) big[i] = __builtin_bswap16(little[i]);
    write_npy("x.npy", "<f2", "(5,)", little, sizeof little);
    write_npy("y.npy", ">f2", "(5,)", big, sizeof big);
    assert_ok(lk_data_import_npy(path_of("x.npy"), path_of("y.npy"), &split, path_of("out.h5"), &text));
    free(text);
    for (int k = 0; k < 2; k++) {
        double *got = read_back(k ? "/train/y" : "/train/x", &info);
        assert_int_equal(info.type, LK_H5_F32);
        assert_memory_equal(got, value, sizeof value);
        lk_free(&got);
    }
}

static void npy_fails(const char *descr, const char *shape, size_t size, const char *part)
{
    static char     values[4096];
    lk_import_split split = {.seed = 1};
    char           *text = NULL;
    write_npy("x.npy", descr, shape, values, size);
    assert_int_equal(lk_data_import_npy(path_of("x.npy"), path_of("x.npy"), &split, path_of("out.h5"), &text),
                     LK_E_DATA);
    if (!strstr(lk_error_message(), part)) print_error("'%s' lacks '%s'\n", lk_error_message(), part);
    assert_non_null(strstr(lk_error_message(), part));
    assert_non_null(strstr(lk_error_message(), "x.npy"));
}

static void npy_headers_that_lie_are_refused(void **state)
{
    (void)state;
    npy_fails("<f4", "(3, 2)", 20, "20 bytes of values, its header asks for 24");
    npy_fails("<f4", "(3, 2)", 28, "28 bytes of values, its header asks for 24");
    npy_fails("<f4", "(3, 2", 24, "no shape");
    npy_fails("<f4", "(-3, 2)", 24, "no shape");
    npy_fails("<f4", "(9223372036854775807, 2)", 24, "no shape");
    npy_fails("<f4", "(4611686018427387904, 4611686018427387904)", 24, "more than any file holds");
    npy_fails("<f4", "(1,1,1,1,1,1,1,1,6)", 24, "no shape of at most 8 axes");
    npy_fails("<f4", "()", 4, "one value");
    npy_fails("<f4", "(0, 6)", 0, "has no value");
    npy_fails("<c8", "(3,)", 24, "type '<c8'");
    npy_fails("|O", "(3,)", 24, "type '|O'");
}

#ifdef LK_HAVE_ZLIB
static void put_word(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Sizes as they stand in the header, packed with zeros behind. */
static void write_packed(const char *name, uint32_t n, uint32_t h, uint32_t w, size_t zeros)
{
    uint8_t head[16] = {0, 0, 8, 3};
    char   *nothing = NULL;
    put_word(head + 4, n);
    put_word(head + 8, h);
    put_word(head + 12, w);
    assert_ok(LK_ALLOC(zeros + 1, &nothing));
    gzFile file = gzopen(path_of(name), "wb9");
    assert_int_equal(gzwrite(file, head, sizeof head), sizeof head);
    if (zeros) assert_int_equal(gzwrite(file, nothing, (unsigned)zeros), (int)zeros);
    gzclose(file);
    lk_free(&nothing);
}

static void a_packed_file_unpacks_to_what_its_header_says_or_not_at_all(void **state)
{
    static const struct {
        uint32_t    n, h, w;
        size_t      zeros;
        const char *part;
    } cases[] = {{2, 3, 4, 64 << 20, "more than the 40 bytes its header asks for"},
                 {2, 3, 4, 20, "36 bytes, its header asks for 40"},
                 {4000000000u, 65535, 65535, 100, "more than"},
                 {60000, 28, 28, 100, "more than"}};
    uint8_t         labels[10] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};
    lk_import_split split = {.seed = 1};
    char           *text = NULL;
    (void)state;
    write_bytes("labels", labels, sizeof labels);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_packed("images.gz", cases[i].n, cases[i].h, cases[i].w, cases[i].zeros);
        assert_int_equal(lk_data_import_idx(path_of("images.gz"), path_of("labels"), NULL, NULL, &split,
                                            path_of("never.h5"), &text),
                         LK_E_DATA);
        if (!strstr(lk_error_message(), cases[i].part)) print_error("%s\n", lk_error_message());
        assert_non_null(strstr(lk_error_message(), cases[i].part));
        assert_int_not_equal(access(path_of("never.h5"), F_OK), 0);
    }
    write_packed("images.gz", 2, 3, 4, 24);
    assert_ok(lk_data_import_idx(path_of("images.gz"), path_of("labels"), NULL, NULL, &split,
                                 path_of("out.h5"), &text));
    free(text);
    lk_h5_info info;
    double    *x = read_back("/train/x", &info);
    assert_int_equal(info.axis[1] * 10 + info.axis[2], 34);
    lk_free(&x);
}
#endif

static lk_status import_csv(const char *text, const char *target)
{
    lk_import_split split = {.seed = 1};
    char           *said = NULL;
    write_bytes("t.csv", text, strlen(text));
    lk_status st = lk_data_import_csv(path_of("t.csv"), &target, 1, &split, path_of("out.h5"), &said);
    free(said);
    return st;
}

static void csv_fails(const char *text, const char *target, const char *part)
{
    lk_error_clear();
    assert_int_not_equal(import_csv(text, target), LK_OK);
    if (!strstr(lk_error_message(), part)) print_error("'%s' lacks '%s'\n", lk_error_message(), part);
    assert_non_null(strstr(lk_error_message(), part));
}

static void csv_rows_keep_their_letters_and_say_where_they_are_wrong(void **state)
{
    lk_h5_info info;
    (void)state;
    csv_fails("a,b,t\r\n1,\"x \"\"y\"\", z\",3\r\n\r\n2.5,\"two\nlines\"\r\n", "a",
              ":4: 2 cells, the header has 3");
    assert_ok(import_csv("a,b,t\r\n1,\"x \"\"y\"\", z\",3\r\n\r\n2.5,\"two\nlines\",4.25\r\n", "t"));
    double *x = read_back("/train/x", &info), *y = read_back("/train/y", &info);
    assert_true(x[0] == 1 && x[2] == 2.5 && y[0] == 3 && y[1] == 4.25);
    lk_free(&x);
    lk_free(&y);
    csv_fails("a,t\n\"1\"\rb,2\n", "t", ":2: text behind a closing quote");
    csv_fails("a,t\n\"1\"b,2\n", "t", ":2: text behind a closing quote");
    csv_fails("a,t\n\"1,2\n", "t", ":2: a quoted cell that begins here never ends");
    csv_fails("a;t\n1;2\n", "t", "separated by ';'");
    csv_fails("a\tt\n1\t2\n", "t", "separated by tabs");
    csv_fails("a,a,t\n1,2,3\n", "t", ":1: two columns are called 'a'");
    csv_fails("a,t\n1,\xff\n", "t", ":2: the text is not UTF-8 (byte 0xff)");
    csv_fails("a,t\n1,\xe4\xb8\n", "t", ":2: the text is not UTF-8");
    csv_fails("a,t\n", "t", "no row behind the header");
    csv_fails("a,t\n1,\n2,3\n", "t", "row 1: target 't' is ''; every row needs one");
}

/* Headers and rows that multiply: the file has as many cells as it has separators, not 60,000 times 200,000. */
static void a_wide_header_over_empty_lines_takes_little_memory(void **state)
{
    enum { WIDE = 60000, LINES = 200000 };
    char *text = NULL, *at;
    (void)state;
    assert_ok(LK_ALLOC(WIDE * 8 + LINES + 16, &text));
    at = text;
    for (int i = 0; i < WIDE; i++) at += sprintf(at, "c%d,", i);
    at += sprintf(at, "t\n");
    memset(at, '\n', LINES);
    csv_fails(text, "t", "no row behind the header");
    lk_free(&text);
}

/* An attribute of more than 64 KiB. */
static void a_dictionary_of_twenty_thousand_words_is_kept(void **state)
{
    enum { WORDS = 20000 };
    char   *text = NULL, *at, **words = NULL;
    int64_t n = 0;
    lk_h5  *file = NULL;
    (void)state;
    assert_ok(LK_ALLOC(WORDS * 24, &text));
    at = text + sprintf(text, "word,t\n");
    for (int i = 0; i < WORDS; i++) at += sprintf(at, "w%05d,%d.5\n", i * 7919 % WORDS, i);
    assert_ok(import_csv(text, "t"));
    assert_ok(lk_h5_open(path_of("out.h5"), &file));
    assert_ok(lk_h5_get_texts(file, "/train", "dictionary_word", &words, &n));
    assert_int_equal(n, WORDS);
    assert_string_equal(words[0], "w00000");
    assert_string_equal(words[WORDS - 1], "w19999");
    for (int i = 0; i < WORDS; i++) lk_free(&words[i]);
    lk_free(&words);
    lk_h5_abandon(&file);
    lk_free(&text);
}

static int drop_folder(void **state)
{
    static const char *const names[] = {"x.npy", "y.npy", "out.h5", "labels", "images.gz", "t.csv"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(path_of(names[i]));
    return rmdir(folder); /* nothing else was left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy_rows_go_to_their_splits_in_order),
        cmocka_unit_test(halves_become_floats_of_the_same_value),
        cmocka_unit_test(npy_headers_that_lie_are_refused),
#ifdef LK_HAVE_ZLIB
        cmocka_unit_test(a_packed_file_unpacks_to_what_its_header_says_or_not_at_all),
#endif
        cmocka_unit_test(csv_rows_keep_their_letters_and_say_where_they_are_wrong),
        cmocka_unit_test(a_wide_header_over_empty_lines_takes_little_memory),
        cmocka_unit_test(a_dictionary_of_twenty_thousand_words_is_kept),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
