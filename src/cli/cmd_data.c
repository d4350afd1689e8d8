/* lockstep data import|info|stats|verify */
#include "cli.h"
#include "lockstep/data.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TARGETS = 16 };

/* --NAME A B: takes the three words out of argv. */
static lk_status take_pair(int *argc, char **argv, const char *name, const char *pair[2])
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], name) != 0) continue;
        if (i + 2 >= *argc || argv[i + 1][0] == '-' || argv[i + 2][0] == '-')
            return cli_usage("%s needs two files: IMAGES LABELS", name);
        pair[0] = argv[i + 1];
        pair[1] = argv[i + 2];
        for (int k = i; k + 3 < *argc; k++) argv[k] = argv[k + 3];
        *argc -= 3;
        return LK_OK;
    }
    return LK_OK;
}

static lk_status take_share(const char *option, const char *text, double *share)
{
    char *end = NULL;
    if (!text) return LK_OK;
    *share = strtod(text, &end);
    if (end == text || *end || !(*share >= 0 && *share < 1))
        return cli_usage("--%s %s: expected a share of the rows between 0 and 1", option, text);
    return LK_OK;
}

static lk_status take_seed(const char *text, uint64_t *seed)
{
    char *end = NULL;
    if (!text) return LK_OK;
    *seed = strtoull(text, &end, 10);
    if (end == text || *end) return cli_usage("--seed %s: expected a whole number", text);
    return LK_OK;
}

/* "price,quality" to two names, in place. */
static int cut_names(char *text, const char **names)
{
    int n = 0;
    for (char *at = strtok(text, ","); at && n < MAX_TARGETS; at = strtok(NULL, ",")) names[n++] = at;
    return n;
}

static lk_status import_csv(const cli_line *line, const char *target, const lk_import_split *split,
                            const char *out, char **text)
{
    const char *names[MAX_TARGETS];
    lk_status   st = LK_OK;
    if (line->n_operands != 3) return cli_usage("data import csv: one FILE expected");
    if (!target) return cli_usage("data import csv: --target COLUMN[,COLUMN] is missing");
    char *copy = strdup(target);
    if (!copy) return cli_usage("out of memory");
    int n = cut_names(copy, names);
    st = n ? lk_data_import_csv(line->operands[2], names, n, split, out, text)
           : cli_usage("--target names no column");
    free(copy);
    return st;
}

static lk_status import(int argc, char **argv, char **text)
{
    const char      *train[2] = {0}, *test_files[2] = {0}, *out = NULL, *target = NULL, *x = NULL, *y = NULL;
    const char      *validation = NULL, *test = NULL, *seed = NULL;
    lk_import_split  split = {.seed = 1};
    const cli_option table[] = {
        {"o", &out, NULL},     {"output", &out, NULL}, {"target", &target, NULL},
        {"x", &x, NULL},       {"y", &y, NULL},        {"validation", &validation, NULL},
        {"test", &test, NULL}, {"seed", &seed, NULL},  {0}};
    cli_line  line;
    lk_status st = LK_OK;
    bool      idx = argc > 2 && !strcmp(argv[2], "idx");
    if (idx) st = take_pair(&argc, argv, "--train", train);
    for (int i = 1; st == LK_OK && idx && i + 2 < argc; i++) /* --test is a pair of files here, or a share */
        if (!strcmp(argv[i], "--test") && strchr("0123456789.", argv[i + 1][0]) == NULL)
            st = take_pair(&argc, argv, "--test", test_files);
    if (st == LK_OK) st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK) st = take_share("validation", validation, &split.validation);
    if (st == LK_OK) st = take_share("test", test, &split.test);
    if (st == LK_OK) st = take_seed(seed, &split.seed);
    if (st != LK_OK) return st;
    if (split.validation + split.test >= 1)
        return cli_usage("--validation and --test leave nothing to train on");
    const char *kind = line.n_operands > 1 ? line.operands[1] : "";
    if (!*kind) return cli_usage("data import: idx, csv or npy expected; see lockstep help data");
    if (!out) return cli_usage("data import: -o OUT.h5 is missing");
    if (!strcmp(kind, "csv")) return import_csv(&line, target, &split, out, text);
    if (!strcmp(kind, "npy")) {
        if (!x || !y) return cli_usage("data import npy: --x X.npy and --y Y.npy are needed");
        return lk_data_import_npy(x, y, &split, out, text);
    }
    if (strcmp(kind, "idx") != 0) return cli_usage("data import: idx, csv or npy expected, not '%s'", kind);
    if (!train[0]) return cli_usage("data import idx: --train IMAGES LABELS is missing");
    return lk_data_import_idx(train[0], train[1], test_files[0], test_files[1], &split, out, text);
}

/* data info|stats|verify FILE...: what can be said of each, then the first failure. */
static lk_status report(lk_session *session, const char *what, const cli_line *line, int json)
{
    lk_status st = LK_OK;
    for (int i = 1; st == LK_OK && i < line->n_operands; i++) {
        const char *file = line->operands[i];
        char       *text = NULL;
        if (!strcmp(what, "info"))
            st = lk_data_info(file, json, &text);
        else if (!strcmp(what, "stats"))
            st = lk_data_stats(session, file, json, &text);
        else
            st = lk_data_verify(session, file, json, &text);
        if (text && (!session || lk_session_is_root(session))) fputs(text, stdout);
        free(text);
    }
    return st;
}

/* Reading all of a file is shared by the ranks of a job; the rest is done by one of them, without MPI. */
static int reports(int argc, char **argv, bool shared)
{
    int              json = 0;
    const cli_option table[] = {{"json", NULL, &json}, {0}};
    cli_line         line;
    lk_session      *session = NULL;
    const char      *what = argv[1];
    lk_status        st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.n_operands < 2) st = cli_usage("data %s: a FILE is missing", what);
    if (st != LK_OK) return cli_fail(NULL, st);
    if (shared) st = cli_session_start(&session);
    if (st == LK_OK) st = report(session, what, &line, json);
    return cli_end(&session, st, NULL);
}

int cmd_data(int argc, char **argv)
{
    char       *text = NULL;
    lk_status   st = LK_OK;
    const char *what = argc > 1 ? argv[1] : "";
    bool        shared = !strcmp(what, "stats") || !strcmp(what, "verify");
    if (!shared && lk_launcher_rank() != 0) return 0; /* started N times, one works */
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return lk_launcher_rank() ? 0 : cli_help("data");
    if (shared || !strcmp(what, "info")) return reports(argc, argv, shared);
    if (!strcmp(what, "import"))
        st = import(argc, argv, &text);
    else
        st = cli_usage("data: import, info, stats or verify expected%s%s", *what ? ", not " : "", what);
    return cli_end(NULL, st, text);
}
