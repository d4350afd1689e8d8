/** What a run says: header, epoch lines, events, the table of phases. Text only; no decision is made here. */
#ifndef LK_TRAIN_REPORT_H
#define LK_TRAIN_REPORT_H

#include "core/str.h"
#include "train/run.h"

/** Versions, ranks, lanes, balance, kernels, data, parameters, memory plan: lines for the log. Root. */
void lk_report_header(lk_run *run, lk_str *text);

/** What a reader of the header should know before it costs time: a line each, "" if all is well. Root. */
void lk_report_warnings(const lk_run *run, lk_str *text);

/** "Epoch 3/10, Val Loss: 0.298, Train Loss: 0.312, Val accuracy: 0.893, 41210 samples/s, eta 1m12s" */
void lk_report_epoch(const lk_run *run, double epoch, double epochs, const lk_scores *train,
                     const lk_scores *validation, double samples_per_s, double eta_s, lk_str *text);

/** One object for metrics.jsonl; timing apart, with what steps have waited for checkpoints since this start: each for its copy,
 * the one at the start for the disk too. validation may be NULL. */
lk_status lk_report_event(const lk_run *run, const char *kind, const lk_scores *train,
                          const lk_scores *validation, double seconds, double samples_per_s, lk_str *text);
void      lk_report_csv_header(const lk_run *run, lk_str *text);
void lk_report_csv(const lk_run *run, const lk_scores *train, const lk_scores *validation, double seconds,
                   lk_str *text);

/** "Test loss: 0.24\nTest accuracy: 0.9132\n", matrices as tables. `label` is "Test", "Validation" ... */
void      lk_report_scores(const lk_run *run, const char *label, const double *sums, lk_str *text);
lk_status lk_report_scores_json(const lk_run *run, const char *label, const double *sums,
                                const char *checkpoint, int64_t step, lk_str *text);

/** Which step best.h5 is of; nothing where nothing was watched. */
void lk_report_best(const lk_run *run, lk_str *text);

/** The table of phases, min/avg/max over ranks; memory, samples/s and GF/s. Collective; text on the root. */
lk_status lk_report_phases(lk_run *run, int64_t samples, lk_str *text);

/** "Trained Parameters: ..." for models of up to 32 parameters, else nothing. */
void lk_report_parameters(lk_run *run, lk_str *text);

/** "1h02m", "3m05s", "12s" */
void lk_report_duration(double seconds, char text[32]);

#endif
