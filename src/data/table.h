/**
 * Tables: columns of numbers and categories side by side, as the CSV importer leaves them (layout at the top
 * of data/import.h), their recipe fitted to the training rows, and raw CSV files read by the same recipe.
 */
#ifndef LK_DATA_TABLE_H
#define LK_DATA_TABLE_H

#include "data/set.h"

/** The columns that the group of the source's first file describes; none if it is no table. */
lk_status lk_table_describe(const lk_source *source, lk_handles *handles, lk_cell **cells, int *n);
/** Names of the target columns of an imported table, none elsewhere. */
lk_status lk_table_targets(const lk_source *source, lk_handles *handles, char ***names, int64_t *n);
/**
 * Fits the recipe's cells (from lk_table_describe): means and deviations of numbers over training cells that
 * are there (at most `most` rows if most > 0), indicators where training cells are missing, dictionaries of
 * the words that training rows have. Errors: LK_E_DATA naming the column (no value, deviation 0).
 */
lk_status lk_table_fit(lk_recipe *recipe, const lk_source *source, lk_handles *handles, lk_rows rows,
                       int64_t most, lk_reading *reading);
/** Lets rows of the source speak the recipe's codes: dictionaries are matched word by word. `checked`: that all files have the
 * same is known. */
lk_status lk_table_map(const lk_recipe *recipe, lk_source *source, bool checked, lk_handles *handles);

#endif
