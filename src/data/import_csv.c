/*
 * CSV to the layout that import.h describes. A column is numeric if every cell that is not missing is a
 * number. Dictionaries hold the words of the training rows, sorted; other rows' words that are not among them
 * get code -1.
 */
#include "core/alloc.h"
#include "data/csv.h"
#include "data/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS = 65536, MOST_CLASSES = 100 };

typedef struct column {
    int    index; /* in the CSV */
    bool   categorical;
    char **word; /* owned [n_words], into the CSV; sorted */
    int    n_words;
} column;

typedef struct table {
    const char            *path;
    lk_csv                 csv;
    const lk_import_split *split;
    column                *inputs, *targets; /* owned */
    int                    n_inputs, n_targets;
} table;

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Classes called by numbers stand in the order of the numbers. */
static int by_number(const void *a, const void *b)
{
    double x = strtod(*(char *const *)a, NULL), y = strtod(*(char *const *)b, NULL);
    return (x > y) - (x < y);
}

static int code_of(const column *c, const char *word)
{
    for (int lo = 0, hi = c->n_words - 1; lo <= hi;) {
        int mid = (lo + hi) / 2, order = strcmp(word, c->word[mid]);
        if (order == 0) return mid;
        if (order < 0)
            hi = mid - 1;
        else
            lo = mid + 1;
    }
    return -1;
}

/* Sorted distinct words of the training rows. */
static lk_status learn_words(const table *t, column *c)
{
    lk_status st = LK_OK;
    char    **all = NULL;
    int64_t   n = 0;
    LK_TRY(LK_ALLOC(t->csv.n_rows + 1, &all));
    for (int64_t i = 0; i < t->csv.n_rows; i++) {
        const char *cell = lk_csv_cell(&t->csv, i, c->index);
        if (lk_import_split_of(t->split, i) == LK_SPLIT_TRAIN && !lk_csv_is_missing(cell))
            all[n++] = (char *)(uintptr_t)cell;
    }
    qsort(all, (size_t)n, sizeof *all, by_text);
    int64_t distinct = 0;
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || strcmp(all[i], all[i - 1]) != 0) all[distinct++] = all[i];
    LK_CHECK(distinct <= MOST_WORDS, LK_E_DATA,
             "%s: column '%s' has %lld different words; is it an identifier?", t->path, t->csv.name[c->index],
             (long long)distinct);
    LK_CHECK(distinct > 0, LK_E_DATA, "%s: column '%s' is empty in all training rows", t->path,
             t->csv.name[c->index]);
    c->word = all;
    c->n_words = (int)distinct;
    all = NULL;
done:
    lk_free(&all);
    return st;
}

static bool all_numbers(const table *t, int index)
{
    double value;
    for (int64_t i = 0; i < t->csv.n_rows; i++) {
        const char *cell = lk_csv_cell(&t->csv, i, index);
        if (!lk_csv_is_missing(cell) && !lk_csv_number(cell, &value)) return false;
    }
    return true;
}

/* A target of few whole numbers that begin at 0 or 1 means classes. */
static bool few_whole_numbers(const table *t, int index)
{
    double value, most = 0;
    bool   seen[MOST_CLASSES] = {false};
    for (int64_t i = 0; i < t->csv.n_rows; i++) {
        if (!lk_csv_number(lk_csv_cell(&t->csv, i, index), &value)) return false;
        if (value < 0 || value >= MOST_CLASSES || value != floor(value)) return false;
        seen[(int)value] = true;
        most = value > most ? value : most;
    }
    for (int k = 1; k <= (int)most; k++)
        if (!seen[k]) return false;
    return most >= 1 && (double)t->csv.n_rows >= 10 * most;
}

static lk_status learn_columns(table *t, const char *const *targets, int n_targets)
{
    lk_status st = LK_OK;
    LK_TRY(LK_ALLOC(t->csv.n_columns, &t->inputs));
    LK_TRY(LK_ALLOC(n_targets, &t->targets));
    for (int k = 0; k < n_targets; k++) {
        int index = lk_csv_column(&t->csv, targets[k]);
        LK_CHECK(index >= 0, LK_E_USAGE, "%s has no column '%s' (--target) among its %d, '%s' to '%s'%s",
                 t->path, targets[k], t->csv.n_columns, t->csv.name[0], t->csv.name[t->csv.n_columns - 1],
                 lk_csv_hint(&t->csv));
        column *c = &t->targets[t->n_targets++];
        c->index = index;
        c->categorical = !all_numbers(t, index) || (n_targets == 1 && few_whole_numbers(t, index));
        LK_CHECK(!c->categorical || n_targets == 1, LK_E_DATA,
                 "%s: target '%s' holds words; only a single target can be a class", t->path, targets[k]);
        if (c->categorical) LK_TRY(learn_words(t, c));
        if (c->categorical && all_numbers(t, index))
            qsort(c->word, (size_t)c->n_words, sizeof *c->word, by_number);
    }
    for (int i = 0; i < t->csv.n_columns; i++) {
        bool is_target = false;
        for (int k = 0; k < t->n_targets; k++) is_target |= t->targets[k].index == i;
        if (is_target) continue;
        column *c = &t->inputs[t->n_inputs++];
        c->index = i;
        c->categorical = !all_numbers(t, i);
        if (c->categorical) LK_TRY(learn_words(t, c));
    }
    LK_CHECK(t->n_inputs > 0, LK_E_DATA, "%s: no column is left as input", t->path);
done:
    return st;
}

static double raw_value(const table *t, const column *c, int64_t row)
{
    const char *cell = lk_csv_cell(&t->csv, row, c->index);
    double      value;
    if (lk_csv_is_missing(cell)) return (double)NAN;
    if (c->categorical) return code_of(c, cell);
    lk_csv_number(cell, &value);
    return value;
}

static lk_status put_values(const table *t, lk_h5 *h5)
{
    lk_status st = LK_OK;
    double   *x = NULL, *y = NULL;
    int32_t *class = NULL;
    int64_t n = t->csv.n_rows, axis[2] = {n, t->n_inputs}, y_axis[2] = {n, t->n_targets};
    LK_TRY(LK_ALLOC(n * t->n_inputs, &x));
    LK_TRY(LK_ALLOC(n * t->n_targets, &y));
    LK_TRY(LK_ALLOC(n, &class));
    for (int64_t i = 0; i < n; i++) {
        for (int k = 0; k < t->n_inputs; k++) x[i * t->n_inputs + k] = raw_value(t, &t->inputs[k], i);
        for (int k = 0; k < t->n_targets; k++) {
            double value = y[i * t->n_targets + k] = raw_value(t, &t->targets[k], i);
            LK_CHECK(isfinite(value) && (!t->targets[k].categorical || value >= 0), LK_E_DATA,
                     "%s: row %lld: target '%s' is '%s'%s", t->path, (long long)i + 1,
                     t->csv.name[t->targets[k].index], lk_csv_cell(&t->csv, i, t->targets[k].index),
                     isfinite(value) ? ", a class that no training row has" : "; every row needs one");
        }
        class[i] = (int32_t)y[i * t->n_targets];
    }
    LK_TRY(lk_import_put_rows(h5, t->split, "x", LK_H5_F64, 2, axis, x));
    if (t->targets[0].categorical)
        LK_TRY(lk_import_put_rows(h5, t->split, "y", LK_H5_I32, 1, axis, class));
    else
        LK_TRY(lk_import_put_rows(h5, t->split, "y", LK_H5_F64, 2, y_axis, y));
done:
    lk_free(&x);
    lk_free(&y);
    lk_free(&class);
    return st;
}

static lk_status put_attributes(const table *t, lk_h5 *h5, const char *group)
{
    lk_status    st = LK_OK;
    const char **names = NULL, **kinds = NULL;
    char         attribute[512];
    LK_TRY(LK_ALLOC(t->csv.n_columns, &names));
    LK_TRY(LK_ALLOC(t->csv.n_columns, &kinds));
    for (int k = 0; k < t->n_inputs; k++) {
        names[k] = t->csv.name[t->inputs[k].index];
        kinds[k] = t->inputs[k].categorical ? "categorical" : "numeric";
    }
    LK_TRY(lk_h5_put_texts(h5, group, "columns", names, t->n_inputs));
    LK_TRY(lk_h5_put_texts(h5, group, "kinds", kinds, t->n_inputs));
    for (int k = 0; k < t->n_inputs; k++) {
        if (!t->inputs[k].categorical) continue;
        snprintf(attribute, sizeof attribute, "dictionary_%s", names[k]);
        LK_TRY(lk_h5_put_texts(h5, group, attribute, (const char *const *)t->inputs[k].word,
                               t->inputs[k].n_words));
    }
    for (int k = 0; k < t->n_targets; k++) names[k] = t->csv.name[t->targets[k].index];
    LK_TRY(lk_h5_put_texts(h5, group, "target_columns", names, t->n_targets));
    if (t->targets[0].categorical)
        LK_TRY(lk_h5_put_texts(h5, group, "class_names", (const char *const *)t->targets[0].word,
                               t->targets[0].n_words));
    LK_TRY(lk_h5_put_text(h5, group, "source", t->path));
done:
    lk_free(&names);
    lk_free(&kinds);
    return st;
}

static void clear_table(table *t)
{
    for (int k = 0; k < t->n_inputs; k++) lk_free(&t->inputs[k].word);
    for (int k = 0; k < t->n_targets; k++) lk_free(&t->targets[k].word);
    lk_free(&t->inputs);
    lk_free(&t->targets);
    lk_csv_clear(&t->csv);
}

lk_status lk_data_import_csv(const char *path, const char *const *targets, int n_targets,
                             const lk_import_split *split, const char *out, char **text)
{
    lk_status st = LK_OK;
    table     t = {.path = path, .split = split};
    lk_output file = {0};
    int64_t   count[LK_SPLITS];
    int       categorical = 0;
    char      group[32];
    lk_str    said;
    *text = NULL;
    lk_str_init(&said);
    LK_TRY(lk_import_check(out, &path, 1));
    LK_TRY(lk_csv_open(path, &t.csv));
    lk_import_count(split, t.csv.n_rows, count);
    LK_CHECK(count[LK_SPLIT_TRAIN] > 0, LK_E_DATA, "%s: no row is left to train on", path);
    LK_TRY(learn_columns(&t, targets, n_targets));
    LK_TRY(lk_output_begin(out, lk_import_maker, &file));
    LK_TRY(put_values(&t, file.h5));
    for (int k = 0; k < t.n_inputs; k++) categorical += t.inputs[k].categorical;
    lk_str_printf(&said, "%s: %d columns (%d categorical), target %s", out, t.n_inputs, categorical,
                  targets[0]);
    if (t.targets[0].categorical) lk_str_printf(&said, " of %d classes", t.targets[0].n_words);
    for (int s = 0; s < LK_SPLITS; s++) {
        if (!count[s]) continue;
        snprintf(group, sizeof group, "/%s", lk_split_names[s]);
        LK_TRY(put_attributes(&t, file.h5, group));
        lk_str_printf(&said, "%s %s %lld", s ? "," : ";", lk_split_names[s], (long long)count[s]);
    }
    lk_str_append(&said, "\n");
    LK_TRY(lk_output_commit(&file));
    LK_TRY(lk_str_copy(&said, text));
done:
    lk_output_abandon(&file);
    clear_table(&t);
    lk_str_clear(&said);
    return st;
}
