/** The session's inside, for `train` alone: a communicator and where lines go. */
#ifndef LK_TRAIN_SESSION_H
#define LK_TRAIN_SESSION_H

#include "comm/comm.h"
#include "lockstep/config.h"
#include "lockstep/session.h"
#include "train/watchdog.h"

struct lk_session {
    lk_comm         *comm; /* owned */
    lk_log_function *log;
    void            *log_context;  /* borrowed */
    double           hang_timeout; /* seconds, where no configuration says; 0: off */
};

/** How long a rank may not answer: by the configuration, or without one (`options` NULL) by the session. Local. */
lk_watch lk_session_watch(const lk_session *session, const lk_run_options *options);

/**
 * A rank that failed alone, where the others did not look, ends the job with the exit code of its status: they may
 * wait for it for ever. Returns where nobody waits: all is well, an orderly stop, a failure that all ranks share.
 * Local.
 */
void lk_session_leave_alone(const lk_session *session, lk_status status);

#endif
