/* data info, stats, verify: what is in a file, without a configuration. */
#include "core/alloc.h"
#include "data/import.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"i8",  "u8",  "i16", "u16", "i32", "u32",
                                         "i64", "u64", "f16", "f32", "f64", "string"};

/* "file.h5:/group" to its parts; group "/" without one. */
static lk_status open_place(const char *place, lk_h5 **file, char path[4096], char group[512])
{
    const char *colon = strstr(place, ":/");
    int         n = colon ? (int)(colon - place) : (int)strlen(place);
    if (n >= 4096 || (colon && strlen(colon + 1) >= 512))
        return lk_fail(LK_E_USAGE, "%s: the path is too long", place);
    snprintf(path, 4096, "%.*s", n, place);
    snprintf(group, 512, "%s", colon ? colon + 1 : "/");
    return lk_h5_open(path, file);
}

typedef lk_status lk_dataset_visit(void *context, lk_h5 *file, const char *path, const lk_h5_info *info);

typedef struct walk {
    lk_h5            *file;
    const char       *group;
    lk_dataset_visit *visit;
    void             *context;
    int               depth, found;
} walk;

static lk_status walk_child(void *context, const char *name, bool is_group)
{
    walk      *w = context;
    lk_h5_info info;
    char       path[1024];
    lk_status  st = LK_OK;
    snprintf(path, sizeof path, "%s%s%s", w->group, w->group[1] ? "/" : "", name);
    if (!is_group) {
        LK_TRY(lk_h5_stat(w->file, path, &info));
        w->found++;
        return w->visit(w->context, w->file, path, &info);
    }
    if (w->depth >= 16) return LK_OK; /* hard links can make rings */
    walk inner = *w;
    inner.group = path;
    inner.depth++;
    LK_TRY(lk_h5_list(w->file, path, walk_child, &inner));
    w->found = inner.found;
done:
    return st;
}

static lk_status each_dataset(lk_h5 *file, const char *path, const char *group, lk_dataset_visit *visit,
                              void *context)
{
    lk_status  st = LK_OK;
    lk_h5_info info;
    walk       w = {.file = file, .group = group, .visit = visit, .context = context};
    LK_CHECK(group[1] == 0 || lk_h5_exists(file, group), LK_E_DATA, "%s: there is no %s", path, group);
    if (lk_h5_is_group(file, group)) {
        LK_TRY(lk_h5_list(file, group, walk_child, &w));
        LK_CHECK(w.found, LK_E_DATA, "%s: %s holds no dataset", path, group);
    } else {
        LK_TRY(lk_h5_stat(file, group, &info));
        LK_TRY(visit(context, file, group, &info));
    }
done:
    return st;
}

static lk_status give(lk_str *out, char **text)
{
    char     *taken = NULL;
    lk_status st = lk_str_take(out, &taken);
    if (st == LK_OK && !(*text = strdup(taken ? taken : "")))
        st = lk_fail(LK_E_NOMEM, "out of memory for a report");
    lk_free(&taken);
    return st;
}

/* ---- info ---- */

typedef struct listing {
    lk_str *out;
    int     json, n;
} listing;

static void shape_text(const lk_h5_info *info, const char *between, lk_str *out)
{
    for (int i = 0; i < info->n_axes; i++)
        lk_str_printf(out, "%s%lld", i ? between : "", (long long)info->axis[i]);
    if (info->n_axes == 0 && between[0] == 'x') lk_str_append(out, "scalar");
}

static lk_status list_dataset(void *context, lk_h5 *file, const char *path, const lk_h5_info *info)
{
    listing *l = context;
    (void)file;
    if (l->json) {
        lk_str_printf(l->out, "%s\n  {\"path\": \"%s\", \"type\": \"%s\", \"shape\": [", l->n++ ? "," : "",
                      path, type_names[info->type]);
        shape_text(info, ", ", l->out);
        lk_str_printf(l->out, "], \"big_endian\": %s, \"storage\": \"%s\", \"filters\": \"%s\"}",
                      info->big_endian ? "true" : "false", info->chunked ? "chunked" : "contiguous",
                      info->filters);
        return LK_OK;
    }
    lk_str_printf(l->out, "  %-28s %-6s ", path, type_names[info->type]);
    shape_text(info, "x", l->out);
    if (info->big_endian) lk_str_append(l->out, ", big-endian");
    if (info->chunked) lk_str_printf(l->out, ", chunked%s%s", info->filters[0] ? ", " : "", info->filters);
    lk_str_append(l->out, "\n");
    return LK_OK;
}

static lk_status list_classes(lk_h5 *file, const char *group, lk_str *out)
{
    lk_status st = LK_OK;
    char    **names = NULL;
    int64_t   n = 0;
    if (!lk_h5_is_group(file, group) || !lk_h5_has_attribute(file, group, "class_names")) return LK_OK;
    LK_TRY(lk_h5_get_texts(file, group, "class_names", &names, &n));
    lk_str_printf(out, "%s: %lld classes:", group, (long long)n);
    for (int64_t i = 0; i < n && i < 20; i++) lk_str_printf(out, "%s %s", i ? "," : "", names[i]);
    lk_str_append(out, n > 20 ? ", ...\n" : "\n");
done:
    for (int64_t i = 0; i < n; i++) lk_free(&names[i]);
    lk_free(&names);
    return st;
}

lk_status lk_data_info(const char *place, int json, char **text)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    char      path[4096], group[512], child[64];
    lk_str    out;
    listing   l = {&out, json, 0};
    *text = NULL;
    lk_str_init(&out);
    LK_TRY(open_place(place, &file, path, group));
    if (json)
        lk_str_printf(&out, "{\"file\": \"%s\", \"datasets\": [", path);
    else
        lk_str_printf(&out, "%s\n", place);
    LK_TRY(each_dataset(file, path, group, list_dataset, &l));
    if (json) lk_str_append(&out, "\n]}\n");
    for (int s = 0; !json && !group[1] && s < LK_SPLITS; s++) {
        snprintf(child, sizeof child, "/%s", lk_split_names[s]);
        if (lk_h5_exists(file, child)) LK_TRY(list_classes(file, child, &out));
    }
    if (!json && group[1]) LK_TRY(list_classes(file, group, &out));
    LK_TRY(give(&out, text));
done:
    lk_str_clear(&out);
    lk_h5_abandon(&file);
    return st;
}

/* ---- stats ---- */

typedef struct moments {
    double  least, greatest, mean, square; /* Welford */
    int64_t n, missing;
} moments;

static void add_value(moments *m, double value)
{
    if (!isfinite(value)) {
        m->missing++;
        return;
    }
    double delta = value - m->mean;
    m->least = m->n == 0 || value < m->least ? value : m->least;
    m->greatest = m->n == 0 || value > m->greatest ? value : m->greatest;
    m->mean += delta / (double)++m->n;
    m->square += delta * (value - m->mean);
}

/* Rows at a time, so that a file larger than memory goes through; about 8 MB of doubles. */
static int64_t rows_at_once(const lk_h5_info *info, int64_t *row)
{
    *row = 1;
    for (int i = 1; i < info->n_axes; i++) *row *= info->axis[i];
    int64_t rows = *row > 0 ? (1 << 20) / *row : 1;
    return rows < 1 ? 1 : rows;
}

enum { MOST_CHANNELS = 4096, MOST_SHOWN = 32 };

static void show(const char *label, const moments *m, lk_str *out)
{
    lk_str_printf(out, "    %-14s %12.6g %12.6g %12.6g %12.6g", label, m->least, m->greatest, m->mean,
                  m->n ? sqrt(m->square / (double)m->n) : 0.0);
    if (m->missing) lk_str_printf(out, "  %lld not finite", (long long)m->missing);
    lk_str_append(out, "\n");
}

static lk_status stats_of(void *context, lk_h5 *file, const char *path, const lk_h5_info *info)
{
    lk_status st = LK_OK;
    lk_str   *out = context;
    int64_t   row, at_once = rows_at_once(info, &row), start[LK_H5_MAX_AXES] = {0}, count[LK_H5_MAX_AXES];
    int64_t   channels = info->n_axes > 1 ? info->axis[info->n_axes - 1] : 1;
    double   *values = NULL;
    moments  *m = NULL;
    if (info->type == LK_H5_STRING || info->n_axes == 0) return LK_OK;
    if (channels < 1 || channels > MOST_CHANNELS) channels = 1;
    LK_TRY(LK_ALLOC(at_once * row + 1, &values));
    LK_TRY(LK_ALLOC(channels, &m));
    memcpy(count, info->axis, sizeof count);
    for (int64_t r = 0; r < info->axis[0]; r += at_once) {
        start[0] = r;
        count[0] = info->axis[0] - r < at_once ? info->axis[0] - r : at_once;
        LK_TRY(lk_h5_read(file, path, start, count, LK_H5_F64, values));
        for (int64_t i = 0; i < count[0] * row; i++) add_value(&m[i % channels], values[i]);
    }
    lk_str_printf(out, "  %s  ", path);
    shape_text(info, "x", out);
    lk_str_printf(out, "\n    %-14s %12s %12s %12s %12s\n", channels > 1 ? "channel" : "", "least",
                  "greatest", "mean", "deviation");
    for (int64_t c = 0; c < channels && c < MOST_SHOWN; c++) {
        char label[24];
        snprintf(label, sizeof label, "%lld", (long long)c);
        show(channels > 1 ? label : "all", &m[c], out);
    }
    if (channels > MOST_SHOWN)
        lk_str_printf(out, "    ... %lld more channels\n", (long long)(channels - MOST_SHOWN));
done:
    lk_free(&values);
    lk_free(&m);
    return st;
}

lk_status lk_data_stats(const char *place, char **text)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    char      path[4096], group[512];
    lk_str    out;
    *text = NULL;
    lk_str_init(&out);
    LK_TRY(open_place(place, &file, path, group));
    lk_str_printf(&out, "%s\n", place);
    LK_TRY(each_dataset(file, path, group, stats_of, &out));
    LK_TRY(give(&out, text));
done:
    lk_str_clear(&out);
    lk_h5_abandon(&file);
    return st;
}

/* ---- verify ---- */

static lk_status hash_dataset(void *context, lk_h5 *file, const char *path, const lk_h5_info *info)
{
    static const int width[] = {1, 1, 2, 2, 4, 4,
                                8, 8, 8, 8, 8}; /* halves and floats are hashed as doubles */
    lk_status        st = LK_OK;
    lk_str          *out = context;
    int64_t       row, at_once = rows_at_once(info, &row), start[LK_H5_MAX_AXES] = {0}, count[LK_H5_MAX_AXES];
    double       *values = NULL;
    XXH3_state_t *hash = NULL;
    if (info->type == LK_H5_STRING) return LK_OK;
    lk_h5_type type = info->type >= LK_H5_F16 ? LK_H5_F64 : info->type;
    LK_TRY(LK_ALLOC(at_once * row + 1, &values));
    hash = XXH3_createState();
    LK_CHECK(hash, LK_E_NOMEM, "out of memory for a hash");
    XXH3_128bits_reset(hash);
    memcpy(count, info->axis, sizeof count);
    for (int64_t r = 0; r < (info->n_axes ? info->axis[0] : 1); r += at_once) {
        start[0] = r;
        count[0] = info->n_axes && info->axis[0] - r < at_once ? info->axis[0] - r : at_once;
        LK_TRY(lk_h5_read(file, path, start, count, type, values));
        XXH3_128bits_update(hash, values, (size_t)((info->n_axes ? count[0] : 1) * row * width[type]));
    }
    XXH128_hash_t h = XXH3_128bits_digest(hash);
    lk_str_printf(out, "  %016llx%016llx  %-24s %s ", (unsigned long long)h.high64,
                  (unsigned long long)h.low64, path, type_names[info->type]);
    shape_text(info, "x", out);
    lk_str_append(out, "\n");
done:
    if (hash) XXH3_freeState(hash);
    lk_free(&values);
    return st;
}

lk_status lk_data_verify(const char *place, char **text)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    char      path[4096], group[512];
    lk_str    out;
    *text = NULL;
    lk_str_init(&out);
    LK_TRY(open_place(place, &file, path, group));
    lk_str_printf(&out, "%s: every dataset can be read\n", place);
    LK_TRY(each_dataset(file, path, group, hash_dataset, &out));
    LK_TRY(give(&out, text));
done:
    lk_str_clear(&out);
    lk_h5_abandon(&file);
    return st;
}
