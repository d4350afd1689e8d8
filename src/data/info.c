/* data info: what is in a file, without a configuration. */
#include "data/import.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "data/decode.h"
#include "data/listing.h"
#include "data/recipe.h"

static const char *storage_of(const lk_h5_info *info)
{
    return info->chunked ? "chunked" : "contiguous";
}

static void put_dataset(const char *path, const lk_h5_info *info, lk_str *out)
{
    lk_str_printf(out, "  %-28s %-6s ", path, lk_decode_type_name(info->type));
    lk_put_sizes(info, "x", out);
    if (info->big_endian) lk_str_append(out, ", big-endian");
    if (info->chunked) {
        lk_h5_info chunk = *info;
        memcpy(chunk.axis, info->chunk, sizeof chunk.axis);
        lk_str_append(out, ", chunks of ");
        lk_put_sizes(&chunk, "x", out);
        lk_str_printf(out, "%s%s", *info->filters ? ", " : "", info->filters);
    }
    lk_str_append(out, "\n");
}

static void put_dataset_json(const char *path, const lk_h5_info *info, lk_str *out)
{
    lk_str_append(out, "{\"path\": ");
    lk_str_append_json(out, path);
    lk_str_printf(out, ", \"type\": \"%s\", \"shape\": [", lk_decode_type_name(info->type));
    lk_put_sizes(info, ", ", out);
    lk_str_printf(out, "], \"big_endian\": %s, \"storage\": \"%s\", \"filters\": ",
                  info->big_endian ? "true" : "false", storage_of(info));
    lk_str_append_json(out, info->filters);
    lk_str_append(out, "}");
}

/* What cannot be trained on is listed too, with the reason: files hold other things beside fields. */
static void put_unreadable(const char *path, const char *reason, int json, lk_str *out)
{
    if (!json) {
        lk_str_printf(out, "  %-28s not read: %s\n", path, reason);
        return;
    }
    lk_str_append(out, "{\"path\": ");
    lk_str_append_json(out, path);
    lk_str_append(out, ", \"not_read\": ");
    lk_str_append_json(out, reason);
    lk_str_append(out, "}");
}

static lk_status list_datasets(const lk_listing *listing, int json, lk_str *out)
{
    int n = 0;
    for (int i = 0; i < listing->n; i++) {
        lk_h5_info info;
        if (listing->is_group[i]) continue;
        lk_status st = lk_h5_stat(listing->h5, listing->path[i], &info);
        if (st != LK_OK && st != LK_E_DATA) return st;
        if (json) lk_str_append(out, n++ ? ",\n  " : "\n  ");
        if (st == LK_E_DATA)
            put_unreadable(listing->path[i], lk_error_message(), json, out);
        else if (json)
            put_dataset_json(listing->path[i], &info, out);
        else
            put_dataset(listing->path[i], &info, out);
    }
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
    lk_texts_free(&names, n);
    return st;
}

/* "colour (3 words: blue, green, red)" for a category, the name alone for a number. */
static lk_status list_column(lk_h5 *file, const char *group, const char *column, bool words, lk_str *out)
{
    lk_status st = LK_OK;
    char      attribute[LK_NAME_BYTES + 16], **word = NULL;
    int64_t   n = 0;
    lk_str_append(out, column);
    if (!words) return LK_OK;
    snprintf(attribute, sizeof attribute, "dictionary_%s", column);
    LK_TRY(lk_h5_get_texts(file, group, attribute, &word, &n));
    lk_str_printf(out, " (%lld word%s:", (long long)n, n == 1 ? "" : "s");
    for (int64_t i = 0; i < n && i < 8; i++) lk_str_printf(out, "%s %s", i ? "," : "", word[i]);
    lk_str_append(out, n > 8 ? ", ...)" : ")");
done:
    lk_texts_free(&word, n);
    return st;
}

/* Columns of an imported table. */
static lk_status list_columns(lk_h5 *file, const char *group, lk_str *out)
{
    lk_status st = LK_OK;
    char    **names = NULL, **kinds = NULL;
    int64_t   n = 0, n_kinds = 0;
    if (!lk_h5_is_group(file, group) || !lk_h5_has_attribute(file, group, "kinds")) return LK_OK;
    LK_TRY(lk_h5_get_texts(file, group, "columns", &names, &n));
    LK_TRY(lk_h5_get_texts(file, group, "kinds", &kinds, &n_kinds));
    lk_str_printf(out, "%s: %lld columns: ", group, (long long)n);
    for (int64_t i = 0; i < n && i < n_kinds; i++) {
        if (i) lk_str_append(out, ", ");
        LK_TRY(list_column(file, group, names[i], strcmp(kinds[i], "categorical") == 0, out));
    }
    lk_str_append(out, "\n");
done:
    lk_texts_free(&names, n);
    lk_texts_free(&kinds, n_kinds);
    return st;
}

typedef struct link_list {
    lk_str *out;
    int     json, n;
} link_list;

static lk_status put_link(void *context, const char *path, const char *what)
{
    link_list *l = context;
    bool       first = l->n++ == 0;
    if (!l->json) {
        lk_str_printf(l->out, "  %-28s %s\n", path, what);
        return LK_OK;
    }
    lk_str_append(l->out, !first ? ",\n  {\"path\": " : "\n  {\"path\": ");
    lk_str_append_json(l->out, path);
    lk_str_append(l->out, ", \"is\": ");
    lk_str_append_json(l->out, what);
    lk_str_append(l->out, "}");
    return LK_OK;
}

/* None is followed here; a configuration may name a soft one. */
static lk_status list_links(const lk_listing *listing, link_list *links)
{
    lk_status st = LK_OK;
    for (int i = 0; i < listing->n && st == LK_OK; i++)
        if (listing->is_group[i]) st = lk_h5_each_link(listing->h5, listing->path[i], put_link, links);
    return st;
}

lk_status lk_data_info(const char *where, int json, char **text)
{
    lk_status  st = LK_OK;
    lk_listing listing = {0};
    lk_str     out;
    link_list  links = {&out, json, 0};
    *text = NULL;
    lk_str_init(&out);
    LK_TRY(lk_listing_open(where, true, &listing));
    if (json) {
        lk_str_append(&out, "{\"file\": ");
        lk_str_append_json(&out, listing.file);
        lk_str_append(&out, ", \"datasets\": [");
    } else {
        lk_str_printf(&out, "%s\n", where);
    }
    LK_TRY(list_datasets(&listing, json, &out));
    if (json) lk_str_append(&out, "\n], \"links\": [");
    LK_TRY(list_links(&listing, &links));
    LK_CHECK(listing.n_datasets || links.n, LK_E_DATA, "%s: %s holds no dataset", listing.file,
             listing.group);
    if (json) lk_str_append(&out, "\n]}\n");
    for (int i = 0; !json && i < listing.n; i++)
        if (listing.is_group[i]) {
            LK_TRY(list_columns(listing.h5, listing.path[i], &out));
            LK_TRY(list_classes(listing.h5, listing.path[i], &out));
        }
    LK_TRY(lk_str_copy(&out, text));
done:
    lk_str_clear(&out);
    lk_listing_close(&listing);
    return st;
}
