/* make_newer CHECKPOINT OUT FORMAT STEP: a whole checkpoint of another format, as another version of Lockstep would write it. */
#include <stdlib.h>

#include "core/alloc.h"
#include "header.h"
#include "io/atomic.h"

int main(int argc, char **argv)
{
    char  *bytes = NULL;
    size_t size = 0;
    if (argc != 5 || lk_file_read(argv[1], 1 << 24, &bytes, &size) != LK_OK || size <= LK_HEADER_BYTES)
        return 2;
    lk_test_write_header(bytes, size, atoi(argv[3]), atoll(argv[4]));
    FILE *file = fopen(argv[2], "wbe");
    int   failed = !file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0;
    lk_free(&bytes);
    return failed;
}
