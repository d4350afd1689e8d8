/** CSV files (RFC 4180): a header line, then rows of as many cells. Read whole; cells are texts into one
 * block. */
#ifndef LK_DATA_CSV_H
#define LK_DATA_CSV_H

#include "core/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lk_csv {
    char   *bytes; /* owned: the file, cells ended by NUL */
    char  **name;  /* owned [n_columns], into bytes */
    char  **cell;  /* owned [n_rows * n_columns], into bytes */
    int64_t n_rows;
    int     n_columns;
} lk_csv;

/** Quoted cells, CRLF and a byte order mark are understood. LK_E_DATA with file and line: a row of another
 * length, a quote that never ends, no header, two columns of one name. */
lk_status lk_csv_open(const char *path, lk_csv *out);
void      lk_csv_clear(lk_csv *csv);

/** Column of that name, -1 if there is none. */
int lk_csv_column(const lk_csv *csv, const char *name);
/** Files of other programs say ; or tab where they should say , and then seem to have a single column: words
 * for the end of a message, or "". */
const char *lk_csv_hint(const lk_csv *csv);
const char *lk_csv_cell(const lk_csv *csv, int64_t row, int column);

/** Empty, NA, NaN, nan, null and ? stand for nothing. */
bool lk_csv_is_missing(const char *cell);
/** True if the whole cell is a number (spaces around it aside). */
bool lk_csv_number(const char *cell, double *value);

#endif
