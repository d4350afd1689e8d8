#include <string.h>

#include "config/config_internal.h"
#include "config/pool.h"
#include "config/render.h"

typedef struct entry entry;
struct entry {
    const char      *key, *value; /* "train.batch_size", "256" */
    const char      *names;       /* of files: the value without their folders; else the value */
    const lk_option *option;
    bool             met; /* found on the other side */
    entry           *next;
};

typedef struct entries {
    entry      *first, *last;
    const char *base;
    lk_pool    *pool;
} entries;

static void add_entry(entries *list, const char *key, const lk_setting *setting, const char *value,
                      const char *names)
{
    entry *e = LK_POOL_ARRAY(list->pool, entry, 1);
    if (!e) return;
    e->key = key;
    e->value = value;
    e->names = names;
    e->option = setting->option;
    if (list->last)
        list->last->next = e;
    else
        list->first = e;
    list->last = e;
}

static void add_word(entries *list, const char *key, const lk_setting *setting, const char *word)
{
    add_entry(list, key, setting, word, word);
}

static const char *scalar_text(const entries *list, const lk_setting *setting)
{
    lk_str out;
    lk_str_init(&out);
    lk_render_scalar(setting, list->base, &out);
    if (out.failed) list->pool->failed = true;
    const char *text = lk_pool_text(list->pool, lk_str_text(&out), out.size);
    lk_str_clear(&out);
    return text;
}

static const char *below(const entries *list, const char *key, const char *name)
{
    return key[0] ? lk_pool_printf(list->pool, "%s.%s", key, name) : name;
}

/* "shear/run_1/out_*.h5:/fields" -> "out_*.h5:/fields" */
static const char *name_text(const entries *list, const lk_setting *setting)
{
    if (!(setting->option->flags & LK_OPTION_FILES)) return scalar_text(list, setting);
    const char *colon = strstr(setting->text, ":/"), *name = setting->text;
    for (const char *at = setting->text; *at && at != colon; at++)
        if (*at == '/') name = at + 1;
    return name;
}

typedef const char *text_function(const entries *list, const lk_setting *setting);

static const char *join(const entries *list, const lk_setting *setting, text_function *text_of)
{
    const char *text = "[";
    for (const lk_setting *item = setting->first; item; item = item->next)
        text = lk_pool_printf(list->pool, "%s%s%s", text, item == setting->first ? "" : ", ",
                              text_of(list, item));
    return lk_pool_printf(list->pool, "%s]", text);
}

/* Items of lists go by name where they have one, else by kind and number: model.features.units,
 * model.dense_2.units. */
static const char *item_name(const entries *list, const lk_setting *parent, const lk_setting *item)
{
    const lk_setting *name = lk_setting_get(item, "name");
    int               number = 1;
    if (name && name->text) return name->text;
    for (const lk_setting *at = parent->first; at != item; at = at->next)
        number += !at->name || !item->name || !strcmp(at->name, item->name);
    return lk_pool_printf(list->pool, "%s_%d", item->name ? item->name : "item", number);
}

/* The items of a list and their order, in one entry: a model with two layers exchanged is another model. */
static const char *item_names(const entries *list, const lk_setting *parent)
{
    const char *text = "[";
    for (const lk_setting *item = parent->first; item; item = item->next) {
        const char *name = item_name(list, parent, item);
        bool        own = item->name && strncmp(name, item->name, strlen(item->name)) != 0;
        text = lk_pool_printf(list->pool, "%s%s%s%s%s", text, item == parent->first ? "" : ", ",
                              own ? item->name : "", own ? " " : "", name);
    }
    return lk_pool_printf(list->pool, "%s]", text);
}

static void flatten(entries *list, const char *key, const lk_setting *setting)
{
    lk_option_kind kind = setting->option->kind;
    bool           of_maps = kind == LK_OPTION_CHOICES || kind == LK_OPTION_MAPS;
    if (setting->text) {
        add_entry(list, key, setting, scalar_text(list, setting), name_text(list, setting));
        return;
    }
    if (setting->list && !of_maps) {
        add_entry(list, key, setting, join(list, setting, scalar_text), join(list, setting, name_text));
        return;
    }
    if (of_maps) add_word(list, key, setting, item_names(list, setting));
    if (kind == LK_OPTION_CHOICE && setting->first) add_word(list, key, setting, setting->first->name);
    for (const lk_setting *child = setting->first; child; child = child->next)
        flatten(list, below(list, key, of_maps ? item_name(list, setting, child) : child->name), child);
}

static entry *find_entry(const entries *list, const char *key)
{
    for (entry *e = list->first; e; e = e->next)
        if (!strcmp(e->key, key)) return e;
    return NULL;
}

/* What became of two configurations; each text has a line a key. */
typedef struct verdict {
    bool   other_results, other_length;
    lk_str barring; /* what makes other results */
    lk_str allowed; /* the rest */
} verdict;

/* `before`, `after`: NULL where the key is not there. Files of the same names in other folders may be the same
 * data: their fingerprint tells, where they are opened. */
static void note(const entry *before, const entry *after, verdict *v)
{
    const entry *which = before ? before : after;
    bool         moved = before && after && !strcmp(before->names, after->names);
    bool         length = (which->option->flags & LK_OPTION_LENGTH) != 0;
    bool         bars = !length && !moved && !(which->option->flags & LK_OPTION_FREE);
    lk_str      *out = bars ? &v->barring : &v->allowed;
    v->other_length |= length;
    v->other_results |= bars;
    lk_str_printf(out, "%s%s: %s -> %s", out->size ? "\n" : "", which->key,
                  before ? before->value : "(not there)", after ? after->value : "(not there)");
}

lk_status lk_compare_settings(const lk_setting *before, const char *base_before, const lk_setting *after,
                              const char *base_after, int *same_results, int *other_length,
                              lk_str *difference)
{
    lk_pool pool = {0};
    entries a = {.base = base_before, .pool = &pool}, b = {.base = base_after, .pool = &pool};
    verdict v = {0};
    lk_str_init(&v.barring);
    lk_str_init(&v.allowed);
    flatten(&a, "", before);
    flatten(&b, "", after);
    for (const entry *e = a.first; e; e = e->next) {
        entry *twin = find_entry(&b, e->key);
        if (twin) twin->met = true;
        if (!twin || strcmp(twin->value, e->value) != 0) note(e, twin, &v);
    }
    for (const entry *e = b.first; e; e = e->next)
        if (!e->met) note(NULL, e, &v);
    /* Next to a difference that bars the way, those that do not would only hide it. */
    const lk_str *which = v.other_results ? &v.barring : &v.allowed;
    bool          failed = pool.failed || v.barring.failed || v.allowed.failed;
    *same_results = !v.other_results;
    *other_length = v.other_length;
    lk_str_append_bytes(difference, lk_str_text(which), which->size);
    lk_str_clear(&v.barring);
    lk_str_clear(&v.allowed);
    lk_pool_clear(&pool);
    return failed ? lk_fail(LK_E_NOMEM, "out of memory while configurations were compared") : LK_OK;
}
