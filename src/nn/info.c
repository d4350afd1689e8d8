/* What a model says about itself. */
#include "nn/model_internal.h"

const lk_span_table *lk_model_spans(const lk_model *model)
{
    return &model->spans;
}

const lk_shape *lk_model_output(const lk_model *model)
{
    return &model->layers[model->n_layers - 1].out;
}

bool lk_model_merges_lanes(const lk_model *model)
{
    for (int i = 0; i < model->n_layers; i++)
        if (model->layers[i].tied >= 0) return false;
    return true;
}

float lk_model_momentum(const lk_model *model, int layer)
{
    return model->layers[layer].options.momentum;
}

int lk_model_n_layers(const lk_model *model)
{
    return model->n_layers;
}

void lk_model_layer(const lk_model *model, int layer, lk_layer_info *info)
{
    const lk_layer *l = &model->layers[layer];
    lk_needs        needs = l->ops->needs ? l->ops->needs(l, 1, 1, true) : (lk_needs){0};
    *info = (lk_layer_info){.name = l->name,
                            .kind = l->ops->kind,
                            .output = l->out,
                            .parameters = l->parameters,
                            .forward_flops = l->forward_flops,
                            .backward_flops = l->backward_flops,
                            .activation_bytes = needs.keep,
                            .sees_batch = l->ops->whole != NULL};
    if (!l->ops->view) info->activation_bytes += 4 * lk_shape_count(&l->out);
}
