/* Data given to predict and eval by name: HDF5, CSV or NPY, read as the transform of a checkpoint knows it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "data/set.h"
#include "data/table.h"

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
    LK_CHECK(lk_h5_exists(h5, group), LK_E_DATA, "%s: there is no %s", file, group);
    if (lk_h5_is_group(h5, group)) goto done;
    LK_CHECK(data->schema.n_inputs == 1 && data->schema.input[0].n_datasets == 1, LK_E_CONFIG,
             "%s: %s is a dataset, but the model takes %d inputs; name a group that holds them", file, group,
             data->schema.n_inputs);
    data->schema.x = data->schema.input[0];
    data->schema.dataset[0] = data->schema.x.datasets[0];
    data->schema.dataset[0].path = data->named = group;
    data->schema.x.datasets = &data->schema.dataset[0];
    data->schema.input = &data->schema.x;
    data->schema.n_targets = data->set[LK_SPLIT_TEST].n_targets = 0;
    data->schema.plain = false;
    places->group[0] = NULL;
    LK_TRY(lk_strdup("", &places->group[0]));
done:
    return st;
}

static lk_status open_h5(lk_data *data, lk_handles *handles)
{
    lk_status st = LK_OK;
    LK_TRY(name_dataset(data, handles));
    LK_TRY(lk_set_open(&data->set[LK_SPLIT_TEST], &data->schema, handles, true));
done:
    return st;
}

/* ---- open ---- */

static lk_status check_input(lk_data *data, lk_handles *handles)
{
    lk_status           st = LK_OK;
    const lk_transform *t = data->transform;
    lk_set             *set = &data->set[LK_SPLIT_TEST];
    lk_rows             all = {NULL, set->n};
    LK_CHECK(set->n_inputs == t->n_inputs, LK_E_CONFIG,
             "the model takes %d inputs, the configuration names %d", t->n_inputs, set->n_inputs);
    for (int i = 0; i < set->n_inputs; i++) {
        LK_TRY(lk_recipe_matches(&t->input[i], &set->input[i]));
        LK_TRY(lk_table_map(&t->input[i], &set->input[i], handles));
    }
    for (int i = 0; i < set->n_targets && i < t->n_targets; i++) {
        LK_TRY(lk_recipe_matches(&t->target[i], &set->target[i]));
        LK_TRY(lk_recipe_check(&t->target[i], &set->target[i], handles, all));
    }
done:
    return st;
}

lk_status lk_data_open_input(const char *input, const lk_data_options *options, const lk_transform *known,
                             lk_data **out)
{
    lk_status        st = LK_OK;
    lk_data         *data = NULL;
    lk_handles       handles = {0};
    lk_split_options split = {.files = &input, .n_files = 1};
    lk_set          *set = NULL;
    LK_TRY(LK_ALLOC(1, &data));
    data->options = options;
    data->transform = known;
    set = &data->set[LK_SPLIT_TEST];
    lk_schema_init(&data->schema, options);
    /* The name comes from the command line: relative to where the user stands. */
    LK_TRY(lk_set_find(set, input, &data->schema, &split, NULL, options->base, &data->files));
    data->split[LK_SPLIT_TEST].set = set;
    LK_TRY(lk_handles_init(&handles, &data->files));
    LK_TRY(open_h5(data, &handles));
    data->split[LK_SPLIT_TEST].n = set->n;
    LK_TRY(check_input(data, &handles));
    LK_TRY(lk_data_fingerprints(data, &handles));
done:
    lk_handles_clear(&handles);
    if (st != LK_OK) lk_data_close(&data);
    *out = data;
    return st;
}
