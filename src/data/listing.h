/** FILE or FILE:/path as the verbs of `data` take it: the open file and its datasets. */
#ifndef LK_DATA_LISTING_H
#define LK_DATA_LISTING_H

#include "core/str.h"
#include "io/h5.h"

enum { LK_LISTING_FILE = 4096, LK_LISTING_GROUP = 512 };

typedef struct lk_listing {
    lk_h5 *h5; /* owned */
    char   file[LK_LISTING_FILE], group[LK_LISTING_GROUP];
    char **path;     /* owned [n]: groups and datasets at or below `group`, by name */
    bool  *is_group; /* owned [n] */
    int    n, capacity, n_datasets;
} lk_listing;

/** `empty`: no dataset is fine; else LK_E_DATA. */
lk_status lk_listing_open(const char *text, bool empty, lk_listing *listing);
void      lk_listing_close(lk_listing *listing);

/** "28x28x1", or with another word between; "scalar" where there are no axes and `between` is "x". */
void lk_put_sizes(const lk_h5_info *info, const char *between, lk_str *out);

#endif
