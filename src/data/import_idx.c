/*
 * IDX: two zero bytes, a type, a number of axes, the axes as big-endian 32-bit numbers, then the data. Images
 * have type u8 and three axes, labels type u8 and one. Gzip is recognised by its first two bytes.
 */
#include "core/alloc.h"
#include "data/import.h"
#include "io/atomic.h"

#include <stdio.h>
#include <string.h>
#ifdef LK_HAVE_ZLIB
#include <zlib.h>
#endif

static const size_t MOST_BYTES = (size_t)2 << 30; /* of a file, packed or not */

typedef struct idx {
    int            n_axes;
    int64_t        axis[3], rows;
    size_t         row_bytes, need; /* need: bytes of the whole file by its header */
    char          *bytes;           /* owned */
    const uint8_t *data;
} idx;

static size_t header_bytes(int n_axes)
{
    return 4 + 4 * (size_t)n_axes;
}

static int64_t big_endian(const uint8_t *p)
{
    return (int64_t)p[0] << 24 | (int64_t)p[1] << 16 | (int64_t)p[2] << 8 | (int64_t)p[3];
}

/* ---- the header ---- */

static lk_status take_header(const char *path, const uint8_t *head, size_t size, int n_axes, const char *what,
                             idx *out)
{
    lk_status st = LK_OK;
    LK_CHECK(size >= 4 && head[0] == 0 && head[1] == 0, LK_E_DATA,
             "%s is not an IDX file: it does not begin with two zero bytes", path);
    LK_CHECK(head[2] == 8, LK_E_DATA, "%s: IDX type 0x%02x; unsigned bytes (0x08) are expected", path,
             head[2]);
    LK_CHECK(head[3] == n_axes, LK_E_DATA,
             "%s: %d axes; %s have %d (are images and labels in the right order?)", path, head[3], what,
             n_axes);
    LK_CHECK(size >= header_bytes(n_axes), LK_E_DATA, "%s: cut short in its header", path);
    out->n_axes = n_axes;
    out->row_bytes = 1;
    for (int i = 0; i < n_axes; i++) {
        out->axis[i] = big_endian(head + 4 + 4 * i);
        if (i == 0) continue;
        LK_CHECK(out->axis[i] >= 1 && out->axis[i] <= 1 << 16, LK_E_DATA, "%s: axis %d has length %lld", path,
                 i, (long long)out->axis[i]);
        out->row_bytes *= (size_t)out->axis[i];
    }
    out->rows = out->axis[0];
    out->need = header_bytes(n_axes) + (size_t)out->rows * out->row_bytes;
done:
    return st;
}

/* ---- gzip ---- */

const char *lk_import_zlib_version(void)
{
#ifdef LK_HAVE_ZLIB
    return zlibVersion();
#else
    return "none";
#endif
}

#ifdef LK_HAVE_ZLIB
enum { PACKED_MOST = 1032 }; /* deflate makes at most so many bytes of one */

static lk_status run_zlib(const char *path, z_stream *z, unsigned char *out, size_t room, int *result)
{
    size_t had = z->total_out;
    *result = Z_OK;
    while (*result == Z_OK && z->total_out - had < room) {
        size_t left = room - (z->total_out - had);
        z->next_out = out + (z->total_out - had);
        z->avail_out = (unsigned)(left < 1u << 30 ? left : 1u << 30);
        *result = inflate(z, Z_NO_FLUSH);
    }
    if (*result == Z_OK || *result == Z_STREAM_END) return LK_OK;
    return lk_fail(LK_E_DATA, "%s: gzip data is cut short or corrupt", path);
}

/* The header says how much is to come, and no more is unpacked than that: a small file cannot take all memory. */
static lk_status unzip(const char *path, int n_axes, const char *what, idx *out, size_t *size)
{
    lk_status      st = LK_OK;
    unsigned char  head[16];
    unsigned char *bytes = NULL;
    int            result = Z_OK;
    z_stream       z = {0};
    LK_CHECK(inflateInit2(&z, 15 + 32) == Z_OK, LK_E_NOMEM, "%s: zlib cannot start", path);
    z.next_in = (unsigned char *)out->bytes;
    z.avail_in = (unsigned)*size;
    LK_TRY(run_zlib(path, &z, head, header_bytes(n_axes), &result));
    LK_TRY(take_header(path, head, z.total_out, n_axes, what, out));
    LK_CHECK(out->need / PACKED_MOST <= *size, LK_E_DATA,
             "%s: its header asks for %zu bytes, more than %zu bytes of gzip can hold", path, out->need,
             *size);
    LK_TRY(LK_ALLOC(out->need + 1, &bytes));
    memcpy(bytes, head, header_bytes(n_axes));
    if (result == Z_OK)
        LK_TRY(
            run_zlib(path, &z, bytes + header_bytes(n_axes), out->need + 1 - header_bytes(n_axes), &result));
    LK_CHECK(z.total_out <= out->need, LK_E_DATA,
             "%s: unpacked, it has more than the %zu bytes its header asks for", path, out->need);
    lk_free(&out->bytes);
    out->bytes = (char *)bytes;
    *size = z.total_out;
    bytes = NULL;
done:
    inflateEnd(&z);
    lk_free(&bytes);
    return st;
}
#else
static lk_status unzip(const char *path, int n_axes, const char *what, idx *out, size_t *size)
{
    (void)n_axes, (void)what, (void)out, (void)size;
    return lk_fail(LK_E_DATA, "%s is gzip, and this build has no zlib; unpack it first: gunzip -k %s", path,
                   path);
}
#endif

static lk_status idx_read(const char *path, int n_axes, const char *what, idx *out)
{
    lk_status st = LK_OK;
    size_t    size = 0;
    LK_TRY(lk_file_read(path, MOST_BYTES, &out->bytes, &size));
    const uint8_t *head = (const uint8_t *)out->bytes;
    if (size > 2 && head[0] == 0x1f && head[1] == 0x8b) LK_TRY(unzip(path, n_axes, what, out, &size));
    head = (const uint8_t *)out->bytes;
    LK_TRY(take_header(path, head, size, n_axes, what, out));
    LK_CHECK(size == out->need, LK_E_DATA, "%s: %zu bytes, its header asks for %zu", path, size, out->need);
    out->data = head + header_bytes(n_axes);
done:
    return st;
}

static lk_status read_pair(const char *images, const char *labels, idx *x, idx *y)
{
    lk_status st = LK_OK;
    LK_TRY(idx_read(images, 3, "images", x));
    LK_TRY(idx_read(labels, 1, "labels", y));
    LK_CHECK(x->rows == y->rows, LK_E_DATA, "%s has %lld images, %s has %lld labels", images,
             (long long)x->rows, labels, (long long)y->rows);
    LK_CHECK(x->rows > 0, LK_E_DATA, "%s holds no image", images);
done:
    return st;
}

static lk_status put_pair(lk_h5 *h5, const lk_import_split *split, const idx *x, const idx *y)
{
    lk_status st = LK_OK;
    LK_TRY(lk_import_put_rows(h5, split, "x", LK_H5_U8, 4, (int64_t[]){x->rows, x->axis[1], x->axis[2], 1},
                              x->data));
    LK_TRY(lk_import_put_rows(h5, split, "y", LK_H5_U8, 1, &y->rows, y->data));
done:
    return st;
}

/* The test file as it is, as group test. */
static lk_status put_test(lk_h5 *h5, const idx *x, const idx *y)
{
    lk_status st = LK_OK;
    LK_TRY(lk_h5_write(h5, "/test/x", LK_H5_U8, 4, (int64_t[]){x->rows, x->axis[1], x->axis[2], 1}, x->data));
    LK_TRY(lk_h5_write(h5, "/test/y", LK_H5_U8, 1, &y->rows, y->data));
done:
    return st;
}

/* IDX has no names: classes are called by their numbers. */
static lk_status put_names(lk_h5 *h5, const char *source, int highest)
{
    lk_status   st = LK_OK;
    char        number[256][4];
    const char *names[256];
    char        group[32];
    for (int i = 0; i <= highest; i++) {
        snprintf(number[i], sizeof number[i], "%d", i);
        names[i] = number[i];
    }
    for (int s = 0; s < LK_SPLITS; s++) {
        snprintf(group, sizeof group, "/%s", lk_split_names[s]);
        if (!lk_h5_exists(h5, group)) continue;
        LK_TRY(lk_h5_put_texts(h5, group, "class_names", names, highest + 1));
        LK_TRY(lk_h5_put_text(h5, group, "source", source));
    }
done:
    return st;
}

static int highest_label(const idx *y, int highest)
{
    for (int64_t i = 0; i < y->rows; i++) highest = y->data[i] > highest ? y->data[i] : highest;
    return highest;
}

lk_status lk_data_import_idx(const char *train_images, const char *train_labels, const char *test_images,
                             const char *test_labels, const lk_import_split *split, const char *out,
                             char **text)
{
    lk_status st = LK_OK;
    lk_output file = {0};
    idx       x = {0}, y = {0}, test_x = {0}, test_y = {0};
    int64_t   count[LK_SPLITS];
    lk_str    said;
    *text = NULL;
    lk_str_init(&said);
    LK_CHECK(!test_images || split->test <= 0, LK_E_USAGE,
             "--test: either two files or a share of the training data");
    LK_TRY(
        lk_import_check(out, (const char *const[]){train_images, train_labels, test_images, test_labels}, 4));
    LK_TRY(read_pair(train_images, train_labels, &x, &y));
    int highest = highest_label(&y, 0);
    if (test_images) {
        LK_TRY(read_pair(test_images, test_labels, &test_x, &test_y));
        highest = highest_label(&test_y, highest);
        LK_CHECK(test_x.axis[1] == x.axis[1] && test_x.axis[2] == x.axis[2], LK_E_DATA,
                 "%s holds %lldx%lld images, %s holds %lldx%lld", train_images, (long long)x.axis[1],
                 (long long)x.axis[2], test_images, (long long)test_x.axis[1], (long long)test_x.axis[2]);
    }
    LK_TRY(lk_output_begin(out, lk_import_maker, &file));
    LK_TRY(put_pair(file.h5, split, &x, &y));
    if (test_images) LK_TRY(put_test(file.h5, &test_x, &test_y));
    LK_TRY(put_names(file.h5, train_images, highest));
    LK_TRY(lk_output_commit(&file));
    lk_import_count(split, x.rows, count);
    if (test_images) count[LK_SPLIT_TEST] = test_x.rows;
    lk_str_printf(&said, "%s: %lldx%lldx1 images, %d classes;", out, (long long)x.axis[1],
                  (long long)x.axis[2], highest + 1);
    for (int s = 0; s < LK_SPLITS; s++)
        if (count[s]) lk_str_printf(&said, " %s %lld", lk_split_names[s], (long long)count[s]);
    lk_str_printf(&said, "\n");
    LK_TRY(lk_str_copy(&said, text));
done:
    lk_output_abandon(&file);
    lk_free(&x.bytes);
    lk_free(&y.bytes);
    lk_free(&test_x.bytes);
    lk_free(&test_y.bytes);
    lk_str_clear(&said);
    return st;
}
