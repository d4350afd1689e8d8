/** Checkpoints on a helper thread: the image is made between two steps, written while training goes on. Root
 * only. */
#ifndef LK_TRAIN_SAVER_H
#define LK_TRAIN_SAVER_H

#include "checkpoint/checkpoint.h"

typedef struct lk_saver lk_saver;

/** FOLDER: checkpoints/ of the run; keeps `keep` files. */
lk_status lk_saver_create(const char *folder, const char *best_path, int keep, lk_saver **out);
/** Waits for the write in flight, then frees. */
void lk_saver_destroy(lk_saver **saver);

/**
 * Takes the sealed image and starts writing it as step-N.h5, and as best.h5 too if `best`. Waits for the one
 * before and returns its status: a failed write is reported at the next call at the latest.
 */
lk_status lk_saver_put(lk_saver *saver, lk_checkpoint_writer **writer, int64_t step, bool best);
/** Waits until all is durable. */
lk_status lk_saver_wait(lk_saver *saver);

#endif
