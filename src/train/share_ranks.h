/** The ranks of a communicator as src/data knows them. */
#ifndef LK_TRAIN_SHARE_RANKS_H
#define LK_TRAIN_SHARE_RANKS_H

#include "comm/comm.h"
#include "data/share.h"

/** `comm` is borrowed. Whatever it is given to is collective. */
lk_share lk_share_of(lk_comm *comm);

#endif
