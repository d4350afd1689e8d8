#include "io/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/atomic_internal.h"

enum { PIECE_BYTES = 8 << 20, SYNC_BYTES = 256 << 20 };

static int real_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

lk_io_calls lk_io = {real_open, posix_fallocate, write, fsync, close, rename, unlink};

const char *lk_file_reason(int error)
{
    static _Thread_local char text[160];
    const char *hint = error == ENOSPC ? " (disk full)" : error == EDQUOT ? " (the quota is used up)" : "";
    snprintf(text, sizeof text, "%s%s", strerror(error), hint);
    return text;
}

lk_status lk_file_blame(int error)
{
    return error == ENOENT || error == ENOTDIR ? LK_E_DATA : LK_E_IO;
}

static lk_status fail(const char *path, const char *call, int error)
{
    return lk_fail(LK_E_IO, "cannot write %s: %s: %s", path, call, lk_file_reason(error));
}

/* After a failed fsync the kernel may have dropped the pages: never try again on that descriptor. */
static lk_status make_durable(int file, const char *path, size_t size, lk_moved *moved)
{
    if (lk_io.fsync(file) != 0) return fail(path, "fsync", errno);
    if (moved) atomic_fetch_add(moved, (long long)size);
    return LK_OK;
}

/* The disk takes a piece while the next one is copied. A hint: fsync says whether all arrived. */
static void begin_writeback(int file, off_t at, off_t n)
{
#ifdef __linux__
    (void)sync_file_range(file, at, n, SYNC_FILE_RANGE_WRITE);
#else
    (void)file, (void)at, (void)n;
#endif
}

/* In pieces, and durable now and then, so that a large file on a slow disk is seen to move. */
static lk_status write_all(int file, const char *path, const char *bytes, size_t size, lk_moved *moved)
{
    size_t since = 0; /* not yet durable */
    off_t  at = 0;
    while (size > 0) {
        ssize_t n = lk_io.write(file, bytes, size < PIECE_BYTES ? size : PIECE_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail(path, "write", n == 0 ? ENOSPC : errno);
        begin_writeback(file, at, (off_t)n);
        at += n;
        bytes += n;
        size -= (size_t)n;
        since += (size_t)n;
        if (moved) atomic_fetch_add(moved, (long long)n);
        if (size > 0 && since >= SYNC_BYTES) {
            lk_status st = make_durable(file, path, since, moved);
            if (st != LK_OK) return st;
            since = 0;
        }
    }
    return make_durable(file, path, since, moved);
}

/* Nothing is lost yet where opening or reserving was interrupted by a signal. */
static int open_patiently(const char *path, int flags, mode_t mode)
{
    int file;
    do file = lk_io.open(path, flags, mode);
    while (file < 0 && errno == EINTR);
    return file;
}

static int reserve(int file, size_t size)
{
    int error = 0;
    if (size == 0) return 0;
    do error = lk_io.fallocate(file, 0, (off_t)size);
    while (error == EINTR);
    return error == EOPNOTSUPP || error == EINVAL || error == ENOSYS ? 0 : error;
}

static lk_status write_temporary(const char *path, const char *bytes, size_t size, lk_moved *moved)
{
    lk_status st = LK_OK;
    int       file = open_patiently(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0) return fail(path, "open", errno);
    int error = reserve(file, size);
    if (error != 0) st = fail(path, "reserve space", error);
    if (st == LK_OK) st = write_all(file, path, bytes, size, moved);
    if (lk_io.close(file) != 0 && st == LK_OK) st = fail(path, "close", errno);
    return st;
}

lk_status lk_sync_parent(const char *path)
{
    char  folder[PATH_MAX];
    char *slash;
    snprintf(folder, sizeof folder, "%s", path);
    slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    else
        snprintf(folder, sizeof folder, ".");
    int file = open_patiently(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (file < 0) return fail(folder, "open", errno);
    lk_status st = lk_io.fsync(file) == 0 || errno == EINVAL ? LK_OK : fail(folder, "fsync", errno);
    lk_io.close(file);
    return st;
}

lk_status lk_atomic_write_watched(const char *path, const char *temporary, const void *bytes, size_t size,
                                  lk_moved *moved)
{
    lk_status st = write_temporary(temporary, bytes, size, moved);
    if (st == LK_OK && lk_io.rename(temporary, path) != 0) st = fail(path, "rename", errno);
    if (st != LK_OK) {
        lk_io.unlink(temporary);
        return st;
    }
    return lk_sync_parent(path);
}

lk_status lk_atomic_write(const char *path, const char *temporary, const void *bytes, size_t size)
{
    return lk_atomic_write_watched(path, temporary, bytes, size, NULL);
}

lk_status lk_atomic_show(const char *path, const char *temporary, const void *bytes, size_t size)
{
    lk_status   st = LK_OK;
    const char *at = bytes;
    int         file = open_patiently(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0) return fail(temporary, "open", errno);
    while (size > 0 && st == LK_OK) {
        ssize_t n = lk_io.write(file, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) st = fail(temporary, "write", n == 0 ? ENOSPC : errno);
        if (n > 0) at += n, size -= (size_t)n;
    }
    if (lk_io.close(file) != 0 && st == LK_OK) st = fail(temporary, "close", errno);
    if (st == LK_OK && lk_io.rename(temporary, path) != 0) st = fail(path, "rename", errno);
    if (st != LK_OK) lk_io.unlink(temporary);
    return st;
}

lk_status lk_file_remove(const char *path)
{
    if (lk_io.unlink(path) == 0 || errno == ENOENT) return LK_OK;
    return lk_fail(LK_E_IO, "cannot delete %s: %s", path, strerror(errno));
}

lk_status lk_file_settle(const char *temporary, const char *path)
{
    lk_status st = LK_OK;
    int       file = open_patiently(temporary, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0) return fail(temporary, "open", errno);
    if (lk_io.fsync(file) != 0) st = fail(temporary, "fsync", errno);
    lk_io.close(file);
    if (st == LK_OK && lk_io.rename(temporary, path) != 0) st = fail(path, "rename", errno);
    return st == LK_OK ? lk_sync_parent(path) : st;
}
