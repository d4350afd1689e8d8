#include "data/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "data/decode.h"

static const struct {
    const char *code;
    lk_h5_type  type;
} TYPES[] = {{"i1", LK_H5_I8},  {"u1", LK_H5_U8},  {"b1", LK_H5_U8},  {"i2", LK_H5_I16},
             {"u2", LK_H5_U16}, {"i4", LK_H5_I32}, {"u4", LK_H5_U32}, {"i8", LK_H5_I64},
             {"u8", LK_H5_U64}, {"f2", LK_H5_F16}, {"f4", LK_H5_F32}, {"f8", LK_H5_F64}};

enum { HEADER_BYTES = 4096 };

/* ---- header ---- */

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

static lk_status take_type(const char *path, const char *header, lk_h5_info *info)
{
    const char *at = find_key(header, "descr");
    if (at && *at == '\'' && at[1] && strchr("<>|=", at[1]))
        for (int i = 0; i < (int)(sizeof TYPES / sizeof *TYPES); i++)
            if (!strncmp(at + 2, TYPES[i].code, 2) && at[4] == '\'') {
                info->type = TYPES[i].type;
                info->big_endian = at[1] == '>' || (at[1] == '=' && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
                info->plain = true;
                return LK_OK;
            }
    return lk_fail(LK_E_DATA, "%s: type %.12s; integers of 8 to 64 bits and floats of 16 to 64 bits are read",
                   path, at ? at : "?");
}

static lk_status take_shape(const char *path, const char *header, lk_h5_info *info)
{
    const char *at = find_key(header, "shape");
    bool        good = at && *at == '(';
    for (at = good ? at + 1 : at; good && *at != ')';) {
        char     *end = NULL;
        long long n = strtoll(at, &end, 10);
        good = end != at && n >= 0 && n < INT64_MAX && info->n_axes < LK_H5_MAX_AXES;
        if (!good) break;
        info->axis[info->n_axes++] = n;
        at = end;
        good = *at == ',' || *at == ')';
        while (*at == ',' || *at == ' ') at++;
    }
    return good ? LK_OK
                : lk_fail(LK_E_DATA, "%s: its header has no shape of at most %d axes", path, LK_H5_MAX_AXES);
}

static lk_status check_size(lk_npy *npy, int64_t size)
{
    lk_status st = LK_OK;
    int64_t   need = lk_decode_stored_bytes(npy->info.type);
    LK_CHECK(npy->info.n_axes > 0, LK_E_DATA, "%s holds one value: its first axis should be the samples",
             npy->path);
    npy->rows = npy->info.axis[0];
    npy->row_elements = 1;
    for (int i = 0; i < npy->info.n_axes; i++) {
        LK_CHECK(!__builtin_mul_overflow(need, npy->info.axis[i], &need), LK_E_DATA,
                 "%s: its header asks for more than any file holds", npy->path);
        if (i > 0) npy->row_elements *= npy->info.axis[i];
    }
    LK_CHECK(need == size - npy->info.file_offset, LK_E_DATA,
             "%s: %lld bytes of values, its header asks for %lld", npy->path,
             (long long)(size - npy->info.file_offset), (long long)need);
done:
    return st;
}

static lk_status take_header(lk_npy *npy, int64_t size)
{
    lk_status     st = LK_OK;
    unsigned char head[12] = {0};
    char          text[HEADER_BYTES];
    LK_CHECK(pread(npy->file, head, sizeof head, 0) == (ssize_t)sizeof head && !memcmp(head, "\x93NUMPY", 6),
             LK_E_DATA, "%s is not an NPY file", npy->path);
    size_t at = head[6] == 1 ? 10 : 12, length = (size_t)head[8] + 256u * head[9];
    if (head[6] > 1) length += 65536u * head[10] + 16777216u * head[11];
    LK_CHECK(head[6] >= 1 && head[6] <= 3 && length < sizeof text && (int64_t)(at + length) <= size,
             LK_E_DATA, "%s: its header is cut short or of an unknown version", npy->path);
    LK_CHECK(pread(npy->file, text, length, (off_t)at) == (ssize_t)length, LK_E_IO, "cannot read %s",
             npy->path);
    text[length] = 0;
    npy->info.file_offset = (int64_t)(at + length);
    LK_TRY(take_type(npy->path, text, &npy->info));
    LK_TRY(take_shape(npy->path, text, &npy->info));
    const char *order = find_key(text, "fortran_order");
    LK_CHECK(order && !strncmp(order, "False", 5), LK_E_DATA,
             "%s is in Fortran order; save it with numpy.ascontiguousarray(...)", npy->path);
done:
    return st;
}

lk_status lk_npy_open(const char *path, lk_npy *out)
{
    lk_status   st = LK_OK;
    struct stat info;
    *out = (lk_npy){.path = path};
    out->file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* not waiting for who writes into a FIFO */
    LK_CHECK(out->file >= 0, LK_E_DATA, "cannot open %s: %s", path, strerror(errno));
    LK_CHECK(fstat(out->file, &info) == 0 && S_ISREG(info.st_mode), LK_E_DATA, "%s is not a file", path);
    LK_TRY(take_header(out, info.st_size));
    LK_TRY(check_size(out, info.st_size));
done:
    if (st != LK_OK) lk_npy_close(out);
    return st;
}

void lk_npy_close(lk_npy *npy)
{
    if (npy->path && npy->file >= 0) close(npy->file);
    *npy = (lk_npy){.file = -1};
}

/* ---- values ---- */

lk_h5_type lk_npy_memory_type(const lk_npy *npy)
{
    return lk_decode_memory_type(npy->info.type);
}

static void swap_bytes(char *data, int64_t items, int64_t width)
{
    for (int64_t i = 0; i < items; i++, data += width)
        for (int64_t k = 0; k < width / 2; k++) {
            char byte = data[k];
            data[k] = data[width - 1 - k];
            data[width - 1 - k] = byte;
        }
}

/* From the back, so that a half is read before a float overwrites it: both begin at `bytes`. */
static void widen_halves(char *bytes, bool big_endian, int64_t items)
{
    for (int64_t i = items - 1; i >= 0; i--) {
        double value;
        lk_decode(LK_H5_F16, big_endian, bytes + 2 * i, 1, 1, &value, 1);
        float single = (float)value;
        memcpy(bytes + 4 * i, &single, sizeof single);
    }
}

lk_status lk_npy_read(const lk_npy *npy, int64_t first, int64_t n, void *out)
{
    lk_status st = LK_OK;
    int64_t   width = lk_decode_stored_bytes(npy->info.type), items = n * npy->row_elements, got = 0;
    int64_t   from = npy->info.file_offset + first * npy->row_elements * width;
    while (got < items * width) {
        ssize_t now = pread(npy->file, (char *)out + got, (size_t)(items * width - got), (off_t)(from + got));
        if (now < 0 && errno == EINTR) continue;
        LK_CHECK(now >= 0, LK_E_IO, "cannot read %s: %s", npy->path, strerror(errno));
        LK_CHECK(now > 0, LK_E_DATA, "%s became shorter while it was read", npy->path);
        got += now;
    }
    if (npy->info.type == LK_H5_F16)
        widen_halves(out, npy->info.big_endian, items);
    else if (npy->info.big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__))
        swap_bytes(out, items, width);
done:
    return st;
}
