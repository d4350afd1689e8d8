/* The option table as Markdown. */
#include <string.h>

#include "config/config_internal.h"
#include "config/suggest.h"
#include "config/value.h"
#include "lockstep/config.h"

static const char *number(lk_pool *pool, double value)
{
    return lk_value_number_text(pool, value);
}

static const char *range(lk_pool *pool, const lk_option *o)
{
    bool low = o->low > -1e29, high = o->high < 9e8;
    if (!low && !high) return "";
    return lk_pool_printf(pool, " %s%s..%s%s", o->flags & LK_OPTION_NOT_LOW ? "above " : "",
                          low ? number(pool, o->low) : "", o->flags & LK_OPTION_NOT_HIGH ? "below " : "",
                          high ? number(pool, o->high) : "");
}

static const char *type(lk_pool *pool, const lk_option *o)
{
    const char *kind = "";
    switch (o->kind) {
    case LK_OPTION_MAP:
        kind = "keys";
        break;
    case LK_OPTION_CHOICE:
        kind = lk_pool_printf(pool, "one %s", o->noun);
        break;
    case LK_OPTION_CHOICES:
        kind = lk_pool_printf(pool, "list of %ss", o->noun);
        break;
    case LK_OPTION_MAPS:
        kind = lk_pool_printf(pool, "one %s or a list", o->noun);
        break;
    case LK_OPTION_FIELDS:
        kind = lk_pool_printf(pool, "%ss by name", o->noun);
        break;
    case LK_OPTION_INT:
        kind = lk_pool_printf(pool, "int%s", range(pool, o));
        break;
    case LK_OPTION_FLOAT:
        kind = lk_pool_printf(pool, "float%s", range(pool, o));
        break;
    case LK_OPTION_BOOL:
        return "true or false";
    case LK_OPTION_WORD:
        return lk_suggest_list(pool, o->words);
    case LK_OPTION_TEXT:
        kind = "text";
        break;
    case LK_OPTION_TEXTS:
        kind = "text or list of texts";
        break;
    case LK_OPTION_WHEN:
        kind = o->units & LK_UNITS_EPOCHS  ? (o->units & LK_UNITS_SECONDS ? "span or time" : "span")
               : o->units & LK_UNITS_STEPS ? "steps"
                                           : "time";
        if (o->units & LK_UNITS_NEVER) kind = lk_pool_printf(pool, "%s or never", kind);
        break;
    case LK_OPTION_PAIR:
        kind = lk_pool_printf(pool, "n or [n, m]%s", range(pool, o));
        break;
    case LK_OPTION_INTS:
        kind = lk_pool_printf(pool, "list of ints%s", range(pool, o));
        break;
    case LK_OPTION_FLOATS:
        kind = lk_pool_printf(pool, "list of floats%s", range(pool, o));
        break;
    }
    return o->words ? lk_pool_printf(pool, "%s or %s", kind, lk_suggest_list(pool, o->words)) : kind;
}

static const char *fallback(lk_pool *pool, const lk_option *o)
{
    if (o->flags & LK_OPTION_REQUIRED) return "required";
    if (!o->fallback) return "";
    return lk_pool_printf(pool, "`%s`", o->fallback);
}

static const char *effect(const lk_option *o)
{
    if (o->kind == LK_OPTION_MAP) return "";
    return o->flags & LK_OPTION_FREE ? "free" : o->flags & LK_OPTION_LENGTH ? "length" : "result";
}

static bool is_alternative(const char *parent_path)
{
    const lk_option *parent = lk_option_find(parent_path);
    return parent && (parent->kind == LK_OPTION_CHOICE || parent->kind == LK_OPTION_CHOICES);
}

/* A row of the table: key, what it takes, default, whether it can change a bit, meaning. */
static void write_row(lk_pool *pool, const lk_option *o, const char *key, lk_str *out)
{
    lk_str_printf(out, "| `%s` | %s | %s | %s | %s |\n", key, type(pool, o), fallback(pool, o), effect(o),
                  o->help);
}

/* A path without its first part, and shared groups without their sign: "adam.learning_rate", "path". */
static const char *key_below(const lk_option *section, const lk_option *o)
{
    size_t n = strlen(section->path);
    return o->path[n] == '.' ? o->path + n + 1 : o->path;
}

static void write_rows_below(lk_pool *pool, const lk_option *section, lk_str *out)
{
    size_t n = strlen(section->path);
    for (int i = 0; i < lk_option_count(); i++) {
        const lk_option *o = lk_option_at(i);
        const char      *dot = strrchr(o->path, '.');
        if (strncmp(o->path, section->path, n) != 0 || o->path[n] != '.') continue;
        const char *parent = lk_pool_text(pool, o->path, (size_t)(dot - o->path));
        const char *key = key_below(section, o);
        const char *last = dot + 1;
        bool        common = !strncmp(section->path, "model", 5) &&
                      (!strcmp(last, "name") || (!strcmp(last, "from") && !(o->flags & LK_OPTION_REQUIRED)));
        if (common) continue;
        if (o->kind == LK_OPTION_MAP && is_alternative(parent))
            lk_str_printf(out, "| **`%s`** | | | | %s |\n", key, o->help ? o->help : "");
        else
            write_row(pool, o, key, out);
    }
}

static const char table_head[] = "\n\n| key | takes | default | effect | meaning |\n|---|---|---|---|---|\n";

static void write_section(lk_pool *pool, const lk_option *section, lk_str *out)
{
    lk_str_printf(out, "\n## `%s`\n\n%s", section->path, section->help);
    if (section->kind == LK_OPTION_CHOICE || section->kind == LK_OPTION_CHOICES)
        lk_str_printf(out, " Takes %s, written `name` or `{name: {options}}`%s%s.", type(pool, section),
                      section->flags & LK_OPTION_REQUIRED ? "; required" : "",
                      section->fallback ? lk_pool_printf(pool, "; default `%s`", section->fallback) : "");
    if (!strcmp(section->path, "model"))
        lk_str_append(
            out,
            " Every layer also takes `name` (in messages, in checkpoints and for `--set`; numbered by kind "
            "without it) and `from` (names of the layers or inputs it takes; without it the layer above).");
    lk_str_append(out, table_head);
    write_rows_below(pool, section, out);
}

static bool has_children(const lk_option *o)
{
    return o->kind == LK_OPTION_MAP || o->kind == LK_OPTION_CHOICE || o->kind == LK_OPTION_CHOICES;
}

static void write_shared(lk_pool *pool, const char *path, const char *title, const char *text, lk_str *out)
{
    lk_str_printf(out, "\n## %s\n\n%s%s", title, text, table_head);
    write_rows_below(pool, lk_option_find(path), out);
}

static void write_all(lk_pool *pool, lk_str *out)
{
    const lk_option *top = lk_option_find("");
    lk_str_append(
        out,
        "# Configuration reference\n\n"
        "Generated from the option table by `lockstep config reference`. A configuration is one YAML file. "
        "Numbers are written `256`, `0.5` or `1e-3`, never in quotes. A span is `epoch`, `3 epochs`, "
        "`500 steps` or `60000 samples`; a time is `30s`, `10min` or `2.5h`. *Effect*: keys marked `result` "
        "can "
        "change the outcome of a run, so a run directory holds on to them; keys marked `free` cannot. The "
        "first "
        "bold-faced name of a group may be followed by its options; one that has a single main option takes "
        "its value directly: `dropout: 0.3`.\n\n## Top level");
    lk_str_append(out, table_head);
    for (const lk_option *row = NULL; (row = lk_option_next(top, row));) write_row(pool, row, row->path, out);
    for (const lk_option *row = NULL; (row = lk_option_next(top, row));)
        if (has_children(row)) write_section(pool, row, out);
    write_shared(pool, "@split", "A split",
                 "What `data.train`, `data.validation` and `data.test` take; a bare text is `files`. "
                 "`data.train` takes no fraction.",
                 out);
    write_shared(pool, "@field", "An input or a target",
                 "What stands below a name in `data.inputs` and `data.targets`.", out);
    write_shared(pool, "@normalise", "Given normalisation", "What `normalise` takes instead of a word.", out);
    write_shared(pool, "@init", "An initialiser", "What `init` and `bias_init` take.", out);
}

/* ---- one key ---- */

/* What a run that goes on may have otherwise. */
static const char *latitude(const lk_option *o)
{
    if (o->kind == LK_OPTION_MAP) return "";
    return o->flags & LK_OPTION_FREE     ? "; may be changed when a run goes on"
           : o->flags & LK_OPTION_LENGTH ? "; more of it goes on with a run"
                                         : "";
}

static void write_line(lk_pool *pool, const lk_option *o, const char *key, lk_str *out)
{
    const char *given = o->flags & LK_OPTION_REQUIRED ? "required"
                        : o->fallback                 ? lk_pool_printf(pool, "default %s", o->fallback)
                                                      : "";
    bool        alternative = o->kind == LK_OPTION_MAP && !o->fallback && !(o->flags & LK_OPTION_REQUIRED);
    lk_str_printf(out, "  %-18s %s", key, o->help ? o->help : "");
    if (!alternative)
        lk_str_printf(out, "\n  %-18s   %s%s%s", "", type(pool, o), given[0] ? "; " : "", given);
    if (effect(o)[0]) lk_str_printf(out, "; %s", effect(o));
    lk_str_append(out, "\n");
}

static void write_key(lk_pool *pool, const lk_option *o, const char *path, lk_str *out)
{
    lk_str_printf(out, "%s: %s\n", path, o->help ? o->help : "");
    lk_str_printf(out, "  takes %s%s", type(pool, o), o->flags & LK_OPTION_REQUIRED ? "; required" : "");
    if (o->fallback) lk_str_printf(out, "; default %s", o->fallback);
    lk_str_printf(out, "%s\n", latitude(o));
    if (lk_option_next(o, NULL)) lk_str_append(out, "\n");
    for (const lk_option *row = NULL; (row = lk_option_next(o, row));)
        write_line(pool, row, lk_option_name(row), out);
}

/* The row that a path leads to, through shared groups too: "model.dense.init.constant". */
static const lk_option *follow(lk_pool *pool, const char *path, lk_str *wrong)
{
    const lk_option *at = lk_option_find("");
    while (*path) {
        size_t           n = strcspn(path, ".");
        const char      *name = lk_pool_text(pool, path, n);
        const lk_option *child = lk_option_child(at, name);
        if (!child) {
            lk_str_printf(wrong, "there is no key '%s'%s%s%s", name, at->path[0] ? " in " : "", at->path,
                          lk_suggest_key(pool, at, name).text);
            return NULL;
        }
        at = child;
        path += n + (path[n] == '.');
    }
    return at;
}

lk_status lk_config_describe(const char *path, char **text)
{
    lk_pool   pool = {0};
    lk_str    out, wrong;
    lk_status st = LK_OK;
    *text = NULL;
    lk_str_init(&out);
    lk_str_init(&wrong);
    const lk_option *option = follow(&pool, path, &wrong);
    if (option) write_key(&pool, option, path, &out);
    if (pool.failed) out.failed = true;
    st = option ? lk_config_hand_over(&out, text) : lk_fail(LK_E_USAGE, "%s", lk_str_text(&wrong));
    lk_str_clear(&out);
    lk_str_clear(&wrong);
    lk_pool_clear(&pool);
    return st;
}

lk_status lk_config_reference(char **markdown)
{
    lk_pool   pool = {0};
    lk_str    out;
    lk_status st = LK_OK;
    lk_str_init(&out);
    *markdown = NULL;
    write_all(&pool, &out);
    if (pool.failed) out.failed = true;
    st = lk_config_hand_over(&out, markdown);
    lk_str_clear(&out);
    lk_pool_clear(&pool);
    return st;
}
