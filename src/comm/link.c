#include "comm/link.h"

#include <stdlib.h>

#include "comm/comm_internal.h"
#include "comm/tags.h"
#include "core/alloc.h"
#include "core/clock.h"

/* Four messages under way keep a link busy while one is handed over; 256 KiB is a chunk of a medium model. */
enum { MESSAGE_FLOATS = 65536, UNDER_WAY = 4, FIRST_MESSAGES = 8, PINGS = 200 };

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
