/* Memory, shapes, spans, texts and statuses: the ground that every module stands on. */
#include "lk_test.h"

#include <pthread.h>

#include "core/alloc.h"
#include "core/shape.h"
#include "core/span.h"
#include "core/str.h"

static void memory_is_zeroed_aligned_and_counted(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n += 37) {
        char   *bytes;
        int64_t before = lk_alloc_count();
        assert_ok(LK_ALLOC(n, &bytes));
        assert_int_equal(lk_alloc_count(), before + 1);
        assert_int_equal((uintptr_t)bytes % 64, 0);
        for (size_t i = 0; i < n; i++) assert_int_equal(bytes[i], 0);
        memset(bytes, 0x5a, n); /* so that a block used again would show */
        lk_free(&bytes);
        assert_null(bytes);
        lk_free(&bytes);
    }
    lk_free_pointer(NULL);
}

static void sizes_that_overflow_are_refused(void **state)
{
    double *values = (double *)1;
    (void)state;
    assert_status(lk_alloc_array(SIZE_MAX / 4, 8, (void **)&values), LK_E_NOMEM);
    assert_null(values);
    assert_status(lk_alloc_array(SIZE_MAX, 1, (void **)&values), LK_E_NOMEM);
    assert_status(lk_alloc_array(PTRDIFF_MAX, 1, (void **)&values), LK_E_NOMEM);
    assert_non_null(strstr(lk_error_message(), "no memory for"));
}

static void the_nth_allocation_fails_once(void **state)
{
    (void)state;
    for (int nth = 1; nth <= 4; nth++) {
        lk_alloc_fail_at(nth);
        for (int i = 1; i <= 6; i++) {
            int *value;
            assert_status(LK_ALLOC(1, &value), i == nth ? LK_E_NOMEM : LK_OK);
            lk_free(&value);
        }
    }
    int *value;
    lk_alloc_fail_at(1);
    lk_alloc_fail_at(0);
    assert_ok(LK_ALLOC(1, &value));
    lk_free(&value);
}

static void shapes_compare_and_print(void **state)
{
    lk_shape image = {3, {28, 28, 1}}, flat = {1, {784}}, scalar = {0}, one = {1, {1}}, plain = {2, {28, 28}};
    lk_shape turned = {2, {1, 10}}, ten = {1, {10}}, long_one = {5, {INT64_MAX, 2, 3, 4, 5}};
    char     text[LK_SHAPE_TEXT_BYTES];
    (void)state;
    assert_int_equal(lk_shape_count(&image), 784);
    assert_int_equal(lk_shape_count(&scalar), 1);
    assert_true(lk_shape_equal(&image, &image));
    assert_false(lk_shape_equal(&image, &flat) || lk_shape_equal(&image, &plain));
    assert_true(lk_shape_equal_but_ones(&image, &plain) && lk_shape_equal_but_ones(&scalar, &one));
    assert_true(lk_shape_equal_but_ones(&turned, &ten) && lk_shape_equal_but_ones(&ten, &turned));
    assert_false(lk_shape_equal_but_ones(&image, &flat) || lk_shape_equal_but_ones(&ten, &scalar) ||
                 lk_shape_equal_but_ones(&scalar, &ten) || lk_shape_equal_but_ones(&plain, &ten));
    assert_string_equal(lk_shape_text(&image, text), "28x28x1");
    assert_string_equal(lk_shape_text(&scalar, text), "scalar");
    assert_string_equal(lk_shape_text(&long_one, text), "9223372036854775807x2x3x4x5");
}

static void spans_lie_behind_each_other(void **state)
{
    lk_span_table table = {0};
    lk_tile      *tiles;
    int           n_tiles;
    (void)state;
    lk_span parameter = {.name = "w", .shape = {2, {100, 97}}}; /* 9700 floats: three tiles */
    lk_span bias = {.name = "b", .shape = {1, {17}}};
    lk_span mean = {.name = "m", .kind = LK_SPAN_STATISTIC, .shape = {1, {16}}};
    assert_ok(lk_span_table_add(&table, &parameter));
    assert_ok(lk_span_table_add(&table, &bias));
    assert_ok(lk_span_table_add(&table, &mean));
    assert_status(lk_span_table_add(&table, &bias), LK_E_BUG);
    assert_int_equal(table.n_spans, 3);
    assert_int_equal(table.spans[1].offset, 9712); /* 9700 up to a multiple of 16 */
    assert_int_equal(table.spans[2].offset, 9744);
    assert_int_equal(table.n_parameters, 9717);
    assert_int_equal(table.parameter_floats, 9744);
    assert_int_equal(table.total_floats, 9760);
    assert_ok(lk_span_table_tiles(&table, &tiles, &n_tiles));
    static const int64_t expected[][3] = {
        {0, 4096, 0}, {4096, 4096, 0}, {8192, 1508, 0}, {9712, 17, 1}, {9744, 16, 2}};
    assert_int_equal(n_tiles, 5);
    for (int i = 0; i < n_tiles; i++) {
        assert_int_equal(tiles[i].offset, expected[i][0]);
        assert_int_equal(tiles[i].count, expected[i][1]);
        assert_int_equal(tiles[i].span, expected[i][2]);
        assert_int_equal(tiles[i].index, i);
    }
    lk_free(&tiles);
    lk_span_table_clear(&table);
}

static void a_table_without_memory_stays_whole(void **state)
{
    lk_span_table table = {0};
    lk_span       span = {.name = "w", .shape = {1, {16}}};
    (void)state;
    for (int i = 0; i < 4; i++) assert_ok(lk_span_table_add(&table, &span));
    lk_alloc_fail_at(1);
    assert_status(lk_span_table_add(&table, &span), LK_E_NOMEM);
    assert_int_equal(table.n_spans, 4);
    assert_int_equal(table.total_floats, 64);
    assert_ok(lk_span_table_add(&table, &span));
    assert_int_equal(table.spans[4].offset, 64);
    lk_span_table_clear(&table);
}

static void letters_apart(void **state)
{
    static const struct {
        const char *a, *b;
        int         distance;
    } cases[] = {
        {"", "", 0},           {"", "abc", 3},          {"adam", "adam", 0},    {"adam", "adma", 1},
        {"adam", "adm", 1},    {"adam", "adamw", 1},    {"adam", "atom", 2},    {"kitten", "sitting", 3},
        {"ca", "abc", 3},      {"abcdef", "badcfe", 3}, {"relu", "gelu", 1},    {"a", "b", 1},
        {"batch", "match", 1}, {"epochs", "epcohs", 1}, {"flatten", "dense", 6}};
    char longest[64], too_long[65];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(lk_str_distance(cases[i].a, cases[i].b), cases[i].distance);
        assert_int_equal(lk_str_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
    memset(longest, 'x', 63);
    longest[63] = '\0';
    memset(too_long, 'x', 64);
    too_long[64] = '\0';
    assert_int_equal(lk_str_distance(longest, ""), 63);
    assert_int_equal(lk_str_distance(longest, longest), 0);
    assert_int_equal(lk_str_distance(too_long, longest), 99);
    assert_int_equal(lk_str_distance("", too_long), 99);
}

static void texts_grow_and_are_handed_over(void **state)
{
    lk_str str;
    char  *text;
    (void)state;
    lk_str_init(&str);
    assert_string_equal(lk_str_text(&str), "");
    assert_ok(lk_str_take(&str, &text));
    assert_string_equal(text, "");
    lk_free(&text);
    for (int i = 0; i < 1000; i++) lk_str_printf(&str, "%d,", i);
    lk_str_append_bytes(&str, "a\0b", 3);
    assert_int_equal(str.size, 10 * 2 + 90 * 3 + 900 * 4 + 3);
    assert_ok(lk_str_take(&str, &text));
    assert_memory_equal(text + 3890 - 8, "998,999,a\0b", 12); /* its own NUL behind the b */
    lk_free(&text);
    assert_null(str.text);
    lk_str_append(&str, "kept");
    lk_alloc_fail_at(1);
    for (int i = 0; i < 100; i++) lk_str_append(&str, "0123456789");
    assert_true(str.failed);
    assert_int_equal(str.size, 4 + 250); /* what fitted stays */
    assert_status(lk_str_take(&str, &text), LK_E_NOMEM);
    assert_null(text);
    assert_false(str.failed);
}

static void messages_say_where_and_what(void **state)
{
    char long_text[3000];
    (void)state;
    assert_status(lk_fail(LK_E_DATA, "%s has %d rows", "x.csv", 0), LK_E_DATA);
    assert_string_equal(lk_error_message(), "x.csv has 0 rows");
    assert_status(lk_fail_context(LK_E_DATA, "input %d", 3), LK_E_DATA);
    assert_string_equal(lk_error_message(), "input 3: x.csv has 0 rows");
    (void)lk_fail(LK_E_DATA, "again: %s", lk_error_message()); /* an argument that is the message itself */
    assert_string_equal(lk_error_message(), "again: input 3: x.csv has 0 rows");
    memset(long_text, 'y', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    (void)lk_fail(LK_E_DATA, "%s", long_text);
    assert_int_equal(strlen(lk_error_message()), 2047);
    (void)lk_fail_context(LK_E_DATA, "place");
    assert_memory_equal(lk_error_message(), "place: yyy", 10);
    (void)lk_fail_context(LK_E_DATA, "%s", long_text);
    assert_true(strlen(lk_error_message()) < 2048);
    lk_error_clear();
    assert_string_equal(lk_error_message(), "");
}

static void *fail_elsewhere(void *argument)
{
    (void)argument;
    (void)lk_fail(LK_E_IO, "the other thread's");
    return NULL;
}

static void a_message_belongs_to_its_thread(void **state)
{
    pthread_t thread;
    (void)state;
    (void)lk_fail(LK_E_IO, "mine");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(lk_error_message(), "mine");
}

static void statuses_have_the_exit_codes_of_the_design(void **state)
{
    static const int codes[] = {0, 2, 2, 2, 65, 65, 70, 70, 71, 73, 74, 75, 76, 77, 79};
    (void)state;
    assert_int_equal(sizeof codes / sizeof *codes, LK_STATUS_COUNT);
    for (int i = 0; i < LK_STATUS_COUNT; i++) {
        assert_int_equal(lk_status_exit_code((lk_status)i), codes[i]);
        assert_true(strlen(lk_status_text((lk_status)i)) > 3);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(lk_status_text((lk_status)i), lk_status_text((lk_status)j));
    }
    assert_int_equal(lk_status_exit_code((lk_status)999), 70);
    assert_string_equal(lk_status_text((lk_status)999), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_is_zeroed_aligned_and_counted),
                                       cmocka_unit_test(sizes_that_overflow_are_refused),
                                       cmocka_unit_test(the_nth_allocation_fails_once),
                                       cmocka_unit_test(shapes_compare_and_print),
                                       cmocka_unit_test(spans_lie_behind_each_other),
                                       cmocka_unit_test(a_table_without_memory_stays_whole),
                                       cmocka_unit_test(letters_apart),
                                       cmocka_unit_test(texts_grow_and_are_handed_over),
                                       cmocka_unit_test(messages_say_where_and_what),
                                       cmocka_unit_test(a_message_belongs_to_its_thread),
                                       cmocka_unit_test(statuses_have_the_exit_codes_of_the_design)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
