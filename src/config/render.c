#include "config/render.h"

#include <ctype.h>
#include <string.h>

enum { STEP = 2 };

typedef struct renderer {
    const char *base;
    bool        origins;
    lk_str     *out;
} renderer;

/* ---- scalars ---- */

/* Texts that any YAML reader takes as they are, in flow lists too. */
static bool is_plain(const char *text)
{
    size_t n = strlen(text);
    if (!n || !(isalnum((unsigned char)text[0]) || text[0] == '/' || text[0] == '.' || text[0] == '_'))
        return false;
    for (size_t i = 0; i < n; i++) {
        bool colon = text[i] == ':' && (text[i + 1] == '/' || isalnum((unsigned char)text[i + 1]));
        if (!isalnum((unsigned char)text[i]) && !strchr("_-./+", text[i]) && !colon) return false;
    }
    return strcmp(text, "null") != 0;
}

static void write_quoted(lk_str *out, const char *text)
{
    lk_str_append(out, "\"");
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            lk_str_printf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7F)
            lk_str_printf(out, "\\x%02X", byte);
        else
            lk_str_append_bytes(out, text, 1);
    }
    lk_str_append(out, "\"");
}

void lk_render_scalar(const lk_setting *setting, const char *base, lk_str *out)
{
    const char *text = setting->text;
    lk_str      path;
    if (setting->plain) {
        lk_str_append(out, text);
        return;
    }
    lk_str_init(&path);
    if (base && setting->option->flags & LK_OPTION_FILES && text[0] != '/')
        lk_str_printf(&path, "%s%s%s", base, base[strlen(base) - 1] == '/' ? "" : "/",
                      strncmp(text, "./", 2) ? text : text + 2);
    else
        lk_str_append(&path, text);
    if (is_plain(lk_str_text(&path)))
        lk_str_append(out, lk_str_text(&path));
    else
        write_quoted(out, lk_str_text(&path));
    if (path.failed) out->failed = true;
    lk_str_clear(&path);
}

/* ---- lines ---- */

static void write_indent(const renderer *r, int indent)
{
    for (int i = 0; i < indent; i++) lk_str_append(r->out, " ");
}

static void end_line(const renderer *r, const lk_setting *setting)
{
    static const char *const comments[] = {"default", "file", "--set"};
    if (r->origins) lk_str_printf(r->out, "  # %s", comments[setting->origin]);
    lk_str_append(r->out, "\n");
}

static void write_value(const renderer *r, const lk_setting *setting, int indent);

static void write_children(const renderer *r, const lk_setting *setting, int indent, bool first_stands)
{
    for (const lk_setting *child = setting->first; child; child = child->next) {
        if (!first_stands || child != setting->first) write_indent(r, indent);
        lk_str_printf(r->out, is_plain(child->name) ? "%s:" : "\"%s\":", child->name);
        write_value(r, child, indent);
    }
}

/* `name` or `name:` with its options below. */
static void write_alternative(const renderer *r, const lk_setting *alternative, int indent)
{
    lk_str_append(r->out, alternative->name);
    if (!alternative->n) {
        end_line(r, alternative);
        return;
    }
    lk_str_append(r->out, ":\n");
    write_children(r, alternative, indent + STEP, false);
}

static void write_scalars(const renderer *r, const lk_setting *setting)
{
    lk_str_append(r->out, " [");
    for (const lk_setting *item = setting->first; item; item = item->next) {
        if (item != setting->first) lk_str_append(r->out, ", ");
        lk_render_scalar(item, r->base, r->out);
    }
    lk_str_append(r->out, "]");
    end_line(r, setting);
}

static void write_items(const renderer *r, const lk_setting *setting, int indent)
{
    lk_str_append(r->out, "\n");
    for (const lk_setting *item = setting->first; item; item = item->next) {
        write_indent(r, indent + STEP);
        lk_str_append(r->out, "- ");
        if (setting->option->kind == LK_OPTION_CHOICES)
            write_alternative(r, item, indent + 2 * STEP);
        else
            write_children(r, item, indent + 2 * STEP, true);
    }
}

/* What stands behind "key:" to the end of the value. */
static void write_value(const renderer *r, const lk_setting *setting, int indent)
{
    bool of_maps = setting->option->kind == LK_OPTION_CHOICES || setting->option->kind == LK_OPTION_MAPS;
    if (setting->text) {
        lk_str_append(r->out, " ");
        lk_render_scalar(setting, r->base, r->out);
        end_line(r, setting);
    } else if (setting->option->kind == LK_OPTION_CHOICE && setting->first) {
        bool bare = !setting->first->n;
        lk_str_append(r->out, bare ? " " : "\n");
        if (!bare) write_indent(r, indent + STEP);
        write_alternative(r, setting->first, indent + STEP);
    } else if (setting->list && (!of_maps || !setting->n)) {
        write_scalars(r, setting);
    } else if (setting->list) {
        write_items(r, setting, indent);
    } else if (!setting->n) {
        lk_str_append(r->out, " {}");
        end_line(r, setting);
    } else {
        lk_str_append(r->out, "\n");
        write_children(r, setting, indent + STEP, false);
    }
}

void lk_render_settings(const lk_setting *root, const char *base, bool origins, lk_str *out)
{
    renderer r = {.base = base, .origins = origins, .out = out};
    write_children(&r, root, 0, false);
}
