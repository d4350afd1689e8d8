/* What the layer files share: spans of a call, lanes, windows, the fused activation. */
#include "kernels/fold.h"
#include "nn/model_internal.h"

#include <string.h>

int64_t lk_shape_width(const lk_shape *shape)
{
    return shape->n_axes ? shape->axis[shape->n_axes - 1] : 1;
}

int64_t lk_shape_rows(const lk_shape *shape)
{
    int64_t rows = 1;
    for (int i = 0; i < shape->n_axes - 1; i++) rows *= shape->axis[i];
    return rows;
}

const float *lk_call_state(const lk_call *call, int i)
{
    return call->state + call->model->spans.spans[call->layer->span[i]].offset;
}

float *lk_call_gradient(const lk_call *call, int i)
{
    return call->gradient + call->model->spans.spans[call->layer->span[i]].offset;
}

bool lk_call_adds(const lk_call *call, int i)
{
    bool *written = &call->written[call->layer->span[i]], before = *written;
    *written = true;
    return before;
}

const int64_t *lk_call_starts(const lk_call *call, int64_t per_row, int64_t *scratch)
{
    const lk_lanes *lanes = &call->batch->lanes;
    if (per_row == 1) return lanes->start;
    for (int i = 0; i <= lanes->n; i++) scratch[i] = lanes->start[i] * per_row;
    return scratch;
}

int64_t lk_fold_floats(int64_t count, int lanes)
{
    return count * lk_fold_levels(lanes);
}

typedef struct fold {
    const lk_call *call;
    lk_lane_sums  *sums;
} fold;

static bool one_lane(void *context, int lo, int size, float *value)
{
    const fold    *work = context;
    const int64_t *start = work->call->batch->lanes.start;
    if (size > 1) return false;
    work->sums(work->call, lo, start[lo], start[lo + 1], value);
    return true;
}

const float *lk_call_fold(const lk_call *call, int64_t count, float *scratch, lk_lane_sums *sums)
{
    const lk_lanes *lanes = &call->batch->lanes;
    fold            context = {call, sums};
    lk_fold_work    work = {lanes->n, lanes->start, count, one_lane, &context};
    int             size = lk_fold_size(lanes->n);
    if (lk_fold_present(lanes->n, lanes->start, 0, size))
        lk_fold_buffers(&work, 0, size, scratch);
    else
        memset(scratch, 0, (size_t)count * sizeof *scratch);
    return scratch;
}

lk_status lk_layer_window(const lk_layer *layer, int axis, int64_t kernel, int64_t stride, int64_t *out,
                          int64_t *before)
{
    int64_t in = layer->in[0].axis[axis], pad = layer->options.pad[axis];
    *before = 0;
    switch (layer->options.padding) {
    case LK_PAD_SAME: /* TensorFlow: ceil(in / stride) outputs, the odd zero behind */
        *out = (in + stride - 1) / stride;
        *before = (*out - 1) * stride + kernel - in;
        *before = *before > 0 ? *before / 2 : 0;
        return LK_OK;
    case LK_PAD_COUNT: /* PyTorch: pad zeros on both sides */
        *before = pad;
        break;
    case LK_PAD_VALID:
        pad = 0;
        break;
    }
    if (in + 2 * pad < kernel)
        return lk_layer_fail(layer, LK_E_SHAPE,
                             "its input has %lld %s, its window needs %lld; padding: same, or a smaller one",
                             (long long)(in + 2 * pad), axis ? "columns" : "rows", (long long)kernel);
    *out = (in + 2 * pad - kernel) / stride + 1;
    return LK_OK;
}

void lk_call_unactivate(const lk_call *call, int64_t width, const float *derivative)
{
    const lk_layer *layer = call->layer;
    int64_t         n = call->rows * lk_shape_count(&layer->out);
    if (layer->options.activation == LK_ACT_SOFTMAX)
        lk_softmax_backward_rows(n / width, width, call->y, call->d_y, call->d_y);
    else if (lk_epilogue_keeps_derivative(layer->epilogue))
        lk_vec_multiply(n, call->d_y, derivative, call->d_y);
    else if (layer->epilogue != LK_EPI_NONE)
        lk_act_backward(layer->epilogue, layer->options.slope, n, call->y, NULL, call->d_y, call->d_y);
}
