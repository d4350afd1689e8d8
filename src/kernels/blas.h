/** The only caller of CBLAS. Sizes are narrowed to CBLAS's int here; a matrix beyond 2^31 - 1 rows is our own
 * bug. */
#ifndef LK_KERNELS_BLAS_H
#define LK_KERNELS_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/** c [m, n] = alpha op(a) [m, k] op(b) [k, n] + beta c, row-major; trans_a: a is stored [k, m], trans_b: b is
 * [n, k]. */
void lk_blas_gemm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, bool trans_a,
                  const float *b, int64_t ldb, bool trans_b, float beta, float *c, int64_t ldc);

/** y [m, n] += bias [n] row by row; nothing for NULL. */
void lk_blas_bias(int64_t m, int64_t n, const float *bias, float *y);

/** Switches the library to one thread and describes it: "OpenBLAS 0.3.21 SkylakeX". */
void lk_blas_start(char *text, int64_t bytes);

#endif
