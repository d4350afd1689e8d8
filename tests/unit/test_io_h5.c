/* HDF5: every type and layout comes back; what is cut, foreign or hostile is refused with a name. */
#include "lk_test_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <hdf5.h>

#include "core/alloc.h"
#include "io/atomic.h"
#include "io/h5.h"

enum { ROWS = 7, COLUMNS = 5, N = ROWS * COLUMNS };

static char path[128];

static const int64_t SHAPE[2] = {ROWS, COLUMNS}, ORIGIN[2] = {0, 0};

static int begin(void **state)
{
    if (make_folder(state) != 0) return -1;
    snprintf(path, sizeof path, "%s", path_of("a.h5"));
    return 0;
}

/* The extremes first, then small numbers, both signs. */
static double sample(lk_h5_type type, int i)
{
    static const double low[] = {-128, 0, -32768, 0, -2147483648.0, 0, -9007199254740992.0, 0};
    static const double high[] = {
        127, 255, 32767, 65535, 2147483647.0, 4294967295.0, 9007199254740992.0, 9007199254740992.0};
    if (type < LK_H5_F16 && i == 0) return low[type];
    if (type < LK_H5_F16 && i == 1) return high[type];
    if (type >= LK_H5_F16) return 0.25 * i - 3;
    return type % 2 ? i : i - 10; /* odd ones are unsigned */
}

static const hid_t *stored_types(bool big, hid_t types[11])
{
    const hid_t little_types[] = {H5T_STD_I8LE,   H5T_STD_U8LE,   H5T_STD_I16LE, H5T_STD_U16LE,
                                  H5T_STD_I32LE,  H5T_STD_U32LE,  H5T_STD_I64LE, H5T_STD_U64LE,
                                  H5T_IEEE_F32LE, H5T_IEEE_F32LE, H5T_IEEE_F64LE};
    const hid_t big_types[] = {H5T_STD_I8BE,   H5T_STD_U8BE,   H5T_STD_I16BE, H5T_STD_U16BE,
                               H5T_STD_I32BE,  H5T_STD_U32BE,  H5T_STD_I64BE, H5T_STD_U64BE,
                               H5T_IEEE_F32BE, H5T_IEEE_F32BE, H5T_IEEE_F64BE};
    memcpy(types, big ? big_types : little_types, sizeof little_types);
    return types;
}

/* IEEE half: HDF5 1.10 has no name for it, so it is made of its fields. */
static hid_t half_type(bool big)
{
    hid_t type = H5Tcopy(big ? H5T_IEEE_F32BE : H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

/* Plain HDF5, as a stranger would write it. */
static void write_foreign(const char *name, lk_h5_type kind, bool big, const hsize_t *chunk)
{
    hid_t   types[11];
    hsize_t axes[2] = {ROWS, COLUMNS};
    double  values[N];
    for (int i = 0; i < N; i++) values[i] = sample(kind, i);
    hid_t file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(2, axes, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
    hid_t type = kind == LK_H5_F16 ? half_type(big) : H5Tcopy(stored_types(big, types)[kind]);
    if (chunk) {
        H5Pset_chunk(create, 2, chunk);
        H5Pset_shuffle(create);
        H5Pset_deflate(create, 6);
    }
    hid_t dataset = H5Dcreate2(file, "x", type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    assert_true(dataset >= 0);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(dataset);
    H5Tclose(type);
    H5Pclose(create);
    H5Sclose(space);
    assert_true(H5Fclose(file) >= 0);
}

static void expect_samples(lk_h5 *file, lk_h5_type kind)
{
    double  values[N], one = 0;
    int64_t at[2] = {3, 2}, single[2] = {1, 1};
    assert_ok(lk_h5_read(file, "x", ORIGIN, SHAPE, LK_H5_F64, values));
    for (int i = 0; i < N; i++) assert_true(values[i] == sample(kind, i));
    assert_ok(lk_h5_read(file, "x", at, single, LK_H5_F64, &one));
    assert_true(one == sample(kind, 3 * COLUMNS + 2));
    single[0] = 5;
    assert_status(lk_h5_read(file, "x", at, single, LK_H5_F64, values), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "outside axis 0 of length 7"));
}

static void types_orders_and_layouts_come_back(void **state)
{
    static const hsize_t chunk[2] = {3, 2};
    (void)state;
    for (int kind = LK_H5_I8; kind <= LK_H5_F64; kind++) {
        for (int variant = 0; variant < 4; variant++) {
            lk_h5     *file;
            lk_h5_info info;
            bool       big = variant % 2, chunked = variant / 2;
            write_foreign(path, (lk_h5_type)kind, big, chunked ? chunk : NULL);
            assert_ok(lk_h5_open(path, &file));
            assert_ok(lk_h5_stat(file, "x", &info));
            assert_int_equal(info.type, kind);
            assert_int_equal(info.big_endian, big);
            assert_int_equal(info.n_axes, 2);
            assert_true(info.axis[0] == ROWS && info.axis[1] == COLUMNS && info.chunked == chunked);
            assert_string_equal(info.filters, chunked ? "shuffle,deflate" : "");
            if (chunked)
                assert_true(info.chunk[0] == 3 && info.chunk[1] == 2 && info.file_offset == -1);
            else
                assert_true(info.file_offset > 0);
            expect_samples(file, (lk_h5_type)kind);
            lk_h5_abandon(&file);
        }
    }
}

/* What the fast reader relies on: the offset leads to the plain numbers in the file. */
static void the_offset_leads_to_the_bytes(void **state)
{
    lk_h5     *file;
    lk_h5_info info;
    int32_t    values[N], back[N];
    (void)state;
    for (int i = 0; i < N; i++) values[i] = 7 * i - 100;
    assert_ok(lk_h5_create(path, &file));
    assert_ok(lk_h5_write(file, "/a/b/c", LK_H5_I32, 2, SHAPE, values));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_h5_open(path, &file));
    assert_ok(lk_h5_stat(file, "/a/b/c", &info));
    int raw = open(path, O_RDONLY);
    assert_int_equal(pread(raw, back, sizeof back, info.file_offset), sizeof back);
    close(raw);
    assert_memory_equal(back, values, sizeof values);
    assert_true(lk_h5_is_group(file, "/a/b") && !lk_h5_is_group(file, "/a/b/c") &&
                lk_h5_exists(file, "/a/b/c"));
    assert_false(lk_h5_exists(file, "/a/x") || lk_h5_exists(file, "/a/x/y") || lk_h5_is_group(file, "/z"));
    lk_h5_abandon(&file);
}

static void boxes_are_written_where_they_belong(void **state)
{
    lk_h5  *file;
    int64_t start[2] = {2, 1}, count[2] = {3, 2};
    double  box[6] = {1, 2, 3, 4, 5, 6}, back[N];
    (void)state;
    assert_ok(lk_h5_create(path, &file));
    assert_ok(lk_h5_create_dataset(file, "/x", LK_H5_I16, 2, SHAPE));
    assert_ok(lk_h5_write_box(file, "/x", start, count, LK_H5_F64, box));
    count[1] = 5;
    assert_status(lk_h5_write_box(file, "/x", start, count, LK_H5_F64, back), LK_E_DATA);
    assert_ok(lk_h5_read(file, "/x", ORIGIN, SHAPE, LK_H5_F64, back));
    for (int i = 0; i < N; i++) {
        int  r = i / COLUMNS - 2, c = i % COLUMNS - 1;
        bool inside = r >= 0 && r < 3 && c >= 0 && c < 2;
        assert_true(back[i] == (inside ? box[r * 2 + c] : 0));
    }
    assert_ok(lk_h5_close(&file));
}

static void texts_and_attributes_come_back(void **state)
{
    static const char *const words[] = {"", "plain", "gr\xc3\xbc\xc3\x9f", "with, comma"};
    static const double      numbers[] = {0.1, -1e300, HUGE_VAL};
    lk_h5                   *file;
    char                   **texts, *text;
    double                  *values;
    int64_t                  n, integer;
    (void)state;
    assert_ok(lk_h5_create(path, &file));
    assert_ok(lk_h5_write_strings(file, "/w", words, 4));
    assert_ok(lk_h5_put_text(file, "/g/h", "title", words[2])); /* makes the group */
    assert_ok(lk_h5_put_text(file, "/g/h", "title", "again"));
    assert_ok(lk_h5_put_texts(file, "/w", "words", words, 4));
    assert_ok(lk_h5_put_doubles(file, "/g", "numbers", numbers, 3));
    assert_ok(lk_h5_put_int(file, "/g", "integer", INT64_MIN));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_h5_open(path, &file));
    for (int round = 0; round < 2; round++) {
        if (round == 0) assert_ok(lk_h5_read_strings(file, "/w", &texts, &n));
        if (round == 1) assert_ok(lk_h5_get_texts(file, "/w", "words", &texts, &n));
        assert_int_equal(n, 4);
        for (int i = 0; i < 4; i++) {
            assert_string_equal(texts[i], words[i]);
            lk_free(&texts[i]);
        }
        lk_free(&texts);
    }
    assert_ok(lk_h5_get_text(file, "/g/h", "title", &text));
    assert_string_equal(text, "again");
    lk_free(&text);
    assert_ok(lk_h5_get_doubles(file, "/g", "numbers", &values, &n));
    assert_int_equal(n, 3);
    assert_memory_equal(values, numbers, sizeof numbers);
    lk_free(&values);
    assert_ok(lk_h5_get_int(file, "/g", "integer", &integer));
    assert_true(integer == INT64_MIN);
    assert_true(lk_h5_has_attribute(file, "/g", "integer") && !lk_h5_has_attribute(file, "/g", "none"));
    assert_status(lk_h5_get_text(file, "/g", "none", &text), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "none"));
    assert_status(lk_h5_get_int(file, "/nowhere", "x", &integer), LK_E_DATA);
    assert_status(lk_h5_read_strings(file, "/g", &texts, &n), LK_E_DATA);
    lk_h5_abandon(&file);
}

/* Reads whatever the file gives; only crashes, hangs and leaks count. */
static void rummage(const char *bytes, size_t size)
{
    lk_h5     *file;
    lk_h5_info info;
    float      row[COLUMNS];
    char     **texts;
    int64_t    n, first[2] = {1, COLUMNS};
    lk_status  st = lk_h5_open_image(bytes, size, "spoiled", &file);
    if (st != LK_OK) {
        assert_true(st == LK_E_DATA || st == LK_E_NOMEM);
        assert_non_null(strstr(lk_error_message(), "spoiled"));
        return;
    }
    if (lk_h5_stat(file, "x", &info) == LK_OK && info.n_axes == 2 && info.axis[1] >= COLUMNS)
        (void)lk_h5_read(file, "x", ORIGIN, first, LK_H5_F32, row);
    if (lk_h5_read_strings(file, "w", &texts, &n) == LK_OK) {
        for (int64_t i = 0; i < n; i++) lk_free(&texts[i]);
        lk_free(&texts);
    }
    lk_h5_abandon(&file);
}

static void cut_files_and_noise_are_survived(void **state)
{
    static const char *const words[] = {"one", "two"};
    lk_h5                   *file;
    char                    *bytes, noise[4096];
    float                    values[N] = {0};
    size_t                   size;
    uint32_t                 word = 2463534242u;
    (void)state;
    assert_ok(lk_h5_create(path, &file));
    assert_ok(lk_h5_write_chunked(file, "x", LK_H5_F32, 2, SHAPE, SHAPE, 4, values));
    assert_ok(lk_h5_write_strings(file, "w", words, 2));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_file_read(path, 1 << 20, &bytes, &size));
    for (size_t n = 0; n < size; n += 97) {
        FILE *out = fopen(path, "wb");
        assert_int_equal(fwrite(bytes, 1, n, out), n);
        fclose(out);
        assert_status(lk_h5_open(path, &file), LK_E_DATA); /* HDF5 knows its length */
        assert_non_null(strstr(lk_error_message(), path));
        assert_null(file);
    }
    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (char)((word = word * 1664525u + 1013904223u) >> 24);
        if (round % 2) memcpy(noise, bytes, 8); /* the signature, then noise */
        rummage(noise, sizeof noise);
    }
    lk_free(&bytes);
}

static size_t pass_through(unsigned flags, size_t n_values, const unsigned *values, size_t size, size_t *room,
                           void **buffer)
{
    (void)flags, (void)n_values, (void)values, (void)room, (void)buffer;
    return size;
}

static void an_unknown_filter_is_named(void **state)
{
    const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, 32015, 1, 1, "zstd look-alike", NULL, NULL, pass_through};
    hsize_t            axes[1] = {8}, chunk[1] = {4};
    float              values[8] = {0};
    lk_h5             *file;
    lk_h5_info         info;
    (void)state;
    assert_true(H5Zregister(&filter) >= 0);
    hid_t out = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(1, axes, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(create, 1, chunk);
    assert_true(H5Pset_filter(create, 32015, H5Z_FLAG_MANDATORY, 0, NULL) >= 0);
    hid_t dataset = H5Dcreate2(out, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, create, H5P_DEFAULT);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(dataset);
    H5Pclose(create);
    H5Sclose(space);
    H5Fclose(out);
    assert_true(H5Zunregister(32015) >= 0);
    assert_ok(lk_h5_open(path, &file));
    assert_status(lk_h5_stat(file, "x", &info), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "32015"));
    assert_non_null(strstr(lk_error_message(), "zstd look-alike"));
    assert_non_null(strstr(lk_error_message(), "h5repack"));
    lk_h5_abandon(&file);
}

static lk_status count_dataset(void *context, const char *name, lk_h5_kind kind)
{
    (void)name;
    *(int *)context += kind == LK_H5_DATASET;
    return LK_OK;
}

typedef struct visited {
    char text[2048];
} visited;

static lk_status note_link(void *context, const char *where, const char *what)
{
    visited *v = context;
    size_t   used = strlen(v->text);
    snprintf(v->text + used, sizeof v->text - used, "%s%s|%s", used ? " " : "", where, what);
    return LK_OK;
}

/* CVE-2026-1669: a file must not make us read another one. */
static void what_leads_out_of_the_file_is_refused(void **state)
{
    hsize_t    axes[1] = {4};
    lk_h5     *file;
    lk_h5_info info;
    float      values[4];
    int64_t    first[1] = {0}, four[1] = {4};
    int        n = 0;
    (void)state;
    const char *other = path_of("other.h5");
    write_foreign(other, LK_H5_F32, false, NULL);
    hid_t out = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Lcreate_external(other, "/x", out, "link", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external(other, "/", out, "root", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_soft("/loop", out, "loop", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    hid_t space = H5Screate_simple(1, axes, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(create, "/etc/passwd", 0, 16);
    H5Dclose(H5Dcreate2(out, "outside", H5T_IEEE_F32LE, space, H5P_DEFAULT, create, H5P_DEFAULT));
    H5Pclose(create);
    create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_virtual(create, space, other, "/x", space);
    H5Dclose(H5Dcreate2(out, "virtual", H5T_IEEE_F32LE, space, H5P_DEFAULT, create, H5P_DEFAULT));
    H5Pclose(create);
    H5Sclose(space);
    H5Fclose(out);
    assert_ok(lk_h5_open(path, &file));
    static const char *const ways[] = {"link", "root/x", "loop", "outside", "virtual"};
    static const char *const words[] = {"link is an external link to /x of ",
                                        "root is an external link to / of ",
                                        "loop is a soft link to /loop, which leads to nothing",
                                        "/etc/passwd); a file is read without others", "h5repack -l CONTI"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        assert_status(lk_h5_stat(file, ways[i], &info), LK_E_DATA);
        assert_non_null(strstr(lk_error_message(), ways[i]));
        assert_non_null(strstr(lk_error_message(), words[i]));
        if (i == 0 || i == 1 || i == 4) assert_non_null(strstr(lk_error_message(), "other.h5"));
        /* A caller that does not ask first gets no further. */
        if (lk_h5_read(file, ways[i], first, four, LK_H5_F32, values) == LK_OK)
            fail_msg("%s was read", ways[i]);
    }
    assert_false(lk_h5_is_group(file, "root") || lk_h5_is_group(file, "loop"));
    assert_ok(lk_h5_walk(file, "/", count_dataset, &n));
    assert_int_equal(n, 2); /* links are not shown, the two datasets are, and refused above */
    visited v = {""};
    assert_ok(lk_h5_each_link(file, "/", note_link, &v));
    assert_int_equal(strncmp(v.text, "/link|external link to /x of ", 29), 0);
    assert_non_null(strstr(v.text, " /loop|soft link to /loop /root|external link to / of "));
    assert_status(lk_h5_each_link(file, "/outside", note_link, &v), LK_E_DATA);
    lk_h5_abandon(&file);
}

static lk_status note(void *context, const char *where, lk_h5_kind kind)
{
    visited *v = context;
    size_t   used = strlen(v->text);
    snprintf(v->text + used, sizeof v->text - used, "%s%s ", kind == LK_H5_GROUP ? "g" : "d", where);
    return LK_OK;
}

static void a_walk_meets_each_object_once(void **state)
{
    int32_t values[2] = {1, 2};
    int64_t two[1] = {2};
    lk_h5  *file;
    visited v = {""};
    (void)state;
    assert_ok(lk_h5_create(path, &file));
    assert_ok(lk_h5_write(file, "/b/x", LK_H5_I32, 1, two, values));
    assert_ok(lk_h5_write(file, "/a/c/y", LK_H5_I32, 1, two, values));
    assert_ok(lk_h5_close(&file));
    hid_t out = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    H5Lcreate_hard(out, "/", out, "/a/c/ring", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(out, "/a", out, "/b/a_again", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/b/x", out, "/a/soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(out);
    assert_ok(lk_h5_open(path, &file));
    assert_ok(lk_h5_walk(file, "/", note, &v));
    assert_string_equal(v.text, "g/ g/a g/a/c d/a/c/y g/b d/b/x ");
    v.text[0] = 0;
    assert_ok(lk_h5_walk(file, "/b/x", note, &v));
    assert_string_equal(v.text, "d/b/x ");
    lk_status st = LK_E_NOMEM;
    int       n = 0;
    for (; st == LK_E_NOMEM; n++) { /* a walk that is short of memory is no file that cannot be listed */
        v.text[0] = 0;
        lk_alloc_fail_at(n + 1);
        st = lk_h5_walk(file, "/", note, &v);
    }
    lk_alloc_fail_at(0);
    assert_int_equal(st, LK_OK);
    assert_true(n > 6);
    lk_h5_abandon(&file);
}

static lk_status note_attribute(void *context, const char *name, const void *bytes, size_t size)
{
    visited *v = context;
    size_t   used = strlen(v->text);
    unsigned sum = 0;
    for (size_t i = 0; i < size; i++) sum += ((const unsigned char *)bytes)[i];
    snprintf(v->text + used, sizeof v->text - used, "%s:%zu:%u ", name, size, sum);
    return LK_OK;
}

static void all_attributes_are_shown_by_name(void **state)
{
    static const char *const words[] = {"a", "bc"};
    lk_h5                   *file;
    visited                  v = {""};
    double                   numbers[2] = {0, 0};
    (void)state;
    assert_ok(lk_h5_create(path, &file));
    assert_ok(lk_h5_put_texts(file, "/g", "words", words, 2));
    assert_ok(lk_h5_put_doubles(file, "/g", "numbers", numbers, 2));
    assert_ok(lk_h5_put_int(file, "/g", "count", 258));
    assert_ok(lk_h5_each_attribute(file, "/g", note_attribute, &v));
    assert_string_equal(v.text, "count:8:3 numbers:16:0 words:5:294 ");
    lk_h5_abandon(&file);
}

static void wrong_files_are_named(void **state)
{
    lk_h5     *file;
    lk_h5_info info;
    (void)state;
    assert_status(lk_h5_open("/nowhere/x.h5", &file), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "/nowhere/x.h5"));
    assert_status(lk_h5_open(folder, &file), LK_E_DATA);
    assert_status(lk_h5_create("/nowhere/x.h5", &file), LK_E_IO);
    assert_null(file);
    write_foreign(path, LK_H5_F32, false, NULL);
    assert_ok(lk_h5_open(path, &file));
    assert_status(lk_h5_stat(file, "y", &info), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "y"));
    assert_status(lk_h5_stat(file, "/", &info), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "is a group"));
    lk_h5_abandon(&file);
}

/* 2^59 texts of 64 bytes: 0 bytes, to who counts in 64 bits. */
static void a_claim_that_no_number_holds_is_refused(void **state)
{
    static const struct {
        const char *name, *answer;
        hsize_t     count;
        size_t      bytes;
    } claims[] = {{"wraps", "claims a size that no machine has", (hsize_t)1 << 59, 64},
                  {"negative", "claims a size that no machine has", (hsize_t)1 << 59, 16},
                  {"large", "was made but never written", (hsize_t)1 << 50, 64}};
    lk_h5     *file;
    lk_h5_info info;
    size_t     bytes;
    (void)state;
    hid_t out = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        hsize_t chunk = 64;
        hid_t   type = H5Tcopy(H5T_C_S1), create = H5Pcreate(H5P_DATASET_CREATE);
        hid_t   space = H5Screate_simple(1, &claims[i].count, NULL);
        H5Tset_size(type, claims[i].bytes);
        H5Pset_chunk(create, 1, &chunk);
        hid_t set = H5Dcreate2(out, claims[i].name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
        assert_true(set >= 0);
        H5Dclose(set);
        H5Sclose(space);
        H5Pclose(create);
        H5Tclose(type);
    }
    H5Fclose(out);
    assert_ok(lk_h5_open(path, &file));
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        assert_status(lk_h5_stat(file, claims[i].name, &info), LK_E_DATA);
        assert_non_null(strstr(lk_error_message(), claims[i].answer));
        assert_status(lk_h5_stat_raw(file, claims[i].name, &info, &bytes), LK_E_DATA);
    }
    lk_h5_abandon(&file);
}

/* As somebody who may not read all: root may. */
static void a_file_that_cannot_be_read_is_not_called_missing(void **state)
{
    lk_h5 *file;
    char   beyond[160];
    (void)state;
    write_foreign(path, LK_H5_F32, false, NULL);
    snprintf(beyond, sizeof beyond, "%s/x", path);
    assert_status(lk_h5_open(beyond, &file), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "there is no such file"));
    assert_int_equal(symlink("ring.h5", path_of("ring.h5")), 0);
    assert_status(lk_h5_open(path_of("ring.h5"), &file), LK_E_IO);
    assert_non_null(strstr(lk_error_message(), "ring.h5: Too many levels of symbolic links"));
    bool root = geteuid() == 0;
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    if (root) assert_int_equal(seteuid(65534), 0);
    lk_status unreadable = lk_h5_open(path, &file);
    bool      said = strstr(lk_error_message(), "Permission denied") != NULL;
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(folder, 0700), 0);
    if (root) assert_int_equal(seteuid(65534), 0);
    lk_status hidden = root ? lk_h5_open(path, &file) : LK_E_IO;
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(unreadable, LK_E_IO);
    assert_true(said);
    assert_int_equal(hidden, LK_E_IO);
    assert_null(file);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, remove_folder)

int main(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const struct CMUnitTest tests[] = {CASE(types_orders_and_layouts_come_back),
                                       CASE(the_offset_leads_to_the_bytes),
                                       CASE(boxes_are_written_where_they_belong),
                                       CASE(texts_and_attributes_come_back),
                                       CASE(cut_files_and_noise_are_survived),
                                       CASE(an_unknown_filter_is_named),
                                       CASE(what_leads_out_of_the_file_is_refused),
                                       CASE(a_walk_meets_each_object_once),
                                       CASE(all_attributes_are_shown_by_name),
                                       CASE(wrong_files_are_named),
                                       CASE(a_claim_that_no_number_holds_is_refused),
                                       CASE(a_file_that_cannot_be_read_is_not_called_missing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
