/**
 * A configuration after it was checked: a tree of settings in the order of the option table, defaults
 * included. Everything that follows (option structs, rendering, comparison) reads settings and never YAML.
 */
#ifndef LK_CONFIG_SETTING_H
#define LK_CONFIG_SETTING_H

#include <stdint.h>

#include "config/table.h"
#include "config/tree.h"
#include "core/when.h"

typedef enum lk_origin { LK_ORIGIN_DEFAULT, LK_ORIGIN_FILE, LK_ORIGIN_SET } lk_origin;

typedef struct lk_setting lk_setting;
struct lk_setting {
    const lk_option *option;
    const char      *name; /* its key; NULL for the items of a list of texts or numbers */
    lk_mark          mark; /* of the key where there is one, else of the value */
    lk_mark          value_mark;
    lk_origin        origin;

    const char *text;  /* a scalar as it is rendered, without quotes; NULL: the children are the value */
    bool        plain; /* number, bool, word: rendered without quotes */
    bool        word;  /* one of the option's words, instead of a value of its kind */
    double      number;
    int64_t     integer;
    int64_t     pair[2];
    bool        flag;
    lk_when     when;

    bool        list;   /* the children are items */
    bool        broken; /* an item was left out: what is last is not known */
    lk_setting *first, *last, *next;
    int         n;
};

/** Checks `root` against the table; problems are collected, and what is wrong is left out. NULL without
 * memory. */
lk_setting *lk_settings_check(const lk_tree *root, lk_problems *problems);

/** Mistakes that only two keys together make, and values that depend on others (`auto`). */
void lk_settings_finish(lk_setting *root, lk_problems *problems);

/** The setting at "train.batch_size" below `from`; NULL if absent. */
lk_setting *lk_setting_get(const lk_setting *from, const char *path);
/** The chosen alternative of a choice; NULL if there is none. */
lk_setting *lk_setting_chosen(const lk_setting *choice);
/** True if the setting is there and is this word (or this text). */
bool lk_setting_is(const lk_setting *setting, const char *word);

#endif
