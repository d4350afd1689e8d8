#include "data/npy.h"

#include "core/alloc.h"
#include "io/atomic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t MOST_BYTES = (size_t)64 << 30;

static const struct {
    const char *code;
    lk_h5_type  type;
    size_t      bytes;
} TYPES[] = {{"i1", LK_H5_I8, 1},  {"u1", LK_H5_U8, 1},  {"b1", LK_H5_U8, 1},  {"i2", LK_H5_I16, 2},
             {"u2", LK_H5_U16, 2}, {"i4", LK_H5_I32, 4}, {"u4", LK_H5_U32, 4}, {"i8", LK_H5_I64, 8},
             {"u8", LK_H5_U64, 8}, {"f4", LK_H5_F32, 4}, {"f8", LK_H5_F64, 8}};

/* The value of a key in the header, a Python dictionary: text behind "'key':". */
static const char *find_key(const char *header, const char *key)
{
    char        quoted[32];
    const char *at;
    snprintf(quoted, sizeof quoted, "'%s':", key);
    at = strstr(header, quoted);
    if (!at) return NULL;
    at += strlen(quoted);
    while (*at == ' ') at++;
    return at;
}

static lk_status take_type(const char *path, const char *header, lk_npy *out)
{
    const char *at = find_key(header, "descr");
    if (at && *at == '\'' && strchr("<>|=", at[1]))
        for (int i = 0; i < (int)(sizeof TYPES / sizeof *TYPES); i++)
            if (!strncmp(at + 2, TYPES[i].code, 2) && at[4] == '\'') {
                out->type = TYPES[i].type;
                out->item_bytes = TYPES[i].bytes;
                out->big_endian = at[1] == '>';
                return LK_OK;
            }
    return lk_fail(LK_E_DATA, "%s: type %.12s; integers and floats of 32 and 64 bits are read", path,
                   at ? at : "?");
}

static lk_status take_shape(const char *path, const char *header, lk_npy *out)
{
    const char *at = find_key(header, "shape");
    if (!at || *at != '(') return lk_fail(LK_E_DATA, "%s: its header has no shape", path);
    for (at++; *at && *at != ')';) {
        char     *end = NULL;
        long long n = strtoll(at, &end, 10);
        if (end == at || n < 0 || out->n_axes == LK_H5_MAX_AXES)
            return lk_fail(LK_E_DATA, "%s: its shape cannot be read", path);
        out->axis[out->n_axes++] = n;
        at = end;
        while (*at == ',' || *at == ' ') at++;
    }
    return LK_OK;
}

static void swap_bytes(char *data, size_t items, size_t width)
{
    for (size_t i = 0; i < items; i++, data += width)
        for (size_t k = 0; k < width / 2; k++) {
            char byte = data[k];
            data[k] = data[width - 1 - k];
            data[width - 1 - k] = byte;
        }
}

lk_status lk_npy_open(const char *path, lk_npy *out)
{
    lk_status st = LK_OK;
    size_t    size = 0, head, length, items = 1;
    char      header[4096];
    *out = (lk_npy){0};
    LK_TRY(lk_file_read(path, MOST_BYTES, &out->bytes, &size));
    const unsigned char *b = (const unsigned char *)out->bytes;
    LK_CHECK(size >= 12 && !memcmp(b, "\x93NUMPY", 6), LK_E_DATA, "%s is not an NPY file", path);
    length = b[6] == 1 ? (size_t)b[8] + 256u * b[9]
                       : (size_t)b[8] + 256u * b[9] + 65536u * b[10] + 16777216u * b[11];
    head = b[6] == 1 ? 10 : 12;
    LK_CHECK(b[6] >= 1 && b[6] <= 3 && length < sizeof header && head + length <= size, LK_E_DATA,
             "%s: its header is cut short or of an unknown version", path);
    memcpy(header, out->bytes + head, length);
    header[length] = 0;
    LK_TRY(take_type(path, header, out));
    LK_TRY(take_shape(path, header, out));
    const char *order = find_key(header, "fortran_order");
    LK_CHECK(order && !strncmp(order, "False", 5), LK_E_DATA,
             "%s is in Fortran order; save it with numpy.ascontiguousarray(...)", path);
    for (int i = 0; i < out->n_axes; i++)
        LK_CHECK(!__builtin_mul_overflow(items, (size_t)out->axis[i], &items) && items <= size, LK_E_DATA,
                 "%s: its header asks for more than the file holds", path);
    LK_CHECK(head + length + items * out->item_bytes == size, LK_E_DATA,
             "%s: %zu bytes, its header asks for %zu", path, size, head + length + items * out->item_bytes);
    out->data = out->bytes + head + length;
    if (out->big_endian) swap_bytes(out->bytes + head + length, items, out->item_bytes);
    out->big_endian = false;
done:
    if (st != LK_OK) lk_npy_clear(out);
    return st;
}

void lk_npy_clear(lk_npy *npy)
{
    lk_free(&npy->bytes);
    *npy = (lk_npy){0};
}
