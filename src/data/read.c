/* The reader: rows of a split, from files to normalised arrays. */
#include <math.h>

#include "core/alloc.h"
#include "data/set.h"

struct lk_data_reader {
    const lk_data    *data; /* borrowed */
    lk_split          split;
    const lk_set     *set; /* borrowed */
    lk_handles        handles;
    lk_source_cursor *input, *target; /* owned */
    lk_source_cursor  weight;
    double           *raw;   /* owned: one row of the largest field */
    float           **bytes; /* owned [n_inputs]: of images of bytes, their 256 values a channel; or NULL */
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

/* Pictures of bytes have 256 values a channel: looking them up takes a third of the time of computing them.
 */
static lk_status prepare_bytes(lk_data_reader *reader)
{
    lk_status           st = LK_OK;
    const lk_set       *set = reader->set;
    const lk_transform *t = reader->data->transform;
    LK_TRY(LK_ALLOC(set->n_inputs, &reader->bytes));
    for (int i = 0; i < set->n_inputs; i++) {
        const lk_column *column = &set->input[i].column[0];
        int64_t          channels = lk_recipe_byte_channels(&t->input[i]);
        if (set->input[i].n_columns != 1 || !column->integer || column->wide || channels == 0) continue;
        if (column->part[0].info.type != LK_H5_U8) continue;
        LK_TRY(LK_ALLOC(256 * channels, &reader->bytes[i]));
        lk_recipe_byte_values(&t->input[i], reader->bytes[i]);
    }
done:
    return st;
}

/* In the order of init_cursors. */
static lk_status each_column(const lk_set *set, lk_status (*visit)(void *context, const lk_column *column),
                             void         *context)
{
    lk_status st = LK_OK;
    for (int i = 0; i < set->n_inputs; i++)
        for (int k = 0; k < set->input[i].n_columns; k++) LK_TRY(visit(context, &set->input[i].column[k]));
    for (int i = 0; i < set->n_targets; i++)
        for (int k = 0; k < set->target[i].n_columns; k++) LK_TRY(visit(context, &set->target[i].column[k]));
    for (int k = 0; set->has_weight && k < set->weight.n_columns; k++)
        LK_TRY(visit(context, &set->weight.column[k]));
done:
    return st;
}

typedef struct room {
    size_t bytes;
    int    sharers;
} room;

static lk_status add_bytes(void *context, const lk_column *column)
{
    room *it = context;
    it->bytes += lk_column_shared_bytes(column, it->sharers);
    return LK_OK;
}

static lk_status make_ready(void *context, const lk_column *column)
{
    return lk_column_shared_init(column, context);
}

size_t lk_stream_shared_bytes(const lk_data *data, lk_split split, int sharers)
{
    room it = {0, sharers};
    if (data->split[split].set) (void)each_column(data->split[split].set, add_bytes, &it);
    return it.bytes;
}

lk_status lk_stream_shared_init(const lk_data *data, lk_split split, int sharers, void *memory)
{
    return each_column(data->split[split].set, make_ready, &(lk_shared){memory, sharers});
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
    LK_TRY(prepare_bytes(reader));
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
    for (int i = 0; (*reader)->bytes && i < set->n_inputs; i++) lk_free(&(*reader)->bytes[i]);
    lk_free(&(*reader)->bytes);
    lk_free(&(*reader)->raw);
    lk_free(reader);
}

int64_t lk_data_bytes(const lk_data_reader *reader)
{
    return reader->handles.bytes;
}

static void look_up(const unsigned char *byte, int64_t n, int64_t channels, const float *values, float *out)
{
    if (channels == 1)
        for (int64_t i = 0; i < n; i++) out[i] = values[byte[i]];
    else
        for (int64_t i = 0; i < n; i += channels)
            for (int64_t c = 0; c < channels; c++) out[i + c] = values[256 * c + byte[i + c]];
}

static lk_status read_field(lk_data_reader *reader, lk_source_cursor *cursor, const lk_recipe *recipe,
                            const float *bytes, int64_t n, const int64_t *row, char *out)
{
    lk_status st = LK_OK;
    int64_t   count = lk_shape_count(&recipe->field.shape);
    for (int64_t i = 0; i < n; i++, out += (size_t)count * sizeof(float)) {
        const unsigned char *byte = NULL;
        if (bytes) LK_TRY(lk_cursor_bytes(&cursor->cursor[0], row[i], &byte));
        if (byte) {
            look_up(byte, count, lk_recipe_byte_channels(recipe), bytes, (float *)(void *)out);
            continue;
        }
        LK_TRY(lk_source_row(cursor, row[i], reader->raw));
        int64_t bad = lk_recipe_apply(recipe, reader->raw, out);
        if (bad >= 0) return lk_source_blame(cursor->source, recipe, row[i], bad, reader->raw);
    }
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
    const int64_t      *row = reader->data->split[reader->split].row;
    int64_t             elements = t->n_targets ? lk_shape_count(&t->target[0].field.shape) : 0;
    for (int64_t i = 0; i < n; i++) sample[i] = row ? row[index[i]] : index[i];
    for (int i = 0; i < set->n_inputs; i++)
        LK_TRY(read_field(reader, &reader->input[i], &t->input[i], reader->bytes[i], n, sample, input[i]));
    for (int i = 0; i < set->n_targets; i++)
        LK_TRY(read_field(reader, &reader->target[i], &t->target[i], NULL, n, sample, target[i]));
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
