#include "kernels/blas.h"

#include <cblas.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"

static int narrow(int64_t n)
{
    LK_ASSERT(n >= 0 && n <= INT_MAX);
    return (int)n;
}

void lk_blas_gemm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, bool trans_a,
                  const float *b, int64_t ldb, bool trans_b, float beta, float *c, int64_t ldc)
{
    cblas_sgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans,
                narrow(m), narrow(n), narrow(k), alpha, a, narrow(lda), b, narrow(ldb), beta, c, narrow(ldc));
}

void lk_blas_bias(int64_t m, int64_t n, const float *bias, float *y)
{
    if (!bias) return;
    for (int64_t i = 0; i < m; i++, y += n)
        for (int64_t j = 0; j < n; j++) y[j] += bias[j];
}

void lk_blas_start(char *text, int64_t bytes)
{
    openblas_set_num_threads(1);
    /* The configuration reads "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ... SkylakeX MAX_THREADS=64": name and
     * number. */
    const char *config = openblas_get_config(), *space = strchr(config, ' ');
    const char *end = space ? strchr(space + 1, ' ') : NULL;
    const int   length = end ? (int)(end - config) : (int)strlen(config);
    snprintf(text, (size_t)bytes, "%.*s %s", length, config, openblas_get_corename());
}
