/**
 * HDF5 without its surprises: errors become messages, no plugins, no external links, no file locks, one lock
 * around every call (Debian's parallel flavour is not thread-safe). Nobody else sees hdf5.h.
 */
#ifndef LK_IO_H5_H
#define LK_IO_H5_H

#include <stdbool.h>

#include "core/shape.h"
#include "core/status.h"

typedef struct lk_h5 lk_h5;

/** Version of the library in use, "1.10.8". */
const char *lk_h5_version(void);

/** Read-only. Not HDF5, cut short, hostile: LK_E_DATA naming the file. */
lk_status lk_h5_open(const char *path, lk_h5 **out);
/** Read-only from memory (borrowed until close). */
lk_status lk_h5_open_image(const void *bytes, size_t size, const char *label, lk_h5 **out);
lk_status lk_h5_create(const char *path, lk_h5 **out); /* a new file; an existing one is truncated */
/** A file made in memory. */
typedef struct lk_h5_image {
    char  *bytes; /* owned: lk_free */
    size_t size;  /* of the file */
    size_t room;  /* allocated */
} lk_h5_image;
/** In memory, in that of `old`, which is empty afterwards: pages that are new to the process take longer than what is copied into
 * them. NULL: in new memory. */
lk_status lk_h5_create_image(lk_h5_image *old, lk_h5 **out);
/** Flushes and gives the image to the caller, then closes. */
lk_status lk_h5_take_image(lk_h5 **file, lk_h5_image *image);
lk_status lk_h5_close(lk_h5 **file); /* reports a failed flush */
void      lk_h5_abandon(lk_h5 **file);

typedef enum lk_h5_type {
    LK_H5_I8,
    LK_H5_U8,
    LK_H5_I16,
    LK_H5_U16,
    LK_H5_I32,
    LK_H5_U32,
    LK_H5_I64,
    LK_H5_U64,
    LK_H5_F16,
    LK_H5_F32,
    LK_H5_F64,
    LK_H5_STRING
} lk_h5_type;

enum { LK_H5_MAX_AXES = 8 };

typedef struct lk_h5_info {
    lk_h5_type type;
    bool       big_endian;
    bool       plain; /* IEEE floats, integers of all their bits: the bytes alone tell the numbers */
    int        n_axes;
    int64_t    axis[LK_H5_MAX_AXES];
    bool       chunked;
    int64_t    chunk[LK_H5_MAX_AXES];
    int64_t    file_offset; /* contiguous, allocated, plain: byte offset for pread; else -1 */
    char       filters[64]; /* "deflate,shuffle" or "" */
    uint64_t   address;     /* of the object in its file: equal on all ways to it */
} lk_h5_info;

typedef enum lk_h5_kind { LK_H5_GROUP, LK_H5_DATASET } lk_h5_kind;

/** Calls visit for each group and dataset at or below `from`, in the order of names. Only hard links are
 * followed; what several of them lead to is met once. More than 100,000 objects or 32 levels: LK_E_DATA. */
typedef lk_status lk_h5_visit(void *context, const char *path, lk_h5_kind kind);
lk_status         lk_h5_walk(lk_h5 *file, const char *from, lk_h5_visit *visit, void *context);
/** Calls visit for each soft and external link of a group, in the order of names, with what it says of itself: "soft link to
 * /b/x", "external link to /x of other.h5". None is followed. */
typedef lk_status lk_h5_visit_link(void *context, const char *path, const char *what);
lk_status         lk_h5_each_link(lk_h5 *file, const char *group, lk_h5_visit_link *visit, void *context);
bool              lk_h5_exists(lk_h5 *file, const char *path);
bool              lk_h5_is_group(lk_h5 *file, const char *path);

/** LK_E_DATA, always: there is no `path`; or a link on the way leaves the file, or leads nowhere. */
lk_status lk_h5_missing(lk_h5 *file, const char *path);

/** Missing path, strange type, a filter that HDF5 lacks (named), values that claim to be more than the file
 * can hold: LK_E_DATA with file and path. Booleans of h5py (enumerations) count as the integers they are
 * stored as. */
lk_status lk_h5_stat(lk_h5 *file, const char *path, lk_h5_info *info);

/** Reads a box [start, start+count) per axis, converted to the memory type, into out. */
lk_status lk_h5_read(lk_h5 *file, const char *path, const int64_t *start, const int64_t *count,
                     lk_h5_type memory_type, void *out);
/** Bytes of an element as it is stored, whatever its type, and axes; *bytes is 0 where elements lead to
 * values elsewhere in the file (lists of varying length). For those who copy or hash what they need not
 * understand. */
lk_status lk_h5_stat_raw(lk_h5 *file, const char *path, lk_h5_info *info, size_t *bytes);
lk_status lk_h5_read_raw(lk_h5 *file, const char *path, const int64_t *start, const int64_t *count,
                         void *out);
/** Array of strings, each owned (lk_free), and the array itself. */
lk_status lk_h5_read_strings(lk_h5 *file, const char *path, char ***texts, int64_t *n);

/** Writes a whole dataset, making groups on the way; `chunk` NULL: contiguous; deflate 0..9 with shuffle. */
lk_status lk_h5_write(lk_h5 *file, const char *path, lk_h5_type type, int n_axes, const int64_t *axis,
                      const void *data);
lk_status lk_h5_write_chunked(lk_h5 *file, const char *path, lk_h5_type type, int n_axes, const int64_t *axis,
                              const int64_t *chunk, int deflate, const void *data);
lk_status lk_h5_write_strings(lk_h5 *file, const char *path, const char *const *texts, int64_t n);
/** For importers that stream: create with a size, then write boxes. */
lk_status lk_h5_create_dataset(lk_h5 *file, const char *path, lk_h5_type type, int n_axes,
                               const int64_t *axis);
lk_status lk_h5_write_box(lk_h5 *file, const char *path, const int64_t *start, const int64_t *count,
                          lk_h5_type memory_type, const void *data);

/** Attributes of an object (a group or a dataset). Text attributes are UTF-8 strings that h5py shows as str.
 */
lk_status lk_h5_put_text(lk_h5 *file, const char *object, const char *name, const char *text);
lk_status lk_h5_put_texts(lk_h5 *file, const char *object, const char *name, const char *const *texts,
                          int64_t n);
lk_status lk_h5_put_doubles(lk_h5 *file, const char *object, const char *name, const double *values,
                            int64_t n);
lk_status lk_h5_put_int(lk_h5 *file, const char *object, const char *name, int64_t value);
bool      lk_h5_has_attribute(lk_h5 *file, const char *object, const char *name);
lk_status lk_h5_get_text(lk_h5 *file, const char *object, const char *name, char **text);
lk_status lk_h5_get_texts(lk_h5 *file, const char *object, const char *name, char ***texts, int64_t *n);
lk_status lk_h5_get_doubles(lk_h5 *file, const char *object, const char *name, double **values, int64_t *n);
lk_status lk_h5_get_int(lk_h5 *file, const char *object, const char *name, int64_t *value);

/** Calls visit for each attribute of an object, by name: its elements as stored, or its texts with a NUL
 * behind each. Lists of varying length have no bytes (NULL, 0). */
typedef lk_status lk_h5_visit_attribute(void *context, const char *name, const void *bytes, size_t size);
lk_status lk_h5_each_attribute(lk_h5 *file, const char *object, lk_h5_visit_attribute *visit, void *context);

#endif
