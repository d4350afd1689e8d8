/* NPY: whatever the header says, only what the file holds is read. */
#include "data/npy.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char      path[64];
    lk_npy    npy;
    int       file = lk_fuzz_file(bytes, size, path);
    lk_status st = lk_npy_open(path, &npy);
    lk_fuzz_expect(st);
    if (st == LK_OK && npy.rows > 0 && npy.row_elements > 0) {
        char *values = NULL;
        if ((size_t)npy.rows > size || (size_t)npy.row_elements > size) abort();
        if (LK_ALLOC(8 * (npy.row_elements), &values) != LK_OK) abort();
        for (int64_t row = 0; row < npy.rows; row++)
            if (lk_npy_read(&npy, row, 1, values) != LK_OK) abort();
        lk_free(&values);
    }
    lk_npy_close(&npy);
    close(file);
    return 0;
}
