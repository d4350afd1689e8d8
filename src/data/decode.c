/* Stored numbers to doubles, and the rows of a column through memory, pread or blocks. */
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

/* Contiguous with the samples first: a row is one run of bytes. */
static bool can_pread(const lk_column *column, const lk_part *part)
{
    return column->sample_axis == 0 && part->info.file_offset >= 0;
}

static lk_status init_cache(lk_cursor *cursor)
{
    lk_status        st = LK_OK;
    const lk_column *column = cursor->column;
    int64_t          blocks = 0, row_bytes = 0;
    for (int i = 0; i < column->n_parts; i++) {
        const lk_part *part = &column->part[i];
        int64_t        element = lk_decode_memory_bytes(part->info.type);
        int64_t        stored = column->elements * lk_decode_stored_bytes(part->info.type);
        blocks = part->first_block + part->n_blocks;
        if (part->memory) continue;
        if (can_pread(column, part) && stored > row_bytes) row_bytes = stored;
        int64_t bytes = part->block_rows * column->elements * element;
        if (!can_pread(column, part) && bytes > cursor->slot_bytes) cursor->slot_bytes = bytes;
    }
    if (row_bytes > 0) LK_TRY(LK_ALLOC(row_bytes, &cursor->row));
    if (cursor->slot_bytes == 0) goto done;
    int64_t slots = lk_column_cache_bytes / cursor->slot_bytes;
    cursor->n_slots = (int32_t)(slots < 1 ? 1 : slots > blocks ? blocks : slots);
    LK_TRY(LK_ALLOC(cursor->n_slots * cursor->slot_bytes, &cursor->cache));
    LK_TRY(LK_ALLOC(cursor->n_slots, &cursor->block_in));
    LK_TRY(LK_ALLOC(cursor->n_slots, &cursor->touched));
    LK_TRY(LK_ALLOC(blocks, &cursor->slot_of));
    for (int64_t i = 0; i < blocks; i++) cursor->slot_of[i] = -1;
    for (int32_t i = 0; i < cursor->n_slots; i++) cursor->block_in[i] = -1;
done:
    return st;
}

lk_status lk_cursor_init(lk_cursor *cursor, const lk_column *column, lk_handles *handles)
{
    *cursor = (lk_cursor){.column = column, .handles = handles};
    lk_status st = init_cache(cursor);
    if (st != LK_OK) lk_cursor_clear(cursor);
    return st;
}

void lk_cursor_clear(lk_cursor *cursor)
{
    lk_free(&cursor->row);
    lk_free(&cursor->cache);
    lk_free(&cursor->slot_of);
    lk_free(&cursor->block_in);
    lk_free(&cursor->touched);
    *cursor = (lk_cursor){0};
}

/* A slot for `block`: the first one that was not used since the hand last came by (second chance). */
static int32_t take_slot(lk_cursor *cursor)
{
    while (cursor->touched[cursor->hand]) {
        cursor->touched[cursor->hand] = false;
        cursor->hand = (cursor->hand + 1) % cursor->n_slots;
    }
    int32_t slot = cursor->hand;
    cursor->hand = (cursor->hand + 1) % cursor->n_slots;
    if (cursor->block_in[slot] >= 0) cursor->slot_of[cursor->block_in[slot]] = -1;
    cursor->block_in[slot] = -1;
    return slot;
}

static lk_status load_block(lk_cursor *cursor, const lk_part *part, int64_t block, int32_t *out)
{
    lk_status st = LK_OK;
    lk_h5    *h5 = NULL;
    int       axis = cursor->column->sample_axis;
    int64_t   start[LK_H5_MAX_AXES] = {0}, count[LK_H5_MAX_AXES],
            bytes = lk_decode_memory_bytes(part->info.type);
    int32_t number = (int32_t)(part->first_block + block), slot = cursor->slot_of[number];
    if (slot < 0) {
        slot = take_slot(cursor);
        for (int i = 0; i < part->info.n_axes; i++) count[i] = part->info.axis[i];
        start[axis] = block * part->block_rows;
        count[axis] = part->n - start[axis] < part->block_rows ? part->n - start[axis] : part->block_rows;
        for (int i = 0; i < part->info.n_axes; i++) bytes *= count[i];
        LK_TRY(lk_handles_h5(cursor->handles, part->file, &h5));
        LK_TRY(lk_h5_read(h5, part->dataset, start, count, lk_decode_memory_type(part->info.type),
                          cursor->cache + slot * cursor->slot_bytes));
        cursor->handles->bytes += bytes;
        cursor->slot_of[number] = slot;
        cursor->block_in[slot] = number;
    }
    cursor->touched[slot] = true;
    *out = slot;
done:
    return st;
}

/* Bytes that hold row `index` of `part`: the address of its first element, and how far each place steps. */
typedef struct row_view {
    const char *base;
    lk_h5_type  type;
    bool        big_endian;
    int64_t     stride[LK_PLACES];
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

static lk_status view_row(lk_cursor *cursor, const lk_part *part, int64_t index, row_view *view)
{
    lk_status        st = LK_OK;
    const lk_column *column = cursor->column;
    int64_t          bytes = lk_decode_memory_bytes(part->info.type);
    *view = (row_view){.type = lk_decode_memory_type(part->info.type),
                       .big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__};
    if (part->memory) {
        int64_t step = box_strides(column, part, part->n, view->stride);
        view->base = (const char *)part->memory + index * step * bytes;
    } else if (can_pread(column, part)) {
        int64_t row = column->elements * lk_decode_stored_bytes(part->info.type);
        LK_TRY(lk_handles_pread(cursor->handles, part->file, part->info.file_offset + index * row,
                                (size_t)row, cursor->row));
        box_strides(column, part, 1, view->stride);
        *view = (row_view){.base = cursor->row,
                           .type = part->info.type,
                           .big_endian = part->info.big_endian,
                           .stride = {view->stride[0], view->stride[1], view->stride[2], view->stride[3]}};
    } else {
        int32_t slot = 0;
        int64_t block = index / part->block_rows, first = block * part->block_rows;
        LK_TRY(load_block(cursor, part, block, &slot));
        int64_t rows = part->n - first < part->block_rows ? part->n - first : part->block_rows;
        int64_t step = box_strides(column, part, rows, view->stride);
        view->base = cursor->cache + slot * cursor->slot_bytes + (index - first) * step * bytes;
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
            *value = *value == part->fill ? (double)NAN : *value * part->scale + part->offset;
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
    return st;
}

lk_status lk_cursor_bytes(lk_cursor *cursor, int64_t row, const unsigned char **out)
{
    int64_t        index;
    row_view       view;
    const lk_part *part = lk_column_part(cursor->column, row, &index);
    *out = NULL;
    if (part->info.type != LK_H5_U8 || part->scaled) return LK_OK;
    lk_status st = view_row(cursor, part, index, &view);
    if (st == LK_OK && is_packed(cursor->column, &view)) *out = (const unsigned char *)view.base;
    return st;
}
