/** Data sets: other people's formats into one HDF5 file, and what is in a file. Local unless it says
 * otherwise. */
#ifndef LOCKSTEP_DATA_H
#define LOCKSTEP_DATA_H

#include <stdint.h>

#include "lockstep/session.h"
#include "lockstep/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Shares of the rows that become validation and test data, by hash of (seed, row); 0: none. */
typedef struct lk_import_split {
    double   validation, test;
    uint64_t seed;
} lk_import_split;

/**
 * IDX images and labels (Y. LeCun's format), plain or gzip; test files may be NULL. OUT gets groups train
 * (validation, test) with x u8 [N, H, W, 1] and y u8 [N]. Errors: LK_E_DATA naming file and place; an OUT
 * that stood there before survives them. LK_E_USAGE if OUT is a file that is read, or any that no import made.
 * *text (free()) says what was written.
 */
LK_API lk_status lk_data_import_idx(const char *train_images, const char *train_labels,
                                    const char *test_images, const char *test_labels,
                                    const lk_import_split *split, const char *out, char **text);

/**
 * A CSV file with a header line (RFC 4180). Columns of numbers stay numbers, others become codes of a
 * dictionary that comes from the training rows; empty cells, NA, NaN and ? are missing. A target of words or
 * of few whole numbers is a class.
 */
LK_API lk_status lk_data_import_csv(const char *file, const char *const *targets, int n_targets,
                                    const lk_import_split *split, const char *out, char **text);

/** Arrays saved by numpy, x [N, ...] and y [N, ...], of any type Lockstep reads. */
LK_API lk_status lk_data_import_npy(const char *x, const char *y, const lk_import_split *split,
                                    const char *out, char **text);

/** Groups, types, shapes, storage and classes of FILE or FILE:/group; what cannot be trained on is listed
 * with the reason. *text: freed with free(). */
LK_API lk_status lk_data_info(const char *path, int json, char **text);

/**
 * Of every dataset, and per channel: least, greatest, mean, deviation, values that are not finite; for lists of
 * integers the count of each value. In the units that training sees: NetCDF's scale_factor and add_offset are
 * applied, and its _FillValue is not finite. Channels are the places of the last axis of two, or of more where
 * it is no longer than 16: a longer one is space. In double, in a fixed order. The ranks of the session share the reading
 * (NULL: this process alone); every rank gets *text. LK_E_DATA, with *text, where a dataset cannot be read.
 * Collective.
 */
LK_API lk_status lk_data_stats(lk_session *session, const char *path, int json, char **text);

/**
 * Reads every byte of every dataset and attribute: an XXH3-128 for each object and one for all. Byte order,
 * layout and packing of numbers make no difference. Sharing and errors as lk_data_stats. Collective.
 */
LK_API lk_status lk_data_verify(lk_session *session, const char *path, int json, char **text);

#ifdef __cplusplus
}
#endif
#endif
