/** The session's inside, for `train` alone: a communicator and where lines go. */
#ifndef LK_TRAIN_SESSION_H
#define LK_TRAIN_SESSION_H

#include "comm/comm.h"
#include "lockstep/session.h"

struct lk_session {
    lk_comm         *comm; /* owned */
    lk_log_function *log;
    void            *log_context; /* borrowed */
};

#endif
