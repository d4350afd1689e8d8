/* Datasets: what they are, reading and writing boxes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/h5_internal.h"

hid_t lk_h5_memory_type(lk_h5_type type)
{
    switch (type) {
    case LK_H5_I8:
        return H5T_NATIVE_INT8;
    case LK_H5_U8:
        return H5T_NATIVE_UINT8;
    case LK_H5_I16:
        return H5T_NATIVE_INT16;
    case LK_H5_U16:
        return H5T_NATIVE_UINT16;
    case LK_H5_I32:
        return H5T_NATIVE_INT32;
    case LK_H5_U32:
        return H5T_NATIVE_UINT32;
    case LK_H5_I64:
        return H5T_NATIVE_INT64;
    case LK_H5_U64:
        return H5T_NATIVE_UINT64;
    case LK_H5_F32:
        return H5T_NATIVE_FLOAT;
    case LK_H5_F64:
        return H5T_NATIVE_DOUBLE;
    default:
        return -1;
    }
}

hid_t lk_h5_text_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

/* ---- stat ---- */

/* All bits of the element in use, as IEEE 754 and two's complement have them: what bytes alone tell. */
static bool is_plain_integer(hid_t type)
{
    return H5Tget_precision(type) == 8 * H5Tget_size(type) && H5Tget_offset(type) == 0;
}

static bool is_plain_float(hid_t type)
{
    size_t sign, exponent, exponent_bits, fraction, fraction_bits;
    size_t size = H5Tget_size(type), wanted = size == 2 ? 5 : size == 4 ? 8 : 11;
    if (!is_plain_integer(type) || H5Tget_norm(type) != H5T_NORM_IMPLIED) return false;
    if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &fraction, &fraction_bits) < 0) return false;
    return sign == 8 * size - 1 && exponent_bits == wanted && fraction_bits == 8 * size - 1 - wanted &&
           exponent == fraction_bits && fraction == 0 &&
           H5Tget_ebias(type) == ((size_t)1 << (wanted - 1)) - 1;
}

/* Booleans of h5py are an enumeration over bytes: read as the integers they are stored as. */
static hid_t number_type(hid_t dataset)
{
    hid_t type = H5Dget_type(dataset);
    if (H5Tget_class(type) != H5T_ENUM) return type;
    hid_t base = H5Tget_super(type);
    H5Tclose(type);
    return base;
}

static lk_status classify(const lk_h5 *file, const char *path, hid_t type, lk_h5_info *info)
{
    H5T_class_t kind = H5Tget_class(type);
    size_t      size = H5Tget_size(type);
    H5T_order_t order = H5Tget_order(type);
    info->big_endian = order == H5T_ORDER_BE;
    if (kind == H5T_STRING) {
        info->type = LK_H5_STRING;
        return LK_OK;
    }
    info->plain = order == H5T_ORDER_LE || order == H5T_ORDER_BE;
    if (kind == H5T_INTEGER && (size == 1 || size == 2 || size == 4 || size == 8)) {
        bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
        int  power = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
        info->type = (lk_h5_type)(LK_H5_I8 + 2 * power + !is_signed);
        info->plain = info->plain && is_plain_integer(type);
        return LK_OK;
    }
    if (kind == H5T_FLOAT && (size == 2 || size == 4 || size == 8)) {
        info->type = size == 2 ? LK_H5_F16 : size == 4 ? LK_H5_F32 : LK_H5_F64;
        info->plain = info->plain && is_plain_float(type);
        return LK_OK;
    }
    return lk_h5_fail(file, LK_E_DATA,
                      "%s holds %s; integers and floats of at most 64 bits, and texts, are read", path,
                      kind == H5T_COMPOUND  ? "records (a compound type)"
                      : kind == H5T_VLEN    ? "lists of varying length"
                      : kind == H5T_ARRAY   ? "arrays in its elements"
                      : kind == H5T_FLOAT   ? "floats of another size"
                      : kind == H5T_INTEGER ? "integers of another size"
                                            : "neither integers, floats nor texts");
}

static lk_status check_filters(const lk_h5 *file, const char *path, hid_t create, lk_h5_info *info)
{
    static const struct {
        H5Z_filter_t id;
        const char  *name;
    } known[] = {{H5Z_FILTER_DEFLATE, "deflate"},
                 {H5Z_FILTER_SHUFFLE, "shuffle"},
                 {H5Z_FILTER_FLETCHER32, "fletcher32"},
                 {H5Z_FILTER_SZIP, "szip"},
                 {H5Z_FILTER_NBIT, "nbit"},
                 {H5Z_FILTER_SCALEOFFSET, "scaleoffset"}};
    int n = H5Pget_nfilters(create);
    for (int i = 0; i < n; i++) {
        unsigned     flags, config;
        size_t       values = 0;
        char         name[64] = "";
        H5Z_filter_t id =
            H5Pget_filter2(create, (unsigned)i, &flags, &values, NULL, sizeof name, name, &config);
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (known[k].id == id) snprintf(name, sizeof name, "%s", known[k].name);
        if (H5Zfilter_avail(id) <= 0)
            return lk_h5_fail(
                file, LK_E_DATA,
                "%s is packed by filter %d (%s), which this HDF5 lacks; repack it with h5repack -f GZIP=4",
                path, (int)id, *name ? name : "no name");
        size_t used = strlen(info->filters);
        snprintf(info->filters + used, sizeof info->filters - used, "%s%s", used ? "," : "", name);
    }
    return LK_OK;
}

static const int64_t CHUNK_BYTES_MOST = (int64_t)1 << 30; /* unpacking takes as much memory */

/* Deflate packs at most 1032 bytes into one, scaleoffset a constant chunk into some twenty. What claims more
 * was damaged, or never written: refused before anybody reads, for days, what is not there. */
static lk_status check_claims(const lk_h5 *file, const char *path, hid_t dataset, int64_t element,
                              const lk_h5_info *info)
{
    enum { PACKED_MOST = 1100 };
    int64_t claimed = element, chunk = element, has = (int64_t)H5Dget_storage_size(dataset);
    hsize_t size = 0;
    for (int i = 0; i < info->n_axes; i++)
        if (__builtin_mul_overflow(claimed, info->axis[i], &claimed))
            return lk_h5_fail(file, LK_E_DATA, "%s claims a size that no machine has", path);
    for (int i = 0; i < info->n_axes && info->chunked; i++) chunk *= info->chunk[i];
    if (claimed > 0 && has == 0)
        return lk_h5_fail(file, LK_E_DATA,
                          "%s was made but never written: it claims %lld bytes of values, the file has none",
                          path, (long long)claimed);
    int64_t counted = strstr(info->filters, "scaleoffset") ? claimed / chunk : claimed;
    if (info->chunked) {
        counted /= PACKED_MOST;
    } else {
        H5Fget_filesize(file->file, &size);
        has = (int64_t)size;
    }
    if (counted <= has) return LK_OK;
    return lk_h5_fail(file, LK_E_DATA,
                      "%s claims %lld bytes of values, the file has %lld: damaged, or never written?", path,
                      (long long)claimed, (long long)has);
}

static lk_status describe_chunks(const lk_h5 *file, const char *path, hid_t create, int64_t element,
                                 lk_h5_info *info)
{
    hsize_t chunk[LK_H5_MAX_AXES] = {0};
    double  bytes = (double)element;
    info->chunked = true;
    H5Pget_chunk(create, LK_H5_MAX_AXES, chunk);
    for (int i = 0; i < info->n_axes; i++) bytes *= (double)(info->chunk[i] = (int64_t)chunk[i]);
    if (bytes > (double)CHUNK_BYTES_MOST)
        return lk_h5_fail(file, LK_E_DATA,
                          "%s has chunks of %.0f bytes, at most %lld are read; h5repack -l CHUNK=... makes "
                          "smaller ones",
                          path, bytes, (long long)CHUNK_BYTES_MOST);
    return check_filters(file, path, create, info);
}

static lk_status describe_layout(const lk_h5 *file, const char *path, hid_t dataset, int64_t element,
                                 lk_h5_info *info)
{
    lk_status    st = LK_OK;
    hid_t        create = H5Dget_create_plist(dataset);
    H5D_layout_t layout = H5Pget_layout(create);
    info->file_offset = -1;
    if (layout == H5D_CHUNKED) st = describe_chunks(file, path, create, element, info);
    if (st == LK_OK) st = check_claims(file, path, dataset, element, info);
    if (st == LK_OK && layout == H5D_CONTIGUOUS && info->plain) {
        haddr_t offset = H5Dget_offset(dataset);
        if (offset != HADDR_UNDEF) info->file_offset = (int64_t)offset;
    }
    H5Pclose(create);
    return st;
}

static lk_status describe_space(const lk_h5 *file, const char *path, hid_t dataset, lk_h5_info *info)
{
    lk_status st = LK_OK;
    hsize_t   axis[H5S_MAX_RANK];
    int64_t   count = 1;
    hid_t     space = H5Dget_space(dataset);
    int       n = H5Sget_simple_extent_ndims(space);
    if (H5Sget_simple_extent_type(space) == H5S_NULL) {
        st = lk_h5_fail(file, LK_E_DATA, "%s is empty: it has no dataspace", path);
    } else if (n < 0 || n > LK_H5_MAX_AXES) {
        st = lk_h5_fail(file, LK_E_DATA, "%s has %d axes; at most %d are read", path, n, LK_H5_MAX_AXES);
    } else {
        H5Sget_simple_extent_dims(space, axis, NULL);
        info->n_axes = n;
        for (int i = 0; i < n && st == LK_OK; i++) {
            info->axis[i] = (int64_t)axis[i];
            if (axis[i] > INT64_MAX || __builtin_mul_overflow(count, info->axis[i], &count) ||
                count > INT64_MAX / 8)
                st = lk_h5_fail(file, LK_E_DATA, "%s claims a size that no machine has", path);
        }
    }
    H5Sclose(space);
    return st;
}

/* Another file's name, from this one. */
static void plain_name(char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || *name == 0x7f) *name = '?';
}

/* A hostile file may name any file of ours as the place of its values. */
static lk_status refuse_values_outside(const lk_h5 *file, const char *path, hid_t dataset)
{
    lk_status st = LK_OK;
    hid_t     create = H5Dget_create_plist(dataset);
    size_t    n = 0;
    char      name[400] = "";
    if (H5Pget_layout(create) == H5D_VIRTUAL) {
        if (H5Pget_virtual_count(create, &n) >= 0 && n > 0)
            (void)H5Pget_virtual_filename(create, 0, name, sizeof name);
        plain_name(name);
        st = lk_h5_fail(file, LK_E_DATA,
                        "%s is a virtual dataset, whose values stand in other files (%zu parts, the first in "
                        "%s); " LK_H5_INSIDE "Name those files in `files`, or copy the values into this one: "
                        "h5repack -l CONTI OLD.h5 NEW.h5",
                        path, n, name);
    } else if (H5Pget_external_count(create) > 0) {
        off_t   offset;
        hsize_t size;
        (void)H5Pget_external(create, 0, sizeof name - 1, name, &offset, &size);
        plain_name(name);
        st = lk_h5_fail(file, LK_E_DATA,
                        "%s keeps its values in other files (the first is %s); " LK_H5_INSIDE
                        "Copy them into this one: h5repack -l CONTI OLD.h5 NEW.h5",
                        path, name);
    }
    H5Pclose(create);
    return st;
}

lk_status lk_h5_open_dataset(const lk_h5 *file, const char *path, hid_t *dataset)
{
    *dataset = lk_h5_open_object(file, path);
    if (*dataset < 0) return lk_h5_fail_missing(file, path);
    lk_status st = H5Iget_type(*dataset) == H5I_DATASET
                       ? refuse_values_outside(file, path, *dataset)
                       : lk_h5_fail(file, LK_E_DATA, "%s is a group, a dataset was expected", path);
    if (st == LK_OK) return LK_OK;
    H5Oclose(*dataset);
    *dataset = -1;
    return st;
}

lk_status lk_h5_stat(lk_h5 *file, const char *path, lk_h5_info *info)
{
    hid_t dataset;
    *info = (lk_h5_info){.file_offset = -1};
    lk_h5_lock();
    lk_status st = lk_h5_open_dataset(file, path, &dataset);
    if (st == LK_OK) {
        hid_t      type = number_type(dataset);
        size_t     size = H5Tget_size(type);
        H5O_info_t object;
        if (H5Oget_info2(dataset, &object, H5O_INFO_BASIC) >= 0) info->address = object.addr;
        st = classify(file, path, type, info);
        H5Tclose(type);
        if (st == LK_OK) st = describe_space(file, path, dataset, info);
        if (st == LK_OK) st = describe_layout(file, path, dataset, (int64_t)size, info);
        H5Dclose(dataset);
    }
    lk_h5_unlock();
    return st;
}

lk_status lk_h5_stat_raw(lk_h5 *file, const char *path, lk_h5_info *info, size_t *bytes)
{
    hid_t dataset;
    *info = (lk_h5_info){.file_offset = -1};
    lk_h5_lock();
    lk_status st = lk_h5_open_dataset(file, path, &dataset);
    if (st == LK_OK) {
        hid_t type = H5Dget_type(dataset);
        bool  away = H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tis_variable_str(type) > 0;
        *bytes = away ? 0 : H5Tget_size(type);
        st = describe_space(file, path, dataset, info);
        if (st == LK_OK) st = describe_layout(file, path, dataset, (int64_t)H5Tget_size(type), info);
        H5Tclose(type);
        H5Dclose(dataset);
    }
    lk_h5_unlock();
    return st;
}

/* ---- boxes ---- */

typedef struct box {
    hid_t memory, disk;
} box;

static lk_status select_box(const lk_h5 *file, const char *path, hid_t dataset, const int64_t *start,
                            const int64_t *count, box *b)
{
    hsize_t axis[H5S_MAX_RANK], from[LK_H5_MAX_AXES], n[LK_H5_MAX_AXES];
    b->memory = -1;
    b->disk = H5Dget_space(dataset);
    int axes = H5Sget_simple_extent_ndims(b->disk);
    if (axes < 0 || axes > LK_H5_MAX_AXES) return lk_h5_fail(file, LK_E_DATA, "%s has %d axes", path, axes);
    H5Sget_simple_extent_dims(b->disk, axis, NULL);
    for (int i = 0; i < axes; i++) {
        if (start[i] < 0 || count[i] < 0 || (hsize_t)start[i] + (hsize_t)count[i] > axis[i])
            return lk_h5_fail(file, LK_E_DATA, "%s: [%lld, +%lld) lies outside axis %d of length %lld", path,
                              (long long)start[i], (long long)count[i], i, (long long)axis[i]);
        from[i] = (hsize_t)start[i];
        n[i] = (hsize_t)count[i];
    }
    if (axes == 0) {
        b->memory = H5Screate(H5S_SCALAR);
        return LK_OK;
    }
    b->memory = H5Screate_simple(axes, n, NULL);
    if (b->memory < 0 || H5Sselect_hyperslab(b->disk, H5S_SELECT_SET, from, NULL, n, NULL) < 0)
        return lk_h5_fail(file, LK_E_DATA, "%s: that part cannot be selected", path);
    return LK_OK;
}

static void close_box(box *b)
{
    if (b->memory >= 0) H5Sclose(b->memory);
    if (b->disk >= 0) H5Sclose(b->disk);
}

/* HDF5 converts no enumeration to integers: those are read as stored and converted here. */
static herr_t read_numbers(hid_t dataset, const box *b, hid_t type, void *out)
{
    hid_t  stored = H5Dget_type(dataset);
    herr_t result = -1;
    if (H5Tget_class(stored) != H5T_ENUM) {
        result = H5Dread(dataset, type, b->memory, b->disk, H5P_DEFAULT, out);
    } else {
        hid_t base = H5Tget_super(stored);
        if (H5Tget_size(base) <= H5Tget_size(type) &&
            H5Dread(dataset, stored, b->memory, b->disk, H5P_DEFAULT, out) >= 0)
            result = H5Tconvert(base, type, (size_t)H5Sget_select_npoints(b->memory), out, NULL, H5P_DEFAULT);
        H5Tclose(base);
    }
    H5Tclose(stored);
    return result;
}

void lk_h5_drop_kept(lk_h5 *file)
{
    for (int i = 0; i < LK_H5_KEPT; i++) {
        if (file->kept[i].path) H5Dclose(file->kept[i].dataset);
        lk_free(&file->kept[i].path);
    }
}

/* An open dataset, the file's own: not to be closed. HDF5 shall keep no chunks of it: callers take whole ones
 * and keep them themselves. */
static lk_status keep_dataset(lk_h5 *file, const char *path, hid_t *dataset)
{
    lk_status st = LK_OK;
    for (int i = 0; i < LK_H5_KEPT; i++)
        if (file->kept[i].path && !strcmp(file->kept[i].path, path)) {
            *dataset = file->kept[i].dataset;
            return LK_OK;
        }
    st = lk_h5_open_dataset(file, path, dataset);
    if (st != LK_OK) return st;
    H5Dclose(*dataset);
    hid_t access = lk_h5_stay_inside(H5P_DATASET_ACCESS);
    H5Pset_chunk_cache(access, 0, 0, H5D_CHUNK_CACHE_W0_DEFAULT);
    *dataset = H5Dopen2(file->file, path, access);
    H5Pclose(access);
    if (*dataset < 0) return lk_h5_fail(file, LK_E_DATA, "%s cannot be opened", path);
    int at = file->next_kept;
    file->next_kept = (at + 1) % LK_H5_KEPT;
    if (file->kept[at].path) H5Dclose(file->kept[at].dataset);
    lk_free(&file->kept[at].path);
    st = lk_strdup(path, &file->kept[at].path);
    if (st == LK_OK)
        file->kept[at].dataset = *dataset;
    else
        H5Dclose(*dataset);
    return st;
}

static lk_status read_box(lk_h5 *file, const char *path, const int64_t *start, const int64_t *count,
                          hid_t type, void *out)
{
    hid_t     dataset;
    box       b = {-1, -1};
    lk_status st = keep_dataset(file, path, &dataset);
    if (st != LK_OK) return st;
    st = select_box(file, path, dataset, start, count, &b);
    if (st == LK_OK && read_numbers(dataset, &b, type, out) < 0)
        st = lk_h5_fail(file, LK_E_DATA, "%s cannot be read: cut short or damaged?", path);
    close_box(&b);
    return st;
}

lk_status lk_h5_read(lk_h5 *file, const char *path, const int64_t *start, const int64_t *count,
                     lk_h5_type memory_type, void *out)
{
    lk_h5_lock();
    lk_status st = read_box(file, path, start, count, lk_h5_memory_type(memory_type), out);
    lk_h5_unlock();
    return st;
}

lk_status lk_h5_read_raw(lk_h5 *file, const char *path, const int64_t *start, const int64_t *count, void *out)
{
    hid_t     dataset, type;
    box       b = {-1, -1};
    lk_status st;
    lk_h5_lock();
    st = keep_dataset(file, path, &dataset);
    if (st == LK_OK) {
        type = H5Dget_type(dataset);
        st = select_box(file, path, dataset, start, count, &b);
        if (st == LK_OK && H5Dread(dataset, type, b.memory, b.disk, H5P_DEFAULT, out) < 0)
            st = lk_h5_fail(file, LK_E_DATA, "%s cannot be read: cut short or damaged?", path);
        close_box(&b);
        H5Tclose(type);
    }
    lk_h5_unlock();
    return st;
}

/* ---- texts ---- */

static lk_status copy_texts(const lk_h5 *file, const char *path, hid_t type, const char *raw, int64_t n,
                            char **texts)
{
    lk_status st = LK_OK;
    bool      variable = H5Tis_variable_str(type) > 0;
    size_t    size = H5Tget_size(type);
    for (int64_t i = 0; i < n && st == LK_OK; i++) {
        if (variable) {
            const char *text = ((char *const *)(const void *)raw)[i];
            st = lk_strdup(text ? text : "", &texts[i]);
        } else {
            st = lk_alloc_array(size + 1, 1, (void **)&texts[i]);
            if (st == LK_OK) memcpy(texts[i], raw + (size_t)i * size, size);
        }
    }
    if (st != LK_OK) return lk_h5_fail(file, st, "%s: no memory for its texts", path);
    return st;
}

lk_status lk_h5_read_strings(lk_h5 *file, const char *path, char ***texts, int64_t *n)
{
    lk_status  st = LK_OK;
    lk_h5_info info;
    hid_t      dataset = -1;
    char      *raw = NULL;
    int64_t    count = 0;
    *texts = NULL;
    *n = 0;
    LK_TRY(lk_h5_stat(file, path, &info));
    LK_CHECK(info.type == LK_H5_STRING && info.n_axes <= 1, LK_E_DATA, "%s: %s is no list of texts",
             file->label, path);
    count = info.n_axes ? info.axis[0] : 1;
    LK_CHECK(count <= 10000000, LK_E_DATA, "%s: %s holds %lld texts", file->label, path, (long long)count);
    LK_TRY(LK_ALLOC(count, texts));
    lk_h5_lock();
    st = lk_h5_open_dataset(file, path, &dataset);
    if (st == LK_OK) {
        hid_t stored = H5Dget_type(dataset), space = H5Dget_space(dataset);
        bool  variable = H5Tis_variable_str(stored) > 0;
        hid_t type = variable ? lk_h5_text_type() : H5Tcopy(stored);
        if (variable) H5Tset_cset(type, H5Tget_cset(stored));
        st = lk_alloc_array((size_t)count, H5Tget_size(type), (void **)&raw);
        if (st == LK_OK && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw) < 0)
            st = lk_h5_fail(file, LK_E_DATA, "%s cannot be read", path);
        if (st == LK_OK) {
            st = copy_texts(file, path, type, raw, count, *texts);
            if (variable) H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw);
        }
        H5Tclose(type);
        H5Tclose(stored);
        H5Sclose(space);
        H5Dclose(dataset);
    }
    lk_h5_unlock();
    if (st == LK_OK) *n = count;
done:
    lk_free(&raw);
    if (st != LK_OK && *texts) {
        for (int64_t i = 0; i < count; i++) lk_free(&(*texts)[i]);
        lk_free(texts);
    }
    return st;
}

/* ---- writing ---- */

static lk_status create_in(lk_h5 *file, const char *path, hid_t type, int n_axes, const int64_t *axis,
                           const int64_t *chunk, int deflate, hid_t *dataset)
{
    hsize_t   size[LK_H5_MAX_AXES] = {0}, part[LK_H5_MAX_AXES] = {0};
    lk_status st = lk_h5_make_groups(file, path, false);
    *dataset = -1;
    if (st != LK_OK) return st;
    if (n_axes > LK_H5_MAX_AXES) return lk_h5_fail(file, LK_E_BUG, "%s: %d axes", path, n_axes);
    for (int i = 0; i < n_axes; i++) {
        size[i] = (hsize_t)axis[i];
        part[i] = chunk ? (hsize_t)chunk[i] : 0;
    }
    hid_t space = n_axes ? H5Screate_simple(n_axes, size, NULL) : H5Screate(H5S_SCALAR);
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_attr_phase_change(create, 0, 0);
    if (chunk) {
        H5Pset_chunk(create, n_axes, part);
        if (deflate > 0) {
            H5Pset_shuffle(create);
            H5Pset_deflate(create, (unsigned)deflate);
        }
    }
    *dataset = H5Dcreate2(file->file, path, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    if (*dataset < 0) st = lk_h5_fail(file, LK_E_IO, "%s cannot be created", path);
    H5Pclose(create);
    H5Sclose(space);
    return st;
}

lk_status lk_h5_write_chunked(lk_h5 *file, const char *path, lk_h5_type type, int n_axes, const int64_t *axis,
                              const int64_t *chunk, int deflate, const void *data)
{
    hid_t dataset;
    lk_h5_lock();
    lk_status st = create_in(file, path, lk_h5_memory_type(type), n_axes, axis, chunk, deflate, &dataset);
    if (st == LK_OK) {
        int64_t count = 1;
        for (int i = 0; i < n_axes; i++) count *= axis[i];
        if (count > 0 && H5Dwrite(dataset, lk_h5_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
            st = lk_h5_fail(file, LK_E_IO, "%s cannot be written", path);
        H5Dclose(dataset);
    }
    lk_h5_unlock();
    return st;
}

lk_status lk_h5_write(lk_h5 *file, const char *path, lk_h5_type type, int n_axes, const int64_t *axis,
                      const void *data)
{
    return lk_h5_write_chunked(file, path, type, n_axes, axis, NULL, 0, data);
}

lk_status lk_h5_write_strings(lk_h5 *file, const char *path, const char *const *texts, int64_t n)
{
    hid_t dataset;
    lk_h5_lock();
    hid_t     type = lk_h5_text_type();
    lk_status st = create_in(file, path, type, 1, &n, NULL, 0, &dataset);
    if (st == LK_OK) {
        if (n > 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts) < 0)
            st = lk_h5_fail(file, LK_E_IO, "%s cannot be written", path);
        H5Dclose(dataset);
    }
    H5Tclose(type);
    lk_h5_unlock();
    return st;
}

lk_status lk_h5_create_dataset(lk_h5 *file, const char *path, lk_h5_type type, int n_axes,
                               const int64_t *axis)
{
    hid_t dataset;
    lk_h5_lock();
    lk_status st = create_in(file, path, lk_h5_memory_type(type), n_axes, axis, NULL, 0, &dataset);
    if (st == LK_OK) H5Dclose(dataset);
    lk_h5_unlock();
    return st;
}

lk_status lk_h5_write_box(lk_h5 *file, const char *path, const int64_t *start, const int64_t *count,
                          lk_h5_type memory_type, const void *data)
{
    hid_t dataset;
    box   b = {-1, -1};
    lk_h5_lock();
    lk_status st = lk_h5_open_dataset(file, path, &dataset);
    if (st == LK_OK) {
        st = select_box(file, path, dataset, start, count, &b);
        if (st == LK_OK &&
            H5Dwrite(dataset, lk_h5_memory_type(memory_type), b.memory, b.disk, H5P_DEFAULT, data) < 0)
            st = lk_h5_fail(file, LK_E_IO, "%s cannot be written", path);
        close_box(&b);
        H5Dclose(dataset);
    }
    lk_h5_unlock();
    return st;
}
