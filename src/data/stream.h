/**
 * Data: sources that hand out samples as (file, dataset, index), and streams that bring a rank's rows of each
 * step.
 *
 * The order of samples is a pure function of (seed, epoch, position): nothing here knows how many ranks there
 * are; a rank only says which positions of the global batch are its own.
 */
#ifndef LK_DATA_STREAM_H
#define LK_DATA_STREAM_H

#include "core/batch.h"
#include "core/str.h"
#include "data/share.h"
#include "data/transform.h"

typedef enum lk_normalise {
    LK_NORMALISE_NONE,
    LK_NORMALISE_UNIT,
    LK_NORMALISE_STANDARD,
    LK_NORMALISE_GIVEN
} lk_normalise;
typedef enum lk_shuffle { LK_SHUFFLE_FULL, LK_SHUFFLE_WINDOW, LK_SHUFFLE_NONE } lk_shuffle;

typedef struct lk_dataset_options {
    const char *path; /* "/fields/h" inside each file */
    const char *axes; /* one letter an axis as h5dump prints it (N T C D H W); NULL: the field's */
} lk_dataset_options;

typedef struct lk_field_options {
    const char               *name;
    const lk_dataset_options *datasets; /* stacked along C in this order */
    int                       n_datasets;
    const char               *axes;  /* NULL: N first, then as stored (channels last) */
    const char *const        *files; /* own files (same for every sample if no N), NULL: the split's */
    int                       n_files;
    lk_normalise              normalise;
    const double             *mean, *std; /* LK_NORMALISE_GIVEN: [n_given] per channel */
    int                       n_given;
} lk_field_options;

/** One split: `file.h5:/group` with x, y (and w), or files with fields. */
typedef struct lk_split_options {
    const char *const
          *files; /* paths and globs, "file.h5:/group" in the plain layout; sorted by name after globbing */
    int    n_files;
    double fraction; /* > 0: this share of the training source instead, by hash of (seed, sample index) */
} lk_split_options;

typedef enum lk_augment_kind { LK_AUGMENT_FLIP, LK_AUGMENT_SHIFT } lk_augment_kind;
typedef struct lk_augment_options {
    lk_augment_kind kind;
    float           horizontal, vertical; /* flip: probabilities */
    int             pixels;               /* shift: uniform in -pixels..pixels on both axes; fills with what a
                                             raw 0 becomes under the normalisation */
} lk_augment_options;

typedef struct lk_data_options {
    lk_split_options          train, validation, test;
    const lk_field_options   *inputs, *targets; /* none: the plain layout (x, y, w) */
    int                       n_inputs, n_targets;
    lk_normalise              normalise;         /* of input x in the plain layout */
    lk_normalise              normalise_targets; /* of a float y in the plain layout */
    const double             *mean, *std;
    int                       n_given;
    int64_t                   statistics_samples; /* 0: all */
    lk_shuffle                shuffle;
    int64_t                   shuffle_window; /* samples */
    const lk_augment_options *augment;
    int                       n_augment;
    const char *base; /* folder that relative paths start from: the config file's; NULL: the current one */
} lk_data_options;

typedef enum lk_split { LK_SPLIT_TRAIN, LK_SPLIT_VALIDATION, LK_SPLIT_TEST, LK_SPLITS } lk_split;

typedef struct lk_data lk_data;

/**
 * Opens all splits, checks shapes, types and class labels, computes statistics of the training rows (or takes
 * `known`, borrowed until close, from a checkpoint). Options are borrowed until close.
 *
 * Types: integers wider than a byte that nobody normalises are indices (LK_I32: words of a text, say);
 * integer targets are classes unless normalise_targets is set; everything else becomes floats. A CSV import
 * (layout in data/import.h) is a table: see data/recipe.h. NetCDF's scale_factor, add_offset, _FillValue and
 * missing_value are honoured. Local, and the same on every rank. Errors: LK_E_DATA (no such file or dataset, NaN, labels
 * out of range, a channel of deviation 0), LK_E_SHAPE, LK_E_CONFIG (a pattern that matches nothing,
 * validation or test data that is also trained on ...).
 */
lk_status lk_data_open(const lk_data_options *options, uint64_t seed, const lk_transform *known,
                       lk_data **out);

/** Asked several times a second while training rows are read as a whole, which takes hours where they are many. */
typedef struct lk_data_stop {
    bool (*asked)(void *context);
    void *context;
} lk_data_stop;

/** lk_data_open in two steps: files, shapes, splits, and if wanted fingerprints first; ranks that share this look at each file
 * once. Collective with a share: as long as files are looked at, all leave with the status of the first that failed; what a rank
 * finds wrong with the data after that is its own ... */
lk_status lk_data_find(const lk_data_options *options, uint64_t seed, const lk_share *share,
                       bool fingerprints, lk_data **out);
/** ... then what is made of their values. `stop` may be NULL; LK_STOPPED if it says so. Data that failed are to be closed. */
lk_status lk_data_use(lk_data *data, const lk_transform *known, const lk_data_stop *stop);

/** ... or, for a rank whose colleague has used these data and gives its transform, without reading values again to check them. */
lk_status lk_data_use_checked(lk_data *data, const lk_transform *known);
void      lk_data_close(lk_data **data);

const lk_transform *lk_data_transform(const lk_data *data);
int64_t             lk_data_n(const lk_data *data, lk_split split); /* samples; 0 if there is no such split */
/** The label that sets the number of classes of a target, "data.h5: /train/y[17] is 9"; "" where class names do, or a
 * checkpoint. */
const char *lk_data_greatest_label(const lk_data *data, int target);
/** Whether the split has its targets: files given to predict may lack them. */
bool lk_data_has_targets(const lk_data *data, lk_split split);
/** XXH3-128 in hex over names, sizes, shapes, types and sampled blocks of the files of a split. */
void lk_data_fingerprint(const lk_data *data, lk_split split, char hex[33]);
/** A line for the run header: "60000 samples of 28x28x1 u8 in 1 file (contiguous)". */
void lk_data_describe(const lk_data *data, lk_split split, char *line, size_t size);

/** A source for predict or eval --data: the file's fields as the transform knows them; targets are optional, and without `targets`
 *  not looked at. Fields with files of their own and an axis of samples are of the training data alone: such a target is
 *  absent, such an input is refused (LK_E_CONFIG).
 *  INPUT: .h5[:/path], .csv, .npy. LK_E_SHAPE names both shapes if they do not fit. No fingerprints. Collective as
 *  lk_data_find. */
lk_status lk_data_open_input(const char *input, bool targets, const lk_data_options *options,
                             const lk_transform *known, const lk_share *share, lk_data **out);

/** Why such a source has no targets, for messages: "dataset 'y' is not there". */
void lk_data_miss_targets(const lk_data *data, char *text, size_t size);

/** LK_E_USAGE if `output`, a file to be written, is one of those that the same input is read from. Local. */
lk_status lk_data_check_output(const char *input, const lk_data_options *options, const char *output);

typedef struct lk_stream lk_stream;

typedef struct lk_stream_options {
    lk_split split;
    int64_t  batch_size;          /* global; evaluation: the chunk */
    int      lanes;               /* lane k of a batch of n rows has rows [k*n/lanes, (k+1)*n/lanes) */
    int      first_lane, n_lanes; /* this rank's run */
    bool     training;            /* shuffle and augment; else the source's order, plain */
    uint64_t seed;
    bool     prefetch; /* read the next step's rows on a helper thread */
    void    *shared;   /* borrowed (outlives the stream), or NULL: see lk_stream_shared_bytes */
    int      sharers;
} lk_stream_options;

/**
 * Chunked data can be unpacked once a host and not once a rank: into memory of this size that the streams of `sharers` ranks share,
 * made ready by one of them before any is created. 0: nothing of the split is read by chunks. Changes no value.
 */
size_t lk_stream_shared_bytes(const lk_data *data, lk_split split, int sharers);
/** What a stream that shares with nobody unpacks into: a chunk of each dataset at a time where it goes through them in order. */
size_t    lk_stream_own_bytes(const lk_data *data, lk_split split, bool training);
lk_status lk_stream_shared_init(const lk_data *data, lk_split split, int sharers, void *memory);
/**
 * Lines about chunks of the training data that will be unpacked again and again, each with the way out: chunks too large to be
 * unpacked as a whole, and an order of samples that goes through more of them than are kept. `sharers`: ranks that unpack together,
 * `batch`: their samples of a step.
 */
void lk_stream_warnings(const lk_data *data, int sharers, int64_t batch, lk_str *text);

/** What the batches of a stream take, of which it has two. */
size_t lk_stream_batch_bytes(const lk_data *data, const lk_stream_options *options);
/**
 * A thread of its own (prefetch) and all memory. Local. Errors: LK_E_DATA if the split has no sample,
 * LK_E_CONFIG for lanes outside 1..1024, and in training for augmentation that no input is an image for, or
 * that targets of two or more axes would no longer fit.
 */
lk_status lk_stream_create(lk_data *data, const lk_stream_options *options, lk_stream **out);
void      lk_stream_destroy(lk_stream **stream);
/** The next lk_stream_next gives batch `batch` of epoch `epoch`. O(1). */
void    lk_stream_seek(lk_stream *stream, int64_t epoch, int64_t batch);
int64_t lk_stream_batches(const lk_stream *stream); /* an epoch's batches, the last one may be short */
/**
 * This rank's lanes of the next batch, and goes on to the next epoch by itself. *batch is owned by the stream
 * and valid until the next call; its `lanes` are the whole run: cut it with lk_batch_cut. Local; blocks for
 * the reader.
 */
lk_status lk_stream_next(lk_stream *stream, const lk_batch **batch);
/** Bytes read for the batches given so far and seconds this rank waited for them; columns that are kept in
 * memory take no bytes. */
void lk_stream_figures(const lk_stream *stream, int64_t *bytes, double *wait_s);

/** The rows of lanes [first, first + n) of `batch` as a batch of their own: pointers into the same memory.
 * Pointer arrays live in `cut`. */
typedef struct lk_batch_view {
    lk_batch    batch;
    const void *input[8], *target[8];
    int64_t     start[1025];
} lk_batch_view;
void lk_batch_cut(const lk_batch *batch, const lk_data *data, int first, int n, lk_batch_view *cut);

#endif
