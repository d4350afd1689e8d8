/* The reader: rows of a split, from files to normalised arrays. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "data/set.h"
#include "kernels/vec.h"

/* How rows of a field of floats are made fast; the values are lk_recipe_apply's. All NULL and 0: by lk_recipe_apply itself. */
typedef struct shortcut {
    double     *channels; /* owned: what `standard` points into */
    lk_standard standard; /* period 0: none */
    bool        plain;    /* floats stay as they are */
    bool        scales;   /* bytes by lk_scale_u8 */
} shortcut;

/* A row of a batch, and where it goes. */
typedef struct row_place {
    int64_t row, place;
} row_place;

struct lk_data_reader {
    const lk_data    *data; /* borrowed */
    lk_split          split;
    const lk_set     *set; /* borrowed */
    lk_handles        handles;
    lk_source_cursor *input, *target; /* owned */
    lk_source_cursor  weight;
    double           *raw;            /* owned: one row of the largest field */
    row_place        *sorted, *order; /* owned [n_sorted], as many as the largest batch had */
    int64_t           n_sorted;
    bool              has_blocks;
    shortcut         *of_input, *of_target; /* owned */
};

static int64_t largest_row(const lk_set *set)
{
    int64_t most = 1;
    for (int i = 0; i < set->n_inputs; i++)
        if (set->input[i].elements > most) most = set->input[i].elements;
    for (int i = 0; i < set->n_targets; i++)
        if (set->target[i].elements > most) most = set->target[i].elements;
    return most;
}

static lk_status init_cursors(lk_data_reader *reader, lk_shared *shared)
{
    lk_status     st = LK_OK;
    const lk_set *set = reader->set;
    LK_TRY(LK_ALLOC(set->n_inputs, &reader->input));
    LK_TRY(LK_ALLOC(set->n_targets, &reader->target));
    for (int i = 0; i < set->n_inputs; i++)
        LK_TRY(lk_source_cursor_init(&reader->input[i], &set->input[i], &reader->handles, shared));
    for (int i = 0; i < set->n_targets; i++)
        LK_TRY(lk_source_cursor_init(&reader->target[i], &set->target[i], &reader->handles, shared));
    if (set->has_weight)
        LK_TRY(lk_source_cursor_init(&reader->weight, &set->weight, &reader->handles, shared));
done:
    return st;
}

/* Means and deviations by element, a whole number of vectors long where that is not too much. */
static lk_status prepare_standard(const lk_recipe *recipe, bool bytes, shortcut *out)
{
    enum { LEAST = 256, VECTOR = 16 };
    lk_status st = LK_OK;
    int64_t   channels = recipe->n_channels ? recipe->n_channels : 1, period = channels;
    for (int64_t c = 0; c < recipe->n_channels; c++)
        if (!(recipe->std[c] >= 0x1p-100 && recipe->std[c] <= 0x1p100)) return LK_OK;
    while (period < LEAST || (period % VECTOR && period < VECTOR * LEAST)) period += channels;
    LK_TRY(LK_ALLOC(4 * period, &out->channels));
    double *mean = out->channels, *std = mean + period, *inverse = std + period, *shift = inverse + period;
    for (int64_t i = 0; i < period; i++) {
        mean[i] = recipe->n_channels ? recipe->mean[i % channels] : 0;
        std[i] = recipe->n_channels ? recipe->std[i % channels] : 1;
        inverse[i] = 1 / std[i];
        shift[i] = -mean[i] / std[i];
    }
    out->standard = (lk_standard){period, mean, std, inverse, shift};
    out->plain = recipe->n_channels == 0;
    out->scales = bytes && lk_scales_u8(&out->standard);
done:
    return st;
}

static lk_status prepare_shortcuts(int n, const lk_source *source, const lk_recipe *recipe, shortcut **out)
{
    lk_status st = LK_OK;
    LK_TRY(LK_ALLOC(n, out));
    for (int i = 0; i < n; i++) {
        bool bytes = source[i].n_columns == 1 && source[i].column[0].part[0].info.type == LK_H5_U8;
        if (lk_recipe_makes_floats(&recipe[i])) LK_TRY(prepare_standard(&recipe[i], bytes, &(*out)[i]));
    }
done:
    return st;
}

static void clear_shortcuts(int n, shortcut **shortcuts)
{
    for (int i = 0; *shortcuts && i < n; i++) lk_free(&(*shortcuts)[i].channels);
    lk_free(shortcuts);
}

static bool has_blocks(const lk_source_cursor *cursor)
{
    for (int i = 0; i < cursor->source->n_columns; i++)
        if (lk_cursor_has_blocks(&cursor->cursor[i])) return true;
    return false;
}

lk_status lk_data_reader_create(lk_data *data, lk_split split, lk_shared *shared, lk_data_reader **out)
{
    static const char *const names[LK_SPLITS] = {"train", "validation", "test"};
    lk_status                st = LK_OK;
    lk_data_reader          *reader = NULL;
    LK_CHECK(data->split[split].set, LK_E_DATA, "the data has no %s split", names[split]);
    LK_TRY(LK_ALLOC(1, &reader));
    reader->data = data;
    reader->split = split;
    reader->set = data->split[split].set;
    LK_TRY(lk_handles_init(&reader->handles, &data->files));
    LK_TRY(init_cursors(reader, shared));
    LK_TRY(LK_ALLOC(largest_row(reader->set), &reader->raw));
    const lk_set *set = reader->set;
    for (int i = 0; i < set->n_inputs; i++)
        reader->has_blocks = reader->has_blocks || has_blocks(&reader->input[i]);
    for (int i = 0; i < set->n_targets; i++)
        reader->has_blocks = reader->has_blocks || has_blocks(&reader->target[i]);
    LK_TRY(prepare_shortcuts(set->n_inputs, set->input, data->transform->input, &reader->of_input));
    LK_TRY(prepare_shortcuts(set->n_targets, set->target, data->transform->target, &reader->of_target));
done:
    if (st != LK_OK) lk_data_reader_destroy(&reader);
    *out = reader;
    return st;
}

void lk_data_reader_destroy(lk_data_reader **reader)
{
    if (!reader || !*reader) return;
    const lk_set *set = (*reader)->set;
    for (int i = 0; (*reader)->input && i < set->n_inputs; i++) lk_source_cursor_clear(&(*reader)->input[i]);
    for (int i = 0; (*reader)->target && i < set->n_targets; i++)
        lk_source_cursor_clear(&(*reader)->target[i]);
    lk_source_cursor_clear(&(*reader)->weight);
    lk_handles_clear(&(*reader)->handles);
    lk_free(&(*reader)->input);
    lk_free(&(*reader)->target);
    clear_shortcuts(set->n_inputs, &(*reader)->of_input);
    clear_shortcuts(set->n_targets, &(*reader)->of_target);
    lk_free(&(*reader)->raw);
    lk_free(&(*reader)->sorted);
    lk_free(&(*reader)->order);
    lk_free(reader);
}

int64_t lk_data_bytes(const lk_data_reader *reader)
{
    return reader->handles.bytes;
}

/* Rows that follow each other, *made of up to n, from where they lie in the file or in memory; 0 where there is no such way to the
 * first, or a value among them that only the slow way can name. */
static lk_status read_in_place(lk_cursor *cursor, const lk_recipe *recipe, const shortcut *by, int64_t row,
                               int64_t n, float *out, int64_t *made)
{
    lk_status   st = LK_OK;
    int64_t     elements = lk_shape_count(&recipe->field.shape);
    lk_h5_type  type = LK_H5_STRING;
    const void *raw = NULL;
    bool        well = false;
    *made = 0;
    LK_TRY(lk_cursor_view(cursor, row, &n, &type, &raw));
    if (!raw) goto done;
    elements *= n;
    if (type == LK_H5_U8 && by->scales) {
        lk_scale_u8(elements, raw, &by->standard, out);
        well = true;
    } else if (type == LK_H5_U8) {
        well = lk_standardise_u8(elements, raw, &by->standard, out);
    } else if (type == LK_H5_F32) {
        well = by->plain ? lk_copy_finite(elements, raw, out)
                         : lk_standardise_f32(elements, raw, &by->standard, out);
    } else if (type == LK_H5_F64) {
        well = lk_standardise_f64(elements, raw, &by->standard, out);
    }
    LK_TRY(lk_cursor_verify(cursor));
    if (well) *made = n;
done:
    return st;
}

/* A row by way of doubles, whatever it is. */
static lk_status read_by_doubles(lk_data_reader *reader, lk_source_cursor *cursor, const lk_recipe *recipe,
                                 const shortcut *by, int64_t row, void *out)
{
    lk_status st = LK_OK;
    int64_t   bad = -1;
    LK_TRY(lk_source_row(cursor, row, reader->raw));
    if (!by->standard.period ||
        !lk_standardise_f64(lk_shape_count(&recipe->field.shape), reader->raw, &by->standard, out))
        bad = lk_recipe_apply(recipe, reader->raw, out);
    if (bad >= 0) st = lk_source_blame(cursor->source, recipe, row, bad, reader->raw);
done:
    return st;
}

/* Ahead of row i: pages (and labels, which a line holds) a group at a time, the group after this one, and lines row by row. Found:
 * the rows before are known. */
static void announce(const lk_cursor *cursor, int64_t n, const int64_t *row, int64_t i, int64_t *found)
{
    enum { LINES_AHEAD = 4, GROUP = 32 };
    if (*found < i) *found = i;
    for (; *found < n && *found <= i + GROUP; *found += GROUP)
        lk_cursor_find(cursor, n - *found < GROUP ? n - *found : GROUP, row + *found);
    if (i + LINES_AHEAD < n) lk_cursor_fetch(cursor, row[i + LINES_AHEAD]);
}

/* Of n rows, how many from the first on follow each other, in the source and in the batch. */
static int64_t following(int64_t n, const int64_t *row, const row_place *sorted)
{
    int64_t count = 1;
    if (sorted)
        while (count < n && sorted[count].row == sorted[0].row + count &&
               sorted[count].place == sorted[0].place + count)
            count++;
    else
        while (count < n && row[count] == row[0] + count) count++;
    return count;
}

/* `sorted`: the rows in another order, or NULL. */
static lk_status read_rows(lk_data_reader *reader, lk_source_cursor *cursor, const lk_recipe *recipe,
                           const shortcut *by, int64_t n, const int64_t *row, const row_place *sorted,
                           char *out)
{
    lk_status st = LK_OK;
    int64_t   bytes = lk_shape_count(&recipe->field.shape) * (int64_t)sizeof(float);
    bool      single = cursor->source->n_columns == 1, direct = single && by->standard.period > 0;
    int64_t   found = 0, end = 0,
            singly = 0; /* rows before `end` follow each other; before `singly` they do not go together */
    for (int64_t i = 0, made; i < n; i += made) {
        int64_t at = sorted ? sorted[i].row : row[i];
        char   *to = out + (sorted ? sorted[i].place : i) * bytes;
        if (i >= end) end = i + (direct ? following(n - i, row + i, sorted ? sorted + i : NULL) : 1);
        int64_t together = i < singly ? 1 : end - i;
        made = 0;
        if (single && together == 1 && !sorted) announce(&cursor->cursor[0], n, row, i, &found);
        if (direct)
            LK_TRY(read_in_place(&cursor->cursor[0], recipe, by, at, together, (float *)(void *)to, &made));
        if (made) continue;
        singly = end;
        LK_TRY(read_by_doubles(reader, cursor, recipe, by, at, to));
        made = 1;
    }
done:
    if (single) lk_cursor_leave(&cursor->cursor[0]);
    return st;
}

/*
 * Rows of blocks that are there come first, then those of each other block together: so none is unpacked twice for a batch, and
 * none gives way to another one before the batch is done with it. Sorted alone they would be read round and round: where a
 * batch goes through more blocks than there are slots, each would have gone when its turn comes.
 */
static const row_place *order_rows(lk_data_reader *reader, const lk_cursor *cursor, int64_t n)
{
    const row_place *sorted = reader->sorted;
    row_place       *order = reader->order;
    int64_t          last = -1, placed = 0;
    bool             here = false;
    for (int64_t i = 0, rest = n; i < n; i++) {
        int64_t block = lk_cursor_block(cursor, sorted[i].row);
        if (i == 0 || block != last) here = block < 0 || lk_cursor_has_block(cursor, block);
        last = block;
        if (here)
            order[placed++] = sorted[i];
        else
            order[--rest] = sorted[i];
    }
    for (int64_t low = placed, high = n - 1; low < high; low++, high--) { /* upwards as well */
        row_place swap = order[low];
        order[low] = order[high];
        order[high] = swap;
    }
    return order;
}

/* Of rows that cannot be read the first in the batch is to be blamed: it is looked for in the batch's order. */
static lk_status read_field(lk_data_reader *reader, lk_source_cursor *cursor, const lk_recipe *recipe,
                            const shortcut *by, int64_t n, const int64_t *row, bool sorted, void *out)
{
    if (sorted && has_blocks(cursor) &&
        read_rows(reader, cursor, recipe, by, n, row, order_rows(reader, &cursor->cursor[0], n), out) ==
            LK_OK)
        return LK_OK;
    return read_rows(reader, cursor, recipe, by, n, row, NULL, out);
}

static int by_row(const void *a, const void *b)
{
    const row_place *x = a, *y = b;
    int64_t          d = x->row != y->row ? x->row - y->row : x->place - y->place;
    return (d > 0) - (d < 0);
}

/* Where something is read by blocks, and the rows do not stand so already. */
static lk_status sort_rows(lk_data_reader *reader, int64_t n, const int64_t *row, bool *sorted)
{
    lk_status st = LK_OK;
    int64_t   i = 1;
    while (i < n && row[i] >= row[i - 1]) i++;
    *sorted = i < n && reader->has_blocks;
    if (!*sorted) goto done;
    if (n > reader->n_sorted) {
        lk_free(&reader->sorted);
        lk_free(&reader->order);
        reader->n_sorted = 0;
        LK_TRY(LK_ALLOC(n, &reader->sorted));
        LK_TRY(LK_ALLOC(n, &reader->order));
        reader->n_sorted = n;
    }
    for (i = 0; i < n; i++) reader->sorted[i] = (row_place){row[i], i};
    qsort(reader->sorted, (size_t)n, sizeof *reader->sorted, by_row);
done:
    return st;
}

static lk_status read_weights(lk_data_reader *reader, int64_t n, const int64_t *row, float *weight)
{
    lk_status        st = LK_OK;
    const lk_source *source = &reader->set->weight;
    for (int64_t i = 0; i < n; i++) {
        int64_t index;
        LK_TRY(lk_source_row(&reader->weight, row[i], reader->raw));
        weight[i] = (float)reader->raw[0];
        const lk_part *part = lk_column_part(&source->column[0], row[i], &index);
        LK_CHECK(isfinite(weight[i]) && weight[i] >= 0, LK_E_DATA,
                 "%s: %s[%lld] is %g, a weight is 0 or more", source->column[0].files->path[part->file],
                 part->dataset, (long long)index, reader->raw[0]);
    }
done:
    return st;
}

lk_status lk_data_read(lk_data_reader *reader, int64_t n, const int64_t *index, void *const *input,
                       void *const *target, float *weight, float *mask, int64_t *sample)
{
    lk_status           st = LK_OK;
    const lk_set       *set = reader->set;
    const lk_transform *t = reader->data->transform;
    const lk_subset    *some = lk_split_rows(reader->data, reader->split).some;
    bool                sorted = false;
    int64_t             elements = t->n_targets ? lk_shape_count(&t->target[0].field.shape) : 0;
    if (some)
        lk_subset_rows(some, n, index, sample);
    else
        memcpy(sample, index, (size_t)n * sizeof *sample);
    LK_TRY(sort_rows(reader, n, sample, &sorted));
    for (int i = 0; i < set->n_inputs; i++)
        LK_TRY(read_field(reader, &reader->input[i], &t->input[i], &reader->of_input[i], n, sample, sorted,
                          input[i]));
    for (int i = 0; i < set->n_targets; i++)
        LK_TRY(read_field(reader, &reader->target[i], &t->target[i], &reader->of_target[i], n, sample, sorted,
                          target[i]));
    for (int64_t i = 0; weight && i < n; i++) weight[i] = 1;
    if (weight && set->has_weight) LK_TRY(read_weights(reader, n, sample, weight));
    for (int64_t i = 0; mask && i < n * elements; i++) mask[i] = 1;
done:
    return st;
}

bool lk_data_has_weights(const lk_data *data, lk_split split)
{
    return data->split[split].set && data->split[split].set->has_weight;
}

bool lk_data_has_mask(const lk_data *data, lk_split split)
{
    (void)data, (void)split; /* masks come with `missing` */
    return false;
}

bool lk_data_has_targets(const lk_data *data, lk_split split)
{
    return data->split[split].set && data->split[split].set->n_targets == data->transform->n_targets;
}
