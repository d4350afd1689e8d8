#include "train/run.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/log.h"
#include "kernels/kernels.h"
#include "train/share_ranks.h"

/* Rows of neighbouring lanes share one call while their activations stay in a cache of GROUP_ACTIVATION_BYTES, or take
 * no more room than GROUP_GRADIENTS gradients: one group more packs all weights again and writes, keeps and adds a
 * gradient more. Bits do not depend on it, only the share of time spent waiting for memory does. */
enum { GROUP_ACTIVATION_BYTES = 24 << 20, GROUP_GRADIENTS = 4, GROUP_ROWS_MOST = 256 };

/* The root's transform as the bytes that a checkpoint would hold, and back. */
static lk_status pack_transform(const lk_transform *transform, void **bytes, size_t *size)
{
    lk_status   st = LK_OK;
    lk_h5      *file = NULL;
    lk_h5_image image = {0};
    LK_TRY(lk_h5_create_image(NULL, &file));
    LK_TRY(lk_transform_save(transform, file, "/input"));
    LK_TRY(lk_h5_take_image(&file, &image));
    *bytes = image.bytes;
    *size = image.size;
done:
    lk_h5_abandon(&file);
    return st;
}

static lk_status unpack_transform(const void *bytes, size_t size, lk_transform **out)
{
    lk_status st = LK_OK;
    lk_h5    *image = NULL;
    LK_TRY(lk_h5_open_image(bytes, size, "transform", &image));
    LK_TRY(lk_transform_load(image, "/input", out));
done:
    lk_h5_abandon(&image);
    return st;
}

/* A run that goes on knows what its training data were turned into: statistics are not read again, for hours, at every
 * requeue. First of all the data must be what they were. */
static lk_status use_root(lk_run *run, lk_checkpoint *resumed, const lk_data_stop *stop)
{
    lk_status st = LK_OK;
    if (resumed) {
        LK_TRY(lk_state_check_data(run, resumed));
        LK_TRY(lk_transform_load(lk_checkpoint_h5(resumed), "/input", &run->transform));
    }
    LK_TRY(lk_data_use(run->data, run->transform, stop));
done:
    return st;
}

/* What the root has made of the values to all. `used`: how that went; told as the root's. Collective. */
static lk_status take_transform(lk_run *run, lk_status used)
{
    lk_status st = used;
    lk_comm  *comm = run->comm;
    void     *bytes = NULL;
    size_t    size = 0;
    if (st == LK_OK && lk_comm_is_root(comm) && lk_comm_size(comm) > 1)
        st = pack_transform(lk_data_transform(run->data), &bytes, &size);
    LK_TRY(lk_comm_agree(comm, st));
    if (lk_comm_size(comm) == 1) goto done;
    LK_TRY(lk_comm_broadcast(comm, &size, sizeof size));
    if (!lk_comm_is_root(comm)) st = lk_alloc_array(size, 1, &bytes);
    LK_TRY(lk_comm_agree(comm, st));
    LK_TRY(lk_comm_broadcast(comm, bytes, size));
    if (!lk_comm_is_root(comm)) st = unpack_transform(bytes, size, &run->transform);
    LK_TRY(lk_comm_agree(comm, st));
done:
    lk_free(&bytes);
    return st;
}

/* The ranks share the files, and each knows all of them then. The root reads all there is to read (statistics, labels) and tells
 * the others: files larger than memory are passed over once and not once a rank. */
static lk_status open_together(lk_run *run, lk_checkpoint *resumed, const lk_data_stop *stop)
{
    lk_status st = LK_OK;
    lk_comm  *comm = run->comm;
    lk_share  share = lk_share_of(comm);
    bool      root = lk_comm_is_root(comm);
    lk_status found = lk_data_find(&run->options->data, run->options->seed, &share, true, &run->data);
    if (found != LK_OK && lk_comm_failed_together(comm)) return found;
    LK_TRY(lk_comm_agree(comm, root ? found : LK_OK)); /* what is wrong for all is told as the root's */
    LK_TRY(lk_comm_agree(comm, found));
    LK_TRY(take_transform(run, root ? use_root(run, resumed, stop) : LK_OK));
    LK_TRY(lk_comm_agree(comm, root ? LK_OK : lk_data_use_checked(run->data, run->transform)));
done:
    return st;
}

static lk_status open_known(lk_run *run, lk_checkpoint *checkpoint, const lk_run_input *input)
{
    lk_status              st = LK_OK;
    lk_comm               *comm = run->comm;
    const lk_data_options *data = &run->options->data;
    lk_share               share = lk_share_of(comm);
    LK_TRY(lk_comm_agree(comm, lk_transform_load(lk_checkpoint_h5(checkpoint), "/input", &run->transform)));
    if (input) {
        st = lk_data_open_input(input->name, input->targets, data, run->transform, &share, &run->data);
    } else {
        st = lk_data_find(data, run->options->seed, &share, false, &run->data);
        if (st == LK_OK) st = lk_data_use(run->data, run->transform, NULL);
    }
    LK_TRY(lk_comm_agree(comm, st));
done:
    return st;
}

lk_status lk_run_name_place(const lk_run_options *options, lk_status status)
{
    char message[2048];
    if (status == LK_OK || !options->label || !isdigit((unsigned char)lk_error_message()[0])) return status;
    snprintf(message, sizeof message, "%s", lk_error_message());
    return lk_fail(status, "%s:%s", options->label, message);
}

/* A loss that asks for more classes than the model has units: which label did it. */
static lk_status name_label(const lk_run *run, const lk_field *target, lk_status status)
{
    const lk_shape *output = lk_model_output(run->model);
    const char     *label = lk_data_greatest_label(run->data, 0);
    int64_t         units = output->n_axes ? output->axis[output->n_axes - 1] : 1;
    if (status != LK_E_SHAPE || target->classes <= units || !label[0]) return status;
    return lk_fail_context(status, "%s", label);
}

/* The sums of a training travel with every step, a row a lane; those of an evaluation alone are bounded by the metrics. */
static lk_status check_columns(const lk_run *run)
{
    int most = 0;
    for (int i = 1; i < run->options->n_metrics; i++)
        if (lk_metric_n_sums(run->metrics[i]) > lk_metric_n_sums(run->metrics[most])) most = i;
    if (run->n_columns <= LK_RUN_MAX_COLUMNS) return LK_OK;
    const char *name = lk_metric_name(run->metrics[most]);
    return lk_fail(
        LK_E_CONFIG,
        "metrics: %s is %d sums, and all that travel with a step of training together are at most %d: leave "
        "%s out here; lockstep eval RUN --set metrics=[%s] has it afterwards",
        name, lk_metric_n_sums(run->metrics[most]), LK_RUN_MAX_COLUMNS, name, name);
}

static lk_status build_model(lk_run *run, bool training)
{
    lk_status           st = LK_OK;
    const lk_transform *transform = lk_data_transform(run->data);
    int                 n_inputs = lk_transform_n_inputs(transform);
    const lk_field     *target = lk_transform_n_targets(transform) ? lk_transform_target(transform, 0) : NULL;
    lk_field           *inputs = NULL;
    LK_CHECK(n_inputs > 0, LK_E_DATA, "the data has no input");
    LK_TRY(LK_ALLOC(n_inputs, &inputs));
    for (int i = 0; i < n_inputs; i++) inputs[i] = *lk_transform_input(transform, i);
    st = lk_model_create(&run->options->model, inputs, n_inputs, target ? target->classes : 0, &run->model);
    LK_TRY(lk_run_name_place(run->options, st));
    for (int i = 0; i < lk_model_n_layers(run->model); i++) {
        lk_layer_info info;
        lk_model_layer(run->model, i, &info);
        run->flops_sample += (double)(info.forward_flops + info.backward_flops);
    }
    run->n_columns = LK_SUM_FIRST_METRIC;
    if (!target) goto done;
    const lk_shape *output = lk_model_output(run->model);
    st = lk_loss_create(&run->options->loss, output, target, &run->loss);
    LK_TRY(name_label(run, target, st));
    int64_t       n_units = 0;
    const double *units = lk_transform_target_units(transform, 0, &n_units);
    LK_CHECK(run->options->n_metrics <= LK_RUN_MAX_METRICS, LK_E_CONFIG, "metrics: %d are more than %d",
             run->options->n_metrics, LK_RUN_MAX_METRICS);
    for (int i = 0; i < run->options->n_metrics; i++) {
        bool logits = run->options->loss.kind == LK_LOSS_BINARY_CROSS_ENTROPY;
        LK_TRY(lk_metric_create(&run->options->metrics[i], output, target, logits, &run->metrics[i]));
        LK_TRY(lk_metric_set_units(run->metrics[i], n_units, units));
        run->column[i] = run->n_columns;
        run->n_columns += lk_metric_n_sums(run->metrics[i]);
    }
    if (training) LK_TRY(check_columns(run));
done:
    lk_free(&inputs);
    return st;
}

/* Samples of the largest batch: a split may have fewer than train.batch_size. */
static int64_t batch_rows(const lk_run *run)
{
    int64_t n = lk_data_n(run->data, LK_SPLIT_TRAIN);
    return n < run->options->batch_size ? n : run->options->batch_size;
}

static int64_t lane_rows(const lk_run *run)
{
    return (batch_rows(run) + run->options->lanes - 1) / run->options->lanes;
}

static int lanes_in_group(const lk_run *run)
{
    int64_t bytes = 0, rows = lane_rows(run);
    if (!lk_kernels_rows_independent() || !lk_model_merges_lanes(run->model)) return 1;
    for (int i = 0; i < lk_model_n_layers(run->model); i++) {
        lk_layer_info info;
        lk_model_layer(run->model, i, &info);
        bytes += info.activation_bytes;
    }
    int64_t gradients = GROUP_GRADIENTS * lk_model_spans(run->model)->total_floats * (int64_t)sizeof(float);
    int64_t most = gradients > GROUP_ACTIVATION_BYTES ? gradients : GROUP_ACTIVATION_BYTES;
    int     lanes = 1;
    while (2 * lanes <= run->options->lanes && 2 * lanes * rows <= GROUP_ROWS_MOST &&
           2 * lanes * rows * bytes <= most)
        lanes *= 2;
    return lanes;
}

static lk_status prepare_position(lk_run *run)
{
    lk_status    st = LK_OK;
    lk_position *at = &run->position;
    int64_t      n = lk_data_n(run->data, LK_SPLIT_TRAIN), batch = run->options->batch_size;
    LK_CHECK(n > 0, LK_E_DATA, "the training split has no sample");
    *at = (lk_position){
        .samples_per_epoch = n, .batch_size = batch, .steps_per_epoch = (n + batch - 1) / batch};
    LK_TRY(lk_when_steps(&run->options->length, at, &at->total_steps));
    run->progress.total_steps = at->total_steps;
done:
    return st;
}

/* Chunked training data is unpacked once a host. Where there is no room for that, each rank has blocks of its own. */
static lk_status share_blocks(lk_run *run, lk_stream_options *stream)
{
    lk_status st = LK_OK;
    lk_comm  *comm = run->comm;
    int       sharers = lk_comm_host_ranks(comm, lk_comm_host(comm));
    size_t    bytes = lk_stream_shared_bytes(run->data, LK_SPLIT_TRAIN, sharers);
    if (bytes == 0 || lk_comm_size(comm) == 1) return LK_OK;
    st = lk_window_create(comm, lk_window_piece(bytes), &run->blocks);
    if (st == LK_E_NOMEM) {
        if (lk_comm_is_root(comm))
            lk_log_warn(
                "no shared memory for unpacked chunks (%.1f MB): each rank unpacks its own (%.1f MB each)",
                (double)bytes / 1e6, (double)lk_stream_own_bytes(run->data, LK_SPLIT_TRAIN, true) / 1e6);
        lk_window_destroy(&run->blocks);
        return LK_OK;
    }
    LK_TRY(st);
    stream->shared = lk_window_take(run->blocks, bytes);
    stream->sharers = sharers;
    if (lk_comm_rank_on_host(comm) == 0)
        st = lk_stream_shared_init(run->data, LK_SPLIT_TRAIN, sharers, stream->shared);
    LK_TRY(lk_comm_agree(comm, st)); /* and nobody begins before it is ready */
done:
    return st;
}

/* Groups follow each other through one workspace. */
static lk_status create_work(lk_run *run, int64_t rows, int group)
{
    lk_status st = LK_OK;
    LK_TRY(lk_work_create(run->model, rows, group, true, run->options->seed, &run->work));
    LK_TRY(LK_ALLOC(rows * lk_shape_count(lk_model_output(run->model)), &run->d_output));
    LK_TRY(LK_ALLOC(1, &run->view));
    run->work_bytes = lk_work_bytes(run->work);
done:
    return st;
}

/* All groups are alive at once. */
static lk_status create_whole(lk_run *run, int64_t rows, int group)
{
    lk_status        st = LK_OK;
    lk_whole_options whole = {.lanes = (int)run->options->lanes,
                              .n_parts = lk_reduce_n_groups(run->reduce),
                              .max_rows = rows,
                              .max_lanes = group,
                              .seed = run->options->seed,
                              .share = lk_run_share_rows,
                              .context = run};
    LK_TRY(lk_lane_rows_create(run->comm, whole.lanes, lk_model_row_width(run->model), &run->lane_rows));
    LK_TRY(lk_whole_create(run->model, &whole, &run->whole));
    LK_TRY(LK_ALLOC(whole.n_parts, &run->view));
    run->work_bytes = lk_whole_bytes(run->whole) + lk_lane_rows_bytes(run->lane_rows);
done:
    return st;
}

/* What a rank may find no memory for alone. Local. */
static lk_status create_buffers(lk_run *run, const lk_stream_options *stream, int group)
{
    lk_status st = LK_OK;
    int64_t   rows = group * lane_rows(run);
    LK_TRY(lk_stream_create(run->data, stream, &run->stream));
    if (lk_model_sees_batch(run->model))
        LK_TRY(create_whole(run, rows, group));
    else
        LK_TRY(create_work(run, rows, group));
    LK_TRY(LK_ALLOC(group * run->n_columns, &run->rows));
    LK_TRY(LK_ALLOC(run->n_columns, &run->epoch_sums));
done:
    return st;
}

/* What decides how much is needed: the message so far names bytes alone. */
static lk_status name_batch(const lk_run *run, int group)
{
    char what[512];
    snprintf(what, sizeof what, "%s", lk_error_message());
    return lk_fail(
        LK_E_NOMEM,
        "%s: of a batch of %lld samples (train.batch_size) this rank has up to %lld in memory at a time; "
        "a smaller train.batch_size or more train.lanes (now %lld) need less",
        what, (long long)batch_rows(run), (long long)(group * lane_rows(run)),
        (long long)run->options->lanes);
}

/* Ranks with more lanes need more workspaces: the header prints the most. Collective. */
static lk_status share_work_bytes(lk_run *run)
{
    lk_status st = LK_OK;
    double    mine = (double)run->work_bytes, *all = NULL;
    if (!run->whole) return LK_OK;
    LK_TRY(lk_comm_agree(run->comm, LK_ALLOC(lk_comm_size(run->comm), &all)));
    LK_TRY(lk_comm_allgather(run->comm, &mine, 1, all));
    for (int r = 0; r < lk_comm_size(run->comm); r++)
        if ((int64_t)all[r] > run->work_bytes) run->work_bytes = (int64_t)all[r];
done:
    lk_free(&all);
    return st;
}

/* What every rank finds out alike. Local. */
static lk_status check_training(lk_run *run)
{
    lk_status st = LK_OK;
    LK_CHECK(run->loss, LK_E_DATA, "the training data has no target");
    LK_TRY(prepare_position(run));
done:
    return st;
}

/* The stream of an evaluation is there beside that of training, one at a time. Local. */
static void plan_memory(lk_run *run, const lk_stream_options *training)
{
    lk_memory_plan   *plan = &run->plan;
    lk_stream_options evaluation = {.batch_size = run->options->evaluate_chunk, .lanes = 1, .n_lanes = 1};
    size_t            most = 0;
    if (run->blocks)
        plan->shared_chunks = lk_stream_shared_bytes(run->data, LK_SPLIT_TRAIN, training->sharers);
    else
        plan->own_chunks = lk_stream_own_bytes(run->data, LK_SPLIT_TRAIN, true);
    for (int split = LK_SPLIT_VALIDATION; split < LK_SPLITS; split++) {
        if (lk_data_n(run->data, (lk_split)split) == 0) continue;
        evaluation.split = (lk_split)split;
        size_t chunks = lk_stream_own_bytes(run->data, evaluation.split, false);
        size_t batches = lk_stream_batch_bytes(run->data, &evaluation);
        if (chunks > plan->evaluate_chunks) plan->evaluate_chunks = chunks;
        if (batches > most) most = batches;
    }
    plan->batches = lk_stream_batch_bytes(run->data, training) + most;
}

/* Collective, and so is lk_run_destroy from here on: a rank that fails must not go there before the others know. */
static lk_status prepare_training(lk_run *run)
{
    lk_status             st = LK_OK;
    const lk_run_options *options = run->options;
    int                   group = lanes_in_group(run), first = 0, n = 0;
    lk_reduce_options     reduce = {.kind = options->reduce,
                                    .lanes = (int)options->lanes,
                                    .group_lanes = group,
                                    .n_slots = lk_optim_n_slots(&options->optim),
                                    .n_sums = run->n_columns,
                                    .clip_norm = options->clip_norm};
    LK_TRY(lk_comm_agree(run->comm, check_training(run)));
    LK_TRY(lk_reduce_create(run->comm, &reduce, lk_model_spans(run->model), &run->reduce));
    lk_reduce_run(run->reduce, &first, &n);
    lk_stream_options stream = {.split = LK_SPLIT_TRAIN,
                                .batch_size = options->batch_size,
                                .lanes = (int)options->lanes,
                                .first_lane = first,
                                .n_lanes = n,
                                .training = true,
                                .seed = options->seed,
                                .prefetch = true};
    LK_TRY(share_blocks(run, &stream));
    plan_memory(run, &stream);
    st = create_buffers(run, &stream, group);
    if (st == LK_E_NOMEM) st = name_batch(run, group);
    LK_TRY(lk_comm_agree(run->comm, st));
    LK_TRY(share_work_bytes(run));
done:
    return st;
}

/* A run without data yet. Collective. */
static lk_status begin(lk_comm *comm, const lk_run_options *options, lk_run **out)
{
    lk_status st = LK_ALLOC(1, out);
    if (st == LK_OK) {
        (*out)->options = options;
        (*out)->comm = comm;
        lk_phases_start(&(*out)->phases);
        st = lk_kernels_select(options->kernels);
    }
    return lk_comm_agree(comm, st);
}

lk_status lk_run_open(lk_comm *comm, const lk_run_options *options, lk_checkpoint *checkpoint,
                      const lk_run_input *input, lk_run **out)
{
    lk_status st = LK_OK;
    LK_TRY(begin(comm, options, out));
    if (checkpoint)
        LK_TRY(open_known(*out, checkpoint, input));
    else
        LK_TRY(open_together(*out, NULL, NULL));
done:
    if (st != LK_OK) lk_run_destroy(out);
    return st;
}

lk_status lk_run_open_again(lk_comm *comm, const lk_run_options *options, lk_checkpoint *resumed,
                            const lk_data_stop *stop, lk_run **out)
{
    lk_status st = LK_OK;
    LK_TRY(begin(comm, options, out));
    LK_TRY(open_together(*out, resumed, stop));
done:
    if (st != LK_OK) lk_run_destroy(out);
    return st;
}

lk_status lk_run_prepare(lk_run *run, bool training)
{
    lk_status             st = LK_OK;
    const lk_run_options *options = run->options;
    LK_TRY(lk_comm_agree(run->comm, build_model(run, training)));
    LK_TRY(lk_comm_agree(run->comm, lk_work_create(run->model, options->evaluate_chunk, 1, false,
                                                   options->seed, &run->evaluate_work)));
    if (training) LK_TRY(prepare_training(run));
done:
    return st;
}

lk_status lk_run_create(lk_comm *comm, const lk_run_options *options, lk_checkpoint *checkpoint,
                        const lk_run_input *input, bool training, lk_run **out)
{
    lk_status st = lk_run_open(comm, options, checkpoint, input, out);
    if (st == LK_OK) st = lk_run_prepare(*out, training);
    if (st != LK_OK) lk_run_destroy(out);
    return st;
}

void lk_run_destroy(lk_run **run)
{
    if (!*run) return;
    lk_run *r = *run;
    lk_stream_destroy(&r->stream);
    lk_window_destroy(&r->blocks);
    lk_work_destroy(&r->work);
    lk_whole_destroy(&r->whole);
    lk_lane_rows_destroy(&r->lane_rows);
    lk_work_destroy(&r->evaluate_work);
    lk_reduce_destroy(&r->reduce);
    for (int i = 0; i < LK_RUN_MAX_METRICS; i++) lk_metric_destroy(&r->metrics[i]);
    lk_loss_destroy(&r->loss);
    lk_model_destroy(&r->model);
    lk_data_close(&r->data);
    lk_transform_destroy(&r->transform);
    lk_free(&r->d_output);
    lk_free(&r->rows);
    lk_free(&r->epoch_sums);
    lk_free(&r->view);
    lk_free(&r->evaluate_state);
    lk_free(run);
}

void lk_run_initial(lk_run *run)
{
    const lk_span_table *spans = lk_model_spans(run->model);
    lk_model_init(run->model, run->options->seed, lk_reduce_state(run->reduce));
    for (int i = 0; i < lk_optim_n_slots(&run->options->optim); i++) {
        float *slot = lk_reduce_slot(run->reduce, i), value = lk_optim_slot_initial(&run->options->optim, i);
        for (int64_t k = 0; k < spans->parameter_floats; k++) slot[k] = value;
    }
}

float *lk_run_state(lk_run *run)
{
    return run->reduce ? lk_reduce_state(run->reduce) : run->evaluate_state;
}

void lk_run_scores(const lk_run *run, const double *sums, lk_scores *scores)
{
    *scores =
        (lk_scores){.loss = sums[LK_SUM_WEIGHT] > 0 ? sums[LK_SUM_LOSS] / sums[LK_SUM_WEIGHT] : (double)NAN,
                    .samples = sums[LK_SUM_COUNT]};
    for (int i = 0; i < run->options->n_metrics; i++) {
        bool matrix = lk_metric_matrix_side(run->metrics[i]) > 0;
        scores->metric[i] = matrix ? (double)NAN : lk_metric_value(run->metrics[i], sums + run->column[i]);
    }
}
