/* Two NPY arrays to the plain layout: rows are the first axis of both. */
#include "data/import.h"
#include "data/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

/* In runs, so that arrays larger than memory go through. */
static lk_status put_array(lk_h5 *h5, const lk_import_split *split, const char *name, const lk_npy *npy)
{
    lk_status      st = LK_OK;
    lk_import_rows rows = {0};
    char          *run = NULL;
    LK_TRY(lk_import_rows_begin(&rows, h5, split, name, lk_npy_memory_type(npy), npy->info.n_axes,
                                npy->info.axis));
    LK_TRY(lk_alloc_array((size_t)rows.most, rows.row_bytes, (void **)&run));
    for (int64_t first = 0; first < npy->rows; first += rows.most) {
        int64_t n = npy->rows - first < rows.most ? npy->rows - first : rows.most;
        LK_TRY(lk_npy_read(npy, first, n, run));
        LK_TRY(lk_import_rows_add(&rows, n, run));
    }
done:
    lk_import_rows_clear(&rows);
    lk_free(&run);
    return st;
}

lk_status lk_data_import_npy(const char *x_path, const char *y_path, const lk_import_split *split,
                             const char *out, char **text)
{
    lk_status st = LK_OK;
    lk_output file = {0};
    lk_npy    x = {.file = -1}, y = {.file = -1};
    lk_str    said;
    int64_t   count[LK_SPLITS];
    char      group[32];
    *text = NULL;
    lk_str_init(&said);
    LK_TRY(lk_import_check(out, (const char *const[]){x_path, y_path}, 2));
    LK_TRY(lk_npy_open(x_path, &x));
    LK_TRY(lk_npy_open(y_path, &y));
    LK_CHECK(x.rows == y.rows, LK_E_DATA, "%s has %lld rows, %s has %lld", x_path, (long long)x.rows, y_path,
             (long long)y.rows);
    LK_CHECK(x.rows > 0 && x.row_elements > 0 && y.row_elements > 0, LK_E_DATA, "%s has no value",
             x.rows > 0 && x.row_elements > 0 ? y_path : x_path);
    LK_TRY(lk_output_begin(out, lk_import_maker, &file));
    LK_TRY(put_array(file.h5, split, "x", &x));
    LK_TRY(put_array(file.h5, split, "y", &y));
    lk_import_count(split, x.rows, count);
    lk_str_printf(&said, "%s:", out);
    for (int s = 0; s < LK_SPLITS; s++) {
        if (!count[s]) continue;
        snprintf(group, sizeof group, "/%s", lk_split_names[s]);
        LK_TRY(lk_h5_put_text(file.h5, group, "source", x_path));
        lk_str_printf(&said, " %s %lld", lk_split_names[s], (long long)count[s]);
    }
    lk_str_printf(&said, "\n");
    LK_TRY(lk_output_commit(&file));
    LK_TRY(lk_str_copy(&said, text));
done:
    lk_output_abandon(&file);
    lk_npy_close(&x);
    lk_npy_close(&y);
    lk_str_clear(&said);
    return st;
}
