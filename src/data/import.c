#include "data/import.h"

#include "core/alloc.h"
#include "core/rng.h"
#include "data/decode.h"

#include <stdio.h>
#include <string.h>

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

const char lk_import_maker[] = "lockstep data import";

lk_status lk_import_check(const char *out, const char *const *inputs, int n)
{
    for (int i = 0; i < n; i++) {
        lk_status st = inputs[i] ? lk_output_apart(out, "input", inputs[i]) : LK_OK;
        if (st != LK_OK) return st;
    }
    return lk_output_free(out, lk_import_maker);
}

/* ---- rows ---- */

enum { RUN_BYTES = 8 << 20 };

int64_t lk_import_run(size_t row_bytes)
{
    return row_bytes < RUN_BYTES ? (int64_t)(RUN_BYTES / (row_bytes ? row_bytes : 1)) : 1;
}

lk_status lk_import_rows_begin(lk_import_rows *rows, lk_h5 *h5, const lk_import_split *split,
                               const char *name, lk_h5_type type, int n_axes, const int64_t *axis)
{
    lk_status st = LK_OK;
    int64_t   count[LK_SPLITS], shape[LK_H5_MAX_AXES];
    char      path[128];
    *rows = (lk_import_rows){.h5 = h5, .split = split, .name = name, .type = type, .n_axes = n_axes};
    memcpy(rows->axis, axis, (size_t)n_axes * sizeof *axis);
    memcpy(shape, axis, (size_t)n_axes * sizeof *axis);
    rows->row_bytes = (size_t)lk_decode_memory_bytes(type);
    for (int i = 1; i < n_axes; i++) rows->row_bytes *= (size_t)axis[i];
    rows->most = lk_import_run(rows->row_bytes);
    if (rows->most > axis[0]) rows->most = axis[0];
    LK_TRY(lk_alloc_array((size_t)rows->most, rows->row_bytes, (void **)&rows->picked));
    lk_import_count(split, axis[0], count);
    for (int s = 0; s < LK_SPLITS; s++) {
        if (count[s] == 0) continue;
        shape[0] = count[s];
        snprintf(path, sizeof path, "/%s/%s", lk_split_names[s], name);
        LK_TRY(lk_h5_create_dataset(h5, path, type, n_axes, shape));
    }
done:
    return st;
}

/* At most rows->most of them. */
static lk_status add_run(lk_import_rows *rows, int64_t n, const char *values)
{
    lk_status st = LK_OK;
    char      path[128];
    for (int s = 0; s < LK_SPLITS; s++) {
        int64_t start[LK_H5_MAX_AXES] = {rows->put[s]}, count[LK_H5_MAX_AXES], taken = 0;
        memcpy(count, rows->axis, sizeof count);
        for (int64_t i = 0; i < n; i++)
            if (lk_import_split_of(rows->split, rows->next + i) == (lk_split)s)
                memcpy(rows->picked + (size_t)taken++ * rows->row_bytes, values + (size_t)i * rows->row_bytes,
                       rows->row_bytes);
        if (taken == 0) continue;
        count[0] = taken;
        snprintf(path, sizeof path, "/%s/%s", lk_split_names[s], rows->name);
        LK_TRY(lk_h5_write_box(rows->h5, path, start, count, rows->type, rows->picked));
        rows->put[s] += taken;
    }
    rows->next += n;
done:
    return st;
}

lk_status lk_import_rows_add(lk_import_rows *rows, int64_t n, const void *values)
{
    lk_status st = LK_OK;
    for (int64_t done_rows = 0; done_rows < n && st == LK_OK; done_rows += rows->most)
        st = add_run(rows, n - done_rows < rows->most ? n - done_rows : rows->most,
                     (const char *)values + (size_t)done_rows * rows->row_bytes);
    return st;
}

void lk_import_rows_clear(lk_import_rows *rows)
{
    lk_free(&rows->picked);
}

lk_status lk_import_put_rows(lk_h5 *h5, const lk_import_split *split, const char *name, lk_h5_type type,
                             int n_axes, const int64_t *axis, const void *values)
{
    lk_import_rows rows;
    lk_status      st = lk_import_rows_begin(&rows, h5, split, name, type, n_axes, axis);
    if (st == LK_OK) st = lk_import_rows_add(&rows, axis[0], values);
    lk_import_rows_clear(&rows);
    return st;
}
