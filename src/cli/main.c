/* lockstep VERB ...: finds the verb and hands the rest over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "lockstep/inspect.h"

static const struct {
    const char *name;
    cli_verb   *run;
} verbs[] = {
    {"train", cmd_train},     {"eval", cmd_eval},     {"predict", cmd_predict}, {"inspect", cmd_inspect},
    {"data", cmd_data},       {"config", cmd_config}, {"bench", cmd_bench},     {"doctor", cmd_doctor},
    {"scaling", cmd_scaling}, {"help", cmd_help},
};

/* What the same thing is called elsewhere. */
static const struct {
    const char *theirs, *ours;
} elsewhere[] = {
    {"fit", "train"},          {"resume", "train"},       {"test", "eval"},
    {"evaluate", "eval"},      {"validate", "eval"},      {"score", "eval"},
    {"infer", "predict"},      {"inference", "predict"},  {"show", "inspect"},
    {"summary", "inspect"},    {"info", "inspect"},       {"dump", "inspect"},
    {"import", "data import"}, {"check", "config check"}, {"render", "config render"},
    {"init", "config init"},   {"benchmark", "bench"},    {"version", "--version"},
};

static int unknown_verb(const char *word)
{
    const char *guess = NULL;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) guess = cli_nearer(word, verbs[i].name, guess);
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (!strcmp(word, elsewhere[i].theirs)) guess = elsewhere[i].ours;
    if (guess)
        return cli_fail(NULL, cli_usage("there is no verb '%s' (did you mean 'lockstep %s'?)", word, guess));
    return cli_fail(NULL, cli_usage("there is no verb '%s'; lockstep help lists them", word));
}

static int version(void)
{
    char     *text = NULL;
    lk_status st = lk_version_text(&text);
    return cli_end(NULL, st, text);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return cli_fail(
            NULL, cli_usage("a verb is missing, e.g. lockstep train run.yaml; lockstep help lists them"));
    }
    if (!strcmp(argv[1], "--version")) return version();
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) return cli_help(NULL);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(argv[1], verbs[i].name)) return verbs[i].run(argc - 1, argv + 1);
    return unknown_verb(argv[1]);
}
