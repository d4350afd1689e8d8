/** The run directory's inside: names of files, status, metrics that survive a crash. Root only. */
#ifndef LK_TRAIN_RUNDIR_H
#define LK_TRAIN_RUNDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "lockstep/train.h"

/** Writes config.yaml and makes the folders of a new run. */
lk_status lk_rundir_begin(lk_rundir *rundir, const char *config_text);

/** DIR/name, valid until the next call. */
const char *lk_rundir_file(lk_rundir *rundir, const char *name);

/** Replaces status.json: "running", "stopped", "finished", "failed". */
lk_status lk_rundir_set_status(lk_rundir *rundir, const char *state, int64_t step, const char *summary);

/** LK_E_LOCKED if another job has taken the directory over: no more may be written. */
lk_status lk_rundir_held(lk_rundir *rundir);

/** True if DIR/STOP exists; lk_rundir_clear_stop removes it when a run goes on. */
bool lk_rundir_stop_asked(lk_rundir *rundir);
void lk_rundir_clear_stop(lk_rundir *rundir);

/** The files that grow: log.txt, metrics.jsonl, metrics.csv. */
typedef enum lk_run_log { LK_RUN_LOG_TEXT, LK_RUN_LOG_JSONL, LK_RUN_LOG_CSV, LK_RUN_LOGS } lk_run_log;

/**
 * Opens them to append, cut to the lengths that the checkpoint knew, so that after a resume no line stands
 * twice; one that is shorter than that is warned of.
 */
lk_status lk_rundir_open_logs(lk_rundir *rundir, const int64_t bytes[LK_RUN_LOGS]);
void      lk_rundir_log(lk_rundir *rundir, const char *line);
lk_status lk_rundir_event(lk_rundir *rundir, const char *json_line);
lk_status lk_rundir_csv(lk_rundir *rundir, const char *line);
/** Lengths so far, flushed to the kernel. */
void lk_rundir_lengths(lk_rundir *rundir, int64_t bytes[LK_RUN_LOGS]);
/** Their descriptors, for who makes them durable; borrowed. */
void lk_rundir_descriptors(const lk_rundir *rundir, int descriptors[LK_RUN_LOGS]);

#endif
