#include "io/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "io/atomic.h"

enum { MOST_NAMES = 1000 };

lk_status lk_output_apart(const char *path, const char *what, const char *read)
{
    struct stat out, in;
    if (stat(path, &out) != 0 || stat(read, &in) != 0) return LK_OK;
    if (out.st_dev != in.st_dev || out.st_ino != in.st_ino) return LK_OK;
    return lk_fail(
        LK_E_USAGE,
        "-o %s is the same file as the %s %s, which would be lost; choose another name for the output", path,
        what, read);
}

/* What is no HDF5 file, or a damaged one, was made by others; only without memory one cannot tell. */
static lk_status was_made_by(const char *path, const char *maker, bool *same)
{
    lk_status st = LK_OK;
    lk_h5    *h5 = NULL;
    char     *text = NULL;
    *same = false;
    LK_TRY(lk_h5_open(path, &h5));
    if (!lk_h5_has_attribute(h5, "/", LK_OUTPUT_MAKER)) goto done;
    LK_TRY(lk_h5_get_text(h5, "/", LK_OUTPUT_MAKER, &text));
    *same = !strcmp(text, maker);
done:
    lk_free(&text);
    lk_h5_abandon(&h5);
    return st == LK_E_NOMEM ? st : LK_OK;
}

lk_status lk_output_free(const char *path, const char *maker)
{
    lk_status   st = LK_OK;
    struct stat info;
    bool        own = false;
    if (stat(path, &info) != 0) goto done; /* what else is wrong with it shows when it is made */
    LK_CHECK(S_ISREG(info.st_mode), LK_E_USAGE, "-o %s: that is a %s; name a file", path,
             S_ISDIR(info.st_mode) ? "folder" : "device, a pipe or a socket");
    if (info.st_size == 0) goto done; /* mktemp's */
    LK_TRY(was_made_by(path, maker, &own));
    LK_CHECK(
        own, LK_E_USAGE,
        "-o %s: there is such a file and `%s` did not make it, so it is kept; remove it or choose another "
        "name",
        path, maker);
done:
    return st;
}

/* The first of PATH.new, PATH.new-2 ... that is not there: made here, so that nobody else has it. */
static lk_status claim(const char *path, char temporary[LK_OUTPUT_PATH])
{
    for (int i = 1; i <= MOST_NAMES; i++) {
        int n = i == 1 ? snprintf(temporary, LK_OUTPUT_PATH, "%s.new", path)
                       : snprintf(temporary, LK_OUTPUT_PATH, "%s.new-%d", path, i);
        if (n >= LK_OUTPUT_PATH) return lk_fail(LK_E_USAGE, "-o: the path is too long");
        int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0) {
            close(file);
            return LK_OK;
        }
        if (errno == EINTR) i--;
        if (errno != EEXIST && errno != EINTR) break;
    }
    return lk_fail(LK_E_IO, "cannot create %s: %s", temporary, lk_file_reason(errno));
}

lk_status lk_output_begin(const char *path, const char *maker, lk_output *output)
{
    lk_status st = LK_OK;
    LK_TRY(claim(path, output->temporary));
    output->path = path;
    LK_TRY(lk_h5_create(output->temporary, &output->h5));
    LK_TRY(lk_h5_put_text(output->h5, "/", LK_OUTPUT_MAKER, maker));
done:
    return st;
}

lk_status lk_output_commit(lk_output *output)
{
    lk_status st = LK_OK;
    LK_TRY(lk_h5_close(&output->h5));
    LK_TRY(lk_file_settle(output->temporary, output->path));
    output->path = NULL;
done:
    return st;
}

void lk_output_abandon(lk_output *output)
{
    lk_h5_abandon(&output->h5);
    if (output->path) unlink(output->temporary);
    output->path = NULL;
}
