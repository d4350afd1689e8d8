#include "lockstep/inspect.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "core/alloc.h"
#include "core/str.h"
#include "lockstep/data.h"
#include "lockstep/train.h"
#include "train/run.h"

/* A model with the buffers of a checkpoint, or with initial values. */
typedef struct subject {
    lk_config            *config;
    const lk_run_options *options;
    lk_checkpoint        *checkpoint; /* NULL for a configuration */
    lk_transform         *transform;  /* owned, from the checkpoint */
    lk_data              *data;       /* owned, from the configuration */
    lk_model             *model;
    float                *state;
    float                *slot[LK_OPTIM_MAX_SLOTS];
    int64_t               step;
    bool                  of_run; /* one of several checkpoints */
} subject;

static void clear_subject(subject *s)
{
    lk_free(&s->state);
    for (int i = 0; i < LK_OPTIM_MAX_SLOTS; i++) lk_free(&s->slot[i]);
    lk_model_destroy(&s->model);
    lk_data_close(&s->data);
    lk_transform_destroy(&s->transform);
    lk_checkpoint_close(&s->checkpoint);
    lk_config_destroy(&s->config);
}

static lk_status build(subject *s, const lk_transform *transform)
{
    lk_status       st = LK_OK;
    int             n = lk_transform_n_inputs(transform);
    const lk_field *target = lk_transform_n_targets(transform) ? lk_transform_target(transform, 0) : NULL;
    lk_field       *inputs = NULL;
    LK_TRY(LK_ALLOC(n, &inputs));
    for (int i = 0; i < n; i++) inputs[i] = *lk_transform_input(transform, i);
    st = lk_model_create(&s->options->model, inputs, n, target ? target->classes : 0, &s->model);
    LK_TRY(lk_run_name_place(s->options, st));
    LK_TRY(LK_ALLOC(lk_model_spans(s->model)->total_floats, &s->state));
    lk_model_init(s->model, s->options->seed, s->state);
done:
    lk_free(&inputs);
    return st;
}

static lk_status open_checkpoint(const char *path, subject *s)
{
    lk_status st = LK_OK;
    char     *text = NULL;
    char      prefix[LK_PATH_BYTES];
    enum { ALL_KINDS = 3, PARAMETERS = 1 };
    LK_TRY(lk_checkpoint_open(path, &s->checkpoint));
    LK_TRY(lk_checkpoint_config(path, &text));
    LK_TRY(lk_config_parse(text, "config in the checkpoint", NULL, NULL, 0, &s->config));
    s->options = lk_config_options(s->config);
    LK_TRY(lk_transform_load(lk_checkpoint_h5(s->checkpoint), "/input", &s->transform));
    LK_TRY(build(s, s->transform));
    const lk_span_table *spans = lk_model_spans(s->model);
    LK_TRY(lk_checkpoint_get_spans(s->checkpoint, "/model", spans, ALL_KINDS, s->state));
    for (int i = 0; i < lk_optim_n_slots(&s->options->optim); i++) {
        LK_TRY(LK_ALLOC(spans->parameter_floats, &s->slot[i]));
        snprintf(prefix, sizeof prefix, "/optimizer/%s", lk_optim_slot_name(&s->options->optim, i));
        LK_TRY(lk_checkpoint_get_spans(s->checkpoint, prefix, spans, PARAMETERS, s->slot[i]));
    }
    s->step = lk_checkpoint_step(s->checkpoint);
done:
    free(text);
    return st;
}

static lk_status open_config(const char *path, subject *s)
{
    lk_status st = LK_OK;
    LK_TRY(lk_config_load(path, NULL, 0, &s->config));
    s->options = lk_config_options(s->config);
    LK_TRY(lk_data_open(&s->options->data, s->options->seed, NULL, &s->data));
    LK_TRY(build(s, lk_data_transform(s->data)));
done:
    return st;
}

/* ---- text ---- */

enum { UNIT_BYTES = 24 };

/* "12.8 K", "3.21 M": three digits and a unit; whole numbers below 1000. */
static const char *short_number(double value, const char *unit, char out[UNIT_BYTES])
{
    static const char prefixes[] = " KMGT";
    int               power = 0;
    while (value >= 999.5 && power < 4) {
        value /= 1000;
        power++;
    }
    if (power)
        snprintf(out, UNIT_BYTES, "%.*f %c%s",
                 value < 9.995   ? 2
                 : value < 99.95 ? 1
                                 : 0,
                 value, prefixes[power], unit);
    else
        snprintf(out, UNIT_BYTES, "%.0f %s", value, unit);
    return out;
}

static void layer_row(const char *name, const char *kind, const char *shape, int64_t parameters, double bytes,
                      double forward, double backward, lk_str *text)
{
    char memory[UNIT_BYTES], f[UNIT_BYTES], b[UNIT_BYTES];
    lk_str_printf(text, "%-28s %-16s %-14s %12lld %12s %12s %12s\n", name, kind, shape, (long long)parameters,
                  short_number(bytes, "B", memory), short_number(forward, "FLOP", f),
                  short_number(backward, "FLOP", b));
}

/* Memory and FLOPs are those of one sample in training. */
static void layer_table(const subject *s, lk_str *text)
{
    const lk_transform *transform = s->transform ? s->transform : lk_data_transform(s->data);
    char                shape[LK_SHAPE_TEXT_BYTES];
    int64_t             memory = 0, forward = 0, backward = 0;
    lk_str_printf(text, "%-28s %-16s %-14s %12s %12s %12s %12s\n", "layer", "kind", "output", "parameters",
                  "memory", "forward", "backward");
    for (int i = 0; i < lk_transform_n_inputs(transform); i++) {
        const lk_field *input = lk_transform_input(transform, i);
        lk_str_printf(text, "%-28s %-16s %s\n", input->name, "input", lk_shape_text(&input->shape, shape));
    }
    for (int i = 0; i < lk_model_n_layers(s->model); i++) {
        lk_layer_info info;
        lk_model_layer(s->model, i, &info);
        layer_row(info.name, info.kind, lk_shape_text(&info.output, shape), info.parameters,
                  (double)info.activation_bytes, (double)info.forward_flops, (double)info.backward_flops,
                  text);
        memory += info.activation_bytes;
        forward += info.forward_flops;
        backward += info.backward_flops;
    }
    layer_row("total, a sample", "", "", lk_model_spans(s->model)->n_parameters, (double)memory,
              (double)forward, (double)backward, text);
}

static void span_range(const subject *s, const lk_span *span, float *low, float *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = 0; i < span->count; i++) {
        float v = s->state[span->offset + i];
        if (v < *low) *low = v;
        if (v > *high) *high = v;
    }
}

static void parameter_table(const subject *s, lk_str *text)
{
    const lk_span_table *table = lk_model_spans(s->model);
    char                 shape[LK_SHAPE_TEXT_BYTES];
    float                low, high;
    lk_str_printf(text, "\n%-36s %-18s %12s %12s\n", "parameter", "shape", "least", "greatest");
    for (int i = 0; i < table->n_spans; i++) {
        span_range(s, &table->spans[i], &low, &high);
        lk_str_printf(text, "%-36s %-18s %12.5g %12.5g\n", table->spans[i].name,
                      lk_shape_text(&table->spans[i].shape, shape), (double)low, (double)high);
    }
}

static void hashes(const subject *s, char parameters[33], char state[33])
{
    const lk_span_table *table = lk_model_spans(s->model);
    int                  n_slots = lk_optim_n_slots(&s->options->optim);
    lk_checkpoint_hash(table, s->state, 1, NULL, 0, -1, parameters);
    lk_checkpoint_hash(table, s->state, 3, s->slot, n_slots, s->step, state);
}

static bool ends_with(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n >= m && !strcmp(path + n - m, ending);
}

static void subject_text(const subject *s, const char *path, int parameters, lk_str *text)
{
    char p[33], a[33];
    if (s->checkpoint) {
        hashes(s, p, a);
        lk_str_printf(
            text,
            "checkpoint %s%s\nstep %lld, lanes %lld, seed %llu\nparameters_xxh3 %s\nstate_xxh3      %s\n",
            path,
            !s->of_run                    ? ""
            : ends_with(path, "/best.h5") ? " (the best one; --at last shows the newest)"
                                          : "",
            (long long)s->step, (long long)s->options->lanes, (unsigned long long)s->options->seed, p, a);
    } else {
        lk_str_printf(text, "configuration %s\n", path);
    }
    layer_table(s, text);
    if (parameters) parameter_table(s, text);
}

/* ---- JSON ---- */

static json_t *shape_json(const lk_shape *shape)
{
    json_t *array = json_array();
    for (int i = 0; i < shape->n_axes; i++) json_array_append_new(array, json_integer(shape->axis[i]));
    return array;
}

static json_t *layers_json(const subject *s)
{
    json_t *array = json_array();
    for (int i = 0; i < lk_model_n_layers(s->model); i++) {
        lk_layer_info info;
        lk_model_layer(s->model, i, &info);
        json_array_append_new(array, json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I}", "name", info.name,
                                               "kind", info.kind, "output", shape_json(&info.output),
                                               "parameters", (json_int_t)info.parameters, "forward_flops",
                                               (json_int_t)info.forward_flops, "backward_flops",
                                               (json_int_t)info.backward_flops, "activation_bytes",
                                               (json_int_t)info.activation_bytes));
    }
    return array;
}

static json_t *parameters_json(const subject *s)
{
    const lk_span_table *table = lk_model_spans(s->model);
    json_t              *array = json_array();
    for (int i = 0; i < table->n_spans; i++) {
        const lk_span *span = &table->spans[i];
        float          low, high;
        span_range(s, span, &low, &high);
        json_array_append_new(array, json_pack("{s:s, s:s, s:o, s:b, s:f, s:f}", "name", span->name, "axes",
                                               span->axes, "shape", shape_json(&span->shape), "trainable",
                                               span->kind == LK_SPAN_PARAMETER, "least", (double)low,
                                               "greatest", (double)high));
    }
    return array;
}

static lk_status subject_json(const subject *s, const char *path, int parameters, lk_str *text)
{
    char    p[33], a[33];
    json_t *object = json_object();
    json_object_set_new(object, "path", json_string(path));
    json_object_set_new(object, "kind", json_string(s->checkpoint ? "checkpoint" : "configuration"));
    if (s->checkpoint) {
        hashes(s, p, a);
        json_object_set_new(object, "step", json_integer(s->step));
        json_object_set_new(object, "lanes", json_integer(s->options->lanes));
        json_object_set_new(object, "seed", json_integer((json_int_t)s->options->seed));
        json_object_set_new(object, "parameters_xxh3", json_string(p));
        json_object_set_new(object, "state_xxh3", json_string(a));
    }
    json_object_set_new(object, "parameters", json_integer(lk_model_spans(s->model)->n_parameters));
    json_object_set_new(object, "layers", layers_json(s));
    if (parameters) json_object_set_new(object, "spans", parameters_json(s));
    char *dumped = json_dumps(object, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(object);
    if (!dumped) return lk_fail(LK_E_NOMEM, "out of memory for JSON");
    lk_str_printf(text, "%s\n", dumped);
    free(dumped);
    return LK_OK;
}

/* ---- what kind of thing is it? ---- */

/* Which of a run's checkpoints, as eval and predict take it. */
static lk_status run_checkpoint(const char *path, const char *at, char found[PATH_MAX])
{
    lk_status st = LK_OK;
    char     *resolved = NULL;
    LK_TRY(lk_checkpoint_resolve(path, at, &resolved));
    snprintf(found, PATH_MAX, "%s", resolved);
done:
    free(resolved);
    return st;
}

static bool starts_with(const char *path, const char *magic)
{
    char  bytes[16] = "";
    FILE *file = fopen(path, "re");
    if (!file) return false;
    size_t n = fread(bytes, 1, sizeof bytes - 1, file);
    fclose(file);
    return n >= strlen(magic) && !memcmp(bytes, magic, strlen(magic));
}

lk_status lk_inspect(const char *path, const char *at, int json, int parameters, char **text)
{
    lk_status   st = LK_OK;
    struct stat info;
    subject     s = {0};
    char        found[PATH_MAX];
    lk_str      out;
    *text = NULL;
    lk_str_init(&out);
    snprintf(found, sizeof found, "%s", path);
    bool dataset = strstr(path, ".h5:") != NULL;
    if (!dataset) LK_CHECK(stat(path, &info) == 0, LK_E_DATA, "%s: %s", path, strerror(errno));
    LK_CHECK(!at || (!dataset && S_ISDIR(info.st_mode)), LK_E_USAGE,
             "--at goes with a run directory; %s is a file", path);
    if (!dataset && S_ISDIR(info.st_mode)) LK_TRY(run_checkpoint(path, at, found));
    s.of_run = !dataset && S_ISDIR(info.st_mode);
    if (!dataset && starts_with(found, "LOCKSTEP"))
        LK_TRY(open_checkpoint(found, &s));
    else if (!dataset && (ends_with(found, ".yaml") || ends_with(found, ".yml")))
        LK_TRY(open_config(found, &s));
    else {
        st = lk_data_info(path, json, text);
        goto done;
    }
    if (json)
        LK_TRY(subject_json(&s, found, parameters, &out));
    else
        subject_text(&s, found, parameters, &out);
    LK_TRY(lk_str_copy(&out, text));
done:
    lk_str_clear(&out);
    clear_subject(&s);
    return st;
}
