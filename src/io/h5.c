/* Files and objects: open, create, list, exists. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
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

static herr_t innermost(unsigned n, const H5E_error2_t *error, void *context)
{
    (void)n;
    snprintf(context, 256, "%s", error->desc ? error->desc : "");
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

lk_status lk_h5_open(const char *path, lk_h5 **out)
{
    lk_status   st = LK_OK;
    struct stat info;
    lk_h5      *file = NULL;
    *out = NULL;
    LK_CHECK(stat(path, &info) == 0, LK_E_DATA, "%s: there is no such file", path);
    LK_CHECK(S_ISREG(info.st_mode), LK_E_DATA, "%s is not a file", path);
    LK_TRY(handle(path, &file));
    lk_h5_lock();
    file->access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(file->access, H5F_CLOSE_STRONG);
    file->file = H5Fopen(path, H5F_ACC_RDONLY, file->access);
    if (file->file < 0)
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

static lk_status core_file(const char *label, const void *bytes, size_t size, lk_h5 **out)
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
        H5Pset_file_image(file->access, (void *)(uintptr_t)bytes, size);
        /* HDF5 refuses an image under the name of a file that exists, so it gets one that cannot. */
        file->file = H5Fopen("/dev/null/image", H5F_ACC_RDONLY, file->access);
    } else {
        hid_t create = H5Pcreate(H5P_FILE_CREATE);
        H5Pset_userblock(create, USER_BLOCK);
        file->file = H5Fcreate(label, H5F_ACC_TRUNC, create, file->access);
        H5Pclose(create);
    }
    if (file->file < 0)
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
    return core_file(label, bytes, size, out);
}

lk_status lk_h5_create_image(lk_h5 **out)
{
    return core_file("image", NULL, 0, out);
}

lk_status lk_h5_create(const char *path, lk_h5 **out)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    *out = NULL;
    LK_TRY(handle(path, &file));
    lk_h5_lock();
    file->file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
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

lk_status lk_h5_take_image(lk_h5 **file, void **bytes, size_t *size)
{
    lk_status st = LK_OK;
    char     *image = NULL;
    *bytes = NULL;
    *size = 0;
    lk_h5_lock();
    H5Fflush((*file)->file, H5F_SCOPE_GLOBAL);
    ssize_t n = H5Fget_file_image((*file)->file, NULL, 0);
    if (n <= 0) st = lk_h5_fail(*file, LK_E_NOMEM, "the image cannot be taken");
    /* HDF5 hands out what lies behind the user block; in the file the block comes first. */
    if (st == LK_OK) st = LK_ALLOC(n + USER_BLOCK, &image);
    if (st == LK_OK && H5Fget_file_image((*file)->file, image + USER_BLOCK, (size_t)n) != n)
        st = lk_h5_fail(*file, LK_E_NOMEM, "the image cannot be taken");
    lk_h5_unlock();
    if (st == LK_OK) {
        *bytes = image;
        *size = (size_t)n + USER_BLOCK;
        image = NULL;
    }
    lk_free(&image);
    lk_h5_abandon(file);
    return st;
}

lk_status lk_h5_close(lk_h5 **file)
{
    lk_status st = LK_OK;
    if (!*file) return LK_OK;
    lk_h5_lock();
    if ((*file)->file >= 0) {
        if (H5Fflush((*file)->file, H5F_SCOPE_GLOBAL) < 0)
            st = lk_h5_fail(*file, LK_E_IO, "cannot be written to the end");
        if (H5Fclose((*file)->file) < 0 && st == LK_OK) st = lk_h5_fail(*file, LK_E_IO, "cannot be closed");
    }
    if ((*file)->access >= 0) H5Pclose((*file)->access);
    H5Eclear2(H5E_DEFAULT);
    lk_h5_unlock();
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

hid_t lk_h5_open_object(const lk_h5 *file, const char *path)
{
    hid_t access = H5Pcreate(H5P_LINK_ACCESS);
    H5Pset_elink_cb(access, refuse_link, NULL);
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

static bool link_exists(const lk_h5 *file, const char *path)
{
    char   part[1024];
    size_t n = strlen(path);
    if (!strcmp(path, "/") || n == 0) return true;
    if (n >= sizeof part) return false;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (H5Lexists(file->file, part, H5P_DEFAULT) <= 0) return false;
    }
    return true;
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

typedef struct name_list {
    char  **names; /* owned */
    int64_t n, capacity;
} name_list;

static herr_t collect(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    name_list *list = context;
    (void)group;
    if (info->type != H5L_TYPE_HARD || list->n == list->capacity)
        return 0; /* links that leave the file are not shown */
    return lk_strdup(name, &list->names[list->n++]) == LK_OK ? 0 : -1;
}

lk_status lk_h5_list(lk_h5 *file, const char *group, lk_h5_visit *visit, void *context)
{
    lk_status  st = LK_OK;
    name_list  list = {0};
    H5G_info_t info;
    hsize_t    at = 0;
    char       path[1024];
    lk_h5_lock();
    hid_t object = lk_h5_open_object(file, group);
    if (object < 0 || H5Gget_info(object, &info) < 0)
        st = lk_h5_fail(file, LK_E_DATA, "there is no group %s", group);
    if (st == LK_OK && info.nlinks > 100000)
        st = lk_h5_fail(file, LK_E_DATA, "group %s holds more than 100000 objects", group);
    if (st == LK_OK) {
        list.capacity = (int64_t)info.nlinks;
        st = LK_ALLOC(list.capacity, &list.names);
    }
    if (st == LK_OK && H5Literate(object, H5_INDEX_NAME, H5_ITER_INC, &at, collect, &list) < 0)
        st = lk_h5_fail(file, LK_E_DATA, "group %s cannot be listed", group);
    if (object >= 0) H5Oclose(object);
    lk_h5_unlock();
    for (int64_t i = 0; st == LK_OK && i < list.n; i++) {
        snprintf(path, sizeof path, "%s/%s", strcmp(group, "/") ? group : "", list.names[i]);
        st = visit(context, list.names[i], lk_h5_is_group(file, path));
    }
    for (int64_t i = 0; i < list.n; i++) lk_free(&list.names[i]);
    lk_free(&list.names);
    return st;
}
