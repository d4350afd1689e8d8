/** What the measurements share. */
#ifndef LK_BENCH_BENCH_H
#define LK_BENCH_BENCH_H

#include <jansson.h>

#include "core/str.h"
#include "train/run.h"

enum { LK_BENCH_MOST_RANKS = 1024 };

/** Appends the object, indented, and frees it (NULL: it could not be made). */
lk_status lk_bench_dump(json_t *object, lk_str *text);

/**
 * A run that trains for the clock alone: initial parameters, known to all ranks, and no files. `watchdog`: borrowed, outlives it.
 * Collective.
 */
lk_status lk_bench_run_create(lk_comm *comm, const lk_run_options *options, lk_watchdog *watchdog,
                              lk_run **run);

/** n steps, whatever their loss. Collective. */
lk_status lk_bench_run_steps(lk_run *run, int64_t n);

/** The quantile q in 0..1 of n values, which are left sorted. */
double lk_bench_quantile(double *values, int n, double q);

#endif
