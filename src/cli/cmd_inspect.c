/* lockstep inspect, lockstep doctor, lockstep bench */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "lockstep/inspect.h"

int cmd_inspect(int argc, char **argv)
{
    int              json = 0, parameters = 0;
    const cli_option table[] = {{"json", NULL, &json}, {"parameters", NULL, &parameters}, {0}};
    cli_line         line;
    char            *text = NULL;
    lk_status        st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("inspect");
    if (st == LK_OK && line.n_operands != 1) st = cli_usage("inspect: one FILE, RUN or CONFIG expected");
    if (st == LK_OK && lk_launcher_rank() != 0) return 0; /* started N times, one speaks */
    if (st == LK_OK) st = lk_inspect(line.operands[0], json, parameters, &text);
    if (st == LK_OK) fputs(text, stdout);
    free(text);
    return st == LK_OK ? 0 : cli_fail(NULL, st);
}

int cmd_doctor(int argc, char **argv)
{
    const cli_option table[] = {{0}};
    cli_line         line;
    char            *text = NULL, *rendered = NULL;
    lk_session      *session = NULL;
    lk_config       *config = NULL;
    lk_status        st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("doctor");
    if (st == LK_OK && line.n_operands > 1)
        st = cli_usage("doctor: at most one CONFIG expected, %d given", line.n_operands);
    if (st != LK_OK) return cli_fail(NULL, st);
    st = cli_session_start(&session);
    if (st == LK_OK && line.n_operands)
        st = cli_config_share(session, line.operands[0], NULL, line.operands[0], &line, &config, &rendered);
    if (st == LK_OK) st = lk_doctor(session, config ? lk_config_options(config) : NULL, &text);
    if (st == LK_OK && text) fputs(text, stdout);
    int code = st == LK_OK ? 0 : cli_fail(session, st);
    free(text);
    free(rendered);
    lk_config_destroy(&config);
    lk_session_end(&session);
    return code;
}

int cmd_bench(int argc, char **argv)
{
    int              json = 0, lanes = 0, reduce = 0;
    const char      *length = NULL, *most = NULL;
    const cli_option table[] = {{"json", NULL, &json}, {"lanes", NULL, &lanes},    {"reduce", NULL, &reduce},
                                {"most", &most, NULL}, {"seconds", &length, NULL}, {0}};
    cli_line         line;
    double           seconds = 3, most_bytes = 100e6;
    char            *text = NULL, *rendered = NULL;
    lk_session      *session = NULL;
    lk_config       *config = NULL;
    lk_status        st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("bench");
    if (st == LK_OK && !reduce && line.n_operands != 1)
        st = cli_usage("bench: one CONFIG expected, or --reduce for the reduction alone");
    if (st == LK_OK && reduce && (line.n_operands || line.n_sets || length || lanes))
        st = cli_usage("bench --reduce takes no CONFIG, --set, --seconds or --lanes");
    if (st == LK_OK && most && !reduce) st = cli_usage("bench: --most goes with --reduce");
    if (st == LK_OK && most) st = cli_bytes("--most", most, &most_bytes);
    if (st == LK_OK && length) st = cli_duration("--seconds", length, &seconds);
    if (st != LK_OK) return cli_fail(NULL, st);
    st = cli_session_start(&session);
    if (st == LK_OK && !reduce)
        st = cli_config_share(session, line.operands[0], NULL, line.operands[0], &line, &config, &rendered);
    if (st == LK_OK && reduce) st = lk_bench_reduce(session, json, most_bytes, &text);
    if (st == LK_OK && lanes) st = lk_bench_lanes(session, lk_config_options(config), json, seconds, &text);
    if (st == LK_OK && !reduce && !lanes)
        st = lk_bench(session, lk_config_options(config), json, seconds, &text);
    if (st == LK_OK && text) fputs(text, stdout);
    int code = st == LK_OK ? 0 : cli_fail(session, st);
    free(text);
    free(rendered);
    lk_config_destroy(&config);
    lk_session_end(&session);
    return code;
}
