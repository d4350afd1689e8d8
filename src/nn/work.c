/* A workspace: the memory of one forward and backward pass, and the walk over the layers. */
#include "core/alloc.h"
#include "nn/model_internal.h"

#include <string.h>

struct lk_work {
    const lk_model *model; /* borrowed (outlives the work) */
    int64_t         max_rows;
    int             max_lanes;
    bool            training;
    uint64_t        seed;
    lk_memory_plan  plan;
    char           *memory;     /* owned */
    bool           *written;    /* owned, [n_spans]: gradient spans written in this backward */
    bool           *value_done; /* owned, [values]: gradient memory holds something in this backward */
};

lk_status lk_work_create(const lk_model *model, int64_t max_rows, int max_lanes, bool training, uint64_t seed,
                         lk_work **out)
{
    lk_status st = LK_OK;
    lk_work  *work = NULL;
    *out = NULL;
    LK_TRY(LK_ALLOC(1, &work));
    *work = (lk_work){
        .model = model, .max_rows = max_rows, .max_lanes = max_lanes, .training = training, .seed = seed};
    LK_TRY(lk_memory_plan_create(model, max_rows, max_lanes, training, &work->plan));
    LK_TRY(LK_ALLOC(work->plan.bytes + 64, &work->memory));
    LK_TRY(LK_ALLOC(model->spans.n_spans + 1, &work->written));
    LK_TRY(LK_ALLOC(model->n_inputs + model->n_layers, &work->value_done));
    *out = work;
    work = NULL;
done:
    lk_work_destroy(&work);
    return st;
}

void lk_work_destroy(lk_work **work)
{
    if (!*work) return;
    lk_memory_plan_clear(&(*work)->plan);
    lk_free(&(*work)->memory);
    lk_free(&(*work)->written);
    lk_free(&(*work)->value_done);
    lk_free(work);
}

int64_t lk_work_bytes(const lk_work *work)
{
    return work->plan.bytes;
}

static void *at(const lk_work *work, const lk_place *place)
{
    return place->offset < 0 ? NULL : work->memory + place->offset;
}

static const void *value(const lk_work *work, const lk_batch *batch, int v)
{
    int root = work->plan.root[v], n = work->model->n_inputs;
    return root < n ? batch->input[root] : at(work, &work->plan.value[root - n]);
}

static lk_call begin_call(const lk_work *work, const float *state, const lk_batch *batch, int i,
                          const lk_batch_rows *known)
{
    const lk_layer *layer = &work->model->layers[i];
    lk_call         call = {.model = work->model,
                            .layer = layer,
                            .batch = batch,
                            .rows = batch->n,
                            .training = work->training,
                            .seed = work->seed,
                            .state = state,
                            .known = known,
                            .keep = at(work, &work->plan.keep[i]),
                            .scratch = at(work, &work->plan.scratch)};
    for (int f = 0; f < layer->n_from; f++) call.x[f] = value(work, batch, layer->from[f]);
    call.y = layer->ops->view ? NULL : (float *)value(work, batch, work->model->n_inputs + i);
    return call;
}

lk_status lk_work_check(const lk_work *work, const lk_batch *batch)
{
    lk_status st = LK_OK;
    LK_CHECK(batch->n <= work->max_rows && batch->lanes.n <= work->max_lanes, LK_E_BUG,
             "forward: %lld rows in %d lanes, the workspace holds %lld in %d", (long long)batch->n,
             batch->lanes.n, (long long)work->max_rows, work->max_lanes);
done:
    return st;
}

lk_status lk_work_forward_layer(lk_work *work, const float *state, const lk_batch *batch, int layer,
                                const lk_batch_rows *known)
{
    lk_call call = begin_call(work, state, batch, layer, known);
    return call.layer->ops->forward(&call);
}

const float *lk_work_output(const lk_work *work, const lk_batch *batch)
{
    return value(work, batch, work->model->n_inputs + work->model->n_layers - 1);
}

lk_status lk_model_forward(lk_work *work, const float *state, const lk_batch *batch, const float **output)
{
    lk_status st = LK_OK;
    LK_TRY(lk_work_check(work, batch));
    for (int i = 0; i < work->model->n_layers; i++)
        LK_TRY(lk_work_forward_layer(work, state, batch, i, NULL));
    *output = lk_work_output(work, batch);
done:
    return st;
}

static float *gradient_of(const lk_work *work, float *d_output, int v)
{
    int root = work->plan.d_root[v], n = work->model->n_inputs;
    if (root == work->plan.d_root[n + work->model->n_layers - 1]) return d_output;
    return at(work, &work->plan.d_value[root - n]);
}

static bool value_trains(const lk_model *model, int v)
{
    return v >= model->n_inputs && model->layers[v - model->n_inputs].trains;
}

/* Where the gradient of each input goes: into its place if it is the first there, else added to what is
 * there. */
static void aim(lk_work *work, float *d_output, lk_call *call, float *wait[LK_MAX_FROM])
{
    const lk_layer *layer = call->layer;
    int             own = work->plan.d_root[work->model->n_inputs + (int)(layer - work->model->layers)];
    char           *room = at(work, &work->plan.sum);
    for (int f = 0; f < layer->n_from; f++) {
        int x = layer->from[f], root = work->plan.d_root[x];
        wait[f] = NULL;
        if (!value_trains(work->model, x)) continue;
        call->d_x[f] = gradient_of(work, d_output, x);
        if (root == own) continue; /* in place, or a view */
        call->add[f] = work->value_done[root];
        work->value_done[root] = true;
        if (!call->add[f] || layer->ops->adds) continue;
        wait[f] = call->d_x[f];
        call->d_x[f] = (float *)(void *)room;
        call->add[f] = false;
        room += (call->rows * lk_shape_count(&layer->in[f]) * 4 + 63) / 64 * 64;
    }
}

void lk_work_tell(lk_work *work, const float *state, const lk_batch *batch, float *d_output, int i,
                  double *rows)
{
    const lk_whole_ops *ops = work->model->layers[i].ops->whole;
    lk_call             call = begin_call(work, state, batch, i, NULL);
    if (d_output) call.d_y = gradient_of(work, d_output, work->model->n_inputs + i);
    (d_output ? ops->tell_back : ops->tell)(&call, rows);
}

void lk_work_backward_layer(lk_work *work, const float *state, const lk_batch *batch, float *d_output,
                            float *gradient, int i, const lk_batch_rows *known)
{
    float          *wait[LK_MAX_FROM];
    const lk_layer *layer = &work->model->layers[i];
    lk_call         call = begin_call(work, state, batch, i, known);
    call.d_y = gradient_of(work, d_output, work->model->n_inputs + i);
    call.gradient = gradient;
    call.written = work->written;
    aim(work, d_output, &call, wait);
    layer->ops->backward(&call);
    for (int f = 0; f < layer->n_from; f++)
        if (wait[f]) lk_vec_add(call.rows * lk_shape_count(&layer->in[f]), wait[f], call.d_x[f], wait[f]);
}

void lk_work_begin_backward(lk_work *work)
{
    const lk_model *model = work->model;
    int             n = model->n_inputs + model->n_layers;
    memset(work->written, 0, (size_t)model->spans.n_spans * sizeof *work->written);
    memset(work->value_done, 0, (size_t)n * sizeof *work->value_done);
    work->value_done[work->plan.d_root[n - 1]] = true;
}

lk_status lk_model_backward(lk_work *work, const float *state, const lk_batch *batch, float *d_output,
                            float *gradient, lk_span_hook *on_span, void *context)
{
    const lk_model *model = work->model;
    lk_work_begin_backward(work);
    for (int i = model->n_layers - 1; i >= 0; i--) {
        const lk_layer *layer = &model->layers[i];
        if (!layer->trains) continue;
        lk_work_backward_layer(work, state, batch, d_output, gradient, i, NULL);
        for (int s = 0; on_span && s < layer->n_spans; s++)
            if (work->plan.last_user[layer->span[s]] == i) on_span(context, layer->span[s]);
        if (on_span && layer->n_spans == 0) on_span(context, -1);
    }
    return LK_OK;
}
