/*
 * R6: every byte of a small checkpoint changed, every length but its own, a tail that never reached the disk, blocks that
 * changed places. All of it is found before HDF5 opens the file, and the checkpoint before it is used, with a loud warning.
 */
#include "lk_test.h"

#include <hdf5.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "core/alloc.h"
#include "core/log.h"
#include "io/atomic.h"

enum { FLOATS = 24, BLOCK = 512 };

static char          folder[64], good[128], bad[128];
static char         *bytes; /* of the newer checkpoint while it was whole */
static size_t        size;
static int           n_damages, n_opens, n_warnings, n_loud;
static lk_span_table spans;
static float         values[FLOATS];

hid_t __wrap_H5Fopen(const char *name, unsigned flags, hid_t access);
hid_t __real_H5Fopen(const char *name, unsigned flags, hid_t access);

hid_t __wrap_H5Fopen(const char *name, unsigned flags, hid_t access)
{
    n_opens++;
    return __real_H5Fopen(name, flags, access);
}

static void keep_warning(void *context, lk_log_level level, const char *line)
{
    (void)context;
    n_warnings += level == LK_LOG_WARN;
    n_loud += strstr(line, "PASSING OVER") && strstr(line, bad);
}

static void save(const char *path, int64_t step)
{
    lk_checkpoint_writer *writer;
    for (int i = 0; i < FLOATS; i++) values[i] = (float)(step * 100 + i);
    assert_ok(lk_checkpoint_begin(&writer));
    assert_ok(lk_checkpoint_put_spans(writer, "/model", &spans, 1, values));
    assert_ok(lk_h5_put_int(lk_checkpoint_file(writer), "/state", "step", step));
    assert_ok(lk_checkpoint_seal(writer, step));
    assert_ok(lk_checkpoint_commit(writer, path, NULL));
    lk_checkpoint_abandon(&writer);
}

static void write_at(size_t at, const char *from, size_t n)
{
    FILE *file = fopen(bad, "r+b");
    assert_non_null(file);
    fseek(file, (long)at, SEEK_SET);
    assert_int_equal(fwrite(from, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* Refused by its name before HDF5 sees it; a restart takes the one before and says so, once. */
static void expect_found(const char *what, size_t at)
{
    lk_checkpoint *checkpoint;
    char          *found = NULL;
    n_opens = n_warnings = n_loud = 0;
    n_damages++;
    lk_status st = lk_checkpoint_open(bad, &checkpoint);
    bool      refused = st == LK_E_DATA && !checkpoint && n_opens == 0 && strstr(lk_error_message(), bad);
    st = lk_checkpoint_find_newest(folder, &found);
    bool fell_back =
        st == LK_OK && found && !strcmp(found, good) && n_opens == 1 && n_warnings == 1 && n_loud == 1;
    if (!refused || !fell_back)
        print_error("%s at %zu: %s, %s, opened %d times: %s\n", what, at, refused ? "refused" : "NOT REFUSED",
                    fell_back ? "fell back" : "DID NOT FALL BACK", n_opens, lk_error_message());
    lk_free(&found);
    assert_true(refused && fell_back);
}

static void every_byte(void **state)
{
    static const int masks[] = {0x01, 0xff};
    (void)state;
    for (size_t at = 0; at < size; at++) {
        for (int m = 0; m < 2; m++) {
            char changed = (char)(bytes[at] ^ masks[m]);
            write_at(at, &changed, 1);
            expect_found("flip", at);
        }
        write_at(at, bytes + at, 1);
    }
}

static void every_length(void **state)
{
    (void)state;
    for (size_t n = size; n-- > 0;) {
        assert_int_equal(truncate(bad, (off_t)n), 0);
        expect_found("cut", n);
    }
    write_at(0, bytes, size);
    for (size_t n = 1; n <= 2 * BLOCK; n += 73) {
        assert_int_equal(truncate(bad, (off_t)(size + n)), 0);
        expect_found("longer", n);
    }
}

/* A file that has its length while some of its blocks never reached the disk, or reached another place. */
static void lost_and_swapped_blocks(void **state)
{
    static const char zeros[BLOCK];
    (void)state;
    for (size_t at = 0; at < size; at += BLOCK) {
        size_t n = size - at < BLOCK ? size - at : BLOCK;
        bool   zero = !memcmp(bytes + at, zeros, n);
        if (zero) continue; /* the same file */
        write_at(at, zeros, n);
        expect_found("lost block", at);
        for (size_t tail = at + n; tail < size; tail += BLOCK)
            write_at(tail, zeros, size - tail < BLOCK ? size - tail : BLOCK);
        expect_found("zero tail", at);
        write_at(at, bytes + at, size - at);
        size_t other = (at + 3 * BLOCK) % (size / BLOCK * BLOCK);
        if (n < BLOCK || !memcmp(bytes + at, bytes + other, BLOCK)) continue;
        write_at(at, bytes + other, BLOCK);
        write_at(other, bytes + at, BLOCK);
        expect_found("swapped", at);
        write_at(at, bytes + at, BLOCK);
        write_at(other, bytes + other, BLOCK);
    }
}

static int begin(void **state)
{
    lk_span span = {.name = "dense_1/weight", .shape = {.n_axes = 1, .axis = {FLOATS}}};
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/lk_damage_XXXXXX");
    if (!mkdtemp(folder) || lk_span_table_add(&spans, &span) != LK_OK) return -1;
    snprintf(good, sizeof good, "%s/step-00000011.h5", folder);
    snprintf(bad, sizeof bad, "%s/step-00000012.h5", folder);
    lk_log_set_sink(keep_warning, NULL);
    save(good, 11);
    save(bad, 12);
    n_damages = 0;
    return lk_file_read(bad, 1 << 20, &bytes, &size) == LK_OK ? 0 : -1;
}

/* It was the damage: as it was, the newer one is taken. */
static int end(void **state)
{
    char *found = NULL;
    (void)state;
    print_message("%d damages of %zu bytes, all found\n", n_damages, size);
    if (truncate(bad, (off_t)size) != 0) return -1;
    write_at(0, bytes, size);
    n_warnings = 0;
    int as_it_was =
        lk_checkpoint_find_newest(folder, &found) == LK_OK && found && !strcmp(found, bad) && !n_warnings;
    lk_free(&found);
    lk_log_set_sink(NULL, NULL);
    lk_span_table_clear(&spans);
    lk_free(&bytes);
    unlink(good);
    unlink(bad);
    return rmdir(folder) || !as_it_was;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(every_byte), CASE(every_length), CASE(lost_and_swapped_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
