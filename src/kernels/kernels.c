#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "kernels/blas.h"
#include "kernels/set.h"

const lk_kernel_set *lk_set = &lk_set_portable;

static lk_kernel_set blas_set; /* the best own set, with products by CBLAS */
static char          blas[192], detail[256];

static const char *const names = "auto, avx512, haswell, portable, openblas";

/* Best set first. */
static const lk_kernel_set *const sets[] = {
#ifdef LK_KERNELS_X86
    &lk_set_avx512,
    &lk_set_haswell,
#endif
    &lk_set_portable,
};
enum { N_SETS = sizeof sets / sizeof sets[0] };

static bool cpu_has(const lk_kernel_set *set)
{
#ifdef LK_KERNELS_X86
    __builtin_cpu_init();
    const bool haswell = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (set == &lk_set_avx512)
        return haswell && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (set == &lk_set_haswell) return haswell;
#endif
    return set == &lk_set_portable;
}

static const lk_kernel_set *best_set(void)
{
    for (int i = 0; i < N_SETS; i++)
        if (cpu_has(sets[i])) return sets[i];
    return &lk_set_portable;
}

#ifdef LK_KERNELS_X86
static bool uses_avx512(const char *library)
{
    return strstr(library, "SkylakeX") || strstr(library, "Cooperlake") || strstr(library, "SapphireRapids");
}
#endif

/* OpenBLAS runs its oldest kernels on a CPU that is newer than its list: right, but up to five times slower; and those
 * that OPENBLAS_CORETYPE names, if it is set. The yardstick and the set "openblas" then are slower too, and a share of
 * such a yardstick would flatter us. To the other sets, which do without its products, it is nothing. */
static const char *blas_remark(const char *library)
{
#ifdef LK_KERNELS_X86
    const bool avx512 = cpu_has(&lk_set_avx512);
    if (strstr(library, "Prescott") && cpu_has(&lk_set_haswell))
        return avx512 ? " (slow: it does not know this CPU; set OPENBLAS_CORETYPE=SkylakeX)"
                      : " (slow: it does not know this CPU; set OPENBLAS_CORETYPE=Haswell)";
    if (avx512 && getenv("OPENBLAS_CORETYPE") && !uses_avx512(library))
        return " (slow: OPENBLAS_CORETYPE in the environment keeps it from AVX-512; unset it)";
    return "";
#else
    (void)library;
    return "";
#endif
}

lk_status lk_kernels_select(const char *name)
{
    lk_status            st = LK_OK;
    const lk_kernel_set *set = NULL;
    char                 library[96];

    if (strcmp(name, "auto") == 0) {
        set = best_set();
    } else if (strcmp(name, "openblas") == 0) {
        blas_set = *best_set();
        blas_set.name = "openblas";
        blas_set.products_by_blas = true;
        set = &blas_set;
    } else {
        bool known = strcmp(name, "avx512") == 0 || strcmp(name, "haswell") == 0;
        for (int i = 0; i < N_SETS; i++) {
            if (strcmp(name, sets[i]->name) != 0) continue;
            known = true;
            set = cpu_has(sets[i]) ? sets[i] : NULL;
        }
        LK_CHECK(known, LK_E_CONFIG, "kernels '%s' is not one of %s", name, names);
        LK_CHECK(set, LK_E_CONFIG, "kernels '%s': this CPU lacks these instructions; the best it has is '%s'",
                 name, best_set()->name);
    }
    lk_set = set;
    lk_blas_start(library, sizeof library);
    snprintf(blas, sizeof blas, "%s%s", library, blas_remark(library));
    snprintf(detail, sizeof detail, "%s, %s, 1 thread", set->name, set->products_by_blas ? blas : library);
done:
    return st;
}

const char *lk_kernels_name(void)
{
    return lk_set->name;
}

const char *lk_kernels_detail(void)
{
    return detail;
}

const char *lk_kernels_blas(void)
{
    return blas;
}

int lk_kernels_rows_independent(void)
{
    return !lk_set->products_by_blas;
}

double lk_kernels_sgemm_rate(double seconds)
{
    enum { N = 1024 };
    double best = 0.0;
    float *a = NULL; /* three matrices, one after the other */
    if (LK_ALLOC(3 * N * N, &a) != LK_OK) return 0.0;
    for (int i = 0; i < 2 * N * N; i++) a[i] = (float)(i % 7) - 3.0f;
    const double begin = lk_clock_seconds();
    do {
        const double t = lk_clock_seconds();
        lk_blas_gemm(N, N, N, 1.0f, a, N, false, a + N * N, N, false, 0.0f, a + 2 * N * N, N);
        const double rate = 2.0 * N * N * N / (lk_clock_seconds() - t) * 1e-9;
        best = rate > best ? rate : best;
    } while (lk_clock_seconds() - begin < seconds);
    lk_free(&a);
    return best;
}
