/* lockstep scaling exchange */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "lockstep/scaling.h"

enum { MAX_SIZES = 16 };

/* "268k,2.68M,16MB": bytes, k M G being powers of ten. */
static lk_status parse_sizes(const char *text, int64_t sizes[MAX_SIZES], int *n)
{
    *n = 0;
    for (const char *at = text;; at++) {
        char  *end = NULL;
        double value = strtod(at, &end);
        if (end == at || !(value > 0))
            return cli_usage("scaling exchange: '%s' is no list of sizes; write 268k,16M", text);
        if (*end == 'k' || *end == 'M' || *end == 'G')
            value *= *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : 1e9, end++;
        if (*end == 'B') end++;
        if ((*end != ',' && *end) || value > 1e12)
            return cli_usage("scaling exchange: '%s' is no list of sizes; write 268k,16M", text);
        if (*n == MAX_SIZES) return cli_usage("scaling exchange: more than %d sizes", MAX_SIZES);
        sizes[(*n)++] = (int64_t)value;
        if (!*end) return LK_OK;
        at = end;
    }
}

static lk_status parse_count(const char *option, const char *text, int least, int *value)
{
    char *end = NULL;
    long  number = text ? strtol(text, &end, 10) : *value;
    if (text && (end == text || *end || number < least || number > 1000000))
        return cli_usage("%s: '%s' is no whole number of at least %d", option, text, least);
    *value = (int)number;
    return LK_OK;
}

static lk_status parse_milliseconds(const char *option, const char *text, double *seconds)
{
    char  *end = NULL;
    double value = text ? strtod(text, &end) : 0;
    if (text && (end == text || *end || !(value >= 0) || value > 1e6))
        return cli_usage("%s: '%s' is no number of milliseconds", option, text);
    *seconds = value / 1e3;
    return LK_OK;
}

static int cmd_exchange(int argc, char **argv)
{
    const char         *lanes = NULL, *per_host = NULL, *seconds = NULL, *backward = NULL;
    int64_t             sizes[MAX_SIZES];
    lk_exchange_options options = {.sizes = sizes, .seconds = 2};
    const cli_option    table[] = {{"lanes", &lanes, NULL},       {"ranks-per-host", &per_host, NULL},
                                   {"seconds", &seconds, NULL},   {"backward", &backward, NULL},
                                   {"json", NULL, &options.json}, {0}};
    cli_line            line;
    char               *text = NULL;
    lk_session         *session = NULL;
    lk_status           st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("scaling");
    if (st == LK_OK && line.n_operands != 1)
        st = cli_usage("scaling exchange: one list of sizes expected, e.g. 268k,16M");
    if (st == LK_OK) st = parse_sizes(line.operands[0], sizes, &options.n_sizes);
    if (st == LK_OK) st = parse_count("--lanes", lanes, 1, &options.lanes);
    if (st == LK_OK) st = parse_count("--ranks-per-host", per_host, 1, &options.ranks_per_host);
    if (st == LK_OK) st = parse_milliseconds("--backward", backward, &options.backward_s);
    if (st == LK_OK && seconds) st = cli_duration("--seconds", seconds, &options.seconds);
    if (st != LK_OK) return cli_fail(NULL, st);
    st = cli_session_start(&session);
    if (st == LK_OK) st = lk_exchange_measure(session, &options, &text);
    if (st == LK_OK && text) fputs(text, stdout);
    int code = st == LK_OK ? 0 : cli_fail(session, st);
    free(text);
    lk_session_end(&session);
    return code;
}

int cmd_scaling(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "exchange")) return cmd_exchange(argc - 1, argv + 1);
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) return cli_help("scaling");
    return cli_fail(NULL, cli_usage("scaling: say scaling exchange"));
}
