/* lockstep config check|render|init|reference. Never starts MPI. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static lk_status with_config(const char *verb, const cli_line *line, char **text)
{
    lk_config *config = NULL;
    if (line->n_operands != 2) return cli_usage("config %s: one CONFIG expected", verb);
    lk_status st = lk_config_load(line->operands[1], line->sets, line->n_sets, &config);
    if (st == LK_OK && !strcmp(verb, "render"))
        st = lk_config_render(config, 1, 0, text);
    else if (st == LK_OK && lk_launcher_rank() == 0)
        printf(
            "%s: no mistake found in its text; lockstep doctor %s looks at its data and at the launch too\n",
            line->operands[1], line->operands[1]);
    lk_config_destroy(&config);
    return st;
}

/* Where this program stands: a batch job has another PATH than the shell that wrote its script. */
static void own_path(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    snprintf(path + (n > 0 ? n : 0), (size_t)(PATH_MAX - (n > 0 ? n : 0)), "%s", n > 0 ? "" : "lockstep");
}

static lk_status init_slurm(const cli_line *line, char **text)
{
    char        program[PATH_MAX];
    const char *path = line->n_operands == 2 ? line->operands[1] : "run.yaml";
    lk_config  *config = NULL;
    lk_status   st = LK_OK;
    if (line->n_operands > 2) return cli_usage("config init --slurm: at most one CONFIG expected");
    if (line->n_operands == 2) st = lk_config_load(path, line->sets, line->n_sets, &config);
    own_path(program);
    if (st == LK_OK) st = lk_config_slurm(config, path, program, text);
    lk_config_destroy(&config);
    return st;
}

static lk_status init(const cli_line *line, int slurm, char **text)
{
    if (slurm) return init_slurm(line, text);
    if (line->n_operands > 2) return cli_usage("config init: at most one DATA file expected");
    return lk_config_init(line->n_operands == 2 ? line->operands[1] : NULL, text);
}

int cmd_config(int argc, char **argv)
{
    int              slurm = 0;
    const cli_option table[] = {{"slurm", NULL, &slurm}, {0}};
    cli_line         line;
    char            *text = NULL;
    lk_status        st = cli_parse(argc, argv, table, &line);
    const char      *verb = line.n_operands ? line.operands[0] : "";
    if (st == LK_OK && line.help) return cli_help("config");
    if (st == LK_OK) {
        if (!strcmp(verb, "check") || !strcmp(verb, "render")) {
            st = with_config(verb, &line, &text);
        } else if (!strcmp(verb, "init")) {
            st = init(&line, slurm, &text);
        } else if (!strcmp(verb, "reference")) {
            st = line.n_operands > 1 ? lk_config_describe(line.operands[1], &text)
                                     : lk_config_reference(&text);
            if (st == LK_E_USAGE) st = cli_usage("config reference: %s", lk_error_message());
        } else {
            st = cli_usage("config%s%s%s: check, render, init or reference expected", *verb ? " '" : "", verb,
                           *verb ? "'" : "");
        }
    }
    return cli_end(NULL, st, text);
}
