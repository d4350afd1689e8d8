/*
 * Are the replicas equal? A replica is a host (lockstep) or a rank (allreduce). Each hashes its tiles, its
 * ranks sharing them out; one number a replica is compared, and only if it differs do all spans' hashes
 * travel to name the place.
 */
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "comm/reduce_internal.h"
#include "core/alloc.h"
#include "core/str.h"

static int n_buffers(const lk_reduce *reduce)
{
    return 1 + reduce->options.n_slots;
}

static void hash_tiles(lk_reduce *reduce)
{
    int first = 0, end = 0;
    reduce->methods->verify_range(reduce, &first, &end);
    for (int t = first; t < end; t++) {
        const lk_tile *tile = &reduce->tiles[t];
        bool           parameter = reduce->spans->spans[tile->span].kind == LK_SPAN_PARAMETER;
        size_t         bytes = (size_t)tile->count * sizeof(float);
        for (int b = 0; b < n_buffers(reduce); b++) {
            const float *from = b == 0 ? reduce->state : lk_reduce_slot(reduce, b - 1);
            uint64_t     hash = b == 0 || parameter ? XXH3_64bits(from + tile->offset, bytes) : 0;
            reduce->hashes[(int64_t)b * reduce->n_tiles + t] = hash;
        }
    }
}

/* Hash of each (buffer, span) from those of its tiles; `out` [n_buffers][n_spans]. */
static void hash_spans(const lk_reduce *reduce, uint64_t *out)
{
    int n_spans = reduce->spans->n_spans;
    for (int b = 0; b < n_buffers(reduce); b++) {
        const uint64_t *tiles = reduce->hashes + (int64_t)b * reduce->n_tiles;
        for (int first = 0; first < reduce->n_tiles;) {
            int span = reduce->tiles[first].span, end = first;
            while (end < reduce->n_tiles && reduce->tiles[end].span == span) end++;
            out[(int64_t)b * n_spans + span] =
                XXH3_64bits(tiles + first, (size_t)(end - first) * sizeof *tiles);
            first = end;
        }
    }
}

/* The value that most of `n` entries, `stride` apart, share; *count of them. */
static uint64_t majority(const uint64_t *values, int n, int64_t stride, int *count)
{
    uint64_t best = values[0];
    *count = 0;
    for (int i = 0; i < n; i++) {
        int same = 0;
        for (int k = 0; k < n; k++) same += values[k * stride] == values[i * stride];
        if (same > *count) {
            *count = same;
            best = values[i * stride];
        }
    }
    return best;
}

static void name_replica(const lk_reduce *reduce, int replica, lk_str *text)
{
    const lk_comm *comm = reduce->comm;
    if (reduce->options.kind == LK_REDUCE_LOCKSTEP) {
        lk_str_printf(text, "host %s", lk_comm_host_name(comm, replica));
        return;
    }
    int host = 0;
    while (comm->host_first[host + 1] <= replica) host++;
    lk_str_printf(text, "rank %d on host %s", replica, lk_comm_host_name(comm, host));
}

/* Names the first (buffer, span) in which the n replicas' tables [n][entries] differ, and who stands alone.
 */
static lk_status describe(const lk_reduce *reduce, const uint64_t *tables, int n, int64_t entries)
{
    int     count = 0, n_spans = reduce->spans->n_spans;
    int64_t at = 0;
    lk_str  odd;
    while (at < entries && (majority(tables + at, n, entries, &count), count == n)) at++;
    if (at == entries)
        return lk_fail(LK_E_DESYNC,
                       "replicas differ in their totals, but in no span: a hash was overwritten");
    uint64_t most = majority(tables + at, n, entries, &count);
    lk_str_init(&odd);
    for (int i = 0; 2 * count > n && i < n; i++) {
        if (tables[i * entries + at] == most) continue;
        lk_str_append(&odd, odd.size ? ", " : ": the odd one is ");
        name_replica(reduce, i, &odd);
    }
    const lk_span *span = &reduce->spans->spans[at % n_spans];
    char           where[64] = "";
    if (at >= n_spans)
        snprintf(where, sizeof where, "optimizer slot %lld of ", (long long)(at / n_spans - 1));
    lk_status st =
        lk_fail(LK_E_DESYNC, "replicas differ: %s'%s' is not the same on all %d %s%s", where, span->name, n,
                reduce->options.kind == LK_REDUCE_LOCKSTEP ? "hosts" : "ranks", lk_str_text(&odd));
    lk_str_clear(&odd);
    return st;
}

/* Rare, so it may allocate. Every rank gathers all ranks' tables, then keeps one a replica. */
static lk_status find_difference(lk_reduce *reduce, const uint64_t *mine, int64_t entries)
{
    lk_status      st = LK_OK;
    const lk_comm *comm = reduce->comm;
    uint64_t      *tables = NULL;
    bool           hosts = reduce->options.kind == LK_REDUCE_LOCKSTEP;
    LK_TRY(lk_comm_agree(reduce->comm, LK_ALLOC((int64_t)comm->size * entries, &tables)));
    LK_TRY_MPI(
        MPI_Allgather(mine, (int)entries, MPI_UINT64_T, tables, (int)entries, MPI_UINT64_T, comm->all));
    for (int i = 0; hosts && i < comm->n_hosts; i++)
        memmove(tables + i * entries, tables + comm->host_first[i] * entries,
                (size_t)entries * sizeof *tables);
    st = describe(reduce, tables, hosts ? comm->n_hosts : comm->size, entries);
done:
    lk_free(&tables);
    return st;
}

/* Nobody of this host writes parameters before all of them have come here. */
static void host_barrier(lk_reduce *reduce)
{
    atomic_store_explicit(&reduce->comm->meets, true, memory_order_relaxed);
    reduce->methods->verify_barrier(reduce);
    atomic_store_explicit(&reduce->comm->meets, false, memory_order_relaxed);
}

lk_status lk_reduce_verify(lk_reduce *reduce)
{
    lk_status st = LK_OK;
    int64_t   entries = (int64_t)n_buffers(reduce) * reduce->spans->n_spans;
    bool      lockstep = reduce->options.kind == LK_REDUCE_LOCKSTEP;
    if ((lockstep ? reduce->comm->n_hosts : reduce->comm->size) == 1) return LK_OK;
    host_barrier(reduce);
    hash_tiles(reduce);
    host_barrier(reduce);
    hash_spans(reduce, reduce->span_hashes);
    uint64_t hash = XXH3_64bits(reduce->span_hashes, (size_t)entries * sizeof *reduce->span_hashes);
    uint64_t range[2] = {hash, ~hash}, lowest[2];
    LK_TRY_MEETING(reduce->comm, MPI_Allreduce(range, lowest, 2, MPI_UINT64_T, MPI_MIN, reduce->comm->all));
    if (lowest[0] != ~lowest[1]) {
        st = find_difference(reduce, reduce->span_hashes, entries);
        reduce->comm->failed_together = st == LK_E_DESYNC;
    }
done:
    return st;
}
