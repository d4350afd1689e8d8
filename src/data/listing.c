#include "data/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

static lk_status take_object(void *context, const char *path, lk_h5_kind kind)
{
    lk_status   st = LK_OK;
    lk_listing *listing = context;
    char      **paths = NULL;
    bool       *groups = NULL;
    if (listing->n == listing->capacity) {
        int more = 2 * listing->n + 16;
        LK_TRY(LK_ALLOC(more, &paths));
        LK_TRY(LK_ALLOC(more, &groups));
        for (int i = 0; i < listing->n; i++) {
            paths[i] = listing->path[i];
            groups[i] = listing->is_group[i];
        }
        lk_free(&listing->path);
        lk_free(&listing->is_group);
        listing->path = paths;
        listing->is_group = groups;
        listing->capacity = more;
        paths = NULL;
        groups = NULL;
    }
    LK_TRY(lk_strdup(path, &listing->path[listing->n]));
    listing->is_group[listing->n++] = kind == LK_H5_GROUP;
    listing->n_datasets += kind == LK_H5_DATASET;
done:
    lk_free(&paths);
    lk_free(&groups);
    return st;
}

lk_status lk_listing_open(const char *text, bool empty, lk_listing *listing)
{
    lk_status   st = LK_OK;
    const char *colon = strstr(text, ":/");
    size_t      n = colon ? (size_t)(colon - text) : strlen(text);
    *listing = (lk_listing){0};
    LK_CHECK(n < LK_LISTING_FILE && (!colon || strlen(colon + 1) < LK_LISTING_GROUP), LK_E_USAGE,
             "%s: the path is too long", text);
    snprintf(listing->file, sizeof listing->file, "%.*s", (int)n, text);
    snprintf(listing->group, sizeof listing->group, "%s", colon ? colon + 1 : "/");
    for (size_t k = strlen(listing->group); k > 1 && listing->group[k - 1] == '/';) listing->group[--k] = 0;
    LK_TRY(lk_h5_open(listing->file, &listing->h5));
    LK_TRY(lk_h5_walk(listing->h5, listing->group, take_object, listing));
    if (listing->n == 0) LK_TRY(lk_h5_missing(listing->h5, listing->group));
    LK_CHECK(listing->n_datasets || empty, LK_E_DATA, "%s: %s holds no dataset", listing->file,
             listing->group);
done:
    if (st != LK_OK) lk_listing_close(listing);
    return st;
}

void lk_listing_close(lk_listing *listing)
{
    for (int i = 0; i < listing->n; i++) lk_free(&listing->path[i]);
    lk_free(&listing->path);
    lk_free(&listing->is_group);
    lk_h5_abandon(&listing->h5);
    *listing = (lk_listing){0};
}

void lk_put_sizes(const lk_h5_info *info, const char *between, lk_str *out)
{
    for (int i = 0; i < info->n_axes; i++)
        lk_str_printf(out, "%s%lld", i ? between : "", (long long)info->axis[i]);
    if (info->n_axes == 0 && between[0] == 'x') lk_str_append(out, "scalar");
}
