#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/atomic.h"

lk_status lk_file_read(const char *path, size_t limit, char **bytes, size_t *size)
{
    lk_status   st = LK_OK;
    struct stat info;
    size_t      have = 0;
    /* Not waiting: a FIFO that nobody writes into would hold us in open. Regular files do not care. */
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    *bytes = NULL;
    *size = 0;
    LK_CHECK(file >= 0, lk_file_blame(errno), "cannot open %s: %s", path, strerror(errno));
    LK_CHECK(fstat(file, &info) == 0 && S_ISREG(info.st_mode), LK_E_DATA, "%s is not a file", path);
    LK_CHECK((uint64_t)info.st_size <= limit, LK_E_DATA, "%s: %lld bytes are more than the limit of %zu",
             path, (long long)info.st_size, limit);
    LK_TRY(LK_ALLOC((size_t)info.st_size + 1, bytes));
    while (have < (size_t)info.st_size) {
        ssize_t n = read(file, *bytes + have, (size_t)info.st_size - have);
        if (n < 0 && errno == EINTR) continue;
        LK_CHECK(n >= 0, errno == EIO ? LK_E_DATA : LK_E_IO, "cannot read %s: %s", path, strerror(errno));
        LK_CHECK(n > 0, LK_E_DATA, "%s became shorter while it was read", path);
        have += (size_t)n;
    }
    *size = have;
done:
    if (file >= 0) close(file);
    if (st != LK_OK) lk_free(bytes);
    return st;
}

lk_status lk_make_folders(const char *path)
{
    char   part[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof part) return lk_fail(LK_E_IO, "folder %.40s...: the path is too long", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0) {
            if (errno == EEXIST) continue;
            return lk_fail(LK_E_IO, "cannot make folder %s: %s", part, strerror(errno));
        }
        lk_status st = lk_sync_parent(part);
        if (st != LK_OK) return st;
    }
    return LK_OK;
}
