/** What is in a file: a checkpoint, a run directory, a configuration or a dataset. And what this machine has.
 */
#ifndef LOCKSTEP_INSPECT_H
#define LOCKSTEP_INSPECT_H

#include "lockstep/config.h"
#include "lockstep/session.h"
#include "lockstep/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Text or JSON (`json`) about FILE|RUN|CONFIG; checkpoints and runs tell `parameters_xxh3` and `state_xxh3`. `at`: which
 * checkpoint of a RUN, as lk_checkpoint_resolve takes it; NULL: its best, else its last.
 * `parameters`: also every parameter's name, shape and range. *text is freed with free(). Local.
 */
LK_API lk_status lk_inspect(const char *path, const char *at, int json, int parameters, char **text);

/** "lockstep 0.1.0" and one line for every library that is in, with its version. Freed with free(). */
LK_API lk_status lk_version_text(char **text);

/**
 * Tests this machine and this launch (cores and binding, kernels, the shared window, links between hosts; with `options` all
 * that training would prepare) and says what is bad for it, with its cure. `options` may be NULL. Collective; *text on the
 * root, freed with free().
 */
LK_API lk_status lk_doctor(lk_session *session, const lk_run_options *options, char **text);

/**
 * Trains for `seconds` after a warm-up and reports samples_per_second, the share of each phase and GF/s
 * against the sgemm rate measured on all ranks at the same time, before and after. Nothing is written.
 * Collective; text on the root.
 */
LK_API lk_status lk_bench(lk_session *session, const lk_run_options *options, int json, double seconds,
                          char **text);

/**
 * Reduce + norms + update by the node window against MPI_Allreduce + the whole of Adam on every rank, from
 * 256 KB to 100 MB of gradients, with warm and with cold caches, interleaved; `most_bytes` leaves larger
 * buffers out. LK_E_BUG if the two sides do not end in the same parameters up to rounding. Collective; text
 * on the root.
 */
LK_API lk_status lk_bench_reduce(lk_session *session, int json, double most_bytes, char **text);

/**
 * The price of equal bits: `reduce: lockstep` with several numbers of lanes against `reduce: allreduce` with one
 * lane a rank, in turns within one run, for `seconds` of turns each. The configuration's own lanes and reduce do
 * not matter. Collective; text on the root.
 */
LK_API lk_status lk_bench_lanes(lk_session *session, const lk_run_options *options, int json, double seconds,
                                char **text);

#ifdef __cplusplus
}
#endif
#endif
