/** The inside of an HDF5 handle, for the files h5*.c. Every libhdf5 call happens between lk_h5_lock and
 * lk_h5_unlock. */
#ifndef LK_IO_H5_INTERNAL_H
#define LK_IO_H5_INTERNAL_H

#include <hdf5.h>

#include "io/h5.h"

enum { LK_H5_KEPT = 8 };

struct lk_h5 {
    char         label[512]; /* what messages call the file */
    hid_t        file;
    hid_t        access; /* property list of the file's driver, or -1 */
    lk_h5_image *image;  /* owned; NULL: not made in memory. HDF5 has its bytes while the file is open */
    /* Datasets that are read again and again stay open: finding one costs more than reading a small chunk. */
    struct {
        char *path; /* owned; NULL: free */
        hid_t dataset;
    } kept[LK_H5_KEPT];
    int next_kept;
};

void lk_h5_lock(void);
void lk_h5_unlock(void);

/** Fails with "LABEL: what (HDF5: reason)"; the reason is the innermost entry of the library's error stack.
 */
lk_status lk_h5_fail(const lk_h5 *file, lk_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

hid_t lk_h5_memory_type(lk_h5_type type); /* a native type of the library: not to be closed; -1 for strings */
/** A text type: variable length, UTF-8. To be closed. */
hid_t lk_h5_text_type(void);
/** Opens the object, refusing links that leave the file. Called under the lock. */
hid_t lk_h5_open_object(const lk_h5 *file, const char *path);
/** Forgets the datasets that lk_h5_read has kept open. Called under the lock. */
void lk_h5_drop_kept(lk_h5 *file);
/** How links are followed wherever a path is looked up: never out of the file. A property list of `kind`, to
 * be closed. */
hid_t lk_h5_stay_inside(hid_t kind);
/** lk_h5_missing under the lock. */
lk_status lk_h5_fail_missing(const lk_h5 *file, const char *path);
/** Why values in other files are not read: follows a semicolon. */
#define LK_H5_INSIDE "a file is read without others, so that a fingerprint covers all its values. "
/** Makes the groups that PATH stands in (or PATH itself, if `self`). Called under the lock. */
lk_status lk_h5_make_groups(lk_h5 *file, const char *path, bool self);
lk_status lk_h5_open_dataset(const lk_h5 *file, const char *path, hid_t *dataset);

#endif
