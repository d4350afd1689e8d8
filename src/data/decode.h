/** Stored numbers of any type and byte order to doubles. */
#ifndef LK_DATA_DECODE_H
#define LK_DATA_DECODE_H

#include "io/h5.h"

/** Bytes of one element as stored. */
int64_t lk_decode_stored_bytes(lk_h5_type type);
/** The type HDF5 is asked to convert to: the stored one, but halves become floats. */
lk_h5_type lk_decode_memory_type(lk_h5_type type);
int64_t    lk_decode_memory_bytes(lk_h5_type type);
/** "f32" ... as users write types. */
const char *lk_decode_type_name(lk_h5_type type);

/** out[i * out_stride] = element i * in_stride of `in` (counted in elements, in's alignment does not matter).
 */
void lk_decode(lk_h5_type type, bool big_endian, const char *in, int64_t n, int64_t in_stride, double *out,
               int64_t out_stride);

#endif
