/** NPY files, versions 1 to 3: one array as numpy saves it, read in place. */
#ifndef LK_DATA_NPY_H
#define LK_DATA_NPY_H

#include "io/h5.h"

typedef struct lk_npy {
    int         file; /* owned; -1: closed */
    const char *path; /* borrowed */
    lk_h5_info  info; /* type, order and shape; file_offset leads to the values */
    int64_t     rows, row_elements;
} lk_npy;

/** LK_E_DATA: no NPY file, cut short, Fortran order, a type other than integers and floats, no axis. */
lk_status lk_npy_open(const char *path, lk_npy *out);
void      lk_npy_close(lk_npy *npy);

/** What lk_npy_read makes of the values: the stored type, but halves become floats. */
lk_h5_type lk_npy_memory_type(const lk_npy *npy);
/** Rows [first, first + n) in this machine's order into out. */
lk_status lk_npy_read(const lk_npy *npy, int64_t first, int64_t n, void *out);

#endif
