/* What reading by blocks takes. */
#include "data/decode.h"
#include "data/set.h"

typedef lk_status visitor(void *context, const lk_column *column);

static lk_status each_of(const lk_source *source, visitor *visit, void *context)
{
    lk_status st = LK_OK;
    for (int k = 0; k < source->n_columns; k++) LK_TRY(visit(context, &source->column[k]));
done:
    return st;
}

/* In the order in which a reader opens them. */
static lk_status each_column(const lk_set *set, visitor *visit, void *context)
{
    lk_status st = LK_OK;
    for (int i = 0; i < set->n_inputs; i++) LK_TRY(each_of(&set->input[i], visit, context));
    for (int i = 0; i < set->n_targets; i++) LK_TRY(each_of(&set->target[i], visit, context));
    if (set->has_weight) LK_TRY(each_of(&set->weight, visit, context));
done:
    return st;
}

/* ---- memory ---- */

lk_shared lk_data_shared(const lk_data *data, void *at, int sharers)
{
    /* A window rarely begins where a block does. */
    return (lk_shared){at, sharers > 1 ? sharers : 1, data->options->shuffle == LK_SHUFFLE_WINDOW ? 2 : 1};
}

typedef struct room {
    const lk_shared *how;
    size_t           bytes;
} room;

static lk_status add_bytes(void *context, const lk_column *column)
{
    room *it = context;
    it->bytes += lk_column_blocks_bytes(column, it->how);
    return LK_OK;
}

static lk_status make_ready(void *context, const lk_column *column)
{
    return lk_column_shared_init(column, context);
}

static size_t bytes_of(const lk_data *data, lk_split split, const lk_shared *how)
{
    room it = {how, 0};
    if (data->split[split].set) (void)each_column(data->split[split].set, add_bytes, &it);
    return it.bytes;
}

size_t lk_stream_shared_bytes(const lk_data *data, lk_split split, int sharers)
{
    lk_shared how = lk_data_shared(data, NULL, sharers);
    return bytes_of(data, split, &how);
}

size_t lk_stream_own_bytes(const lk_data *data, lk_split split, bool training)
{
    lk_shared how = lk_data_shared(data, NULL, 1);
    return bytes_of(data, split, training ? &how : NULL);
}

lk_status lk_stream_shared_init(const lk_data *data, lk_split split, int sharers, void *memory)
{
    lk_shared how = lk_data_shared(data, memory, sharers);
    return each_column(data->split[split].set, make_ready, &how);
}
