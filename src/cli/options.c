#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

static char usage_message[4096];
static int  usage_failed;

lk_status cli_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(usage_message, sizeof usage_message, format, args);
    va_end(args);
    usage_failed = 1;
    return LK_E_USAGE;
}

/* "run.yaml:14:5: ..." stands alone, so that editors find the place. */
static int has_place(const char *text)
{
    int         line, column, used = 0;
    const char *colon = strchr(text, ':');
    return colon && !memchr(text, ' ', (size_t)(colon - text)) &&
           sscanf(colon, ":%d:%d: %n", &line, &column, &used) == 2 && used > 0;
}

int cli_fail(const lk_session *session, lk_status status)
{
    const char *text = usage_failed ? usage_message : lk_error_message();
    int         root = session ? lk_session_is_root(session) : lk_launcher_rank() == 0;
    if (!session && !root && status == LK_E_NOMEM)
        fprintf(stderr, "lockstep: %s: rank %d: %s\n", lk_status_text(status), lk_launcher_rank(), text);
    /* Where there is no session yet there is no agreement on who speaks: whoever sees why. */
    if (!session && status == LK_E_MPI) root = 1;
    if (root && has_place(text))
        fprintf(stderr, "%s\n", text);
    else if (root && status == LK_STOPPED)
        fprintf(stderr, "lockstep: %s\n", text);
    else if (root)
        fprintf(stderr, "lockstep: %s: %s\n", lk_status_text(status), *text ? text : "no reason was given");
    return lk_status_exit_code(status);
}

/* Letters to change, put in or leave out, neighbours exchanged included (optimal string alignment). */
static int distance(const char *a, const char *b)
{
    enum { MOST = 24 };
    int    d[MOST + 1][MOST + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > MOST || m > MOST) return MOST;
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            if (!i || !j) {
                d[i][j] = (int)(i + j);
                continue;
            }
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && d[i - 2][j - 2] + 1 < best) best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

const char *cli_nearer(const char *word, const char *candidate, const char *best)
{
    int now = distance(word, candidate);
    if (now > 2 || now >= (int)strlen(candidate)) return best;
    return !best || now < distance(word, best) ? candidate : best;
}

static lk_status take_option(int argc, char **argv, int *i, const cli_option *options, cli_line *line)
{
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    size_t      length = equals ? (size_t)(equals - word) : strlen(word);
    const char *set = NULL;
    cli_option  set_option = {"set", &set, NULL};
    for (const cli_option *option = options;; option++) {
        if (!option->name) option = &set_option;
        if (strlen(option->name) == length && !strncmp(option->name, word, length)) {
            if (!option->value) {
                if (equals) return cli_usage("--%s takes no value", option->name);
                *option->flag = 1;
                return LK_OK;
            }
            if (!equals && *i + 1 >= argc) return cli_usage("--%s needs a value", option->name);
            *option->value = equals ? equals + 1 : argv[++*i];
            if (option != &set_option) return LK_OK;
            if (line->n_sets == CLI_MAX_SETS) return cli_usage("more than %d --set", CLI_MAX_SETS);
            line->sets[line->n_sets++] = set;
            return LK_OK;
        }
        if (option == &set_option) break;
    }
    char typed[32];
    snprintf(typed, sizeof typed, "%.*s", (int)length, word);
    const char *guess = cli_nearer(typed, "set", NULL);
    for (; options->name; options++) guess = cli_nearer(typed, options->name, guess);
    return cli_usage("%s: unknown option --%.*s%s%s%s", argv[0], (int)length, word,
                     guess ? " (did you mean --" : "", guess ? guess : "", guess ? "?)" : "");
}

static int has_option(const cli_option *options, const char *name)
{
    while (options->name && strcmp(options->name, name) != 0) options++;
    return options->name != NULL;
}

lk_status cli_parse(int argc, char **argv, const cli_option *options, cli_line *line)
{
    int only_operands = 0;
    *line = (cli_line){0};
    for (int i = 1; i < argc; i++) {
        lk_status st = LK_OK;
        if (!only_operands && !strcmp(argv[i], "--")) {
            only_operands = 1;
        } else if (!only_operands && (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help"))) {
            line->help = 1;
        } else if (!only_operands && !strcmp(argv[i], "-o") && has_option(options, "output")) {
            static char output[] = "--output";
            argv[i--] = output; /* read again in its long form */
        } else if (!only_operands && !strncmp(argv[i], "--", 2)) {
            st = take_option(argc, argv, &i, options, line);
        } else if (!only_operands && argv[i][0] == '-' && argv[i][1]) {
            st = cli_usage("%s: unknown option %s", argv[0], argv[i]);
        } else if (line->n_operands == CLI_MAX_OPERANDS) {
            st = cli_usage("%s: more than %d operands", argv[0], CLI_MAX_OPERANDS);
        } else {
            line->operands[line->n_operands++] = argv[i];
        }
        if (st != LK_OK) return st;
    }
    return LK_OK;
}

lk_status cli_duration(const char *option, const char *text, double *seconds)
{
    static const struct {
        const char *unit;
        double      factor;
    } units[] = {{"", 1}, {"s", 1}, {"min", 60}, {"m", 60}, {"h", 3600}};
    char  *end = NULL;
    double value = strtod(text, &end);
    for (size_t i = 0; end != text && value > 0 && i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) != 0) continue;
        *seconds = value * units[i].factor;
        return LK_OK;
    }
    return cli_usage("%s: '%s' is no duration; write 90s, 5min or 2.5h", option, text);
}

lk_status cli_bytes(const char *option, const char *text, double *bytes)
{
    static const struct {
        const char *unit;
        double      factor;
    } units[] = {{"", 1},    {"B", 1},   {"KB", 1e3},      {"MB", 1e6},      {"GB", 1e9},
                 {"K", 1e3}, {"M", 1e6}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
    char  *end = NULL;
    double value = strtod(text, &end);
    for (size_t i = 0; end != text && value > 0 && i < sizeof units / sizeof *units; i++) {
        if (strcasecmp(end, units[i].unit) != 0) continue;
        *bytes = value * units[i].factor;
        return LK_OK;
    }
    return cli_usage("%s: '%s' is no size; write 100MB, 256KiB or bytes", option, text);
}

lk_status cli_read_file(const char *path, char **text)
{
    size_t size = 0, capacity = 1 << 16;
    FILE  *file = fopen(path, "re");
    *text = NULL;
    if (!file) return cli_usage("cannot read %s: %s", path, strerror(errno));
    char *bytes = malloc(capacity + 1);
    while (bytes) {
        size_t n = fread(bytes + size, 1, capacity - size, file);
        size += n;
        if (n == 0) break;
        if (size < capacity) continue;
        char *grown = realloc(bytes, 2 * capacity + 1);
        if (!grown) free(bytes);
        bytes = grown;
        capacity *= 2;
    }
    int failed = ferror(file);
    fclose(file);
    if (!bytes || failed) {
        free(bytes);
        return cli_usage("cannot read %s", path);
    }
    bytes[size] = '\0';
    *text = bytes;
    return LK_OK;
}
