#include "lockstep/config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_internal.h"
#include "config/fill.h"
#include "config/override.h"
#include "config/render.h"
#include "core/alloc.h"

struct lk_config {
    lk_pool        pool; /* owns all that follows */
    lk_setting    *root;
    const char    *base; /* NULL: the current folder */
    lk_run_options options;
};

/* ---- text to options ---- */

static lk_status build(lk_config *config, const char *text, size_t size, const char *label,
                       const char *const *overrides, int n_overrides)
{
    lk_problems problems = {.pool = &config->pool, .label = label, .overrides = overrides};
    lk_tree    *root = NULL;
    lk_tree_parse(text, size, 0, &problems, &root);
    if (!root && !problems.n)
        lk_problems_add(&problems, (lk_mark){1, 1, 0},
                        "nothing is configured here; 'lockstep config init' shows how to begin");
    if (root) {
        for (int i = 0; i < n_overrides; i++) lk_override_apply(overrides[i], i + 1, root, &problems);
        config->root = lk_settings_check(root, &problems);
        lk_settings_finish(config->root, &problems);
    }
    lk_status st = lk_problems_status(&problems);
    if (st == LK_OK) lk_fill_options(config->root, config->base, &config->pool, &config->options);
    return st == LK_OK ? lk_problems_status(&problems) : st; /* memory may have run out while filling */
}

static lk_status parse(const char *text, size_t size, const char *label, const char *base,
                       const char *const *overrides, int n_overrides, lk_config **out)
{
    lk_status  st = LK_OK;
    lk_config *config = NULL;
    *out = NULL;
    LK_TRY(LK_ALLOC(1, &config));
    if (base) config->base = lk_pool_text(&config->pool, base, strlen(base));
    LK_TRY(build(config, text, size, label, overrides, n_overrides));
    *out = config;
    config = NULL;
done:
    lk_config_destroy(&config);
    return st;
}

/* Places of the layers in the file the user wrote; NULL: none, as a rendered text is nobody's file. */
static void set_places(const lk_layer_options *layers, int n, const lk_layer_options *from)
{
    for (int i = 0; i < n; i++) {
        lk_layer_options *layer =
            (lk_layer_options *)(uintptr_t)&layers[i]; /* lies in the configuration's own pool */
        layer->line = from ? from[i].line : 0;
        layer->column = from ? from[i].column : 0;
        set_places(layer->body, layer->n_body, from ? from[i].body : NULL);
        set_places(layer->shortcut, layer->n_shortcut, from ? from[i].shortcut : NULL);
    }
}

void lk_config_take_places(lk_config *config, const lk_config *original)
{
    const lk_model_options *model = &original->options.model;
    if (config->options.model.n_layers != model->n_layers) return;
    set_places(config->options.model.layers, model->n_layers, model->layers);
    config->options.label =
        lk_pool_text(&config->pool, original->options.label, strlen(original->options.label));
}

lk_status lk_config_parse(const char *text, const char *label, const char *base, const char *const *overrides,
                          int n_overrides, lk_config **out)
{
    lk_status st = parse(text, strlen(text), label, base, overrides, n_overrides, out);
    if (st == LK_OK) set_places((*out)->options.model.layers, (*out)->options.model.n_layers, NULL);
    return st;
}

/* At most one byte more than a configuration may have: the parser then refuses it with its own words. */
static lk_status read_file(const char *path, char **bytes, size_t *size)
{
    enum { MOST = LK_TREE_BYTES + 1 };
    lk_status st = LK_OK;
    FILE     *file = fopen(path, "rb");
    LK_CHECK(file, LK_E_CONFIG, "%s: %s", path, strerror(errno));
    LK_TRY(LK_ALLOC(MOST, bytes));
    *size = fread(*bytes, 1, MOST, file);
    LK_CHECK(!ferror(file), LK_E_CONFIG, "%s: %s", path, strerror(errno));
done:
    if (file) fclose(file);
    return st;
}

lk_status lk_config_load(const char *path, const char *const *overrides, int n_overrides, lk_config **out)
{
    lk_status   st = LK_OK;
    char       *bytes = NULL, *base = NULL;
    size_t      size = 0;
    const char *slash = strrchr(path, '/');
    *out = NULL;
    LK_TRY(read_file(path, &bytes, &size));
    LK_TRY(lk_strdup(path, &base));
    base[slash ? slash - path + (slash == path) : 0] = '\0';
    LK_TRY(parse(bytes, size, path, slash ? base : NULL, overrides, n_overrides, out));
    (*out)->options.label = lk_pool_text(&(*out)->pool, path, strlen(path));
done:
    lk_free(&base);
    lk_free(&bytes);
    return st;
}

void lk_config_destroy(lk_config **config)
{
    if (!config || !*config) return;
    lk_pool_clear(&(*config)->pool);
    lk_free(config);
}

const lk_run_options *lk_config_options(const lk_config *config)
{
    return &config->options;
}

/* ---- options to text ---- */

lk_status lk_config_hand_over(lk_str *text, char **out)
{
    char     *ours = NULL;
    lk_status st = lk_str_take(text, &ours);
    *out = st == LK_OK ? strdup(ours) : NULL; /* callers outside know free(), not lk_free */
    if (st == LK_OK && !*out) st = lk_fail(LK_E_NOMEM, "out of memory for a text of %zu bytes", strlen(ours));
    lk_free(&ours);
    return st;
}

/* The folder of the configuration as an absolute path. */
static lk_status absolute_base(const lk_config *config, char out[PATH_MAX])
{
    char      here[PATH_MAX];
    lk_status st = LK_OK;
    if (config->base && config->base[0] == '/') {
        snprintf(out, PATH_MAX, "%s", config->base);
        return LK_OK;
    }
    LK_CHECK(getcwd(here, sizeof here), LK_E_IO, "the current folder: %s", strerror(errno));
    int n = config->base && strcmp(config->base, ".") ? snprintf(out, PATH_MAX, "%s/%s", here, config->base)
                                                      : snprintf(out, PATH_MAX, "%s", here);
    LK_CHECK(n < PATH_MAX, LK_E_CONFIG, "%s: the path is too long", config->base);
done:
    return st;
}

lk_status lk_config_render(const lk_config *config, int origins, int absolute, char **text)
{
    lk_status st = LK_OK;
    char      base[PATH_MAX];
    lk_str    out;
    *text = NULL;
    lk_str_init(&out);
    if (absolute) LK_TRY(absolute_base(config, base));
    lk_render_settings(config->root, absolute ? base : NULL, origins, &out);
    LK_TRY(lk_config_hand_over(&out, text));
done:
    lk_str_clear(&out);
    return st;
}

lk_status lk_config_compare(const lk_config *before, const lk_config *after, int *same_results,
                            int *other_length, char **difference)
{
    lk_status st = LK_OK;
    char      base[2][PATH_MAX];
    lk_str    out;
    *difference = NULL;
    lk_str_init(&out);
    LK_TRY(absolute_base(before, base[0]));
    LK_TRY(absolute_base(after, base[1]));
    LK_TRY(
        lk_compare_settings(before->root, base[0], after->root, base[1], same_results, other_length, &out));
    LK_TRY(lk_config_hand_over(&out, difference));
done:
    lk_str_clear(&out);
    return st;
}
