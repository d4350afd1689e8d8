/* A program of somebody else: trains a configuration and evaluates it by the public headers. Valid C and C++. */
#include <lockstep/config.h>
#include <lockstep/data.h>
#include <lockstep/inspect.h>
#include <lockstep/session.h>
#include <lockstep/status.h>
#include <lockstep/train.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_line(void *context, const char *line)
{
    (void)context;
    puts(line);
}

/* Trains CONFIG in DIR; all ranks call it. */
static lk_status train(lk_session *session, const lk_config *config, const char *rendered, const char *folder)
{
    lk_rundir       *run = NULL;
    lk_train_request request;
    lk_status        st = LK_OK;
    memset(&request, 0, sizeof request);
    if (lk_session_is_root(session)) st = lk_rundir_open(folder, &run);
    st = lk_session_agree(session, st);
    request.rundir = run;
    request.config_text = rendered;
    request.result = print_line;
    if (st == LK_OK) st = lk_train(session, lk_config_options(config), &request);
    lk_rundir_close(&run);
    return st;
}

static lk_status evaluate(lk_session *session, const lk_config *config, const char *folder)
{
    lk_eval_request request;
    char           *path = NULL, *text = NULL;
    lk_status       st = LK_OK;
    memset(&request, 0, sizeof request);
    if (lk_session_is_root(session)) st = lk_checkpoint_resolve(folder, "last", &path);
    st = lk_session_agree(session, st);
    if (st == LK_OK) st = lk_session_share_text(session, &path);
    request.checkpoint = path;
    if (st == LK_OK) st = lk_eval(session, lk_config_options(config), &request, &text);
    if (st == LK_OK && text) fputs(text, stdout);
    free(path);
    free(text);
    return st;
}

int main(int argc, char **argv)
{
    lk_session *session = NULL;
    lk_config  *config = NULL;
    char       *rendered = NULL;
    if (argc != 3) return 2;
    lk_status st = lk_session_start(&session);
    if (st == LK_OK) st = lk_config_load(argv[1], NULL, 0, &config);
    if (st == LK_OK) st = lk_config_render(config, 0, 1, &rendered);
    if (st == LK_OK) st = train(session, config, rendered, argv[2]);
    if (st == LK_OK) st = evaluate(session, config, argv[2]);
    if (st != LK_OK && lk_session_is_root(session))
        fprintf(stderr, "%s: %s\n", lk_status_text(st), lk_error_message());
    free(rendered);
    lk_config_destroy(&config);
    lk_session_end(&session);
    return lk_status_exit_code(st);
}
