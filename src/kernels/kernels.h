/**
 * Which kernels run. One binary holds all sets. The own sets give equal bits (vec_math.h: functions; order.h:
 * sums); "openblas" has those of its library. A run uses one set throughout, and its record names it.
 */
#ifndef LK_KERNELS_KERNELS_H
#define LK_KERNELS_KERNELS_H

#include "core/status.h"

/** "auto", "avx512", "haswell", "portable" or "openblas" (own elementwise loops, matrix products by CBLAS,
 * one lane a call). Call once before any other kernel. LK_E_CONFIG if this CPU lacks the set. Also sets one
 * BLAS thread. */
lk_status   lk_kernels_select(const char *name);
const char *lk_kernels_name(void);   /* the set in use, e.g. "avx512" */
const char *lk_kernels_detail(void); /* "avx512, OpenBLAS 0.3.21 SkylakeX, 1 thread" */
/** Who computes the yardstick and the products of the set "openblas": "OpenBLAS 0.3.21 SkylakeX". Where it fell
 * back to its oldest kernels, that it did and which variable cures it, as in the detail of "openblas". */
const char *lk_kernels_blas(void);
/** True if rows of several lanes may share one call: every row has the same bits in any company. */
int lk_kernels_rows_independent(void);
/** GF/s of a 1024^3 product on this core: the yardstick by CBLAS sgemm. `seconds` bounds the time spent.
 * As fast as the kernels that the library chose: print lk_kernels_blas beside a share of it. */
double lk_kernels_sgemm_rate(double seconds);

#endif
