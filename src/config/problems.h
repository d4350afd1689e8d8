/** The mistakes found in a configuration: collected, sorted by place, reported together. */
#ifndef LK_CONFIG_PROBLEMS_H
#define LK_CONFIG_PROBLEMS_H

#include "config/pool.h"
#include "core/status.h"

/** A place: line and column from 1 in the file (set = 0), or the set-th override of the command line. */
typedef struct lk_mark {
    int line, column, set;
} lk_mark;

enum { LK_PROBLEMS_MOST = 20 };

typedef struct lk_problems {
    struct {
        lk_mark     mark;
        const char *text; /* in the pool */
    } list[LK_PROBLEMS_MOST];
    int                n;
    int                n_more; /* found when the list was full */
    lk_pool           *pool;   /* borrowed (outlives this) */
    const char        *label;  /* of the file */
    const char *const *overrides;
} lk_problems;

/** The same text at the same place is kept once. */
void lk_problems_add(lk_problems *problems, lk_mark mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Full: texts of further problems would be thrown away, so callers may skip what is costly. */
bool lk_problems_full(const lk_problems *problems);

/** LK_OK without problems, else LK_E_CONFIG with one line each: "label:line:column: text", "--set a.b=v:
 * text". */
lk_status lk_problems_status(lk_problems *problems);

#endif
