#include "data/set.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"

/* ---- schema ---- */

void lk_schema_init(lk_schema *schema, const lk_data_options *options)
{
    *schema = (lk_schema){.input = options->inputs,
                          .target = options->targets,
                          .n_inputs = options->n_inputs,
                          .n_targets = options->n_targets};
    if (options->n_inputs > 0 || options->n_targets > 0) return;
    schema->plain = true;
    schema->dataset[0].path = "x";
    schema->dataset[1].path = "y";
    schema->x = (lk_field_options){.name = "x",
                                   .datasets = &schema->dataset[0],
                                   .n_datasets = 1,
                                   .normalise = options->normalise,
                                   .mean = options->mean,
                                   .std = options->std,
                                   .n_given = options->n_given};
    schema->y = (lk_field_options){.name = "y",
                                   .datasets = &schema->dataset[1],
                                   .n_datasets = 1,
                                   .normalise = options->normalise_targets};
    schema->input = &schema->x;
    schema->target = &schema->y;
    schema->n_inputs = schema->n_targets = 1;
}

/* ---- files and globs ---- */

typedef struct hit {
    char *path, *group; /* owned */
} hit;
typedef struct hit_list {
    hit *item;
    int  n, capacity;
} hit_list;

static void clear_found(hit_list *list)
{
    for (int i = 0; i < list->n; i++) {
        lk_free(&list->item[i].path);
        lk_free(&list->item[i].group);
    }
    lk_free(&list->item);
}

static lk_status add_found(hit_list *list, const char *path, const char *group)
{
    lk_status st = LK_OK;
    hit      *larger = NULL;
    if (list->n == list->capacity) {
        LK_TRY(LK_ALLOC(2 * list->n + 8, &larger));
        if (list->n) memcpy(larger, list->item, (size_t)list->n * sizeof *larger);
        lk_free(&list->item);
        list->item = larger;
        list->capacity = 2 * list->n + 8;
    }
    LK_TRY(lk_strdup(path, &list->item[list->n].path));
    st = lk_strdup(group, &list->item[list->n].group);
    list->n++;
done:
    return st;
}

static int by_name(const void *a, const void *b)
{
    const hit *x = a, *y = b;
    int        order = strcmp(x->path, y->path);
    return order ? order : strcmp(x->group, y->group);
}

static lk_status expand_glob(const char *label, const char *name, const char *pattern, const char *group,
                             hit_list *list)
{
    lk_status st = LK_OK;
    glob_t    matches = {0};
    int       result = glob(pattern, GLOB_NOSORT, NULL, &matches);
    LK_CHECK(result != GLOB_NOSPACE, LK_E_NOMEM, "%s: no memory for the matches of '%s'", label, name);
    LK_CHECK(result == 0 && matches.gl_pathc > 0, LK_E_CONFIG,
             "%s: '%s' matches no file (looked for %s); a pattern stands in quotes in YAML", label, name,
             pattern);
    for (size_t i = 0; i < matches.gl_pathc; i++) LK_TRY(add_found(list, matches.gl_pathv[i], group));
done:
    globfree(&matches);
    return st;
}

/* "run/out_*.h5:/train" is a pattern of files and a group; the group is "" where none is named. */
static lk_status expand(const char *label, const char *name, const char *base, hit_list *list)
{
    lk_status   st = LK_OK;
    struct stat info;
    char       *path = NULL;
    const char *colon = strstr(name, ":/");
    for (const char *next = colon; next; next = strstr(next + 1, ":/")) colon = next;
    size_t      size = colon ? (size_t)(colon - name) : strlen(name);
    const char *folder = name[0] != '/' && base && *base ? base : "";
    char        group[512];
    LK_CHECK(size > 0, LK_E_CONFIG, "%s: '%s' names no file", label, name);
    snprintf(group, sizeof group, "%s", colon ? colon + 1 : "");
    while (*group && group[strlen(group) - 1] == '/') group[strlen(group) - 1] = 0;
    LK_TRY(LK_ALLOC(strlen(folder) + size + 2, &path));
    sprintf(path, "%s%s%.*s", folder, *folder ? "/" : "", (int)size, name);
    if (strpbrk(path, "*?[") && stat(path, &info) != 0)
        LK_TRY(expand_glob(label, name, path, group, list));
    else
        LK_TRY(add_found(list, path, group));
done:
    lk_free(&path);
    return st;
}

lk_status lk_places_find(const char *label, const char *const *names, int n, const char *base,
                         lk_files *files, lk_places *out)
{
    lk_status st = LK_OK;
    hit_list  list = {0};
    *out = (lk_places){0};
    for (int i = 0; i < n; i++) LK_TRY(expand(label, names[i], base, &list));
    if (list.n) qsort(list.item, (size_t)list.n, sizeof *list.item, by_name);
    for (int i = 1; i < list.n; i++)
        LK_CHECK(by_name(&list.item[i - 1], &list.item[i]) != 0, LK_E_CONFIG, "%s: %s%s%s is named twice",
                 label, list.item[i].path, *list.item[i].group ? ":" : "", list.item[i].group);
    LK_TRY(LK_ALLOC(list.n, &out->number));
    LK_TRY(LK_ALLOC(list.n, &out->group));
    for (int i = 0; i < list.n; i++) {
        LK_TRY(lk_files_add(files, list.item[i].path, &out->number[i]));
        LK_TRY(lk_strdup(list.item[i].group, &out->group[i]));
        out->n = i + 1;
    }
done:
    clear_found(&list);
    return st;
}

bool lk_field_is_of_train(const lk_field_options *field)
{
    for (int k = 0; k < field->n_datasets && field->n_files > 0; k++) {
        const char *axes = field->datasets[k].axes ? field->datasets[k].axes : field->axes;
        if (!axes || strchr(axes, 'N')) return true;
    }
    return false;
}

lk_status lk_set_find(lk_set *set, const char *label, const lk_schema *schema, const lk_split_options *split,
                      const char *base, const char *field_base, bool of_train, lk_files *files)
{
    lk_status st = LK_OK;
    char      field_label[160];
    *set = (lk_set){.label = label, .n_inputs = schema->n_inputs, .n_targets = schema->n_targets};
    LK_TRY(LK_ALLOC(set->n_inputs, &set->input));
    LK_TRY(LK_ALLOC(set->n_targets, &set->target));
    set->n_own = set->n_inputs + set->n_targets;
    LK_TRY(LK_ALLOC(set->n_own, &set->own));
    LK_TRY(lk_places_find(label, split->files, split->n_files, base, files, &set->places));
    for (int i = 0; i < schema->n_inputs + schema->n_targets; i++) {
        const lk_field_options *field =
            i < schema->n_inputs ? &schema->input[i] : &schema->target[i - schema->n_inputs];
        if (field->n_files == 0 || (!of_train && lk_field_is_of_train(field))) continue;
        snprintf(field_label, sizeof field_label, "data.%s.%s", i < schema->n_inputs ? "inputs" : "targets",
                 field->name);
        LK_TRY(lk_places_find(field_label, field->files, field->n_files, field_base, files, &set->own[i]));
    }
done:
    return st;
}

/* ---- want ---- */

static const lk_places *places_of(const lk_set *set, int field)
{
    return set->own[field].n ? &set->own[field] : &set->places;
}

static lk_status want_column(const lk_places *places, const char *dataset, bool optional,
                             lk_catalogue *catalogue)
{
    lk_status st = LK_OK;
    lk_want   want = {.column = catalogue->n_columns, .optional = optional};
    for (int i = 0; i < places->n; i++) {
        want.file = places->number[i];
        LK_TRY(lk_place_dataset(places, i, dataset, &want.dataset));
        LK_TRY(lk_catalogue_want(catalogue, &want));
    }
done:
    return st;
}

lk_status lk_set_want(const lk_set *set, const lk_schema *schema, bool for_input, lk_catalogue *catalogue)
{
    lk_status st = LK_OK;
    for (int i = 0; i < schema->n_inputs + schema->n_targets; i++) {
        const lk_field_options *field =
            i < schema->n_inputs ? &schema->input[i] : &schema->target[i - schema->n_inputs];
        for (int k = 0; k < field->n_datasets; k++)
            LK_TRY(want_column(places_of(set, i), field->datasets[k].path, for_input && i >= schema->n_inputs,
                               catalogue));
    }
    if (schema->plain && schema->n_targets > 0) LK_TRY(want_column(&set->places, "w", true, catalogue));
done:
    return st;
}

/* ---- open ---- */

static lk_status missing_x(const lk_set *set, const char *file, const char *dataset)
{
    return lk_fail(
        LK_E_DATA,
        "%s: there is no %s for %s: a group of the plain layout holds x and y; name the group "
        "(file.h5:/group), or name datasets with data.inputs and data.targets; `lockstep inspect` lists "
        "what is in a file",
        file, dataset, set->label);
}

/* Whether the first file has this dataset, so that a missing one can be a choice. */
static lk_status has_dataset(lk_handles *handles, const lk_places *places, const char *dataset, bool *found)
{
    lk_status st = LK_OK;
    lk_h5    *h5 = NULL;
    char     *path = NULL;
    LK_TRY(lk_place_dataset(places, 0, dataset, &path));
    const lk_facts *known = lk_catalogue_facts(handles->catalogue, places->number[0], path);
    if (known) {
        *found = known->state == LK_FACTS_KNOWN;
        goto done;
    }
    LK_TRY(lk_handles_h5(handles, places->number[0], &h5));
    *found = lk_h5_exists(h5, path);
done:
    lk_free(&path);
    return st;
}

static lk_status open_plain_extras(lk_set *set, lk_handles *handles, bool for_input)
{
    lk_status          st = LK_OK;
    bool               x = false, y = false;
    lk_dataset_options w = {.path = "w"};
    lk_field_options   weight = {.name = "w", .datasets = &w, .n_datasets = 1};
    char              *path = NULL;
    LK_TRY(has_dataset(handles, &set->places, "x", &x));
    if (set->n_targets > 0) {
        LK_TRY(has_dataset(handles, &set->places, "y", &y));
        LK_TRY(has_dataset(handles, &set->places, "w", &set->has_weight));
    }
    if (!x || (!y && !for_input)) {
        LK_TRY(lk_place_dataset(&set->places, 0, x ? "y" : "x", &path));
        st = missing_x(set, handles->files->path[set->places.number[0]], path);
        goto done;
    }
    if (!y) set->n_targets = 0;
    if (!set->has_weight) goto done;
    LK_TRY(lk_source_open(handles, &set->places, &weight, &set->weight));
    LK_CHECK(set->weight.elements == 1, LK_E_SHAPE, "%s: %s holds %lld weights a sample, one was expected",
             handles->files->path[set->places.number[0]], set->weight.column[0].part[0].dataset,
             (long long)set->weight.elements);
done:
    lk_free(&path);
    return st;
}

/* Targets of a file given to predict: there or not, as a whole. */
static lk_status probe_targets(lk_set *set, const lk_schema *schema, lk_handles *handles)
{
    lk_status st = LK_OK;
    for (int i = 0; i < schema->n_targets; i++)
        for (int k = 0; k < schema->target[i].n_datasets; k++) {
            bool found = false;
            LK_TRY(has_dataset(handles, places_of(set, schema->n_inputs + i),
                               schema->target[i].datasets[k].path, &found));
            if (!found) set->n_targets = 0;
        }
done:
    return st;
}

lk_status lk_set_open(lk_set *set, const lk_schema *schema, lk_handles *handles, bool for_input)
{
    lk_status st = LK_OK;
    LK_CHECK(set->places.n > 0, LK_E_CONFIG, "%s names no file", set->label);
    if (schema->plain)
        LK_TRY(open_plain_extras(set, handles, for_input));
    else if (for_input)
        LK_TRY(probe_targets(set, schema, handles));
    for (int i = 0; i < set->n_inputs; i++)
        LK_TRY(lk_source_open(handles, places_of(set, i), &schema->input[i], &set->input[i]));
    for (int i = 0; i < set->n_targets; i++)
        LK_TRY(lk_source_open(handles, places_of(set, schema->n_inputs + i), &schema->target[i],
                              &set->target[i]));
    LK_TRY(lk_set_join(set));
done:
    return st;
}

/* ---- rows ---- */

static lk_source *source_at(lk_set *set, int i)
{
    if (i < set->n_inputs) return &set->input[i];
    if (i < set->n_inputs + set->n_targets) return &set->target[i - set->n_inputs];
    return set->has_weight && i == set->n_inputs + set->n_targets ? &set->weight : NULL;
}

static const char *part_file(const lk_column *column, int part)
{
    return column->files->path[column->part[part].file];
}

/* All columns with a sample axis in the split's own files have the same rows file by file. */
static lk_status agree_on_rows(lk_set *set, int64_t *rows)
{
    lk_status        st = LK_OK;
    const lk_column *first = NULL;
    lk_source       *source;
    for (int i = 0; (source = source_at(set, i)); i++) {
        for (int k = 0; k < source->n_columns && !source->own_files; k++) {
            const lk_column *column = &source->column[k];
            if (column->sample_axis < 0) continue;
            if (!first) first = column;
            for (int p = 0; p < column->n_parts; p++)
                LK_CHECK(column->part[p].n == first->part[p].n, LK_E_DATA,
                         "%s: %s has %lld samples, %s has %lld", part_file(column, p), first->part[p].dataset,
                         (long long)first->part[p].n, column->part[p].dataset, (long long)column->part[p].n);
        }
    }
    set->n = 0;
    for (int p = 0; p < set->places.n; p++) {
        rows[p] = first ? first->part[p].n : 1;
        set->n += rows[p];
    }
done:
    return st;
}

/* Files of its own, as many as the split has, go with these one by one; of any other number only the sum can be held against
 * the split's. */
static lk_status own_rows_agree(const lk_set *set, const lk_column *column, const int64_t *rows)
{
    lk_status         st = LK_OK;
    const char *const dataset = column->part[0].dataset;
    for (int p = 0; column->n_parts == set->places.n && p < column->n_parts; p++)
        LK_CHECK(
            column->part[p].n == rows[p], LK_E_DATA,
            "%s has %lld samples of %s, but %s of %s, which it goes with, has %lld: as many files as the "
            "split has go with these one by one, in the order of their names",
            part_file(column, p), (long long)column->part[p].n, dataset,
            column->files->path[set->places.number[p]], set->label, (long long)rows[p]);
    LK_CHECK(column->n == set->n, LK_E_DATA,
             "%s has %lld samples in its own %d file%s (%s%s), the %d file%s of %s %s %lld", dataset,
             (long long)column->n, column->n_parts, column->n_parts == 1 ? "" : "s", part_file(column, 0),
             column->n_parts == 1 ? "" : " ...", set->places.n, set->places.n == 1 ? "" : "s", set->label,
             set->places.n == 1 ? "has" : "have", (long long)set->n);
done:
    return st;
}

lk_status lk_set_join(lk_set *set)
{
    lk_status  st = LK_OK;
    int64_t   *rows = NULL;
    lk_source *source;
    LK_TRY(LK_ALLOC(set->places.n, &rows));
    LK_TRY(agree_on_rows(set, rows));
    LK_CHECK(set->n > 0, LK_E_DATA, "%s: %s has no sample", set->label,
             part_file(&set->input[0].column[0], 0));
    for (int i = 0; (source = source_at(set, i)); i++) {
        for (int k = 0; k < source->n_columns; k++) {
            lk_column *column = &source->column[k];
            LK_CHECK(column->sample_axis >= 0 || !source->own_files || column->n_parts == 1, LK_E_CONFIG,
                     "%s in %s has no sample axis: one file of it serves all samples, %d are named",
                     column->part[0].dataset, part_file(column, 0), column->n_parts);
            if (column->sample_axis < 0) lk_column_repeat(column, rows, set->places.n);
            if (source->own_files && column->sample_axis >= 0) LK_TRY(own_rows_agree(set, column, rows));
        }
        source->n = set->n;
    }
done:
    lk_free(&rows);
    return st;
}

void lk_set_clear(lk_set *set)
{
    for (int i = 0; set->input && i < set->n_inputs; i++) lk_source_clear(&set->input[i]);
    for (int i = 0; set->target && i < set->n_targets; i++) lk_source_clear(&set->target[i]);
    for (int i = 0; set->own && i < set->n_own; i++) lk_places_clear(&set->own[i]);
    lk_source_clear(&set->weight);
    lk_places_clear(&set->places);
    lk_free(&set->own);
    lk_free(&set->input);
    lk_free(&set->target);
    *set = (lk_set){0};
}
