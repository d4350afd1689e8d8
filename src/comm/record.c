#include "comm/record.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void lk_record_set(lk_record *record, const lk_comm *comm, lk_status local, unsigned flags)
{
    record->rank = local == LK_OK ? INT_MAX : lk_comm_rank(comm);
    record->status = (int)local;
    record->alike = 1;
    record->flags = flags;
    record->host[0] = record->message[0] = '\0';
    if (local == LK_OK) return; /* every step of a run that is well */
    snprintf(record->host, sizeof record->host, "%s", lk_comm_host_name(comm, lk_comm_host(comm)));
    snprintf(record->message, sizeof record->message, "%s", lk_error_message());
}

void lk_record_merge(lk_record *into, const lk_record *other)
{
    int same = into->status == other->status && strcmp(into->message, other->message) == 0;
    into->alike = into->alike && other->alike && same;
    into->flags |= other->flags;
    if (other->rank >= into->rank) return;
    into->rank = other->rank;
    into->status = other->status;
    memcpy(into->host, other->host, sizeof into->host);
    memcpy(into->message, other->message, strlen(other->message) + 1);
}

size_t lk_record_bytes(const lk_record *record)
{
    return offsetof(lk_record, message) + strlen(record->message) + 1;
}

lk_status lk_record_status(const lk_record *record)
{
    if (record->rank == INT_MAX) return LK_OK;
    if (record->alike) return lk_fail((lk_status)record->status, "%s", record->message);
    return lk_fail((lk_status)record->status, "rank %d on host %s: %s", record->rank, record->host,
                   record->message);
}
