#include "data/field.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/log.h"
#include "data/decode.h"
#include "data/table.h"

enum { CELL_BYTES = 128 }; /* more than LK_PLACES + 1 indices take */

/* ---- places ---- */

void lk_places_clear(lk_places *places)
{
    lk_texts_free(&places->group, places->n);
    lk_free(&places->number);
    *places = (lk_places){0};
}

lk_status lk_place_dataset(const lk_places *places, int index, const char *dataset, char **out)
{
    const char *group = places->group[index];
    size_t      size = strlen(group) + strlen(dataset) + 2;
    lk_status   st = LK_ALLOC(size, out);
    if (st == LK_OK) snprintf(*out, size, "%s/%s", group, dataset + (*dataset == '/'));
    return st;
}

/* ---- open ---- */

/* The letters of a dataset as it is stored; where none are given, the last axes are D H W C. */
static lk_status letters_of(const lk_column *column, char **out)
{
    char letters[LK_H5_MAX_AXES + 1] = "";
    int  n = 0;
    for (int axis = 0; axis < LK_PLACES + 1; axis++) {
        if (axis == column->sample_axis) letters[n++] = 'N';
        for (int i = 0; i < LK_PLACES; i++)
            if (column->place[i] == axis) letters[n++] = "DHWC"[i];
    }
    return lk_strdup(letters, out);
}

static lk_status open_column(lk_handles *handles, const lk_places *places, const lk_dataset_options *dataset,
                             const char *axes, lk_column *column)
{
    lk_status st = LK_OK;
    char    **names = NULL;
    LK_TRY(LK_ALLOC(places->n, &names));
    for (int i = 0; i < places->n; i++) LK_TRY(lk_place_dataset(places, i, dataset->path, &names[i]));
    LK_TRY(lk_column_open(handles, places->n, places->number, (const char *const *)names,
                          dataset->axes ? dataset->axes : axes, column));
done:
    lk_texts_free(&names, places->n);
    return st;
}

static lk_status stack(const char *name, lk_source *out)
{
    lk_status        st = LK_OK;
    const lk_column *first = &out->column[0];
    bool             space = false;
    char             a[LK_SHAPE_TEXT_BYTES], b[LK_SHAPE_TEXT_BYTES];
    out->has_channels = out->n_columns > 1;
    for (int k = 0; k < out->n_columns; k++) {
        const lk_column *column = &out->column[k];
        lk_shape         mine = lk_column_shape(column), other = lk_column_shape(first);
        for (int i = 0; i < LK_PLACES - 1; i++)
            LK_CHECK(column->size[i] == first->size[i], LK_E_SHAPE,
                     "field %s: samples of %s are %s, of %s %s; only the channels may differ", name,
                     column->part[0].dataset, lk_shape_text(&mine, a), first->part[0].dataset,
                     lk_shape_text(&other, b));
        out->channel[k] = out->channels;
        out->channels += column->size[LK_PLACES - 1];
        out->elements = first->size[0] * first->size[1] * first->size[2] * out->channels;
        out->has_channels = out->has_channels || column->place[LK_PLACES - 1] >= 0;
    }
    for (int i = 0; i < LK_PLACES - 1; i++) {
        if (first->place[i] < 0) continue;
        out->shape.axis[out->shape.n_axes++] = first->size[i];
        space = true;
    }
    /* Channels of space there always are: a map of one value a point is an image of one channel. */
    if (out->has_channels || space) out->shape.axis[out->shape.n_axes++] = out->channels;
done:
    return st;
}

lk_status lk_source_open(lk_handles *handles, const lk_places *places, const lk_field_options *options,
                         lk_source *out)
{
    lk_status st = LK_OK;
    *out = (lk_source){.own_files = options->n_files > 0};
    LK_CHECK(options->n_datasets > 0, LK_E_CONFIG, "field %s names no dataset", options->name);
    LK_TRY(LK_ALLOC(options->n_datasets, &out->column));
    LK_TRY(LK_ALLOC(options->n_datasets, &out->channel));
    LK_TRY(LK_ALLOC(options->n_datasets, &out->axes));
    out->n_columns = options->n_datasets;
    for (int k = 0; k < out->n_columns; k++) {
        LK_TRY(open_column(handles, places, &options->datasets[k], options->axes, &out->column[k]));
        LK_TRY(letters_of(&out->column[k], &out->axes[k]));
    }
    LK_TRY(stack(options->name, out));
done:
    if (st != LK_OK) lk_source_clear(out);
    return st;
}

lk_status lk_source_from_column(const char *name, lk_column *column, lk_source *out)
{
    lk_status st = LK_OK;
    *out = (lk_source){.n_columns = 1};
    LK_TRY(LK_ALLOC(1, &out->column));
    out->column[0] = *column;
    *column = (lk_column){0};
    LK_TRY(LK_ALLOC(1, &out->channel));
    LK_TRY(LK_ALLOC(1, &out->axes));
    LK_TRY(letters_of(&out->column[0], &out->axes[0]));
    LK_TRY(stack(name, out));
done:
    lk_column_clear(column);
    if (st != LK_OK) lk_source_clear(out);
    return st;
}

void lk_source_clear(lk_source *source)
{
    for (int i = 0; source->column && i < source->n_columns; i++) lk_column_clear(&source->column[i]);
    for (int i = 0; source->code && i < source->n_cells; i++) lk_free(&source->code[i]);
    lk_free(&source->column);
    lk_free(&source->channel);
    lk_texts_free(&source->axes, source->n_columns);
    lk_free(&source->code);
    lk_free(&source->n_code);
    *source = (lk_source){0};
}

/* ---- rows ---- */

lk_status lk_source_cursor_init(lk_source_cursor *cursor, const lk_source *source, lk_handles *handles,
                                lk_shared *shared)
{
    lk_status st = LK_OK;
    *cursor = (lk_source_cursor){.source = source};
    LK_TRY(LK_ALLOC(source->n_columns, &cursor->cursor));
    for (int i = 0; i < source->n_columns; i++)
        LK_TRY(lk_cursor_init(&cursor->cursor[i], &source->column[i], handles, shared));
done:
    if (st != LK_OK) lk_source_cursor_clear(cursor);
    return st;
}

void lk_source_cursor_clear(lk_source_cursor *cursor)
{
    for (int i = 0; cursor->cursor && i < cursor->source->n_columns; i++) lk_cursor_clear(&cursor->cursor[i]);
    lk_free(&cursor->cursor);
    *cursor = (lk_source_cursor){0};
}

/* Codes of this file's dictionaries become those of the recipe; -1 and codes out of range mean "unknown". */
static void translate(const lk_source *source, double *row)
{
    for (int i = 0; i < source->n_cells; i++) {
        if (!source->code[i] || isnan(row[i])) continue;
        bool known = row[i] >= 0 && row[i] < (double)source->n_code[i];
        row[i] = known ? source->code[i][(int64_t)row[i]] : -1;
    }
}

lk_status lk_source_row(lk_source_cursor *cursor, int64_t row, double *out)
{
    lk_status        st = LK_OK;
    const lk_source *source = cursor->source;
    for (int i = 0; i < source->n_columns; i++)
        LK_TRY(lk_cursor_read(&cursor->cursor[i], row, source->channels, source->channel[i], out));
    if (source->n_cells) translate(source, out);
done:
    return st;
}

/* "[5,3,2]": an element of a row where its dataset has it, as h5dump counts. */
static void cell_of(const lk_source *source, int k, int64_t index, int64_t element, char *text, size_t size)
{
    const lk_column *column = &source->column[k];
    int64_t          at[LK_PLACES], pixel = element / source->channels;
    size_t           used = 0;
    at[LK_PLACES - 1] = element % source->channels - source->channel[k];
    for (int i = LK_PLACES - 2; i >= 0; i--) {
        at[i] = pixel % column->size[i];
        pixel /= column->size[i];
    }
    for (int axis = 0; axis < column->part[0].info.n_axes && used < size; axis++) {
        int64_t value = index;
        for (int i = 0; i < LK_PLACES; i++)
            if (column->place[i] == axis) value = at[i];
        used += (size_t)snprintf(text + used, size - used, "%s%lld", axis ? "," : "[", (long long)value);
    }
    if (used < size) snprintf(text + used, size - used, "]");
}

/* The dataset that a channel comes from. */
static int column_of(const lk_source *source, int64_t channel)
{
    int k = source->n_columns - 1;
    while (k > 0 && source->channel[k] > channel) k--;
    return k;
}

lk_status lk_source_blame(const lk_source *source, const lk_recipe *recipe, int64_t row, int64_t element,
                          const double *raw)
{
    const int        k = column_of(source, element % source->channels);
    int64_t          index;
    const lk_column *column = &source->column[k];
    const lk_part   *part = lk_column_part(column, row, &index);
    const char      *file = column->files->path[part->file];
    double           value = raw[element];
    char             cell[CELL_BYTES];
    cell_of(source, k, index, element, cell, sizeof cell);
    if (recipe->n_cells)
        return lk_fail(LK_E_DATA, "%s: %s[%lld]: column '%s' %s", file, part->dataset, (long long)index,
                       recipe->cell[element].name,
                       isnan(value) ? "is missing; with normalise: standard the mean stands in its place"
                                    : "holds an infinite value");
    if (recipe->field.dtype == LK_I32 && value == floor(value) && recipe->field.classes)
        return lk_fail(LK_E_DATA, "%s: %s%s is %.0f, outside 0..%lld%s", file, part->dataset, cell, value,
                       (long long)recipe->field.classes - 1,
                       value == (double)recipe->field.classes ? "; do the labels begin at 1?" : "");
    if (recipe->field.dtype == LK_I32)
        return lk_fail(LK_E_DATA, "%s: %s%s is %g, an index of 0 or more was expected", file, part->dataset,
                       cell, value);
    if (isfinite(value))
        return lk_fail(LK_E_DATA, "%s: %s%s holds %g, too large for a 32-bit float", file, part->dataset,
                       cell, value);
    return lk_fail(LK_E_DATA, "%s: %s%s holds %s", file, part->dataset, cell,
                   !isnan(value)  ? "an infinite value"
                   : part->scaled ? "NaN or its fill value"
                                  : "NaN");
}

/* ---- fit ---- */

double lk_reading_patience = 3;

/* Looks at the clock now and then: a row may be one label. Who asks for a stop during a short reading has it at the first
 * step, with a checkpoint; a long one has nothing to save. */
lk_status lk_reading_goes_on(lk_reading *reading, int64_t i, int64_t n)
{
    enum { LOOK_ELEMENTS = 1 << 16 };
    static const double LOOK_SECONDS = 0.2;
    int64_t             every = LOOK_ELEMENTS / reading->elements;
    if (every > 1 && i % every != 0) return LK_OK;
    double now = lk_clock_seconds();
    if (i == 0) reading->began = now;
    if (now - reading->began < lk_reading_patience) return LK_OK;
    if (lk_reading_patience > 0 && now - reading->looked < LOOK_SECONDS) return LK_OK;
    reading->looked = now;
    const lk_data_stop *stop = reading->stop;
    if (stop && stop->asked(stop->context))
        return lk_fail(LK_STOPPED, "stopped at sample %lld of %lld that field %s is fitted to", (long long)i,
                       (long long)n, reading->field);
    if (reading->said || i == 0) return LK_OK;
    reading->said = true;
    double seconds = (now - reading->began) / (double)i * (double)n;
    lk_log_info("statistics  field %s: %lld samples are read before the first step, in about %.0f %s%s",
                reading->field, (long long)n, seconds < 120 ? seconds : seconds / 60,
                seconds < 120 ? "s" : "min", reading->cure);
    return LK_OK;
}

typedef struct moments {
    double  n;         /* values a channel so far */
    double *mean, *m2; /* [channels] */
    double *row_mean, *row_m2;
} moments;

/* Merges one row: its own mean and squares first, so that large offsets do not eat the digits. */
static void merge_row(moments *m, const double *raw, int64_t pixels, int64_t channels)
{
    double n = (double)pixels, all = m->n + n;
    for (int64_t c = 0; c < channels; c++) m->row_mean[c] = m->row_m2[c] = 0;
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < channels; c++) m->row_mean[c] += raw[p * channels + c];
    for (int64_t c = 0; c < channels; c++) m->row_mean[c] /= n;
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < channels; c++) {
            double d = raw[p * channels + c] - m->row_mean[c];
            m->row_m2[c] += d * d;
        }
    for (int64_t c = 0; c < channels; c++) {
        double d = m->row_mean[c] - m->mean[c];
        m->mean[c] += d * n / all;
        m->m2[c] += m->row_m2[c] + d * d * m->n * n / all;
    }
    m->n = all;
}

/* Of several datasets one is at fault, which its channel's number alone does not tell. */
static lk_status blame_constant(const lk_recipe *recipe, const lk_source *source, int64_t channel)
{
    const int        k = column_of(source, channel);
    const lk_column *column = &source->column[k];
    const lk_part   *part = &column->part[0];
    char             origin[512] = "", number[48] = "";
    if (column->size[LK_PLACES - 1] > 1)
        snprintf(number, sizeof number, "channel %lld of ", (long long)(channel - source->channel[k]));
    if (source->n_columns > 1)
        snprintf(origin, sizeof origin, ", %s%s in %s%s,", number, part->dataset,
                 column->files->path[part->file], column->n_parts > 1 ? " ..." : "");
    return lk_fail(LK_E_DATA,
                   "field %s: channel %lld%s is %g in all training samples (deviation 0), so it cannot be "
                   "standardised; leave it out or use another normalise",
                   recipe->field.name, (long long)channel, origin, recipe->mean[channel]);
}

static lk_status fit_standard(lk_recipe *recipe, const lk_source *source, lk_source_cursor *cursor,
                              lk_rows rows, int64_t most, lk_reading *reading, double *raw)
{
    lk_status st = LK_OK;
    int64_t   channels = recipe->n_channels, pixels = source->elements / channels;
    int64_t   used = most > 0 && most < rows.n ? most : rows.n;
    moments   m = {.mean = recipe->mean};
    LK_TRY(LK_ALLOC(channels, &m.m2));
    LK_TRY(LK_ALLOC(channels, &m.row_mean));
    LK_TRY(LK_ALLOC(channels, &m.row_m2));
    for (int64_t i = 0; i < used; i++) {
        int64_t row = lk_rows_at(rows, (int64_t)((__int128)i * rows.n / used));
        LK_TRY(lk_reading_goes_on(reading, i, used));
        LK_TRY(lk_source_row(cursor, row, raw));
        for (int64_t e = 0; e < source->elements; e++)
            if (!isfinite(raw[e])) {
                st = lk_source_blame(source, recipe, row, e, raw);
                goto done;
            }
        merge_row(&m, raw, pixels, channels);
    }
    for (int64_t c = 0; c < channels; c++) {
        recipe->std[c] = sqrt(m.m2[c] / m.n);
        if (!(recipe->std[c] > 0)) LK_TRY(blame_constant(recipe, source, c));
    }
done:
    lk_free(&m.m2);
    lk_free(&m.row_mean);
    lk_free(&m.row_m2);
    return st;
}

static lk_status fit_unit(lk_recipe *recipe, const lk_source *source)
{
    static const double most[] = {0, 255, 0, 65535, 0, 4294967295.0};
    lk_status           st = LK_OK;
    lk_h5_type          type = source->column[0].part[0].info.type;
    for (int k = 0; k < source->n_columns; k++)
        for (int i = 0; i < source->column[k].n_parts; i++) {
            const lk_part *part = &source->column[k].part[i];
            LK_CHECK(
                part->info.type == type && type <= LK_H5_U32 && most[type] > 0, LK_E_CONFIG,
                "field %s: normalise: unit divides unsigned integers by their largest value (u8 by 255), "
                "but %s in %s is %s; use standard, or {mean: [...], std: [...]}",
                recipe->field.name, part->dataset, source->column[k].files->path[part->file],
                lk_decode_type_name(part->info.type));
        }
    LK_TRY(lk_recipe_channels(recipe, 1));
    recipe->std[0] = most[type];
done:
    return st;
}

static lk_status fit_given(lk_recipe *recipe, const lk_source *source, const lk_field_options *options)
{
    lk_status st = LK_OK;
    LK_CHECK(options->n_given == 1 || options->n_given == source->channels, LK_E_CONFIG,
             "field %s: normalise gives %d means and deviations, the field has %lld channels (or give one "
             "for all)",
             recipe->field.name, options->n_given, (long long)source->channels);
    LK_TRY(lk_recipe_channels(recipe, options->n_given));
    for (int c = 0; c < options->n_given; c++) {
        LK_CHECK(isfinite(options->mean[c]) && isfinite(options->std[c]) && options->std[c] > 0, LK_E_CONFIG,
                 "field %s: channel %d is given mean %g and deviation %g; a deviation is above 0",
                 recipe->field.name, c, options->mean[c], options->std[c]);
        recipe->mean[c] = options->mean[c];
        recipe->std[c] = options->std[c];
    }
done:
    return st;
}

static void note_greatest(lk_recipe *recipe, const lk_source *source, int64_t row, double value)
{
    int64_t          index;
    const lk_column *column = &source->column[0];
    const lk_part   *part = lk_column_part(column, row, &index);
    snprintf(recipe->greatest_label, sizeof recipe->greatest_label, "%s: %s[%lld] is %.0f",
             column->files->path[part->file], part->dataset, (long long)index, value);
}

/* Without class names there are as many classes as the largest training value says. */
static lk_status fit_classes(lk_recipe *recipe, const lk_source *source, bool is_target,
                             lk_source_cursor *cursor, lk_rows rows, lk_reading *reading, double *raw)
{
    lk_status st = LK_OK;
    double    low = (double)INT32_MAX, high = -1;
    int64_t   high_row = 0;
    recipe->field.classes = recipe->n_class_names;
    for (int64_t i = 0; i < rows.n; i++) {
        int64_t row = lk_rows_at(rows, i);
        LK_TRY(lk_reading_goes_on(reading, i, rows.n));
        LK_TRY(lk_source_row(cursor, row, raw));
        for (int64_t e = 0; e < source->elements; e++) {
            if (!(raw[e] >= 0 && raw[e] < (double)INT32_MAX) ||
                (recipe->n_class_names && raw[e] >= (double)recipe->n_class_names)) {
                st = lk_source_blame(source, recipe, row, e, raw);
                goto done;
            }
            low = raw[e] < low ? raw[e] : low;
            if (raw[e] > high) high_row = row;
            high = raw[e] > high ? raw[e] : high;
        }
    }
    if (recipe->field.classes == 0) {
        recipe->field.classes = (int64_t)high + 1;
        note_greatest(recipe, source, high_row, high);
    }
    if (is_target && low == 1 && !recipe->n_class_names)
        lk_log_warn(
            "%s: the labels of all training samples lie in 1..%.0f; classes count from 0, so class 0 has "
            "no sample",
            source->column[0].part[0].dataset, high);
done:
    return st;
}

static void fit_field(lk_recipe *recipe, const lk_source *source, const lk_field_options *options,
                      bool is_target)
{
    bool integer = true, wide = false;
    for (int k = 0; k < source->n_columns; k++) {
        integer = integer && source->column[k].integer;
        wide = wide || source->column[k].wide;
    }
    /* Bytes are usually pictures; wider integers that nobody asks to normalise are usually indices. */
    bool index = integer && options->normalise == LK_NORMALISE_NONE && (is_target || wide);
    recipe->normalise = options->normalise;
    recipe->field.dtype = index ? LK_I32 : LK_F32;
    recipe->field.shape = source->shape;
    if (index && source->elements == 1) recipe->field.shape.n_axes = 0;
    if (index && !source->has_channels && recipe->field.shape.n_axes > 0) recipe->field.shape.n_axes--;
    if (!is_target && recipe->field.shape.n_axes == 0)
        recipe->field.shape = (lk_shape){.n_axes = 1, .axis = {source->elements}};
}

lk_status lk_recipe_fit(lk_recipe *recipe, const lk_source *source, const lk_field_options *options,
                        bool is_target, lk_handles *handles, lk_rows rows, int64_t most,
                        const lk_data_stop *stop)
{
    lk_status        st = LK_OK;
    lk_source_cursor cursor = {0};
    double          *raw = NULL;
    lk_reading       reading = {
              .stop = stop, .field = recipe->field.name, .cure = "", .elements = source->elements};
    LK_CHECK(strlen(options->name) < LK_NAME_BYTES && !strchr(options->name, '/') && *options->name,
             LK_E_CONFIG, "'%s' cannot name a field: at most %d bytes and no '/'", options->name,
             LK_NAME_BYTES - 1);
    snprintf(recipe->field.name, sizeof recipe->field.name, "%s", options->name);
    LK_TRY(LK_ALLOC(options->n_datasets, &recipe->dataset));
    recipe->n_datasets = options->n_datasets;
    for (int i = 0; i < options->n_datasets; i++)
        LK_TRY(lk_strdup(options->datasets[i].path, &recipe->dataset[i]));
    LK_TRY(lk_texts_copy((const char *const *)source->axes, source->n_columns, &recipe->axes));
    fit_field(recipe, source, options, is_target);
    LK_TRY(lk_source_cursor_init(&cursor, source, handles, NULL));
    LK_TRY(LK_ALLOC(source->elements, &raw));
    if (recipe->n_cells) {
        LK_TRY(lk_table_fit(recipe, source, handles, rows, most, &reading));
    } else if (recipe->field.dtype == LK_I32) {
        LK_TRY(fit_classes(recipe, source, is_target, &cursor, rows, &reading, raw));
    } else if (options->normalise == LK_NORMALISE_STANDARD) {
        LK_TRY(lk_recipe_channels(recipe, source->channels));
        reading.cure =
            "; data.statistics: {samples: 10000} takes fewer, normalise: {mean: [...], std: [...]} none";
        LK_TRY(fit_standard(recipe, source, &cursor, rows, most, &reading, raw));
    } else if (options->normalise == LK_NORMALISE_UNIT) {
        LK_TRY(fit_unit(recipe, source));
    } else if (options->normalise == LK_NORMALISE_GIVEN) {
        LK_TRY(fit_given(recipe, source, options));
    }
done:
    lk_source_cursor_clear(&cursor);
    lk_free(&raw);
    return st;
}

lk_status lk_recipe_check(const lk_recipe *recipe, const lk_source *source, lk_handles *handles, lk_rows rows)
{
    lk_status        st = LK_OK;
    lk_source_cursor cursor = {0};
    double           raw[1];
    int32_t          value[1];
    if (recipe->field.dtype != LK_I32 || source->elements != 1) return LK_OK;
    LK_TRY(lk_source_cursor_init(&cursor, source, handles, NULL));
    for (int64_t i = 0; i < rows.n; i++) {
        LK_TRY(lk_source_row(&cursor, lk_rows_at(rows, i), raw));
        if (lk_recipe_apply(recipe, raw, value) < 0) continue;
        st = lk_source_blame(source, recipe, lk_rows_at(rows, i), 0, raw);
        goto done;
    }
done:
    lk_source_cursor_clear(&cursor);
    return st;
}

lk_status lk_recipe_matches(const lk_recipe *recipe, const lk_source *source)
{
    lk_status        st = LK_OK;
    const lk_column *column = &source->column[0];
    const char      *file = column->files->path[column->part[0].file], *dataset = column->part[0].dataset;
    char             have[LK_SHAPE_TEXT_BYTES], want[LK_SHAPE_TEXT_BYTES];
    lk_shape         stored = {.n_axes = 1, .axis = {recipe->n_cells}};
    const lk_shape  *expected = recipe->n_cells ? &stored : &recipe->field.shape;
    bool             integer = true;
    LK_CHECK(lk_shape_equal_but_ones(&source->shape, expected), LK_E_SHAPE,
             "%s: samples of %s are %s, %s '%s' takes %s", file, dataset, lk_shape_text(&source->shape, have),
             recipe->n_cells ? "the table" : "field", recipe->field.name, lk_shape_text(expected, want));
    for (int k = 0; k < source->n_columns; k++) integer = integer && source->column[k].integer;
    LK_CHECK(integer || recipe->field.dtype == LK_F32, LK_E_DATA,
             "%s: %s holds floats, field '%s' takes integers (classes or indices)", file, dataset,
             recipe->field.name);
done:
    return st;
}
