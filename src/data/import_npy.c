/* Two NPY arrays to the plain layout: rows are the first axis of both. */
#include "data/import.h"
#include "data/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t row_bytes(const lk_npy *npy)
{
    size_t bytes = npy->item_bytes;
    for (int i = 1; i < npy->n_axes; i++) bytes *= (size_t)npy->axis[i];
    return bytes;
}

lk_status lk_data_import_npy(const char *x_path, const char *y_path, const lk_import_split *split,
                             const char *out, char **text)
{
    lk_status      st = LK_OK;
    lk_import_file file = {0};
    lk_npy         x = {0}, y = {0};
    lk_str         said;
    int64_t        count[LK_SPLITS];
    char           group[32];
    *text = NULL;
    lk_str_init(&said);
    LK_TRY(lk_npy_open(x_path, &x));
    LK_TRY(lk_npy_open(y_path, &y));
    LK_CHECK(x.n_axes > 0 && y.n_axes > 0 && x.axis[0] == y.axis[0] && x.axis[0] > 0, LK_E_DATA,
             "%s has %lld rows, %s has %lld", x_path, (long long)(x.n_axes ? x.axis[0] : 0), y_path,
             (long long)(y.n_axes ? y.axis[0] : 0));
    LK_TRY(lk_import_begin(out, &file));
    LK_TRY(lk_import_put_rows(file.h5, split, "x", x.type, x.n_axes, x.axis, x.data, row_bytes(&x)));
    LK_TRY(lk_import_put_rows(file.h5, split, "y", y.type, y.n_axes, y.axis, y.data, row_bytes(&y)));
    lk_import_count(split, x.axis[0], count);
    lk_str_printf(&said, "%s:", out);
    for (int s = 0; s < LK_SPLITS; s++) {
        if (!count[s]) continue;
        snprintf(group, sizeof group, "/%s", lk_split_names[s]);
        LK_TRY(lk_h5_put_text(file.h5, group, "source", x_path));
        lk_str_printf(&said, " %s %lld", lk_split_names[s], (long long)count[s]);
    }
    lk_str_printf(&said, "\n");
    LK_TRY(lk_import_commit(&file, out));
    *text = strdup(lk_str_text(&said));
done:
    lk_import_abandon(&file);
    lk_npy_clear(&x);
    lk_npy_clear(&y);
    lk_str_clear(&said);
    return st;
}
