/* A tree of YAML against the option table: every row that may stand at a place becomes a setting or a
 * problem. */
#include <string.h>

#include "config/setting.h"
#include "config/suggest.h"
#include "config/value.h"

static lk_setting *check_option(const lk_option *option, const char *name, const lk_tree *node,
                                lk_problems *problems);

static lk_setting *new_setting(const lk_option *option, const char *name, const lk_tree *node,
                               lk_problems *problems)
{
    lk_setting *setting = LK_POOL_ARRAY(problems->pool, lk_setting, 1);
    if (!setting) return NULL;
    setting->option = option;
    setting->name = name;
    if (!node || node->fallback) return setting;
    setting->mark = node->key && !node->mark.set ? node->key->mark : node->mark;
    setting->value_mark = node->mark;
    setting->origin = node->mark.set ? LK_ORIGIN_SET : LK_ORIGIN_FILE;
    return setting;
}

static void append(lk_setting *parent, lk_setting *child)
{
    if (!parent || !child) return;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->n++;
}

/* "in optimizer.adam" for messages; nothing at the top. */
static const char *in_place(const lk_option *place, const char *name, lk_problems *problems)
{
    if (!place->path[0]) return "";
    if (place->path[0] == '@') return lk_pool_printf(problems->pool, " in %s", name ? name : "this list");
    return lk_pool_printf(problems->pool, " in %s", place->path);
}

static lk_mark mark_of(const lk_tree *node)
{
    return node->key ? node->key->mark : node->mark;
}

/* ---- maps ---- */

/* A misspelt key is reported and then read as the one that was meant: what stands below it is checked too. */
static void unknown_keys(const lk_option *map, const char *name, const lk_tree *node, lk_problems *problems)
{
    for (lk_tree *child = node->first; child; child = child->next) {
        lk_suggestion answer = {"", NULL};
        const char   *key = child->key->text;
        if (lk_option_child(map, key)) continue;
        if (!lk_problems_full(problems)) answer = lk_suggest_key(problems->pool, map, key);
        lk_problems_add(problems, child->key->mark, "unknown key '%s'%s%s", key,
                        in_place(map, name, problems), answer.text);
        if (answer.option) child->meant = lk_option_name(answer.option);
    }
}

static const lk_tree *find_meant(const lk_tree *map, const char *key)
{
    const lk_tree *child = lk_tree_find(map, key);
    if (child || !map) return child;
    for (child = map->first; child; child = child->next)
        if (child->meant && !strcmp(child->meant, key)) return child;
    return NULL;
}

static void missing_key(const lk_option *map, const char *name, const lk_option *option, const lk_tree *node,
                        lk_problems *problems)
{
    const char *key = lk_option_name(option);
    if (!map->path[0])
        lk_problems_add(problems, mark_of(node), "'%s' is missing%s", key,
                        strcmp(key, "lockstep") ? ""
                                                : ": begin with 'lockstep: 1', the version of the format");
    else
        lk_problems_add(problems, mark_of(node), "'%s' is missing%s", key, in_place(map, name, problems));
}

/* The children of a map in table order. node: the map as written, or NULL for defaults only. */
static void check_children(lk_setting *setting, const lk_option *map, const lk_tree *node,
                           lk_problems *problems)
{
    if (node) unknown_keys(map, setting->name, node, problems);
    for (const lk_option *row = NULL; (row = lk_option_next(map, row));) {
        const char    *name = lk_option_name(row);
        const lk_tree *child = find_meant(node, name);
        if (!child && row->flags & LK_OPTION_REQUIRED) {
            if (node) missing_key(map, setting->name, row, node, problems);
            continue;
        }
        if (!child && !row->fallback && row->kind != LK_OPTION_MAP) continue; /* stays absent */
        append(setting, check_option(row, name, child, problems));
    }
}

/* {main: value} around a value that stands for a map. */
static lk_tree *wrap_main(const lk_option *main, const lk_tree *node, lk_problems *problems)
{
    lk_tree *map = lk_tree_new(problems->pool, LK_TREE_MAP, node->mark);
    lk_tree *key = lk_tree_scalar(problems->pool, lk_option_name(main), node->mark);
    lk_tree *value = lk_tree_new(problems->pool, node->kind, node->mark);
    if (!map || !key || !value) return NULL;
    *value = *node;
    value->next = NULL;
    lk_tree_append(map, key, value);
    map->key = node->key;
    return map;
}

static lk_setting *check_map(const lk_option *option, const char *name, const lk_tree *node,
                             lk_problems *problems)
{
    lk_setting *setting = new_setting(option, name, node, problems);
    if (!setting) return NULL;
    if (!node && option->fallback) {
        setting->text = option->fallback;
        setting->plain = setting->word = true;
        return setting;
    }
    if (node && node->kind == LK_TREE_SCALAR && lk_words_have(option->words, node->text, NULL)) {
        setting->text = node->text;
        setting->plain = setting->word = true;
        return setting;
    }
    const lk_option *main = lk_option_main(option);
    if (node && node->kind != LK_TREE_MAP && main && !lk_tree_is_null(node))
        node = wrap_main(main, node, problems);
    if (node && node->kind != LK_TREE_MAP) {
        const char *words = option->words ? lk_pool_printf(problems->pool, "%s or ",
                                                           lk_suggest_list(problems->pool, option->words))
                                          : "";
        const char *children = lk_suggest_children(problems->pool, option);
        if (node->kind == LK_TREE_LIST)
            lk_problems_add(problems, node->mark, "%s takes %skeys (%s), not a list", name, words, children);
        else if (lk_tree_is_null(node))
            lk_problems_add(problems, mark_of(node), "%s has no value: it takes %skeys (%s)", name, words,
                            children);
        else
            lk_problems_add(problems, node->mark, "%s takes %skeys (%s), not '%s'%s", name, words, children,
                            node->text,
                            option->words ? lk_suggest_word(problems->pool, option, node->text) : "");
        return NULL;
    }
    check_children(setting, option, node, problems);
    return setting;
}

/* ---- choices ---- */

/* {name: adam, lr: 1e-3}, or options that stand beside their name instead of below it. */
static const char *lopsided(const lk_option *choice, const lk_tree *node, lk_problems *problems)
{
    static const char *const keys = "name|type|kind|class|class_name|_target_";
    if (node->kind != LK_TREE_MAP || node->n < 2) return "";
    for (const lk_tree *child = node->first; child; child = child->next) {
        bool says = child->kind == LK_TREE_SCALAR && lk_words_have(keys, child->key->text, NULL);
        if (says && lk_option_child(choice, child->text))
            return lk_pool_printf(problems->pool, ": here {%s: {...}}, the options in the inner braces",
                                  child->text);
    }
    return "; options stand below its name, further in";
}

/* One alternative: `name` or {name: options}. */
static lk_setting *check_alternative(const lk_option *choice, const lk_tree *node, lk_problems *problems)
{
    const lk_tree *name = node, *options = NULL;
    const char    *noun = choice->noun;
    if (node->kind == LK_TREE_MAP && node->n == 1) {
        options = node->first;
        name = options->key;
    } else if (node->kind != LK_TREE_SCALAR || lk_tree_is_null(node)) {
        if (node->kind == LK_TREE_MAP && node->n > 1) name = node->first->next->key;
        lk_problems_add(problems, name->mark, "one %s is written 'name' or '{name: {options}}'%s", noun,
                        lopsided(choice, node, problems));
        return NULL;
    }
    const lk_option *option = lk_option_child(choice, name->text);
    if (!option) {
        lk_suggestion answer = {"", NULL};
        if (!lk_problems_full(problems)) answer = lk_suggest_key(problems->pool, choice, name->text);
        lk_problems_add(problems, name->mark, "unknown %s '%s'%s", noun, name->text, answer.text);
        option = answer.option;
        if (!option) return NULL;
    }
    const char *known = lk_option_name(option);
    if (options && !lk_tree_is_null(options)) return check_map(option, known, options, problems);
    lk_tree *empty = lk_tree_new(problems->pool, LK_TREE_MAP, name->mark);
    return empty ? check_map(option, known, empty, problems) : NULL;
}

static lk_setting *check_choice(const lk_option *option, const char *name, const lk_tree *node,
                                lk_problems *problems)
{
    lk_setting *setting = new_setting(option, name, node, problems);
    if (!setting) return NULL;
    if (!node) {
        const lk_option *alternative = lk_option_child(option, option->fallback);
        append(setting, alternative ? check_map(alternative, option->fallback, NULL, problems) : NULL);
        return setting;
    }
    if (lk_tree_is_null(node) || node->kind == LK_TREE_LIST) {
        lk_problems_add(problems, node->mark, "%s must be one of %s", name,
                        lk_suggest_children(problems->pool, option));
        return NULL;
    }
    append(setting, check_alternative(option, node, problems));
    return setting->n ? setting : NULL;
}

static lk_setting *check_choices(const lk_option *option, const char *name, const lk_tree *node,
                                 lk_problems *problems)
{
    lk_setting *setting = new_setting(option, name, node, problems);
    if (!setting) return NULL;
    setting->list = true;
    if (!node) return setting;
    /* One item may stand without its list, except where the order of many is the point. */
    bool alone = node->kind == LK_TREE_SCALAR && !lk_tree_is_null(node) && !(option->flags & LK_OPTION_WHOLE);
    if (alone) {
        append(setting, check_alternative(option, node, problems));
        return setting;
    }
    if (node->kind != LK_TREE_LIST) {
        lk_problems_add(problems, node->mark, "%s must be a list, each line beginning with '- '", name);
        return NULL;
    }
    if (!node->n && option->flags & LK_OPTION_WHOLE)
        lk_problems_add(problems, node->mark, "%s: the list is empty", name);
    for (const lk_tree *item = node->first; item; item = item->next) {
        lk_setting *alternative = check_alternative(option, item, problems);
        append(setting, alternative);
        if (!alternative) setting->broken = true;
    }
    return setting;
}

/* ---- free names and lists of maps ---- */

static lk_setting *check_fields(const lk_option *option, const char *name, const lk_tree *node,
                                lk_problems *problems)
{
    lk_setting *setting = new_setting(option, name, node, problems);
    if (!setting || !node) return setting;
    if (node->kind != LK_TREE_MAP) {
        lk_problems_add(problems, node->mark,
                        "%s takes names, each with its datasets: {x: {datasets: /path}}", name);
        return NULL;
    }
    const lk_option *field = lk_option_child(option, "");
    for (const lk_tree *child = node->first; child; child = child->next)
        append(setting, check_option(field, child->key->text, child, problems));
    return setting;
}

static lk_setting *check_maps(const lk_option *option, const char *name, const lk_tree *node,
                              lk_problems *problems)
{
    lk_setting *setting = new_setting(option, name, node, problems);
    if (!setting || !node) return setting;
    setting->list = true;
    if (node->kind != LK_TREE_LIST) {
        append(setting, check_map(option, NULL, node, problems));
        return setting;
    }
    if (!node->n) lk_problems_add(problems, node->mark, "%s: the list is empty", name);
    for (const lk_tree *item = node->first; item; item = item->next)
        append(setting, check_map(option, NULL, item, problems));
    return setting;
}

/* ---- scalars and lists of scalars ---- */

static lk_setting *check_scalar(const lk_option *option, const char *name, const lk_tree *node,
                                lk_problems *problems)
{
    lk_setting *setting = new_setting(option, name, node, problems);
    if (!setting) return NULL;
    if (node->kind == LK_TREE_SCALAR) return lk_value_read(node, setting, problems) ? setting : NULL;
    lk_problems_add(problems, node->mark, "%s takes one value, not a %s",
                    name ? name : lk_option_name(option),
                    node->kind == LK_TREE_LIST ? "list" : "map of keys");
    return NULL;
}

static lk_setting *check_pair(const lk_option *option, const char *name, const lk_tree *node,
                              lk_problems *problems)
{
    if (node->kind != LK_TREE_LIST) return check_scalar(option, name, node, problems);
    lk_setting *setting = new_setting(option, name, node, problems);
    lk_setting  side = {.option = option};
    int         n = 0;
    if (!setting) return NULL;
    for (const lk_tree *item = node->first; item; item = item->next, n++) {
        if (item->kind != LK_TREE_SCALAR || n == 2 || lk_words_have(option->words, item->text, NULL)) {
            lk_problems_add(problems, item->mark, "%s takes one number or two: [rows, columns]", name);
            return NULL;
        }
        if (!lk_value_read(item, &side, problems)) return NULL;
        setting->pair[n] = side.integer;
    }
    if (n != 2) {
        lk_problems_add(problems, node->mark, "%s takes one number or two: [rows, columns]", name);
        return NULL;
    }
    setting->text = lk_pool_printf(problems->pool, "[%lld, %lld]", (long long)setting->pair[0],
                                   (long long)setting->pair[1]);
    setting->plain = true;
    return setting;
}

static lk_setting *check_list(const lk_option *option, const char *name, const lk_tree *node,
                              lk_problems *problems)
{
    lk_setting *setting = new_setting(option, name, node, problems);
    if (!setting) return NULL;
    setting->list = true;
    if (node->kind == LK_TREE_SCALAR) {
        append(setting, check_scalar(option, NULL, node, problems));
        return setting->n ? setting : NULL;
    }
    if (node->kind == LK_TREE_MAP) {
        lk_problems_add(problems, node->mark, "%s takes a value or a list of values, not keys", name);
        return NULL;
    }
    if (!node->n && option->flags & LK_OPTION_WHOLE)
        lk_problems_add(problems, node->mark, "%s: the list is empty", name);
    for (const lk_tree *item = node->first; item; item = item->next)
        append(setting, check_scalar(option, NULL, item, problems));
    return setting;
}

static lk_setting *check_option(const lk_option *option, const char *name, const lk_tree *node,
                                lk_problems *problems)
{
    lk_tree fallback = {.kind = LK_TREE_SCALAR, .fallback = true};
    switch (option->kind) {
    case LK_OPTION_MAP:
        return check_map(option, name, node, problems);
    case LK_OPTION_CHOICE:
        return check_choice(option, name, node, problems);
    case LK_OPTION_CHOICES:
        return check_choices(option, name, node, problems);
    case LK_OPTION_MAPS:
        return check_maps(option, name, node, problems);
    case LK_OPTION_FIELDS:
        return check_fields(option, name, node, problems);
    default:
        break;
    }
    if (!node) {
        fallback.text = option->fallback;
        node = &fallback;
    }
    switch (option->kind) {
    case LK_OPTION_PAIR:
        return check_pair(option, name, node, problems);
    case LK_OPTION_TEXTS:
    case LK_OPTION_INTS:
    case LK_OPTION_FLOATS:
        return check_list(option, name, node, problems);
    default:
        return check_scalar(option, name, node, problems);
    }
}

lk_setting *lk_settings_check(const lk_tree *root, lk_problems *problems)
{
    const lk_option *top = lk_option_find("");
    lk_setting      *setting = new_setting(top, "", root, problems);
    if (!setting) return NULL;
    if (root && root->kind != LK_TREE_MAP)
        lk_problems_add(problems, root->mark,
                        "a configuration is keys with values, beginning with 'lockstep: 1'");
    else if (root)
        check_children(setting, top, root, problems);
    return setting;
}

/* ---- reading settings ---- */

lk_setting *lk_setting_get(const lk_setting *from, const char *path)
{
    const lk_setting *at = from;
    while (at && *path) {
        size_t      n = strcspn(path, ".");
        lk_setting *child = at->first;
        while (child && !(child->name && strlen(child->name) == n && !strncmp(child->name, path, n)))
            child = child->next;
        at = child;
        path += n;
        if (*path == '.') path++;
    }
    return (lk_setting *)at;
}

lk_setting *lk_setting_chosen(const lk_setting *choice)
{
    return choice ? choice->first : NULL;
}

bool lk_setting_is(const lk_setting *setting, const char *word)
{
    return setting && setting->text && !strcmp(setting->text, word);
}
