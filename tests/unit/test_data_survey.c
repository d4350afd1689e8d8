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
    assert_true(json_number_value(json_object_get(json_object_get(x, "all"), "values")) == ROWS * CHANNELS);
    json_t *counts = json_object_get(json_array_get(json_object_get(object, "datasets"), 1), "counts");
    assert_int_equal(json_array_size(counts), 3);
    for (size_t i = 0; i < 3; i++) assert_true(json_number_value(json_array_get(counts, i)) == ROWS / 3);
    json_decref(object);
    unlink(name);
}

static double number_of(json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* What NetCDF stores for 3 times, 4 latitudes and 20 longitudes is surveyed in the units that training sees, and as one field. */
static void packed_values_are_surveyed_as_training_sees_them(void **state)
{
    enum { TIMES = 3, PLACES = 80 };
    int16_t stored[TIMES * PLACES];
    int32_t labels[6] = {1, 1, -1, 2, 1, -1};
    int64_t shape[3] = {TIMES, 4, 20}, six[1] = {6};
    double  scale = 0.5, offset = 273, fill = -32768, no_label = -1, mean = 0, square = 0;
    char   *text;
    lk_h5  *file;
    (void)state;
    for (int i = 0; i < TIMES * PLACES; i++) stored[i] = (int16_t)(i % 2 ? i : -32768);
    for (int i = 1; i < TIMES * PLACES; i += 2) mean += (0.5 * i + 273) / (TIMES * PLACES / 2);
    for (int i = 1; i < TIMES * PLACES; i += 2) square += pow(0.5 * i + 273 - mean, 2) / (TIMES * PLACES / 2);
    snprintf(name, sizeof name, "survey_%d.h5", (int)getpid());
    assert_ok(lk_h5_create(name, &file));
    assert_ok(lk_h5_write(file, "/t2m", LK_H5_I16, 3, shape, stored));
    assert_ok(lk_h5_put_doubles(file, "/t2m", "scale_factor", &scale, 1));
    assert_ok(lk_h5_put_doubles(file, "/t2m", "add_offset", &offset, 1));
    assert_ok(lk_h5_put_doubles(file, "/t2m", "_FillValue", &fill, 1));
    assert_ok(lk_h5_write(file, "/y", LK_H5_I32, 1, six, labels));
    assert_ok(lk_h5_put_doubles(file, "/y", "_FillValue", &no_label, 1));
    assert_ok(lk_h5_close(&file));
    assert_ok(lk_survey_stats(name, 1, NULL, &text));
    json_t *object = parsed(text), *datasets = json_object_get(object, "datasets");
    json_t *t2m = json_array_get(datasets, 0), *y = json_array_get(datasets, 1);
    json_t *channels = json_object_get(t2m, "channels"), *m = json_array_get(channels, 0);
    assert_int_equal(json_array_size(channels), 1); /* 20 longitudes are no channels */
    assert_true(json_equal(m, json_object_get(t2m, "all")));
    assert_true(number_of(m, "values") == TIMES * PLACES / 2);
    assert_true(number_of(m, "not_finite") == TIMES * PLACES / 2);
    assert_true(number_of(m, "least") == 273.5 && number_of(m, "greatest") == 392.5);
    assert_true(fabs(number_of(m, "mean") - mean) < 1e-9);
    assert_true(fabs(number_of(m, "deviation") - sqrt(square)) < 1e-9);
    assert_true(number_of(t2m, "scale_factor") == 0.5 && number_of(t2m, "fill_value") == -32768);
    json_t *counts =
        json_object_get(y, "counts"); /* what is missing is no label, and the others are counted */
    assert_int_equal(json_array_size(counts), 3);
    assert_true(json_number_value(json_array_get(counts, 1)) == 3);
    assert_true(number_of(json_object_get(y, "all"), "least") == 1);
    json_decref(object);
    assert_ok(lk_survey_stats(name, 0, NULL, &text));
    assert_non_null(strstr(text, "stored * 0.5 + 273, fill value -32768"));
    assert_non_null(strstr(text, "120 not finite or fill value"));
    free(text);
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
                                       cmocka_unit_test(packed_values_are_surveyed_as_training_sees_them),
                                       cmocka_unit_test(packing_does_not_change_a_hash_and_a_bit_does),
                                       cmocka_unit_test(a_cut_file_is_no_survey)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
