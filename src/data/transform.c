#include "data/transform.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "data/recipe.h"

enum { FIELDS_MOST = 64, CELLS_MOST = 100000, GROUP_BYTES = 256 };

static const char *const normalise_names[] = {"none", "unit", "standard", "given"};

/* ---- texts ---- */

void lk_texts_free(char ***texts, int64_t n)
{
    for (int64_t i = 0; *texts && i < n; i++) lk_free(&(*texts)[i]);
    lk_free(texts);
}

lk_status lk_texts_copy(const char *const *texts, int64_t n, char ***out)
{
    lk_status st = LK_ALLOC(n, out);
    for (int64_t i = 0; st == LK_OK && i < n; i++) st = lk_strdup(texts[i], &(*out)[i]);
    if (st != LK_OK) lk_texts_free(out, n);
    return st;
}

/* ---- life ---- */

void lk_cell_clear(lk_cell *cell)
{
    lk_free(&cell->name);
    lk_texts_free(&cell->word, cell->n_words);
    *cell = (lk_cell){0};
}

void lk_recipe_clear(lk_recipe *recipe)
{
    lk_free(&recipe->mean);
    lk_free(&recipe->std);
    lk_texts_free(&recipe->dataset, recipe->n_datasets);
    lk_texts_free(&recipe->axes, recipe->n_datasets);
    lk_texts_free(&recipe->class_name, recipe->n_class_names);
    for (int i = 0; recipe->cell && i < recipe->n_cells; i++) lk_cell_clear(&recipe->cell[i]);
    lk_free(&recipe->cell);
    lk_texts_free(&recipe->column, recipe->n_columns);
    *recipe = (lk_recipe){0};
}

lk_status lk_transform_create(int n_inputs, int n_targets, lk_transform **out)
{
    lk_status     st = LK_OK;
    lk_transform *t = NULL;
    LK_TRY(LK_ALLOC(1, out));
    t = *out;
    LK_TRY(LK_ALLOC(n_inputs, &t->input));
    t->n_inputs = n_inputs;
    LK_TRY(LK_ALLOC(n_targets, &t->target));
    t->n_targets = n_targets;
done:
    if (st != LK_OK) lk_transform_destroy(out);
    return st;
}

void lk_transform_destroy(lk_transform **transform)
{
    if (!transform || !*transform) return;
    for (int i = 0; i < (*transform)->n_inputs; i++) lk_recipe_clear(&(*transform)->input[i]);
    for (int i = 0; i < (*transform)->n_targets; i++) lk_recipe_clear(&(*transform)->target[i]);
    lk_free(&(*transform)->input);
    lk_free(&(*transform)->target);
    lk_free(transform);
}

lk_status lk_recipe_channels(lk_recipe *recipe, int64_t n)
{
    lk_status st = LK_OK;
    LK_TRY(LK_ALLOC(n, &recipe->mean));
    LK_TRY(LK_ALLOC(n, &recipe->std));
    recipe->n_channels = n;
done:
    return st;
}

/* ---- what others ask ---- */

int lk_transform_n_inputs(const lk_transform *transform)
{
    return transform->n_inputs;
}

const lk_field *lk_transform_input(const lk_transform *transform, int index)
{
    return &transform->input[index].field;
}

int lk_transform_n_targets(const lk_transform *transform)
{
    return transform->n_targets;
}

const lk_field *lk_transform_target(const lk_transform *transform, int index)
{
    return &transform->target[index].field;
}

const char *const *lk_transform_class_names(const lk_transform *transform, int64_t *n)
{
    *n = transform->n_targets ? transform->target[0].n_class_names : 0;
    return *n ? (const char *const *)transform->target[0].class_name : NULL;
}

const double *lk_transform_target_units(const lk_transform *transform, int index, int64_t *n)
{
    *n = index < transform->n_targets ? transform->target[index].n_channels : 0;
    return *n ? transform->target[index].std : NULL;
}

void lk_transform_undo_target(const lk_transform *transform, int index, int64_t n, float *values)
{
    if (index >= transform->n_targets) return;
    const lk_recipe *recipe = &transform->target[index];
    int64_t          channels = recipe->n_channels, count = n * lk_shape_count(&recipe->field.shape);
    if (channels == 0) return;
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)((double)values[i] * recipe->std[i % channels] + recipe->mean[i % channels]);
}

/* ---- one row ---- */

int64_t lk_cell_width(const lk_cell *cell)
{
    return cell->kind == LK_CELL_CATEGORY ? cell->n_words : 1 + cell->indicator;
}

int64_t lk_cell_code(const lk_cell *cell, const char *word)
{
    for (int64_t i = 0; i < cell->n_words; i++)
        if (!strcmp(cell->word[i], word)) return i;
    return -1;
}

static int64_t apply_table(const lk_recipe *recipe, const double *raw, float *out)
{
    for (int i = 0; i < recipe->n_cells; i++) {
        const lk_cell *cell = &recipe->cell[i];
        int64_t        width = lk_cell_width(cell);
        bool           missing = isnan(raw[i]);
        if (isinf(raw[i])) return i;
        if (missing && cell->kind == LK_CELL_NUMBER && recipe->normalise == LK_NORMALISE_NONE) return i;
        memset(out, 0, (size_t)width * sizeof *out);
        if (cell->kind == LK_CELL_NUMBER) {
            if (!missing) out[0] = (float)((raw[i] - cell->mean) / cell->std);
            if (cell->indicator) out[1] = missing ? 1 : 0;
        } else if (!missing && raw[i] >= 0 && raw[i] < (double)width) {
            out[(int64_t)raw[i]] = 1;
        }
        out += width;
    }
    return -1;
}

static int64_t apply_index(const lk_recipe *recipe, const double *raw, int64_t n, int32_t *out)
{
    double end = recipe->field.classes ? (double)recipe->field.classes : (double)INT32_MAX;
    for (int64_t i = 0; i < n; i++) {
        if (!(raw[i] >= 0 && raw[i] < end)) return i;
        out[i] = (int32_t)raw[i];
    }
    return -1;
}

static int64_t first_not_finite(const float *out, int64_t n)
{
    uint32_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &out[i], sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    if (!bad) return -1;
    int64_t i = 0;
    while (isfinite(out[i])) i++;
    return i;
}

int64_t lk_recipe_apply(const lk_recipe *recipe, const double *raw, void *out)
{
    int64_t n = lk_shape_count(&recipe->field.shape), channels = recipe->n_channels;
    float *restrict values = out;
    const double *restrict mean = recipe->mean, *restrict std = recipe->std;
    if (recipe->n_cells) return apply_table(recipe, raw, out);
    if (recipe->field.dtype == LK_I32) return apply_index(recipe, raw, n, out);
    if (channels == 0) {
        for (int64_t i = 0; i < n; i++) values[i] = (float)raw[i];
    } else if (channels == 1) {
        double m = mean[0], s = std[0];
        for (int64_t i = 0; i < n; i++) values[i] = (float)((raw[i] - m) / s);
    } else {
        for (int64_t i = 0; i < n; i += channels)
            for (int64_t c = 0; c < channels; c++) values[i + c] = (float)((raw[i + c] - mean[c]) / std[c]);
    }
    return first_not_finite(values, n);
}

bool lk_recipe_makes_floats(const lk_recipe *recipe)
{
    return recipe->n_cells == 0 && recipe->field.dtype == LK_F32;
}

/* ---- save ---- */

static lk_status save_cells(const lk_recipe *recipe, lk_h5 *file, const char *group)
{
    lk_status st = LK_OK;
    char      path[GROUP_BYTES + 64];
    for (int i = 0; i < recipe->n_cells; i++) {
        const lk_cell *cell = &recipe->cell[i];
        snprintf(path, sizeof path, "%s/columns/%d", group, i);
        LK_TRY(lk_h5_put_text(file, path, "name", cell->name));
        LK_TRY(lk_h5_put_text(file, path, "kind", cell->kind == LK_CELL_NUMBER ? "number" : "category"));
        if (cell->kind == LK_CELL_NUMBER) {
            LK_TRY(lk_h5_put_doubles(file, path, "mean", &cell->mean, 1));
            LK_TRY(lk_h5_put_doubles(file, path, "std", &cell->std, 1));
            LK_TRY(lk_h5_put_int(file, path, "indicator", cell->indicator));
        } else {
            snprintf(path, sizeof path, "%s/columns/%d/words", group, i);
            LK_TRY(lk_h5_write_strings(file, path, (const char *const *)cell->word, cell->n_words));
        }
    }
done:
    return st;
}

static lk_status save_recipe(const lk_recipe *recipe, lk_h5 *file, const char *group)
{
    lk_status       st = LK_OK;
    char            path[GROUP_BYTES + 64];
    double          axes[LK_MAX_AXES];
    const lk_shape *shape = &recipe->field.shape;
    for (int i = 0; i < shape->n_axes; i++) axes[i] = (double)shape->axis[i];
    LK_TRY(lk_h5_put_text(file, group, "dtype", recipe->field.dtype == LK_F32 ? "f32" : "i32"));
    LK_TRY(lk_h5_put_doubles(file, group, "shape", axes, shape->n_axes));
    LK_TRY(lk_h5_put_int(file, group, "classes", recipe->field.classes));
    LK_TRY(lk_h5_put_text(file, group, "normalise", normalise_names[recipe->normalise]));
    LK_TRY(
        lk_h5_put_texts(file, group, "datasets", (const char *const *)recipe->dataset, recipe->n_datasets));
    LK_TRY(lk_h5_put_texts(file, group, "axes", (const char *const *)recipe->axes, recipe->n_datasets));
    LK_TRY(lk_h5_put_int(file, group, "columns", recipe->n_cells));
    LK_TRY(lk_h5_put_texts(file, group, "target_columns", (const char *const *)recipe->column,
                           recipe->n_columns));
    if (recipe->n_channels) {
        snprintf(path, sizeof path, "%s/mean", group);
        LK_TRY(lk_h5_write(file, path, LK_H5_F64, 1, &recipe->n_channels, recipe->mean));
        snprintf(path, sizeof path, "%s/std", group);
        LK_TRY(lk_h5_write(file, path, LK_H5_F64, 1, &recipe->n_channels, recipe->std));
    }
    if (recipe->n_class_names) {
        snprintf(path, sizeof path, "%s/class_names", group);
        LK_TRY(
            lk_h5_write_strings(file, path, (const char *const *)recipe->class_name, recipe->n_class_names));
    }
    LK_TRY(save_cells(recipe, file, group));
done:
    return st;
}

static lk_status save_side(const lk_recipe *recipes, int n, lk_h5 *file, const char *group, const char *side)
{
    lk_status   st = LK_OK;
    const char *names[FIELDS_MOST] = {NULL};
    char        path[GROUP_BYTES];
    LK_CHECK(n <= FIELDS_MOST, LK_E_CONFIG, "%d %s are more than %d", n, side, FIELDS_MOST);
    for (int i = 0; i < n; i++) names[i] = recipes[i].field.name;
    LK_TRY(lk_h5_put_texts(file, group, side, names, n));
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", group, side, names[i]);
        LK_TRY(save_recipe(&recipes[i], file, path));
    }
done:
    return st;
}

lk_status lk_transform_save(const lk_transform *transform, lk_h5 *file, const char *group)
{
    lk_status st = LK_OK;
    LK_TRY(save_side(transform->input, transform->n_inputs, file, group, "inputs"));
    LK_TRY(save_side(transform->target, transform->n_targets, file, group, "targets"));
done:
    return st;
}

/* ---- load: a checkpoint is verified before it is opened, but it may come from another hand ---- */

static lk_status load_cell(lk_h5 *file, const char *group, int index, lk_cell *cell)
{
    lk_status st = LK_OK;
    char      path[GROUP_BYTES + 64];
    char     *kind = NULL;
    double   *mean = NULL, *std = NULL;
    int64_t   n_mean = 0, n_std = 0, indicator = 0;
    snprintf(path, sizeof path, "%s/columns/%d", group, index);
    LK_TRY(lk_h5_get_text(file, path, "name", &cell->name));
    LK_TRY(lk_h5_get_text(file, path, "kind", &kind));
    if (!strcmp(kind, "number")) {
        LK_TRY(lk_h5_get_doubles(file, path, "mean", &mean, &n_mean));
        LK_TRY(lk_h5_get_doubles(file, path, "std", &std, &n_std));
        LK_TRY(lk_h5_get_int(file, path, "indicator", &indicator));
        LK_CHECK(n_mean == 1 && n_std == 1 && std[0] > 0, LK_E_DATA,
                 "%s: mean and std should be one number each", path);
        cell->mean = mean[0];
        cell->std = std[0];
        cell->indicator = indicator != 0;
    } else {
        LK_CHECK(!strcmp(kind, "category"), LK_E_DATA, "%s: a column of kind '%s' is not known", path, kind);
        cell->kind = LK_CELL_CATEGORY;
        snprintf(path, sizeof path, "%s/columns/%d/words", group, index);
        LK_TRY(lk_h5_read_strings(file, path, &cell->word, &cell->n_words));
    }
done:
    lk_free(&kind);
    lk_free(&mean);
    lk_free(&std);
    return st;
}

static lk_status load_cells(lk_h5 *file, const char *group, lk_recipe *recipe)
{
    lk_status st = LK_OK;
    int64_t   n = 0, width = 0;
    LK_TRY(lk_h5_get_int(file, group, "columns", &n));
    LK_CHECK(n >= 0 && n <= CELLS_MOST, LK_E_DATA, "%s: %lld columns", group, (long long)n);
    if (n == 0) goto done;
    LK_TRY(LK_ALLOC(n, &recipe->cell));
    recipe->n_cells = (int)n;
    for (int i = 0; i < recipe->n_cells; i++) {
        LK_TRY(load_cell(file, group, i, &recipe->cell[i]));
        width += lk_cell_width(&recipe->cell[i]);
    }
    LK_CHECK(width == lk_shape_count(&recipe->field.shape), LK_E_DATA,
             "%s: columns give %lld values, the shape has %lld", group, (long long)width,
             (long long)lk_shape_count(&recipe->field.shape));
done:
    return st;
}

static lk_status load_channels(lk_h5 *file, const char *group, lk_recipe *recipe)
{
    lk_status   st = LK_OK;
    char        path[GROUP_BYTES + 64];
    const char *names[2] = {"mean", "std"};
    lk_h5_info  info;
    int64_t     start[LK_H5_MAX_AXES] = {0}, count = lk_shape_count(&recipe->field.shape);
    snprintf(path, sizeof path, "%s/mean", group);
    if (!lk_h5_exists(file, path)) goto done;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", group, names[i]);
        LK_TRY(lk_h5_stat(file, path, &info));
        LK_CHECK(info.n_axes == 1 && info.axis[0] > 0 && count % info.axis[0] == 0, LK_E_DATA,
                 "%s does not fit a field of %lld values", path, (long long)count);
        if (i == 0) LK_TRY(lk_recipe_channels(recipe, info.axis[0]));
        LK_CHECK(info.axis[0] == recipe->n_channels, LK_E_DATA, "%s: %lld deviations for %lld means", path,
                 (long long)info.axis[0], (long long)recipe->n_channels);
        LK_TRY(lk_h5_read(file, path, start, info.axis, LK_H5_F64, i ? recipe->std : recipe->mean));
    }
done:
    return st;
}

static lk_status load_shape(lk_h5 *file, const char *group, lk_shape *shape)
{
    lk_status st = LK_OK;
    double   *axes = NULL;
    int64_t   n = 0;
    LK_TRY(lk_h5_get_doubles(file, group, "shape", &axes, &n));
    LK_CHECK(n <= LK_MAX_AXES, LK_E_DATA, "%s: a shape of %lld axes", group, (long long)n);
    shape->n_axes = (int)n;
    for (int i = 0; i < shape->n_axes; i++) {
        LK_CHECK(axes[i] >= 1 && axes[i] <= 1e9, LK_E_DATA, "%s: an axis of length %g", group, axes[i]);
        shape->axis[i] = (int64_t)axes[i];
    }
done:
    lk_free(&axes);
    return st;
}

static lk_status load_recipe(lk_h5 *file, const char *group, const char *name, lk_recipe *recipe)
{
    lk_status st = LK_OK;
    char     *dtype = NULL, *normalise = NULL;
    char      path[GROUP_BYTES + 64];
    int64_t   n_datasets = 0, n_axes = 0;
    snprintf(recipe->field.name, sizeof recipe->field.name, "%s", name);
    LK_TRY(load_shape(file, group, &recipe->field.shape));
    LK_TRY(lk_h5_get_text(file, group, "dtype", &dtype));
    recipe->field.dtype = strcmp(dtype, "i32") ? LK_F32 : LK_I32;
    LK_TRY(lk_h5_get_int(file, group, "classes", &recipe->field.classes));
    LK_TRY(lk_h5_get_text(file, group, "normalise", &normalise));
    for (int i = 0; i < (int)(sizeof normalise_names / sizeof *normalise_names); i++)
        if (!strcmp(normalise, normalise_names[i])) recipe->normalise = (lk_normalise)i;
    LK_TRY(lk_h5_get_texts(file, group, "datasets", &recipe->dataset, &n_datasets));
    recipe->n_datasets = (int)n_datasets;
    LK_TRY(lk_h5_get_texts(file, group, "axes", &recipe->axes, &n_axes));
    if (n_axes != n_datasets) {
        lk_texts_free(&recipe->axes, n_axes);
        st = lk_fail(LK_E_DATA, "%s: %lld axes for %lld datasets", group, (long long)n_axes,
                     (long long)n_datasets);
        goto done;
    }
    LK_TRY(load_channels(file, group, recipe));
    snprintf(path, sizeof path, "%s/class_names", group);
    if (lk_h5_exists(file, path))
        LK_TRY(lk_h5_read_strings(file, path, &recipe->class_name, &recipe->n_class_names));
    LK_TRY(lk_h5_get_texts(file, group, "target_columns", &recipe->column, &recipe->n_columns));
    LK_TRY(load_cells(file, group, recipe));
done:
    lk_free(&dtype);
    lk_free(&normalise);
    return st;
}

lk_status lk_transform_load(lk_h5 *file, const char *group, lk_transform **out)
{
    lk_status st = LK_OK;
    char      path[GROUP_BYTES];
    char    **names[2] = {NULL, NULL};
    int64_t   n[2] = {0, 0};
    *out = NULL;
    LK_TRY(lk_h5_get_texts(file, group, "inputs", &names[0], &n[0]));
    LK_TRY(lk_h5_get_texts(file, group, "targets", &names[1], &n[1]));
    LK_CHECK(n[0] <= FIELDS_MOST && n[1] <= FIELDS_MOST, LK_E_DATA, "%s: %lld inputs, %lld targets", group,
             (long long)n[0], (long long)n[1]);
    LK_TRY(lk_transform_create((int)n[0], (int)n[1], out));
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < n[side]; i++) {
            snprintf(path, sizeof path, "%s/%s/%s", group, side ? "targets" : "inputs", names[side][i]);
            LK_TRY(load_recipe(file, path, names[side][i], side ? &(*out)->target[i] : &(*out)->input[i]));
        }
    }
done:
    for (int side = 0; side < 2; side++) lk_texts_free(&names[side], n[side]);
    if (st != LK_OK) lk_transform_destroy(out);
    return st;
}
