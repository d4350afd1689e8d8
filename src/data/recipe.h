/**
 * A recipe: how the raw numbers of one input or target become what the model sees.
 *
 * Array fields:  out = float((raw - mean_c) / std_c), in double, then rounded once; c is the last axis.
 * Index fields:  out = int32(raw), checked to lie in 0..classes-1.
 * Tables:        one stored column after the other: a number becomes (raw - mean) / std, or 0 (the mean)
 * where the cell is missing, followed by 1 or 0 ("was missing") if the training rows had missing cells; a
 * category becomes one output per word of its dictionary, all 0 for a word unknown to it.
 */
#ifndef LK_DATA_RECIPE_H
#define LK_DATA_RECIPE_H

#include "data/stream.h"

typedef enum lk_cell_kind { LK_CELL_NUMBER, LK_CELL_CATEGORY } lk_cell_kind;

/** One column of a table. */
typedef struct lk_cell {
    char        *name; /* owned */
    lk_cell_kind kind;
    double       mean, std; /* numbers */
    bool         indicator; /* numbers: one more output, 1 where missing */
    char       **word;      /* owned [n_words]: dictionary of a category, by code */
    int64_t      n_words;
} lk_cell;

typedef struct lk_recipe {
    lk_field     field;
    lk_normalise normalise;
    int64_t      n_channels; /* of mean and std; 0: raw values as they are */
    double      *mean, *std; /* owned [n_channels] */
    char       **dataset;    /* owned [n_datasets]: paths inside a file */
    char       **axes;       /* owned [n_datasets]: letters as stored */
    int          n_datasets;
    char       **class_name; /* owned [n_class_names] */
    int64_t      n_class_names;
    lk_cell     *cell; /* owned [n_cells]; 0: no table */
    int          n_cells;
    char       **column; /* owned [n_columns]: columns of a table that the target is made of, if known */
    int64_t      n_columns;
    /* Where the number of classes comes from, "data.h5: /train/y[17] is 9"; "" unless the values were counted. */
    char greatest_label[512];
} lk_recipe;

struct lk_transform {
    lk_recipe *input, *target; /* owned */
    int        n_inputs, n_targets;
};

lk_status lk_transform_create(int n_inputs, int n_targets, lk_transform **out);
void      lk_recipe_clear(lk_recipe *recipe);
void      lk_cell_clear(lk_cell *cell);

/** Outputs that a table column takes. */
int64_t lk_cell_width(const lk_cell *cell);
/** Code of a word in the dictionary, -1 if it has none. */
int64_t lk_cell_code(const lk_cell *cell, const char *word);

/** Allocates mean and std. */
lk_status lk_recipe_channels(lk_recipe *recipe, int64_t n);
/**
 * One row: raw doubles to `out` (float or int32_t, the field's elements). Returns -1, or the raw element that
 * is no finite number or lies outside 0..classes-1 (out is then unspecified).
 */
int64_t lk_recipe_apply(const lk_recipe *recipe, const double *raw, void *out);

/** An array of floats, each the raw number, or less its channel's mean and over its deviation; not indices, not a table. */
bool lk_recipe_makes_floats(const lk_recipe *recipe);

/** Copies n texts; freed with lk_texts_free. */
lk_status lk_texts_copy(const char *const *texts, int64_t n, char ***out);
void      lk_texts_free(char ***texts, int64_t n);

#endif
