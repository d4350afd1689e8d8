/** Importers: other people's formats into one HDF5 file in the plain layout. Written atomically: an old file
 * survives. */
#ifndef LK_DATA_IMPORT_H
#define LK_DATA_IMPORT_H

#include "core/status.h"
#include <stdint.h>

typedef struct lk_import_split {
    double   validation, test; /* fractions taken from the training data by hash of (seed, row); 0: none */
    uint64_t seed;
} lk_import_split;

/** IDX images and labels, plain or gzip; test may be NULL. x u8 [N, H, W, 1], y u8. */
lk_status lk_import_idx(const char *train_images, const char *train_labels, const char *test_images,
                        const char *test_labels, const lk_import_split *split, const char *out);
/** CSV with a header line; targets: column names. Text columns are categorical; a column of integers with
 *  `classes` true is a class target. Dictionaries are those of the training rows. */
lk_status lk_import_csv(const char *file, const char *const *targets, int n_targets,
                        const lk_import_split *split, const char *out);
lk_status lk_import_npy(const char *x, const char *y, const lk_import_split *split, const char *out);

#endif
