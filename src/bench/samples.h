/** Steps of single ranks as CSV: what a measured run hands to the event model. */
#ifndef LK_BENCH_SAMPLES_H
#define LK_BENCH_SAMPLES_H

#include <stdint.h>

#include "core/str.h"

/** What all steps of one run have in common. */
typedef struct lk_sample_run {
    int     hosts, ranks, lanes;
    int64_t bytes;              /* of the gradient */
    double  goodput, latency_s; /* of the links, bytes/s one way; 0: one host */
} lk_sample_run;

/** One step of one rank, in seconds. */
typedef struct lk_sample {
    double compute;  /* until its gradients are folded and summed on the host; sending apart */
    double backward; /* the last part of it, in which gradients become complete one after the other */
    double tail;     /* after the exchange: norms and update */
    double step;     /* all of it, exchange and waiting included */
} lk_sample;

void lk_samples_header(lk_str *csv);
void lk_samples_row(lk_str *csv, const lk_sample_run *run, int rank, int step, const lk_sample *sample);

/** Writes the file. Local; LK_E_IO. */
lk_status lk_samples_write(const char *path, const lk_str *csv);

typedef struct lk_measured_run {
    lk_sample_run    about;
    const lk_sample *samples; /* [n] of all ranks and steps; borrowed from the table */
    int              n;
    double           step_s; /* of the slowest rank, median over steps */
} lk_measured_run;

typedef struct lk_sample_table {
    lk_sample       *samples; /* owned */
    lk_measured_run *runs;    /* owned */
    int              n_runs;
} lk_sample_table;

/** Reads such a file; rows of a run stand together. LK_E_DATA with file and row. Local. */
lk_status lk_samples_read(const char *path, lk_sample_table *out);
void      lk_samples_clear(lk_sample_table *table);

#endif
