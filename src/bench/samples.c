#include "bench/samples.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "bench/bench.h"
#include "core/alloc.h"
#include "data/csv.h"
#include "io/atomic.h"

enum { HOSTS, RANKS, LANES, BYTES, GOODPUT, LATENCY, RANK, STEP, COMPUTE, BACKWARD, TAIL, STEP_S, COLUMNS };
static const char *const column_names[COLUMNS] = {
    "hosts",     "ranks",      "lanes",  "bytes", "goodput_bytes_per_s", "latency_s", "rank", "step",
    "compute_s", "backward_s", "tail_s", "step_s"};

void lk_samples_header(lk_str *csv)
{
    lk_str_append(
        csv, "hosts,ranks,lanes,bytes,goodput_bytes_per_s,latency_s,rank,step,compute_s,backward_s,tail_s,"
             "step_s\n");
}

void lk_samples_row(lk_str *csv, const lk_sample_run *run, int rank, int step, const lk_sample *sample)
{
    lk_str_printf(csv, "%d,%d,%d,%lld,%.0f,%.3g,%d,%d,%.7g,%.7g,%.7g,%.7g\n", run->hosts, run->ranks,
                  run->lanes, (long long)run->bytes, run->goodput, run->latency_s, rank, step,
                  sample->compute, sample->backward, sample->tail, sample->step);
}

lk_status lk_samples_write(const char *path, const lk_str *csv)
{
    lk_status st = LK_OK;
    char      temporary[PATH_MAX];
    LK_CHECK(!csv->failed, LK_E_NOMEM, "out of memory for %s", path);
    LK_CHECK(snprintf(temporary, sizeof temporary, "%s.tmp", path) < (int)sizeof temporary, LK_E_IO,
             "%.60s...: the path is too long", path);
    LK_TRY(lk_atomic_write(path, temporary, lk_str_text(csv), csv->size));
done:
    return st;
}

/* ---- reading ---- */

enum { MOST_STEPS = 100000 };

static lk_status read_row(const char *path, const lk_csv *csv, const int column[COLUMNS], int64_t line,
                          double v[COLUMNS])
{
    lk_status st = LK_OK;
    for (int c = 0; c < COLUMNS; c++)
        LK_CHECK(lk_csv_number(lk_csv_cell(csv, line, column[c]), &v[c]) && v[c] >= 0 && v[c] < 1e15,
                 LK_E_DATA, "%s: row %lld: %s is '%s'; a number from 0 on expected", path,
                 (long long)line + 1, column_names[c], lk_csv_cell(csv, line, column[c]));
    LK_CHECK(v[HOSTS] >= 1 && v[RANKS] >= v[HOSTS] && v[RANKS] < 1e6 && v[LANES] >= v[RANKS] &&
                 v[LANES] < 1e7 && fmod(v[RANKS], v[HOSTS]) == 0 && v[BYTES] > 0,
             LK_E_DATA, "%s: row %lld: hosts of equally many ranks, each with lanes, are expected", path,
             (long long)line + 1);
    LK_CHECK(v[STEP] < MOST_STEPS, LK_E_DATA, "%s: row %lld: step %.0f; fewer than %d expected", path,
             (long long)line + 1, v[STEP], MOST_STEPS);
done:
    return st;
}

static bool same_run(const lk_sample_run *a, const lk_sample_run *b)
{
    return a->hosts == b->hosts && a->ranks == b->ranks && a->lanes == b->lanes && a->bytes == b->bytes &&
           a->goodput == b->goodput && a->latency_s == b->latency_s;
}

/* slowest [MOST_STEPS]: by step, of the run that ends; zero again afterwards. */
static void end_run(lk_measured_run *run, double *slowest)
{
    int n = 0;
    while (n < MOST_STEPS && slowest[n] > 0) n++;
    run->step_s = n ? lk_bench_quantile(slowest, n, 0.5) : 0;
    for (int i = 0; i < n; i++) slowest[i] = 0;
}

static lk_status read_rows(const char *path, const lk_csv *csv, const int column[COLUMNS], double *slowest,
                           lk_sample_table *out)
{
    lk_status        st = LK_OK;
    double           v[COLUMNS];
    lk_measured_run *run = NULL;
    for (int64_t line = 0; line < csv->n_rows; line++) {
        LK_TRY(read_row(path, csv, column, line, v));
        lk_sample_run about = {(int)v[HOSTS],     (int)v[RANKS], (int)v[LANES],
                               (int64_t)v[BYTES], v[GOODPUT],    v[LATENCY]};
        if (!run || !same_run(&run->about, &about)) {
            if (run) end_run(run, slowest);
            run = &out->runs[out->n_runs++];
            *run = (lk_measured_run){.about = about, .samples = out->samples + line};
        }
        out->samples[line] = (lk_sample){v[COMPUTE], v[BACKWARD], v[TAIL], v[STEP_S]};
        slowest[(int)v[STEP]] = fmax(slowest[(int)v[STEP]], v[STEP_S]);
        run->n++;
    }
    end_run(run, slowest);
done:
    return st;
}

lk_status lk_samples_read(const char *path, lk_sample_table *out)
{
    lk_status st = LK_OK;
    int       column[COLUMNS];
    double   *slowest = NULL;
    lk_csv    csv = {0};
    *out = (lk_sample_table){0};
    LK_TRY(lk_csv_open(path, &csv));
    for (int c = 0; c < COLUMNS; c++) {
        column[c] = lk_csv_column(&csv, column_names[c]);
        LK_CHECK(column[c] >= 0, LK_E_DATA, "%s: no column '%s'; a file of samples expected", path,
                 column_names[c]);
    }
    LK_CHECK(csv.n_rows > 0, LK_E_DATA, "%s: no rows", path);
    LK_TRY(LK_ALLOC(csv.n_rows, &out->samples));
    LK_TRY(LK_ALLOC(csv.n_rows, &out->runs)); /* at most */
    LK_TRY(LK_ALLOC(MOST_STEPS, &slowest));
    LK_TRY(read_rows(path, &csv, column, slowest, out));
done:
    lk_free(&slowest);
    lk_csv_clear(&csv);
    if (st != LK_OK) lk_samples_clear(out);
    return st;
}

void lk_samples_clear(lk_sample_table *table)
{
    lk_free(&table->samples);
    lk_free(&table->runs);
    table->n_runs = 0;
}
