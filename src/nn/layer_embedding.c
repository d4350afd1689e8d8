/* embedding: rows of a table by index, plus a learned vector a position. Table [rows, units]. */
#include "nn/model_internal.h"

#include <string.h>

enum { TABLE, POSITIONS };

static lk_status infer(lk_model *model, lk_layer *layer)
{
    lk_status       st = LK_OK;
    const lk_field *field = &model->inputs[layer->from[0]];
    int64_t         rows = layer->options.vocabulary ? layer->options.vocabulary : field->classes;
    int64_t         units = layer->options.units;
    layer->out = layer->in[0];
    if (!rows)
        return lk_layer_fail(layer, LK_E_CONFIG,
                             "vocabulary comes from the data, but input '%s' does not say; give a number",
                             field->name);
    if (units < 1) return lk_layer_fail(layer, LK_E_CONFIG, "units: is missing; it is the width of a row");
    if (layer->out.n_axes == LK_MAX_AXES)
        return lk_layer_fail(layer, LK_E_SHAPE, "its input has too many axes");
    layer->out.axis[layer->out.n_axes++] = units;
    LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "weight", "rows,units", true, 2,
                             (int64_t[]){rows, units}));
    if (layer->options.learned_positions)
        LK_TRY(lk_layer_add_span(model, layer, LK_SPAN_PARAMETER, "positions", "positions,units", true, 2,
                                 (int64_t[]){lk_shape_count(&layer->in[0]), units}));
done:
    return st;
}

static int64_t table_rows(const lk_call *call)
{
    return call->model->spans.spans[call->layer->span[TABLE]].shape.axis[0];
}

static lk_needs needs(const lk_layer *layer, int64_t rows, int lanes, bool training)
{
    int64_t table = layer->parameters;
    (void)rows;
    return (lk_needs){.scratch = training ? 4 * lk_fold_floats(table, lanes) : 0};
}

static lk_status forward(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    const int32_t  *index = call->x[0];
    int64_t t = lk_shape_count(&layer->in[0]), units = lk_shape_width(&layer->out), rows = table_rows(call);
    const float *table = lk_call_state(call, TABLE);
    const float *position = layer->options.learned_positions ? lk_call_state(call, POSITIONS) : NULL;
    for (int64_t i = 0; i < call->rows * t; i++) {
        if (index[i] < 0 || index[i] >= rows)
            return lk_fail(LK_E_DATA, "%s '%s': sample %lld has index %d, the table has rows 0..%lld",
                           layer->ops->kind, layer->name,
                           (long long)(call->batch->sample ? call->batch->sample[i / t] : i / t), index[i],
                           (long long)(rows - 1));
        float *y = call->y + i * units;
        if (position)
            lk_vec_add(units, table + index[i] * units, position + i % t * units, y);
        else
            memcpy(y, table + index[i] * units, (size_t)units * sizeof *y);
    }
    return LK_OK;
}

/* In sample order, one after the other: the table's gradient, then that of the positions. */
static void add_rows(const lk_call *call, int lane, int64_t first, int64_t last, float *values)
{
    const lk_layer *layer = call->layer;
    const int32_t  *index = call->x[0];
    int64_t         t = lk_shape_count(&layer->in[0]), units = lk_shape_width(&layer->out);
    float          *positions = values + table_rows(call) * units;
    (void)lane;
    memset(values, 0, (size_t)layer->parameters * sizeof *values);
    for (int64_t i = first * t; i < last * t; i++) {
        const float *d_y = call->d_y + i * units;
        float       *row = values + index[i] * units;
        lk_vec_add(units, row, d_y, row);
        if (!layer->options.learned_positions) continue;
        row = positions + i % t * units;
        lk_vec_add(units, row, d_y, row);
    }
}

static void backward(const lk_call *call)
{
    const lk_layer *layer = call->layer;
    const float    *sums = lk_call_fold(call, layer->parameters, call->scratch, add_rows);
    int64_t         table = table_rows(call) * lk_shape_width(&layer->out);
    float          *d_table = lk_call_gradient(call, TABLE);
    if (lk_call_adds(call, TABLE)) /* a dense layer below is tied to it */
        lk_vec_add(table, d_table, sums, d_table);
    else
        memcpy(d_table, sums, (size_t)table * sizeof *sums);
    if (layer->options.learned_positions)
        memcpy(lk_call_gradient(call, POSITIONS), sums + table,
               (size_t)(layer->parameters - table) * sizeof *sums);
}

const lk_layer_ops lk_ops_embedding = {.kind = "embedding",
                                       .needs_x = true,
                                       .least_from = 1,
                                       .most_from = 1,
                                       .infer = infer,
                                       .needs = needs,
                                       .forward = forward,
                                       .backward = backward};
