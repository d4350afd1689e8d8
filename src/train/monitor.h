/**
 * Early stop and the best checkpoint: the numbers of an evaluation that decide something. Decided by the root.
 */
#ifndef LK_TRAIN_MONITOR_H
#define LK_TRAIN_MONITOR_H

#include "train/run.h"

/** LK_E_CONFIG if the monitor names no number of this run; `key` is its place in the configuration. */
lk_status lk_monitor_check(const lk_run *run, const lk_monitor *monitor, const char *key);

/** Takes an evaluation into account: best value, evaluations waited for a better one, the early stop, all in
 * run->progress. *new_best: this state deserves to be kept as the best. */
void lk_monitor_decide(lk_run *run, const lk_scores *train, const lk_scores *validation, bool *new_best);

#endif
