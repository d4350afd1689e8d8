#include "config/problems.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPORT_BYTES = 2000 }; /* what a status message holds, with room for the closing line */

static int compare_marks(const lk_mark *a, const lk_mark *b)
{
    if (a->set != b->set) return a->set < b->set ? -1 : 1;
    if (a->line != b->line) return a->line < b->line ? -1 : 1;
    if (a->column != b->column) return a->column < b->column ? -1 : 1;
    return 0;
}

bool lk_problems_full(const lk_problems *problems)
{
    return problems->n == LK_PROBLEMS_MOST;
}

void lk_problems_add(lk_problems *problems, lk_mark mark, const char *format, ...)
{
    if (lk_problems_full(problems)) {
        problems->n_more++;
        return;
    }
    va_list args;
    va_start(args, format);
    const char *text = lk_pool_vprintf(problems->pool, format, args);
    va_end(args);
    /* Insertion keeps the list sorted; equal places keep the order in which they were found. */
    int at = problems->n;
    for (int i = 0; i < problems->n; i++) {
        if (compare_marks(&mark, &problems->list[i].mark) == 0 && !strcmp(text, problems->list[i].text))
            return;
    }
    while (at > 0 && compare_marks(&mark, &problems->list[at - 1].mark) < 0) {
        problems->list[at] = problems->list[at - 1];
        at--;
    }
    problems->list[at].mark = mark;
    problems->list[at].text = text;
    problems->n++;
}

static int write_problem(const lk_problems *problems, int i, char *line, size_t size)
{
    const lk_mark *mark = &problems->list[i].mark;
    if (mark->set)
        return snprintf(line, size, "%s--set %s: %s", i ? "\n" : "", problems->overrides[mark->set - 1],
                        problems->list[i].text);
    return snprintf(line, size, "%s%s:%d:%d: %s", i ? "\n" : "", problems->label, mark->line, mark->column,
                    problems->list[i].text);
}

lk_status lk_problems_status(lk_problems *problems)
{
    if (problems->pool->failed) return lk_fail(LK_E_NOMEM, "%s: out of memory", problems->label);
    if (!problems->n) return LK_OK;
    char   report[REPORT_BYTES + 64];
    size_t used = 0;
    int    shown = 0;
    report[0] = '\0';
    for (; shown < problems->n; shown++) {
        int n = write_problem(problems, shown, report + used, REPORT_BYTES - used);
        if (n < 0 || (used + (size_t)n >= REPORT_BYTES && shown > 0)) break;
        used += (size_t)n < REPORT_BYTES - used ? (size_t)n : REPORT_BYTES - used - 1;
    }
    report[used] = '\0';
    int hidden = problems->n - shown + problems->n_more;
    if (hidden) snprintf(report + used, sizeof report - used, "\n... and %d more", hidden);
    return lk_fail(LK_E_CONFIG, "%s", report);
}
