/**
 * Columns: one dataset over one or several files, joined along the sample axis, read row by row in place.
 *
 * A row is all elements of a dataset that share a sample index, handed out as doubles in the order depth,
 * height, width, channel whatever the order in the file: double holds every stored type but 64-bit integers
 * beyond 2^53, and later steps (normalise, round) need know nothing of types, byte orders and layouts.
 *
 * Four ways to a row, by what the file offers:
 *   memory  a column of a few MiB is kept whole (labels, weights, tables, static fields);
 *   map     contiguous data with N first or without N, up to a size: the page cache itself, one copy a host;
 *   pread   more of such data, so that it does not count as ours: one positioned read a row;
 *   blocks  anything else (chunked, packed, N further back): boxes of neighbouring rows, without N whole
 *           datasets, through HDF5, kept in a bounded cache.
 */
#ifndef LK_DATA_SOURCE_H
#define LK_DATA_SOURCE_H

#include <math.h>

#include "data/blocks.h"
#include "io/h5.h"
#include "io/map.h"

/** Files by number; a path appears once. */
typedef struct lk_files {
    char **path; /* owned */
    int64_t  *
        size; /* owned: bytes that who looked at the file saw, 0: unknown. Another rank's file of another size is another one */
    int  n, capacity;
    int *slot; /* owned, [2 capacity]: a hash table of number + 1, 0 where it is free */
} lk_files;

/** The number of a path, a new one if it was not there. */
lk_status lk_files_add(lk_files *files, const char *path, int *number);
void      lk_files_clear(lk_files *files);

/** Open files of one thread; beyond a bound the one used longest ago is closed. */
enum { LK_HANDLES_OPEN_MOST = 96 };
typedef struct lk_handle {
    lk_h5  *h5;   /* owned; NULL: not open */
    int     fd;   /* -1: not open */
    bool    same; /* of the size that it should have, when it was opened first */
    int64_t used;
} lk_handle;
typedef struct lk_handles {
    const lk_files            *files;     /* borrowed */
    const struct lk_catalogue *catalogue; /* borrowed: what is known of them already, or NULL */
    lk_handle                 *handle;    /* owned [n] */
    int                        n, n_open;
    int                        open[LK_HANDLES_OPEN_MOST]; /* [n_open]: files that are open, in no order */
    int64_t                    clock;
    int64_t                    n_opened; /* files opened so far, one as often as it was */
    int64_t                    bytes;    /* taken from files so far */
} lk_handles;

lk_status lk_handles_init(lk_handles *handles, const lk_files *files);
void      lk_handles_clear(lk_handles *handles);
lk_status lk_handles_h5(lk_handles *handles, int file, lk_h5 **out);
/** Exactly `size` bytes from `offset`; LK_E_DATA if the file ends before. */
lk_status lk_handles_pread(lk_handles *handles, int file, int64_t offset, size_t size, void *out);

enum { LK_PLACES = 4 }; /* depth, height, width, channel: the order of a row */

/** Stored numbers that stand for nothing, in the type that they are stored in. */
enum { LK_MISSING_MOST = 4 };
typedef struct lk_missing {
    int    n;
    double value[LK_MISSING_MOST];
} lk_missing;

/** What a stored number means; NaN where it stands for nothing. */
static inline double lk_value_of(double stored, double scale, double offset, const lk_missing *missing)
{
    bool none = false;
    for (int i = 0; i < missing->n; i++) none |= stored == missing->value[i];
    return none ? (double)NAN : stored * scale + offset;
}

/** One dataset of one file. */
typedef struct lk_part {
    int        file;    /* number in the files */
    char      *dataset; /* owned */
    lk_h5_info info;
    void      *memory;   /* owned; the whole dataset in the machine's byte order, or NULL */
    lk_map    *map;      /* owned; the whole dataset as it lies in the file, or NULL */
    int64_t    first, n; /* rows of the column that lie here */
    bool       repeat;   /* no sample axis: every row is this dataset */
    bool       scaled;   /* NetCDF: value = stored * scale + offset, unless it is missing */
    double     scale, offset;
    lk_missing missing;
    int64_t    block_rows, first_block, n_blocks; /* blocks: rows a box, numbers of the boxes */
} lk_part;

typedef struct lk_column {
    const lk_files *files; /* borrowed */
    lk_part        *part;  /* owned [n_parts] */
    int             n_parts;
    int             sample_axis;      /* -1: none */
    int             place[LK_PLACES]; /* stored axis of depth, height, width, channel; -1: absent */
    int64_t         size[LK_PLACES];  /* 1 where absent */
    int64_t         elements;         /* of a row */
    int64_t         n;                /* rows */
    bool            integer;          /* in all files */
    bool            wide;             /* some file has integers of more than 8 bits */
} lk_column;

/** Columns up to this many bytes are kept in memory; tests set 0 to reach the other ways. */
extern int64_t lk_column_resident_bytes;
/** Contiguous columns up to this many bytes are mapped. */
extern int64_t lk_column_map_bytes;
/** Bound of the decoded blocks that one reader, or all that share them, keep of one column. */
extern int64_t lk_column_cache_bytes;
/** Bound of one such block, a row excepted: it holds whole chunks if they are not larger. One that holds more than the cache is
 * kept all the same. */
extern int64_t lk_column_block_bytes;
/** Bound of what readers that share blocks take of one column for the sake of each having one. */
extern int64_t lk_column_host_bytes;

/**
 * Opens dataset `datasets[i]` of files `number[i]`, i < n, as one column. `axes`: one letter an axis as
 * stored (N D H W C); NULL: N first, channels last. Without N each file repeats its dataset: the caller then
 * gives the rows with lk_column_repeat. Shapes must agree between files: LK_E_DATA names both.
 */
lk_status lk_column_open(lk_handles *handles, int n, const int *number, const char *const *datasets,
                         const char *axes, lk_column *out);
/** A column of doubles in memory [rows, width] (taken); `file` and `dataset` name it in messages. */
lk_status lk_column_from_memory(const lk_files *files, int file, const char *dataset, int64_t rows,
                                int64_t width, double **values, lk_column *out);
/** An array that lies in a file as `info` says, samples first, whatever kind of file that is. */
lk_status lk_column_in_place(const lk_files *files, int file, const char *dataset, const lk_h5_info *info,
                             lk_column *out);
/** For a column without sample axis: file i stands for rows[i] rows. One file stands for all. */
void lk_column_repeat(lk_column *column, const int64_t *rows, int n);
void lk_column_clear(lk_column *column);
/** The shape of a row as stored: axes that exist, in the order depth, height, width, channel. */
lk_shape lk_column_shape(const lk_column *column);
/** The part that row `row` lies in, and its index there. */
const lk_part *lk_column_part(const lk_column *column, int64_t row, int64_t *index);

/** What one thread needs to read one column. */
typedef struct lk_cursor {
    const lk_column *column;  /* borrowed */
    lk_handles      *handles; /* borrowed */
    char            *row;     /* owned; pread */
    lk_blocks       *blocks;  /* NULL: no part needs any; in `memory` or in shared memory */
    void            *memory;  /* owned */
    int32_t          held;    /* the slot with the block read last, -1 */
    int64_t          held_block;
    bool             brief;    /* fewer slots than readers: none is held any longer than a row is taken */
    const lk_part   *mapped;   /* the part that the row viewed last lies in, if that is mapped */
    const lk_part   *judged;   /* the part that `straight` is of */
    bool             straight; /* its elements can be taken from where they lie */
} lk_cursor;

/**
 * How the blocks of a reader are kept, as long as its rows come in any order or again and again: in memory that the cursors of
 * `sharers` readers use together, each taking its columns' pieces in the same order, or in its own.
 */
typedef struct lk_shared {
    char *at; /* of the next piece; NULL: its own */
    int   sharers;
    int   least; /* blocks of a column at least */
} lk_shared;

/** Blocks of a column; no slot_bytes: nothing of it is read by blocks. `how` NULL: one pass in order, which needs one at a time. */
lk_blocks_shape lk_column_blocks(const lk_column *column, const lk_shared *how);
/** What they take; 0: nothing. */
size_t lk_column_blocks_bytes(const lk_column *column, const lk_shared *how);
/** The next piece, made ready; by one of the sharers, before the others begin. */
lk_status lk_column_shared_init(const lk_column *column, lk_shared *shared);

/** `shared` NULL: for rows that come in order, once. */
lk_status lk_cursor_init(lk_cursor *cursor, const lk_column *column, lk_handles *handles, lk_shared *shared);
void      lk_cursor_clear(lk_cursor *cursor);
/** Row `row` into channels `channel`... of out [pixels, channels]. */
lk_status lk_cursor_read(lk_cursor *cursor, int64_t row, int64_t channels, int64_t channel, double *out);
/**
 * The same row where it lies, if it lies so, and those of the next rows that lie behind it, *n at most: elements [*n, elements] in the
 * order of a row, u8, f32 or f64 in the machine's byte order and not scaled, at any address, until the cursor's next row. Else *out
 * is NULL and nothing is read. What was taken from *out counts once lk_cursor_verify has agreed: LK_E_DATA if the file no
 * longer held it.
 */
lk_status lk_cursor_view(lk_cursor *cursor, int64_t row, int64_t *n, lk_h5_type *type, const void **out);
lk_status lk_cursor_verify(const lk_cursor *cursor);
/** The rows viewed are done with: before this reader waits for another one, or lets others wait. */
void lk_cursor_leave(lk_cursor *cursor);
/** Rows are read by blocks: quicker where those of a block come together. */
bool lk_cursor_has_blocks(const lk_cursor *cursor);
/** The block of a row, -1 if it has none; and whether that is there at the moment. */
int64_t lk_cursor_block(const lk_cursor *cursor, int64_t row);
bool    lk_cursor_has_block(const lk_cursor *cursor, int64_t block);
/** The row will be wanted soon. */
void lk_cursor_fetch(const lk_cursor *cursor, int64_t row);
/** Pages and first lines of these rows will be wanted before long. Finding one keeps the CPU waiting, finding several keeps it no longer. */
void lk_cursor_find(const lk_cursor *cursor, int64_t n, const int64_t *row);

#endif
