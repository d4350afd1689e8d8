/**
 * Some of the rows of a set, in their order: a bit a row, and where every so-many-th of them stands, so that the i-th is found
 * within a few words. A list of numbers would take 8 bytes a row, in every rank: 1 GB for 128 million.
 */
#ifndef LK_DATA_SUBSET_H
#define LK_DATA_SUBSET_H

#include <stdint.h>

#include "core/status.h"

typedef struct lk_subset {
    uint64_t *bits;       /* owned [rows / 64, up] */
    int64_t  *mark;       /* owned: the row of each LK_SUBSET_STEP-th that is in */
    int64_t   n, n_marks; /* n: rows that are in */
    int64_t   n_words;
} lk_subset;

enum { LK_SUBSET_STEP = 64 };

/** Of rows 0..rows-1 none. */
lk_status lk_subset_init(lk_subset *subset, int64_t rows);
void      lk_subset_clear(lk_subset *subset);
void      lk_subset_add(lk_subset *subset, int64_t row);
/** Once all are in, before the first is asked for. */
lk_status lk_subset_finish(lk_subset *subset);
/** The i-th row that is in, 0 <= i < n. */
int64_t lk_subset_row(const lk_subset *subset, int64_t i);
/** The same for `n` in any order: i [n], row [n]. */
void lk_subset_rows(const lk_subset *subset, int64_t n, const int64_t *i, int64_t *row);

#endif
