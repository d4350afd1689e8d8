/* data info: what is in a file, without a configuration. */
#include "data/import.h"

#include <string.h>

#include "core/alloc.h"
#include "data/decode.h"
#include "data/listing.h"

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
    for (int64_t i = 0; i < n; i++) lk_free(&names[i]);
    lk_free(&names);
    return st;
}

lk_status lk_data_info(const char *where, int json, char **text)
{
    lk_status  st = LK_OK;
    lk_listing listing = {0};
    lk_str     out;
    *text = NULL;
    lk_str_init(&out);
    LK_TRY(lk_listing_open(where, &listing));
    if (json) {
        lk_str_append(&out, "{\"file\": ");
        lk_str_append_json(&out, listing.file);
        lk_str_append(&out, ", \"datasets\": [");
    } else {
        lk_str_printf(&out, "%s\n", where);
    }
    LK_TRY(list_datasets(&listing, json, &out));
    if (json) lk_str_append(&out, "\n]}\n");
    for (int i = 0; !json && i < listing.n; i++)
        if (listing.is_group[i]) LK_TRY(list_classes(listing.h5, listing.path[i], &out));
    LK_TRY(lk_give_text(&out, text));
done:
    lk_str_clear(&out);
    lk_listing_close(&listing);
    return st;
}
