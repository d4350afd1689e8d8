/** What a step carries beside gradients: which rank failed first, with its words, and the stop flags. */
#ifndef LK_COMM_RECORD_H
#define LK_COMM_RECORD_H

#include "comm/comm_internal.h"

enum { LK_RECORD_MESSAGE = 2048 };

/** Merging is idempotent and takes any order, so records may travel along several paths. */
typedef struct lk_record {
    int      rank;   /* lowest failing rank, or INT_MAX */
    int      status; /* its status */
    int      alike;  /* all ranks so far failed with this status and message */
    unsigned flags;
    char     host[LK_HOST_NAME_BYTES];
    char     message[LK_RECORD_MESSAGE]; /* only the text and its NUL are meaningful */
} lk_record;

/** The record of this rank alone. */
void lk_record_set(lk_record *record, const lk_comm *comm, lk_status local, unsigned flags);
void lk_record_merge(lk_record *into, const lk_record *other);
/** Bytes of the record that need to travel: all of it up to the message's NUL. */
size_t lk_record_bytes(const lk_record *record);
/** The status for everybody, the message set: "rank R on host H: ..." unless all failed alike. */
lk_status lk_record_status(const lk_record *record);

#endif
