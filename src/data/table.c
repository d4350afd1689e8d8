#include "data/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"

/* ---- what a file says about its columns ---- */

static lk_status group_of(const lk_part *part, char **out)
{
    lk_status st = lk_strdup(part->dataset, out);
    if (st != LK_OK) return st;
    char *slash = strrchr(*out, '/');
    if (slash == *out) slash++;
    if (slash) *slash = 0;
    return LK_OK;
}

static lk_status read_cells(lk_h5 *h5, const char *group, int64_t width, lk_cell **cells, int *n)
{
    lk_status st = LK_OK;
    char    **names = NULL, **kinds = NULL, attribute[512];
    int64_t   n_names = 0, n_kinds = 0;
    LK_TRY(lk_h5_get_texts(h5, group, "columns", &names, &n_names));
    LK_TRY(lk_h5_get_texts(h5, group, "kinds", &kinds, &n_kinds));
    LK_CHECK(n_names == width && n_kinds == width, LK_E_DATA,
             "group %s names %lld columns and %lld kinds, but its x has %lld columns", group,
             (long long)n_names, (long long)n_kinds, (long long)width);
    LK_TRY(LK_ALLOC(width, cells));
    *n = (int)width;
    for (int i = 0; i < *n; i++) {
        lk_cell *cell = &(*cells)[i];
        cell->name = names[i];
        names[i] = NULL;
        cell->kind = strcmp(kinds[i], "categorical") ? LK_CELL_NUMBER : LK_CELL_CATEGORY;
        cell->std = 1;
        if (cell->kind == LK_CELL_NUMBER) continue;
        snprintf(attribute, sizeof attribute, "dictionary_%s", cell->name);
        LK_TRY(lk_h5_get_texts(h5, group, attribute, &cell->word, &cell->n_words));
    }
done:
    lk_texts_free(&names, n_names);
    lk_texts_free(&kinds, n_kinds);
    return st;
}

static lk_status describe_part(const lk_source *source, int part, lk_handles *handles, lk_cell **cells,
                               int *n)
{
    lk_status      st = LK_OK;
    const lk_part *p = &source->column[0].part[part];
    lk_h5         *h5 = NULL;
    char          *group = NULL;
    LK_TRY(lk_handles_h5(handles, p->file, &h5));
    LK_TRY(group_of(p, &group));
    if (lk_h5_has_attribute(h5, group, "columns") && lk_h5_has_attribute(h5, group, "kinds"))
        LK_TRY(read_cells(h5, group, source->elements, cells, n));
done:
    if (st == LK_E_DATA) lk_fail_context(st, "%s", handles->files->path[p->file]);
    lk_free(&group);
    return st;
}

lk_status lk_table_describe(const lk_source *source, lk_handles *handles, lk_cell **cells, int *n)
{
    *cells = NULL;
    *n = 0;
    if (source->n_columns != 1) return LK_OK;
    return describe_part(source, 0, handles, cells, n);
}

lk_status lk_table_targets(const lk_source *source, lk_handles *handles, char ***names, int64_t *n)
{
    lk_status      st = LK_OK;
    const lk_part *part = &source->column[0].part[0];
    lk_h5         *h5 = NULL;
    char          *group = NULL;
    *n = 0;
    if (source->n_columns != 1) goto done;
    LK_TRY(lk_handles_h5(handles, part->file, &h5));
    LK_TRY(group_of(part, &group));
    if (lk_h5_has_attribute(h5, group, "target_columns"))
        LK_TRY(lk_h5_get_texts(h5, group, "target_columns", names, n));
done:
    lk_free(&group);
    return st;
}

static void free_cells(lk_cell **cells, int n)
{
    for (int i = 0; *cells && i < n; i++) lk_cell_clear(&(*cells)[i]);
    lk_free(cells);
}

/* ---- fit ---- */

typedef struct tally {
    double   n, m2;
    int64_t  missing;
    int64_t *seen; /* owned [n_words] */
} tally;

static lk_status count_rows(lk_recipe *recipe, const lk_source *source, lk_handles *handles, lk_rows rows,
                            int64_t most, lk_reading *reading, tally *tallies)
{
    lk_status        st = LK_OK;
    lk_source_cursor cursor = {0};
    double          *raw = NULL;
    int64_t          used = most > 0 && most < rows.n ? most : rows.n, next = 0;
    LK_TRY(lk_source_cursor_init(&cursor, source, handles, NULL));
    LK_TRY(LK_ALLOC(source->elements, &raw));
    for (int64_t i = 0; i < rows.n; i++) {
        int64_t row = lk_rows_at(rows, i);
        bool    measured = (int64_t)((__int128)next * rows.n / used) == i; /* evenly spread, as in arrays */
        next += measured;
        LK_TRY(lk_reading_goes_on(reading, i, rows.n));
        LK_TRY(lk_source_row(&cursor, row, raw));
        for (int c = 0; c < recipe->n_cells; c++) {
            lk_cell *cell = &recipe->cell[c];
            tally   *t = &tallies[c];
            if (isinf(raw[c])) {
                st = lk_source_blame(source, recipe, row, c, raw);
                goto done;
            }
            if (isnan(raw[c])) {
                t->missing++;
            } else if (cell->kind == LK_CELL_CATEGORY) {
                if (raw[c] >= 0 && raw[c] < (double)cell->n_words) t->seen[(int64_t)raw[c]]++;
            } else if (measured) {
                double d = raw[c] - cell->mean;
                t->n++;
                cell->mean += d / t->n;
                t->m2 += d * (raw[c] - cell->mean);
            }
        }
    }
done:
    lk_source_cursor_clear(&cursor);
    lk_free(&raw);
    return st;
}

/* A word that no training row has could never be learned. */
static void drop_unseen(lk_cell *cell, const tally *t)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < cell->n_words; i++) {
        if (t->seen[i])
            cell->word[kept++] = cell->word[i];
        else
            lk_free(&cell->word[i]);
    }
    cell->n_words = kept;
}

static lk_status finish_number(const lk_recipe *recipe, lk_cell *cell, const tally *t, const char *file)
{
    lk_status st = LK_OK;
    LK_CHECK(t->n > 0, LK_E_DATA, "%s: column '%s' has no value in the training rows", file, cell->name);
    if (recipe->normalise == LK_NORMALISE_NONE) {
        LK_CHECK(t->missing == 0, LK_E_CONFIG,
                 "%s: column '%s' has missing cells; with normalise: standard the mean stands in their place",
                 file, cell->name);
        cell->mean = 0;
        cell->std = 1;
        goto done;
    }
    cell->std = sqrt(t->m2 / t->n);
    LK_CHECK(cell->std > 0, LK_E_DATA,
             "%s: column '%s' is %g in all training rows (deviation 0), so it cannot be standardised; leave "
             "it out",
             file, cell->name, cell->mean);
    cell->indicator = t->missing > 0;
done:
    return st;
}

lk_status lk_table_fit(lk_recipe *recipe, const lk_source *source, lk_handles *handles, lk_rows rows,
                       int64_t most, lk_reading *reading)
{
    lk_status   st = LK_OK;
    tally      *tallies = NULL;
    int64_t     width = 0;
    const char *file = handles->files->path[source->column[0].part[0].file];
    LK_CHECK(recipe->normalise == LK_NORMALISE_STANDARD || recipe->normalise == LK_NORMALISE_NONE,
             LK_E_CONFIG, "%s holds a table: normalise is standard or none there", file);
    LK_TRY(LK_ALLOC(recipe->n_cells, &tallies));
    for (int i = 0; i < recipe->n_cells; i++) LK_TRY(LK_ALLOC(recipe->cell[i].n_words, &tallies[i].seen));
    LK_TRY(count_rows(recipe, source, handles, rows, most, reading, tallies));
    for (int i = 0; i < recipe->n_cells; i++) {
        lk_cell *cell = &recipe->cell[i];
        if (cell->kind == LK_CELL_CATEGORY)
            drop_unseen(cell, &tallies[i]);
        else
            LK_TRY(finish_number(recipe, cell, &tallies[i], file));
        width += lk_cell_width(cell);
    }
    recipe->field.dtype = LK_F32;
    recipe->field.shape = (lk_shape){.n_axes = 1, .axis = {width}};
    LK_CHECK(width > 0, LK_E_DATA, "%s: no column of the table has a value in the training rows", file);
done:
    for (int i = 0; tallies && i < recipe->n_cells; i++) lk_free(&tallies[i].seen);
    lk_free(&tallies);
    return st;
}

/* ---- map ---- */

static bool same_words(const lk_cell *a, const lk_cell *b)
{
    bool same = a->n_words == b->n_words;
    for (int64_t i = 0; same && i < a->n_words; i++) same = !strcmp(a->word[i], b->word[i]);
    return same;
}

/* Files that are joined must mean the same by a code. */
static lk_status check_parts(const lk_source *source, lk_handles *handles, const lk_cell *cells, int n)
{
    lk_status st = LK_OK;
    lk_cell  *other = NULL;
    int       n_other = 0;
    for (int p = 1; p < source->column[0].n_parts; p++) {
        const char *file = handles->files->path[source->column[0].part[p].file];
        LK_TRY(describe_part(source, p, handles, &other, &n_other));
        LK_CHECK(n_other == n, LK_E_DATA, "%s: a table of %d columns, the first file has %d", file, n_other,
                 n);
        for (int i = 0; i < n; i++)
            LK_CHECK(
                !strcmp(other[i].name, cells[i].name) && same_words(&other[i], &cells[i]), LK_E_DATA,
                "%s: column '%s' differs from the first file in name or dictionary; import the CSV files as "
                "one",
                file, other[i].name);
        free_cells(&other, n_other);
    }
done:
    free_cells(&other, n_other);
    return st;
}

lk_status lk_table_map(const lk_recipe *recipe, lk_source *source, bool checked, lk_handles *handles)
{
    lk_status   st = LK_OK;
    lk_cell    *cells = NULL;
    int         n = 0;
    const char *file = handles->files->path[source->column[0].part[0].file];
    if (recipe->n_cells == 0) goto done;
    LK_TRY(lk_table_describe(source, handles, &cells, &n));
    LK_CHECK(n == recipe->n_cells, LK_E_SHAPE, "%s: %d named columns of a table, %d were expected", file, n,
             recipe->n_cells);
    if (!checked) LK_TRY(check_parts(source, handles, cells, n));
    LK_TRY(LK_ALLOC(n, &source->code));
    LK_TRY(LK_ALLOC(n, &source->n_code));
    source->n_cells = n;
    for (int i = 0; i < n; i++) {
        const lk_cell *cell = &recipe->cell[i];
        LK_CHECK(!strcmp(cells[i].name, cell->name) && cells[i].kind == cell->kind, LK_E_DATA,
                 "%s: column %d of the table is '%s' (%s), '%s' (%s) was expected", file, i, cells[i].name,
                 cells[i].kind ? "categorical" : "numeric", cell->name,
                 cell->kind ? "categorical" : "numeric");
        if (cell->kind == LK_CELL_NUMBER) continue;
        LK_TRY(LK_ALLOC(cells[i].n_words, &source->code[i]));
        source->n_code[i] = cells[i].n_words;
        for (int64_t k = 0; k < cells[i].n_words; k++)
            source->code[i][k] = (double)lk_cell_code(cell, cells[i].word[k]);
    }
done:
    free_cells(&cells, n);
    return st;
}
