#include "kernels/kernels.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"

static const char *chosen = "portable";
static char        detail[160];

lk_status lk_kernels_select(const char *name)
{
    lk_status st = LK_OK;
    LK_CHECK(strcmp(name, "auto") == 0 || strcmp(name, "portable") == 0, LK_E_CONFIG,
             "kernels '%s' is not one of auto, portable", name);
    openblas_set_num_threads(1);
    snprintf(detail, sizeof detail, "%s, %s, 1 thread", chosen, openblas_get_config());
done:
    return st;
}

const char *lk_kernels_name(void)
{
    return chosen;
}

const char *lk_kernels_detail(void)
{
    return detail;
}

int lk_kernels_rows_independent(void)
{
    return 1;
}

double lk_kernels_sgemm_rate(double seconds)
{
    enum { N = 1024 };
    const size_t bytes = sizeof(float) * N * N;
    double       best = 0.0;
    float       *a = NULL;
    if (lk_alloc_array(3, bytes, (void **)&a) != LK_OK) return 0.0;
    for (int i = 0; i < 2 * N * N; i++) a[i] = (float)(i % 7) - 3.0f;
    const double begin = lk_clock_seconds();
    do {
        const double t = lk_clock_seconds();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1.0f, a, N, a + N * N, N, 0.0f,
                    a + 2 * N * N, N);
        const double rate = 2.0 * N * N * N / (lk_clock_seconds() - t) * 1e-9;
        best = rate > best ? rate : best;
    } while (lk_clock_seconds() - begin < seconds);
    lk_free(&a);
    return best;
}
