/* lockstep train CONFIG: one command for start, resume and requeue. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static volatile sig_atomic_t stop_asked, session_started;

/*
 * One flag, nothing else: it rides on the next reduction, so that all ranks stop at the same step. A second
 * signal is the system's again, so that nobody has to wait for a run that does not answer.
 *
 * While MPI starts there is no step and nothing to save, and a rank that was ended before it came here would be waited for in
 * vain: who ends the ranks one by one (SIGTERM, Ctrl-C) ends this one at once. SIGUSR1 asks, as ever.
 */
static void ask_to_stop(int number)
{
    if (!session_started && (number == SIGTERM || number == SIGINT)) _exit(lk_status_exit_code(LK_STOPPED));
    stop_asked = 1;
    if (number != SIGUSR1) signal(number, SIG_DFL);
}

static void install_handlers(void)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT};
    struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaction(numbers[i], &action, NULL);
}

static void print_result(void *context, const char *line)
{
    (void)context;
    if (isatty(1) && isatty(2)) fputs("\r\033[K", stdout); /* over the live line */
    puts(line);
    fflush(stdout);
}

typedef struct train_options {
    const char *directory, *from, *at, *resume, *time_limit;
    int         fresh;
    double      max_time; /* seconds, 0: none */
    double      job_end;  /* root: Unix time, 0: none */
} train_options;

/* runs/<name of the config file> */
static void default_directory(const char *config, char path[PATH_MAX])
{
    const char *base = strrchr(config, '/');
    base = base ? base + 1 : config;
    const char *dot = strrchr(base, '.');
    snprintf(path, PATH_MAX, "runs/%.*s", dot && dot != base ? (int)(dot - base) : (int)strlen(base), base);
}

/* The next free runs/cnn-2, runs/cnn-3 ... */
static void free_directory(char path[PATH_MAX])
{
    struct stat info;
    size_t      length = strlen(path);
    if (length + 8 > PATH_MAX) return; /* the run will say that the path is too long */
    for (int i = 2; i < 100000 && stat(path, &info) == 0; i++)
        snprintf(path + length, PATH_MAX - length, "-%d", i);
}

/* What the root found out, told to every rank. */
typedef struct decision {
    int finished; /* nothing to do */
} decision;

/* What this start does differently from the last one, a line a key. */
static void print_changes(const char *difference)
{
    for (size_t n; difference && *difference; difference += n + (difference[n] == '\n')) {
        n = strcspn(difference, "\n");
        fprintf(stderr, "changed     %.*s\n", (int)n, difference);
    }
}

/* Compares with what the directory holds: the same run goes on, another one is refused with its difference.
 */
static lk_status compare(const lk_rundir *rundir, const lk_config *now, int *other_length)
{
    lk_config *before = NULL;
    char      *difference = NULL;
    int        same = 0;
    lk_status  st = lk_config_parse(lk_rundir_config(rundir), "config.yaml", NULL, NULL, 0, &before);
    if (st == LK_OK) st = lk_config_compare(before, now, &same, other_length, &difference);
    if (st == LK_OK && !same)
        st = cli_usage("%s holds a run of another configuration:\n%s\nWays on: --new (the next free "
                       "directory), --from %s (a new "
                       "run that starts from these parameters), or --run DIR",
                       lk_rundir_path(rundir), difference, lk_rundir_path(rundir));
    else if (st == LK_OK && (*other_length || lk_rundir_get_state(rundir) != LK_RUNDIR_FINISHED))
        print_changes(difference);
    free(difference);
    lk_config_destroy(&before);
    return st;
}

static lk_status decide(const train_options *options, const char *config_path, const lk_config *config,
                        lk_rundir **rundir, decision *what)
{
    char path[PATH_MAX];
    int  other_length = 0;
    if (options->directory)
        snprintf(path, sizeof path, "%s", options->directory);
    else
        default_directory(config_path, path);
    if (options->fresh || (options->from && !options->directory)) free_directory(path);
    lk_status st = lk_rundir_open(path, rundir);
    if (st != LK_OK) return st;
    lk_rundir_state state = lk_rundir_get_state(*rundir);
    int             must = options->resume && !strcmp(options->resume, "must");
    int             never = options->resume && !strcmp(options->resume, "never");
    if (state == LK_RUNDIR_NEW) return must ? cli_usage("--resume=must: %s holds no run", path) : LK_OK;
    if (never) return cli_usage("--resume=never: %s holds a run; --new takes the next free directory", path);
    if (options->from)
        return cli_usage("--from starts a new run, but %s holds one; choose another --run", path);
    st = compare(*rundir, config, &other_length);
    what->finished = st == LK_OK && state == LK_RUNDIR_FINISHED && !other_length;
    if (what->finished) printf("%s: %s; nothing to do\n", path, lk_rundir_summary(*rundir));
    return st;
}

static lk_status check_options(train_options *options, const cli_line *line)
{
    static const char *const modes[] = {"auto", "never", "must"};
    int                      known = !options->resume;
    if (line->n_operands != 1)
        return cli_usage("train: one CONFIG expected, %d given; see lockstep help train", line->n_operands);
    for (size_t i = 0; !known && i < sizeof modes / sizeof *modes; i++)
        known = !strcmp(options->resume, modes[i]);
    if (!known) return cli_usage("--resume=%s: expected auto, never or must", options->resume);
    return options->time_limit ? cli_duration("--max-time", options->time_limit, &options->max_time) : LK_OK;
}

static lk_status train_all(lk_session *session, const train_options *options, const cli_line *line)
{
    lk_config *config = NULL;
    lk_rundir *rundir = NULL;
    char      *rendered = NULL, *from = NULL;
    decision   what = {0};
    lk_status  st =
        cli_config_share(session, line->operands[0], NULL, line->operands[0], line, &config, &rendered);
    if (st == LK_OK) {
        if (lk_session_is_root(session)) {
            if (options->from) st = lk_checkpoint_resolve(options->from, options->at, &from);
            if (st == LK_OK) st = decide(options, line->operands[0], config, &rundir, &what);
        }
        st = lk_session_agree(session, st);
    }
    if (st == LK_OK) st = lk_session_share(session, &what, sizeof what);
    if (st == LK_OK && !what.finished) {
        lk_train_request request = {.rundir = rundir,
                                    .config_text = rendered,
                                    .from = from,
                                    .max_time = options->max_time,
                                    .job_end = options->job_end,
                                    .live = isatty(2),
                                    .stop = &stop_asked,
                                    .result = print_result};
        if (rundir) fprintf(stderr, "run         %s\n", lk_rundir_path(rundir));
        st = lk_train(session, lk_config_options(config), &request);
    }
    lk_rundir_close(&rundir);
    lk_config_destroy(&config);
    free(rendered);
    free(from);
    return st;
}

int cmd_train(int argc, char **argv)
{
    train_options    options = {0};
    const cli_option table[] = {{"run", &options.directory, NULL},
                                {"from", &options.from, NULL},
                                {"at", &options.at, NULL},
                                {"resume", &options.resume, NULL},
                                {"max-time", &options.time_limit, NULL},
                                {"new", NULL, &options.fresh},
                                {0}};
    cli_line         line;
    lk_session      *session = NULL;
    lk_status        st = cli_parse(argc, argv, table, &line);
    if (st == LK_OK && line.help) return cli_help("train");
    if (st == LK_OK) st = check_options(&options, &line);
    if (st != LK_OK) return cli_fail(NULL, st);
    /* Starting MPI on many nodes takes its time: SIGUSR1 meanwhile asks for a stop at the first step. */
    install_handlers();
    if (lk_launcher_rank() == 0) options.job_end = lk_batch_job_end();
    st = cli_session_start(&session);
    session_started = 1;
    if (st == LK_OK) st = train_all(session, &options, &line);
    return cli_end(&session, st, NULL);
}
