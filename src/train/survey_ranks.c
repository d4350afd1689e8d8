/* data stats and data verify: the ranks of a session share a survey. */
#include "lockstep/data.h"

#include "data/survey.h"
#include "train/session.h"
#include "train/share_ranks.h"

typedef lk_status survey(const char *where, int json, const lk_share *share, char **text);

static lk_status shared(lk_session *session, const char *path, int json, survey *function, char **text)
{
    if (!session || lk_session_size(session) == 1) return function(path, json, NULL, text);
    lk_share  share = lk_share_of(session->comm);
    lk_status st = function(path, json, &share, text);
    lk_session_leave_alone(session, st);
    return st;
}

lk_status lk_data_stats(lk_session *session, const char *path, int json, char **text)
{
    return shared(session, path, json, lk_survey_stats, text);
}

lk_status lk_data_verify(lk_session *session, const char *path, int json, char **text)
{
    return shared(session, path, json, lk_survey_verify, text);
}
