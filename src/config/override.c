#include "config/override.h"

#include <stdio.h>
#include <string.h>

#include "config/suggest.h"
#include "config/table.h"
#include "core/str.h"

enum { NAME_BYTES = 96 };

typedef struct override {
    lk_problems *problems;
    lk_mark      mark;
    lk_tree     *value;
} override;

/* ---- changing the tree in place ---- */

static void overwrite(lk_tree *node, const lk_tree *with)
{
    lk_tree *key = node->key, *next = node->next;
    *node = *with;
    node->key = key;
    node->next = next;
}

/* The child of that name, made where there is none. */
static lk_tree *child_of(const override *o, lk_tree *map, const char *name)
{
    lk_tree *child = lk_tree_find(map, name);
    if (child) return child;
    child = lk_tree_scalar(o->problems->pool, "", o->mark);
    lk_tree_append(map, lk_tree_scalar(o->problems->pool, name, o->mark), child);
    return child;
}

static void become_map(const override *o, lk_tree *node)
{
    lk_tree *map = lk_tree_new(o->problems->pool, LK_TREE_MAP, node->mark);
    if (map) overwrite(node, map);
}

/* A value that stands for a map becomes that map: `dense: 10` {units: 10}, `train: file.h5` {files: file.h5}.
 */
static void open_map(const override *o, const lk_option *option, lk_tree *node)
{
    const lk_option *main = lk_option_main(option);
    bool             word = node->kind == LK_TREE_SCALAR && lk_words_have(option->words, node->text, NULL);
    if (node->kind == LK_TREE_MAP) return;
    lk_tree *value = main && !word && !lk_tree_is_null(node)
                         ? lk_tree_new(o->problems->pool, node->kind, node->mark)
                         : NULL;
    if (value) *value = *node;
    become_map(o, node);
    if (value)
        lk_tree_append(node, lk_tree_scalar(o->problems->pool, lk_option_name(main), value->mark), value);
}

/* `adam` becomes {adam: }, and another name is put aside; the node of the options is returned. */
static lk_tree *open_choice(const override *o, lk_tree *node, const char *name)
{
    bool is_map = node->kind == LK_TREE_MAP && node->n == 1 && !strcmp(node->first->key->text, name);
    if (!is_map) become_map(o, node);
    return child_of(o, node, name);
}

/* ---- layers by name ---- */

typedef struct search {
    const char *wanted;
    int         counts[64]; /* unnamed layers of each kind so far */
    lk_tree    *item;       /* found */
    const char *near;       /* the nearest name seen */
    int         distance;
} search;

static const char *item_kind(const lk_tree *item)
{
    if (item->kind == LK_TREE_MAP && item->n == 1) return item->first->key->text;
    return item->kind == LK_TREE_SCALAR ? item->text : "";
}

static int kind_number(const lk_option *choices, const char *kind)
{
    int n = 0;
    for (const lk_option *row = NULL; (row = lk_option_next(choices, row)); n++)
        if (!strcmp(lk_option_name(row), kind)) return n;
    return -1;
}

static void search_list(const override *o, search *s, const lk_option *choices, const lk_tree *list);

/* Layers below a residual block belong to the names around it; those below repeat have names of their own. */
static void search_residual(const override *o, search *s, const lk_option *choices, const lk_tree *options)
{
    const lk_tree *layers = options->kind == LK_TREE_LIST ? options : lk_tree_find(options, "layers");
    if (layers) search_list(o, s, choices, layers);
    layers = lk_tree_find(options, "shortcut");
    if (layers) search_list(o, s, choices, layers);
}

static void search_list(const override *o, search *s, const lk_option *choices, const lk_tree *list)
{
    for (lk_tree *item = list->first; item && !s->item; item = item->next) {
        const char    *kind = item_kind(item);
        int            number = kind_number(choices, kind);
        const lk_tree *options = item->kind == LK_TREE_MAP && item->n == 1 ? item->first : NULL;
        const lk_tree *name = options ? lk_tree_find(options, "name") : NULL;
        const char    *called = name ? name->text : "";
        if (number < 0 || number >= 64) continue;
        if (!name) called = lk_pool_printf(o->problems->pool, "%s_%d", kind, ++s->counts[number]);
        if (!strcmp(called, s->wanted)) s->item = item;
        int distance = lk_str_distance(called, s->wanted);
        if (distance < s->distance) {
            s->distance = distance;
            s->near = called;
        }
        if (!strcmp(kind, "residual") && options && !s->item) search_residual(o, s, choices, options);
    }
}

/* Metrics and augmentations have no names: the first of a kind is meant. */
static lk_tree *search_kind(const lk_tree *list, const char *kind)
{
    for (lk_tree *item = list->first; item; item = item->next)
        if (!strcmp(item_kind(item), kind)) return item;
    return NULL;
}

static lk_tree *find_item(const override *o, const lk_option *choices, const lk_tree *list, const char *name)
{
    search s = {.wanted = name, .near = "", .distance = 99};
    if (list->kind != LK_TREE_LIST) return NULL;
    if (strcmp(choices->noun, "layer") != 0)
        s.item = search_kind(list, name);
    else
        search_list(o, &s, choices, list);
    if (!s.item)
        lk_problems_add(o->problems, o->mark, "no %s '%s' here%s", choices->noun, name,
                        s.distance <= 3 ? lk_pool_printf(o->problems->pool, " (did you mean '%s'?)", s.near)
                                        : "");
    return s.item;
}

/* ---- the way down ---- */

static void descend(const override *o, const lk_option *option, lk_tree *node, const char *path);

/* `node` is the value of `option`; rest "" means that this is what the override sets. */
static void arrive(const override *o, const lk_option *option, lk_tree *node, const char *rest)
{
    if (!node) return;
    if (!*rest || !option)
        overwrite(node, o->value); /* an unknown key is put where it was said, for the check to answer it */
    else
        descend(o, option, node, rest);
}

static void descend_choices(const override *o, const lk_option *choices, lk_tree *list, const char *name,
                            const char *rest)
{
    lk_tree *item = find_item(o, choices, list, name);
    if (!item) return;
    const lk_option *option = lk_option_child(choices, item_kind(item));
    lk_tree         *options = option ? open_choice(o, item, lk_option_name(option)) : NULL;
    if (!options) return;
    if (*rest) {
        /* What is no option of a block may be the name of a layer in it. */
        size_t           n = strcspn(rest, ".");
        const char      *head = lk_pool_text(o->problems->pool, rest, n);
        const lk_option *layers = lk_option_child(option, "layers");
        lk_tree         *body = layers ? lk_tree_find(options, "layers") : NULL;
        if (layers && options->kind == LK_TREE_LIST) body = options;
        if (body && !lk_option_child(option, head)) {
            descend(o, layers, body, rest);
            return;
        }
    }
    arrive(o, option, options, rest);
}

static void descend(const override *o, const lk_option *option, lk_tree *node, const char *path)
{
    size_t      n = strcspn(path, ".");
    const char *name = lk_pool_text(o->problems->pool, path, n), *rest = path + n + (path[n] == '.');
    switch (option->kind) {
    case LK_OPTION_MAP:
        open_map(o, option, node);
        arrive(o, lk_option_child(option, name), child_of(o, node, name), rest);
        return;
    case LK_OPTION_FIELDS:
        if (node->kind != LK_TREE_MAP) become_map(o, node);
        arrive(o, lk_option_child(option, name), child_of(o, node, name), rest);
        return;
    case LK_OPTION_CHOICE:
        arrive(o, lk_option_child(option, name), open_choice(o, node, name), rest);
        return;
    case LK_OPTION_CHOICES:
        descend_choices(o, option, node, name, rest);
        return;
    default:
        lk_problems_add(o->problems, o->mark, "'%s' has no '%s' below it: it takes a value",
                        lk_option_name(option), name);
    }
}

void lk_override_apply(const char *text, int set, lk_tree *root, lk_problems *problems)
{
    override    o = {.problems = problems, .mark = {.line = 1, .column = 1, .set = set}};
    const char *equals = strchr(text, '=');
    int         n_before = problems->n + problems->n_more;
    if (!equals || equals == text || equals[-1] == '.' || text[0] == '.' || strstr(text, "..")) {
        lk_problems_add(problems, o.mark, "written --set key.key=value");
        return;
    }
    const char *path = lk_pool_text(problems->pool, text, (size_t)(equals - text));
    lk_tree_parse(equals + 1, strlen(equals + 1), set, problems, &o.value);
    if (o.value)
        descend(&o, lk_option_find(""), root, path);
    else if (problems->n + problems->n_more == n_before)
        lk_problems_add(problems, o.mark, "no value behind '='");
}
