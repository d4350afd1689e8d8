/**
 * The HDF5 file that a command makes under a name its user chose (-o). It appears there when it is whole, and takes the place
 * of nothing but a file that the same command made before: a name mistyped, or completed by the shell, costs no data.
 */
#ifndef LK_IO_OUTPUT_H
#define LK_IO_OUTPUT_H

#include "io/h5.h"

enum { LK_OUTPUT_PATH = 4096 };

/** The attribute of the root that says which command made a file, "lockstep predict". */
#define LK_OUTPUT_MAKER "made_by"

typedef struct lk_output {
    const char *path; /* borrowed; NULL: not begun */
    char        temporary[LK_OUTPUT_PATH];
    lk_h5      *h5; /* owned */
} lk_output;

/** LK_E_USAGE if `path` is the file `read`, by this or any other name of it (link, ./); `what` that is: "input". A file that is
 * not there is nobody's. Local. */
lk_status lk_output_apart(const char *path, const char *what, const char *read);

/** LK_E_USAGE unless there is no `path` yet, or an empty file, or one that `maker` made. Local. */
lk_status lk_output_free(const char *path, const char *maker);

/** A new file beside `path`, under a name that nobody has; it becomes `path` at commit, its bytes on the disk before the name.
 * `output` is zeroed by the caller. Abandon takes one that was not begun or is committed. Local. */
lk_status lk_output_begin(const char *path, const char *maker, lk_output *output);
lk_status lk_output_commit(lk_output *output);
void      lk_output_abandon(lk_output *output);

#endif
