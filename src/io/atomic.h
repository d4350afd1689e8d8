/**
 * Files that are either the old one or the new one, never half of each: write to a temporary name in the same
 * folder, fsync, rename, fsync the folder. All calls go through one table so that tests can fail each of
 * them.
 */
#ifndef LK_IO_ATOMIC_H
#define LK_IO_ATOMIC_H

#include <stdatomic.h>
#include <stddef.h>

#include "core/status.h"

/** Bytes, of files being written. */
typedef atomic_llong lk_moved;

/** Replaces `path` by these bytes; `temporary` is the fixed temporary name in the same folder. The old file
 * survives every failure. Errors: LK_E_IO with path, call and reason (disk full is named). Local. */
lk_status lk_atomic_write(const char *path, const char *temporary, const void *bytes, size_t size);

/** The same. *moved grows with every piece that the system has taken or made durable, so that another thread can tell a
 * slow write from one that stands still; NULL: nobody looks. */
lk_status lk_atomic_write_watched(const char *path, const char *temporary, const void *bytes, size_t size,
                                  lk_moved *moved);

/** The same for what others look at now and nobody needs after a loss of power, which may leave it empty: no disk is waited
 * for. Local. */
lk_status lk_atomic_show(const char *path, const char *temporary, const void *bytes, size_t size);

/** What an error number means for a file, with a plain word for what users meet: "No space left on device
 * (disk full)". Valid until the thread's next call. */
const char *lk_file_reason(int error);

/** Whose fault it is that a file cannot be read: LK_E_DATA where there is none, else LK_E_IO (no permission, the disk). */
lk_status lk_file_blame(int error);

/** Removes a file; one that is not there is fine. */
lk_status lk_file_remove(const char *path);

/** A file written by others under `temporary` becomes `path`: its bytes reach the disk first, then the name.
 * Local. */
lk_status lk_file_settle(const char *temporary, const char *path);

/** The whole file in *bytes (lk_free); at most `limit` bytes, else LK_E_DATA. A file that is missing, or damaged on its disk
 * (EIO): LK_E_DATA; one that is there and cannot be opened or read now: LK_E_IO. */
lk_status lk_file_read(const char *path, size_t limit, char **bytes, size_t *size);

/** Makes the entry of `path` in its folder durable. Where a file system has no fsync of folders: LK_OK. */
lk_status lk_sync_parent(const char *path);

/** Creates the folder and its parents; those that were not there are durable afterwards. */
lk_status lk_make_folders(const char *path);

#endif
