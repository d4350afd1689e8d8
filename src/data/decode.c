/* Stored numbers to doubles, and the rows of a column through memory, maps, pread or blocks. */
#include "data/decode.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "data/source.h"

static const struct {
    const char *name;
    int64_t     bytes;
} types[] = {{"i8", 1},  {"u8", 1},  {"i16", 2}, {"u16", 2}, {"i32", 4}, {"u32", 4},
             {"i64", 8}, {"u64", 8}, {"f16", 2}, {"f32", 4}, {"f64", 8}, {"text", 1}};

int64_t lk_decode_stored_bytes(lk_h5_type type)
{
    return types[type].bytes;
}

lk_h5_type lk_decode_memory_type(lk_h5_type type)
{
    return type == LK_H5_F16 ? LK_H5_F32 : type;
}

int64_t lk_decode_memory_bytes(lk_h5_type type)
{
    return types[lk_decode_memory_type(type)].bytes;
}

const char *lk_decode_type_name(lk_h5_type type)
{
    return types[type].name;
}

/* ---- one element: bits in the machine's order, then the number they mean ---- */

#define SAME(bits) (bits)

static double of_i8(uint8_t bits)
{
    return (int8_t)bits;
}
static double of_i16(uint16_t bits)
{
    return (int16_t)bits;
}
static double of_i32(uint32_t bits)
{
    return (int32_t)bits;
}
static double of_i64(uint64_t bits)
{
    return (double)(int64_t)bits;
}
static double of_f32(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}
static double of_f64(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static double of_f16(uint16_t bits)
{
    int    exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size;
    if (exponent == 31)
        size = fraction ? (double)NAN : (double)INFINITY;
    else
        size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -size : size;
}

/* A loop with constant steps of 1 is the one the compiler can vectorise: images read whole take it. */
#define DECODER(name, bits_type, swap, number)                                                               \
    static void name(const char *in, int64_t n, int64_t in_stride, double *out, int64_t out_stride)          \
    {                                                                                                        \
        bits_type bits;                                                                                      \
        if (in_stride == 1 && out_stride == 1) {                                                             \
            for (int64_t i = 0; i < n; i++) {                                                                \
                memcpy(&bits, in + i * (int64_t)sizeof bits, sizeof bits);                                   \
                out[i] = (double)number(swap(bits));                                                         \
            }                                                                                                \
            return;                                                                                          \
        }                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            memcpy(&bits, in + i * in_stride * (int64_t)sizeof bits, sizeof bits);                           \
            out[i * out_stride] = (double)number(swap(bits));                                                \
        }                                                                                                    \
    }

DECODER(decode_i8, uint8_t, SAME, of_i8)
DECODER(decode_u8, uint8_t, SAME, SAME)
DECODER(decode_i16, uint16_t, SAME, of_i16)
DECODER(decode_u16, uint16_t, SAME, SAME)
DECODER(decode_i32, uint32_t, SAME, of_i32)
DECODER(decode_u32, uint32_t, SAME, SAME)
DECODER(decode_i64, uint64_t, SAME, of_i64)
DECODER(decode_u64, uint64_t, SAME, SAME)
DECODER(decode_f16, uint16_t, SAME, of_f16)
DECODER(decode_f32, uint32_t, SAME, of_f32)
DECODER(decode_f64, uint64_t, SAME, of_f64)
DECODER(decode_i16_swapped, uint16_t, __builtin_bswap16, of_i16)
DECODER(decode_u16_swapped, uint16_t, __builtin_bswap16, SAME)
DECODER(decode_i32_swapped, uint32_t, __builtin_bswap32, of_i32)
DECODER(decode_u32_swapped, uint32_t, __builtin_bswap32, SAME)
DECODER(decode_i64_swapped, uint64_t, __builtin_bswap64, of_i64)
DECODER(decode_u64_swapped, uint64_t, __builtin_bswap64, SAME)
DECODER(decode_f16_swapped, uint16_t, __builtin_bswap16, of_f16)
DECODER(decode_f32_swapped, uint32_t, __builtin_bswap32, of_f32)
DECODER(decode_f64_swapped, uint64_t, __builtin_bswap64, of_f64)

void lk_decode(lk_h5_type type, bool big_endian, const char *in, int64_t n, int64_t in_stride, double *out,
               int64_t out_stride)
{
    typedef void          decoder(const char *, int64_t, int64_t, double *, int64_t);
    static decoder *const straight[] = {decode_i8,  decode_u8,  decode_i16, decode_u16,
                                        decode_i32, decode_u32, decode_i64, decode_u64,
                                        decode_f16, decode_f32, decode_f64};
    static decoder *const swapped[] = {decode_i8,          decode_u8,          decode_i16_swapped,
                                       decode_u16_swapped, decode_i32_swapped, decode_u32_swapped,
                                       decode_i64_swapped, decode_u64_swapped, decode_f16_swapped,
                                       decode_f32_swapped, decode_f64_swapped};
    bool                  machine_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    (big_endian == machine_big ? straight : swapped)[type](in, n, in_stride, out, out_stride);
}

/* ---- cursor ---- */

/* Contiguous with the samples first, or nothing but a sample: a row is one run of bytes. */
static bool can_pread(const lk_column *column, const lk_part *part)
{
    return column->sample_axis <= 0 && part->info.file_offset >= 0;
}

lk_blocks_shape lk_column_blocks(const lk_column *column, const lk_shared *how)
{
    lk_blocks_shape shape = {0};
    for (int i = 0; i < column->n_parts; i++) {
        const lk_part *part = &column->part[i];
        int64_t        bytes = part->block_rows * column->elements * lk_decode_memory_bytes(part->info.type);
        shape.n_blocks = part->first_block + part->n_blocks;
        if (!part->memory && !can_pread(column, part) && bytes > shape.slot_bytes) shape.slot_bytes = bytes;
    }
    if (shape.slot_bytes == 0) return shape;
    int64_t slots = how ? lk_column_cache_bytes / shape.slot_bytes : 1;
    int64_t most = lk_column_host_bytes / shape.slot_bytes;
    int64_t each = how && how->sharers < most ? how->sharers : most;
    if (how && slots < each) slots = each;
    if (how && slots < how->least) slots = how->least;
    if (slots < 1) slots = 1;
    shape.n_slots = (int32_t)(slots > shape.n_blocks ? shape.n_blocks : slots);
    return shape;
}

size_t lk_column_blocks_bytes(const lk_column *column, const lk_shared *how)
{
    lk_blocks_shape shape = lk_column_blocks(column, how);
    return shape.slot_bytes ? lk_blocks_bytes(&shape) : 0;
}

lk_status lk_column_shared_init(const lk_column *column, lk_shared *shared)
{
    lk_blocks_shape shape = lk_column_blocks(column, shared);
    if (shape.slot_bytes == 0) return LK_OK;
    lk_status st = lk_blocks_init(&shape, shared->at);
    shared->at += lk_blocks_bytes(&shape);
    return st;
}

static lk_status init_blocks(lk_cursor *cursor, lk_shared *shared)
{
    lk_status       st = LK_OK;
    lk_blocks_shape shape = lk_column_blocks(cursor->column, shared);
    if (shape.slot_bytes == 0) return LK_OK;
    if (shared && shared->at) {
        cursor->brief = shape.n_slots < shared->sharers && shape.n_slots < shape.n_blocks;
        cursor->blocks = (lk_blocks *)(void *)shared->at;
        shared->at += lk_blocks_bytes(&shape);
        return LK_OK;
    }
    LK_TRY(LK_ALLOC(lk_blocks_bytes(&shape), (char **)&cursor->memory));
    LK_TRY(lk_blocks_init(&shape, cursor->memory));
    cursor->blocks = cursor->memory;
done:
    return st;
}

static lk_status init_row(lk_cursor *cursor)
{
    const lk_column *column = cursor->column;
    int64_t          most = 0;
    for (int i = 0; i < column->n_parts; i++) {
        int64_t        bytes = column->elements * lk_decode_stored_bytes(column->part[i].info.type);
        const lk_part *part = &column->part[i];
        if (!part->memory && !part->map && can_pread(column, part) && bytes > most) most = bytes;
    }
    return most ? LK_ALLOC(most, &cursor->row) : LK_OK;
}

lk_status lk_cursor_init(lk_cursor *cursor, const lk_column *column, lk_handles *handles, lk_shared *shared)
{
    *cursor = (lk_cursor){.column = column, .handles = handles, .held = -1};
    lk_status st = init_row(cursor);
    if (st == LK_OK) st = init_blocks(cursor, shared);
    if (st != LK_OK) lk_cursor_clear(cursor);
    return st;
}

static void give_back(lk_cursor *cursor)
{
    if (cursor->blocks && cursor->held >= 0) lk_blocks_give(cursor->blocks, cursor->held);
    cursor->held = -1;
}

void lk_cursor_clear(lk_cursor *cursor)
{
    give_back(cursor);
    lk_free(&cursor->row);
    lk_free(&cursor->memory);
    *cursor = (lk_cursor){.held = -1};
}

typedef struct wanted {
    lk_cursor     *cursor;
    const lk_part *part;
    int64_t        block;
} wanted;

static lk_status read_block(void *context, char *slot)
{
    const wanted  *it = context;
    lk_status      st = LK_OK;
    lk_h5         *h5 = NULL;
    const lk_part *part = it->part;
    lk_handles    *handles = it->cursor->handles;
    int            axis = it->cursor->column->sample_axis;
    int64_t        start[LK_H5_MAX_AXES] = {0}, count[LK_H5_MAX_AXES],
            bytes = lk_decode_memory_bytes(part->info.type);
    for (int i = 0; i < part->info.n_axes; i++) count[i] = part->info.axis[i];
    if (axis >= 0) {
        start[axis] = it->block * part->block_rows;
        count[axis] = part->n - start[axis] < part->block_rows ? part->n - start[axis] : part->block_rows;
    }
    for (int i = 0; i < part->info.n_axes; i++) bytes *= count[i];
    LK_TRY(lk_handles_h5(handles, part->file, &h5));
    LK_TRY(lk_h5_read(h5, part->dataset, start, count, lk_decode_memory_type(part->info.type), slot));
    handles->bytes += bytes;
done:
    return st;
}

/* The block stays where it is until the cursor goes on to another one. */
static lk_status hold_block(lk_cursor *cursor, const lk_part *part, int64_t block, const char **out)
{
    lk_status st = LK_OK;
    wanted    it = {cursor, part, block};
    int64_t   number = part->first_block + block;
    if (cursor->held < 0 || cursor->held_block != number) {
        give_back(cursor);
        LK_TRY(lk_blocks_take(cursor->blocks, number, read_block, &it, &cursor->held));
        cursor->held_block = number;
    }
    *out = lk_blocks_slot(cursor->blocks, cursor->held);
done:
    return st;
}

/* Bytes that hold row `index` of `part`: the address of its first element, and how far each place steps. */
typedef struct row_view {
    const char *base;
    lk_h5_type  type;
    bool        big_endian;
    int64_t     stride[LK_PLACES];
    int64_t     rows; /* that stand there, it and those after it */
} row_view;

/* Strides of a C-ordered box with `rows` along the sample axis; returns the sample axis' own stride. */
static int64_t box_strides(const lk_column *column, const lk_part *part, int64_t rows, int64_t *stride)
{
    int64_t step = 1, sample = 0;
    for (int axis = part->info.n_axes - 1; axis >= 0; axis--) {
        for (int i = 0; i < LK_PLACES; i++)
            if (column->place[i] == axis) stride[i] = step;
        if (axis == column->sample_axis) sample = step;
        step *= axis == column->sample_axis ? rows : part->info.axis[axis];
    }
    return sample;
}

/* Rows from `index` on of a part that is mapped. */
static const char *take_mapped(lk_cursor *cursor, const lk_part *part, int64_t index, int64_t rows)
{
    int64_t bytes = cursor->column->elements * lk_decode_stored_bytes(part->info.type);
    cursor->mapped = part;
    cursor->handles->bytes += rows * bytes;
    return lk_map_bytes(part->map) + index * bytes;
}

/* Row `index` of a part whose rows lie one after the other as stored: from the map, or read. */
static lk_status view_stored(lk_cursor *cursor, const lk_part *part, int64_t index, row_view *view)
{
    lk_status        st = LK_OK;
    const lk_column *column = cursor->column;
    int64_t          bytes = column->elements * lk_decode_stored_bytes(part->info.type);
    *view = (row_view){
        .base = cursor->row, .type = part->info.type, .big_endian = part->info.big_endian, .rows = 1};
    box_strides(column, part, 1, view->stride);
    if (part->map) {
        view->base = take_mapped(cursor, part, index, 1);
    } else {
        st = lk_handles_pread(cursor->handles, part->file, part->info.file_offset + index * bytes,
                              (size_t)bytes, cursor->row);
    }
    return st;
}

static lk_status view_row(lk_cursor *cursor, const lk_part *part, int64_t index, row_view *view)
{
    lk_status        st = LK_OK;
    const lk_column *column = cursor->column;
    int64_t          bytes = lk_decode_memory_bytes(part->info.type);
    *view = (row_view){.type = lk_decode_memory_type(part->info.type),
                       .big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
                       .rows = 1};
    cursor->mapped = NULL;
    if (part->memory) {
        int64_t step = box_strides(column, part, part->n, view->stride);
        view->base = (const char *)part->memory + index * step * bytes;
        if (step == column->elements) view->rows = part->n - index;
    } else if (can_pread(column, part)) {
        LK_TRY(view_stored(cursor, part, index, view));
    } else {
        int64_t block = index / part->block_rows, first = block * part->block_rows;
        LK_TRY(hold_block(cursor, part, block, &view->base));
        int64_t rows = part->n - first < part->block_rows ? part->n - first : part->block_rows;
        int64_t step = box_strides(column, part, rows, view->stride);
        view->base += (index - first) * step * bytes;
        if (step == column->elements) view->rows = first + rows - index;
    }
done:
    return st;
}

/* The elements of the row follow each other in the order of a row. */
static bool is_packed(const lk_column *column, const row_view *view)
{
    int64_t step = 1;
    for (int i = LK_PLACES - 1; i >= 0; i--) {
        if (column->size[i] > 1 && view->stride[i] != step) return false;
        step *= column->size[i];
    }
    return true;
}

/* out [depth, height, width, channels], this column's channels beginning at `channel`. */
static void decode_row(const lk_column *column, const row_view *view, int64_t channels, int64_t channel,
                       double *out)
{
    const int64_t *size = column->size, *stride = view->stride;
    int64_t        bytes = lk_decode_stored_bytes(view->type);
    if (channels == size[3] && is_packed(column, view)) {
        lk_decode(view->type, view->big_endian, view->base, column->elements, 1, out, 1);
        return;
    }
    /* The longer of width and channels runs inside. */
    int     inner = size[2] >= size[3] ? 2 : 3, outer = 5 - inner;
    int64_t inner_step = inner == 2 ? channels : 1, outer_step = inner == 2 ? 1 : channels;
    for (int64_t d = 0; d < size[0]; d++)
        for (int64_t h = 0; h < size[1]; h++)
            for (int64_t o = 0; o < size[outer]; o++)
                lk_decode(view->type, view->big_endian,
                          view->base + (d * stride[0] + h * stride[1] + o * stride[outer]) * bytes,
                          size[inner], stride[inner],
                          out + (d * size[1] + h) * size[2] * channels + channel + o * outer_step,
                          inner_step);
}

/* What is missing becomes NaN, which those above report or replace. */
static void scale_row(const lk_column *column, const lk_part *part, int64_t channels, int64_t channel,
                      double *out)
{
    int64_t mine = column->size[LK_PLACES - 1], points = column->elements / mine;
    for (int64_t p = 0; p < points; p++)
        for (int64_t c = 0; c < mine; c++) {
            double *value = &out[p * channels + channel + c];
            *value = lk_value_of(*value, part->scale, part->offset, &part->missing);
        }
}

lk_status lk_cursor_read(lk_cursor *cursor, int64_t row, int64_t channels, int64_t channel, double *out)
{
    int64_t        index;
    row_view       view;
    const lk_part *part = lk_column_part(cursor->column, row, &index);
    lk_status      st = view_row(cursor, part, index, &view);
    if (st == LK_OK) decode_row(cursor->column, &view, channels, channel, out);
    if (st == LK_OK && part->scaled) scale_row(cursor->column, part, channels, channel, out);
    lk_cursor_leave(cursor);
    return st == LK_OK ? lk_cursor_verify(cursor) : st;
}

/* Elements of the part's rows can be taken from where a view of them points to. */
static bool is_straight(const lk_column *column, const lk_part *part)
{
    row_view row = {.type = part->info.type};
    bool     machine_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    bool     converted = part->memory || !can_pread(column, part); /* by HDF5, to the machine's order */
    if (converted) row.type = lk_decode_memory_type(row.type);
    if (part->scaled || (row.type != LK_H5_U8 && row.type != LK_H5_F32 && row.type != LK_H5_F64))
        return false;
    if (converted) return true;
    box_strides(column, part, 1, row.stride);
    return is_packed(column, &row) &&
           (part->info.big_endian == machine_big || lk_decode_stored_bytes(row.type) == 1);
}

lk_status lk_cursor_view(lk_cursor *cursor, int64_t row, int64_t *n, lk_h5_type *type, const void **out)
{
    int64_t        index;
    row_view       view;
    const lk_part *part = lk_column_part(cursor->column, row, &index);
    *out = NULL;
    if (part != cursor->judged) {
        cursor->straight = is_straight(cursor->column, part);
        cursor->judged = part;
    }
    if (!cursor->straight) return LK_OK;
    if (part->map) { /* packed as well */
        int64_t rows = part->repeat ? 1 : part->n - index;
        if (*n > rows) *n = rows;
        *type = part->info.type;
        *out = take_mapped(cursor, part, index, *n);
        return LK_OK;
    }
    lk_status st = view_row(cursor, part, index, &view);
    *type = view.type;
    if (*n > view.rows) *n = view.rows;
    if (st == LK_OK && is_packed(cursor->column, &view)) *out = view.base;
    return st;
}

lk_status lk_cursor_verify(const lk_cursor *cursor)
{
    const lk_part *part = cursor->mapped;
    if (!part || !lk_map_damaged(part->map)) return LK_OK;
    return lk_fail(LK_E_DATA,
                   "%s: bytes of %s are gone that were there before: cut short, or its disk fails?",
                   cursor->handles->files->path[part->file], part->dataset);
}

void lk_cursor_leave(lk_cursor *cursor)
{
    if (cursor->brief) give_back(cursor);
}

bool lk_cursor_has_blocks(const lk_cursor *cursor)
{
    return cursor->blocks;
}

int64_t lk_cursor_block(const lk_cursor *cursor, int64_t row)
{
    int64_t        index;
    const lk_part *part = lk_column_part(cursor->column, row, &index);
    if (!cursor->blocks || part->memory || can_pread(cursor->column, part)) return -1;
    return part->first_block + index / part->block_rows;
}

bool lk_cursor_has_block(const lk_cursor *cursor, int64_t block)
{
    return lk_blocks_has(cursor->blocks, block);
}

/* Where a row lies in memory or in a map, NULL where it does not. */
static const char *resident_row(const lk_column *column, int64_t row, int64_t *bytes)
{
    int64_t        index;
    const lk_part *part = lk_column_part(column, row, &index);
    if (part->memory) {
        int64_t stride[LK_PLACES], size = lk_decode_memory_bytes(part->info.type);
        *bytes = column->elements * size;
        return (const char *)part->memory + index * box_strides(column, part, part->n, stride) * size;
    }
    if (!part->map) return NULL;
    *bytes = column->elements * lk_decode_stored_bytes(part->info.type);
    return lk_map_bytes(part->map) + index * *bytes;
}

void lk_cursor_find(const lk_cursor *cursor, int64_t n, const int64_t *row)
{
    int64_t bytes = 0;
    for (int64_t i = 0; i < n; i++) {
        const char *at = resident_row(cursor->column, row[i], &bytes);
        if (!at) continue;
        __builtin_prefetch(at);
        __builtin_prefetch(at + bytes - 1);
    }
}

void lk_cursor_fetch(const lk_cursor *cursor, int64_t row)
{
    enum { LINE = 64, AHEAD = 1024 }; /* the CPU goes on by itself behind that */
    int64_t     bytes = 0;
    const char *at = resident_row(cursor->column, row, &bytes);
    for (int64_t i = 0; at && i < bytes && i < AHEAD; i += LINE) __builtin_prefetch(at + i);
}
