/**
 * One job a directory: a lock that the kernel frees when its holder dies.
 *
 * Where the file system has no locks (Lustre without `flock`, some NFS mounts), a heartbeat takes their
 * place: the holder renews a line in DIR/.lock.beat every second, and who finds a line that does not change
 * takes over.
 */
#ifndef LK_TRAIN_LOCK_H
#define LK_TRAIN_LOCK_H

#include "core/status.h"

typedef struct lk_lock lk_lock;

/** LK_E_LOCKED naming the holder if another job has it, within 5 s. DIR must exist. */
lk_status lk_lock_take(const char *directory, lk_lock **out);
/** Writes down who holds it, for the message of the next one who wants it. */
lk_status lk_lock_sign(lk_lock *lock);
/** LK_E_LOCKED if another job has taken the directory over since: it found no beat while this job was suspended, or its disk
 * stood still. Then nothing must be written there any more. */
lk_status lk_lock_held(lk_lock *lock);
void      lk_lock_release(lk_lock **lock);
/** The same, and DIR goes with it if it holds nothing else: for who made it and has written nothing. */
void lk_lock_withdraw(lk_lock **lock);

#endif
