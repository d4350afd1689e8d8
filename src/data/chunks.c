/* What reading by blocks takes: memory, and how often a block is read where there is not enough. */
#include <math.h>

#include "core/str.h"
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

/* ---- warnings ---- */

static double mebibytes(double bytes)
{
    return bytes / 1048576;
}

/* Rows of the part that share chunks. */
static int64_t chunk_rows(const lk_column *column, const lk_part *part)
{
    if (!part->info.chunked || column->sample_axis < 0) return 1;
    int64_t rows = part->info.chunk[column->sample_axis];
    return rows < part->n ? rows : part->n;
}

static double row_bytes(const lk_column *column, const lk_part *part)
{
    return (double)(column->elements * lk_decode_memory_bytes(part->info.type));
}

typedef struct split_chunks {
    const lk_column *column; /* the first whose chunks are in more than one block */
    const lk_part   *part;
    int              n; /* how many there are */
} split_chunks;

static lk_status find_split(void *context, const lk_column *column)
{
    split_chunks *it = context;
    if (lk_column_blocks(column, NULL).slot_bytes == 0) return LK_OK;
    for (int i = 0; i < column->n_parts; i++) {
        if (column->part[i].block_rows >= chunk_rows(column, &column->part[i])) continue;
        if (it->n++ == 0) it->column = column, it->part = &column->part[i];
        break;
    }
    return LK_OK;
}

static void put_chunk(const lk_column *column, const lk_part *part, int64_t rows, lk_str *text)
{
    for (int i = 0; i < part->info.n_axes; i++)
        lk_str_printf(text, "%s%lld", i ? "x" : "",
                      (long long)(i == column->sample_axis ? rows : part->info.chunk[i]));
}

static void warn_of_split_chunks(const lk_set *set, lk_str *text)
{
    split_chunks it = {0};
    (void)each_column(set, find_split, &it);
    if (it.n == 0) return;
    int64_t rows = chunk_rows(it.column, it.part), blocks = (rows - 1) / it.part->block_rows + 1;
    double  row = row_bytes(it.column, it.part);
    int64_t fits = (int64_t)((double)lk_column_cache_bytes / 2 / row);
    lk_str_printf(text, "%s: a chunk of %s", it.column->files->path[it.part->file], it.part->dataset);
    if (it.n > 1) lk_str_printf(text, " (and of %d more datasets)", it.n - 1);
    lk_str_printf(text,
                  " spans %lld samples, %.1f MiB unpacked with its neighbours; as more than %.1f MiB are not "
                  "unpacked at once, each chunk is unpacked at least %lld times an epoch. Way out: "
                  "h5repack -l %s:CHUNK=",
                  (long long)rows, mebibytes((double)rows * row), mebibytes((double)lk_column_block_bytes),
                  (long long)blocks, it.part->dataset);
    put_chunk(it.column, it.part, fits > 1 ? fits : 1, text);
    lk_str_append(text, " OLD NEW\n");
}

/* An order of rows, and what of it goes through the same slots. */
typedef struct passage {
    lk_shared how;
    double    rows;   /* of the set that a sample stands for: 1, more where only some are in */
    double    span;   /* samples that come in any order */
    double    all;    /* samples */
    double    batch;  /* samples of a batch that go through the slots */
    double    times;  /* out, of the column that is worst: how often a block is read in an epoch */
    double    block;  /* bytes of one there */
    double    bytes;  /* of all columns that do not fit */
    double    kept;   /* bytes of them that do */
    double    each;   /* samples for which a block is read there */
    double    window; /* samples that fit */
    double    unit;   /* samples of a block there */
    int       n;      /* such columns */
} passage;

/* Rows of a block, on average. */
static double rows_of_block(const lk_column *column, const lk_blocks_shape *shape)
{
    return (double)column->n / (double)shape->n_blocks;
}

/* How often a block is read in an epoch: those that a batch goes through, without those that are there. */
static double times_read(const lk_blocks_shape *shape, double rows, const passage *p)
{
    double blocks = (double)shape->n_blocks, among = p->span * p->rows / rows + (p->span < p->all);
    if (among > blocks) among = blocks;
    if ((double)shape->n_slots >= among) return 1;
    double met = among * (1 - pow(1 - 1 / among, p->batch));
    return met * (1 - (double)shape->n_slots / among) * p->all / p->batch / blocks;
}

static lk_status pass_column(void *context, const lk_column *column)
{
    passage        *p = context;
    lk_blocks_shape shape = lk_column_blocks(column, &p->how);
    lk_shared       windowed = p->how;
    double          bytes = 0;
    if (shape.slot_bytes == 0) return LK_OK;
    double rows = rows_of_block(column, &shape), times = times_read(&shape, rows, p);
    if (times < 2) return LK_OK;
    for (int i = 0; i < column->n_parts; i++)
        bytes += (double)column->part[i].n * row_bytes(column, &column->part[i]);
    if (windowed.least < 2) windowed.least = 2;
    int32_t slots = lk_column_blocks(column, &windowed).n_slots;
    double  fits = rows * (slots > 3 ? slots - 2 : 1) / p->rows; /* it begins and ends within blocks */
    if (p->n == 0 || fits < p->window) p->window = fits, p->unit = rows / p->rows;
    if (times > p->times) {
        p->times = times;
        p->block = (double)shape.slot_bytes;
        p->each = p->all / times / (double)shape.n_blocks;
    }
    p->bytes += bytes;
    p->kept += (double)shape.n_slots * (double)shape.slot_bytes;
    p->n++;
    return LK_OK;
}

/* Whole blocks where that is something, and less than half of all: a window of more is a permutation of all. */
static long long round_window(double window, double all, double unit)
{
    if (window > floor(all / 2)) window = floor(all / 2);
    if (window >= unit && unit >= 1) window = floor(window / unit) * unit;
    return window < 1 ? 1 : (long long)window;
}

static void warn_of_shuffle(const lk_data *data, const lk_set *set, int sharers, int64_t batch, lk_str *text)
{
    lk_shuffle shuffle = data->options->shuffle;
    double     n = (double)data->split[LK_SPLIT_TRAIN].n, window = (double)data->options->shuffle_window;
    passage    p = {.how = lk_data_shared(data, NULL, sharers),
                    .rows = (double)set->n / n,
                    .span = shuffle == LK_SHUFFLE_WINDOW && 2 * window <= n ? window : n,
                    .all = n,
                    .batch = (double)(batch < 1 ? 1 : batch)};
    if (shuffle == LK_SHUFFLE_NONE) return;
    (void)each_column(set, pass_column, &p);
    if (p.n == 0) return;
    lk_str_printf(
        text,
        "data.shuffle draws samples from %.1f MiB of unpacked chunks (%d dataset%s), and %.1f MiB of them "
        "are "
        "kept: a chunk, %.1f MiB with its neighbours, is unpacked for every %.1f samples or so, %.0f times "
        "an "
        "epoch. Way out, another order: data.shuffle.window.samples=%lld, stretches of neighbours whose "
        "chunks are kept\n",
        mebibytes(p.bytes), p.n, p.n == 1 ? "" : "s", mebibytes(p.kept), mebibytes(p.block), p.each, p.times,
        round_window(p.window, n, p.unit));
}

void lk_stream_warnings(const lk_data *data, int sharers, int64_t batch, lk_str *text)
{
    const lk_set *set = data->split[LK_SPLIT_TRAIN].set;
    if (!set || data->split[LK_SPLIT_TRAIN].n == 0) return;
    warn_of_split_chunks(set, text);
    warn_of_shuffle(data, set, sharers, batch, text);
}
