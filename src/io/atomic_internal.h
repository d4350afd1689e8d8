/** The system calls that lk_atomic_write makes, in one table so that a test can fail each of them. */
#ifndef LK_IO_ATOMIC_INTERNAL_H
#define LK_IO_ATOMIC_INTERNAL_H

#include <sys/types.h>

typedef struct lk_io_calls {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*fallocate)(int file, off_t offset, off_t size); /* returns the error number */
    ssize_t (*write)(int file, const void *bytes, size_t size);
    int (*fsync)(int file);
    int (*close)(int file);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
} lk_io_calls;

extern lk_io_calls lk_io;

#endif
