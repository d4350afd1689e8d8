#include "config/tree.h"

#include <ctype.h>
#include <string.h>
#include <yaml.h>

typedef struct lk_anchor lk_anchor;
struct lk_anchor {
    const char *name;
    lk_tree    *node;
    lk_anchor  *next;
};

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t  event; /* the current one; valid while has_event */
    bool          has_event;
    bool          stop; /* a problem after which the text makes no sense */
    int           set, n_nodes, n_alias_nodes;
    const char   *text;
    size_t        size;
    lk_anchor    *anchors; /* the newest first */
    lk_problems  *problems;
} reader;

lk_tree *lk_tree_new(lk_pool *pool, lk_tree_kind kind, lk_mark mark)
{
    lk_tree *node = LK_POOL_ARRAY(pool, lk_tree, 1);
    if (!node) return NULL;
    node->kind = kind;
    node->mark = mark;
    node->text = "";
    return node;
}

lk_tree *lk_tree_scalar(lk_pool *pool, const char *text, lk_mark mark)
{
    lk_tree *node = lk_tree_new(pool, LK_TREE_SCALAR, mark);
    if (node) node->text = text;
    return node;
}

void lk_tree_append(lk_tree *parent, lk_tree *key, lk_tree *child)
{
    if (!parent || !child) return;
    child->key = key;
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->n++;
}

lk_tree *lk_tree_find(const lk_tree *map, const char *key)
{
    if (!map || map->kind != LK_TREE_MAP) return NULL;
    for (lk_tree *child = map->first; child; child = child->next)
        if (!strcmp(child->key->text, key)) return child;
    return NULL;
}

bool lk_tree_is_null(const lk_tree *node)
{
    if (node->kind != LK_TREE_SCALAR || node->quoted) return false;
    return !node->text[0] || !strcmp(node->text, "~") || !strcmp(node->text, "null");
}

/* ---- places and syntax errors ---- */

static lk_mark mark_at(const reader *r, yaml_mark_t at)
{
    return (lk_mark){.line = (int)at.line + 1, .column = (int)at.column + 1, .set = r->set};
}

/* Reader errors (bad UTF-8, control characters) come with a byte offset only. */
static lk_mark mark_of_offset(const reader *r, size_t offset)
{
    lk_mark mark = {.line = 1, .column = 1, .set = r->set};
    for (size_t i = 0; i < offset && i < r->size; i++) {
        unsigned char byte = (unsigned char)r->text[i];
        if (byte == '\n') {
            mark.line++;
            mark.column = 1;
        } else if ((byte & 0xC0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

/* The text of a line (from 0), not terminated; NULL behind the end. */
static const char *line_text(const reader *r, size_t line, size_t *size)
{
    const char *at = r->text, *end = r->text + r->size;
    for (; line > 0; line--) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) return NULL;
        at = newline + 1;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    *size = (size_t)((newline ? newline : end) - at);
    return at;
}

/* A tab among the blanks that open the line: its column from 1, else 0. */
static int indenting_tab(const reader *r, size_t line)
{
    size_t      size = 0;
    const char *text = line_text(r, line, &size);
    for (size_t i = 0; text && i < size; i++) {
        if (text[i] == '\t') return (int)i + 1;
        if (text[i] != ' ') return 0;
    }
    return 0;
}

static char char_at(const reader *r, yaml_mark_t at)
{
    return at.index < r->size ? r->text[at.index] : '\0';
}

/* A file pattern without quotes: * outside quotes, or [ right behind a word. libyaml reports it as an alias
 * or as a list that does not end. */
static bool line_has_glob(const reader *r, size_t line)
{
    size_t      size = 0;
    const char *text = line_text(r, line, &size);
    char        quote = 0;
    for (size_t i = 0; text && i < size; i++) {
        char before = i ? text[i - 1] : ' ';
        if (quote) {
            if (text[i] == quote) quote = 0;
        } else if (text[i] == '"' || text[i] == '\'') {
            quote = text[i];
        } else if (text[i] == '#' && before == ' ') {
            return false;
        } else if (text[i] == '*' || (text[i] == '[' && !strchr(" ,[{:-", before))) {
            return true;
        }
    }
    return false;
}

/* "loss:mse" outside quotes: a word, a colon and no blank, which YAML reads as one word. */
static bool line_joins_key(const reader *r, size_t line)
{
    size_t      size = 0, n = 0;
    const char *text = line_text(r, line, &size);
    while (text && n < size && (text[n] == ' ' || text[n] == '-')) n++;
    size_t from = n;
    while (text && n < size && (isalnum((unsigned char)text[n]) || text[n] == '_')) n++;
    return text && n > from && n + 1 < size && text[n] == ':' && text[n + 1] != ' ' && text[n + 1] != '/';
}

static void syntax_problem(reader *r)
{
    const yaml_parser_t *p = &r->parser;
    r->stop = true;
    if (p->error == YAML_MEMORY_ERROR) {
        r->problems->pool->failed = true;
        return;
    }
    if (p->error == YAML_READER_ERROR) {
        lk_problems_add(r->problems, mark_of_offset(r, p->problem_offset), "not a YAML text: %s",
                        p->problem ? p->problem : "unreadable byte");
        return;
    }
    lk_mark mark = mark_at(r, p->problem_mark);
    int     tab = indenting_tab(r, p->problem_mark.line);
    if (tab) {
        mark.column = tab;
        lk_problems_add(r->problems, mark, "a tab indents this line: YAML wants spaces");
    } else if (line_has_glob(r, p->problem_mark.line)) {
        lk_problems_add(r->problems, mark, "a file pattern with * or [ ] must stand in quotes: \"run_*.h5\"");
    } else if (p->context && line_joins_key(r, p->context_mark.line)) {
        lk_mark key = mark_at(r, p->context_mark);
        lk_problems_add(r->problems, key,
                        "a blank is missing after the colon: keys are written 'key: value'");
    } else if (p->context) {
        lk_problems_add(r->problems, mark, "YAML: %s (%s that begins at line %d)", p->problem, p->context,
                        (int)p->context_mark.line + 1);
    } else {
        lk_problems_add(r->problems, mark, "YAML: %s%s", p->problem ? p->problem : "syntax error",
                        char_at(r, p->problem_mark) == '%' ? " (a value that begins with % needs quotes)"
                                                           : "");
    }
}

static bool next_event(reader *r)
{
    if (r->has_event) yaml_event_delete(&r->event);
    r->has_event = false;
    if (r->stop) return false;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        syntax_problem(r);
        return false;
    }
    r->has_event = true;
    return true;
}

static void refuse(reader *r, const char *what)
{
    lk_problems_add(r->problems, mark_at(r, r->event.start_mark), "%s", what);
    r->stop = true;
}

/* ---- nodes ---- */

static lk_tree *new_node(reader *r, lk_tree_kind kind)
{
    if (++r->n_nodes > LK_TREE_NODES) {
        refuse(r, "more than 20000 values: this is no configuration");
        return NULL;
    }
    return lk_tree_new(r->problems->pool, kind, mark_at(r, r->event.start_mark));
}

static void remember(reader *r, const yaml_char_t *anchor, lk_tree *node)
{
    lk_anchor *entry = anchor ? LK_POOL_ARRAY(r->problems->pool, lk_anchor, 1) : NULL;
    if (!entry) return;
    entry->name = lk_pool_text(r->problems->pool, (const char *)anchor, strlen((const char *)anchor));
    entry->node = node;
    entry->next = r->anchors;
    r->anchors = entry;
}

/* A copy, so that an override below one use of an alias leaves the others alone. */
static lk_tree *copy(reader *r, const lk_tree *node, int depth)
{
    if (depth > LK_TREE_DEPTH || ++r->n_alias_nodes > LK_TREE_ALIAS_NODES) {
        refuse(r, depth > LK_TREE_DEPTH ? "nested more than 32 deep" : "aliases make more than 1000 values");
        return NULL;
    }
    lk_tree *twin = lk_tree_new(r->problems->pool, node->kind, node->mark);
    if (!twin) return NULL;
    twin->text = node->text;
    twin->quoted = node->quoted;
    for (const lk_tree *child = node->first; child && !r->stop; child = child->next)
        lk_tree_append(twin, child->key, copy(r, child, depth + 1));
    return twin;
}

static lk_tree *alias(reader *r, int depth)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    for (const lk_anchor *entry = r->anchors; entry; entry = entry->next)
        if (!strcmp(entry->name, name)) return copy(r, entry->node, depth);
    lk_problems_add(r->problems, mark_at(r, r->event.start_mark),
                    "'*%s' refers to no anchor '&%s' above; a file pattern must stand in quotes: \"*%s\"",
                    name, name, name);
    r->stop = true;
    return NULL;
}

static lk_tree *read_node(reader *r, int depth);

static void check_duplicate(reader *r, const lk_tree *map, const lk_tree *key)
{
    const lk_tree *twin = lk_tree_find(map, key->text);
    if (twin)
        lk_problems_add(r->problems, key->mark, "key '%s' appears twice (first in line %d)", key->text,
                        twin->key->mark.line);
}

static void read_children(reader *r, lk_tree *parent, int depth)
{
    yaml_event_type_t end = parent->kind == LK_TREE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    while (next_event(r) && r->event.type != end) {
        lk_tree *key = NULL;
        if (parent->kind == LK_TREE_MAP) {
            if (r->event.type != YAML_SCALAR_EVENT) {
                refuse(r, r->event.type == YAML_ALIAS_EVENT
                              ? "an alias as a key; a file pattern must stand in quotes: \"run_*.h5\""
                              : "a key must be a plain word");
                return;
            }
            key = read_node(r, depth + 1);
            if (!key) return;
            check_duplicate(r, parent, key);
            if (!next_event(r)) return;
        }
        lk_tree *child = read_node(r, depth + 1);
        if (!child) return;
        lk_tree_append(parent, key, child);
    }
}

/* The current event begins a node; on return it is the node's last event. */
static lk_tree *read_node(reader *r, int depth)
{
    const yaml_event_t *e = &r->event;
    lk_tree            *node = NULL;
    if (depth > LK_TREE_DEPTH) {
        refuse(r, "nested more than 32 deep");
        return NULL;
    }
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return alias(r, depth);
    case YAML_SCALAR_EVENT:
        if (e->data.scalar.tag) break;
        node = new_node(r, LK_TREE_SCALAR);
        if (!node) return NULL;
        node->text =
            lk_pool_text(r->problems->pool, (const char *)e->data.scalar.value, e->data.scalar.length);
        node->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        remember(r, e->data.scalar.anchor, node);
        if (strlen(node->text) == e->data.scalar.length) return node;
        refuse(r, "a NUL character in a value");
        return NULL;
    case YAML_SEQUENCE_START_EVENT:
        if (e->data.sequence_start.tag) break;
        node = new_node(r, LK_TREE_LIST);
        if (node) remember(r, e->data.sequence_start.anchor, node);
        if (node) read_children(r, node, depth);
        return r->stop ? NULL : node;
    case YAML_MAPPING_START_EVENT:
        if (e->data.mapping_start.tag) break;
        node = new_node(r, LK_TREE_MAP);
        if (node) remember(r, e->data.mapping_start.anchor, node);
        if (node) read_children(r, node, depth);
        return r->stop ? NULL : node;
    default:
        return NULL;
    }
    refuse(r, "tags (!...) are not read: types come from the option table");
    return NULL;
}

static void read_document(reader *r, lk_tree **root)
{
    bool document =
        next_event(r) && next_event(r) && r->event.type == YAML_DOCUMENT_START_EVENT && next_event(r);
    if (!document) return;
    *root = read_node(r, 0);
    if (!next_event(r) || !next_event(r))
        return; /* the document's end, then the stream's or another document */
    if (r->event.type == YAML_DOCUMENT_START_EVENT) refuse(r, "a second document (---): one file is one run");
}

void lk_tree_parse(const char *text, size_t size, int set, lk_problems *problems, lk_tree **root)
{
    reader r = {.set = set, .text = text, .size = size, .problems = problems};
    *root = NULL;
    if (size > LK_TREE_BYTES) {
        lk_problems_add(problems, (lk_mark){1, 1, set}, "%zu bytes are no configuration (at most 1 MiB)",
                        size);
        return;
    }
    const char *nul = memchr(text, '\0', size);
    if (nul) {
        lk_problems_add(problems, mark_of_offset(&r, (size_t)(nul - text)),
                        "a NUL byte: this is no text file");
        return;
    }
    if (!yaml_parser_initialize(&r.parser)) {
        problems->pool->failed = true;
        return;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    read_document(&r, root);
    if (r.has_event) yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (r.stop || problems->pool->failed) *root = NULL;
}

const char *lk_yaml_version(void)
{
    return yaml_get_version_string();
}
