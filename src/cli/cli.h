/** What the verbs share: options, sessions, configurations and how a failure ends the program. */
#ifndef LK_CLI_H
#define LK_CLI_H

#include "lockstep/config.h"
#include "lockstep/session.h"
#include "lockstep/status.h"
#include "lockstep/train.h"

typedef int cli_verb(int argc, char **argv); /* argv[0] is the verb; returns the exit code */

cli_verb cmd_train, cmd_eval, cmd_predict, cmd_inspect, cmd_data, cmd_config, cmd_bench, cmd_doctor,
    cmd_scaling, cmd_help;

/* ---- options ---- */

enum { CLI_MAX_OPERANDS = 64, CLI_MAX_SETS = 64 };

/** One option a verb takes: --name VALUE, --name=VALUE, or a bare flag. */
typedef struct cli_option {
    const char  *name;
    const char **value; /* NULL: a flag */
    int         *flag;
} cli_option;

/** What stands on a command line beside options. --set may be given many times anywhere. */
typedef struct cli_line {
    const char *operands[CLI_MAX_OPERANDS];
    int         n_operands;
    const char *sets[CLI_MAX_SETS];
    int         n_sets;
    const char *hang_timeout; /* where a verb takes it, for want of a configuration */
    int         help;
} cli_line;

/** Options and operands in any order, `--` ends options. Errors name the option and the nearest known one. */
lk_status cli_parse(int argc, char **argv, const cli_option *options, cli_line *line);

/** Of `candidate` and `best` (or NULL) the one that `word` was probably meant to be; NULL if neither is near.
 */
const char *cli_nearer(const char *word, const char *candidate, const char *best);

/** "90", "90s", "5min", "2.5h" to seconds. */
lk_status cli_duration(const char *option, const char *text, double *seconds);

/** "100MB", "256KB", "4096" to bytes; K, M and G are powers of 1000, KiB, MiB and GiB of 1024. */
lk_status cli_bytes(const char *option, const char *text, double *bytes);

/* ---- failure and help ---- */

/** Says why on stderr (root only, once) and returns the exit code. `session` may be NULL. */
int cli_fail(const lk_session *session, lk_status status);

/** The help text of a verb on stdout; returns 0. */
int cli_help(const char *verb);

/** Reports a failure of the command line itself. */
lk_status cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- sessions and configurations ---- */

/** Starts the ranks and sends log lines to stderr. */
lk_status cli_session_start(lk_session **session);

/** Root loads file or text with overrides, renders; every rank parses the same rendered text. Collective. */
lk_status cli_config_share(lk_session *session, const char *path, const char *text, const char *label,
                           const cli_line *line, lk_config **config, char **rendered);

/** What a verb measures or finds out with all ranks. `options`: of the configuration, NULL without one. *text: the root's
 * answer, freed with free(). Collective. */
typedef lk_status cli_report(lk_session *session, const lk_run_options *options, const void *context,
                             char **text);

/** Ranks, `config` (a path, or NULL) shared among them, the report on the root's stdout. What belongs to a configuration is
 * refused without one: --set; and the reverse: --hang-timeout. Returns the exit code. */
int cli_report_run(const char *config, const cli_line *line, cli_report *report, const void *context);

/** Ends a verb: `text`, which may be NULL, on stdout and freed, or why it failed on stderr. The session is ended; NULL for a
 * verb without: started N times, one speaks. Returns the exit code. */
int cli_end(lk_session **session, lk_status status, char *text);

/** A whole file as text; freed with free(). */
lk_status cli_read_file(const char *path, char **text);

#endif
