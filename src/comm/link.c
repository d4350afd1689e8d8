#include "comm/link.h"

#include <stdlib.h>
#include <time.h>

#include "comm/comm_internal.h"
#include "comm/tags.h"
#include "core/alloc.h"
#include "core/clock.h"

/* Four messages under way keep a link busy while one is handed over; 256 KiB is a chunk of a medium model. */
enum { MESSAGE_FLOATS = 65536, UNDER_WAY = 4, FIRST_MESSAGES = 8, PINGS = 200 };
enum {
    SMALL_BYTES = 8,
    LARGE_BYTES = 1 << 20,
    SMALL_ROUNDS = 50,
    LARGE_ROUNDS_MOST = 1000,
    SPELL_ROUNDS = 4
};

/* n messages one way; the receiver's word that all are there ends the clock. Both ranks. */
static lk_status stream(lk_comm *comm, int from, int to, int64_t n, float *buffer, double *seconds)
{
    lk_status   st = LK_OK;
    MPI_Request requests[UNDER_WAY];
    char        done = 0;
    double      start = lk_clock_seconds();
    for (int i = 0; i < UNDER_WAY; i++) requests[i] = MPI_REQUEST_NULL;
    for (int64_t i = 0; i < n; i++) {
        int    k = (int)(i % UNDER_WAY);
        float *at = buffer + (int64_t)k * MESSAGE_FLOATS;
        LK_TRY_MPI(MPI_Wait(&requests[k], MPI_STATUS_IGNORE));
        if (comm->rank == from)
            LK_TRY_MPI(MPI_Isend(at, MESSAGE_FLOATS, MPI_FLOAT, to, LK_TAG_LINK, comm->all, &requests[k]));
        else
            LK_TRY_MPI(MPI_Irecv(at, MESSAGE_FLOATS, MPI_FLOAT, from, LK_TAG_LINK, comm->all, &requests[k]));
    }
    LK_TRY_MPI(MPI_Waitall(UNDER_WAY, requests, MPI_STATUSES_IGNORE));
    if (comm->rank == to) LK_TRY_MPI(MPI_Send(&done, 1, MPI_CHAR, from, LK_TAG_LINK, comm->all));
    if (comm->rank == from)
        LK_TRY_MPI(MPI_Recv(&done, 1, MPI_CHAR, to, LK_TAG_LINK, comm->all, MPI_STATUS_IGNORE));
    *seconds = lk_clock_seconds() - start;
done:
    return st;
}

/* The sender's figure to all. */
static lk_status tell(lk_comm *comm, int from, double *value)
{
    return lk_mpi_status(MPI_Bcast(value, 1, MPI_DOUBLE, from, comm->all), "MPI_Bcast");
}

lk_status lk_link_goodput(lk_comm *comm, int from, int to, double seconds, double *bytes_per_s)
{
    lk_status st = LK_OK;
    float    *buffer = NULL;
    bool      mine = comm->rank == from || comm->rank == to;
    double    took = 0, n = FIRST_MESSAGES;
    LK_TRY(lk_comm_agree(comm, LK_ALLOC((int64_t)UNDER_WAY * MESSAGE_FLOATS, &buffer)));
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) n = took > 0 ? n * seconds / took : 4 * n;
        if (n < FIRST_MESSAGES) n = FIRST_MESSAGES;
        if (mine) LK_TRY(stream(comm, from, to, (int64_t)n, buffer, &took));
        LK_TRY(tell(comm, from, &took));
    }
    *bytes_per_s = (double)(int64_t)n * MESSAGE_FLOATS * (double)sizeof(float) / took;
done:
    lk_free(&buffer);
    return st;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

lk_status lk_link_latency(lk_comm *comm, int from, int to, double *seconds)
{
    lk_status st = LK_OK;
    double    took[PINGS] = {0}, byte = 0;
    int       peer = comm->rank == from ? to : from;
    for (int i = 0; i < PINGS && (comm->rank == from || comm->rank == to); i++) {
        double start = lk_clock_seconds();
        if (comm->rank == from) LK_TRY_MPI(MPI_Send(&byte, 1, MPI_DOUBLE, peer, LK_TAG_LINK, comm->all));
        LK_TRY_MPI(MPI_Recv(&byte, 1, MPI_DOUBLE, peer, LK_TAG_LINK, comm->all, MPI_STATUS_IGNORE));
        if (comm->rank == to) LK_TRY_MPI(MPI_Send(&byte, 1, MPI_DOUBLE, peer, LK_TAG_LINK, comm->all));
        took[i] = lk_clock_seconds() - start;
    }
    qsort(took, PINGS, sizeof *took, compare_doubles);
    *seconds = took[PINGS / 2] / 2;
    LK_TRY(tell(comm, from, seconds));
done:
    return st;
}

/* ---- all pairs of hosts ---- */

/* There and back again; the host of the lower number begins. */
static lk_status round_trip(MPI_Comm hosts, int partner, bool begins, char *buffer, int bytes)
{
    lk_status st = LK_OK;
    if (begins) LK_TRY_MPI(MPI_Send(buffer, bytes, MPI_BYTE, partner, LK_TAG_LINK, hosts));
    LK_TRY_MPI(MPI_Recv(buffer, bytes, MPI_BYTE, partner, LK_TAG_LINK, hosts, MPI_STATUS_IGNORE));
    if (!begins) LK_TRY_MPI(MPI_Send(buffer, bytes, MPI_BYTE, partner, LK_TAG_LINK, hosts));
done:
    return st;
}

/* Large messages for about `seconds`; the rate of the fastest few in a row, which a busy host disturbed least. The first byte
 * of a message says whether another one follows. */
static lk_status rate_of_pair(MPI_Comm hosts, int partner, bool begins, double seconds, char *buffer,
                              double *mbytes_per_s)
{
    lk_status st = LK_OK;
    double    began = lk_clock_seconds(), spell_began = began, now = began, rate = 0;
    *mbytes_per_s = 0;
    for (int rounds = 1, in_spell = 1;; rounds++, in_spell++) {
        if (begins) buffer[0] = now - began < seconds && rounds < LARGE_ROUNDS_MOST;
        LK_TRY(round_trip(hosts, partner, begins, buffer, LARGE_BYTES));
        now = lk_clock_seconds();
        if (in_spell < SPELL_ROUNDS && buffer[0]) continue;
        rate = 2.0 * in_spell * LARGE_BYTES / (now - spell_began) * 1e-6;
        if (rate > *mbytes_per_s && (in_spell == SPELL_ROUNDS || *mbytes_per_s == 0)) *mbytes_per_s = rate;
        if (!buffer[0]) break;
        in_spell = 0;
        spell_began = now;
    }
done:
    return st;
}

/* `result` of the host that begins: latency and rate. */
static lk_status test_pair(MPI_Comm hosts, int partner, bool begins, double seconds, char *buffer,
                           double result[2])
{
    lk_status st = LK_OK;
    double    least = 0;
    for (int i = 0; i < SMALL_ROUNDS; i++) {
        double began = lk_clock_seconds();
        LK_TRY(round_trip(hosts, partner, begins, buffer, SMALL_BYTES));
        double half = (lk_clock_seconds() - began) / 2;
        if (i == 1 || half < least) least = half; /* the first one opens the connection */
    }
    LK_TRY(round_trip(hosts, partner, begins, buffer, LARGE_BYTES)); /* so does the first large one */
    LK_TRY(rate_of_pair(hosts, partner, begins, seconds, buffer, &result[1]));
    result[0] = least * 1e6;
done:
    return st;
}

/* Partner of host `me` in a round: all but one stand in a circle that turns; -1: none. */
static int partner_of(int me, int round, int m)
{
    int even = m + m % 2, last = even - 1, partner;
    if (me == last)
        partner = round;
    else if (me == round)
        partner = last;
    else
        partner = (2 * round - me + 2 * last) % last;
    return partner < m ? partner : -1;
}

/* A barrier that leaves the cores to the ranks that measure: one that spins would be what they measure on a full host. */
static lk_status wait_asleep(MPI_Comm ranks)
{
    lk_status             st = LK_OK;
    MPI_Request           request = MPI_REQUEST_NULL;
    int                   there = 0;
    const struct timespec nap = {0, 1000000};
    LK_TRY_MPI(MPI_Ibarrier(ranks, &request));
    for (;;) {
        LK_TRY_MPI(MPI_Test(&request, &there, MPI_STATUS_IGNORE));
        if (there) break;
        nanosleep(&nap, NULL);
    }
done:
    return st;
}

/* The host whose messages this rank waits for from now on, -1: of none; lk_comm_awaited tells. */
static void wait_for(lk_comm *comm, int host)
{
    atomic_store_explicit(&comm->awaited, host >= 0 ? comm->host_first[host] : -1, memory_order_relaxed);
}

static lk_status test_all(lk_comm *comm, double seconds, double *mine)
{
    lk_status st = LK_OK;
    int       m = comm->n_hosts, even = m + m % 2;
    char     *buffer = NULL;
    LK_TRY(LK_ALLOC(LARGE_BYTES, &buffer));
    for (int round = 0; round < even - 1; round++) {
        int partner = partner_of(comm->host, round, m);
        wait_for(comm, partner);
        if (partner >= 0)
            LK_TRY(
                test_pair(comm->leaders, partner, comm->host < partner, seconds, buffer, mine + 2 * partner));
        wait_for(comm, -1);
        LK_TRY(wait_asleep(comm->leaders));
    }
done:
    lk_free(&buffer);
    return st;
}

lk_status lk_link_pairs(lk_comm *comm, double seconds, lk_link **links, int *n)
{
    lk_status st = LK_OK;
    int       m = comm->n_hosts;
    double   *mine = NULL, *all = NULL;
    bool      root = lk_comm_is_root(comm);
    *links = NULL;
    *n = 0;
    if (m == 1) return LK_OK;
    st = LK_ALLOC(2 * m, &mine);
    if (st == LK_OK && root) st = LK_ALLOC(2 * m * m, &all);
    if (st == LK_OK && root) st = LK_ALLOC(m * (m - 1) / 2, links);
    LK_TRY(lk_comm_agree(comm, st));
    if (comm->leaders != MPI_COMM_NULL) {
        LK_TRY(test_all(comm, seconds, mine));
        LK_TRY_MPI(MPI_Gather(mine, 2 * m, MPI_DOUBLE, all, 2 * m, MPI_DOUBLE, 0, comm->leaders));
    }
    for (int from = 0; root && from < m; from++)
        for (int to = from + 1; to < m; to++)
            (*links)[(*n)++] = (lk_link){.from = from,
                                         .to = to,
                                         .latency_us = all[2 * (from * m + to)],
                                         .mbytes_per_s = all[2 * (from * m + to) + 1]};
    LK_TRY(wait_asleep(comm->all));
done:
    if (st != LK_OK) lk_free(links);
    lk_free(&mine);
    lk_free(&all);
    return st;
}
