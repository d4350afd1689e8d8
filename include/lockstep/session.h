/**
 * The ranks of this job, as a program sees them. Without a launcher there is one rank and MPI is never
 * started.
 */
#ifndef LOCKSTEP_SESSION_H
#define LOCKSTEP_SESSION_H

#include <stddef.h>

#include "lockstep/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_session lk_session;

/** Starts MPI under any launcher (mpirun, srun with PMIx), nothing else. Collective. Errors: LK_E_USAGE,
 * LK_E_MPI. */
LK_API lk_status lk_session_start(lk_session **out);
/** Ends MPI if this session started it. Collective; takes the address, NULL is fine. */
LK_API void lk_session_end(lk_session **session);

LK_API int lk_session_rank(const lk_session *session);
LK_API int lk_session_size(const lk_session *session);
LK_API int lk_session_is_root(const lk_session *session);
/** The rank by the launcher's environment alone: for verbs that never start MPI; 0 without a launcher. */
LK_API int lk_launcher_rank(void);

/**
 * Unix time at which the batch system (Slurm) ends this job; 0: no batch job, no limit, or no answer within
 * 10 s. It may start a process, which MPI does not like: call it before lk_session_start, on launcher's rank
 * 0 alone. Local.
 */
LK_API double lk_batch_job_end(void);

/** All ranks leave with the same status and message, that of the lowest rank that failed. Collective. */
LK_API lk_status lk_session_agree(lk_session *session, lk_status status);
/** The root's *text (malloc'd, or NULL) to every rank; freed with free(). Collective. */
LK_API lk_status lk_session_share_text(lk_session *session, char **text);
/** The root's bytes to every rank. Collective. */
LK_API lk_status lk_session_share(lk_session *session, void *bytes, size_t size);

/**
 * What has no configuration (lk_bench_reduce, lk_exchange_measure, lk_doctor) ends the job with exit code 77 once a rank has not
 * answered for so many seconds; 0: never. 5 min unless told. With a configuration its train.hang_timeout counts. Local.
 */
LK_API void lk_session_hang_timeout(lk_session *session, double seconds);

/** Where log lines go: level 0 information, 1 warning (both root only), 2 said by one rank of itself. */
typedef void lk_log_function(void *context, int level, const char *line);
LK_API void  lk_session_log_to(lk_session *session, lk_log_function *function, void *context);

#ifdef __cplusplus
}
#endif
#endif
