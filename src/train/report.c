#include "train/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <jansson.h>

#include "core/alloc.h"
#include "kernels/kernels.h"

enum { SMALL_MODEL = 32 };

void lk_report_duration(double seconds, char text[32])
{
    long s = seconds > 0 && seconds < 1e9 ? lround(seconds) : 0;
    if (s >= 3600)
        snprintf(text, 32, "%ldh%02ldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(text, 32, "%ldm%02lds", s / 60, s % 60);
    else
        snprintf(text, 32, "%lds", s);
}

/* "3.2 KiB", "12.8 MiB" */
static const char *bytes_text(int64_t bytes, char text[32])
{
    double kibi = (double)bytes / 1024;
    snprintf(text, 32, kibi < 1024 ? "%.1f KiB" : "%.1f MiB", kibi < 1024 ? kibi : kibi / 1024);
    return text;
}

/* "4.6 kFLOP", "3.21 MFLOP" */
static const char *flops_text(double flops, char text[32])
{
    snprintf(text, 32, flops < 1e6 ? "%.3g kFLOP" : "%.3g MFLOP", flops < 1e6 ? flops / 1e3 : flops / 1e6);
    return text;
}

static void header_data(const lk_run *run, lk_str *text)
{
    static const char *const names[] = {"train", "validation", "test"};
    char                     line[512];
    for (int split = 0; split < LK_SPLITS; split++) {
        if (lk_data_n(run->data, (lk_split)split) == 0) continue;
        lk_data_describe(run->data, (lk_split)split, line, sizeof line);
        lk_str_printf(text, "%-11s %s\n", names[split], line);
    }
}

static void header_ranks(const lk_run *run, const lk_reduce_info *info, lk_str *text)
{
    const lk_run_options *options = run->options;
    int                   ranks = lk_comm_size(run->comm), hosts = lk_comm_n_hosts(run->comm);
    lk_str_printf(text, "ranks       %d on %d host%s (", ranks, hosts, hosts == 1 ? "" : "s");
    for (int i = 0; i < hosts && i < 8; i++)
        lk_str_printf(text, "%s%s: %d", i ? ", " : "", lk_comm_host_name(run->comm, i),
                      lk_comm_host_ranks(run->comm, i));
    lk_str_append(text, hosts > 8 ? ", ...)\n" : ")\n");
    lk_str_printf(text, "batch       %lld samples = %lld lanes x %lld, compute balance %.2f, reduce %s\n",
                  (long long)options->batch_size, (long long)options->lanes,
                  (long long)((options->batch_size + options->lanes - 1) / options->lanes), info->balance,
                  options->reduce == LK_REDUCE_LOCKSTEP ? "lockstep (same bits on any rank count)"
                                                        : "allreduce (bits depend on the rank count)");
    if (hosts == 1 && options->reduce == LK_REDUCE_LOCKSTEP)
        lk_str_append(text, "replicas    one host holds one copy: no comparison between hosts is possible\n");
}

/* What a checkpoint takes in the root's memory while it is being written. */
static int64_t image_bytes(const lk_run *run)
{
    const lk_span_table *spans = lk_model_spans(run->model);
    int64_t              slots = lk_optim_n_slots(&run->options->optim);
    return (spans->total_floats + slots * spans->n_parameters) * (int64_t)sizeof(float);
}

/* What is little beside a process is not worth a word. */
enum { BATCHES_WORTH_A_WORD = 16 << 20 };

static void header_reading(const lk_memory_plan *plan, lk_str *text)
{
    char bytes[32];
    if (plan->batches >= BATCHES_WORTH_A_WORD)
        lk_str_printf(text, ", %s batches per rank", bytes_text((int64_t)plan->batches, bytes));
    if (plan->shared_chunks + plan->own_chunks)
        lk_str_printf(text, ", unpacked chunks %s per %s",
                      bytes_text((int64_t)(plan->shared_chunks + plan->own_chunks), bytes),
                      plan->shared_chunks ? "host" : "rank");
    if (plan->evaluate_chunks)
        lk_str_printf(text, ", unpacked chunks of evaluations %s per rank",
                      bytes_text((int64_t)plan->evaluate_chunks, bytes));
}

void lk_report_header(lk_run *run, lk_str *text)
{
    const lk_span_table *spans = lk_model_spans(run->model);
    lk_reduce_info       info;
    char                 flops[32], shared[32], own[32], image[32];
    lk_reduce_get_info(run->reduce, &info);
    lk_str_printf(text, "lockstep    %s, %s, kernels %s\n", LK_VERSION, lk_comm_mpi_version(run->comm),
                  lk_kernels_detail());
    header_ranks(run, &info, text);
    header_data(run, text);
    lk_str_printf(text, "model       %lld parameters, %s a sample forward and backward\n",
                  (long long)spans->n_parameters, flops_text(run->flops_sample, flops));
    lk_str_append(text, "memory      ");
    if (info.window_bytes)
        lk_str_printf(text, "%s shared per host, ", bytes_text(info.window_bytes, shared));
    else
        lk_str_printf(text, "%s parameters and gradients, ", bytes_text(info.private_bytes, shared));
    lk_str_printf(text, "%s activations%s per rank, %s a checkpoint on rank 0",
                  bytes_text(run->work_bytes + lk_work_bytes(run->evaluate_work), own),
                  run->whole ? " and gradients" : "", bytes_text(image_bytes(run), image));
    header_reading(&run->plan, text);
    lk_str_append(text, "\n");
}

/* Ranks beyond the lanes compute nothing in a step. Both ways out are other results, which is why no number
 * of ranks is ever allowed to choose them by itself. */
static void warn_of_idle_ranks(const lk_run *run, lk_str *text)
{
    long long ranks = lk_comm_size(run->comm), lanes = run->options->lanes, batch = run->options->batch_size;
    long long enough = 8;
    if (ranks <= lanes) return;
    while (enough < ranks) enough *= 2;
    lk_str_printf(
        text,
        "%lld of %lld ranks have no lane to compute: the batch of %lld is cut into %lld. Ways out, both "
        "another result: ",
        ranks - lanes, ranks, batch, lanes);
    if (enough <= batch)
        lk_str_printf(text, "train.lanes=%lld (%lld samples a lane), or ", enough, batch / enough);
    lk_str_printf(text, "train.batch_size=%lld with train.lanes=auto (%lld lanes of 32)\n", 32 * enough,
                  enough);
}

enum { LANE_ROWS_FOR_STATISTICS = 16 };

static void warn_of_thin_batch_norm(const lk_run *run, lk_str *text)
{
    long long batch = run->options->batch_size, lanes = run->options->lanes, rows = batch / lanes;
    for (int i = 0; i < lk_model_n_layers(run->model); i++) {
        lk_layer_info info;
        lk_model_layer(run->model, i, &info);
        if (strcmp(info.kind, "batch_norm") != 0) continue;
        if ((info.sees_batch ? batch : rows) >= LANE_ROWS_FOR_STATISTICS) continue;
        if (info.sees_batch)
            lk_str_printf(text,
                          "batch_norm '%s' normalises over the batch, and a batch has only %lld samples: its "
                          "statistics "
                          "will be noisy. Ways out: a larger train.batch_size, or layer_norm\n",
                          info.name, batch);
        else
            lk_str_printf(
                text,
                "batch_norm '%s' normalises over the samples of a lane, and a lane has only %lld: its "
                "statistics will be noisy. Ways out: a larger train.batch_size, fewer train.lanes (now "
                "%lld), batch_norm: {over: batch}, or layer_norm\n",
                info.name, rows, lanes);
        return;
    }
}

static void warn_of_chunks(const lk_run *run, lk_str *text)
{
    int ranks = lk_comm_size(run->comm),
        sharers = run->blocks ? lk_comm_host_ranks(run->comm, lk_comm_host(run->comm)) : 1;
    lk_stream_warnings(run->data, sharers, run->options->batch_size * sharers / ranks, text);
}

void lk_report_warnings(const lk_run *run, lk_str *text)
{
    warn_of_idle_ranks(run, text);
    warn_of_thin_batch_norm(run, text);
    warn_of_chunks(run, text);
}

/* So many digits, trailing zeros kept, so that columns of numbers line up; large numbers without a bare
 * point. */
static void put_number(double value, int digits, lk_str *text)
{
    lk_str_printf(text, fabs(value) < pow(10, digits - 1) ? "%#.*g" : "%.*g", digits, value);
}

static void put_score(const char *name, double value, lk_str *text)
{
    if (!isfinite(value)) return;
    lk_str_printf(text, ", %s: ", name);
    put_number(value, 4, text);
}

static bool has_matrix(const lk_run *run, int metric)
{
    return lk_metric_matrix_side(run->metrics[metric]) > 0;
}

void lk_report_epoch(const lk_run *run, double epoch, double epochs, const lk_scores *train,
                     const lk_scores *validation, double samples_per_s, double eta_s, lk_str *text)
{
    char eta[32];
    lk_report_duration(eta_s, eta);
    lk_str_printf(text, "Epoch %.10g/%.10g", epoch, epochs);
    if (validation) {
        lk_str_append(text, ", Val Loss: ");
        put_number(validation->loss, 6, text);
    }
    lk_str_append(text, ", Train Loss: ");
    put_number(train->loss, 6, text);
    for (int i = 0; i < run->options->n_metrics; i++) {
        char name[LK_NAME_BYTES + 16];
        if (has_matrix(run, i)) continue;
        snprintf(name, sizeof name, validation ? "Val %s" : "Train %s", lk_metric_name(run->metrics[i]));
        put_score(name, validation ? validation->metric[i] : train->metric[i], text);
    }
    lk_str_printf(text, ", %.0f samples/s, eta %s", samples_per_s, eta);
}

/* JSON has no NaN: null. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *scores_object(const lk_run *run, const lk_scores *scores)
{
    json_t *object = json_object();
    json_object_set_new(object, "loss", number(scores->loss));
    for (int i = 0; i < run->options->n_metrics; i++)
        if (!has_matrix(run, i))
            json_object_set_new(object, lk_metric_name(run->metrics[i]), number(scores->metric[i]));
    return object;
}

static lk_status dump(json_t *object, size_t flags, lk_str *text)
{
    char *line = json_dumps(object, flags | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    json_decref(object);
    if (!line) return lk_fail(LK_E_NOMEM, "out of memory for a JSON line");
    lk_str_append(text, line);
    free(line);
    return LK_OK;
}

lk_status lk_report_event(const lk_run *run, const char *kind, const lk_scores *train,
                          const lk_scores *validation, double seconds, double samples_per_s, lk_str *text)
{
    json_t *event = json_object();
    json_object_set_new(event, "event", json_string(kind));
    json_object_set_new(event, "step", json_integer(run->progress.step));
    json_object_set_new(event, "epoch",
                        number((double)run->progress.step / (double)run->position.steps_per_epoch));
    if (train) json_object_set_new(event, "train", scores_object(run, train));
    if (validation) json_object_set_new(event, "validation", scores_object(run, validation));
    json_object_set_new(event, "learning_rate", number(run->progress.rate));
    json_object_set_new(event, "gradient_norm", number(run->progress.grad_norm));
    json_object_set_new(event, "timing",
                        json_pack("{s:o, s:o, s:o}", "seconds", number(seconds), "samples_per_second",
                                  number(samples_per_s), "checkpoint_seconds",
                                  number(run->phases.seconds[LK_PHASE_CHECKPOINT])));
    return dump(event, JSON_COMPACT, text);
}

void lk_report_csv_header(const lk_run *run, lk_str *text)
{
    lk_str_append(text, "step,epoch,learning_rate,train_loss");
    for (int i = 0; i < run->options->n_metrics; i++)
        if (!has_matrix(run, i)) lk_str_printf(text, ",train_%s", lk_metric_name(run->metrics[i]));
    lk_str_append(text, ",validation_loss");
    for (int i = 0; i < run->options->n_metrics; i++)
        if (!has_matrix(run, i)) lk_str_printf(text, ",validation_%s", lk_metric_name(run->metrics[i]));
    lk_str_append(text, ",seconds");
}

static void csv_number(double value, lk_str *text)
{
    if (isfinite(value))
        lk_str_printf(text, ",%.9g", value);
    else
        lk_str_append(text, ",");
}

static void csv_scores(const lk_run *run, const lk_scores *scores, lk_str *text)
{
    csv_number(scores ? scores->loss : (double)NAN, text);
    for (int i = 0; i < run->options->n_metrics; i++)
        if (!has_matrix(run, i)) csv_number(scores ? scores->metric[i] : (double)NAN, text);
}

void lk_report_csv(const lk_run *run, const lk_scores *train, const lk_scores *validation, double seconds,
                   lk_str *text)
{
    lk_str_printf(text, "%lld,%.6g,%.9g", (long long)run->progress.step,
                  (double)run->progress.step / (double)run->position.steps_per_epoch, run->progress.rate);
    csv_scores(run, train, text);
    csv_scores(run, validation, text);
    lk_str_printf(text, ",%.3f", seconds);
}

static void matrix_text(const lk_run *run, int metric, const double *sums, const char *label, lk_str *text)
{
    int64_t            side = lk_metric_matrix_side(run->metrics[metric]), n = 0;
    const char *const *names = lk_transform_class_names(lk_data_transform(run->data), &n);
    lk_str_printf(text, "%s %s (rows: true class, columns: predicted)\n", label,
                  lk_metric_name(run->metrics[metric]));
    for (int64_t i = 0; i < side; i++) {
        if (names && i < n)
            lk_str_printf(text, "  %-14.14s", names[i]);
        else
            lk_str_printf(text, "  %-14lld", (long long)i);
        for (int64_t j = 0; j < side; j++) lk_str_printf(text, " %6.0f", sums[i * side + j]);
        lk_str_append(text, "\n");
    }
}

void lk_report_scores(const lk_run *run, const char *label, const double *sums, lk_str *text)
{
    lk_scores scores;
    lk_run_scores(run, sums, &scores);
    lk_str_printf(text, "%s samples: %.0f\n%s loss: %.6g\n", label, scores.samples, label, scores.loss);
    for (int i = 0; i < run->options->n_metrics; i++) {
        if (has_matrix(run, i))
            matrix_text(run, i, sums + run->column[i], label, text);
        else
            lk_str_printf(text, "%s %s: %.4f\n", label, lk_metric_name(run->metrics[i]), scores.metric[i]);
    }
}

lk_status lk_report_scores_json(const lk_run *run, const char *label, const double *sums,
                                const char *checkpoint, int64_t step, lk_str *text)
{
    lk_scores scores;
    lk_run_scores(run, sums, &scores);
    json_t *object = scores_object(run, &scores);
    json_object_set_new(object, "checkpoint", json_string(checkpoint));
    json_object_set_new(object, "step", json_integer(step));
    json_object_set_new(object, "split", json_string(label));
    json_object_set_new(object, "samples", json_integer((json_int_t)scores.samples));
    for (int i = 0; i < run->options->n_metrics; i++) {
        int64_t side = lk_metric_matrix_side(run->metrics[i]);
        json_t *matrix = side ? json_array() : NULL;
        for (int64_t r = 0; r < side; r++) {
            json_t *row = json_array();
            for (int64_t c = 0; c < side; c++)
                json_array_append_new(row, json_integer((json_int_t)sums[run->column[i] + r * side + c]));
            json_array_append_new(matrix, row);
        }
        if (matrix) json_object_set_new(object, lk_metric_name(run->metrics[i]), matrix);
    }
    lk_status st = dump(object, JSON_INDENT(1), text);
    lk_str_append(text, "\n");
    return st;
}

/* Peak resident memory of this process in MiB. */
static double peak_mebibytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

/* Which ways the gradients really took, from the counters and not from the plan. */
static void put_ways(const lk_run *run, lk_str *text)
{
    lk_reduce_info info;
    lk_reduce_get_info(run->reduce, &info);
    if (info.n_window_steps)
        lk_str_printf(text, "reduced through shared memory in %lld steps\n", (long long)info.n_window_steps);
    if (info.n_exchange_steps)
        lk_str_printf(text, "reduced between hosts in %lld steps\n", (long long)info.n_exchange_steps);
}

lk_status lk_report_phases(lk_run *run, int64_t samples, lk_str *text)
{
    lk_status st = LK_OK;
    enum { WIDTH = LK_PHASES + 2 };
    double mine[WIDTH], total = 0, *all = NULL;
    int    ranks = lk_comm_size(run->comm);
    double wall = lk_phases_total(&run->phases);
    memcpy(mine, run->phases.seconds, sizeof run->phases.seconds);
    mine[LK_PHASES] = wall;
    mine[LK_PHASES + 1] = peak_mebibytes();
    LK_TRY(LK_ALLOC((int64_t)ranks * WIDTH, &all));
    LK_TRY(lk_comm_gather(run->comm, mine, WIDTH, all));
    if (!lk_comm_is_root(run->comm)) goto done;
    for (int r = 0; r < ranks; r++) total += all[r * WIDTH + LK_PHASES];
    lk_str_append(text, "phase            min s      avg s      max s   share\n");
    for (int phase = 0; phase < LK_PHASES; phase++) {
        double low = HUGE_VAL, high = 0, sum = 0;
        for (int r = 0; r < ranks; r++) {
            double s = all[r * WIDTH + phase];
            low = fmin(low, s);
            high = fmax(high, s);
            sum += s;
        }
        lk_str_printf(text, "%-12s %9.2f  %9.2f  %9.2f  %5.1f %%\n", lk_phase_names[phase], low, sum / ranks,
                      high, 100 * sum / (total > 0 ? total : 1));
    }
    double peak = 0, step_s = wall - run->phases.seconds[LK_PHASE_EVALUATE] -
                              run->phases.seconds[LK_PHASE_CHECKPOINT] - run->phases.seconds[LK_PHASE_OTHER];
    for (int r = 0; r < ranks; r++) peak = fmax(peak, all[r * WIDTH + LK_PHASES + 1]);
    double rate = step_s > 0 ? (double)samples / step_s : 0;
    lk_str_printf(
        text,
        "total        %9.2f s, %.0f samples/s in training steps, %.1f GF/s, peak memory %.0f MiB a rank\n",
        wall, rate, rate * run->flops_sample / 1e9, peak);
    put_ways(run, text);
done:
    lk_free(&all);
    return st;
}

void lk_report_best(const lk_run *run, lk_str *text)
{
    const lk_progress *p = &run->progress;
    if (!p->has_best) return;
    lk_str_printf(text, "best        %s ", run->options->checkpoint_best.metric);
    put_number(p->best, 4, text);
    if (p->best_step == p->step)
        lk_str_append(text, ", at this last step");
    else
        lk_str_printf(text, " at step %lld; the figures above are those of step %lld",
                      (long long)p->best_step, (long long)p->step);
    lk_str_append(text, " (best.h5: what eval and predict take)\n");
}

void lk_report_parameters(lk_run *run, lk_str *text)
{
    const lk_span_table *table = lk_model_spans(run->model);
    const float         *state = lk_run_state(run);
    const char          *comma = "";
    if (table->n_parameters > SMALL_MODEL) return;
    lk_str_append(text, "Trained Parameters: ");
    for (int i = 0; i < table->n_spans; i++) {
        const lk_span *span = &table->spans[i];
        if (span->kind != LK_SPAN_PARAMETER) continue;
        lk_str_printf(text, "%s%s =", comma, span->name);
        for (int64_t k = 0; k < span->count; k++)
            lk_str_printf(text, " %.6f", (double)state[span->offset + k]);
        comma = ", ";
    }
}
