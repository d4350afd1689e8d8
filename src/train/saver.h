/** Checkpoints on a helper thread: the image is made between two steps, written while training goes on. Root
 * only. */
#ifndef LK_TRAIN_SAVER_H
#define LK_TRAIN_SAVER_H

#include "checkpoint/checkpoint.h"

typedef struct lk_saver lk_saver;

enum { LK_SAVER_LOGS = 3 };

typedef struct lk_saver_options {
    const char *folder;              /* checkpoints/ of the run */
    const char *best;                /* path of best.h5 */
    int         keep;                /* so many files stay in the folder */
    int         logs[LK_SAVER_LOGS]; /* descriptors made durable before a checkpoint that knows their lengths;
                                        borrowed */
} lk_saver_options;

/** Strings are copied. */
lk_status lk_saver_create(const lk_saver_options *options, lk_saver **out);
/** Waits for the write in flight, then frees. */
void lk_saver_destroy(lk_saver **saver);

/**
 * Takes the sealed image and starts writing it: as best.h5 if `best`, then as step-N.h5. Waits for the one
 * before. One that failed is warned of, and this one is tried all the same; LK_E_IO once three in a row have
 * failed. A best image that failed is tried again with the next one, and no step-N.h5 is written before it,
 * so that a checkpoint that knows of a best step is never there without it.
 */
lk_status lk_saver_put(lk_saver *saver, lk_checkpoint_writer **writer, int64_t step, bool best);
/** Warns of a write that has failed meanwhile. Cheap: for every step. */
void lk_saver_poll(lk_saver *saver);
/** Waits until all is durable; the status of the last write. */
lk_status lk_saver_wait(lk_saver *saver);
/** Of the slowest write so far that was waited for. */
double lk_saver_seconds(const lk_saver *saver);

#endif
