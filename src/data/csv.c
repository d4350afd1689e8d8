#include "data/csv.h"

#include "core/alloc.h"
#include "core/str.h"
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
    bool  quoted = from < r->end && *from == '"';
    *cell = to;
    if (quoted) {
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
        if (from < r->end && *from == '\r' && (from + 1 >= r->end || from[1] == '\n')) from++;
        if (from < r->end && *from != ',' && *from != '\n')
            return lk_fail(LK_E_DATA, "%s:%lld: text behind a closing quote", r->path, (long long)r->line);
    } else {
        while (from < r->end && *from != ',' && *from != '\n') *to++ = *from++;
    }
    *last = from >= r->end || *from == '\n';
    if (*last && !quoted && to > *cell && to[-1] == '\r') to--;
    r->line += from < r->end && *from == '\n';
    r->at = from < r->end ? from + 1 : from;
    *to = 0;
    return LK_OK;
}

static bool blank_line(const reader *r)
{
    return r->at < r->end && (*r->at == '\n' || (*r->at == '\r' && r->at + 1 < r->end && r->at[1] == '\n'));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static lk_status no_twins(const char *path, const lk_csv *csv)
{
    lk_status st = LK_OK;
    char    **sorted = NULL;
    LK_TRY(LK_ALLOC(csv->n_columns, &sorted));
    memcpy(sorted, csv->name, (size_t)csv->n_columns * sizeof *sorted);
    qsort(sorted, (size_t)csv->n_columns, sizeof *sorted, by_name);
    for (int i = 1; i < csv->n_columns; i++)
        LK_CHECK(strcmp(sorted[i - 1], sorted[i]) != 0, LK_E_DATA, "%s:1: two columns are called '%s'", path,
                 sorted[i]);
done:
    lk_free(&sorted);
    return st;
}

/* Cells are counted, not rows times columns: a file can claim no more memory than it has separators. */
static int64_t count_cells(const reader *r)
{
    int64_t n = 1;
    for (const char *at = r->at; at < r->end; at++) n += *at == ',' || *at == '\n';
    return n;
}

static lk_status take_header(reader *r, lk_csv *csv)
{
    enum { MOST_COLUMNS = 65536, NAME_BYTES = 400 };
    lk_status st = LK_OK;
    bool      last = false;
    int64_t   most = count_cells(r);
    LK_TRY(LK_ALLOC(most < MOST_COLUMNS ? most : MOST_COLUMNS, &csv->name));
    while (!last) {
        LK_CHECK(csv->n_columns < MOST_COLUMNS, LK_E_DATA, "%s:1: more than %d columns", r->path,
                 MOST_COLUMNS);
        LK_TRY(take_cell(r, &csv->name[csv->n_columns], &last));
        LK_CHECK(strlen(csv->name[csv->n_columns]) <= NAME_BYTES, LK_E_DATA,
                 "%s:1: the name of column %d has more than %d bytes: is the first line a header?", r->path,
                 csv->n_columns + 1, NAME_BYTES);
        csv->n_columns++;
    }
    LK_TRY(no_twins(r->path, csv));
done:
    return st;
}

static lk_status take_rows(reader *r, lk_csv *csv)
{
    lk_status st = LK_OK;
    int64_t   used = 0;
    LK_TRY(LK_ALLOC(count_cells(r), &csv->cell));
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
            csv->cell[used++] = cell;
            n++;
        }
        LK_CHECK(n == csv->n_columns, LK_E_DATA, "%s:%lld: %d cells, the header has %d%s", r->path,
                 (long long)line, n, csv->n_columns, lk_csv_hint(csv));
        csv->n_rows++;
    }
    LK_CHECK(csv->n_rows > 0, LK_E_DATA, "%s: no row behind the header line", r->path);
done:
    return st;
}

/* Words go into HDF5 as UTF-8, where other programs must be able to read them. */
static lk_status check_utf8(const char *path, const char *at, const char *end)
{
    int64_t line = 1;
    while (at < end) {
        int n = lk_utf8_length(at);
        if (n == 0 || n > end - at)
            return lk_fail(LK_E_DATA,
                           "%s:%lld: the text is not UTF-8 (byte 0x%02x); convert it, perhaps with "
                           "iconv -f latin1 -t utf8",
                           path, (long long)line, (unsigned char)*at);
        line += *at == '\n';
        at += n;
    }
    return LK_OK;
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
    LK_TRY(check_utf8(path, r.at, r.end));
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

const char *lk_csv_hint(const lk_csv *csv)
{
    if (csv->n_columns != 1) return "";
    if (strchr(csv->name[0], ';')) return "; are its cells separated by ';'? They should be by ','";
    return strchr(csv->name[0], '\t') ? "; are its cells separated by tabs? They should be by ','" : "";
}
