/*
 * The static memory plan: which values share memory, how long each buffer lives, and where it lies.
 *
 * Time: forward of layer i at i, the loss at L, backward of layer i at 2 L - i. Two buffers may overlap in
 * memory when their times do not. Views share their input's memory; so do layers that can work in place when
 * nobody else wants their input.
 */
#include "core/alloc.h"
#include "nn/model_internal.h"

#include <string.h>

typedef struct buffer {
    lk_place *place; /* NULL: none */
    int       first, last;
} buffer;

static int find(const int *root, int value)
{
    while (root[value] != value) value = root[value];
    return value;
}

static int value_of(const lk_model *model, int layer)
{
    return model->n_inputs + layer;
}

/* Readers of each class of views: views themselves do not count. */
static void count_readers(const lk_model *model, const int *root, int *readers)
{
    for (int i = 0; i < model->n_layers; i++)
        for (int f = 0; !model->layers[i].ops->view && f < model->layers[i].n_from; f++)
            readers[find(root, model->layers[i].from[f])]++;
}

static void join_views(const lk_model *model, int *root)
{
    for (int v = 0; v < model->n_inputs + model->n_layers; v++) root[v] = v;
    for (int i = 0; i < model->n_layers; i++)
        if (model->layers[i].ops->view)
            root[find(root, value_of(model, i))] = find(root, model->layers[i].from[0]);
}

/* Forward: y may take x's place if this layer alone reads x, does not want it back, and who wrote x does not
 * either. */
static void join_values(const lk_model *model, bool training, int *readers, bool *wanted, int *root)
{
    for (int i = 0; i < model->n_layers; i++) {
        const lk_layer *layer = &model->layers[i];
        int             own = find(root, value_of(model, i)), x = find(root, layer->from[0]);
        bool            one = readers[x] == 1 && x >= model->n_inputs;
        if (layer->ops->view) continue;
        wanted[own] = training && layer->needs_y;
        if (layer->ops->in_place && one && !wanted[x] && !(training && layer->needs_x)) {
            root[own] = x;
            wanted[x] = wanted[own];
            readers[x] = readers[own];
        }
    }
}

/* Backward: the gradient of x may take the place of that of y if x has no other reader. */
static void join_gradients(const lk_model *model, const int *readers, int *root)
{
    for (int i = model->n_layers - 1; i >= 0; i--) {
        const lk_layer *layer = &model->layers[i];
        int             own = find(root, value_of(model, i)), x = find(root, layer->from[0]);
        if (!layer->ops->view && layer->ops->in_place && readers[x] == 1 && x >= model->n_inputs)
            root[x] = own;
    }
}

static lk_status join(const lk_model *model, bool training, lk_memory_plan *plan)
{
    lk_status st = LK_OK;
    int       n = model->n_inputs + model->n_layers;
    int      *readers = NULL;
    bool     *wanted = NULL;
    LK_TRY(LK_ALLOC(n, &readers));
    LK_TRY(LK_ALLOC(n, &wanted));
    join_views(model, plan->root);
    join_views(model, plan->d_root);
    count_readers(model, plan->root, readers);
    join_gradients(model, readers, plan->d_root);
    join_values(model, training, readers, wanted, plan->root);
    for (int v = 0; v < n; v++) { /* flat from here on */
        int r = find(plan->root, v), d = find(plan->d_root, v);
        plan->root[v] = r;
        plan->d_root[v] = d;
    }
done:
    lk_free(&readers);
    lk_free(&wanted);
    return st;
}

static void stretch(buffer *b, lk_place *place, int64_t bytes, int time)
{
    if (!b->place) *b = (buffer){place, time, time};
    if (bytes > place->bytes) place->bytes = bytes;
    if (time < b->first) b->first = time;
    if (time > b->last) b->last = time;
}

static int64_t value_bytes(const lk_model *model, int layer, int64_t rows)
{
    return rows * lk_shape_count(&model->layers[layer].out) * (int64_t)sizeof(float);
}

/* Life of values: from the first writer to the last reader, backward readers included. */
static void live_values(const lk_model *model, int64_t rows, bool training, lk_memory_plan *plan,
                        buffer *buffers)
{
    int end = 2 * model->n_layers;
    for (int i = 0; i < model->n_layers; i++) {
        const lk_layer *layer = &model->layers[i];
        int             own = plan->root[value_of(model, i)] - model->n_inputs;
        if (own >= 0) {
            stretch(&buffers[own], &plan->value[own], value_bytes(model, i, rows), i);
            if (training && layer->needs_y) stretch(&buffers[own], &plan->value[own], 0, end - i);
        }
        for (int f = 0; f < layer->n_from; f++) {
            int x = plan->root[layer->from[f]] - model->n_inputs;
            if (x < 0) continue;
            stretch(&buffers[x], &plan->value[x], 0, i);
            if (training && layer->needs_x) stretch(&buffers[x], &plan->value[x], 0, end - i);
        }
    }
    int output = plan->root[value_of(model, model->n_layers - 1)] - model->n_inputs;
    if (output >= 0) stretch(&buffers[output], &plan->value[output], 0, end + 1); /* the caller reads it */
}

/* Life of gradients: from the last reader's backward to that of the first writer. The output's comes from the
 * caller. */
static void live_gradients(const lk_model *model, int64_t rows, lk_memory_plan *plan, buffer *buffers)
{
    int end = 2 * model->n_layers, output = plan->d_root[value_of(model, model->n_layers - 1)];
    for (int i = 0; i < model->n_layers; i++) {
        const lk_layer *layer = &model->layers[i];
        int             own = plan->d_root[value_of(model, i)];
        if (!layer->trains) continue;
        if (own != output && own >= model->n_inputs)
            stretch(&buffers[own - model->n_inputs], &plan->d_value[own - model->n_inputs],
                    value_bytes(model, i, rows), end - i);
        for (int f = 0; f < layer->n_from; f++) {
            int x = plan->d_root[layer->from[f]];
            if (x == output || x < model->n_inputs || layer->from[f] < model->n_inputs) continue;
            stretch(&buffers[x - model->n_inputs], &plan->d_value[x - model->n_inputs], 0, end - i);
        }
    }
}

static void live_kept(const lk_model *model, int64_t rows, int lanes, bool training, lk_memory_plan *plan,
                      buffer *buffers)
{
    int64_t sum = 0;
    for (int i = 0; i < model->n_layers; i++) {
        const lk_layer *layer = &model->layers[i];
        lk_needs needs = layer->ops->needs ? layer->ops->needs(layer, rows, lanes, training) : (lk_needs){0};
        if (needs.scratch > plan->scratch.bytes) plan->scratch.bytes = needs.scratch;
        if (needs.keep) {
            stretch(&buffers[i], &plan->keep[i], needs.keep, i);
            stretch(&buffers[i], &plan->keep[i], 0, 2 * model->n_layers - i);
        }
        int64_t own = 0; /* where d_x of a layer that cannot add waits for its addition */
        for (int f = 0; training && !layer->ops->adds && !layer->ops->view && f < layer->n_from; f++)
            own += (rows * lk_shape_count(&layer->in[f]) * 4 + 63) / 64 * 64;
        if (own > sum) sum = own;
    }
    plan->sum.bytes = sum;
}

static bool overlap(const buffer *a, const buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Lowest offset at which `b` meets none of those placed before that live at the same time. */
static int64_t lowest(const buffer *placed, int n, const buffer *b)
{
    int64_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < n; i++) {
            const lk_place *p = placed[i].place;
            if (!overlap(&placed[i], b) || at >= p->offset + p->bytes || p->offset >= at + b->place->bytes)
                continue;
            at = p->offset + p->bytes;
            moved = true;
        }
    }
    return at;
}

/* Largest first, each as low as it goes: within a few per cent of the peak for chains of layers. */
static void place_all(buffer *buffers, int n, int64_t *bytes)
{
    int used = 0;
    for (int i = 0; i < n; i++) {
        if (!buffers[i].place || !buffers[i].place->bytes) continue;
        buffer own = buffers[i];
        own.place->bytes = (own.place->bytes + 63) / 64 * 64;
        int k = used++;
        for (; k > 0 && buffers[k - 1].place->bytes < own.place->bytes; k--) buffers[k] = buffers[k - 1];
        buffers[k] = own;
    }
    for (int i = 0; i < used; i++) {
        lk_place *place = buffers[i].place;
        place->offset = lowest(buffers, i, &buffers[i]);
        if (place->offset + place->bytes > *bytes) *bytes = place->offset + place->bytes;
    }
}

static void find_last_users(const lk_model *model, lk_memory_plan *plan)
{
    for (int i = model->n_layers - 1; i >= 0; i--)
        for (int s = 0; s < model->layers[i].n_spans; s++) plan->last_user[model->layers[i].span[s]] = i;
}

lk_status lk_memory_plan_create(const lk_model *model, int64_t rows, int lanes, bool training,
                                lk_memory_plan *plan)
{
    lk_status st = LK_OK;
    int       n = model->n_layers;
    buffer   *buffers = NULL;
    *plan = (lk_memory_plan){0};
    LK_TRY(LK_ALLOC(n, &plan->value));
    LK_TRY(LK_ALLOC(n, &plan->d_value));
    LK_TRY(LK_ALLOC(n, &plan->keep));
    LK_TRY(LK_ALLOC(n + model->n_inputs, &plan->root));
    LK_TRY(LK_ALLOC(n + model->n_inputs, &plan->d_root));
    LK_TRY(LK_ALLOC(model->spans.n_spans + 1, &plan->last_user));
    LK_TRY(LK_ALLOC(3 * n, &buffers));
    for (int i = 0; i < n; i++) plan->value[i].offset = plan->d_value[i].offset = plan->keep[i].offset = -1;
    LK_TRY(join(model, training, plan));
    live_values(model, rows, training, plan, buffers);
    if (training) live_gradients(model, rows, plan, buffers + n);
    live_kept(model, rows, lanes, training, plan, buffers + 2 * n);
    place_all(buffers, 3 * n, &plan->bytes);
    plan->scratch.offset = plan->bytes;
    plan->bytes += (plan->scratch.bytes + 127) / 64 * 64;
    plan->sum.offset = plan->bytes;
    plan->bytes += (plan->sum.bytes + 63) / 64 * 64;
    find_last_users(model, plan);
done:
    lk_free(&buffers);
    return st;
}

void lk_memory_plan_clear(lk_memory_plan *plan)
{
    lk_free(&plan->value);
    lk_free(&plan->d_value);
    lk_free(&plan->keep);
    lk_free(&plan->root);
    lk_free(&plan->d_root);
    lk_free(&plan->last_user);
}
