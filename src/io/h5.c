/* Files and objects: open, create, list, exists. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/atomic.h"
#include "io/h5_internal.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t  once = PTHREAD_ONCE_INIT;

/* Silent, without plugins, and never asking for file locks that parallel file systems lack. */
static void prepare(void)
{
    setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0);
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
}

void lk_h5_lock(void)
{
    pthread_once(&once, prepare);
    pthread_mutex_lock(&mutex);
    H5Eset_auto2(H5E_DEFAULT, NULL,
                 NULL); /* each thread has a stack of its own, which prints unless told not to */
}

void lk_h5_unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

/* HDF5's last word; where a call to the system failed, what the system said. */
static herr_t innermost(unsigned n, const H5E_error2_t *error, void *context)
{
    static const char mark[] = "error message = '";
    const char       *text = error->desc ? error->desc : "", *said = strstr(text, mark);
    (void)n;
    if (said) text = said + strlen(mark);
    snprintf(context, 256, "%.*s", said ? (int)strcspn(text, "'") : (int)strlen(text), text);
    return 0;
}

lk_status lk_h5_fail(const lk_h5 *file, lk_status status, const char *format, ...)
{
    char    what[1024], reason[256] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, innermost, reason);
    H5Eclear2(H5E_DEFAULT);
    if (!*reason) return lk_fail(status, "%s: %s", file->label, what);
    return lk_fail(status, "%s: %s (HDF5: %s)", file->label, what, reason);
}

const char *lk_h5_version(void)
{
    static char text[32];
    unsigned    major = 0, minor = 0, release = 0;
    lk_h5_lock();
    H5get_libversion(&major, &minor, &release);
    lk_h5_unlock();
    snprintf(text, sizeof text, "%u.%u.%u", major, minor, release);
    return text;
}

/* ---- open, create, close ---- */

static lk_status handle(const char *label, lk_h5 **out)
{
    lk_status st = LK_ALLOC(1, out);
    if (st != LK_OK) return st;
    snprintf((*out)->label, sizeof(*out)->label, "%s", label);
    (*out)->file = (*out)->access = -1;
    return LK_OK;
}

/* Only for reading: links to other files are not followed. */
static herr_t refuse_link(const char *parent, const char *parent_group, const char *child,
                          const char *child_object, unsigned *flags, hid_t access, void *context)
{
    (void)parent, (void)parent_group, (void)child, (void)child_object, (void)flags, (void)access,
        (void)context;
    return -1;
}

static lk_status cannot_open(const char *path, int error)
{
    lk_status status = lk_file_blame(error);
    if (status == LK_E_DATA) return lk_fail(status, "%s: there is no such file", path);
    return lk_fail(status, "cannot read %s: %s", path, lk_file_reason(error));
}

static lk_status check_kind(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) return cannot_open(path, errno);
    if (!S_ISREG(info.st_mode)) return lk_fail(LK_E_DATA, "%s is not a file", path);
    return LK_OK;
}

/* HDF5 takes a file that it may not read, or that the disk does not give, for one that is no HDF5 file. */
static lk_status probe(const char *path)
{
    lk_status st = LK_OK;
    char      first;
    int       file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0 || (pread(file, &first, 1, 0) < 0 && errno != EINTR)) st = cannot_open(path, errno);
    if (file >= 0) close(file);
    return st;
}

lk_status lk_h5_open(const char *path, lk_h5 **out)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    *out = NULL;
    LK_TRY(check_kind(path));
    LK_TRY(handle(path, &file));
    lk_h5_lock();
    file->access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(file->access, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7) /* before it only the environment could say so: prepare() */
    H5Pset_file_locking(file->access, false, true);
#endif
    file->file = H5Fopen(path, H5F_ACC_RDONLY, file->access);
    if (file->file < 0 && (st = probe(path)) == LK_OK) /* only now: most files are opened once */
        st = lk_h5_fail(file, LK_E_DATA, "not an HDF5 file, or one that is cut short or damaged");
    lk_h5_unlock();
    if (st == LK_OK) {
        *out = file;
        file = NULL;
    }
done:
    lk_h5_abandon(&file);
    return st;
}

/* Free for whoever makes an image: HDF5 begins behind it. */
enum { USER_BLOCK = 512 };

/* Room grows by halves, or a large image would move 1 MiB at a time. Pages of 2 MiB, as far as the kernel has some. */
static void *grow_image(void *memory, size_t size, H5FD_file_image_op_t operation, void *context)
{
    lk_h5_image *image = context;
    size_t       room = size + size / 2, page = (size_t)2 << 20;
    char *larger = memory ? memory : image->bytes; /* none yet: HDF5 begins in what an old image has left */
    (void)operation;
    if (size > image->room) {
        larger = realloc(larger, room);
        if (!larger) return NULL;
        size_t skip = (page - (uintptr_t)larger % page) % page;
        if (skip + page <= room) (void)madvise(larger + skip, room - skip, MADV_HUGEPAGE);
        image->room = room;
    }
    image->bytes = NULL;
    return larger;
}

static herr_t keep_image(void *memory, H5FD_file_image_op_t operation, void *context)
{
    lk_h5_image *image = context;
    if (operation == H5FD_FILE_IMAGE_OP_FILE_CLOSE)
        image->bytes = memory;
    else
        free(memory);
    return 0;
}

static void *same_image(void *context)
{
    return context;
}

static herr_t leave_image(void *context)
{
    (void)context;
    return 0;
}

/* Every copy of a borrowed image is the image; it is only read. */
static void *lend_image(size_t size, H5FD_file_image_op_t operation, void *context)
{
    (void)size;
    (void)operation;
    return context;
}

static void *lent_already(void *to, const void *from, size_t size, H5FD_file_image_op_t operation,
                          void *context)
{
    (void)from;
    (void)size;
    (void)operation;
    (void)context;
    return to;
}

static herr_t give_back(void *memory, H5FD_file_image_op_t operation, void *context)
{
    (void)memory;
    (void)operation;
    (void)context;
    return 0;
}

/* HDF5 would copy it twice. */
static lk_status borrow_image(lk_h5 *file, const void *bytes, size_t size)
{
    void                       *image = (void *)(uintptr_t)bytes;
    H5FD_file_image_callbacks_t calls = {.image_malloc = lend_image,
                                         .image_memcpy = lent_already,
                                         .image_free = give_back,
                                         .udata_copy = same_image,
                                         .udata_free = leave_image,
                                         .udata = image};
    if (H5Pset_file_image_callbacks(file->access, &calls) >= 0 &&
        H5Pset_file_image(file->access, image, size) >= 0)
        return LK_OK;
    return lk_h5_fail(file, LK_E_NOMEM, "cannot make an HDF5 file in memory");
}

/* So that the image is the memory HDF5 wrote it to, not a copy. */
static lk_status own_image(lk_h5 *file, lk_h5_image *old)
{
    lk_status st = LK_ALLOC(1, &file->image);
    if (st != LK_OK) return st;
    if (old) {
        *file->image = *old;
        *old = (lk_h5_image){0};
    }
    H5FD_file_image_callbacks_t calls = {.image_realloc = grow_image,
                                         .image_free = keep_image,
                                         .udata_copy = same_image,
                                         .udata_free = leave_image,
                                         .udata = file->image};
    if (H5Pset_file_image_callbacks(file->access, &calls) < 0)
        st = lk_h5_fail(file, LK_E_NOMEM, "cannot make an HDF5 file in memory");
    return st;
}

/* Of these bytes; NULL: a new one, in the memory of `old` if there is one. */
static lk_status core_file(const char *label, const void *bytes, size_t size, lk_h5_image *old, lk_h5 **out)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    *out = NULL;
    LK_TRY(handle(label, &file));
    lk_h5_lock();
    file->access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(file->access, 1 << 20, 0);
    H5Pset_fclose_degree(file->access, H5F_CLOSE_STRONG);
    if (bytes) {
        st = borrow_image(file, bytes, size);
        /* HDF5 refuses an image under the name of a file that exists, so it gets one that cannot. */
        if (st == LK_OK) file->file = H5Fopen("/dev/null/image", H5F_ACC_RDONLY, file->access);
    } else if ((st = own_image(file, old)) == LK_OK) {
        hid_t create = H5Pcreate(H5P_FILE_CREATE);
        H5Pset_userblock(create, USER_BLOCK);
        file->file = H5Fcreate(label, H5F_ACC_TRUNC, create, file->access);
        H5Pclose(create);
    }
    if (st == LK_OK && file->file < 0)
        st = lk_h5_fail(file, bytes ? LK_E_DATA : LK_E_NOMEM, "cannot make an HDF5 file in memory");
    lk_h5_unlock();
    if (st == LK_OK) {
        *out = file;
        file = NULL;
    }
done:
    lk_h5_abandon(&file);
    return st;
}

lk_status lk_h5_open_image(const void *bytes, size_t size, const char *label, lk_h5 **out)
{
    return core_file(label, bytes, size, NULL, out);
}

lk_status lk_h5_create_image(lk_h5_image *old, lk_h5 **out)
{
    return core_file("image", NULL, 0, old, out);
}

lk_status lk_h5_create(const char *path, lk_h5 **out)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    *out = NULL;
    LK_TRY(handle(path, &file));
    lk_h5_lock();
    file->access = H5Pcreate(H5P_FILE_ACCESS);
    /* Attributes of more than 64 KiB, dictionaries say, came with 1.8; readers older than that are gone. */
    H5Pset_libver_bounds(file->access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    file->file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, file->access);
    if (file->file < 0) st = lk_h5_fail(file, LK_E_IO, "cannot be created");
    lk_h5_unlock();
    if (st == LK_OK) {
        *out = file;
        file = NULL;
    }
done:
    lk_h5_abandon(&file);
    return st;
}

static void drop_image(lk_h5_image **image)
{
    if (!*image) return;
    free((*image)->bytes);
    lk_free(image);
}

lk_status lk_h5_take_image(lk_h5 **file, lk_h5_image *out)
{
    lk_status    st = LK_OK;
    lk_h5_image *image = NULL;
    *out = (lk_h5_image){0};
    lk_h5_lock();
    H5Fflush((*file)->file, H5F_SCOPE_GLOBAL);
    /* HDF5 counts what lies behind the user block. */
    ssize_t n = H5Fget_file_image((*file)->file, NULL, 0);
    if (n <= 0) st = lk_h5_fail(*file, LK_E_NOMEM, "the image cannot be taken");
    lk_h5_unlock();
    if (st != LK_OK) {
        lk_h5_abandon(file);
        return st;
    }
    image = (*file)->image;
    (*file)->image = NULL;
    LK_TRY(lk_h5_close(file));
    LK_CHECK(image->bytes && image->room >= (size_t)n + USER_BLOCK, LK_E_BUG,
             "an image of %zu bytes, %zd wanted", image->room, n + USER_BLOCK);
    image->size = (size_t)n + USER_BLOCK;
    *out = *image;
    image->bytes = NULL;
done:
    drop_image(&image);
    return st;
}

lk_status lk_h5_close(lk_h5 **file)
{
    lk_status st = LK_OK;
    if (!*file) return LK_OK;
    lk_h5_lock();
    lk_h5_drop_kept(*file);
    if ((*file)->file >= 0) {
        if (H5Fflush((*file)->file, H5F_SCOPE_GLOBAL) < 0)
            st = lk_h5_fail(*file, LK_E_IO, "cannot be written to the end");
        if (H5Fclose((*file)->file) < 0 && st == LK_OK) st = lk_h5_fail(*file, LK_E_IO, "cannot be closed");
    }
    if ((*file)->access >= 0) H5Pclose((*file)->access);
    H5Eclear2(H5E_DEFAULT);
    lk_h5_unlock();
    drop_image(&(*file)->image);
    lk_free(file);
    return st;
}

void lk_h5_abandon(lk_h5 **file)
{
    if (file && *file) {
        char kept[2048]; /* the message that led here must survive */
        snprintf(kept, sizeof kept, "%s", lk_error_message());
        (void)lk_h5_close(file);
        (void)lk_fail(LK_OK, "%s", kept);
    }
}

/* ---- objects ---- */

hid_t lk_h5_stay_inside(hid_t kind)
{
    hid_t access = H5Pcreate(kind);
    H5Pset_elink_cb(access, refuse_link, NULL);
    return access;
}

hid_t lk_h5_open_object(const lk_h5 *file, const char *path)
{
    hid_t access = lk_h5_stay_inside(H5P_LINK_ACCESS);
    hid_t object = H5Oopen(file->file, path, access);
    H5Pclose(access);
    return object;
}

lk_status lk_h5_make_groups(lk_h5 *file, const char *path, bool self)
{
    char   part[1024];
    size_t n = strlen(path);
    if (n >= sizeof part) return lk_h5_fail(file, LK_E_BUG, "a path of %zu bytes", n);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && !(self && path[i] == '\0')) continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (H5Lexists(file->file, part, H5P_DEFAULT) > 0) continue;
        hid_t group = H5Gcreate2(file->file, part, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        if (group < 0) return lk_h5_fail(file, LK_E_IO, "cannot make group %s", part);
        H5Gclose(group);
    }
    return LK_OK;
}

/* Every part of the path is asked for, as HDF5 wants it; a link that leads out of the file leads nowhere. */
static bool link_exists(const lk_h5 *file, const char *path)
{
    char   part[1024];
    size_t n = strlen(path);
    bool   found = true;
    if (!strcmp(path, "/") || n == 0) return true;
    if (n >= sizeof part) return false;
    hid_t access = lk_h5_stay_inside(H5P_LINK_ACCESS);
    for (size_t i = 1; i <= n && found; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        found = H5Lexists(file->file, part, access) > 0;
    }
    H5Pclose(access);
    return found;
}

bool lk_h5_exists(lk_h5 *file, const char *path)
{
    lk_h5_lock();
    bool yes = link_exists(file, path);
    H5Eclear2(H5E_DEFAULT);
    lk_h5_unlock();
    return yes;
}

bool lk_h5_is_group(lk_h5 *file, const char *path)
{
    lk_h5_lock();
    hid_t object = link_exists(file, path) ? lk_h5_open_object(file, path) : -1;
    bool  yes = object >= 0 && H5Iget_type(object) == H5I_GROUP;
    if (object >= 0) H5Oclose(object);
    H5Eclear2(H5E_DEFAULT);
    lk_h5_unlock();
    return yes;
}

/* ---- links ---- */

enum { LINK_TEXT = 1024, WALK_DEPTH = 32, WALK_OBJECTS = 100000, WALK_PATH = 1024 };

/* What a link says of itself. Names may hold anything: what would move a cursor is left out. */
static void describe_link(hid_t where, const char *name, H5L_type_t type, char text[LINK_TEXT])
{
    char        value[2048] = "";
    const char *file = "", *object = "";
    unsigned    flags = 0;
    bool        has = H5Lget_val(where, name, value, sizeof value - 1, H5P_DEFAULT) >= 0;
    if (type == H5L_TYPE_SOFT)
        snprintf(text, LINK_TEXT, "soft link to %.500s", value);
    else if (type == H5L_TYPE_EXTERNAL && has &&
             H5Lunpack_elink_val(value, sizeof value, &flags, &file, &object) >= 0)
        snprintf(text, LINK_TEXT, "external link to %.400s of %.500s", object, file);
    else
        snprintf(text, LINK_TEXT, "link that leaves the file");
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
}

typedef struct links {
    const char       *group;
    lk_h5_visit_link *visit;
    void             *context;
    lk_status         st;
} links;

static herr_t show_link(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    links *l = context;
    char   text[LINK_TEXT], path[2 * LINK_TEXT];
    if (info->type == H5L_TYPE_HARD) return 0;
    describe_link(group, name, info->type, text);
    snprintf(path, sizeof path, "%s%s%s", l->group, strcmp(l->group, "/") != 0 ? "/" : "", name);
    l->st = l->visit(l->context, path, text);
    return l->st == LK_OK ? 0 : -1;
}

lk_status lk_h5_each_link(lk_h5 *file, const char *group, lk_h5_visit_link *visit, void *context)
{
    links   l = {group, visit, context, LK_OK};
    hsize_t at = 0;
    lk_h5_lock();
    hid_t object = lk_h5_open_object(file, group);
    if (object < 0 || H5Iget_type(object) != H5I_GROUP ||
        (H5Literate(object, H5_INDEX_NAME, H5_ITER_INC, &at, show_link, &l) < 0 && l.st == LK_OK))
        l.st = lk_h5_fail(file, LK_E_DATA, "group %s cannot be listed", group);
    if (object >= 0) H5Oclose(object);
    H5Eclear2(H5E_DEFAULT);
    lk_h5_unlock();
    return l.st;
}

/* The first link on the way to PATH that leads to nothing in the file; `part`: the way up to it. */
static bool broken_link(const lk_h5 *file, const char *path, char part[WALK_PATH], H5L_type_t *type)
{
    size_t n = strlen(path);
    bool   broken = false;
    if (n >= WALK_PATH) return false;
    hid_t access = lk_h5_stay_inside(H5P_LINK_ACCESS);
    for (size_t i = 1; i <= n && !broken; i++) {
        H5L_info_t info;
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (H5Lget_info(file->file, part, &info, access) < 0) break;
        *type = info.type;
        hid_t object = info.type == H5L_TYPE_HARD ? -1 : lk_h5_open_object(file, part);
        broken = info.type != H5L_TYPE_HARD && object < 0;
        if (object >= 0) H5Oclose(object);
    }
    H5Pclose(access);
    return broken;
}

lk_status lk_h5_fail_missing(const lk_h5 *file, const char *path)
{
    char       part[WALK_PATH], what[LINK_TEXT], way[WALK_PATH + 32] = "";
    H5L_type_t type = H5L_TYPE_HARD;
    if (!broken_link(file, path, part, &type)) return lk_h5_fail(file, LK_E_DATA, "there is no %s", path);
    describe_link(file->file, part, type, what);
    H5Eclear2(H5E_DEFAULT); /* the link says it all */
    if (strcmp(part, path) != 0) snprintf(way, sizeof way, "%s is not read: ", path);
    if (type == H5L_TYPE_SOFT)
        return lk_h5_fail(file, LK_E_DATA, "%s%s is a %s, which leads to nothing in this file", way, part,
                          what);
    return lk_h5_fail(file, LK_E_DATA,
                      "%s%s is a%s %s; " LK_H5_INSIDE
                      "Name that file itself in `files`, and the dataset as it "
                      "is called there",
                      way, part, type == H5L_TYPE_EXTERNAL ? "n" : "", what);
}

lk_status lk_h5_missing(lk_h5 *file, const char *path)
{
    lk_h5_lock();
    lk_status st = lk_h5_fail_missing(file, path);
    lk_h5_unlock();
    return st;
}

/* ---- walking ---- */

typedef struct walk {
    lk_h5       *file;
    lk_h5_visit *visit;
    void        *context;
    char         path[WALK_PATH]; /* of the object at hand */
    int          depth;
    int64_t      objects;
    haddr_t     *seen; /* owned [seen_room], a hash table: objects that several links lead to; 0: free */
    int64_t      n_seen, seen_room;
    lk_status    st;
} walk;

static bool put_seen(haddr_t *seen, int64_t room, haddr_t address)
{
    int64_t at = (int64_t)(address * 0x9e3779b97f4a7c15u >> 20) & (room - 1);
    while (seen[at] && seen[at] != address) at = (at + 1) & (room - 1);
    bool known = seen[at] == address;
    seen[at] = address;
    return known;
}

/* Whether the object at `address` was met before; it has been now. */
static bool seen_before(walk *w, haddr_t address)
{
    haddr_t *larger = NULL;
    if (2 * w->n_seen >= w->seen_room) {
        int64_t room = w->seen_room ? 2 * w->seen_room : 64;
        w->st = LK_ALLOC(room, &larger);
        if (w->st != LK_OK) return true;
        for (int64_t i = 0; i < w->seen_room; i++)
            if (w->seen[i]) put_seen(larger, room, w->seen[i]);
        lk_free(&w->seen);
        w->seen = larger;
        w->seen_room = room;
    }
    bool known = put_seen(w->seen, w->seen_room, address);
    w->n_seen += !known;
    return known;
}

typedef struct name_list {
    char  **names; /* owned */
    int64_t n, capacity;
    bool    short_of_memory;
} name_list;

static herr_t collect(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    name_list *list = context;
    (void)group;
    if (info->type != H5L_TYPE_HARD || list->n == list->capacity)
        return 0; /* links that leave the file are not shown */
    list->short_of_memory = lk_strdup(name, &list->names[list->n++]) != LK_OK;
    return list->short_of_memory ? -1 : 0;
}

/* Names of the hard links of a group, sorted. Called under the lock. */
static lk_status names_of(const walk *w, hid_t object, name_list *list)
{
    H5G_info_t info;
    hsize_t    at = 0;
    lk_status  st = LK_OK;
    if (H5Gget_info(object, &info) < 0)
        return lk_h5_fail(w->file, LK_E_DATA, "there is no group %s", w->path);
    if (info.nlinks > (hsize_t)(WALK_OBJECTS - w->objects))
        return lk_h5_fail(w->file, LK_E_DATA, "more than %d objects", WALK_OBJECTS);
    list->capacity = (int64_t)info.nlinks;
    st = LK_ALLOC(list->capacity, &list->names);
    if (st == LK_OK && H5Literate(object, H5_INDEX_NAME, H5_ITER_INC, &at, collect, list) < 0)
        st = list->short_of_memory ? LK_E_NOMEM
                                   : lk_h5_fail(w->file, LK_E_DATA, "group %s cannot be listed", w->path);
    return st;
}

/* What stands at w->path: 'g'roup, 'd'ataset or '?': something else, or something met before. */
static char kind_here(walk *w, name_list *list)
{
    H5O_info_t info;
    char       kind = '?';
    lk_h5_lock();
    hid_t object = lk_h5_open_object(w->file, w->path);
    if (object >= 0 && H5Oget_info2(object, &info, H5O_INFO_BASIC) >= 0) {
        kind = info.type == H5O_TYPE_GROUP ? 'g' : info.type == H5O_TYPE_DATASET ? 'd' : '?';
        if (info.rc > 1 && seen_before(w, info.addr)) kind = '?';
        if (kind == 'g' && w->depth == WALK_DEPTH)
            w->st = lk_h5_fail(w->file, LK_E_DATA, "groups are nested more than %d deep", WALK_DEPTH);
        else if (kind == 'g')
            w->st = names_of(w, object, list);
    }
    if (object >= 0) H5Oclose(object);
    H5Eclear2(H5E_DEFAULT);
    lk_h5_unlock();
    return kind;
}

static void walk_here(walk *w)
{
    name_list list = {0};
    size_t    used = strlen(w->path);
    char      kind = kind_here(w, &list);
    if (w->st == LK_OK && (kind == 'd' || kind == 'g'))
        w->st = w->visit(w->context, w->path, kind == 'g' ? LK_H5_GROUP : LK_H5_DATASET);
    w->depth++;
    for (int64_t i = 0; w->st == LK_OK && kind == 'g' && i < list.n; i++) {
        w->objects++;
        int n = snprintf(w->path + used, sizeof w->path - used, "%s%s", used > 1 ? "/" : "", list.names[i]);
        if ((size_t)n >= sizeof w->path - used)
            w->st = lk_fail(LK_E_DATA, "%s: a path of more than %d bytes", w->file->label, WALK_PATH);
        else
            walk_here(w);
        w->path[used] = 0;
    }
    w->depth--;
    for (int64_t i = 0; i < list.n; i++) lk_free(&list.names[i]);
    lk_free(&list.names);
}

lk_status lk_h5_walk(lk_h5 *file, const char *from, lk_h5_visit *visit, void *context)
{
    walk w = {.file = file, .visit = visit, .context = context};
    if (strlen(from) >= sizeof w.path)
        return lk_fail(LK_E_DATA, "%s: a path of %zu bytes", file->label, strlen(from));
    memcpy(w.path, from, strlen(from) + 1);
    walk_here(&w);
    lk_free(&w.seen);
    return w.st;
}
