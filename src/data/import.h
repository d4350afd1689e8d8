/**
 * What the importers share: which split a row belongs to, and an output that appears under its name when it
 * is whole.
 *
 * An imported table (CSV) in its group: `x` f64 [N, columns] holds numbers and codes of categories as they
 * are (NaN: missing, -1: a word the training rows do not have), `y` the targets. Attributes of the group:
 * `columns` (names), `kinds`
 * ("numeric" or "categorical", one a column), `dictionary_<column>` (words by code, from the training rows),
 * `target_columns`, and `class_names` where the target is a class.
 */
#ifndef LK_DATA_IMPORT_H
#define LK_DATA_IMPORT_H

#include "core/str.h"
#include "data/stream.h"
#include "io/output.h"
#include "lockstep/data.h"

/** The split of row `row`: a pure function of (seed, row). */
lk_split lk_import_split_of(const lk_import_split *split, int64_t row);
/** Counts rows of each split among n. */
void lk_import_count(const lk_import_split *split, int64_t n, int64_t count[LK_SPLITS]);

/** Names of the groups by lk_split. */
extern const char *const lk_split_names[LK_SPLITS];

/** Who made a file, in lk_output's words. */
extern const char lk_import_maker[];
/** Whether -o `out` may be written when these files are read (NULL: none); before any of them is. */
lk_status lk_import_check(const char *out, const char *const *inputs, int n);

/**
 * An array whose rows come in runs, in their order, and go to the splits they belong to, as /<split>/<name>.
 * `type` is the type in memory and in the file.
 */
typedef struct lk_import_rows {
    lk_h5                 *h5; /* borrowed, as the next two */
    const lk_import_split *split;
    const char            *name;
    lk_h5_type             type;
    int                    n_axes;
    int64_t                axis[LK_H5_MAX_AXES];
    size_t                 row_bytes;
    int64_t                next;           /* row that comes next */
    int64_t                put[LK_SPLITS]; /* rows written so far */
    char                  *picked;         /* owned: rows of one split */
    int64_t                most;           /* that it holds */
} lk_import_rows;

lk_status lk_import_rows_begin(lk_import_rows *rows, lk_h5 *h5, const lk_import_split *split,
                               const char *name, lk_h5_type type, int n_axes, const int64_t *axis);
lk_status lk_import_rows_add(lk_import_rows *rows, int64_t n, const void *values);
void      lk_import_rows_clear(lk_import_rows *rows);
/** Rows that make a run of some megabytes. */
int64_t lk_import_run(size_t row_bytes);

/** The same for an array that is in memory as a whole. */
lk_status lk_import_put_rows(lk_h5 *h5, const lk_import_split *split, const char *name, lk_h5_type type,
                             int n_axes, const int64_t *axis, const void *values);

/** Of zlib, which unpacks gzipped IDX files; "none". */
const char *lk_import_zlib_version(void);

#endif
