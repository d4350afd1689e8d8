/* A map is the file's bytes; a file that shrinks under it is found out, and nobody dies of it. */
#include "lk_test.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/map.h"

enum { PAGES = 4 };

static char                  path[] = "/tmp/lk_map_XXXXXX";
static int                   file;
static long                  page;
static sigjmp_buf            out_of_handler;
static volatile sig_atomic_t others;

static unsigned char value_at(long i)
{
    return (unsigned char)(i * 7 % 251 + 1);
}

static int make_file(void **state)
{
    (void)state;
    page = sysconf(_SC_PAGESIZE);
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (long i = 0; i < PAGES * page; i++) {
        unsigned char value = value_at(i);
        if (write(file, &value, 1) != 1) return -1;
    }
    return file >= 0 ? 0 : -1;
}

static int drop_file(void **state)
{
    (void)state;
    close(file);
    return unlink(path);
}

static void a_map_is_the_bytes_of_the_file(void **state)
{
    (void)state;
    for (long from = 0; from < 2 * page; from += page / 2 - 3) {
        lk_map *map = lk_map_open(path, 0, from, PAGES * page - from);
        assert_non_null(map);
        for (long i = from; i < PAGES * page; i += 61)
            assert_int_equal((unsigned char)lk_map_bytes(map)[i - from], value_at(i));
        assert_false(lk_map_damaged(map));
        lk_map_close(&map);
        assert_null(map);
    }
    assert_null(lk_map_open(path, 0, 1, PAGES * page));        /* beyond the end */
    assert_null(lk_map_open(path, PAGES * page + 1, 0, page)); /* another file */
    assert_null(lk_map_open(path, 0, 0, 0));
    assert_null(lk_map_open("/dev/null", 0, 0, 1));
    assert_null(lk_map_open("/no/such/file", 0, 0, 1));
}

static void a_file_that_shrinks_is_found_out(void **state)
{
    lk_map *map = lk_map_open(path, 0, 100, PAGES * page - 100), *whole = lk_map_open(path, 0, 0, page);
    (void)state;
    assert_non_null(map);
    assert_int_equal(ftruncate(file, page), 0);
    assert_int_equal((unsigned char)lk_map_bytes(map)[0], value_at(100));
    assert_false(lk_map_damaged(map));
    for (long i = 0; i < 2; i++) {
        assert_int_equal(lk_map_bytes(map)[3 * page - 100 + i], 0);
        assert_true(lk_map_damaged(map));
    }
    assert_false(lk_map_damaged(whole));
    lk_map_close(&map);
    map = lk_map_open(path, 0, 0, page);
    assert_false(lk_map_damaged(map));
    lk_map_close(&map);
    lk_map_close(&whole);
}

static void on_others(int signal)
{
    (void)signal;
    others = others + 1;
    siglongjmp(out_of_handler, 1);
}

static void a_bus_error_elsewhere_goes_where_it_went_before(void **state)
{
    (void)state;
    signal(SIGBUS, on_others);
    lk_map *map = lk_map_open(path, 0, 0, PAGES * page);
    char   *foreign = mmap(NULL, (size_t)(2 * page), PROT_READ, MAP_SHARED, file, page);
    assert_true(foreign != MAP_FAILED);
    assert_int_equal(ftruncate(file, page), 0);
    for (int i = 1; i <= 2; i++) {
        if (sigsetjmp(out_of_handler, 1) == 0) fail_msg("read %d", *(volatile char *)foreign);
        assert_int_equal(others, i);
        assert_int_equal(lk_map_bytes(map)[i * page], 0); /* ours are still looked after */
    }
    munmap(foreign, (size_t)(2 * page));
    lk_map_close(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_map_is_the_bytes_of_the_file, make_file, drop_file),
        cmocka_unit_test_setup_teardown(a_file_that_shrinks_is_found_out, make_file, drop_file),
        cmocka_unit_test_setup_teardown(a_bus_error_elsewhere_goes_where_it_went_before, make_file,
                                        drop_file),
    };
    return mkstemp(path) >= 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
