/* The file: image, user block, hash; written whole or not at all, verified before HDF5 sees a byte. */
#include "checkpoint/checkpoint.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/alloc.h"
#include "io/atomic.h"

enum { USER_BLOCK = LK_CHECKPOINT_HEADER, FORMAT = 2, PIECE_BYTES = 1 << 20 };

static const char MAGIC[] = "LOCKSTEP ";

struct lk_checkpoint_writer {
    lk_h5      *file;  /* owned until sealed */
    lk_h5_image image; /* owned; empty until sealed */
    int64_t     step;
};

struct lk_checkpoint {
    char   *image; /* owned; the file's bytes, which `file` reads from */
    lk_h5  *file;
    int64_t step;
};

static void hex_of(XXH128_hash_t hash, char hex[33])
{
    snprintf(hex, 33, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

/* Format and step stand in the header, so they are the seed; format 1 had none. */
static uint64_t seed_of(int format, int64_t step)
{
    return format == 1 ? 0 : (uint64_t)format << 56 ^ (uint64_t)step;
}

static void hash_image(const char *image, size_t size, int format, int64_t step, char hex[33])
{
    hex_of(XXH3_128bits_withSeed(image + USER_BLOCK, size - USER_BLOCK, seed_of(format, step)), hex);
}

/* ---- writing ---- */

lk_status lk_checkpoint_begin(lk_checkpoint_writer **out)
{
    lk_status st = LK_OK;
    *out = NULL;
    LK_TRY(LK_ALLOC(1, out));
    LK_TRY(lk_h5_create_image(NULL, &(*out)->file));
done:
    if (st != LK_OK) lk_checkpoint_abandon(out);
    return st;
}

lk_status lk_checkpoint_begin_again(lk_checkpoint_writer *writer)
{
    if (writer->file) return lk_fail(LK_E_BUG, "checkpoint: begun again before it was sealed");
    return lk_h5_create_image(&writer->image, &writer->file);
}

lk_h5 *lk_checkpoint_file(lk_checkpoint_writer *writer)
{
    return writer->file;
}

static lk_status put_span(lk_h5 *file, const char *prefix, const lk_span *span, const float *values)
{
    lk_status st = LK_OK;
    char      path[2 * LK_PATH_BYTES + 2];
    snprintf(path, sizeof path, "%s/%s", prefix, span->name);
    LK_TRY(lk_h5_write(file, path, LK_H5_F32, span->shape.n_axes, span->shape.axis, values));
    if (*span->axes) LK_TRY(lk_h5_put_text(file, path, "axes", span->axes));
done:
    return st;
}

lk_status lk_checkpoint_put_spans(lk_checkpoint_writer *writer, const char *prefix,
                                  const lk_span_table *spans, unsigned kinds, const float *buffer)
{
    lk_status    st = LK_OK;
    int          n = 0;
    const char **names = NULL;
    LK_TRY(LK_ALLOC(spans->n_spans, &names));
    for (int i = 0; i < spans->n_spans; i++) {
        const lk_span *span = &spans->spans[i];
        if (!(kinds >> span->kind & 1)) continue;
        LK_TRY(put_span(writer->file, prefix, span, buffer + span->offset));
        names[n++] = span->name;
    }
    /* HDF5 lists by name; this is the reading order, that of the model. */
    LK_TRY(lk_h5_put_texts(writer->file, prefix, "span_names", names, n));
done:
    lk_free(&names);
    return st;
}

lk_status lk_checkpoint_seal(lk_checkpoint_writer *writer, int64_t step)
{
    lk_status          st = LK_OK;
    const lk_h5_image *image = &writer->image;
    char               hex[33], header[USER_BLOCK] = "";
    LK_TRY(lk_h5_put_int(writer->file, "/", "format", FORMAT));
    LK_TRY(lk_h5_take_image(&writer->file, &writer->image));
    writer->step = step;
    LK_CHECK(image->size > USER_BLOCK, LK_E_BUG, "checkpoint: an image of %zu bytes", image->size);
    hash_image(image->bytes, image->size, FORMAT, step, hex);
    snprintf(header, sizeof header, "%s%d\nsize %zu\nxxh3 %s\nstep %lld\n", MAGIC, FORMAT, image->size, hex,
             (long long)step);
    memcpy(image->bytes, header, USER_BLOCK);
done:
    return st;
}

lk_status lk_checkpoint_commit(const lk_checkpoint_writer *writer, const char *path, lk_moved *moved)
{
    char  temporary[PATH_MAX];
    char *slash;
    if (!writer->image.bytes) return lk_fail(LK_E_BUG, "checkpoint %s: not sealed", path);
    snprintf(temporary, sizeof temporary, "%s", path);
    slash = strrchr(temporary, '/');
    /* One fixed name: safe under the run's lock, and a left-over is overwritten by the next write. */
    snprintf(slash ? slash + 1 : temporary, 8, ".new");
    return lk_atomic_write_watched(path, temporary, writer->image.bytes, writer->image.size, moved);
}

void lk_checkpoint_abandon(lk_checkpoint_writer **writer)
{
    if (!*writer) return;
    lk_h5_abandon(&(*writer)->file);
    lk_free(&(*writer)->image.bytes);
    lk_free(writer);
}

/* ---- reading ---- */

typedef struct claims {
    int       format;
    long long step;
    char      hash[33];
} claims;

/* The user block may be anything: it is text only up to its first NUL. `size` of the whole file. */
static lk_status read_header(const char *path, const char *block, size_t size, claims *of)
{
    lk_status          st = LK_OK;
    char               header[USER_BLOCK + 1];
    unsigned long long bytes = 0;
    *of = (claims){.step = -1};
    LK_CHECK(size > USER_BLOCK && !memcmp(block, MAGIC, strlen(MAGIC)), LK_E_DATA,
             "%s is not a Lockstep checkpoint", path);
    memcpy(header, block, USER_BLOCK);
    header[USER_BLOCK] = '\0';
    int n = sscanf(header, "LOCKSTEP %9d\nsize %19llu\nxxh3 %32[0-9a-f]\nstep %18lld\n", &of->format, &bytes,
                   of->hash, &of->step);
    LK_CHECK(n == 4 && of->format >= 1 && of->step >= 0, LK_E_DATA, "%s: the checkpoint's header is damaged",
             path);
    LK_CHECK(bytes == size, LK_E_DATA,
             "%s is cut short or longer than it was: %zu bytes, its header says %llu", path, size, bytes);
done:
    return st;
}

static lk_status check_hash(const char *path, const char *block, size_t size, const claims *of,
                            const char *hex)
{
    lk_status st = LK_OK;
    char      expected[USER_BLOCK] = "";
    LK_CHECK(!strcmp(hex, of->hash), LK_E_DATA, "%s is corrupt: its hash is %s, its header says %s", path,
             hex, of->hash);
    /* The header's text is not hashed, so it must be the very one that is written. */
    snprintf(expected, sizeof expected, "%s%d\nsize %zu\nxxh3 %s\nstep %lld\n", MAGIC, of->format, size, hex,
             of->step);
    LK_CHECK(!memcmp(expected, block, USER_BLOCK), LK_E_DATA, "%s: the checkpoint's header is damaged", path);
    /* Header and hash are the same in every format, so that a newer file is told from a damaged one. */
    LK_CHECK(of->format <= FORMAT, LK_E_NEWER,
             "%s was made by a newer version of Lockstep (checkpoint format %d, this one reads up to %d): "
             "use that version",
             path, of->format, FORMAT);
done:
    return st;
}

static lk_status verify(const char *path, const char *image, size_t size, int64_t *step)
{
    lk_status st = LK_OK;
    char      hex[33];
    claims    of;
    LK_TRY(read_header(path, image, size, &of));
    hash_image(image, size, of.format, of.step, hex);
    LK_TRY(check_hash(path, image, size, &of, hex));
    *step = of.step;
done:
    return st;
}

static lk_status hash_file(const char *path, FILE *file, const claims *of, char hex[33])
{
    lk_status     st = LK_OK;
    char         *piece = NULL;
    XXH3_state_t *state = XXH3_createState();
    size_t        n;
    LK_CHECK(state, LK_E_NOMEM, "out of memory for the hash of %s", path);
    LK_TRY(LK_ALLOC(PIECE_BYTES, &piece));
    XXH3_128bits_reset_withSeed(state, seed_of(of->format, of->step));
    while ((n = fread(piece, 1, PIECE_BYTES, file)) > 0) XXH3_128bits_update(state, piece, n);
    LK_CHECK(!ferror(file), LK_E_IO, "cannot read %s: %s", path, strerror(errno));
    hex_of(XXH3_128bits_digest(state), hex);
done:
    XXH3_freeState(state);
    lk_free(&piece);
    return st;
}

lk_status lk_checkpoint_verify(const char *path)
{
    lk_status   st = LK_OK;
    char        block[USER_BLOCK], hex[33];
    struct stat info;
    claims      of;
    FILE       *file = fopen(path, "rbe");
    LK_CHECK(file && fstat(fileno(file), &info) == 0, lk_file_blame(errno), "cannot open %s: %s", path,
             strerror(errno));
    LK_CHECK(S_ISREG(info.st_mode) && fread(block, 1, sizeof block, file) == sizeof block, LK_E_DATA,
             "%s is not a Lockstep checkpoint", path);
    LK_TRY(read_header(path, block, (size_t)info.st_size, &of));
    LK_TRY(hash_file(path, file, &of, hex));
    LK_TRY(check_hash(path, block, (size_t)info.st_size, &of, hex));
done:
    if (file) fclose(file);
    return st;
}

/* The hash of format 1 does not cover the step in the header: the one inside is. */
static lk_status check_step(const char *path, lk_checkpoint *checkpoint)
{
    int64_t step = checkpoint->step;
    if (lk_h5_has_attribute(checkpoint->file, "/state", "step")) {
        lk_status st = lk_h5_get_int(checkpoint->file, "/state", "step", &step);
        if (st != LK_OK) return st;
    }
    if (step == checkpoint->step) return LK_OK;
    return lk_fail(LK_E_DATA, "%s: the checkpoint's header is damaged: step %lld there, %lld inside", path,
                   (long long)checkpoint->step, (long long)step);
}

lk_status lk_checkpoint_open(const char *path, lk_checkpoint **out)
{
    lk_status      st = LK_OK;
    lk_checkpoint *checkpoint = NULL;
    size_t         size = 0;
    *out = NULL;
    LK_TRY(LK_ALLOC(1, &checkpoint));
    LK_TRY(lk_file_read(path, (size_t)1 << 40, &checkpoint->image, &size));
    LK_TRY(verify(path, checkpoint->image, size, &checkpoint->step));
    LK_TRY(lk_h5_open_image(checkpoint->image, size, path, &checkpoint->file));
    LK_TRY(check_step(path, checkpoint));
    *out = checkpoint;
    checkpoint = NULL;
done:
    lk_checkpoint_close(&checkpoint);
    return st;
}

void lk_checkpoint_close(lk_checkpoint **checkpoint)
{
    if (!*checkpoint) return;
    lk_h5_abandon(&(*checkpoint)->file);
    lk_free(&(*checkpoint)->image);
    lk_free(checkpoint);
}

lk_h5 *lk_checkpoint_h5(lk_checkpoint *checkpoint)
{
    return checkpoint->file;
}

int64_t lk_checkpoint_step(const lk_checkpoint *checkpoint)
{
    return checkpoint->step;
}

const char *lk_checkpoint_header(const lk_checkpoint *checkpoint)
{
    return checkpoint->image;
}

static lk_status get_span(lk_h5 *file, const char *prefix, const lk_span *span, float *values)
{
    lk_status  st = LK_OK;
    lk_h5_info info;
    lk_shape   found = {0};
    int64_t    start[LK_H5_MAX_AXES] = {0};
    char       path[2 * LK_PATH_BYTES + 2], expected[LK_SHAPE_TEXT_BYTES], actual[LK_SHAPE_TEXT_BYTES];
    snprintf(path, sizeof path, "%s/%s", prefix, span->name);
    LK_TRY(lk_h5_stat(file, path, &info));
    found.n_axes = info.n_axes < LK_MAX_AXES ? info.n_axes : LK_MAX_AXES;
    for (int i = 0; i < found.n_axes; i++) found.axis[i] = info.axis[i];
    LK_CHECK(info.n_axes == span->shape.n_axes && lk_shape_equal(&found, &span->shape) &&
                 info.type == LK_H5_F32,
             LK_E_DATA, "%s in the checkpoint is %s, the model expects %s", path,
             lk_shape_text(&found, actual), lk_shape_text(&span->shape, expected));
    LK_TRY(lk_h5_read(file, path, start, span->shape.axis, LK_H5_F32, values));
done:
    return st;
}

lk_status lk_checkpoint_get_spans(lk_checkpoint *checkpoint, const char *prefix, const lk_span_table *spans,
                                  unsigned kinds, float *buffer)
{
    for (int i = 0; i < spans->n_spans; i++) {
        const lk_span *span = &spans->spans[i];
        if (!(kinds >> span->kind & 1)) continue;
        lk_status st = get_span(checkpoint->file, prefix, span, buffer + span->offset);
        if (st != LK_OK) return st;
    }
    return LK_OK;
}

/* ---- hash ---- */

static void hash_buffer(XXH3_state_t *state, const lk_span_table *spans, unsigned kinds, const float *buffer)
{
    for (int i = 0; i < spans->n_spans; i++)
        if (kinds >> spans->spans[i].kind & 1)
            XXH3_128bits_update(state, buffer + spans->spans[i].offset,
                                (size_t)spans->spans[i].count * sizeof *buffer);
}

void lk_checkpoint_hash(const lk_span_table *spans, const float *state, unsigned kinds, float *const *slots,
                        int n_slots, int64_t step, char hex[33])
{
    XXH3_state_t hash;
    XXH3_128bits_reset(&hash);
    hash_buffer(&hash, spans, kinds, state);
    for (int i = 0; i < n_slots; i++) hash_buffer(&hash, spans, 1u << LK_SPAN_PARAMETER, slots[i]);
    if (step >= 0) XXH3_128bits_update(&hash, &step, sizeof step);
    hex_of(XXH3_128bits_digest(&hash), hex);
}
