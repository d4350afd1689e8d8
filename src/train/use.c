/* Using a trained model: find its checkpoint, evaluate, predict. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/log.h"
#include "io/output.h"
#include "kernels/vec.h"
#include "train/report.h"
#include "train/run.h"
#include "train/session.h"

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static lk_status resolve(const char *name, const char *at, char *path, size_t size)
{
    lk_status st = LK_OK;
    char     *newest = NULL;
    char      folder[PATH_MAX];
    if (!is_folder(name)) {
        LK_CHECK(access(name, R_OK) == 0, LK_E_DATA, "%s: %s", name, strerror(errno));
        LK_CHECK(!at, LK_E_USAGE, "--at goes with a run directory; %s is a file", name);
        snprintf(path, size, "%s", name);
        goto done;
    }
    snprintf(path, size, "%s/best.h5", name);
    bool best = access(path, R_OK) == 0;
    if (best && (!at || !strcmp(at, "best"))) goto done;
    LK_CHECK(!at || strcmp(at, "best") != 0, LK_E_DATA,
             "%s has no best.h5: no checkpoint.best metric was watched; use --at last", name);
    if (at && strcmp(at, "last") != 0) {
        char *end = NULL, file[32];
        errno = 0;
        long long step = strtoll(at, &end, 10);
        LK_CHECK(end != at && !*end && !errno && step >= 0, LK_E_USAGE,
                 "--at %s: expected best, last or a step", at);
        lk_checkpoint_name(step, file);
        snprintf(path, size, "%s/checkpoints/%s", name, file);
        LK_CHECK(access(path, R_OK) == 0, LK_E_DATA,
                 "%s/checkpoints has no %s: a run keeps its newest ones (checkpoint.keep) and its best", name,
                 file);
        goto done;
    }
    snprintf(folder, sizeof folder, "%s/checkpoints", name);
    LK_CHECK(is_folder(folder), LK_E_DATA, "%s is not a run directory: it has no checkpoints", name);
    LK_TRY(lk_checkpoint_find_newest(folder, &newest));
    LK_CHECK(newest, LK_E_DATA, "%s has no checkpoint yet", name);
    snprintf(path, size, "%s", newest);
done:
    lk_free(&newest);
    return st;
}

lk_status lk_checkpoint_resolve(const char *run_or_checkpoint, const char *at, char **path)
{
    lk_status st = LK_OK;
    char      found[PATH_MAX + 64];
    *path = NULL;
    LK_TRY(resolve(run_or_checkpoint, at, found, sizeof found));
    *path = strdup(found);
    LK_CHECK(*path, LK_E_NOMEM, "out of memory for a path");
done:
    return st;
}

lk_status lk_checkpoint_config(const char *path, char **text)
{
    lk_status      st = LK_OK;
    lk_checkpoint *checkpoint = NULL;
    char         **texts = NULL;
    int64_t        n = 0;
    *text = NULL;
    LK_TRY(lk_checkpoint_open(path, &checkpoint));
    LK_TRY(lk_h5_read_strings(lk_checkpoint_h5(checkpoint), "/config", &texts, &n));
    LK_CHECK(n == 1, LK_E_DATA, "%s: /config holds %lld texts instead of one", path, (long long)n);
    *text = strdup(texts[0]);
    LK_CHECK(*text, LK_E_NOMEM, "out of memory for a configuration");
done:
    for (int64_t i = 0; i < n; i++) lk_free(&texts[i]);
    lk_free(&texts);
    lk_checkpoint_close(&checkpoint);
    return st;
}

/* A run that still trains, or a file system that is slow to tell, may give ranks different files under one name. */
static lk_status same_checkpoint(lk_comm *comm, const char *path, const lk_checkpoint *checkpoint)
{
    lk_status st = LK_OK;
    char      header[LK_CHECKPOINT_HEADER];
    memcpy(header, lk_checkpoint_header(checkpoint), sizeof header);
    LK_TRY(lk_comm_broadcast(comm, header, sizeof header));
    if (memcmp(header, lk_checkpoint_header(checkpoint), sizeof header) != 0)
        st = lk_fail(
            LK_E_DATA,
            "%s was replaced while it was being opened: rank %d has step %lld, rank 0 another; run the "
            "same command again, or name a file of checkpoints/",
            path, lk_comm_rank(comm), (long long)lk_checkpoint_step(checkpoint));
    LK_TRY(lk_comm_agree(comm, st));
done:
    return st;
}

/* A run without a reduction whose state comes from a checkpoint, as does the step that messages name. Collective. */
static lk_status open_model(lk_session *session, const lk_run_options *options, const char *path,
                            const char *name, bool targets, lk_checkpoint **checkpoint, lk_run **run)
{
    lk_status    st = LK_OK;
    lk_run_input input = {name, targets};
    LK_TRY(lk_comm_agree(session->comm, lk_checkpoint_open(path, checkpoint)));
    LK_TRY(same_checkpoint(session->comm, path, *checkpoint));
    LK_TRY(lk_run_create(session->comm, options, *checkpoint, name ? &input : NULL, false, run));
    (*run)->progress.step = lk_checkpoint_step(*checkpoint);
    st = LK_ALLOC(lk_model_spans((*run)->model)->total_floats, &(*run)->evaluate_state);
    if (st == LK_OK) st = lk_state_load_model(*run, *checkpoint, (*run)->evaluate_state);
    LK_TRY(lk_comm_agree(session->comm, st));
done:
    return st;
}

/* `input`: what --data names, NULL if that is a split. */
static lk_status choose_split(const lk_run *run, const char *input, const char *name, lk_split *split)
{
    static const char *const names[LK_SPLITS] = {"train", "validation", "test"};
    char                     why[512];
    *split = lk_data_n(run->data, LK_SPLIT_TEST) > 0 ? LK_SPLIT_TEST : LK_SPLIT_VALIDATION;
    for (int i = 0; name && i < LK_SPLITS; i++)
        if (!strcmp(name, names[i])) *split = (lk_split)i;
    if (lk_data_n(run->data, *split) > 0) {
        if (lk_data_has_targets(run->data, *split)) return LK_OK;
        lk_data_miss_targets(run->data, why, sizeof why);
        return lk_fail(LK_E_DATA,
                       "%s has no targets to compare with: %s. Name a file or group that "
                       "holds inputs and targets, or use predict, which needs no targets",
                       input ? input : names[*split], why);
    }
    return lk_fail(LK_E_DATA, "the configuration has no %s split to evaluate; name data with --data",
                   names[*split]);
}

static bool is_split_name(const char *name)
{
    return !name || !strcmp(name, "train") || !strcmp(name, "validation") || !strcmp(name, "test");
}

lk_status lk_eval(lk_session *session, const lk_run_options *options, const lk_eval_request *request,
                  char **text)
{
    static const char *const labels[LK_SPLITS] = {"Train", "Validation", "Test"};
    lk_status                st = LK_OK;
    lk_checkpoint           *checkpoint = NULL;
    lk_run                  *run = NULL;
    lk_watchdog             *watchdog = NULL;
    double                  *sums = NULL;
    lk_split                 split = LK_SPLIT_TEST;
    lk_str                   report;
    *text = NULL;
    lk_str_init(&report);
    const char *input = is_split_name(request->data) ? NULL : request->data;
    LK_TRY(lk_comm_layout(session->comm, &options->comm));
    LK_TRY(lk_watchdog_create(session->comm, lk_session_watch(session, options), &watchdog));
    LK_TRY(open_model(session, options, request->checkpoint, input, true, &checkpoint, &run));
    run->watchdog = watchdog;
    st = choose_split(run, input, input ? NULL : request->data, &split);
    if (st == LK_OK) st = LK_ALLOC(run->n_columns, &sums);
    LK_TRY(lk_comm_agree(session->comm, st));
    LK_TRY(lk_evaluate(run, split, sums));
    if (lk_comm_is_root(session->comm)) {
        if (request->json)
            LK_TRY(lk_report_scores_json(run, labels[split], sums, request->checkpoint,
                                         lk_checkpoint_step(checkpoint), &report));
        else
            lk_report_scores(run, labels[split], sums, &report);
        if (!request->json)
            lk_log_info("checkpoint  %s, step %lld", request->checkpoint,
                        (long long)lk_checkpoint_step(checkpoint));
        LK_TRY(lk_str_copy(&report, text));
    }
done:
    lk_session_leave_alone(session, st);
    lk_str_clear(&report);
    lk_free(&sums);
    lk_run_destroy(&run);
    lk_checkpoint_close(&checkpoint);
    lk_watchdog_destroy(&watchdog);
    return st;
}

/* ---- predict ---- */

/* What the loss makes of raw outputs: probabilities for classification, the user's units for regression. */
static void finish_outputs(const lk_run *run, int64_t n, float *values)
{
    int64_t width = lk_shape_count(lk_model_output(run->model));
    switch (run->options->loss.kind) {
    case LK_LOSS_SOFTMAX_CROSS_ENTROPY: {
        const lk_shape *shape = lk_model_output(run->model);
        int64_t         classes = shape->axis[shape->n_axes - 1];
        lk_softmax_rows(n * width / classes, classes, values, values);
        break;
    }
    case LK_LOSS_BINARY_CROSS_ENTROPY:
        lk_act_forward(LK_EPI_SIGMOID, 0, n * width, values, values, NULL);
        break;
    default:
        lk_transform_undo_target(lk_data_transform(run->data), 0, n, values);
    }
}

typedef struct predictor {
    lk_run *run;
    lk_h5  *file; /* root */
    char    group[96];
    int64_t width, chunk;
    int64_t rows;   /* of a chunk that travel at a time: what the root keeps does not grow with the ranks */
    float  *values; /* [chunk, width] */
    double *mine, *all; /* [rows, width], root [ranks, rows, width] */
    bool    classes;
} predictor;

static void tick(const predictor *p, lk_wait wait)
{
    lk_watchdog_tick(p->run->watchdog, p->run->progress.step, LK_PHASE_EVALUATE, wait);
}

static lk_status write_rows(predictor *p, int64_t first, int64_t n, const double *rows)
{
    lk_status       st = LK_OK;
    char            path[128];
    int64_t         start[LK_MAX_AXES + 1] = {first}, count[LK_MAX_AXES + 1] = {n};
    int64_t        *best = NULL;
    const lk_shape *shape = lk_model_output(p->run->model);
    for (int i = 0; i < shape->n_axes; i++) count[i + 1] = shape->axis[i];
    snprintf(path, sizeof path, "%s/output", p->group);
    LK_TRY(lk_h5_write_box(p->file, path, start, count, LK_H5_F64, rows));
    if (!p->classes) goto done;
    int64_t classes = shape->axis[shape->n_axes - 1], per = p->width / classes;
    LK_TRY(LK_ALLOC(n * per, &best));
    for (int64_t i = 0; i < n * per; i++)
        for (int64_t c = 1; c < classes; c++)
            if (rows[i * classes + c] > rows[i * classes + best[i]]) best[i] = c;
    snprintf(path, sizeof path, "%s/class", p->group);
    LK_TRY(lk_h5_write_box(p->file, path, start, count, LK_H5_I64, best));
done:
    lk_free(&best);
    return st;
}

/* Rows `row` .. of every rank's chunk of a round to the root, which writes them. Collective. */
static lk_status collect_rows(predictor *p, int64_t round, int64_t row)
{
    lk_status st = LK_OK;
    lk_comm  *comm = p->run->comm;
    int64_t   samples = lk_data_n(p->run->data, LK_SPLIT_TEST), ranks = lk_comm_size(comm);
    int64_t   most = p->chunk - row < p->rows ? p->chunk - row : p->rows, size = most * p->width;
    for (int64_t i = 0; i < size; i++) p->mine[i] = (double)p->values[row * p->width + i];
    tick(p, LK_WAIT_ALL);
    LK_TRY(lk_comm_gather(comm, p->mine, size, p->all));
    for (int64_t r = 0; p->file && st == LK_OK && r < ranks; r++) {
        int64_t first = (round * ranks + r) * p->chunk + row;
        int64_t n = samples - first < most ? samples - first : most;
        tick(p, LK_WAIT_NONE);
        if (n > 0) st = write_rows(p, first, n, p->all + r * size);
    }
    tick(p, p->file ? LK_WAIT_ALL : LK_WAIT_ROOT);
    LK_TRY(lk_comm_agree(comm, st));
done:
    return st;
}

/* Every rank computes one chunk of a round, the root writes the round. Collective. */
static lk_status predict_rounds(predictor *p, lk_stream *stream)
{
    lk_status st = LK_OK;
    lk_run   *run = p->run;
    int64_t   samples = lk_data_n(run->data, LK_SPLIT_TEST), ranks = lk_comm_size(run->comm),
            rank = lk_comm_rank(run->comm);
    int64_t n_chunks = (samples + p->chunk - 1) / p->chunk;
    for (int64_t round = 0; round * ranks < n_chunks; round++) {
        const lk_batch *batch = NULL;
        const float    *output = NULL;
        tick(p, LK_WAIT_NONE);
        if (round * ranks + rank < n_chunks) {
            lk_stream_seek(stream, 0, round * ranks + rank);
            st = lk_stream_next(stream, &batch);
            if (st == LK_OK) st = lk_model_forward(run->evaluate_work, run->evaluate_state, batch, &output);
            if (st == LK_OK) {
                memcpy(p->values, output, (size_t)(batch->n * p->width) * sizeof *p->values);
                finish_outputs(run, batch->n, p->values);
            }
        }
        tick(p, LK_WAIT_ALL);
        LK_TRY(lk_comm_agree(run->comm, st));
        for (int64_t row = 0; row < p->chunk; row += p->rows) LK_TRY(collect_rows(p, round, row));
    }
done:
    return st;
}

static lk_status make_datasets(predictor *p, int64_t samples, const char *input)
{
    lk_status          st = LK_OK;
    char               path[128];
    const lk_shape    *shape = lk_model_output(p->run->model);
    int64_t            axis[LK_MAX_AXES + 1] = {samples}, n = 0;
    const char *const *names = lk_transform_class_names(lk_data_transform(p->run->data), &n);
    for (int i = 0; i < shape->n_axes; i++) axis[i + 1] = shape->axis[i];
    snprintf(path, sizeof path, "%s/output", p->group);
    LK_TRY(lk_h5_create_dataset(p->file, path, LK_H5_F32, shape->n_axes + 1, axis));
    LK_TRY(lk_h5_put_text(p->file, path, "source", input));
    if (!p->classes) goto done;
    LK_TRY(lk_h5_put_text(p->file, path, "meaning", "probability of each class"));
    snprintf(path, sizeof path, "%s/class", p->group);
    LK_TRY(lk_h5_create_dataset(p->file, path, LK_H5_I32, shape->n_axes, axis));
    if (names && n > 0) LK_TRY(lk_h5_put_texts(p->file, path, "class_names", names, n));
done:
    return st;
}

/* What a rank may find no memory for alone: the root keeps the rows of all. Local. */
static lk_status prepare(predictor *p, const char *input, lk_stream **stream)
{
    lk_status             st = LK_OK;
    const lk_run_options *options = p->run->options;
    int64_t               ranks = lk_comm_size(p->run->comm), rows = LK_GATHER_DOUBLES / ranks / p->width;
    lk_stream_options     stream_options = {.split = LK_SPLIT_TEST,
                                            .batch_size = options->evaluate_chunk,
                                            .lanes = 1,
                                            .n_lanes = 1,
                                            .seed = options->seed};
    LK_TRY(LK_ALLOC(p->chunk * p->width, &p->values));
    p->rows = rows < 1 ? 1 : rows < p->chunk ? rows : p->chunk;
    LK_TRY(LK_ALLOC(p->rows * p->width, &p->mine));
    LK_TRY(lk_stream_create(p->run->data, &stream_options, stream));
    if (!p->file) goto done;
    LK_TRY(LK_ALLOC(ranks * p->rows * p->width, &p->all));
    LK_TRY(make_datasets(p, lk_data_n(p->run->data, LK_SPLIT_TEST), input));
done:
    return st;
}

/* Input number `i` of the request. Collective. */
static lk_status predict_input(lk_session *session, const lk_run_options *options,
                               const lk_predict_request *request, int i, lk_watchdog *watchdog, lk_h5 *file,
                               lk_str *report)
{
    lk_status      st = LK_OK;
    const char    *input = request->inputs[i];
    lk_checkpoint *checkpoint = NULL;
    lk_stream     *stream = NULL;
    predictor      p = {.file = file};
    lk_watchdog_tick(watchdog, 0, LK_PHASE_OTHER, LK_WAIT_START);
    LK_TRY(open_model(session, options, request->checkpoint, input, false, &checkpoint, &p.run));
    p.run->watchdog = watchdog;
    if (request->n_inputs > 1) snprintf(p.group, sizeof p.group, "/input_%d", i + 1);
    p.width = lk_shape_count(lk_model_output(p.run->model));
    p.chunk = options->evaluate_chunk;
    p.classes = options->loss.kind == LK_LOSS_SOFTMAX_CROSS_ENTROPY;
    LK_TRY(lk_comm_agree(session->comm, prepare(&p, input, &stream)));
    LK_TRY(predict_rounds(&p, stream));
    lk_str_printf(report, "%s: %lld samples, %s/output", input,
                  (long long)lk_data_n(p.run->data, LK_SPLIT_TEST), p.group);
    if (p.classes) lk_str_printf(report, " (a probability for each class) and %s/class", p.group);
    lk_str_append(report, "\n");
done:
    lk_stream_destroy(&stream);
    lk_free(&p.values);
    lk_free(&p.mine);
    lk_free(&p.all);
    lk_run_destroy(&p.run);
    lk_checkpoint_close(&checkpoint);
    return st;
}

static const char maker[] = "lockstep predict";

/* Root: what would be lost by writing predictions under this name. */
static lk_status check_output(const lk_run_options *options, const lk_predict_request *request)
{
    lk_status st = LK_OK;
    LK_TRY(lk_output_apart(request->output, "checkpoint", request->checkpoint));
    for (int i = 0; i < request->n_inputs; i++)
        LK_TRY(lk_data_check_output(request->inputs[i], &options->data, request->output));
    LK_TRY(lk_output_free(request->output, maker));
done:
    return st;
}

lk_status lk_predict(lk_session *session, const lk_run_options *options, const lk_predict_request *request,
                     char **text)
{
    lk_status    st = LK_OK;
    bool         root = lk_comm_is_root(session->comm);
    lk_watchdog *watchdog = NULL;
    lk_output    output = {0};
    lk_str       report;
    *text = NULL;
    lk_str_init(&report);
    if (root) st = check_output(options, request);
    LK_TRY(lk_comm_agree(session->comm, st));
    LK_TRY(lk_comm_layout(session->comm, &options->comm));
    LK_TRY(lk_watchdog_create(session->comm, lk_session_watch(session, options), &watchdog));
    if (root) st = lk_output_begin(request->output, maker, &output);
    LK_TRY(lk_comm_agree(session->comm, st));
    for (int i = 0; i < request->n_inputs; i++)
        LK_TRY(predict_input(session, options, request, i, watchdog, output.h5, &report));
    /* Closing writes what is left, however much that is. */
    lk_watchdog_tick(watchdog, 0, LK_PHASE_OTHER, LK_WAIT_START);
    if (root) {
        lk_str_printf(&report, "written to %s by %s\n", request->output, request->checkpoint);
        st = lk_str_copy(&report, text);
        if (st == LK_OK) st = lk_output_commit(&output);
    }
    LK_TRY(lk_comm_agree(session->comm, st));
done:
    lk_output_abandon(&output);
    lk_session_leave_alone(session, st);
    lk_watchdog_destroy(&watchdog);
    lk_str_clear(&report);
    return st;
}
