#include <string.h>

#include "core/alloc.h"
#include "core/str.h"
#include "kernels/kernels.h"
#include "train/run.h"

enum { PARAMETERS = 1u << LK_SPAN_PARAMETER, STATISTICS = 1u << LK_SPAN_STATISTIC };

/* Every number of lk_progress by name, so that a checkpoint can be read without this struct. */
#define PROGRESS_INTS(X)                                                                                     \
    X(step)                                                                                                  \
    X(total_steps)                                                                                           \
    X(diverged_run)                                                                                          \
    X(waited)                                                                                                \
    X(has_watched)                                                                                           \
    X(has_best) X(best_step) X(stopped_early) X(pending) X(log_bytes) X(jsonl_bytes) X(csv_bytes)
#define PROGRESS_DOUBLES(X) X(first_loss) X(watched) X(best) X(rate) X(grad_norm) X(seconds)

static lk_status put_progress(const lk_run *run, lk_h5 *file)
{
    lk_status          st = LK_OK;
    const lk_progress *p = &run->progress;
    const lk_position *at = &run->position;
    int64_t            n = run->n_columns;
    LK_TRY(lk_h5_write(file, "/state/epoch_sums", LK_H5_F64, 1, &n, run->epoch_sums));
#define PUT(field) LK_TRY(lk_h5_put_int(file, "/state", #field, p->field));
    PROGRESS_INTS(PUT)
#undef PUT
#define PUT(field) LK_TRY(lk_h5_put_doubles(file, "/state", #field, &p->field, 1));
    PROGRESS_DOUBLES(PUT)
#undef PUT
    LK_TRY(lk_h5_put_int(file, "/state", "epoch", p->step / at->steps_per_epoch));
    LK_TRY(lk_h5_put_int(file, "/state", "position", p->step % at->steps_per_epoch * at->batch_size));
    LK_TRY(lk_h5_put_int(file, "/state", "seed", (int64_t)run->options->seed));
    LK_TRY(lk_h5_put_int(file, "/state", "lanes", run->options->lanes));
done:
    return st;
}

static lk_status get_progress(lk_run *run, lk_h5 *file)
{
    lk_status    st = LK_OK;
    lk_progress *p = &run->progress;
    double      *value = NULL;
    int64_t      n = 0, start = 0, width = run->n_columns;
    lk_h5_info   info;
#define GET(field) LK_TRY(lk_h5_get_int(file, "/state", #field, &p->field));
    PROGRESS_INTS(GET)
#undef GET
#define GET(field)                                                                                           \
    LK_TRY(lk_h5_get_doubles(file, "/state", #field, &value, &n));                                           \
    LK_CHECK(n == 1, LK_E_DATA, "/state/%s: one number expected, found %lld", #field, (long long)n);         \
    p->field = value[0];                                                                                     \
    lk_free(&value);
    PROGRESS_DOUBLES(GET)
#undef GET
    LK_TRY(lk_h5_stat(file, "/state/epoch_sums", &info));
    if (info.n_axes == 1 && info.axis[0] == width)
        LK_TRY(lk_h5_read(file, "/state/epoch_sums", &start, &width, LK_H5_F64, run->epoch_sums));
done:
    lk_free(&value);
    return st;
}

static lk_status put_history(const lk_run *run, const lk_history *history, lk_h5 *file)
{
    lk_status st = LK_OK;
    double   *column = NULL;
    char      path[LK_PATH_BYTES];
    LK_TRY(LK_ALLOC(history->n, &column));
    for (int c = 0; c < history->width; c++) {
        static const char *const fixed[] = {"step", "epoch", "train_loss", "validation_loss"};
        const char              *name = c < 4 ? fixed[c] : lk_metric_name(run->metrics[c - 4]);
        snprintf(path, sizeof path, c < 4 ? "/history/%s" : "/history/validation_%s", name);
        for (int64_t i = 0; i < history->n; i++) column[i] = history->rows[i * history->width + c];
        LK_TRY(lk_h5_write(file, path, LK_H5_F64, 1, &history->n, column));
    }
done:
    lk_free(&column);
    return st;
}

static lk_status get_history(const lk_run *run, lk_h5 *file, lk_history *history)
{
    lk_status  st = LK_OK;
    double    *column = NULL, *row = NULL;
    char       path[LK_PATH_BYTES];
    lk_h5_info info;
    int64_t    start = 0;
    LK_TRY(lk_h5_stat(file, "/history/step", &info));
    int64_t n = info.n_axes == 1 ? info.axis[0] : 0;
    LK_TRY(LK_ALLOC(n, &column));
    LK_TRY(LK_ALLOC(history->width, &row));
    history->n = 0;
    for (int64_t i = 0; i < n; i++) LK_TRY(lk_history_add(history, row));
    for (int c = 0; c < history->width && n > 0; c++) {
        static const char *const fixed[] = {"step", "epoch", "train_loss", "validation_loss"};
        const char              *name = c < 4 ? fixed[c] : lk_metric_name(run->metrics[c - 4]);
        snprintf(path, sizeof path, c < 4 ? "/history/%s" : "/history/validation_%s", name);
        if (!lk_h5_exists(file, path)) continue;
        LK_TRY(lk_h5_stat(file, path, &info));
        LK_CHECK(info.n_axes == 1 && info.axis[0] == n, LK_E_DATA,
                 "%s in the checkpoint is no column of %lld numbers", path, (long long)n);
        LK_TRY(lk_h5_read(file, path, &start, &n, LK_H5_F64, column));
        for (int64_t i = 0; i < n; i++) history->rows[i * history->width + c] = column[i];
    }
done:
    lk_free(&column);
    lk_free(&row);
    return st;
}

static const struct {
    const char *noun, *attribute; /* the attribute stands in /provenance */
} split_fingerprint[LK_SPLITS] = {
    {"training", "dataset_xxh3"}, {"validation", "validation_xxh3"}, {"test", "test_xxh3"}};

static lk_status put_hosts(const lk_run *run, lk_h5 *file)
{
    lk_status    st = LK_OK;
    const char **names = NULL;
    int          n = lk_comm_n_hosts(run->comm);
    LK_TRY(LK_ALLOC(n, &names));
    for (int i = 0; i < n; i++) names[i] = lk_comm_host_name(run->comm, i);
    LK_TRY(lk_h5_write_strings(file, "/provenance/host_names", names, n));
done:
    lk_free(&names);
    return st;
}

static lk_status put_provenance(lk_run *run, lk_h5 *file)
{
    lk_status st = LK_OK;
    char      hex[33];
    LK_TRY(put_hosts(run, file));
    for (int i = 0; i < LK_SPLITS; i++) {
        lk_data_fingerprint(run->data, (lk_split)i, hex);
        LK_TRY(lk_h5_put_text(file, "/provenance", split_fingerprint[i].attribute, hex));
    }
    LK_TRY(lk_h5_put_text(file, "/provenance", "version", LK_VERSION));
    LK_TRY(lk_h5_put_text(file, "/provenance", "kernels", lk_kernels_detail()));
    LK_TRY(lk_h5_put_text(file, "/provenance", "kernel_set", lk_kernels_name()));
    LK_TRY(lk_h5_put_text(file, "/provenance", "mpi", lk_comm_mpi_version(run->comm)));
    LK_TRY(lk_h5_put_int(file, "/provenance", "ranks", lk_comm_size(run->comm)));
    LK_TRY(lk_h5_put_int(file, "/provenance", "hosts", lk_comm_n_hosts(run->comm)));
done:
    return st;
}

lk_status lk_state_save(lk_run *run, const char *config_text, const lk_history *history,
                        lk_checkpoint_writer *writer)
{
    lk_status             st = LK_OK;
    lk_h5                *file = lk_checkpoint_file(writer);
    const lk_span_table  *spans = lk_model_spans(run->model);
    const lk_run_options *options = run->options;
    char                  prefix[LK_PATH_BYTES];
    LK_TRY(lk_checkpoint_put_spans(writer, "/model", spans, PARAMETERS | STATISTICS,
                                   lk_reduce_state(run->reduce)));
    for (int i = 0; i < lk_optim_n_slots(&options->optim); i++) {
        snprintf(prefix, sizeof prefix, "/optimizer/%s", lk_optim_slot_name(&options->optim, i));
        LK_TRY(lk_checkpoint_put_spans(writer, prefix, spans, PARAMETERS, lk_reduce_slot(run->reduce, i)));
    }
    LK_TRY(put_progress(run, file));
    LK_TRY(put_history(run, history, file));
    LK_TRY(put_provenance(run, file));
    LK_TRY(lk_transform_save(lk_data_transform(run->data), file, "/input"));
    LK_TRY(lk_h5_write_strings(file, "/config", &config_text, 1));
    LK_TRY(lk_checkpoint_seal(writer, run->progress.step));
done:
    return st;
}

lk_status lk_state_load_model(lk_run *run, lk_checkpoint *checkpoint, float *state)
{
    return lk_checkpoint_get_spans(checkpoint, "/model", lk_model_spans(run->model), PARAMETERS | STATISTICS,
                                   state);
}

/* " or of data.targets.energy": the first field with files that no split names, "" where there is none. */
static void name_own_files(const lk_data_options *data, char *text, size_t size)
{
    snprintf(text, size, "%s", "");
    for (int i = 0; i < data->n_inputs + data->n_targets && !*text; i++) {
        bool                    input = i < data->n_inputs;
        const lk_field_options *field = input ? &data->inputs[i] : &data->targets[i - data->n_inputs];
        if (field->n_files > 0)
            snprintf(text, size, " or of the files of data.%s.%s", input ? "inputs" : "targets", field->name);
    }
}

/* Names, sizes, shapes, types and values of a split. Checkpoints once knew those of the training data alone. */
static lk_status check_split(const lk_run *run, lk_checkpoint *checkpoint, lk_split split)
{
    lk_status   st = LK_OK;
    lk_h5      *file = lk_checkpoint_h5(checkpoint);
    char        now[33], *then = NULL, fields[96];
    const char *name = split_fingerprint[split].attribute;
    if (split != LK_SPLIT_TRAIN && !lk_h5_has_attribute(file, "/provenance", name)) return LK_OK;
    LK_TRY(lk_h5_get_text(file, "/provenance", name, &then));
    lk_data_fingerprint(run->data, split, now);
    const lk_data_options  *data = &run->options->data;
    const lk_split_options *own[LK_SPLITS] = {&data->train, &data->validation, &data->test};
    const lk_split_options *of = own[split]->n_files ? own[split] : &data->train; /* a share of it */
    name_own_files(data, fields, sizeof fields);
    LK_CHECK(
        !strcmp(now, then), LK_E_DATA,
        "the %s data is not what this run began with: names, sizes, shapes or values of %s%s%s have "
        "changed (fingerprint %s, now %s). Bring the files back, or begin anew with --new, or with --from "
        "this run",
        split_fingerprint[split].noun, of->files[0], of->n_files > 1 ? " ..." : "", fields, then, now);
done:
    lk_free(&then);
    return st;
}

/* A run that goes on with other data would be neither the old one nor a new one. */
lk_status lk_state_check_data(const lk_run *run, lk_checkpoint *checkpoint)
{
    lk_status st = LK_OK;
    for (int i = 0; i < LK_SPLITS && st == LK_OK; i++) st = check_split(run, checkpoint, (lk_split)i);
    return st;
}

lk_status lk_state_load(lk_run *run, lk_checkpoint *checkpoint, lk_history *history)
{
    lk_status             st = LK_OK;
    const lk_run_options *options = run->options;
    char                  prefix[LK_PATH_BYTES];
    LK_TRY(lk_state_load_model(run, checkpoint, lk_reduce_state(run->reduce)));
    for (int i = 0; i < lk_optim_n_slots(&options->optim); i++) {
        snprintf(prefix, sizeof prefix, "/optimizer/%s", lk_optim_slot_name(&options->optim, i));
        LK_TRY(lk_checkpoint_get_spans(checkpoint, prefix, lk_model_spans(run->model), PARAMETERS,
                                       lk_reduce_slot(run->reduce, i)));
    }
    LK_TRY(get_progress(run, lk_checkpoint_h5(checkpoint)));
    LK_TRY(get_history(run, lk_checkpoint_h5(checkpoint), history));
done:
    return st;
}

lk_status lk_history_add(lk_history *history, const double *row)
{
    lk_status st = LK_OK;
    if (history->n == history->capacity) {
        int64_t capacity = history->capacity ? 2 * history->capacity : 64;
        double *rows = NULL;
        LK_TRY(LK_ALLOC(capacity * history->width, &rows));
        if (history->n) memcpy(rows, history->rows, (size_t)(history->n * history->width) * sizeof *rows);
        lk_free(&history->rows);
        history->rows = rows;
        history->capacity = capacity;
    }
    memcpy(history->rows + history->n * history->width, row, (size_t)history->width * sizeof *row);
    history->n++;
done:
    return st;
}

void lk_history_clear(lk_history *history)
{
    lk_free(&history->rows);
    history->n = history->capacity = 0;
}
