/**
 * Checkpoints: named buffers in one HDF5 file that is either whole or not there.
 *
 * Writing: image in memory, XXH3-128 over it, header into the 512-byte user block, then lk_atomic_write.
 * Reading: size and hash are verified before HDF5 sees a byte. This module knows buffers, not layers. User
 * block: "LOCKSTEP 2\n", "size <bytes of the file>\n", "xxh3 <32 hex digits over all bytes behind the
 * block, seeded with format and step>\n", "step <n>\n", rest zero. Format 1, without the seed, is read as well.
 */
#ifndef LK_CHECKPOINT_CHECKPOINT_H
#define LK_CHECKPOINT_CHECKPOINT_H

#include <stdbool.h>

#include "core/span.h"
#include "io/atomic.h"
#include "io/h5.h"

typedef struct lk_checkpoint_writer lk_checkpoint_writer;

lk_status lk_checkpoint_begin(lk_checkpoint_writer **out);
/** A sealed image that nobody needs any more gives way to another one, in its memory. */
lk_status lk_checkpoint_begin_again(lk_checkpoint_writer *writer);
/** The file being built: callers put what they own under /model, /optimizer, /state, /input, /history,
 * /config ... */
lk_h5 *lk_checkpoint_file(lk_checkpoint_writer *writer);
/** Each span as dataset PREFIX/<span name> with attribute `axes`; kinds: bit 0 parameters, bit 1 statistics.
 */
lk_status lk_checkpoint_put_spans(lk_checkpoint_writer *writer, const char *prefix,
                                  const lk_span_table *spans, unsigned kinds, const float *buffer);
/** Closes the image and hashes it: from here on the bytes stand, and writing may go on in another thread. */
lk_status lk_checkpoint_seal(lk_checkpoint_writer *writer, int64_t step);
/** Atomic write of the sealed image. Touches nothing but the image and the folder: safe on a helper thread. `moved` as for
 * lk_atomic_write_watched. */
lk_status lk_checkpoint_commit(const lk_checkpoint_writer *writer, const char *path, lk_moved *moved);
void      lk_checkpoint_abandon(lk_checkpoint_writer **writer);

enum { LK_CHECKPOINT_HEADER = 512 };
typedef struct lk_checkpoint lk_checkpoint;

/** Whether the file is whole, by its header and hash, piece by piece. Errors as of lk_checkpoint_open. */
lk_status lk_checkpoint_verify(const char *path);
/** Errors: LK_E_DATA for a file that is no checkpoint, cut or corrupt, LK_E_NEWER for one of a newer format, LK_E_IO for one
 * that cannot be opened though it is there. The file is in memory once, until close. */
lk_status lk_checkpoint_open(const char *path, lk_checkpoint **out);
void      lk_checkpoint_close(lk_checkpoint **checkpoint);
lk_h5    *lk_checkpoint_h5(lk_checkpoint *checkpoint);
int64_t   lk_checkpoint_step(const lk_checkpoint *checkpoint);
/** Size, hash and step as the file says them: equal for equal files alone. [LK_CHECKPOINT_HEADER] bytes, the checkpoint's. */
const char *lk_checkpoint_header(const lk_checkpoint *checkpoint);
/** Fills the spans of these kinds; a missing or wrongly shaped one: LK_E_DATA with both shapes. */
lk_status lk_checkpoint_get_spans(lk_checkpoint *checkpoint, const char *prefix, const lk_span_table *spans,
                                  unsigned kinds, float *buffer);

/** "step-00001234.h5" */
void lk_checkpoint_name(int64_t step, char name[32]);
/**
 * The newest good checkpoint in FOLDER (names step-*.h5 only); a bad newer one is warned of loudly and passed
 * over. *path NULL if there is none at all; LK_E_DATA if there are some and none is good. LK_E_NEWER if the
 * newest is of a newer format: that is no damage, and going on from an older one would throw work away.
 */
lk_status lk_checkpoint_find_newest(const char *folder, char **path);
/** Whether FOLDER has a file by such a name, good or bad: a run that has begun. A missing folder has none. */
lk_status lk_checkpoint_any(const char *folder, bool *any);
/** Deletes our own files older than the newest good one and its keep - 1 (at least 1) forerunners. Bad ones
 * that are newer stay as they are: somebody may want to know why. */
lk_status lk_checkpoint_prune(const char *folder, int keep);

/** XXH3-128 in hex over little-endian floats of the spans of these kinds, in table order, then `slots`
 * likewise (parameters only), then step if >= 0. */
void lk_checkpoint_hash(const lk_span_table *spans, const float *state, unsigned kinds, float *const *slots,
                        int n_slots, int64_t step, char hex[33]);

#endif
