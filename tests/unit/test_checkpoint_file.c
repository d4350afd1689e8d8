/* The checkpoint file: bits back, every damage refused, the newest good one found, the right ones deleted. */
#include "lk_test_folder.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "core/alloc.h"
#include "core/log.h"
#include "header.h"
#include "io/atomic.h"

static char          path[128];
static lk_span_table spans;
static float        *buffer;
static int           n_warnings;
static char          warned[2048];

static void add_span(const char *name, lk_span_kind kind, int n_axes, int64_t a, int64_t b)
{
    lk_span span = {.kind = kind, .shape = {.n_axes = n_axes, .axis = {a, b}}};
    snprintf(span.name, sizeof span.name, "%s", name);
    snprintf(span.axes, sizeof span.axes, "%s", n_axes == 2 ? "units,inputs" : "units");
    assert_ok(lk_span_table_add(&spans, &span));
}

static void keep_warning(void *context, lk_log_level level, const char *line)
{
    (void)context;
    if (level != LK_LOG_WARN) return;
    n_warnings++;
    snprintf(warned, sizeof warned, "%s", line);
}

static int begin(void **state)
{
    if (make_folder(state) != 0) return -1;
    snprintf(path, sizeof path, "%s", path_of("step-00000012.h5"));
    add_span("dense_1/weight", LK_SPAN_PARAMETER, 2, 3, 5);
    add_span("dense_1/bias", LK_SPAN_PARAMETER, 1, 3, 0);
    add_span("norm_1/mean", LK_SPAN_STATISTIC, 1, 3, 0);
    if (LK_ALLOC(spans.total_floats, &buffer) != LK_OK) return -1;
    for (int64_t i = 0; i < spans.total_floats; i++) buffer[i] = 0.1f * (float)(i + 1);
    buffer[1] = -0.0f; /* bits, not values */
    buffer[2] = nanf("0x155");
    buffer[3] = 1e-42f;
    buffer[4] = -INFINITY;
    n_warnings = 0;
    lk_log_set_sink(keep_warning, NULL);
    return 0;
}

static int end(void **state)
{
    lk_log_set_sink(NULL, NULL);
    lk_span_table_clear(&spans);
    lk_free(&buffer);
    return remove_folder(state);
}

static void save(const char *name, int64_t step)
{
    lk_checkpoint_writer *writer;
    assert_ok(lk_checkpoint_begin(&writer));
    assert_ok(lk_checkpoint_put_spans(writer, "/model", &spans, 3, buffer));
    assert_ok(lk_h5_put_int(lk_checkpoint_file(writer), "/state", "step", step));
    assert_ok(lk_checkpoint_seal(writer, step));
    assert_ok(lk_checkpoint_commit(writer, path_of(name), NULL));
    lk_checkpoint_abandon(&writer);
    assert_null(writer);
}

static void save_step(int64_t step)
{
    char name[32];
    lk_checkpoint_name(step, name);
    save(name, step);
}

static void spoil(int64_t step, int64_t offset)
{
    char name[32];
    lk_checkpoint_name(step, name);
    FILE *file = fopen(path_of(name), "r+b");
    assert_non_null(file);
    fseek(file, offset, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, offset, SEEK_SET);
    fputc(byte ^ 0x10, file);
    fclose(file);
}

static bool present(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static void the_bits_come_back(void **state)
{
    lk_checkpoint *checkpoint;
    float         *back;
    (void)state;
    save_step(12);
    assert_false(present(".new"));
    assert_ok(LK_ALLOC(spans.total_floats, &back));
    assert_ok(lk_checkpoint_open(path, &checkpoint));
    assert_int_equal(lk_checkpoint_step(checkpoint), 12);
    assert_ok(lk_checkpoint_get_spans(checkpoint, "/model", &spans, 3, back));
    for (int i = 0; i < spans.n_spans; i++) {
        const lk_span *span = &spans.spans[i];
        assert_memory_equal(back + span->offset, buffer + span->offset, (size_t)span->count * sizeof *back);
    }
    /* Only the kinds that were asked for are touched. */
    memset(back, 0, (size_t)spans.total_floats * sizeof *back);
    assert_ok(lk_checkpoint_get_spans(checkpoint, "/model", &spans, 1u << LK_SPAN_STATISTIC, back));
    assert_true(back[0] == 0 && back[spans.spans[2].offset] == buffer[spans.spans[2].offset]);
    lk_checkpoint_close(&checkpoint);
    lk_free(&back);
}

static void other_shapes_are_named(void **state)
{
    lk_checkpoint *checkpoint;
    (void)state;
    save_step(12);
    assert_ok(lk_checkpoint_open(path, &checkpoint));
    spans.spans[0].shape.axis[1] = 4;
    assert_status(lk_checkpoint_get_spans(checkpoint, "/model", &spans, 1, buffer), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "dense_1/weight"));
    assert_non_null(strstr(lk_error_message(), "3x5"));
    assert_non_null(strstr(lk_error_message(), "3x4"));
    spans.spans[0].shape.axis[1] = 5;
    snprintf(spans.spans[1].name, sizeof spans.spans[1].name, "dense_2/bias");
    assert_status(lk_checkpoint_get_spans(checkpoint, "/model", &spans, 1, buffer), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "dense_2/bias"));
    lk_checkpoint_close(&checkpoint);
}

static void put_bytes(const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void expect_refused(const char *what, int64_t at)
{
    lk_checkpoint *checkpoint;
    lk_status      st = lk_checkpoint_open(path, &checkpoint);
    if (st != LK_E_DATA) print_error("%s at %lld: status %d\n", what, (long long)at, (int)st);
    assert_int_equal(st, LK_E_DATA);
    assert_null(checkpoint);
    assert_non_null(strstr(lk_error_message(), path));
}

static void expect_newer(void)
{
    lk_checkpoint *checkpoint;
    char          *found;
    assert_status(lk_checkpoint_open(path, &checkpoint), LK_E_NEWER);
    assert_non_null(strstr(lk_error_message(), path));
    assert_non_null(strstr(lk_error_message(), "newer version"));
    /* No damage, so nothing older takes its place. */
    save_step(11);
    assert_status(lk_checkpoint_find_newest(folder, &found), LK_E_NEWER);
    assert_null(found);
    assert_int_equal(n_warnings, 0);
}

static void strangers_are_refused(void **state)
{
    char *bytes;
    char  noise[2048];
    (void)state;
    size_t size;
    save_step(12);
    assert_ok(lk_file_read(path, 1 << 20, &bytes, &size));
    bytes[9] = '3'; /* a damaged digit is no newer version */
    put_bytes(bytes, size);
    expect_refused("format", 3);
    lk_test_write_header(bytes, size, 0, 12);
    put_bytes(bytes, size);
    expect_refused("format", 0);
    lk_test_write_header(bytes, size, 3, 12);
    put_bytes(bytes, size);
    expect_newer();
    uint32_t word = 12345;
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (char)((word = word * 1664525u + 1013904223u) >> 24);
        if (round % 2) memcpy(noise, "LOCKSTEP 2\nsize 2048\nxxh3 ", 27);
        put_bytes(noise, sizeof noise);
        expect_refused("noise", round);
    }
    lk_free(&bytes);
}

/* Format 1 had a hash that did not cover the step, but the state inside has one too. */
static void a_lying_step_of_format_1_is_refused(void **state)
{
    lk_checkpoint *checkpoint;
    char          *bytes;
    size_t         size;
    (void)state;
    save_step(12);
    assert_ok(lk_file_read(path, 1 << 20, &bytes, &size));
    lk_test_write_header(bytes, size, 1, 13);
    put_bytes(bytes, size);
    expect_refused("step", 13);
    assert_non_null(strstr(lk_error_message(), "step 13"));
    lk_test_write_header(bytes, size, 1, 12);
    put_bytes(bytes, size);
    assert_ok(lk_checkpoint_open(path, &checkpoint));
    lk_checkpoint_close(&checkpoint);
    lk_free(&bytes);
}

static size_t file_of(lk_checkpoint_writer *writer, char **bytes)
{
    size_t size = 0;
    assert_ok(lk_checkpoint_put_spans(writer, "/model", &spans, 3, buffer));
    assert_ok(lk_checkpoint_seal(writer, 12));
    assert_ok(lk_checkpoint_commit(writer, path, NULL));
    assert_ok(lk_file_read(path, 1 << 20, bytes, &size));
    return size;
}

/* Whatever was in it, less or more than there will be: nothing of it shows. */
static void used_memory_gives_the_same_file(void **state)
{
    static const int64_t AMOUNTS[] = {1, 3 << 18};
    char                *fresh = NULL, *again = NULL, *before = NULL;
    size_t               size;
    (void)state;
    assert_ok(LK_ALLOC(AMOUNTS[1] * 4, &before));
    memset(before, 0xA5, (size_t)AMOUNTS[1] * 4);
    for (int i = 0; i < 2; i++) {
        lk_checkpoint_writer *writer;
        assert_ok(lk_checkpoint_begin(&writer));
        size = file_of(writer, &fresh);
        lk_checkpoint_abandon(&writer);
        assert_ok(lk_checkpoint_begin(&writer));
        assert_ok(lk_h5_write(lk_checkpoint_file(writer), "/old", LK_H5_F32, 1, &AMOUNTS[i], before));
        assert_ok(lk_checkpoint_seal(writer, 11));
        assert_ok(lk_checkpoint_begin_again(writer));
        assert_int_equal(file_of(writer, &again), size);
        assert_memory_equal(again, fresh, size);
        lk_checkpoint_abandon(&writer);
        lk_free(&fresh);
        lk_free(&again);
    }
    lk_free(&before);
}

static void an_unsealed_writer_writes_nothing(void **state)
{
    lk_checkpoint_writer *writer;
    (void)state;
    assert_ok(lk_checkpoint_begin(&writer));
    assert_status(lk_checkpoint_commit(writer, path, NULL), LK_E_BUG);
    assert_status(lk_checkpoint_begin_again(writer), LK_E_BUG);
    assert_false(present("step-00000012.h5"));
    lk_checkpoint_abandon(&writer);
}

static void expect_newest(int64_t step)
{
    char *found, name[32];
    assert_ok(lk_checkpoint_find_newest(folder, &found));
    assert_non_null(found);
    lk_checkpoint_name(step, name);
    assert_string_equal(found, path_of(name));
    lk_free(&found);
}

static void the_newest_good_one_is_found(void **state)
{
    char *found;
    (void)state;
    assert_ok(lk_checkpoint_find_newest("/nonexistent/folder", &found));
    assert_null(found);
    assert_ok(lk_checkpoint_find_newest(folder, &found));
    assert_null(found);
    save_step(9);
    save_step(10);
    save_step(123456789); /* one digit more than the pattern: by number, not by name */
    save("step-999.h5", 999);
    save("best.h5", 5000);
    save(".new", 6000);
    expect_newest(123456789);
    assert_int_equal(n_warnings, 0);
    spoil(123456789, 700);
    expect_newest(10);
    assert_int_equal(n_warnings, 1);
    assert_non_null(strstr(warned, "PASSING OVER"));
    assert_non_null(strstr(warned, "step-123456789.h5"));
    spoil(10, 20);
    expect_newest(9);
    assert_int_equal(n_warnings, 3);
    spoil(9, 511);
    assert_status(lk_checkpoint_find_newest(folder, &found), LK_E_DATA);
    assert_null(found);
    assert_non_null(strstr(lk_error_message(), "none of them is good"));
}

/* One that is there and cannot be opened may be whole: to go on from an older one would throw work away. */
static void an_unreadable_one_is_not_passed_over(void **state)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char              *found;
    (void)state;
    save_step(1);
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path_of("step-00000002.h5"));
    int s = socket(AF_UNIX, SOCK_STREAM, 0); /* open fails with ENXIO, for root too */
    assert_int_equal(bind(s, (struct sockaddr *)(void *)&name, sizeof name), 0);
    close(s);
    assert_status(lk_checkpoint_find_newest(folder, &found), LK_E_IO);
    assert_null(found);
    assert_non_null(strstr(lk_error_message(), "step-00000002.h5"));
    assert_int_equal(n_warnings, 0);
}

/* Bytes of memory that are in use by this process. */
static int64_t resident(void)
{
    long  pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    if (file) fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* An open checkpoint is in memory once, and whether it is whole is seen without that. */
static void memory_holds_it_once(void **state)
{
    const int64_t         n = 8 << 20, bytes = 4 * n;
    lk_checkpoint_writer *writer;
    lk_checkpoint        *checkpoint;
    float                *values, last;
    (void)state;
    assert_ok(LK_ALLOC(n, &values));
    for (int64_t i = 0; i < n; i++) values[i] = (float)i;
    assert_ok(lk_checkpoint_begin(&writer));
    assert_ok(lk_h5_write(lk_checkpoint_file(writer), "/large", LK_H5_F32, 1, &n, values));
    assert_ok(lk_checkpoint_seal(writer, 1));
    assert_ok(lk_checkpoint_commit(writer, path, NULL));
    lk_checkpoint_abandon(&writer);
    lk_free(&values);
    int64_t before = resident();
    assert_ok(lk_checkpoint_open(path, &checkpoint));
    int64_t opened = resident() - before;
    assert_ok(lk_h5_read(lk_checkpoint_h5(checkpoint), "/large", &(int64_t){n - 1}, &(int64_t){1}, LK_H5_F32,
                         &last));
    assert_true(last == (float)(n - 1));
    lk_checkpoint_close(&checkpoint);
    int64_t closed = resident();
    assert_ok(lk_checkpoint_verify(path));
    assert_true(resident() - closed < bytes / 4);
    print_message("a file of %lld bytes: %lld of memory while it is open\n", (long long)bytes,
                  (long long)opened);
    assert_in_range(opened, bytes, bytes + bytes / 4);
}

static void prune_keeps_what_it_must(void **state)
{
    (void)state;
    for (int64_t step = 1; step <= 6; step++) save_step(step);
    save("step-7.h5", 7); /* not a name of ours, nor are these */
    save("best.h5", 3);
    save("step-00000002.h5.bak", 2);
    assert_ok(lk_checkpoint_prune(folder, 4));
    for (int step = 1; step <= 6; step++) {
        char name[32];
        lk_checkpoint_name(step, name);
        assert_int_equal(present(name), step > 2);
    }
    assert_true(present("step-7.h5") && present("best.h5") && present("step-00000002.h5.bak"));
    /* The newest is bad: it does not count, and it stays. */
    spoil(6, 600);
    assert_ok(lk_checkpoint_prune(folder, 2));
    assert_false(present("step-00000003.h5"));
    assert_true(present("step-00000004.h5") && present("step-00000005.h5") && present("step-00000006.h5"));
    /* All are bad: nothing may go. */
    spoil(5, 600);
    spoil(4, 600);
    assert_status(lk_checkpoint_prune(folder, 2), LK_E_DATA);
    assert_true(present("step-00000004.h5") && present("step-00000005.h5") && present("step-00000006.h5"));
    save_step(6);
    assert_ok(lk_checkpoint_prune(folder, 0)); /* never fewer than two */
    assert_true(present("step-00000006.h5") && present("step-00000005.h5"));
    assert_false(present("step-00000004.h5"));
    assert_ok(lk_checkpoint_prune("/nonexistent/folder", 2));
}

static void hash_by_hand(const float *const *pieces, const int64_t *counts, int n, int64_t step, char hex[33])
{
    char   all[4096];
    size_t used = 0;
    for (int i = 0; i < n; i++) {
        memcpy(all + used, pieces[i], (size_t)counts[i] * sizeof(float));
        used += (size_t)counts[i] * sizeof(float);
    }
    if (step >= 0) {
        memcpy(all + used, &step, sizeof step);
        used += sizeof step;
    }
    XXH128_hash_t h = XXH3_128bits(all, used);
    snprintf(hex, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

static void the_hash_is_xxh3_over_the_spans_in_order(void **state)
{
    char   hex[33], expected[33], other[33];
    float *moment;
    (void)state;
    assert_ok(LK_ALLOC(spans.parameter_floats, &moment));
    for (int64_t i = 0; i < spans.parameter_floats; i++) moment[i] = (float)i * 0.5f - 3;
    const lk_span *s = spans.spans;
    const float   *pieces[] = {buffer, buffer + s[1].offset, moment, moment + s[1].offset};
    const int64_t  counts[] = {15, 3, 15, 3};
    lk_checkpoint_hash(&spans, buffer, 1, NULL, 0, -1, hex);
    hash_by_hand(pieces, counts, 2, -1, expected);
    assert_string_equal(hex, expected);
    lk_checkpoint_hash(&spans, buffer, 1, &moment, 1, 12, hex);
    hash_by_hand(pieces, counts, 4, 12, expected);
    assert_string_equal(hex, expected);
    lk_checkpoint_hash(&spans, buffer, 3, NULL, 0, -1, other);
    const float  *with_statistics[] = {buffer, buffer + s[1].offset, buffer + s[2].offset};
    const int64_t three[] = {15, 3, 3};
    hash_by_hand(with_statistics, three, 3, -1, expected);
    assert_string_equal(other, expected);
    /* Padding is no part of it, every number is. */
    buffer[15] += 1;
    lk_checkpoint_hash(&spans, buffer, 1, &moment, 1, 12, other);
    assert_string_equal(hex, other);
    moment[14] = nextafterf(moment[14], 99);
    lk_checkpoint_hash(&spans, buffer, 1, &moment, 1, 12, other);
    assert_string_not_equal(hex, other);
    lk_free(&moment);
}

/* R7 for this module: each allocation of a save and a load fails once; a status, no leak, and then it works.
 */
static void each_allocation_may_fail(void **state)
{
    int k;
    (void)state;
    for (k = 1; k < 1000; k++) {
        lk_checkpoint_writer *writer = NULL;
        lk_checkpoint        *checkpoint = NULL;
        char                 *found = NULL;
        lk_alloc_fail_at(k);
        lk_status st = lk_checkpoint_begin(&writer);
        if (st == LK_OK) st = lk_checkpoint_put_spans(writer, "/model", &spans, 3, buffer);
        if (st == LK_OK) st = lk_checkpoint_seal(writer, 12);
        if (st == LK_OK) st = lk_checkpoint_commit(writer, path, NULL);
        if (st == LK_OK) st = lk_checkpoint_open(path, &checkpoint);
        if (st == LK_OK) st = lk_checkpoint_get_spans(checkpoint, "/model", &spans, 3, buffer);
        if (st == LK_OK) st = lk_checkpoint_find_newest(folder, &found);
        lk_alloc_fail_at(0);
        lk_checkpoint_close(&checkpoint);
        lk_checkpoint_abandon(&writer);
        lk_free(&found);
        if (st == LK_OK) break;
        assert_int_equal(st, LK_E_NOMEM);
    }
    assert_in_range(k, 5, 999);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(the_bits_come_back),
                                       CASE(other_shapes_are_named),
                                       CASE(strangers_are_refused),
                                       CASE(a_lying_step_of_format_1_is_refused),
                                       CASE(used_memory_gives_the_same_file),
                                       CASE(an_unsealed_writer_writes_nothing),
                                       CASE(the_newest_good_one_is_found),
                                       CASE(an_unreadable_one_is_not_passed_over),
                                       CASE(memory_holds_it_once),
                                       CASE(prune_keeps_what_it_must),
                                       CASE(the_hash_is_xxh3_over_the_spans_in_order),
                                       CASE(each_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
