/** NPY files, versions 1 to 3: one array as numpy saves it. Read whole. */
#ifndef LK_DATA_NPY_H
#define LK_DATA_NPY_H

#include "io/h5.h"

typedef struct lk_npy {
    char       *bytes; /* owned */
    const char *data;  /* into bytes, in C order */
    lk_h5_type  type;
    bool        big_endian;
    int         n_axes;
    int64_t     axis[LK_H5_MAX_AXES];
    size_t      item_bytes;
} lk_npy;

/** LK_E_DATA: no NPY file, cut short, Fortran order, a type other than integers and floats. Swaps bytes to
 * this machine's. */
lk_status lk_npy_open(const char *path, lk_npy *out);
void      lk_npy_clear(lk_npy *npy);

#endif
