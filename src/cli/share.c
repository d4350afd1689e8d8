/* Sessions and configurations that every rank shares. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* The live line is drawn over itself; any other line first ends it. */
static void log_to_stderr(void *context, int level, const char *line)
{
    static int live;
    (void)context;
    if (line[0] == '\r') {
        fprintf(stderr, "\r%s\033[K", line + 1);
        live = 1;
        fflush(stderr);
        return;
    }
    if (live) fputs("\r\033[K", stderr);
    live = 0;
    fprintf(stderr, "%s%s\n", level == 1 ? "warning: " : "", line);
}

lk_status cli_session_start(lk_session **session)
{
    lk_status st = lk_session_start(session);
    if (st == LK_OK) lk_session_log_to(*session, log_to_stderr, NULL);
    return st;
}

static lk_status load_and_render(const char *path, const char *text, const char *label, const cli_line *line,
                                 lk_config **config, char **rendered)
{
    lk_status st = path ? lk_config_load(path, line->sets, line->n_sets, config)
                        : lk_config_parse(text, label, NULL, line->sets, line->n_sets, config);
    if (st == LK_OK) st = lk_config_render(*config, 0, 1, rendered);
    return st;
}

lk_status cli_config_share(lk_session *session, const char *path, const char *text, const char *label,
                           const cli_line *line, lk_config **config, char **rendered)
{
    lk_status  st = LK_OK;
    lk_config *original = NULL; /* root: knows where in the file things stand */
    *config = NULL;
    *rendered = NULL;
    if (lk_session_is_root(session)) st = load_and_render(path, text, label, line, &original, rendered);
    st = lk_session_agree(session, st);
    if (st == LK_OK) st = lk_session_share_text(session, rendered);
    if (st == LK_OK) st = lk_session_agree(session, lk_config_parse(*rendered, label, NULL, NULL, 0, config));
    if (st == LK_OK && path && original) lk_config_take_places(*config, original);
    lk_config_destroy(&original);
    return st;
}

int cli_end(lk_session **session, lk_status status, char *text)
{
    int root = session && *session ? lk_session_is_root(*session) : lk_launcher_rank() == 0;
    if (status == LK_OK && text && root) fputs(text, stdout);
    free(text);
    int code = status == LK_OK ? 0 : cli_fail(session ? *session : NULL, status);
    if (session) lk_session_end(session);
    return code;
}

static lk_status check_line(const char *config, const cli_line *line, double *hang_timeout)
{
    if (!config && line->n_sets)
        return cli_usage("--set %s changes a CONFIG, and none is given", line->sets[0]);
    if (config && line->hang_timeout)
        return cli_usage(
            "--hang-timeout is for what has no CONFIG; this one has: --set train.hang_timeout=%s",
            line->hang_timeout);
    return line->hang_timeout ? cli_duration("--hang-timeout", line->hang_timeout, hang_timeout) : LK_OK;
}

int cli_report_run(const char *config, const cli_line *line, cli_report *report, const void *context)
{
    lk_session *session = NULL;
    lk_config  *shared = NULL;
    char       *text = NULL, *rendered = NULL;
    double      hang_timeout = 0;
    lk_status   st = check_line(config, line, &hang_timeout);
    if (st == LK_OK) st = cli_session_start(&session);
    if (st == LK_OK && line->hang_timeout) lk_session_hang_timeout(session, hang_timeout);
    if (st == LK_OK && config) st = cli_config_share(session, config, NULL, config, line, &shared, &rendered);
    if (st == LK_OK) st = report(session, shared ? lk_config_options(shared) : NULL, context, &text);
    free(rendered);
    lk_config_destroy(&shared);
    return cli_end(&session, st, text);
}
