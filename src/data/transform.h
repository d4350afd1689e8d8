/**
 * What turns a user's file into what the model sees: one object shared by train, predict and checkpoint.
 *
 * Per input and target: normalisation per channel (double, then rounded), category dictionaries, missing
 * cells, class names. Statistics come from the training split only, in a fixed order. It writes itself under
 * /input of an HDF5 file and reads itself back, so that a checkpoint and a raw file are all that predict
 * needs.
 *
 * /input has attributes `inputs` and `targets` (names) and a group for each, /input/inputs/x say:
 *   attributes  dtype (f32, i32), shape (of a sample), classes, normalise, datasets and their axes (letters
 * as stored), columns (of a table; 0: an array), target_columns (of the CSV file the target was in) mean, std
 * [channels] doubles, if there are any: float((raw - mean) / std), channels being the last axis class_names
 * texts by class columns/0.. of a table: attributes name, kind. number: mean, std, indicator (one more
 * output, 1 where the cell is missing; the value is 0 there). category: dataset words, one output each.
 */
#ifndef LK_DATA_TRANSFORM_H
#define LK_DATA_TRANSFORM_H

#include "core/shape.h"
#include "io/h5.h"

typedef struct lk_transform lk_transform;

lk_status lk_transform_save(const lk_transform *transform, lk_h5 *file, const char *group);
lk_status lk_transform_load(lk_h5 *file, const char *group, lk_transform **out);
void      lk_transform_destroy(lk_transform **transform);

int             lk_transform_n_inputs(const lk_transform *transform);
const lk_field *lk_transform_input(const lk_transform *transform, int index);
int             lk_transform_n_targets(const lk_transform *transform);
const lk_field *lk_transform_target(const lk_transform *transform, int index);
/** Class names of target 0, or NULL. */
const char *const *lk_transform_class_names(const lk_transform *transform, int64_t *n);
/** What a unit of the normalised target is in the user's units: [*n] deviations, one a channel; NULL as stored. */
const double *lk_transform_target_units(const lk_transform *transform, int index, int64_t *n);
/** Undoes the normalisation of a float target in place: values [n, shape of the target]. */
void lk_transform_undo_target(const lk_transform *transform, int index, int64_t n, float *values);

#endif
