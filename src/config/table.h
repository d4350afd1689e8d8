/**
 * The option table: every key a configuration may hold, once. Validation, defaults, --set, rendering,
 * comparison, suggestions and the reference are read off it.
 *
 * A row's path says where the key stands: "train.batch_size". Rows below a choice are its alternatives: below
 * "optimizer" stands "optimizer.adam", and its options below that. Paths that begin with @ are shared groups
 * that other rows refer to with `like`. The order of the rows is the order in which a configuration is
 * rendered.
 */
#ifndef LK_CONFIG_TABLE_H
#define LK_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum lk_option_kind {
    LK_OPTION_MAP,     /* keys with values; as an alternative of a choice: its options */
    LK_OPTION_CHOICE,  /* name or {name: options} */
    LK_OPTION_CHOICES, /* list of those */
    LK_OPTION_MAPS,    /* one map or a list of maps */
    LK_OPTION_FIELDS,  /* free names, each with the keys of `like` */
    LK_OPTION_INT,
    LK_OPTION_FLOAT,
    LK_OPTION_BOOL,
    LK_OPTION_WORD, /* one of `words` */
    LK_OPTION_TEXT,
    LK_OPTION_TEXTS, /* one text or a list */
    LK_OPTION_WHEN,  /* 3 epochs, 500 steps, 60000 samples, 10min: what `units` allows */
    LK_OPTION_PAIR,  /* n or [n, m] */
    LK_OPTION_INTS,
    LK_OPTION_FLOATS,
} lk_option_kind;

enum {
    LK_OPTION_REQUIRED = 1,
    LK_OPTION_FREE = 2,      /* cannot change a bit of the result */
    LK_OPTION_MAIN = 4,      /* `dense: 10` is short for `dense: {units: 10}` */
    LK_OPTION_FILES = 8,     /* names of files: relative ones start from the configuration's folder */
    LK_OPTION_NAME = 16,     /* letters, digits, _ and - */
    LK_OPTION_AXES = 32,     /* letters N T C D H W */
    LK_OPTION_LENGTH = 64,   /* sets how long a run is: more of it continues a finished run */
    LK_OPTION_NOT_LOW = 128, /* the lower bound itself is out of range */
    LK_OPTION_NOT_HIGH = 256,
    LK_OPTION_WHOLE = 512, /* a list must not be empty */
};

/** What a WHEN may be counted in; bits by lk_when_unit. */
enum {
    LK_UNITS_NEVER = 1 << 0,
    LK_UNITS_EPOCHS = 1 << 1,
    LK_UNITS_STEPS = 1 << 2,
    LK_UNITS_SAMPLES = 1 << 3,
    LK_UNITS_SECONDS = 1 << 4,
    LK_UNITS_TRAINING = LK_UNITS_EPOCHS | LK_UNITS_STEPS | LK_UNITS_SAMPLES,
};

typedef struct lk_option {
    const char    *path;
    lk_option_kind kind;
    const char    *fallback; /* the default as it would be written; NULL: none, the key is then absent */
    unsigned       flags;
    double         low, high; /* numbers; lists: of each element */
    const char    *words;     /* "auto|none": what may stand instead of the kind's own value */
    unsigned       units;     /* WHEN */
    const char    *like;      /* path whose rows are the children; NULL: its own */
    const char    *noun;      /* choices: "layer", "loss" ... in messages */
    const char    *help;
} lk_option;

int              lk_option_count(void);
const lk_option *lk_option_at(int index);
/** The row of that path; NULL if there is none. "" is the configuration itself. */
const lk_option *lk_option_find(const char *path);
/** The child of `parent` called `name` (the text behind the last dot); FIELDS have the same child for any
 * name. */
const lk_option *lk_option_child(const lk_option *parent, const char *name);
/** Walks the children in table order: `after` NULL gives the first one, NULL ends. */
const lk_option *lk_option_next(const lk_option *parent, const lk_option *after);
/** The child of a map that a bare value stands for, or NULL. */
const lk_option *lk_option_main(const lk_option *map);
/** Behind the last dot of the path. */
const char *lk_option_name(const lk_option *option);
/** Calls of `words`: true if `word` is one of "a|b|c"; *index is its number. */
bool lk_words_have(const char *words, const char *word, int *index);

#endif
