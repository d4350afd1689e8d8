#include "data/import.h"

#include "core/alloc.h"
#include "core/rng.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const lk_split_names[LK_SPLITS] = {"train", "validation", "test"};

lk_split lk_import_split_of(const lk_import_split *split, int64_t row)
{
    if (split->validation <= 0 && split->test <= 0) return LK_SPLIT_TRAIN;
    lk_rng rng = lk_rng_make(split->seed, LK_RNG_SPLIT, 0, 0, row);
    double u = (double)lk_rng_word(&rng, 0) / 4294967296.0;
    if (u < split->validation) return LK_SPLIT_VALIDATION;
    return u < split->validation + split->test ? LK_SPLIT_TEST : LK_SPLIT_TRAIN;
}

void lk_import_count(const lk_import_split *split, int64_t n, int64_t count[LK_SPLITS])
{
    memset(count, 0, LK_SPLITS * sizeof *count);
    for (int64_t i = 0; i < n; i++) count[lk_import_split_of(split, i)]++;
}

lk_status lk_import_begin(const char *out, lk_import_file *file)
{
    file->h5 = NULL;
    if (snprintf(file->temporary, sizeof file->temporary, "%s.new", out) >= (int)sizeof file->temporary)
        return lk_fail(LK_E_USAGE, "-o: the path is too long");
    return lk_h5_create(file->temporary, &file->h5);
}

lk_status lk_import_commit(lk_import_file *file, const char *out)
{
    lk_status st = LK_OK;
    LK_TRY(lk_h5_close(&file->h5));
    LK_CHECK(rename(file->temporary, out) == 0, LK_E_IO, "cannot name %s: %s", out, strerror(errno));
    file->temporary[0] = 0;
done:
    return st;
}

void lk_import_abandon(lk_import_file *file)
{
    bool begun = file->h5 != NULL || file->temporary[0];
    lk_h5_abandon(&file->h5);
    if (begun && file->temporary[0]) unlink(file->temporary);
}

lk_status lk_import_put_rows(lk_h5 *h5, const lk_import_split *split, const char *name, lk_h5_type type,
                             int n_axes, const int64_t *axis, const void *rows, size_t row_bytes)
{
    lk_status st = LK_OK;
    int64_t   count[LK_SPLITS], shape[LK_H5_MAX_AXES];
    char      path[128], *picked = NULL;
    lk_import_count(split, axis[0], count);
    memcpy(shape, axis, (size_t)n_axes * sizeof *shape);
    for (int s = 0; s < LK_SPLITS; s++) {
        if (count[s] == 0) continue;
        LK_TRY(LK_ALLOC((size_t)count[s] * row_bytes, &picked));
        char *to = picked;
        for (int64_t i = 0; i < axis[0]; i++)
            if (lk_import_split_of(split, i) == (lk_split)s) {
                memcpy(to, (const char *)rows + (size_t)i * row_bytes, row_bytes);
                to += row_bytes;
            }
        shape[0] = count[s];
        snprintf(path, sizeof path, "/%s/%s", lk_split_names[s], name);
        LK_TRY(lk_h5_write(h5, path, type, n_axes, shape, picked));
        lk_free(&picked);
    }
done:
    lk_free(&picked);
    return st;
}
