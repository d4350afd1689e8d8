/* Each system call of an atomic write fails in turn: the file is the old one or the new one, whole. */
#include "lk_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/atomic.h"
#include "io/atomic_internal.h"

static char         folder[64], target[96], temporary[96];
static lk_io_calls  real;
static const char   OLD[] = "the old file", NEW[] = "the new file, longer than the old one";
static int          n_writes, n_opens, n_fsyncs, fail_error;
static const size_t NEW_BYTES = sizeof NEW - 1;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/lk_atomic_XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(target, sizeof target, "%s/file", folder);
    snprintf(temporary, sizeof temporary, "%s/.new", folder);
    real = lk_io;
    n_writes = n_opens = n_fsyncs = 0;
    return lk_atomic_write(target, temporary, OLD, sizeof OLD - 1) == LK_OK ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    lk_io = real;
    unlink(target);
    unlink(temporary);
    return rmdir(folder);
}

static void expect_content(const char *expected)
{
    char  *bytes;
    size_t size;
    assert_ok(lk_file_read(target, 1000, &bytes, &size));
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(bytes, expected, size);
    lk_free(&bytes);
    assert_int_equal(access(temporary, F_OK), -1);
}

static void expect_failure(const char *word, int error, const char *content)
{
    assert_status(lk_atomic_write(target, temporary, NEW, NEW_BYTES), LK_E_IO);
    assert_non_null(strstr(lk_error_message(), folder));
    assert_non_null(strstr(lk_error_message(), word));
    assert_non_null(strstr(lk_error_message(), strerror(error)));
    lk_io = real;
    expect_content(content);
    /* The failure leaves nothing behind that would stop the next write. */
    assert_ok(lk_atomic_write(target, temporary, NEW, NEW_BYTES));
    expect_content(NEW);
}

static int refuse_open(const char *path, int flags, mode_t mode)
{
    if (++n_opens == fail_error) {
        errno = EACCES;
        return -1;
    }
    return real.open(path, flags, mode);
}

static int refuse_space(int file, off_t offset, off_t size)
{
    (void)file, (void)offset, (void)size;
    return fail_error;
}

static ssize_t write_then_fail(int file, const void *bytes, size_t size)
{
    if (n_writes++ == 0) return real.write(file, bytes, size < 5 ? size : 5);
    if (fail_error == 0) return 0;
    errno = fail_error;
    return -1;
}

static ssize_t write_in_crumbs(int file, const void *bytes, size_t size)
{
    if (n_writes++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    return real.write(file, bytes, size < 3 ? size : 3);
}

static int refuse_fsync(int file)
{
    if (++n_fsyncs == fail_error) {
        errno = EIO;
        return -1;
    }
    assert_true(n_fsyncs < fail_error); /* never a second try after a failure */
    return real.fsync(file);
}

static int fsync_not_supported(int file)
{
    if (++n_fsyncs == 1) return real.fsync(file);
    errno = EINVAL;
    return -1;
}

static int refuse_close(int file)
{
    real.close(file);
    errno = EDQUOT;
    return -1;
}

static int refuse_rename(const char *from, const char *to)
{
    (void)from, (void)to;
    errno = EXDEV;
    return -1;
}

static void open_fails(void **state)
{
    (void)state;
    fail_error = 1;
    lk_io.open = refuse_open;
    expect_failure("open", EACCES, OLD);
}

static void no_space_to_reserve(void **state)
{
    (void)state;
    fail_error = ENOSPC;
    lk_io.fallocate = refuse_space;
    expect_failure("disk full", ENOSPC, OLD);
}

static void a_file_system_without_reservation_is_fine(void **state)
{
    static const int harmless[] = {EOPNOTSUPP, EINVAL, ENOSYS};
    (void)state;
    lk_io.fallocate = refuse_space;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        fail_error = harmless[i];
        assert_ok(lk_atomic_write(target, temporary, i % 2 ? OLD : NEW, i % 2 ? sizeof OLD - 1 : NEW_BYTES));
        expect_content(i % 2 ? OLD : NEW);
    }
}

static void short_write_then_full_disk(void **state)
{
    (void)state;
    fail_error = ENOSPC;
    lk_io.write = write_then_fail;
    expect_failure("disk full", ENOSPC, OLD);
}

static void short_write_then_bad_disk(void **state)
{
    (void)state;
    fail_error = EIO;
    lk_io.write = write_then_fail;
    expect_failure("write", EIO, OLD);
}

static void write_that_makes_no_progress(void **state)
{
    (void)state;
    fail_error = 0;
    lk_io.write = write_then_fail;
    expect_failure("write", ENOSPC, OLD);
}

static void short_and_interrupted_writes_go_on(void **state)
{
    (void)state;
    lk_io.write = write_in_crumbs;
    assert_ok(lk_atomic_write(target, temporary, NEW, NEW_BYTES));
    expect_content(NEW);
    assert_int_equal(n_writes, 2 * ((NEW_BYTES + 2) / 3));
}

static void fsync_fails_and_is_not_tried_again(void **state)
{
    (void)state;
    fail_error = 1;
    lk_io.fsync = refuse_fsync;
    expect_failure("fsync", EIO, OLD);
    assert_int_equal(n_fsyncs, 1);
}

static void close_fails(void **state)
{
    (void)state;
    lk_io.close = refuse_close;
    expect_failure("close", EDQUOT, OLD);
}

static void rename_fails(void **state)
{
    (void)state;
    lk_io.rename = refuse_rename;
    expect_failure("rename", EXDEV, OLD);
}

/* After the rename the new file is there; whether it would survive a power loss is what is not known. */
static void folder_cannot_be_synced(void **state)
{
    (void)state;
    fail_error = 2;
    lk_io.fsync = refuse_fsync;
    expect_failure("fsync", EIO, NEW);
}

static void folder_cannot_be_opened(void **state)
{
    (void)state;
    fail_error = 2;
    lk_io.open = refuse_open;
    expect_failure("open", EACCES, NEW);
}

static void folder_without_fsync_is_fine(void **state)
{
    (void)state;
    lk_io.fsync = fsync_not_supported;
    assert_ok(lk_atomic_write(target, temporary, NEW, NEW_BYTES));
    expect_content(NEW);
}

static int no_fsync(int file)
{
    (void)file;
    fail_msg("a disk is waited for");
    return -1;
}

/* What is shown is whole as well, but no disk is waited for. */
static void what_is_shown_waits_for_no_disk(void **state)
{
    (void)state;
    lk_io.fsync = no_fsync;
    lk_io.write = write_in_crumbs;
    assert_ok(lk_atomic_show(target, temporary, NEW, NEW_BYTES));
    expect_content(NEW);
    lk_io.write = write_then_fail;
    fail_error = ENOSPC;
    assert_status(lk_atomic_show(target, temporary, OLD, strlen(OLD)), LK_E_IO);
    assert_non_null(strstr(lk_error_message(), "disk full"));
    expect_content(NEW);
}

static void a_planted_link_is_not_followed(void **state)
{
    char victim[96], back[64];
    (void)state;
    snprintf(victim, sizeof victim, "%s/victim", folder);
    assert_ok(lk_atomic_write(victim, temporary, OLD, sizeof OLD - 1));
    assert_int_equal(symlink(victim, temporary), 0);
    assert_status(lk_atomic_write(target, temporary, NEW, NEW_BYTES), LK_E_IO);
    int file = open(victim, O_RDONLY);
    assert_int_equal(read(file, back, sizeof back), sizeof OLD - 1);
    close(file);
    assert_memory_equal(back, OLD, sizeof OLD - 1);
    unlink(victim);
}

static void an_empty_file(void **state)
{
    (void)state;
    assert_ok(lk_atomic_write(target, temporary, "", 0));
    expect_content("");
}

static void reading_refuses_what_is_no_file(void **state)
{
    char  *bytes, fifo[96];
    size_t size;
    (void)state;
    assert_status(lk_file_read(folder, 1000, &bytes, &size), LK_E_DATA);
    assert_status(lk_file_read("/dev/zero", 1000, &bytes, &size), LK_E_DATA);
    assert_status(lk_file_read(temporary, 1000, &bytes, &size), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), temporary));
    assert_status(lk_file_read(target, sizeof OLD - 2, &bytes, &size), LK_E_DATA);
    assert_non_null(strstr(lk_error_message(), "limit"));
    assert_null(bytes);
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    alarm(10); /* nobody writes into it: a plain open would wait for ever */
    assert_status(lk_file_read(fifo, 1000, &bytes, &size), LK_E_DATA);
    alarm(0);
    unlink(fifo);
}

static void folders_are_made_with_their_parents(void **state)
{
    char        path[128], part[128];
    struct stat info;
    (void)state;
    snprintf(path, sizeof path, "%s/a/b//c", folder);
    assert_ok(lk_make_folders(path));
    assert_ok(lk_make_folders(path));
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    snprintf(part, sizeof part, "%s/x", target);
    assert_status(lk_make_folders(part), LK_E_IO); /* below a file */
    rmdir(path);
    snprintf(path, sizeof path, "%s/a/b", folder);
    rmdir(path);
    snprintf(path, sizeof path, "%s/a", folder);
    rmdir(path);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(open_fails),
                                       CASE(no_space_to_reserve),
                                       CASE(a_file_system_without_reservation_is_fine),
                                       CASE(short_write_then_full_disk),
                                       CASE(short_write_then_bad_disk),
                                       CASE(write_that_makes_no_progress),
                                       CASE(short_and_interrupted_writes_go_on),
                                       CASE(fsync_fails_and_is_not_tried_again),
                                       CASE(close_fails),
                                       CASE(rename_fails),
                                       CASE(folder_cannot_be_synced),
                                       CASE(folder_cannot_be_opened),
                                       CASE(folder_without_fsync_is_fine),
                                       CASE(what_is_shown_waits_for_no_disk),
                                       CASE(a_planted_link_is_not_followed),
                                       CASE(an_empty_file),
                                       CASE(reading_refuses_what_is_no_file),
                                       CASE(folders_are_made_with_their_parents)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
