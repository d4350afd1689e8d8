/* The batch script that `lockstep config init --slurm` prints: slurm.sh with its names filled in. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config/config_internal.h"
#include "core/str.h"
#include "lockstep/config.h"
#include "slurm_template.h" /* made of slurm.sh by the build: static const char slurm_template[] */
#include "train/options.h"

enum { NODES = 2, DEFAULT_LANES = 8, MOST_RANKS_A_NODE = 128, NAME_BYTES = 64 };

/* As one word of the shell. */
static void quote(const char *text, lk_str *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%";
    if (*text && text[strspn(text, plain)] == '\0') {
        lk_str_append(out, text);
        return;
    }
    lk_str_append(out, "'");
    for (; *text; text++) {
        if (*text == '\'')
            lk_str_append(out, "'\\''");
        else
            lk_str_append_bytes(out, text, 1);
    }
    lk_str_append(out, "'");
}

/* "a/run.yaml" is the run "run": what `train` calls it without --run. */
static void run_name(const char *config, char name[NAME_BYTES])
{
    const char *base = strrchr(config, '/');
    base = base ? base + 1 : config;
    const char *dot = strrchr(base, '.');
    snprintf(name, NAME_BYTES, "%.*s", dot && dot != base ? (int)(dot - base) : (int)strlen(base), base);
}

typedef struct blanks {
    const char *config, *program;
    char        name[NAME_BYTES];
    int         lanes;
    bool        lanes_known;
} blanks;

/* Writes what stands for @KEY@. */
static void fill(const blanks *b, const char *key, size_t length, lk_str *out)
{
    char text[NAME_BYTES + 8];
    if (!strncmp(key, "CONFIG_TEXT", length) && length == strlen("CONFIG_TEXT")) {
        for (const char *c = b->config; *c; c++) /* it stands in a comment: no line may end there */
            lk_str_append_bytes(out, iscntrl((unsigned char)*c) ? "?" : c, 1);
    } else if (!strncmp(key, "CONFIG", length)) {
        quote(b->config, out);
    } else if (!strncmp(key, "RUN", length)) {
        snprintf(text, sizeof text, "runs/%s", b->name);
        quote(text, out);
    } else if (!strncmp(key, "LOCKSTEP", length)) {
        quote(b->program, out);
    } else if (!strncmp(key, "JOB", length)) { /* part of a file name */
        for (const char *c = b->name; *c; c++)
            lk_str_append_bytes(out, isalnum((unsigned char)*c) || strchr("_-.", *c) ? c : "_", 1);
    } else if (!strncmp(key, "LANES", length)) {
        lk_str_printf(out, "%s %d lanes",
                      b->lanes_known ? "This configuration has" : "By default a configuration has", b->lanes);
    } else if (!strncmp(key, "NODES", length)) {
        lk_str_printf(out, "%d", NODES);
    } else if (!strncmp(key, "RANKS", length)) {
        int ranks = b->lanes / NODES < MOST_RANKS_A_NODE ? b->lanes / NODES : MOST_RANKS_A_NODE;
        lk_str_printf(out, "%d", ranks > 0 ? ranks : 1);
    }
}

lk_status lk_config_slurm(const lk_config *config, const char *path, const char *program, char **script)
{
    lk_status st = LK_OK;
    lk_str    out;
    blanks    b = {.config = path, .program = program, .lanes_known = config != NULL};
    *script = NULL;
    lk_str_init(&out);
    run_name(path, b.name);
    b.lanes = config ? (int)lk_config_options(config)->lanes : DEFAULT_LANES;
    for (const char *at = slurm_template; *at;) {
        size_t plain = strcspn(at, "@"),
               key = strspn(at + plain + (at[plain] != '\0'), "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        lk_str_append_bytes(&out, at, plain);
        at += plain;
        if (*at && key > 0 && at[1 + key] == '@') {
            fill(&b, at + 1, key, &out);
            at += key + 2;
        } else if (*at) {
            lk_str_append_bytes(&out, at++, 1);
        }
    }
    LK_TRY(lk_config_hand_over(&out, script));
done:
    lk_str_clear(&out);
    return st;
}
