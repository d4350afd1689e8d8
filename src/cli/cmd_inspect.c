/* lockstep inspect, lockstep doctor, lockstep bench */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "lockstep/inspect.h"

int cmd_inspect(int argc, char **argv)
{
    int              json = 0, parameters = 0;
    const char      *at = NULL;
    const cli_option table[] = {
        {"at", &at, NULL}, {"json", NULL, &json}, {"parameters", NULL, &parameters}, {0}};
    cli_line  line;
    char     *text = NULL;
    lk_status st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("inspect");
    if (st == LK_OK && line.n_operands != 1) st = cli_usage("inspect: one FILE, RUN or CONFIG expected");
    if (st == LK_OK && lk_launcher_rank() != 0) return 0; /* started N times, one works */
    if (st == LK_OK) st = lk_inspect(line.operands[0], at, json, parameters, &text);
    return cli_end(NULL, st, text);
}

static lk_status report_doctor(lk_session *session, const lk_run_options *options, const void *context,
                               char **text)
{
    (void)context;
    return lk_doctor(session, options, text);
}

int cmd_doctor(int argc, char **argv)
{
    cli_line         line;
    const cli_option table[] = {{"hang-timeout", &line.hang_timeout, NULL}, {0}};
    lk_status        st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("doctor");
    if (st == LK_OK && line.n_operands > 1)
        st = cli_usage("doctor: at most one CONFIG expected, %d given", line.n_operands);
    return st == LK_OK ? cli_report_run(line.n_operands ? line.operands[0] : NULL, &line, report_doctor, NULL)
                       : cli_fail(NULL, st);
}

typedef struct bench_options {
    int    json, lanes, reduce;
    double seconds, most_bytes;
} bench_options;

static lk_status report_bench(lk_session *session, const lk_run_options *options, const void *context,
                              char **text)
{
    const bench_options *o = context;
    if (o->reduce) return lk_bench_reduce(session, o->json, o->most_bytes, text);
    if (o->lanes) return lk_bench_lanes(session, options, o->json, o->seconds, text);
    return lk_bench(session, options, o->json, o->seconds, text);
}

int cmd_bench(int argc, char **argv)
{
    bench_options    o = {.seconds = 3, .most_bytes = 100e6};
    const char      *length = NULL, *most = NULL;
    cli_line         line;
    const cli_option table[] = {{"json", NULL, &o.json},
                                {"lanes", NULL, &o.lanes},
                                {"reduce", NULL, &o.reduce},
                                {"most", &most, NULL},
                                {"seconds", &length, NULL},
                                {"hang-timeout", &line.hang_timeout, NULL},
                                {0}};
    lk_status        st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("bench");
    if (st == LK_OK && !o.reduce && line.n_operands != 1)
        st = cli_usage("bench: one CONFIG expected, or --reduce for the reduction alone");
    if (st == LK_OK && o.reduce && (line.n_operands || line.n_sets || length || o.lanes))
        st = cli_usage("bench --reduce takes no CONFIG, --set, --seconds or --lanes");
    if (st == LK_OK && most && !o.reduce) st = cli_usage("bench: --most goes with --reduce");
    if (st == LK_OK && most) st = cli_bytes("--most", most, &o.most_bytes);
    if (st == LK_OK && length) st = cli_duration("--seconds", length, &o.seconds);
    if (st != LK_OK) return cli_fail(NULL, st);
    return cli_report_run(o.reduce ? NULL : line.operands[0], &line, report_bench, &o);
}
