/* Attributes of groups and datasets: texts, doubles, integers. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/str.h"
#include "io/h5_internal.h"

/* Makes missing groups, so that a group may be known by its attributes alone. Called under the lock. */
static lk_status open_owner(lk_h5 *file, const char *object, hid_t *owner)
{
    lk_status st = LK_OK;
    *owner = strcmp(object, "/") ? -1 : H5Oopen(file->file, "/", H5P_DEFAULT);
    if (*owner < 0) *owner = lk_h5_open_object(file, object);
    if (*owner < 0) {
        st = lk_h5_make_groups(file, object, true);
        if (st == LK_OK) *owner = lk_h5_open_object(file, object);
    }
    if (st == LK_OK && *owner < 0) st = lk_h5_fail(file, LK_E_IO, "cannot open %s", object);
    H5Eclear2(H5E_DEFAULT);
    return st;
}

static lk_status put(lk_h5 *file, const char *object, const char *name, hid_t type, int64_t n, bool scalar,
                     const void *data)
{
    hid_t     owner;
    hsize_t   size = (hsize_t)n;
    lk_status st = open_owner(file, object, &owner);
    if (st != LK_OK) return st;
    hid_t space = scalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &size, NULL);
    if (H5Aexists(owner, name) > 0) H5Adelete(owner, name);
    hid_t attribute = H5Acreate2(owner, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || (n > 0 && H5Awrite(attribute, type, data) < 0))
        st = lk_h5_fail(file, LK_E_IO, "attribute %s of %s cannot be written", name, object);
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    H5Oclose(owner);
    return st;
}

lk_status lk_h5_put_texts(lk_h5 *file, const char *object, const char *name, const char *const *texts,
                          int64_t n)
{
    lk_h5_lock();
    hid_t     type = lk_h5_text_type();
    lk_status st = put(file, object, name, type, n, false, texts);
    H5Tclose(type);
    lk_h5_unlock();
    return st;
}

lk_status lk_h5_put_text(lk_h5 *file, const char *object, const char *name, const char *text)
{
    lk_h5_lock();
    hid_t     type = lk_h5_text_type();
    lk_status st = put(file, object, name, type, 1, true, &text);
    H5Tclose(type);
    lk_h5_unlock();
    return st;
}

lk_status lk_h5_put_doubles(lk_h5 *file, const char *object, const char *name, const double *values,
                            int64_t n)
{
    lk_h5_lock();
    lk_status st = put(file, object, name, H5T_NATIVE_DOUBLE, n, false, values);
    lk_h5_unlock();
    return st;
}

lk_status lk_h5_put_int(lk_h5 *file, const char *object, const char *name, int64_t value)
{
    lk_h5_lock();
    lk_status st = put(file, object, name, H5T_NATIVE_INT64, 1, true, &value);
    lk_h5_unlock();
    return st;
}

bool lk_h5_has_attribute(lk_h5 *file, const char *object, const char *name)
{
    lk_h5_lock();
    hid_t owner = lk_h5_open_object(file, object);
    bool  yes = owner >= 0 && H5Aexists(owner, name) > 0;
    if (owner >= 0) H5Oclose(owner);
    H5Eclear2(H5E_DEFAULT);
    lk_h5_unlock();
    return yes;
}

/* Opens an attribute and counts its elements; at most 2^20 of them are read. Called under the lock. */
static lk_status open_attribute(lk_h5 *file, const char *object, const char *name, hid_t *attribute,
                                int64_t *n)
{
    lk_status st = LK_OK;
    hid_t     owner = lk_h5_open_object(file, object);
    *attribute = owner >= 0 ? H5Aopen(owner, name, H5P_DEFAULT) : -1;
    if (owner >= 0) H5Oclose(owner);
    if (*attribute < 0) return lk_h5_fail(file, LK_E_DATA, "%s has no attribute %s", object, name);
    hid_t space = H5Aget_space(*attribute);
    *n = H5Sget_simple_extent_npoints(space);
    H5Sclose(space);
    if (*n < 0 || *n > 1 << 20) {
        st = lk_h5_fail(file, LK_E_DATA, "attribute %s of %s has %lld elements", name, object, (long long)*n);
        H5Aclose(*attribute);
    }
    return st;
}

static lk_status read_numbers(lk_h5 *file, const char *object, const char *name, hid_t memory, size_t size,
                              void **values, int64_t *n)
{
    hid_t attribute;
    *values = NULL;
    lk_h5_lock();
    lk_status st = open_attribute(file, object, name, &attribute, n);
    if (st == LK_OK) {
        hid_t       type = H5Aget_type(attribute);
        H5T_class_t kind = H5Tget_class(type);
        H5Tclose(type);
        if (kind != H5T_INTEGER && kind != H5T_FLOAT)
            st = lk_h5_fail(file, LK_E_DATA, "attribute %s of %s is no number", name, object);
        if (st == LK_OK) st = lk_alloc_array((size_t)*n, size, values);
        if (st == LK_OK && H5Aread(attribute, memory, *values) < 0)
            st = lk_h5_fail(file, LK_E_DATA, "attribute %s of %s cannot be read", name, object);
        H5Aclose(attribute);
    }
    lk_h5_unlock();
    if (st != LK_OK) lk_free_pointer(values);
    return st;
}

lk_status lk_h5_get_doubles(lk_h5 *file, const char *object, const char *name, double **values, int64_t *n)
{
    return read_numbers(file, object, name, H5T_NATIVE_DOUBLE, sizeof(double), (void **)values, n);
}

lk_status lk_h5_get_int(lk_h5 *file, const char *object, const char *name, int64_t *value)
{
    int64_t  *values = NULL, n = 0;
    lk_status st = read_numbers(file, object, name, H5T_NATIVE_INT64, sizeof(int64_t), (void **)&values, &n);
    if (st == LK_OK && n != 1)
        st = lk_h5_fail(file, LK_E_DATA, "attribute %s of %s: one number expected", name, object);
    if (st == LK_OK) *value = values[0];
    lk_free(&values);
    return st;
}

static lk_status copy_text(hid_t type, const char *raw, int64_t i, char **out)
{
    size_t size = H5Tget_size(type);
    if (H5Tis_variable_str(type) > 0) {
        const char *text = ((char *const *)(const void *)raw)[i];
        return lk_strdup(text ? text : "", out);
    }
    lk_status st = lk_alloc_array(size + 1, 1, (void **)out);
    if (st == LK_OK) memcpy(*out, raw + (size_t)i * size, size);
    return st;
}

lk_status lk_h5_get_texts(lk_h5 *file, const char *object, const char *name, char ***texts, int64_t *n)
{
    hid_t attribute;
    char *raw = NULL;
    *texts = NULL;
    *n = 0;
    lk_h5_lock();
    int64_t   count = 0;
    lk_status st = open_attribute(file, object, name, &attribute, &count);
    if (st == LK_OK) {
        hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
        if (H5Tget_class(type) != H5T_STRING)
            st = lk_h5_fail(file, LK_E_DATA, "attribute %s of %s is no text", name, object);
        if (st == LK_OK) st = lk_alloc_array((size_t)count, H5Tget_size(type), (void **)&raw);
        if (st == LK_OK) st = LK_ALLOC(count, texts);
        bool read = st == LK_OK && H5Aread(attribute, type, raw) >= 0;
        if (st == LK_OK && !read)
            st = lk_h5_fail(file, LK_E_DATA, "attribute %s of %s cannot be read", name, object);
        for (int64_t i = 0; st == LK_OK && i < count; i++) st = copy_text(type, raw, i, &(*texts)[i]);
        if (read && H5Tis_variable_str(type) > 0) H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw);
        H5Sclose(space);
        H5Tclose(type);
        H5Aclose(attribute);
    }
    lk_h5_unlock();
    for (int64_t i = 0; st != LK_OK && *texts && i < count; i++) lk_free(&(*texts)[i]);
    if (st != LK_OK) lk_free(texts);
    if (st == LK_OK) *n = count;
    lk_free(&raw);
    return st;
}

lk_status lk_h5_get_text(lk_h5 *file, const char *object, const char *name, char **text)
{
    char    **texts = NULL;
    int64_t   n = 0;
    lk_status st = lk_h5_get_texts(file, object, name, &texts, &n);
    *text = NULL;
    if (st == LK_OK && n != 1)
        st = lk_fail(LK_E_DATA, "%s: attribute %s of %s: one text expected", file->label, name, object);
    for (int64_t i = 0; i < n; i++) {
        if (st == LK_OK && i == 0)
            *text = texts[0];
        else
            lk_free(&texts[i]);
    }
    lk_free(&texts);
    return st;
}

/* ---- all of them ---- */

typedef struct attribute_list {
    char  **names; /* owned */
    int64_t n, capacity;
} attribute_list;

static herr_t collect_name(hid_t object, const char *name, const H5A_info_t *info, void *context)
{
    attribute_list *list = context;
    (void)object, (void)info;
    if (list->n == list->capacity) return 0;
    return lk_strdup(name, &list->names[list->n++]) == LK_OK ? 0 : -1;
}

static lk_status attribute_names(lk_h5 *file, const char *object, attribute_list *list)
{
    lk_status  st = LK_OK;
    H5O_info_t info;
    hsize_t    at = 0;
    lk_h5_lock();
    hid_t owner = lk_h5_open_object(file, object);
    if (owner < 0 || H5Oget_info2(owner, &info, H5O_INFO_NUM_ATTRS) < 0)
        st = lk_h5_fail(file, LK_E_DATA, "there is no %s", object);
    if (st == LK_OK && info.num_attrs > 100000)
        st = lk_h5_fail(file, LK_E_DATA, "%s has more than 100000 attributes", object);
    if (st == LK_OK) {
        list->capacity = (int64_t)info.num_attrs;
        st = LK_ALLOC(list->capacity, &list->names);
    }
    if (st == LK_OK && H5Aiterate2(owner, H5_INDEX_NAME, H5_ITER_INC, &at, collect_name, list) < 0)
        st = lk_h5_fail(file, LK_E_DATA, "the attributes of %s cannot be listed", object);
    if (owner >= 0) H5Oclose(owner);
    lk_h5_unlock();
    return st;
}

/* One attribute's elements as they are stored; *texts instead where it holds texts of varying length. */
static lk_status attribute_bytes(lk_h5 *file, const char *object, const char *name, char **bytes,
                                 size_t *size, bool *texts)
{
    hid_t     attribute;
    int64_t   n = 0;
    lk_status st;
    lk_h5_lock();
    st = open_attribute(file, object, name, &attribute, &n);
    if (st == LK_OK) {
        hid_t type = H5Aget_type(attribute);
        *texts = H5Tis_variable_str(type) > 0;
        if (H5Tdetect_class(type, H5T_VLEN) <= 0 && !*texts) {
            if (__builtin_mul_overflow((size_t)n, H5Tget_size(type), size) || *size > 1 << 26)
                st = lk_h5_fail(file, LK_E_DATA, "attribute %s of %s is larger than 64 MiB", name, object);
            if (st == LK_OK) st = LK_ALLOC(*size + 1, bytes);
            if (st == LK_OK && n > 0 && H5Aread(attribute, type, *bytes) < 0)
                st = lk_h5_fail(file, LK_E_DATA, "attribute %s of %s cannot be read", name, object);
        }
        H5Tclose(type);
        H5Aclose(attribute);
    }
    lk_h5_unlock();
    return st;
}

static lk_status visit_one(lk_h5 *file, const char *object, const char *name, lk_h5_visit_attribute *visit,
                           void *context)
{
    lk_status st = LK_OK;
    char     *bytes = NULL, **texts = NULL;
    size_t    size = 0;
    int64_t   n = 0;
    bool      is_text = false;
    lk_str    joined;
    lk_str_init(&joined);
    LK_TRY(attribute_bytes(file, object, name, &bytes, &size, &is_text));
    if (!is_text) {
        LK_TRY(visit(context, name, bytes, size));
        goto done;
    }
    LK_TRY(lk_h5_get_texts(file, object, name, &texts, &n));
    for (int64_t i = 0; i < n; i++) lk_str_append_bytes(&joined, texts[i], strlen(texts[i]) + 1);
    LK_CHECK(!joined.failed, LK_E_NOMEM, "no memory for attribute %s", name);
    LK_TRY(visit(context, name, lk_str_text(&joined), joined.size));
done:
    for (int64_t i = 0; i < n; i++) lk_free(&texts[i]);
    lk_free(&texts);
    lk_free(&bytes);
    lk_str_clear(&joined);
    return st;
}

lk_status lk_h5_each_attribute(lk_h5 *file, const char *object, lk_h5_visit_attribute *visit, void *context)
{
    attribute_list list = {0};
    lk_status      st = attribute_names(file, object, &list);
    for (int64_t i = 0; i < list.n; i++) {
        if (st == LK_OK) st = visit_one(file, object, list.names[i], visit, context);
        lk_free(&list.names[i]);
    }
    lk_free(&list.names);
    return st;
}
