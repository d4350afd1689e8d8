/** Checkpoints on a helper thread: the image is made between two steps, written while training goes on. Root
 * only. */
#ifndef LK_TRAIN_SAVER_H
#define LK_TRAIN_SAVER_H

#include "checkpoint/checkpoint.h"

typedef struct lk_saver lk_saver;

enum { LK_SAVER_LOGS = 3 };

/** Called while the caller waits for a write, whenever that has gone on: it is slow, but does not stand still. */
typedef void lk_saver_moves(void *context);

typedef struct lk_saver_options {
    const char *folder;              /* checkpoints/ of the run */
    const char *best;                /* path of best.h5 */
    int         keep;                /* so many files stay in the folder */
    int         logs[LK_SAVER_LOGS]; /* descriptors made durable before a checkpoint that knows their lengths;
                                        borrowed */
    lk_saver_moves *moves;           /* NULL: nobody is told */
    void           *context;
} lk_saver_options;

/** Strings are copied. */
lk_status lk_saver_create(const lk_saver_options *options, lk_saver **out);
/** Waits for the write in flight, then frees. */
void lk_saver_destroy(lk_saver **saver);

/**
 * Takes the sealed image and writes it: as best.h5 if `best`, then as step-N.h5. Never waits: while another
 * is being written this one is next, and one that was next gives way to it, with a warning the first time;
 * so at most five images are in memory, which stays for later ones. A write that failed is warned of, and the next one is tried all the
 * same; LK_E_IO once three in a row have failed. A best image that failed or gave way is written with the
 * next one, and no step-N.h5 before it, so that a checkpoint that knows of a best step is never there
 * without it.
 */
lk_status lk_saver_put(lk_saver *saver, lk_checkpoint_writer **writer, int64_t step, bool best);
/** An image that is written or left out, for lk_checkpoint_begin_again; the caller's, NULL if there is none. */
lk_checkpoint_writer *lk_saver_spare(lk_saver *saver);
/** Starts the next write if one is over, and warns of one that has failed. Cheap: for every step. */
void lk_saver_poll(lk_saver *saver);
/** Waits until all that was put is durable; the status of the last write. */
lk_status lk_saver_wait(lk_saver *saver);
/** Of the slowest write so far. */
double lk_saver_seconds(const lk_saver *saver);

#endif
