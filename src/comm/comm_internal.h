/** What the files of this folder share about the ranks: communicators, hosts, and MPI errors as statuses. */
#ifndef LK_COMM_COMM_INTERNAL_H
#define LK_COMM_COMM_INTERNAL_H

#include <mpi.h>
#include <stdatomic.h>

#include "comm/comm.h"

enum { LK_HOST_NAME_BYTES = 80, LK_VERSION_BYTES = 96 };

struct lk_comm {
    bool         has_mpi;
    bool         started_mpi; /* we finalize what we initialised */
    bool         laid_out;
    bool         failed_together; /* what failed last, failed on every rank */
    MPI_Comm     base;            /* owned duplicate of what we were given, in its order */
    MPI_Comm     all;             /* owned once laid out: ordered by (host, rank on host); before: base */
    MPI_Comm     machine;         /* owned: ranks that can share memory, virtual hosts or not */
    MPI_Comm     node;            /* owned: ranks of my (virtual) host */
    MPI_Comm     leaders;         /* owned: first rank of every host; MPI_COMM_NULL on the others */
    int          rank, size;      /* in `all` */
    int          n_hosts, host, rank_on_host;
    int          machine_number, rank_on_machine; /* first rank of my machine; my place among its ranks */
    _Atomic int  awaited;    /* rank of another host whose message this rank waits for, -1: none */
    _Atomic bool meets;      /* inside a collective over all ranks that is not a step's reduction */
    int         *host_first; /* owned [n_hosts + 1]: rank of each host's first rank */
    char (*host_names)[LK_HOST_NAME_BYTES]; /* owned [n_hosts] */
    char version[LK_VERSION_BYTES];
};

/** LK_OK, or LK_E_MPI with MPI's own text after the name of the call. */
lk_status lk_mpi_status(int code, const char *call);

/** LK_TRY for a call that returns an MPI error code. */
#define LK_TRY_MPI(call) LK_TRY(lk_mpi_status((call), #call))

/** The same for a collective over all ranks: lk_comm_meets says so while it lasts. */
#define LK_TRY_MEETING(comm, call)                                                                           \
    do {                                                                                                     \
        atomic_store_explicit(&(comm)->meets, true, memory_order_relaxed);                                   \
        int code_ = (call);                                                                                  \
        atomic_store_explicit(&(comm)->meets, false, memory_order_relaxed);                                  \
        LK_TRY(lk_mpi_status(code_, #call));                                                                 \
    } while (0)

/** Broadcast of any size over any communicator, in pieces that fit MPI's int. Collective on `mpi`. */
lk_status lk_mpi_broadcast(MPI_Comm mpi, int root, void *bytes, size_t size);

/** What the environment says about how we were started. */
typedef struct lk_launch {
    const char *launcher;    /* "mpirun", "PMIx", "PMI", or NULL: none */
    int         rank;        /* 0 if nobody says */
    int         size;        /* processes that the launcher started, 0: it does not say */
    int         local_size;  /* of them on this host, 0: it does not say */
    int         slurm_tasks; /* SLURM_NTASKS, 0 if unset */
} lk_launch;
lk_launch lk_launch_detect(void);

/**
 * LK_E_USAGE if several processes were started and each is alone in its MPI (`mpi`, for the message): the launcher belongs to
 * another MPI, or Slurm was asked for several tasks and nobody told MPI. N copies would work side by side.
 */
lk_status lk_launch_check(const lk_launch *launch, int size, const char *mpi);

#endif
