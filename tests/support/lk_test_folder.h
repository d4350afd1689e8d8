/** A folder of the test program's own, made before its tests and removed after them with all that is in it. */
#ifndef LK_TEST_FOLDER_H
#define LK_TEST_FOLDER_H

#include <unistd.h>

#include "lk_test.h"

static char folder[] = "/tmp/lk_test_XXXXXX";

/** FOLDER/name; holds until the fourth call after it. */
static inline const char *path_of(const char *name)
{
    static char path[4][128];
    static int  next;
    char       *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

/** For cmocka's setup and teardown, of a group or of each test. */
static inline int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/lk_test_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

#endif
