/* Data given to predict and eval by name: HDF5, CSV or NPY, read as the transform of a checkpoint knows it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/str.h"
#include "data/csv.h"
#include "data/npy.h"
#include "data/set.h"
#include "data/table.h"
#include "io/output.h"

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* ---- HDF5 ---- */

/* "file.h5:/images" may be a dataset: the one input then, without targets. */
static lk_status name_dataset(lk_data *data, lk_handles *handles)
{
    lk_status   st = LK_OK;
    lk_h5      *h5 = NULL;
    lk_places  *places = &data->set[LK_SPLIT_TEST].places;
    char       *group = places->n ? places->group[0] : "";
    const char *file = places->n ? handles->files->path[places->number[0]] : "";
    if (!*group) goto done;
    LK_TRY(lk_handles_h5(handles, places->number[0], &h5));
    if (!lk_h5_exists(h5, group)) LK_TRY(lk_h5_missing(h5, group));
    if (lk_h5_is_group(h5, group)) goto done;
    LK_CHECK(data->schema.n_inputs == 1 && data->schema.input[0].n_datasets == 1, LK_E_CONFIG,
             "%s: %s is a dataset, but the model takes %d inputs; name a group that holds them", file, group,
             data->schema.n_inputs);
    data->schema.x = data->schema.input[0];
    data->schema.dataset[0] = data->schema.x.datasets[0];
    data->schema.dataset[0].path = data->named = group;
    data->schema.x.datasets = &data->schema.dataset[0];
    data->schema.x.n_files = 0;
    lk_places_clear(&data->set[LK_SPLIT_TEST].own[0]);
    data->schema.input = &data->schema.x;
    data->schema.n_targets = data->set[LK_SPLIT_TEST].n_targets = 0;
    data->schema.plain = false;
    places->group[0] = NULL;
    LK_TRY(lk_strdup("", &places->group[0]));
done:
    return st;
}

/* ---- NPY ---- */

static lk_status open_npy(lk_data *data, int file, lk_set *set)
{
    lk_status st = LK_OK;
    lk_npy    npy = {.file = -1};
    lk_column column = {0};
    for (int i = 0; i < data->transform->input[0].n_cells; i++)
        LK_CHECK(data->transform->input[0].cell[i].kind == LK_CELL_NUMBER, LK_E_CONFIG,
                 "%s: the model knows column '%s' by words, which NPY has not; use a CSV file",
                 data->files.path[file], data->transform->input[0].cell[i].name);
    LK_TRY(lk_npy_open(data->files.path[file], &npy));
    LK_TRY(lk_column_in_place(&data->files, file, "array", &npy.info, &column));
    LK_TRY(lk_source_from_column(data->transform->input[0].field.name, &column, &set->input[0]));
    set->n_targets = 0;
done:
    lk_column_clear(&column);
    lk_npy_close(&npy);
    return st;
}

/* ---- CSV ---- */

/* Line of a data row for messages: the header is line 1. Cells with line breaks push it further down. */
static lk_status bad_cell(const char *file, int64_t row, const char *column, const char *text,
                          const char *wanted)
{
    return lk_fail(LK_E_DATA, "%s: row %lld, column '%s': '%s' is no %s", file, (long long)row + 1, column,
                   text, wanted);
}

static lk_status find_column(const lk_csv *csv, const char *file, const char *name, int *column)
{
    *column = lk_csv_column(csv, name);
    if (*column >= 0) return LK_OK;
    return lk_fail(LK_E_DATA,
                   "%s: there is no column '%s', which the model was trained on; the file has %d columns, "
                   "from '%s' to '%s'",
                   file, name, csv->n_columns, csv->name[0], csv->name[csv->n_columns - 1]);
}

/* Numbers of one column into values[row * width + at]; NaN where missing. */
static lk_status read_numbers(const lk_csv *csv, const char *file, int column, int64_t width, int64_t at,
                              double *values)
{
    for (int64_t row = 0; row < csv->n_rows; row++) {
        const char *text = lk_csv_cell(csv, row, column);
        double     *value = &values[row * width + at];
        if (lk_csv_is_missing(text))
            *value = (double)NAN;
        else if (!lk_csv_number(text, value))
            return bad_cell(file, row, csv->name[column], text, "number");
    }
    return LK_OK;
}

static void read_words(const lk_csv *csv, int column, const lk_cell *cell, int64_t width, int64_t at,
                       double *values)
{
    for (int64_t row = 0; row < csv->n_rows; row++) {
        const char *text = lk_csv_cell(csv, row, column);
        values[row * width + at] = lk_csv_is_missing(text) ? (double)NAN : (double)lk_cell_code(cell, text);
    }
}

/* Words that no training row had, and missing cells, are no error: but whoever mistyped a word wants to know. */
static void tell_unseen(const lk_csv *csv, const lk_recipe *recipe, const char *file, const double *values)
{
    int64_t     missing = 0, unseen = 0;
    const char *word = NULL, *column = NULL;
    for (int i = 0; i < recipe->n_cells; i++)
        for (int64_t row = 0; row < csv->n_rows; row++) {
            double value = values[row * recipe->n_cells + i];
            missing += isnan(value) != 0;
            if (recipe->cell[i].kind != LK_CELL_CATEGORY || !(value < 0) || unseen++) continue;
            column = recipe->cell[i].name;
            word = lk_csv_cell(csv, row, lk_csv_column(csv, column));
        }
    if (missing)
        lk_log_info("%s: %lld cell%s missing", file, (long long)missing, missing == 1 ? " is" : "s are");
    if (unseen)
        lk_log_info("%s: %lld cell%s hold%s a word that no training row has, '%s' in column '%s'%s", file,
                    (long long)unseen, unseen == 1 ? "" : "s", unseen == 1 ? "s" : "", word, column,
                    unseen == 1 ? "" : " and others");
}

/* Table columns go by name, in any order among others; the values of an array go by place. */
static lk_status csv_input(const lk_csv *csv, const lk_recipe *recipe, const char *file, int64_t width,
                           double *values)
{
    lk_status st = LK_OK;
    char      shape[LK_SHAPE_TEXT_BYTES];
    LK_CHECK(recipe->n_cells || csv->n_columns == width, LK_E_SHAPE,
             "%s: rows of %d values, field '%s' takes %s", file, csv->n_columns, recipe->field.name,
             lk_shape_text(&recipe->field.shape, shape));
    for (int i = 0; i < (int)width; i++) {
        const lk_cell *cell = recipe->n_cells ? &recipe->cell[i] : NULL;
        int            column = i;
        if (cell) LK_TRY(find_column(csv, file, cell->name, &column));
        if (cell && cell->kind == LK_CELL_CATEGORY)
            read_words(csv, column, cell, width, i, values);
        else
            LK_TRY(read_numbers(csv, file, column, width, i, values));
    }
    tell_unseen(csv, recipe, file, values);
done:
    return st;
}

/* A class by its name, else by its number. */
static lk_status read_classes(const lk_csv *csv, const char *file, int column, const lk_recipe *recipe,
                              double *values)
{
    lk_cell names = {.word = recipe->class_name, .n_words = recipe->n_class_names};
    for (int64_t row = 0; row < csv->n_rows; row++) {
        const char *text = lk_csv_cell(csv, row, column);
        int64_t     code = lk_cell_code(&names, text);
        if (code >= 0)
            values[row] = (double)code;
        else if (recipe->n_class_names || !lk_csv_number(text, &values[row]))
            return bad_cell(file, row, csv->name[column], text, "class the model knows");
    }
    return LK_OK;
}

/* Targets are there if all their columns are, without an empty cell. */
static bool has_targets(const lk_csv *csv, const lk_transform *t)
{
    const lk_recipe *recipe = t->n_targets == 1 ? &t->target[0] : NULL;
    if (!recipe || recipe->n_columns == 0) return false;
    for (int64_t i = 0; i < recipe->n_columns; i++) {
        int column = lk_csv_column(csv, recipe->column[i]);
        if (column < 0) return false;
        for (int64_t row = 0; row < csv->n_rows; row++)
            if (lk_csv_is_missing(lk_csv_cell(csv, row, column))) return false;
    }
    return true;
}

static lk_status csv_target(const lk_csv *csv, const lk_recipe *recipe, const char *file, double *values)
{
    lk_status st = LK_OK;
    for (int64_t i = 0; i < recipe->n_columns; i++) {
        int column = lk_csv_column(csv, recipe->column[i]);
        if (recipe->field.dtype == LK_I32)
            LK_TRY(read_classes(csv, file, column, recipe, values));
        else
            LK_TRY(read_numbers(csv, file, column, recipe->n_columns, i, values));
    }
done:
    return st;
}

static lk_status keep_values(lk_data *data, int file, const char *name, const lk_csv *csv, int64_t width,
                             double **values, lk_source *source)
{
    lk_status st = LK_OK;
    lk_column column = {0};
    LK_TRY(lk_column_from_memory(&data->files, file, "rows", csv->n_rows, width, values, &column));
    column.integer = true; /* classes are checked one by one; numbers do not ask */
    LK_TRY(lk_source_from_column(name, &column, source));
done:
    lk_column_clear(&column);
    return st;
}

static lk_status open_csv(lk_data *data, int file, lk_set *set)
{
    lk_status           st = LK_OK;
    const lk_transform *t = data->transform;
    const lk_recipe    *recipe = &t->input[0];
    const char         *path = data->files.path[file];
    double             *values = NULL;
    lk_csv              csv = {0};
    int64_t             width = recipe->n_cells ? recipe->n_cells : lk_shape_count(&recipe->field.shape);
    LK_TRY(lk_csv_open(path, &csv));
    LK_TRY(LK_ALLOC(csv.n_rows * width, &values));
    LK_TRY(csv_input(&csv, recipe, path, width, values));
    LK_TRY(keep_values(data, file, recipe->field.name, &csv, width, &values, &set->input[0]));
    set->n_targets = set->n_targets > 0 && has_targets(&csv, t) ? 1 : 0;
    if (set->n_targets == 0) goto done;
    LK_TRY(LK_ALLOC(csv.n_rows * t->target[0].n_columns, &values));
    LK_TRY(csv_target(&csv, &t->target[0], path, values));
    LK_TRY(keep_values(data, file, t->target[0].field.name, &csv, t->target[0].n_columns, &values,
                       &set->target[0]));
done:
    lk_free(&values);
    lk_csv_clear(&csv);
    return st;
}

/* A file of one array for a model of one input. */
static lk_status open_single(lk_data *data, bool csv)
{
    lk_status   st = LK_OK;
    lk_set     *set = &data->set[LK_SPLIT_TEST];
    int         file = set->places.number[0];
    const char *path = data->files.path[file];
    LK_CHECK(data->transform->n_inputs == 1 && set->n_inputs == 1, LK_E_CONFIG,
             "%s holds one array, but the model takes %d inputs; use an HDF5 file", path,
             data->transform->n_inputs);
    LK_CHECK(set->places.n == 1, LK_E_CONFIG, "%s: name one file at a time", set->label);
    if (csv)
        LK_TRY(open_csv(data, file, set));
    else
        LK_TRY(open_npy(data, file, set));
    LK_TRY(lk_set_join(set));
done:
    return st;
}

/* ---- open ---- */

/* `raw`: rows speak the recipe's codes already. */
static lk_status check_input(lk_data *data, bool raw, lk_handles *handles)
{
    lk_status           st = LK_OK;
    const lk_transform *t = data->transform;
    lk_set             *set = &data->set[LK_SPLIT_TEST];
    lk_rows             all = {NULL, set->n};
    LK_CHECK(set->n_inputs == t->n_inputs, LK_E_CONFIG,
             "the model takes %d inputs, the configuration names %d", t->n_inputs, set->n_inputs);
    for (int i = 0; i < set->n_inputs; i++) {
        LK_TRY(lk_recipe_matches(&t->input[i], &set->input[i]));
        if (!raw) LK_TRY(lk_table_map(&t->input[i], &set->input[i], false, handles));
    }
    for (int i = 0; i < set->n_targets && i < t->n_targets; i++) {
        LK_TRY(lk_recipe_matches(&t->target[i], &set->target[i]));
        LK_TRY(lk_recipe_check(&t->target[i], &set->target[i], handles, all));
    }
done:
    return st;
}

/* Files of their own go with the training samples: no target of those given here is among them. */
static void leave_out_targets(lk_data *data, bool targets)
{
    for (int i = 0; i < data->schema.n_targets; i++)
        if (lk_field_is_of_train(&data->schema.target[i])) data->of_train = data->schema.target[i].name;
    if (!targets || data->of_train) data->schema.n_targets = 0;
}

static lk_status refuse_of_train(const lk_schema *schema, const char *input)
{
    lk_status st = LK_OK;
    for (int i = 0; i < schema->n_inputs; i++)
        LK_CHECK(
            !lk_field_is_of_train(&schema->input[i]), LK_E_CONFIG,
            "%s: data.inputs.%s has files of its own, which hold the samples of data.train and not those of "
            "%s: a model for other samples is trained with %s in the same files as the other inputs",
            input, schema->input[i].name, input, schema->input[i].datasets[0].path);
done:
    return st;
}

/* Names, and what a name means; of an HDF5 file what is wanted of it. */
static lk_status list_input(const char *input, bool targets, const lk_data_options *options,
                            const lk_transform *known, bool single, lk_data **out, lk_catalogue *catalogue)
{
    lk_status        st = LK_OK;
    lk_data         *data = NULL;
    lk_split_options split = {.files = &input, .n_files = 1};
    LK_TRY(LK_ALLOC(1, out));
    data = *out;
    data->options = options;
    data->transform = known;
    lk_set *set = &data->set[LK_SPLIT_TEST];
    lk_schema_init(&data->schema, options);
    leave_out_targets(data, targets);
    /* The name comes from the command line: relative to where the user stands. */
    LK_TRY(lk_set_find(set, input, &data->schema, &split, NULL, options->base, false, &data->files));
    data->split[LK_SPLIT_TEST].set = set;
    LK_TRY(lk_handles_init(&data->handles, &data->files));
    if (single) goto done;
    LK_TRY(name_dataset(data, &data->handles));
    LK_TRY(refuse_of_train(&data->schema, input));
    LK_TRY(lk_set_want(set, &data->schema, true, catalogue));
done:
    return st;
}

lk_status lk_data_open_input(const char *input, bool targets, const lk_data_options *options,
                             const lk_transform *known, const lk_share *share, lk_data **out)
{
    lk_catalogue catalogue = {0};
    lk_data     *data = NULL;
    bool         csv = ends_with(input, ".csv"), npy = ends_with(input, ".npy");
    lk_status    st = list_input(input, targets, options, known, csv || npy, &data, &catalogue);
    if (!csv && !npy) st = lk_catalogue_learn(&catalogue, data ? &data->handles : NULL, share, st, false);
    LK_TRY(st);
    lk_set *set = &data->set[LK_SPLIT_TEST];
    data->handles.catalogue = &catalogue;
    lk_catalogue_tell_sizes(&catalogue, &data->files);
    if (csv || npy)
        LK_TRY(open_single(data, csv));
    else
        LK_TRY(lk_set_open(set, &data->schema, &data->handles, true));
    data->split[LK_SPLIT_TEST].n = set->n;
    LK_TRY(check_input(data, csv || npy, &data->handles));
done:
    if (data) lk_handles_clear(&data->handles);
    lk_catalogue_clear(&catalogue);
    if (st != LK_OK) lk_data_close(&data);
    *out = data;
    return st;
}

void lk_data_miss_targets(const lk_data *data, char *text, size_t size)
{
    const lk_transform *t = data->transform;
    bool                csv = data->files.n > 0 && ends_with(data->files.path[0], ".csv");
    bool                columns = csv && t->n_targets == 1 && t->target[0].n_columns > 0;
    lk_schema           schema;
    lk_str              names;
    int                 n = 0;
    if (data->of_train) {
        snprintf(text, size,
                 "data.targets.%s has files of its own, which hold the samples of data.train and no others",
                 data->of_train);
        return;
    }
    lk_str_init(&names);
    lk_schema_init(&schema, data->options);
    for (int i = 0; columns && i < t->target[0].n_columns; i++, n++)
        lk_str_printf(&names, "%s'%s'", n ? ", " : "", t->target[0].column[i]);
    for (int i = 0; !columns && i < schema.n_targets; i++)
        for (int k = 0; k < schema.target[i].n_datasets; k++, n++)
            lk_str_printf(&names, "%s'%s'", n ? ", " : "", schema.target[i].datasets[k].path);
    snprintf(text, size, "%s%s %s %s not there%s", columns ? "column" : "dataset", n == 1 ? "" : "s",
             lk_str_text(&names), n == 1 ? "is" : "are", columns ? ", or cells of it are empty" : "");
    lk_str_clear(&names);
}

lk_status lk_data_check_output(const char *input, const lk_data_options *options, const char *output)
{
    lk_status        st = LK_OK;
    lk_schema        schema;
    lk_split_options split = {.files = &input, .n_files = 1};
    lk_files         files = {0};
    lk_set           set = {0};
    lk_schema_init(&schema, options);
    LK_TRY(lk_set_find(&set, input, &schema, &split, NULL, options->base, false, &files));
    for (int i = 0; i < files.n; i++) LK_TRY(lk_output_apart(output, "input", files.path[i]));
done:
    lk_set_clear(&set);
    lk_files_clear(&files);
    return st;
}
