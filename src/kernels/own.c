#include "kernels/own.h"

#include <stdatomic.h>

#if defined(__x86_64__)
#include <cpuid.h>

enum { ZEN_5 = 26 }; /* AMD's family 1Ah */

/* Family of the CPU as CPUID tells it: AMD64 Architecture Programmer's Manual, volume 3, function 1. */
static unsigned family(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    return (a >> 8 & 15) + (a >> 20 & 255);
}

static bool ask_cpu(void)
{
    return __builtin_cpu_is("intel") || (__builtin_cpu_is("amd") && family() >= ZEN_5);
}
#else
static bool ask_cpu(void)
{
    return false;
}
#endif

bool lk_prefetch_owns(void)
{
    enum { UNKNOWN, NO, YES };
    static atomic_int known; /* CPUID takes microseconds in a virtual machine */
    int               owns = atomic_load_explicit(&known, memory_order_relaxed);
    if (owns == UNKNOWN) {
        owns = ask_cpu() ? YES : NO;
        atomic_store_explicit(&known, owns, memory_order_relaxed);
    }
    return owns == YES;
}
