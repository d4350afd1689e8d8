/* Statistics and hashes of whole files: against sums taken here, and whatever the layout. */
#include "lk_test.h"

#include <jansson.h>
#include <unistd.h>

#include "core/alloc.h"
#include "data/survey.h"
#include "io/h5.h"

enum { ROWS = 1500, CHANNELS = 1000 }; /* more than one unit, the last one short */

static char name[64];

static double value_of(int64_t i)
{
    return 1e6 + (double)(i % CHANNELS) + 0.5 * (double)(i * 7919 % 1013);
}

static void write_file(lk_h5_type type, const int64_t *chunk, int deflate)
{
    static double  values[ROWS * CHANNELS];
    static float   singles[ROWS * CHANNELS];
    static int32_t labels[ROWS];
    int64_t        shape[2] = {ROWS, CHANNELS};
    lk_h5         *file;
    snprintf(name, sizeof name, "survey_%d.h5", (int)getpid());
    for (int64_t i = 0; i < ROWS * CHANNELS; i++) singles[i] = (float)(values[i] = value_of(i));
    for (int i = 0; i < ROWS; i++) labels[i] = i % 3;
    assert_ok(lk_h5_create(name, &file));
    assert_ok(lk_h5_write_chunked(file, "/g/x", type, 2, shape, chunk, deflate,
                                  type == LK_H5_F64 ? (void *)values : (void *)singles));
    assert_ok(lk_h5_write(file, "/g/y", LK_H5_I32, 1, shape, labels));
    assert_ok(lk_h5_put_text(file, "/g", "source", "made up"));
    assert_ok(lk_h5_close(&file));
}

static json_t *parsed(char *text)
{
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    free(text);
    return object;
}

static void statistics_are_those_of_two_passes(void **state)
{
    char *text;
    (void)state;
    write_file(LK_H5_F64, NULL, 0);
    assert_ok(lk_survey_stats(name, 1, NULL, &text));
    json_t *object = parsed(text), *x = json_array_get(json_object_get(object, "datasets"), 0);
    json_t *channels = json_object_get(x, "channels");
    assert_string_equal(json_string_value(json_object_get(x, "path")), "/g/x");
    assert_int_equal(json_array_size(channels), CHANNELS);
    for (int64_t c = 0; c < CHANNELS; c += 37) {
        json_t *m = json_array_get(channels, (size_t)c);
        double  mean = 0, square = 0, least = value_of(c), greatest = least;
        for (int64_t r = 0; r < ROWS; r++) {
            double v = value_of(r * CHANNELS + c);
            mean += v / ROWS;
            least = v < least ? v : least;
            greatest = v > greatest ? v : greatest;
        }
        for (int64_t r = 0; r < ROWS; r++) square += pow(value_of(r * CHANNELS + c) - mean, 2) / ROWS;
        assert_true(fabs(json_number_value(json_object_get(m, "mean")) - mean) < 1e-9 * mean);
        assert_true(fabs(json_number_value(json_object_get(m, "deviation")) - sqrt(square)) < 1e-7);
        assert_true(json_number_value(json_object_get(m, "least")) == least);
        assert_true(json_number_value(json_object_get(m, "greatest")) == greatest);
        assert_true(json_number_value(json_object_get(m, "values")) == ROWS);
    }
    json_t *counts = json_object_get(json_array_get(json_object_get(object, "datasets"), 1), "counts");
    assert_int_equal(json_array_size(counts), 3);
    for (size_t i = 0; i < 3; i++) assert_true(json_number_value(json_array_get(counts, i)) == ROWS / 3);
    json_decref(object);
    unlink(name);
}

static void hash_of(char hex[33])
{
    char *text;
    assert_ok(lk_survey_verify(name, 1, NULL, &text));
    json_t *object = parsed(text);
    snprintf(hex, 33, "%s", json_string_value(json_object_get(object, "xxh3")));
    json_decref(object);
}

static void packing_does_not_change_a_hash_and_a_bit_does(void **state)
{
    char    plain[33], packed[33], other[33];
    int64_t chunk[2] = {7, 300}, at[2] = {1499, 999}, one[2] = {1, 1};
    float   changed = nextafterf((float)value_of(ROWS * CHANNELS - 1), 0);
    lk_h5  *file;
    (void)state;
    write_file(LK_H5_F32, NULL, 0);
    hash_of(plain);
    write_file(LK_H5_F32, chunk, 4);
    hash_of(packed);
    assert_string_equal(plain, packed);
    write_file(LK_H5_F64, chunk, 4);
    hash_of(other);
    assert_string_not_equal(other, plain); /* another type is another dataset */
    for (int k = 0; k < 2; k++) {
        static float all[ROWS * CHANNELS];
        int64_t      shape[2] = {ROWS, CHANNELS}, labels_shape[1] = {ROWS};
        int32_t      labels[ROWS];
        for (int64_t i = 0; i < ROWS * CHANNELS; i++) all[i] = (float)value_of(i);
        for (int i = 0; i < ROWS; i++) labels[i] = i % 3;
        assert_ok(lk_h5_create(name, &file));
        assert_ok(lk_h5_write(file, "/g/x", LK_H5_F32, 2, shape, all));
        assert_ok(lk_h5_write(file, "/g/y", LK_H5_I32, 1, labels_shape, labels));
        if (k == 0) assert_ok(lk_h5_write_box(file, "/g/x", at, one, LK_H5_F32, &changed));
        assert_ok(lk_h5_put_text(file, "/g", "source", k ? "made uq" : "made up"));
        assert_ok(lk_h5_close(&file));
        hash_of(other);
        assert_string_not_equal(other, plain); /* the last bit of the last value; a letter of an attribute */
    }
    unlink(name);
}

/* What cannot be read is said, the rest is surveyed, and the end is a failure that names it. */
static void a_cut_file_is_no_survey(void **state)
{
    char *text = NULL;
    (void)state;
    write_file(LK_H5_F64, NULL, 0);
    assert_int_equal(truncate(name, 4 << 20), 0);
    assert_status(lk_survey_verify(name, 0, NULL, &text), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), name));
    assert_null(text);
    assert_status(lk_survey_stats("nowhere.h5", 0, NULL, &text), LK_E_DATA);
    write_file(LK_H5_F64, NULL, 0);
    char inside[96];
    snprintf(inside, sizeof inside, "%s:/h", name);
    assert_status(lk_survey_stats(inside, 0, NULL, &text), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "there is no /h"));
    unlink(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(statistics_are_those_of_two_passes),
                                       cmocka_unit_test(packing_does_not_change_a_hash_and_a_bit_does),
                                       cmocka_unit_test(a_cut_file_is_no_survey)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
