/* lockstep scaling exchange | steps | plot | project */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "lockstep/scaling.h"

enum { MAX_SIZES = 16, MAX_NUMBERS = 32 };

/* "268k,2.68M,16MB": bytes, k M G being powers of ten. */
static lk_status parse_sizes(const char *verb, const char *text, int64_t sizes[MAX_SIZES], int *n)
{
    *n = 0;
    for (const char *at = text;; at++) {
        char  *end = NULL;
        double value = strtod(at, &end);
        if (end == at || !(value > 0))
            return cli_usage("scaling %s: '%s' is no list of sizes; write 268k,16M", verb, text);
        if (*end == 'k' || *end == 'M' || *end == 'G')
            value *= *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : 1e9, end++;
        if (*end == 'B') end++;
        if ((*end != ',' && *end) || value > 1e12)
            return cli_usage("scaling %s: '%s' is no list of sizes; write 268k,16M", verb, text);
        if (*n == MAX_SIZES) return cli_usage("scaling %s: more than %d sizes", verb, MAX_SIZES);
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

static lk_status report_exchange(lk_session *session, const lk_run_options *options, const void *context,
                                 char **text)
{
    (void)options;
    return lk_exchange_measure(session, context, text);
}

static int cmd_exchange(int argc, char **argv)
{
    const char         *lanes = NULL, *per_host = NULL, *seconds = NULL, *backward = NULL;
    int64_t             sizes[MAX_SIZES];
    lk_exchange_options options = {.sizes = sizes, .seconds = 2};
    cli_line            line;
    const cli_option    table[] = {{"lanes", &lanes, NULL},
                                   {"ranks-per-host", &per_host, NULL},
                                   {"seconds", &seconds, NULL},
                                   {"backward", &backward, NULL},
                                   {"samples", &options.samples, NULL},
                                   {"hang-timeout", &line.hang_timeout, NULL},
                                   {"json", NULL, &options.json},
                                   {0}};
    lk_status           st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("scaling");
    if (st == LK_OK && line.n_operands != 1)
        st = cli_usage("scaling exchange: one list of sizes expected, e.g. 268k,16M");
    if (st == LK_OK) st = parse_sizes("exchange", line.operands[0], sizes, &options.n_sizes);
    if (st == LK_OK) st = parse_count("--lanes", lanes, 1, &options.lanes);
    if (st == LK_OK) st = parse_count("--ranks-per-host", per_host, 1, &options.ranks_per_host);
    if (st == LK_OK) st = parse_milliseconds("--backward", backward, &options.backward_s);
    if (st == LK_OK && seconds) st = cli_duration("--seconds", seconds, &options.seconds);
    return st == LK_OK ? cli_report_run(NULL, &line, report_exchange, &options) : cli_fail(NULL, st);
}

static lk_status report_steps(lk_session *session, const lk_run_options *options, const void *context,
                              char **text)
{
    return lk_scaling_steps(session, options, context, text);
}

static int cmd_steps(int argc, char **argv)
{
    const char      *seconds = NULL, *repeat = NULL;
    lk_steps_options options = {.seconds = 2};
    const cli_option table[] = {{"seconds", &seconds, NULL},         {"repeat", &repeat, NULL},
                                {"weak", NULL, &options.weak},       {"copies", NULL, &options.copies},
                                {"samples", &options.samples, NULL}, {0}};
    cli_line         line;
    lk_status        st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("scaling");
    if (st == LK_OK && line.n_operands != 1) st = cli_usage("scaling steps: one CONFIG expected");
    if (st == LK_OK && options.copies && !options.weak)
        st = cli_usage("scaling steps: --copies goes with --weak, which they are compared with");
    if (st == LK_OK && seconds) st = cli_duration("--seconds", seconds, &options.seconds);
    if (st == LK_OK) st = parse_count("--repeat", repeat, 0, &options.repeat);
    return st == LK_OK ? cli_report_run(line.operands[0], &line, report_steps, &options) : cli_fail(NULL, st);
}

static int cmd_plot(int argc, char **argv)
{
    const char      *folder = ".", *title = NULL;
    const cli_option table[] = {{"output", &folder, NULL}, {"title", &title, NULL}, {0}};
    cli_line         line;
    char            *text = NULL;
    lk_status        st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("scaling");
    if (st == LK_OK && line.n_operands != 1) st = cli_usage("scaling plot: one RESULTS.csv expected");
    if (st == LK_OK && lk_launcher_rank() != 0) return 0; /* started N times, one works */
    if (st == LK_OK) st = lk_scaling_plot(line.operands[0], folder, title, &text);
    return cli_end(NULL, st, text);
}

/* "3,4,8" or "0.1,10". */
static lk_status parse_numbers(const char *option, const char *text, double numbers[MAX_NUMBERS], int *n)
{
    for (const char *at = text; at && *n < MAX_NUMBERS; at++) {
        char  *end = NULL;
        double value = strtod(at, &end);
        if (end == at || !(value > 0) || (*end && *end != ',')) break;
        numbers[(*n)++] = value;
        if (!*end) return LK_OK;
        at = end;
    }
    return text ? cli_usage("%s: '%s' is no list of at most %d numbers above 0", option, text, MAX_NUMBERS)
                : LK_OK;
}

static int cmd_project(int argc, char **argv)
{
    const char        *hosts = NULL, *bytes = NULL, *gbit = NULL, *latency = NULL;
    int64_t            sizes[MAX_SIZES];
    double             host_numbers[MAX_NUMBERS], rates[MAX_NUMBERS];
    int                counts[MAX_NUMBERS];
    lk_project_options options = {.sizes = sizes, .hosts = counts, .gbit = rates};
    const cli_option   table[] = {{"hosts", &hosts, NULL},
                                  {"bytes", &bytes, NULL},
                                  {"gbit", &gbit, NULL},
                                  {"latency", &latency, NULL},
                                  {"compute", &options.compute, NULL},
                                  {"output", &options.picture, NULL},
                                  {"title", &options.title, NULL},
                                  {0}};
    cli_line           line;
    char              *text = NULL;
    lk_status          st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("scaling");
    if (st == LK_OK && (line.n_operands != 1 || !hosts))
        st = cli_usage("scaling project: one SAMPLES.csv and --hosts expected");
    if (st == LK_OK) st = parse_numbers("--hosts", hosts, host_numbers, &options.n_hosts);
    if (st == LK_OK && bytes) st = parse_sizes("project", bytes, sizes, &options.n_sizes);
    if (st == LK_OK) st = parse_numbers("--gbit", gbit, rates, &options.n_gbit);
    if (st == LK_OK) st = parse_milliseconds("--latency", latency, &options.latency_s);
    for (int i = 0; i < options.n_hosts; i++)
        counts[i] = host_numbers[i] < 1e6 ? (int)host_numbers[i] : 1000000;
    if (st == LK_OK && lk_launcher_rank() != 0) return 0; /* started N times, one works */
    options.fit = line.operands[0];
    if (st == LK_OK) st = lk_scaling_project(&options, &text);
    return cli_end(NULL, st, text);
}

int cmd_scaling(int argc, char **argv)
{
    static const struct {
        const char *name;
        cli_verb   *run;
    } verbs[] = {
        {"exchange", cmd_exchange}, {"steps", cmd_steps}, {"plot", cmd_plot}, {"project", cmd_project}};
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(argv[1], verbs[i].name)) return verbs[i].run(argc - 1, argv + 1);
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) return cli_help("scaling");
    return cli_fail(NULL, cli_usage("scaling: say scaling exchange, steps, plot or project"));
}
