/* lockstep eval RUN|CHECKPOINT, lockstep predict RUN|CHECKPOINT INPUT... -o OUT.h5 */
#include <stdlib.h>

#include "cli.h"

/* The checkpoint's path and configuration, found by the root, known to all. Collective. */
static lk_status open_trained(lk_session *session, const char *name, const char *at, const cli_line *line,
                              char **path, lk_config **config)
{
    char     *text = NULL, *rendered = NULL;
    lk_status st = LK_OK;
    *path = NULL;
    if (lk_session_is_root(session)) {
        st = lk_checkpoint_resolve(name, at, path);
        if (st == LK_OK) st = lk_checkpoint_config(*path, &text);
    }
    st = lk_session_agree(session, st);
    if (st == LK_OK) st = lk_session_share_text(session, path);
    if (st == LK_OK)
        st = cli_config_share(session, NULL, text, "config in the checkpoint", line, config, &rendered);
    free(text);
    free(rendered);
    return st;
}

int cmd_eval(int argc, char **argv)
{
    lk_eval_request  request = {0};
    const char      *at = NULL;
    const cli_option table[] = {
        {"at", &at, NULL}, {"data", &request.data, NULL}, {"json", NULL, &request.json}, {0}};
    cli_line    line;
    lk_session *session = NULL;
    lk_config  *config = NULL;
    char       *path = NULL, *text = NULL;
    lk_status   st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("eval");
    if (st == LK_OK && line.n_operands != 1)
        st = cli_usage("eval: one RUN or CHECKPOINT expected; see lockstep help eval");
    if (st != LK_OK) return cli_fail(NULL, st);
    st = cli_session_start(&session);
    if (st == LK_OK) st = open_trained(session, line.operands[0], at, &line, &path, &config);
    request.checkpoint = path;
    if (st == LK_OK) st = lk_eval(session, lk_config_options(config), &request, &text);
    free(path);
    lk_config_destroy(&config);
    return cli_end(&session, st, text);
}

int cmd_predict(int argc, char **argv)
{
    lk_predict_request request = {0};
    const char        *at = NULL;
    const cli_option   table[] = {{"at", &at, NULL}, {"output", &request.output, NULL}, {0}};
    cli_line           line;
    lk_session        *session = NULL;
    lk_config         *config = NULL;
    char              *path = NULL, *text = NULL;
    lk_status          st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("predict");
    if (st == LK_OK && line.n_operands < 2)
        st = cli_usage("predict: RUN or CHECKPOINT and at least one INPUT expected");
    if (st == LK_OK && !request.output) st = cli_usage("predict: -o OUT.h5 is missing");
    if (st != LK_OK) return cli_fail(NULL, st);
    st = cli_session_start(&session);
    if (st == LK_OK) st = open_trained(session, line.operands[0], at, &line, &path, &config);
    request.checkpoint = path;
    request.inputs = line.operands + 1;
    request.n_inputs = line.n_operands - 1;
    if (st == LK_OK) st = lk_predict(session, lk_config_options(config), &request, &text);
    free(path);
    lk_config_destroy(&config);
    return cli_end(&session, st, text);
}
