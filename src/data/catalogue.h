/**
 * What files say about the datasets that are wanted of them, learned before any column is opened: file by file, so that each is
 * opened once whatever is wanted of it, and by one rank of those that share the files.
 *
 * What could not be learned stays unknown. Who wants it asks the file itself, and so meets the errors of files in the order in
 * which columns are opened, whoever looked at them here.
 */
#ifndef LK_DATA_CATALOGUE_H
#define LK_DATA_CATALOGUE_H

#include "data/fingerprint.h"
#include "data/share.h"
#include "data/source.h"

/** A dataset as its file describes it. */
typedef struct lk_facts {
    enum { LK_FACTS_UNKNOWN, LK_FACTS_ABSENT, LK_FACTS_KNOWN } state;
    bool       held; /* its values were read as well */
    bool       scaled;
    double     scale, offset; /* as in lk_part */
    lk_missing missing;
    lk_h5_info info;
} lk_facts;

/** From the file. LK_E_DATA also for texts. */
lk_status lk_facts_read(lk_handles *handles, int file, const char *dataset, lk_facts *out);
/** All values in the machine's byte order. */
lk_status lk_facts_read_values(lk_handles *handles, int file, const char *dataset, const lk_h5_info *info,
                               void **out);

/** A file as who looked at it saw it; all 0: unknown. */
typedef struct lk_file_facts {
    uint64_t inode;
    int64_t  size;
} lk_file_facts;

typedef struct lk_want {
    int   file, column;
    char *dataset;  /* owned */
    bool  optional; /* nothing is wrong where it is absent */
} lk_want;

typedef struct lk_catalogue {
    lk_want       *want; /* owned [n]; once learned, by file and dataset */
    int64_t        n, capacity;
    int            n_columns, n_files;
    lk_facts      *facts;  /* owned [n] */
    lk_file_facts *file;   /* owned [n_files] */
    lk_sample     *sample; /* owned [n_files], or NULL */
    char          *values; /* owned: of all columns that are kept in memory */
    int64_t       *at;     /* owned [n]: where a dataset's values begin there, or -1 */
} lk_catalogue;

/** Another dataset; its name is taken, also on failure. */
lk_status lk_catalogue_want(lk_catalogue *catalogue, lk_want *want);
/**
 * Looks at all files, shares what is found, and with it the values of columns of no more than lk_column_resident_bytes. `mine`: the
 * status of this rank so far. `samples`: for fingerprints too. Collective; errors are the same on all ranks: that of the first that
 * failed, LK_E_NOMEM, LK_E_DATA if ranks find different files. What is wrong with a file is none.
 */
lk_status lk_catalogue_learn(lk_catalogue *catalogue, lk_handles *handles, const lk_share *share,
                             lk_status mine, bool samples);
/** NULL where the catalogue (may be NULL) does not know. */
const lk_facts *lk_catalogue_facts(const lk_catalogue *catalogue, int file, const char *dataset);
const void *lk_catalogue_values(const lk_catalogue *catalogue, int file, const char *dataset, size_t *bytes);
const lk_sample *lk_catalogue_sample(const lk_catalogue *catalogue, int file);
/** 0 where it does not know. */
uint64_t lk_catalogue_inode(const lk_catalogue *catalogue, int file);
/** Who opens one of these files finds it of the size that was seen, or LK_E_DATA. */
void lk_catalogue_tell_sizes(const lk_catalogue *catalogue, lk_files *files);
void lk_catalogue_clear(lk_catalogue *catalogue);

#endif
