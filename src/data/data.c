#include "data/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/rng.h"
#include "data/decode.h"
#include "data/set.h"
#include "data/table.h"

static const char *const labels[LK_SPLITS] = {"data.train", "data.validation", "data.test"};

/* ---- splits ---- */

/* Whether a field has files of its own that say nothing of the samples of split `label`, which has files of its own too. */
static lk_status refuse_of_train(const lk_schema *schema, const char *label)
{
    lk_status st = LK_OK;
    for (int i = 0; i < schema->n_inputs + schema->n_targets; i++) {
        bool                    input = i < schema->n_inputs;
        const lk_field_options *field = input ? &schema->input[i] : &schema->target[i - schema->n_inputs];
        LK_CHECK(!lk_field_is_of_train(field), LK_E_CONFIG,
                 "data.%s.%s has files of its own, which hold the samples of data.train and not those of the "
                 "files of %s: take a share of the training data instead, {fraction: 0.1}, or keep %s in the "
                 "same files as the other fields",
                 input ? "inputs" : "targets", field->name, label, field->datasets[0].path);
    }
done:
    return st;
}

static lk_status find_files(lk_data *data, const lk_data_options *options)
{
    lk_status               st = LK_OK;
    const lk_split_options *split[LK_SPLITS] = {&options->train, &options->validation, &options->test};
    for (int i = 0; i < LK_SPLITS; i++) {
        if (split[i]->n_files == 0) continue;
        if (i != LK_SPLIT_TRAIN) LK_TRY(refuse_of_train(&data->schema, labels[i]));
        LK_TRY(lk_set_find(&data->set[i], labels[i], &data->schema, split[i], options->base, options->base,
                           true, &data->files));
        data->split[i].set = &data->set[i];
    }
    LK_CHECK(data->split[LK_SPLIT_TRAIN].set, LK_E_CONFIG, "data.train names no file");
done:
    return st;
}

/* A dataset by what it is, not by what it is called: links to files and inside files make many names. */
typedef struct origin {
    dev_t          device;
    ino_t          inode;
    uint64_t       address;
    const lk_part *part;
} origin;

static int by_origin(const void *a, const void *b)
{
    const origin *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    if (x->inode != y->inode) return x->inode < y->inode ? -1 : 1;
    return (x->address > y->address) - (x->address < y->address);
}

/* By `inode` as a colleague may have seen it, on a host that numbers devices in another way; NULL: exactly. */
static lk_status find_origin(const lk_files *files, const lk_catalogue *inodes, const lk_part *part,
                             origin *out)
{
    struct stat file;
    *out = (origin){0, lk_catalogue_inode(inodes, part->file), part->info.address, part};
    if (out->inode) return LK_OK;
    if (stat(files->path[part->file], &file) != 0)
        return lk_fail(LK_E_DATA, "%s: %s", files->path[part->file], strerror(errno));
    out->inode = file.st_ino;
    if (!inodes) out->device = file.st_dev;
    return LK_OK;
}

/* Sorted; a dataset that a column meets twice would be learnt twice. None of one that is linked into every place. */
static lk_status column_origins(const char *label, const lk_column *column, const lk_catalogue *inodes,
                                origin *out, int *n)
{
    lk_status st = LK_OK;
    *n = column->n_parts;
    for (int i = 0; i < column->n_parts; i++)
        LK_TRY(find_origin(column->files, inodes, &column->part[i], &out[i]));
    qsort(out, (size_t)column->n_parts, sizeof *out, by_origin);
    if (column->sample_axis < 0 && *n > 1 && by_origin(&out[0], &out[*n - 1]) == 0) {
        *n = 0;
        goto done;
    }
    for (int i = 1; i < column->n_parts; i++)
        LK_CHECK(by_origin(&out[i - 1], &out[i]) != 0, LK_E_CONFIG, "%s: %s of %s is the same as that of %s",
                 label, out[i].part->dataset, column->files->path[out[i].part->file],
                 column->files->path[out[i - 1].part->file]);
done:
    return st;
}

/* Whether some field has its samples along an axis; if none has, each place is a sample. */
static bool has_sample_axis(const lk_set *set)
{
    for (int i = 0; i < set->n_inputs + set->n_targets; i++) {
        const lk_source *source = i < set->n_inputs ? &set->input[i] : &set->target[i - set->n_inputs];
        for (int k = 0; k < source->n_columns && !source->own_files; k++)
            if (source->column[k].sample_axis >= 0) return true;
    }
    return false;
}

/* The datasets that hold the samples of a set; what serves all samples of a place alike may be shared. */
static lk_status find_origins(const char *label, const lk_set *set, const lk_catalogue *inodes, origin **out,
                              int *n)
{
    lk_status st = LK_OK;
    int       most = 1, found = 0;
    bool      along_axis = has_sample_axis(set);
    *n = 0;
    for (int i = 0; i < set->n_inputs + set->n_targets; i++) {
        const lk_source *source = i < set->n_inputs ? &set->input[i] : &set->target[i - set->n_inputs];
        most += source->n_columns * set->places.n;
    }
    LK_TRY(LK_ALLOC(most, out));
    for (int i = 0; i < set->n_inputs + set->n_targets; i++) {
        const lk_source *source = i < set->n_inputs ? &set->input[i] : &set->target[i - set->n_inputs];
        for (int k = 0; k < source->n_columns && !source->own_files; k++) {
            if (along_axis && source->column[k].sample_axis < 0) continue;
            LK_TRY(column_origins(label, &source->column[k], inodes, *out + *n, &found));
            *n += found;
        }
    }
    qsort(*out, (size_t)*n, sizeof **out, by_origin);
done:
    return st;
}

/* Samples that the model was trained on say nothing about new ones. */
static lk_status no_overlap_by(const lk_data *data, const lk_catalogue *inodes)
{
    lk_status st = LK_OK;
    origin   *set[LK_SPLITS] = {NULL};
    int       n[LK_SPLITS] = {0};
    for (int s = 0; s < LK_SPLITS; s++) {
        if (!data->split[s].set) continue;
        LK_TRY(find_origins(labels[s], &data->set[s], inodes, &set[s], &n[s]));
        for (int i = 0; s != LK_SPLIT_TRAIN && i < n[s]; i++)
            LK_CHECK(
                !bsearch(&set[s][i], set[LK_SPLIT_TRAIN], (size_t)n[LK_SPLIT_TRAIN], sizeof(origin),
                         by_origin),
                LK_E_CONFIG,
                "%s and %s share %s: %s: what was trained on measures nothing; take a share of the training "
                "data instead, {fraction: 0.1}",
                labels[LK_SPLIT_TRAIN], labels[s], data->files.path[set[s][i].part->file],
                set[s][i].part->dataset);
    }
done:
    for (int s = 0; s < LK_SPLITS; s++) lk_free(&set[s]);
    return st;
}

/* Files are asked for their devices only where inodes are equal: there may be very many. */
static lk_status no_overlap(const lk_data *data)
{
    lk_status st = no_overlap_by(data, data->handles.catalogue);
    return st == LK_E_CONFIG ? no_overlap_by(data, NULL) : st;
}

/* Where a row goes depends on the seed and its index alone: u in [0, 1), test first, then validation. */
static lk_status take_fractions(lk_data *data, const lk_data_options *options, uint64_t seed)
{
    lk_status st = LK_OK;
    double    test = options->test.fraction, validation = options->validation.fraction;
    lk_set   *set = data->split[LK_SPLIT_TRAIN].set;
    if (!(test > 0) && !(validation > 0)) goto done;
    LK_CHECK(test + validation < 1, LK_E_CONFIG,
             "validation and test take %g of the training data: nothing is left", test + validation);
    for (int i = 0; i < LK_SPLITS; i++) {
        if (i != LK_SPLIT_TRAIN && !((i == LK_SPLIT_TEST ? test : validation) > 0)) continue;
        LK_TRY(lk_subset_init(&data->split[i].some, set->n));
        data->split[i].set = set;
    }
    for (int64_t row = 0; row < set->n; row++) {
        lk_rng rng = lk_rng_make(seed, LK_RNG_SPLIT, 0, 0, row);
        double u = (double)lk_rng_uniform(&rng, 0);
        int split = u < test ? LK_SPLIT_TEST : u < test + validation ? LK_SPLIT_VALIDATION : LK_SPLIT_TRAIN;
        lk_subset_add(&data->split[split].some, row);
    }
    for (int i = 0; i < LK_SPLITS; i++) {
        if (!data->split[i].some.bits) continue;
        data->split[i].n = data->split[i].some.n;
        LK_CHECK(data->split[i].n > 0, LK_E_CONFIG,
                 "%s: of %lld samples none falls into this share; take a larger fraction", labels[i],
                 (long long)set->n);
        LK_TRY(lk_subset_finish(&data->split[i].some));
    }
done:
    return st;
}

static lk_status open_sets(lk_data *data)
{
    lk_status st = LK_OK;
    for (int i = 0; i < LK_SPLITS; i++) {
        if (!data->split[i].set) continue;
        LK_TRY(lk_set_open(&data->set[i], &data->schema, &data->handles, false));
        data->split[i].n = data->set[i].n;
    }
done:
    return st;
}

/* ---- transform ---- */

/* Attribute class_names of the dataset, of its group or of the file. */
static lk_status find_class_names(const lk_source *source, lk_handles *handles, lk_recipe *recipe)
{
    lk_status      st = LK_OK;
    const lk_part *part = &source->column[0].part[0];
    lk_h5         *h5 = NULL;
    char          *group = NULL;
    LK_TRY(lk_handles_h5(handles, part->file, &h5));
    LK_TRY(lk_strdup(part->dataset, &group));
    char *slash = strrchr(group, '/');
    if (slash && slash > group) *slash = 0;
    const char *objects[] = {part->dataset, slash && slash > group ? group : "/", "/"};
    for (int i = 0; i < 3 && recipe->n_class_names == 0; i++)
        if (lk_h5_has_attribute(h5, objects[i], "class_names"))
            LK_TRY(
                lk_h5_get_texts(h5, objects[i], "class_names", &recipe->class_name, &recipe->n_class_names));
done:
    lk_free(&group);
    return st;
}

static lk_status fit(lk_data *data, const lk_data_stop *stop)
{
    lk_status     st = LK_OK;
    lk_set       *set = data->split[LK_SPLIT_TRAIN].set;
    lk_rows       rows = lk_split_rows(data, LK_SPLIT_TRAIN);
    int64_t       most = data->options->statistics_samples;
    lk_handles   *handles = &data->handles;
    lk_transform *t = NULL;
    LK_TRY(lk_transform_create(data->schema.n_inputs, data->schema.n_targets, &data->fitted));
    t = data->fitted;
    data->transform = t;
    for (int i = 0; i < t->n_inputs; i++) {
        lk_recipe *recipe = &t->input[i];
        if (data->schema.plain)
            LK_TRY(lk_table_describe(&set->input[i], handles, &recipe->cell, &recipe->n_cells));
        LK_TRY(
            lk_recipe_fit(recipe, &set->input[i], &data->schema.input[i], false, handles, rows, most, stop));
    }
    for (int i = 0; i < t->n_targets; i++) {
        if (data->schema.plain)
            LK_TRY(lk_table_targets(&set->target[i], handles, &t->target[i].column, &t->target[i].n_columns));
        if (set->target[i].column[0].integer)
            LK_TRY(find_class_names(&set->target[i], handles, &t->target[i]));
        LK_TRY(lk_recipe_fit(&t->target[i], &set->target[i], &data->schema.target[i], true, handles, rows,
                             most, stop));
    }
done:
    return st;
}

static lk_status check_known(const lk_data *data, const lk_transform *known)
{
    lk_status st = LK_OK;
    LK_CHECK(known->n_inputs == data->schema.n_inputs && known->n_targets == data->schema.n_targets,
             LK_E_CONFIG, "the checkpoint knows %d inputs and %d targets, the configuration names %d and %d",
             known->n_inputs, known->n_targets, data->schema.n_inputs, data->schema.n_targets);
    for (int i = 0; i < known->n_inputs + known->n_targets; i++) {
        bool        input = i < known->n_inputs;
        int         k = input ? i : i - known->n_inputs;
        const char *old = input ? known->input[k].field.name : known->target[k].field.name;
        const char *new = input ? data->schema.input[k].name : data->schema.target[k].name;
        LK_CHECK(!strcmp(old, new), LK_E_CONFIG,
                 "the checkpoint knows the %s '%s' where the configuration has '%s'",
                 input ? "input" : "target", old, new);
    }
done:
    return st;
}

static lk_status check_set(const lk_data *data, int split, bool values, lk_handles *handles)
{
    lk_status           st = LK_OK;
    const lk_transform *t = data->transform;
    lk_set             *set = data->split[split].set;
    for (int i = 0; i < set->n_inputs; i++) LK_TRY(lk_recipe_matches(&t->input[i], &set->input[i]));
    for (int i = 0; i < set->n_targets; i++) {
        LK_TRY(lk_recipe_matches(&t->target[i], &set->target[i]));
        if (values)
            LK_TRY(lk_recipe_check(&t->target[i], &set->target[i], handles,
                                   lk_split_rows(data, (lk_split)split)));
    }
done:
    return st;
}

/* Rows of every split in the codes of the recipe; splits that share a set share this too. */
static lk_status map_tables(lk_data *data, bool checked, lk_handles *handles)
{
    lk_status st = LK_OK;
    for (int s = 0; s < LK_SPLITS; s++)
        for (int i = 0; i < data->set[s].n_inputs; i++)
            LK_TRY(lk_table_map(&data->transform->input[i], &data->set[s].input[i], checked, handles));
done:
    return st;
}

/* ---- life ---- */

/* Names alone: no file is opened. */
static lk_status list_data(const lk_data_options *options, lk_data **out, lk_catalogue *catalogue)
{
    lk_status st = LK_OK;
    lk_data  *data = NULL;
    LK_TRY(LK_ALLOC(1, out));
    data = *out;
    data->options = options;
    lk_schema_init(&data->schema, options);
    LK_TRY(find_files(data, options));
    LK_TRY(lk_handles_init(&data->handles, &data->files));
    for (int i = 0; i < LK_SPLITS; i++)
        if (data->split[i].set) LK_TRY(lk_set_want(&data->set[i], &data->schema, false, catalogue));
done:
    return st;
}

lk_status lk_data_find(const lk_data_options *options, uint64_t seed, const lk_share *share,
                       bool fingerprints, lk_data **out)
{
    lk_catalogue catalogue = {0};
    lk_data     *data = NULL;
    lk_status    st = list_data(options, &data, &catalogue);
    LK_TRY(lk_catalogue_learn(&catalogue, data ? &data->handles : NULL, share, st, fingerprints));
    data->handles.catalogue = &catalogue;
    lk_catalogue_tell_sizes(&catalogue, &data->files);
    LK_TRY(open_sets(data));
    LK_TRY(no_overlap(data));
    LK_TRY(take_fractions(data, options, seed));
    if (fingerprints) LK_TRY(lk_data_fingerprints(data, &data->handles));
    data->handles.catalogue = NULL;
done:
    lk_catalogue_clear(&catalogue);
    if (st != LK_OK) lk_data_close(&data);
    *out = data;
    return st;
}

static lk_status use_data(lk_data *data, const lk_transform *known, const lk_data_stop *stop, bool checked)
{
    lk_status st = LK_OK;
    data->transform = known;
    if (known)
        LK_TRY(check_known(data, known));
    else
        LK_TRY(fit(data, stop));
    for (int i = 0; i < LK_SPLITS; i++)
        if (data->split[i].set) LK_TRY(check_set(data, i, !checked, &data->handles));
    LK_TRY(map_tables(data, checked, &data->handles));
done:
    lk_handles_clear(&data->handles);
    return st;
}

lk_status lk_data_use(lk_data *data, const lk_transform *known, const lk_data_stop *stop)
{
    return use_data(data, known, stop, false);
}

lk_status lk_data_use_checked(lk_data *data, const lk_transform *known)
{
    return use_data(data, known, NULL, true);
}

lk_status lk_data_open(const lk_data_options *options, uint64_t seed, const lk_transform *known,
                       lk_data **out)
{
    lk_status st = lk_data_find(options, seed, NULL, true, out);
    if (st == LK_OK) st = lk_data_use(*out, known, NULL);
    if (st != LK_OK) lk_data_close(out);
    return st;
}

void lk_data_close(lk_data **data)
{
    if (!data || !*data) return;
    for (int i = 0; i < LK_SPLITS; i++) {
        lk_subset_clear(&(*data)->split[i].some);
        lk_set_clear(&(*data)->set[i]);
    }
    lk_free(&(*data)->named);
    lk_handles_clear(&(*data)->handles);
    lk_transform_destroy(&(*data)->fitted);
    lk_files_clear(&(*data)->files);
    lk_free(data);
}

/* ---- what others ask ---- */

const lk_transform *lk_data_transform(const lk_data *data)
{
    return data->transform;
}

const char *lk_data_greatest_label(const lk_data *data, int target)
{
    return data->transform->target[target].greatest_label;
}

const lk_data_options *lk_data_options_of(const lk_data *data)
{
    return data->options;
}

lk_rows lk_split_rows(const lk_data *data, lk_split split)
{
    const lk_subset *some = &data->split[split].some;
    return (lk_rows){some->bits ? some : NULL, data->split[split].n};
}

int64_t lk_data_n(const lk_data *data, lk_split split)
{
    return data->split[split].n;
}

void lk_data_fingerprint(const lk_data *data, lk_split split, char hex[33])
{
    memcpy(hex, data->split[split].fingerprint, 33);
}

static void describe_field(const lk_source *source, const char *name, char *text, size_t size)
{
    char           shape[LK_SHAPE_TEXT_BYTES];
    const lk_part *part = &source->column[0].part[0];
    size_t         used = 0;
    if (name) used = (size_t)snprintf(text, size, "%s ", name);
    if (used < size)
        snprintf(text + used, size - used, "%s %s", lk_shape_text(&source->shape, shape),
                 lk_decode_type_name(part->info.type));
}

void lk_data_describe(const lk_data *data, lk_split split, char *line, size_t size)
{
    const lk_set *set = data->split[split].set;
    char          field[LK_NAME_BYTES + LK_SHAPE_TEXT_BYTES + 16];
    size_t        used = 0;
    if (size) *line = 0;
    if (!set) return;
    used += (size_t)snprintf(line, size, "%lld samples of ", (long long)data->split[split].n);
    for (int i = 0; i < set->n_inputs && used < size; i++) {
        bool named = set->n_inputs > 1 || !data->schema.plain;
        describe_field(&set->input[i], named ? data->schema.input[i].name : NULL, field, sizeof field);
        used += (size_t)snprintf(line + used, size - used, "%s%s", i ? ", " : "", field);
    }
    const lk_h5_info *info = &set->input[0].column[0].part[0].info;
    const char       *layout = !info->chunked ? "contiguous" : *info->filters ? info->filters : "chunked";
    if (used < size)
        used += (size_t)snprintf(line + used, size - used, " in %d file%s (%s)", set->places.n,
                                 set->places.n == 1 ? "" : "s", layout);
    if (used < size && data->split[split].some.bits)
        snprintf(line + used, size - used, ", %.0f %% of %s",
                 100.0 * (double)data->split[split].n / (double)set->n, set->label);
}
