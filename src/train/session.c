#include "lockstep/session.h"

#include "comm/job.h"
#include "core/alloc.h"
#include "core/log.h"
#include "train/options.h"
#include "train/session.h"

/* What train.hang_timeout is without a word: who measures what training would wait for waits as long. */
enum { HANG_SECONDS = 300 };

static void forward_line(void *context, lk_log_level level, const char *line)
{
    lk_session *session = context;
    bool        mine = level == LK_LOG_RANK || lk_comm_is_root(session->comm);
    if (session->log && mine) session->log(session->log_context, (int)level, line);
}

lk_status lk_session_start(lk_session **out)
{
    lk_status   st = LK_OK;
    lk_session *session = NULL;
    *out = NULL;
    LK_TRY(LK_ALLOC(1, &session));
    session->hang_timeout = HANG_SECONDS;
    LK_TRY(lk_comm_create(&session->comm));
    lk_log_set_sink(forward_line, session);
    *out = session;
    session = NULL;
done:
    lk_free(&session);
    return st;
}

void lk_session_end(lk_session **session)
{
    if (!*session) return;
    lk_log_set_sink(NULL, NULL);
    lk_comm_destroy(&(*session)->comm);
    lk_free(session);
}

int lk_session_rank(const lk_session *session)
{
    return lk_comm_rank(session->comm);
}

int lk_session_size(const lk_session *session)
{
    return lk_comm_size(session->comm);
}

int lk_session_is_root(const lk_session *session)
{
    return lk_comm_is_root(session->comm);
}

int lk_launcher_rank(void)
{
    return lk_launch_rank();
}

double lk_batch_job_end(void)
{
    return lk_job_end();
}

lk_status lk_session_agree(lk_session *session, lk_status status)
{
    return lk_comm_agree(session->comm, status);
}

lk_status lk_session_share_text(lk_session *session, char **text)
{
    return lk_comm_broadcast_text(session->comm, text);
}

lk_status lk_session_share(lk_session *session, void *bytes, size_t size)
{
    return lk_comm_broadcast(session->comm, bytes, size);
}

void lk_session_hang_timeout(lk_session *session, double seconds)
{
    session->hang_timeout = seconds;
}

lk_watch lk_session_watch(const lk_session *session, const lk_run_options *options)
{
    return options ? (lk_watch){.timeout = options->hang_timeout, .set_by = "train.hang_timeout"}
                   : (lk_watch){.timeout = session->hang_timeout, .set_by = "--hang-timeout"};
}

void lk_session_leave_alone(const lk_session *session, lk_status status)
{
    lk_comm *comm = session->comm;
    if (status == LK_OK || status == LK_STOPPED || lk_comm_failed_together(comm)) return;
    lk_log_rank("lockstep: rank %d on host %s failed alone: %s: %s", lk_comm_rank(comm),
                lk_comm_host_name(comm, lk_comm_host(comm)), lk_status_text(status), lk_error_message());
    lk_comm_abort(comm, lk_status_exit_code(status));
}

void lk_session_log_to(lk_session *session, lk_log_function *function, void *context)
{
    session->log = function;
    session->log_context = context;
}
