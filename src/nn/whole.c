#include "nn/whole.h"

#include <string.h>

#include "core/alloc.h"
#include "kernels/fold.h"
#include "nn/model_internal.h"

struct lk_whole {
    const lk_model  *model; /* borrowed (outlives the whole) */
    lk_whole_options options;
    lk_part         *parts; /* owned [n_parts] */
    double          *rows;  /* owned [lanes][row_width] */
    double *
        total; /* owned [levels][row_width]: the batch's row, and those of right-hand nodes on the way to it */
    int64_t row_width;
    int64_t bytes;
    bool    stopped;
};

bool lk_model_sees_batch(const lk_model *model)
{
    return lk_model_row_width(model) > 0;
}

/* 0: the layer looks no further than a lane. */
static int64_t row_width(const lk_layer *layer)
{
    return layer->ops->whole ? layer->ops->whole->width(layer) : 0;
}

int64_t lk_model_row_width(const lk_model *model)
{
    int64_t most = 0;
    for (int i = 0; i < model->n_layers; i++)
        if (row_width(&model->layers[i]) > most) most = row_width(&model->layers[i]);
    return most;
}

static lk_status create_parts(lk_whole *whole)
{
    lk_status               st = LK_OK;
    const lk_whole_options *o = &whole->options;
    int64_t                 outputs = o->max_rows * lk_shape_count(lk_model_output(whole->model));
    LK_TRY(LK_ALLOC(o->n_parts, &whole->parts));
    for (int k = 0; k < o->n_parts; k++) {
        lk_part *part = &whole->parts[k];
        LK_TRY(lk_work_create(whole->model, o->max_rows, o->max_lanes, true, o->seed, &part->work));
        LK_TRY(LK_ALLOC(outputs, &part->d_output));
        LK_TRY(LK_ALLOC(whole->model->spans.total_floats, &part->gradient));
        whole->bytes += lk_work_bytes(part->work) + 4 * (outputs + whole->model->spans.total_floats);
    }
done:
    return st;
}

lk_status lk_whole_create(const lk_model *model, const lk_whole_options *options, lk_whole **out)
{
    lk_status st = LK_OK;
    lk_whole *whole = NULL;
    int       levels = lk_fold_levels(options->lanes);
    *out = NULL;
    LK_TRY(LK_ALLOC(1, &whole));
    *whole = (lk_whole){.model = model, .options = *options, .row_width = lk_model_row_width(model)};
    LK_TRY(LK_ALLOC(options->lanes * whole->row_width, &whole->rows));
    LK_TRY(LK_ALLOC(levels * whole->row_width, &whole->total));
    whole->bytes = 8 * (options->lanes + levels) * whole->row_width;
    LK_TRY(create_parts(whole));
    *out = whole;
    whole = NULL;
done:
    lk_whole_destroy(&whole);
    return st;
}

void lk_whole_destroy(lk_whole **whole)
{
    if (!*whole) return;
    for (int k = 0; (*whole)->parts && k < (*whole)->options.n_parts; k++) {
        lk_part *part = &(*whole)->parts[k];
        lk_work_destroy(&part->work);
        lk_free(&part->d_output);
        lk_free(&part->gradient);
    }
    lk_free(&(*whole)->parts);
    lk_free(&(*whole)->rows);
    lk_free(&(*whole)->total);
    lk_free(whole);
}

int64_t lk_whole_bytes(const lk_whole *whole)
{
    return whole->bytes;
}

int lk_whole_n_parts(const lk_whole *whole)
{
    return whole->options.n_parts;
}

lk_part *lk_whole_part(lk_whole *whole, int part)
{
    return &whole->parts[part];
}

bool lk_whole_stopped(const lk_whole *whole)
{
    return whole->stopped;
}

/* Node (lo, size) of the canonical tree into `out`; behind it is room for right-hand children, a row a level. False: none of
 * its lanes has a value. */
static bool join(const lk_whole *whole, lk_join_rows *two, int64_t width, int lo, int size, double *out)
{
    if (lo >= whole->options.lanes) return false;
    if (size == 1) {
        const double *row = whole->rows + lo * width;
        if (row[0] > 0) memcpy(out, row, (size_t)width * sizeof *out);
        return row[0] > 0;
    }
    int  half = size / 2;
    bool left = join(whole, two, width, lo, half, out);
    bool right = join(whole, two, width, lo + half, half, left ? out + width : out);
    if (left && right) two(width, out, out + width);
    return left || right;
}

static double *rows_of(const lk_whole *whole, const lk_part *part, int64_t width)
{
    return whole->rows + part->batch->lanes.first * width;
}

/* Whether this rank goes on with part k of a layer. */
static bool goes_on(const lk_whole *whole, lk_status st, int k)
{
    return st == LK_OK && !whole->stopped && k < whole->options.n_parts;
}

/* All lanes of all ranks tell their rows before layer i, forward or backward. */
static lk_status meet(lk_whole *whole, const float *state, int i, bool back, lk_status local)
{
    const lk_layer     *layer = &whole->model->layers[i];
    const lk_whole_ops *ops = layer->ops->whole;
    int64_t             width = ops->width(layer);
    bool                well = local == LK_OK;
    lk_status           reached = LK_OK;
    for (int k = 0; well && k < whole->options.n_parts; k++) {
        lk_part *part = &whole->parts[k];
        lk_work_tell(part->work, state, part->batch, back ? part->d_output : NULL, i,
                     rows_of(whole, part, width));
    }
    if (whole->options.share)
        reached = whole->options.share(whole->options.context, whole->rows, width, &well);
    whole->stopped = reached != LK_OK || !well;
    if (!whole->stopped && whole->options.n_parts > 0)
        join(whole, back ? ops->join_back : ops->join, width, 0, lk_fold_size(whole->options.lanes),
             whole->total);
    return reached != LK_OK ? reached : local;
}

lk_status lk_whole_forward(lk_whole *whole, const float *state, lk_status local)
{
    lk_status       st = local;
    const lk_model *model = whole->model;
    whole->stopped = false;
    for (int k = 0; goes_on(whole, st, k); k++)
        st = lk_work_check(whole->parts[k].work, whole->parts[k].batch);
    for (int i = 0; i < model->n_layers && !whole->stopped; i++) {
        const lk_layer *layer = &model->layers[i];
        if (layer->ops->whole) st = meet(whole, state, i, false, st);
        for (int k = 0; goes_on(whole, st, k); k++) {
            lk_part      *part = &whole->parts[k];
            lk_batch_rows known = {rows_of(whole, part, row_width(layer)), whole->total};
            if (part->batch->n > 0) st = lk_work_forward_layer(part->work, state, part->batch, i, &known);
        }
    }
    for (int k = 0; goes_on(whole, st, k); k++)
        whole->parts[k].output = lk_work_output(whole->parts[k].work, whole->parts[k].batch);
    return st;
}

lk_status lk_whole_backward(lk_whole *whole, const float *state, lk_status local)
{
    lk_status       st = local;
    const lk_model *model = whole->model;
    for (int k = 0; k < whole->options.n_parts; k++) lk_work_begin_backward(whole->parts[k].work);
    for (int i = model->n_layers - 1; i >= 0 && !whole->stopped; i--) {
        const lk_layer *layer = &model->layers[i];
        if (!layer->trains) continue;
        if (layer->ops->whole) st = meet(whole, state, i, true, st);
        for (int k = 0; goes_on(whole, st, k); k++) {
            lk_part      *part = &whole->parts[k];
            lk_batch_rows known = {rows_of(whole, part, row_width(layer)), whole->total};
            if (part->batch->n > 0)
                lk_work_backward_layer(part->work, state, part->batch, part->d_output, part->gradient, i,
                                       &known);
        }
    }
    return st;
}
