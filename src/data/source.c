#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/alloc.h"
#include "data/catalogue.h"
#include "data/decode.h"
#include "io/atomic.h"

int64_t lk_column_resident_bytes = (int64_t)8 << 20;
int64_t lk_column_map_bytes = (int64_t)1 << 30;
int64_t lk_column_cache_bytes = (int64_t)64 << 20;
int64_t lk_column_block_bytes = (int64_t)256 << 20;
int64_t lk_column_host_bytes = (int64_t)4 << 30;

static const int64_t BLOCK_BYTES = (int64_t)1 << 20; /* of a box where the file names no chunks */

/* ---- files ---- */

/* Where a path is in the table, or would be. */
static int *slot_of(const lk_files *files, const char *path)
{
    const int n_slots = 2 * files->capacity;
    int       at = (int)(XXH3_64bits(path, strlen(path)) % (uint64_t)n_slots);
    while (files->slot[at] && strcmp(files->path[files->slot[at] - 1], path) != 0) at = (at + 1) % n_slots;
    return &files->slot[at];
}

static lk_status grow_files(lk_files *files)
{
    lk_status st = LK_OK;
    char    **path = NULL;
    int64_t  *size = NULL;
    int      *slot = NULL;
    const int capacity = 2 * files->n + 8;
    LK_TRY(LK_ALLOC(capacity, &path));
    LK_TRY(LK_ALLOC(capacity, &size));
    LK_TRY(LK_ALLOC(2 * capacity, &slot));
    if (files->n) memcpy(path, files->path, (size_t)files->n * sizeof *path);
    if (files->n) memcpy(size, files->size, (size_t)files->n * sizeof *size);
    lk_free(&files->path);
    lk_free(&files->size);
    lk_free(&files->slot);
    files->path = path;
    files->size = size;
    files->slot = slot;
    files->capacity = capacity;
    path = NULL;
    size = NULL;
    for (int i = 0; i < files->n; i++) *slot_of(files, files->path[i]) = i + 1;
done:
    lk_free(&path);
    lk_free(&size);
    return st;
}

lk_status lk_files_add(lk_files *files, const char *path, int *number)
{
    lk_status st = LK_OK;
    int      *slot = NULL;
    if (files->n == files->capacity) LK_TRY(grow_files(files));
    slot = slot_of(files, path);
    if (!*slot) {
        LK_TRY(lk_strdup(path, &files->path[files->n]));
        *slot = ++files->n;
    }
    *number = *slot - 1;
done:
    return st;
}

void lk_files_clear(lk_files *files)
{
    for (int i = 0; i < files->n; i++) lk_free(&files->path[i]);
    lk_free(&files->path);
    lk_free(&files->size);
    lk_free(&files->slot);
    *files = (lk_files){0};
}

/* ---- handles ---- */

static bool is_open(const lk_handle *handle)
{
    return handle->h5 || handle->fd >= 0;
}

static void close_handle(lk_handle *handle)
{
    lk_h5_abandon(&handle->h5);
    if (handle->fd >= 0) close(handle->fd);
    handle->fd = -1;
}

lk_status lk_handles_init(lk_handles *handles, const lk_files *files)
{
    *handles = (lk_handles){.files = files};
    lk_status st = LK_ALLOC(files->n, &handles->handle);
    if (st != LK_OK) return st;
    handles->n = files->n;
    for (int i = 0; i < handles->n; i++) handles->handle[i].fd = -1;
    return LK_OK;
}

void lk_handles_clear(lk_handles *handles)
{
    for (int i = 0; i < handles->n_open; i++) close_handle(&handles->handle[handles->open[i]]);
    lk_free(&handles->handle);
    *handles = (lk_handles){0};
}

static void close_oldest(lk_handles *handles)
{
    int oldest = 0;
    for (int i = 1; i < handles->n_open; i++)
        if (handles->handle[handles->open[i]].used < handles->handle[handles->open[oldest]].used) oldest = i;
    close_handle(&handles->handle[handles->open[oldest]]);
    handles->open[oldest] = handles->open[--handles->n_open];
}

/* The handle of a file that is about to be used; makes room if too many are open. */
static lk_handle *use_handle(lk_handles *handles, int file)
{
    lk_handle *handle = &handles->handle[file];
    handle->used = ++handles->clock;
    if (!is_open(handle) && handles->n_open == LK_HANDLES_OPEN_MOST) close_oldest(handles);
    return handle;
}

static void note_opened(lk_handles *handles, int file)
{
    handles->open[handles->n_open++] = file;
    handles->n_opened++;
}

/* A file that the importers know, where HDF5 was expected. */
static lk_status name_importer(const char *path, lk_status status)
{
    const char *dot = strrchr(path, '.');
    char        message[2048];
    if (status != LK_E_DATA || !dot || (strcmp(dot, ".csv") != 0 && strcmp(dot, ".npy") != 0)) return status;
    snprintf(message, sizeof message, "%s", lk_error_message());
    return lk_fail(status, "%s; `lockstep data import %s` makes one of it", message, dot + 1);
}

/* What is known of a file, offsets of its values among it, is of the file that somebody looked at, perhaps on another host. */
static lk_status is_the_same(const lk_handles *handles, int file)
{
    lk_status   st = LK_OK;
    struct stat info;
    lk_handle  *handle = &handles->handle[file];
    const char *path = handles->files->path[file];
    int64_t     size = handles->files->size[file];
    if (handle->same || size == 0 || stat(path, &info) != 0) return LK_OK;
    LK_CHECK(info.st_size == size, LK_E_DATA,
             "%s has %lld bytes here, and %lld where another rank looked at it: copies of a file on several "
             "hosts must be equal, and none may change while a job runs",
             path, (long long)info.st_size, (long long)size);
    handle->same = true;
done:
    return st;
}

lk_status lk_handles_h5(lk_handles *handles, int file, lk_h5 **out)
{
    lk_handle *handle = use_handle(handles, file);
    if (!handle->h5) {
        bool      fresh = !is_open(handle);
        lk_status st = is_the_same(handles, file);
        if (st != LK_OK) return st;
        st = lk_h5_open(handles->files->path[file], &handle->h5);
        if (st != LK_OK) return name_importer(handles->files->path[file], st);
        if (fresh) note_opened(handles, file);
    }
    *out = handle->h5;
    return LK_OK;
}

lk_status lk_handles_pread(lk_handles *handles, int file, int64_t offset, size_t size, void *out)
{
    lk_status   st = LK_OK;
    lk_handle  *handle = use_handle(handles, file);
    const char *path = handles->files->path[file];
    if (handle->fd < 0) {
        bool fresh = !is_open(handle);
        LK_TRY(is_the_same(handles, file));
        handle->fd = open(path, O_RDONLY | O_CLOEXEC);
        LK_CHECK(handle->fd >= 0, lk_file_blame(errno), "%s: %s", path, lk_file_reason(errno));
        if (fresh) note_opened(handles, file);
    }
    for (size_t done_bytes = 0; done_bytes < size;) {
        ssize_t n = pread(handle->fd, (char *)out + done_bytes, size - done_bytes,
                          (off_t)(offset + (int64_t)done_bytes));
        if (n < 0 && errno == EINTR) continue;
        LK_CHECK(n >= 0, LK_E_IO, "%s: %s", path, strerror(errno));
        LK_CHECK(n > 0, LK_E_DATA, "%s: ends at byte %lld, values were expected up to byte %lld: cut short?",
                 path, (long long)offset + (long long)done_bytes, (long long)offset + (long long)size);
        done_bytes += (size_t)n;
    }
    handles->bytes += (int64_t)size;
done:
    return st;
}

/* ---- axes ---- */

static const char place_letters[LK_PLACES + 1] = "DHWC";

static lk_status axes_of_letters(const char *where, const char *axes, const lk_h5_info *info, lk_column *out)
{
    lk_status st = LK_OK;
    char      sizes[LK_SHAPE_TEXT_BYTES];
    lk_shape  shape = {.n_axes = info->n_axes < LK_MAX_AXES ? info->n_axes : LK_MAX_AXES};
    for (int i = 0; i < shape.n_axes; i++) shape.axis[i] = info->axis[i];
    LK_CHECK((int)strlen(axes) == info->n_axes, LK_E_SHAPE,
             "%s is %s: axes '%s' names %zu of its %d axes; give one letter each (N samples, C channels, "
             "D H W space)",
             where, lk_shape_text(&shape, sizes), axes, strlen(axes), info->n_axes);
    for (int i = 0; axes[i]; i++) {
        const char *letter = strchr(place_letters, axes[i]);
        LK_CHECK(
            axes[i] != 'T', LK_E_CONFIG,
            "axes '%s' of %s: windows over time (T) are not read; with N each step is a sample of its own",
            axes, where);
        LK_CHECK(axes[i] == 'N' || letter, LK_E_CONFIG, "axes '%s' of %s: '%c' is none of N C D H W", axes,
                 where, axes[i]);
        int *place = letter ? &out->place[letter - place_letters] : &out->sample_axis;
        LK_CHECK(*place < 0, LK_E_CONFIG, "axes '%s' of %s: %c stands there twice", axes, where, axes[i]);
        *place = i;
    }
done:
    return st;
}

static lk_status set_axes(const char *where, const char *axes, const lk_h5_info *info, lk_column *out)
{
    lk_status st = LK_OK;
    out->sample_axis = -1;
    for (int i = 0; i < LK_PLACES; i++) out->place[i] = -1;
    if (axes) {
        LK_TRY(axes_of_letters(where, axes, info, out));
    } else {
        LK_CHECK(info->n_axes >= 1, LK_E_SHAPE, "%s is one value: its first axis should be the samples",
                 where);
        LK_CHECK(info->n_axes <= LK_PLACES + 1, LK_E_SHAPE, "%s has %d axes, at most %d are read", where,
                 info->n_axes, LK_PLACES + 1);
        out->sample_axis = 0;
        for (int i = 1; i < info->n_axes; i++) out->place[LK_PLACES - info->n_axes + i] = i;
    }
    out->elements = 1;
    for (int i = 0; i < LK_PLACES; i++) {
        out->size[i] = out->place[i] < 0 ? 1 : info->axis[out->place[i]];
        out->elements *= out->size[i];
    }
    LK_CHECK(out->elements > 0, LK_E_DATA, "%s: a sample of it has no element", where);
done:
    return st;
}

static lk_status same_axes(const lk_column *column, const lk_part *first, const lk_part *other)
{
    lk_status st = LK_OK;
    lk_shape  a = {0}, b = {0};
    char      a_text[LK_SHAPE_TEXT_BYTES], b_text[LK_SHAPE_TEXT_BYTES];
    LK_CHECK(first->info.n_axes == other->info.n_axes, LK_E_DATA, "%s: %s has %d axes, in %s it has %d",
             column->files->path[other->file], other->dataset, other->info.n_axes,
             column->files->path[first->file], first->info.n_axes);
    for (int i = 0; i < first->info.n_axes; i++) {
        if (i == column->sample_axis || a.n_axes == LK_MAX_AXES) continue;
        a.axis[a.n_axes++] = first->info.axis[i];
        b.axis[b.n_axes++] = other->info.axis[i];
    }
    LK_CHECK(lk_shape_equal(&a, &b), LK_E_DATA, "%s: samples of %s are %s, in %s they are %s",
             column->files->path[other->file], other->dataset, lk_shape_text(&b, b_text),
             column->files->path[first->file], lk_shape_text(&a, a_text));
done:
    return st;
}

/* ---- parts ---- */

static lk_status stat_part(lk_handles *handles, int file, const char *dataset, lk_part *part)
{
    lk_status       st = LK_OK;
    lk_facts        facts;
    const lk_facts *known = lk_catalogue_facts(handles->catalogue, file, dataset);
    part->file = file;
    LK_TRY(lk_strdup(dataset, &part->dataset));
    if (known && known->state == LK_FACTS_KNOWN)
        facts = *known;
    else
        LK_TRY(lk_facts_read(handles, file, dataset, &facts));
    part->info = facts.info;
    part->scaled = facts.scaled;
    part->scale = facts.scale;
    part->offset = facts.offset;
    part->missing = facts.missing;
done:
    return st;
}

/* Boxes of neighbouring rows: whole chunks where there are chunks, so that none is decoded twice in a row. Where the chunks that a
 * row goes through are too much together, as few boxes as there can be: each of them decodes all those chunks. */
static void plan_blocks(const lk_column *column, lk_part *part)
{
    int64_t row_bytes = column->elements * lk_decode_memory_bytes(part->info.type);
    int64_t rows = part->info.chunked && column->sample_axis >= 0 ? part->info.chunk[column->sample_axis]
                                                                  : BLOCK_BYTES / row_bytes;
    int64_t most = lk_column_block_bytes / row_bytes > 1 ? lk_column_block_bytes / row_bytes : 1;
    if (rows > part->n) rows = part->n;
    if (rows > most) {
        int64_t boxes = (rows + most - 1) / most;
        rows = (rows + boxes - 1) / boxes;
    }
    part->block_rows = rows < 1 ? 1 : rows;
    part->n_blocks = (part->n + part->block_rows - 1) / part->block_rows;
}

static lk_status load_part(lk_handles *handles, lk_part *part)
{
    size_t      bytes = 0;
    const void *known = lk_catalogue_values(handles->catalogue, part->file, part->dataset, &bytes);
    if (!known) return lk_facts_read_values(handles, part->file, part->dataset, &part->info, &part->memory);
    lk_status st = lk_alloc_array(bytes, 1, &part->memory);
    if (st == LK_OK) memcpy(part->memory, known, bytes);
    return st;
}

/* All or none: maps count as memory of the process, so there is a bound. */
static void map_parts(lk_column *column)
{
    int64_t bytes = 0;
    for (int i = 0; i < column->n_parts; i++)
        bytes += column->part[i].n * column->elements * lk_decode_stored_bytes(column->part[i].info.type);
    for (int i = 0; i < column->n_parts && bytes <= lk_column_map_bytes; i++) {
        lk_part *part = &column->part[i];
        if (column->sample_axis > 0 || part->info.file_offset < 0) continue;
        part->map = lk_map_open(column->files->path[part->file], column->files->size[part->file],
                                part->info.file_offset,
                                part->n * column->elements * lk_decode_stored_bytes(part->info.type));
    }
}

/* A fill value alone leaves integers what they are. */
static bool is_whole(const lk_part *part)
{
    return !part->scaled || (part->scale == 1 && part->offset == 0);
}

static lk_status place_parts(lk_handles *handles, lk_column *column)
{
    lk_status st = LK_OK;
    int64_t   bytes = 0, blocks = 0;
    column->n = 0;
    column->integer = true;
    for (int i = 0; i < column->n_parts; i++) {
        lk_part *part = &column->part[i];
        part->repeat = column->sample_axis < 0;
        part->first = column->n;
        part->n = part->repeat ? 1 : part->info.axis[column->sample_axis];
        column->n += part->n;
        column->integer = column->integer && part->info.type <= LK_H5_U64 && is_whole(part);
        column->wide = column->wide || (part->info.type >= LK_H5_I16 && part->info.type <= LK_H5_U64);
        bytes += part->n * column->elements * lk_decode_memory_bytes(part->info.type);
        plan_blocks(column, part);
        part->first_block = blocks;
        blocks += part->n_blocks;
    }
    LK_CHECK(blocks < INT32_MAX, LK_E_DATA, "%s: %s has too many chunks (%lld)",
             handles->files->path[column->part[0].file], column->part[0].dataset, (long long)blocks);
    if (bytes > lk_column_resident_bytes) {
        map_parts(column);
        goto done;
    }
    for (int i = 0; i < column->n_parts; i++) LK_TRY(load_part(handles, &column->part[i]));
done:
    return st;
}

/* ---- columns ---- */

lk_status lk_column_open(lk_handles *handles, int n, const int *number, const char *const *datasets,
                         const char *axes, lk_column *out)
{
    lk_status st = LK_OK;
    char      where[1024];
    *out = (lk_column){.files = handles->files, .n_parts = n};
    LK_TRY(LK_ALLOC(n, &out->part));
    for (int i = 0; i < n; i++) {
        LK_TRY(stat_part(handles, number[i], datasets[i], &out->part[i]));
        snprintf(where, sizeof where, "%s: %s", handles->files->path[number[i]], datasets[i]);
        if (i == 0)
            LK_TRY(set_axes(where, axes, &out->part[0].info, out));
        else
            LK_TRY(same_axes(out, &out->part[0], &out->part[i]));
    }
    LK_TRY(place_parts(handles, out));
done:
    if (st != LK_OK) lk_column_clear(out);
    return st;
}

lk_status lk_column_from_memory(const lk_files *files, int file, const char *dataset, int64_t rows,
                                int64_t width, double **values, lk_column *out)
{
    lk_status st = LK_OK;
    *out = (lk_column){.files = files, .n_parts = 1, .n = rows, .elements = width};
    LK_TRY(LK_ALLOC(1, &out->part));
    lk_part *part = &out->part[0];
    *part = (lk_part){.file = file, .n = rows, .block_rows = 1};
    part->info = (lk_h5_info){.type = LK_H5_F64, .n_axes = 2, .axis = {rows, width}, .file_offset = -1};
    LK_TRY(lk_strdup(dataset, &part->dataset));
    for (int i = 0; i < LK_PLACES; i++) {
        out->place[i] = i == LK_PLACES - 1 ? 1 : -1;
        out->size[i] = i == LK_PLACES - 1 ? width : 1;
    }
    part->memory = *values;
    *values = NULL;
done:
    if (st != LK_OK) lk_column_clear(out);
    return st;
}

lk_status lk_column_in_place(const lk_files *files, int file, const char *dataset, const lk_h5_info *info,
                             lk_column *out)
{
    lk_status st = LK_OK;
    *out = (lk_column){.files = files, .n_parts = 1, .integer = info->type <= LK_H5_U64};
    out->wide = info->type >= LK_H5_I16 && out->integer;
    LK_TRY(LK_ALLOC(1, &out->part));
    out->part[0] = (lk_part){.file = file, .info = *info, .block_rows = 1};
    LK_TRY(lk_strdup(dataset, &out->part[0].dataset));
    LK_TRY(set_axes(files->path[file], NULL, info, out));
    out->n = out->part[0].n = info->axis[0];
    map_parts(out);
done:
    if (st != LK_OK) lk_column_clear(out);
    return st;
}

void lk_column_repeat(lk_column *column, const int64_t *rows, int n)
{
    column->n = 0;
    for (int i = 0; i < column->n_parts; i++) {
        column->part[i].first = column->n;
        column->part[i].n = 0;
        for (int k = i; k < n && (k == i || column->n_parts == 1); k++) column->part[i].n += rows[k];
        column->n += column->part[i].n;
    }
}

void lk_column_clear(lk_column *column)
{
    for (int i = 0; column->part && i < column->n_parts; i++) {
        lk_free(&column->part[i].dataset);
        lk_free(&column->part[i].memory);
        lk_map_close(&column->part[i].map);
    }
    lk_free(&column->part);
    *column = (lk_column){0};
}

lk_shape lk_column_shape(const lk_column *column)
{
    lk_shape shape = {0};
    for (int i = 0; i < LK_PLACES; i++)
        if (column->place[i] >= 0) shape.axis[shape.n_axes++] = column->size[i];
    return shape;
}

const lk_part *lk_column_part(const lk_column *column, int64_t row, int64_t *index)
{
    int low = 0, high = column->n_parts - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (column->part[middle].first <= row)
            low = middle;
        else
            high = middle - 1;
    }
    *index = column->part[low].repeat ? 0 : row - column->part[low].first;
    return &column->part[low];
}
