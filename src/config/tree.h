/**
 * YAML text to a tree of nodes with places. A small part of YAML: no tags, no second document, no keys but
 * scalars; depth, size and the number of nodes that aliases make are bounded. Scalars stay texts: the option
 * table gives types.
 */
#ifndef LK_CONFIG_TREE_H
#define LK_CONFIG_TREE_H

#include "config/problems.h"

enum {
    LK_TREE_DEPTH = 32,
    LK_TREE_BYTES = 1 << 20,
    LK_TREE_NODES = 20000,
    LK_TREE_ALIAS_NODES = 1000,
};

typedef enum lk_tree_kind { LK_TREE_SCALAR, LK_TREE_LIST, LK_TREE_MAP } lk_tree_kind;

typedef struct lk_tree lk_tree;
struct lk_tree {
    lk_tree_kind kind;
    lk_mark      mark;
    const char  *text;     /* scalar */
    bool         quoted;   /* scalar in quotes or a block scalar: never a number */
    bool         fallback; /* not written anywhere: a default */
    const char  *meant;    /* the key that a misspelt one stands for, once the check knows */
    lk_tree     *key;      /* scalar; of the children of a map */
    lk_tree     *first, *last, *next;
    int          n; /* children */
};

/**
 * `set` 0: a file; n: the n-th override, its places are all the same. *root NULL if there are problems or no
 * text. Everything lives in problems->pool.
 */
void lk_tree_parse(const char *text, size_t size, int set, lk_problems *problems, lk_tree **root);

lk_tree *lk_tree_find(const lk_tree *map, const char *key); /* NULL: not there, or no map */
lk_tree *lk_tree_new(lk_pool *pool, lk_tree_kind kind, lk_mark mark);
lk_tree *lk_tree_scalar(lk_pool *pool, const char *text, lk_mark mark);
void     lk_tree_append(lk_tree *parent, lk_tree *key, lk_tree *child);
/** An empty scalar without quotes, or ~ or null: nothing was given. */
bool lk_tree_is_null(const lk_tree *node);

/** Of the library that reads YAML: "0.2.5". */
const char *lk_yaml_version(void);

#endif
