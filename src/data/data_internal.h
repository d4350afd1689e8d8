/**
 * What reads rows and what orders them, apart: a reader fetches rows by position within a split, the stream
 * decides which positions come when.
 */
#ifndef LK_DATA_INTERNAL_H
#define LK_DATA_INTERNAL_H

#include "data/source.h"
#include "data/stream.h"

/** Open files, decoded blocks and scratch of one thread. */
typedef struct lk_data_reader lk_data_reader;

/** How the blocks of a training stream are kept: with those of `sharers` ranks at `at`, or NULL: in memory of its own. */
lk_shared lk_data_shared(const lk_data *data, void *at, int sharers);

/** Allocates all that reading `split` needs, but for blocks in shared memory. `shared` NULL: its rows are read in order, once.
 * LK_E_DATA if the data has no such split. */
lk_status lk_data_reader_create(lk_data *data, lk_split split, lk_shared *shared, lk_data_reader **out);
void      lk_data_reader_destroy(lk_data_reader **reader);

/**
 * Rows `index` [n] (positions within the split, 0..lk_data_n-1) of every input and target, normalised, into
 * the caller's arrays: input[i] and target[i] point to n rows each of the field's shape (float or int32_t);
 * weight [n] or NULL; mask [n, elements of target 0] or NULL; sample [n] gets each row's index in its source.
 * Without targets (lk_data_has_targets) `target` is not read and may be NULL.
 * Thread: one reader at a time per lk_data_reader.
 * Errors: LK_E_DATA naming file, dataset and index (NaN, label out of range, file cut short).
 */
lk_status lk_data_read(lk_data_reader *reader, int64_t n, const int64_t *index, void *const *input,
                       void *const *target, float *weight, float *mask, int64_t *sample);

/** Bytes taken from files so far. */
int64_t lk_data_bytes(const lk_data_reader *reader);

/** Whether the split has sample weights (dataset w); without them every weight is 1. */
bool lk_data_has_weights(const lk_data *data, lk_split split);
/** Whether elements of target 0 may be left out of the loss. */
bool lk_data_has_mask(const lk_data *data, lk_split split);
/** The options the data was opened with (borrowed): shuffle, augment. */
const lk_data_options *lk_data_options_of(const lk_data *data);

#endif
