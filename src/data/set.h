/** A set: the files of one split with all their fields opened; and what lk_data is made of. */
#ifndef LK_DATA_SET_H
#define LK_DATA_SET_H

#include "data/catalogue.h"
#include "data/data_internal.h"
#include "data/field.h"
#include "data/subset.h"

typedef struct lk_set {
    const char *label;  /* "data.train", for messages */
    lk_places   places; /* of the split */
    lk_places  *own;    /* owned [n_inputs + n_targets]: of fields with files of their own, else empty */
    lk_source  *input, *target; /* owned */
    lk_source   weight;
    int         n_inputs, n_targets; /* n_targets is 0 where a file for predict has no targets */
    int         n_own;
    bool        has_weight;
    int64_t     n; /* rows */
} lk_set;

/** The fields that data options describe; those of the plain layout where they name none. */
typedef struct lk_schema {
    const lk_field_options *input, *target;
    int                     n_inputs, n_targets;
    bool                    plain;
    lk_field_options        x, y; /* of the plain layout */
    lk_dataset_options      dataset[2];
} lk_schema;

void lk_schema_init(lk_schema *schema, const lk_data_options *options);

/** Files of its own and an axis of samples: these are the samples of data.train, and of no other files. */
bool lk_field_is_of_train(const lk_field_options *field);

/** Expands files and globs of a split (relative to `base`) and of its fields (to `field_base`) into places; `of_train`: also those
 * of fields that are of the training data alone. */
lk_status lk_set_find(lk_set *set, const char *label, const lk_schema *schema, const lk_split_options *split,
                      const char *base, const char *field_base, bool of_train, lk_files *files);
/** Paths and globs to places: relative to base, globs expanded, sorted by name. */
lk_status lk_places_find(const char *label, const char *const *names, int n, const char *base,
                         lk_files *files, lk_places *out);
/** All datasets of all fields, for the catalogue to learn. */
lk_status lk_set_want(const lk_set *set, const lk_schema *schema, bool for_input, lk_catalogue *catalogue);
/** Opens all fields; targets and weights may be missing if `for_input`. Without targets there are no weights either. */
lk_status lk_set_open(lk_set *set, const lk_schema *schema, lk_handles *handles, bool for_input);
/** Agrees on the number of rows once all sources are there. */
lk_status lk_set_join(lk_set *set);
void      lk_set_clear(lk_set *set);

struct lk_data {
    const lk_data_options *options; /* borrowed */
    lk_schema              schema;
    char                  *named; /* owned: the dataset that was named as an input, or NULL */
    const char
            *of_train; /* borrowed: the target that an input cannot have, see lk_field_is_of_train; or NULL */
    lk_files files;
    lk_handles handles; /* while the data is opened */
    lk_set     set[LK_SPLITS];
    struct {
        lk_set   *set;  /* NULL: no such split */
        lk_subset some; /* rows of the set; no bits: all of them */
        int64_t   n;
        char      fingerprint[33];
    } split[LK_SPLITS];
    const lk_transform *transform;
    lk_transform       *fitted; /* owned; NULL: transform is borrowed */
};

/** The rows of the set that a split consists of. */
lk_rows lk_split_rows(const lk_data *data, lk_split split);
/** Fingerprints of all splits; what can fail is done here. */
lk_status lk_data_fingerprints(lk_data *data, lk_handles *handles);

#endif
