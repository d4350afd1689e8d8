#include "data/csv.h"

#include "core/alloc.h"
#include "io/atomic.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const size_t MOST_BYTES = (size_t)8 << 30;

typedef struct reader {
    const char *path;
    char       *at, *end;
    int64_t     line;
} reader;

/* One cell, unquoted in place and ended by NUL; *last: the row ends behind it. */
static lk_status take_cell(reader *r, char **cell, bool *last)
{
    char *to = r->at, *from = r->at;
    *cell = to;
    if (from < r->end && *from == '"') {
        int64_t began = r->line;
        for (from++;; from++) {
            if (from >= r->end)
                return lk_fail(LK_E_DATA, "%s:%lld: a quoted cell that begins here never ends", r->path,
                               (long long)began);
            if (*from == '"' && (from + 1 >= r->end || from[1] != '"')) break;
            if (*from == '"') from++;
            r->line += *from == '\n';
            *to++ = *from;
        }
        from++;
        if (from < r->end && *from != ',' && *from != '\n' && *from != '\r')
            return lk_fail(LK_E_DATA, "%s:%lld: text behind a closing quote", r->path, (long long)r->line);
    } else {
        while (from < r->end && *from != ',' && *from != '\n') *to++ = *from++;
    }
    *last = from >= r->end || *from != ',';
    if (*last && to > *cell && to[-1] == '\r') to--;
    if (from < r->end && *from == '\r') from++;
    r->line += from < r->end && *from == '\n';
    r->at = from < r->end ? from + 1 : from;
    *to = 0;
    return LK_OK;
}

static bool blank_line(const reader *r)
{
    return r->at < r->end && (*r->at == '\n' || (*r->at == '\r' && r->at + 1 < r->end && r->at[1] == '\n'));
}

static lk_status take_header(reader *r, lk_csv *csv)
{
    enum { MOST_COLUMNS = 65536 };
    lk_status st = LK_OK;
    bool      last = false;
    LK_TRY(LK_ALLOC(MOST_COLUMNS, &csv->name));
    while (!last) {
        LK_CHECK(csv->n_columns < MOST_COLUMNS, LK_E_DATA, "%s:1: more than %d columns", r->path,
                 MOST_COLUMNS);
        LK_TRY(take_cell(r, &csv->name[csv->n_columns], &last));
        for (int i = 0; i < csv->n_columns; i++)
            LK_CHECK(strcmp(csv->name[i], csv->name[csv->n_columns]) != 0, LK_E_DATA,
                     "%s:1: two columns are called '%s'", r->path, csv->name[i]);
        csv->n_columns++;
    }
done:
    return st;
}

static lk_status take_rows(reader *r, lk_csv *csv)
{
    lk_status st = LK_OK;
    int64_t   lines = 0, used = 0;
    for (const char *p = r->at; p < r->end; p++) lines += *p == '\n';
    LK_TRY(LK_ALLOC((lines + 1) * csv->n_columns, &csv->cell));
    while (r->at < r->end) {
        int64_t line = r->line;
        bool    last = false;
        int     n = 0;
        if (blank_line(r)) {
            r->at += *r->at == '\r' ? 2 : 1;
            r->line++;
            continue;
        }
        while (!last) {
            char *cell = NULL;
            LK_TRY(take_cell(r, &cell, &last));
            if (n < csv->n_columns) csv->cell[used++] = cell;
            n++;
        }
        LK_CHECK(n == csv->n_columns, LK_E_DATA, "%s:%lld: %d cells, the header has %d", r->path,
                 (long long)line, n, csv->n_columns);
        csv->n_rows++;
    }
    LK_CHECK(csv->n_rows > 0, LK_E_DATA, "%s: no row behind the header line", r->path);
done:
    return st;
}

lk_status lk_csv_open(const char *path, lk_csv *out)
{
    lk_status st = LK_OK;
    size_t    size = 0;
    reader    r = {.path = path, .line = 1};
    *out = (lk_csv){0};
    LK_TRY(lk_file_read(path, MOST_BYTES, &out->bytes, &size));
    LK_CHECK(memchr(out->bytes, 0, size) == NULL, LK_E_DATA, "%s is no text: it holds a zero byte", path);
    r.at = out->bytes;
    r.end = out->bytes + size;
    if (size >= 3 && !memcmp(r.at, "\xef\xbb\xbf", 3)) r.at += 3;
    LK_CHECK(r.at < r.end, LK_E_DATA, "%s is empty", path);
    LK_TRY(take_header(&r, out));
    LK_TRY(take_rows(&r, out));
done:
    if (st != LK_OK) lk_csv_clear(out);
    return st;
}

void lk_csv_clear(lk_csv *csv)
{
    lk_free(&csv->cell);
    lk_free(&csv->name);
    lk_free(&csv->bytes);
    *csv = (lk_csv){0};
}

int lk_csv_column(const lk_csv *csv, const char *name)
{
    for (int i = 0; i < csv->n_columns; i++)
        if (!strcmp(csv->name[i], name)) return i;
    return -1;
}

const char *lk_csv_cell(const lk_csv *csv, int64_t row, int column)
{
    return csv->cell[row * csv->n_columns + column];
}

bool lk_csv_is_missing(const char *cell)
{
    static const char *const words[] = {"", "na", "n/a", "nan", "null", "?"};
    for (int i = 0; i < (int)(sizeof words / sizeof *words); i++)
        if (!strcasecmp(cell, words[i])) return true;
    return false;
}

bool lk_csv_number(const char *cell, double *value)
{
    char *end = NULL;
    *value = strtod(cell, &end);
    if (end == cell) return false;
    while (isspace((unsigned char)*end)) end++;
    return *end == 0;
}
