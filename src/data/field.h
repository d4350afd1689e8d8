/**
 * A field as it lies in files: datasets stacked along the channels, every row as doubles in channels-last
 * order; and fitting its recipe to the training rows.
 */
#ifndef LK_DATA_FIELD_H
#define LK_DATA_FIELD_H

#include "data/recipe.h"
#include "data/source.h"
#include "data/subset.h"

/** The files of a split or of a field, each with the group that dataset names start from. */
typedef struct lk_places {
    int   *number; /* owned [n]: files */
    char **group;  /* owned [n]: "" or "/train" */
    int    n;
} lk_places;

void lk_places_clear(lk_places *places);
/** "/train" + "x" or "/x": a path inside a file. */
lk_status lk_place_dataset(const lk_places *places, int index, const char *dataset, char **out);

typedef struct lk_source {
    lk_column *column; /* owned [n_columns] */
    int        n_columns;
    int64_t   *channel; /* owned: first channel of each column */
    int64_t    channels, elements, n;
    lk_shape   shape;
    bool       has_channels; /* an axis C, or several datasets */
    bool       own_files;
    char     **axes;   /* owned [n_columns]: letters as stored, also where they were not given */
    double   **code;   /* owned [columns of a table]: stored code -> code of the recipe; NULL: the same */
    int64_t   *n_code; /* owned */
    int        n_cells;
} lk_source;

lk_status lk_source_open(lk_handles *handles, const lk_places *places, const lk_field_options *options,
                         lk_source *out);
/** A field of one column (taken, also on failure). */
lk_status lk_source_from_column(const char *name, lk_column *column, lk_source *out);
void      lk_source_clear(lk_source *source);

/** Reading a field: cursors of its columns. */
typedef struct lk_source_cursor {
    const lk_source *source;
    lk_cursor       *cursor; /* owned [n_columns] */
} lk_source_cursor;

/** `shared` NULL: blocks of its own. */
lk_status lk_source_cursor_init(lk_source_cursor *cursor, const lk_source *source, lk_handles *handles,
                                lk_shared *shared);
void      lk_source_cursor_clear(lk_source_cursor *cursor);
/** Row `row` as it stands in the file, [elements] doubles. */
lk_status lk_source_row(lk_source_cursor *cursor, int64_t row, double *out);
/** Fails with file, dataset, the indices in the dataset, and value of element `element` of row `row`; `raw` is the row. */
lk_status lk_source_blame(const lk_source *source, const lk_recipe *recipe, int64_t row, int64_t element,
                          const double *raw);

/** Rows of the training split: all of 0..n-1, or some of them. */
typedef struct lk_rows {
    const lk_subset *some; /* borrowed; NULL: 0, 1, 2 ... */
    int64_t          n;
} lk_rows;

static inline int64_t lk_rows_at(lk_rows rows, int64_t i)
{
    return rows.some ? lk_subset_row(rows.some, i) : i;
}

/** A pass over the training rows before the first step, for hours where they are many. */
typedef struct lk_reading {
    const lk_data_stop *stop;     /* borrowed; NULL: never */
    const char         *field;    /* borrowed */
    const char         *cure;     /* what makes it shorter, or "" */
    int64_t             elements; /* of a row */
    double              began, looked;
    bool                said;
} lk_reading;

/** Seconds from which on a reading is a long one; tests set 0. */
extern double lk_reading_patience;

/** Before row `i` of `n` is read. A long reading is told of once, and left with LK_STOPPED where that is asked for. */
lk_status lk_reading_goes_on(lk_reading *reading, int64_t i, int64_t n);

/**
 * Decides type, shape and normalisation of the recipe from the options and the training rows: means and
 * deviations in double over rows in their order (pairs of (count, mean, sum of squares) merged row by row),
 * at most `most` rows evenly spread if most > 0; classes from class names or 1 + the largest value.
 * Errors also: LK_STOPPED.
 * Sources: Welford 1962; Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983.
 */
lk_status lk_recipe_fit(lk_recipe *recipe, const lk_source *source, const lk_field_options *options,
                        bool is_target, lk_handles *handles, lk_rows rows, int64_t most,
                        const lk_data_stop *stop);
/** Class values of the rows lie within the recipe's classes; LK_E_DATA names the first that does not. */
lk_status lk_recipe_check(const lk_recipe *recipe, const lk_source *source, lk_handles *handles,
                          lk_rows rows);
/** The source has the shape and kind the recipe was made for: LK_E_SHAPE names both. */
lk_status lk_recipe_matches(const lk_recipe *recipe, const lk_source *source);

#endif
