/** What the measurements share. */
#ifndef LK_BENCH_BENCH_H
#define LK_BENCH_BENCH_H

#include <jansson.h>

#include "core/str.h"

enum { LK_BENCH_MOST_RANKS = 1024 };

/** Appends the object, indented, and frees it (NULL: it could not be made). */
lk_status lk_bench_dump(json_t *object, lk_str *text);

/** The quantile q in 0..1 of n values, which are left sorted. */
double lk_bench_quantile(double *values, int n, double q);

#endif
