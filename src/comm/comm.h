/**
 * The ranks of a job. Without a launcher there is one rank and no MPI call is ever made.
 *
 * Ranks are ordered by (host, rank on host), so every host holds one contiguous run of lanes whatever the
 * launch did. Only the thread that created the communicator calls in here. MPI errors come back as LK_E_MPI.
 */
#ifndef LK_COMM_COMM_H
#define LK_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct lk_comm lk_comm;

typedef struct lk_comm_options {
    int ranks_per_host; /* > 0 cuts each machine's ranks into virtual hosts of that many; 0: real hosts */
    /* [n_host_sizes] or NULL (borrowed): instead, virtual hosts of these sizes on each machine, the last one
     * taking the ranks that are left. */
    const int *host_sizes;
    int        n_host_sizes;
} lk_comm_options;

/** The rank by the launcher's environment alone (srun's, if it started copies without any MPI); 0 without. Local. */
int lk_launch_rank(void);

/**
 * Starts MPI if a launcher's environment is there (mpirun, srun with PMIx, MPICH's hydra), else a single
 * rank. SLURM_NTASKS > 1 outside any step that gives us a size above 1 is LK_E_USAGE naming the cure.
 * Collective.
 */
lk_status lk_comm_create(lk_comm **out);
/** On a communicator of the caller's (MPI_Comm behind a pointer), duplicated; MPI stays the caller's.
 * Collective. */
lk_status lk_comm_create_on(const void *mpi_comm, lk_comm **out);
/** One rank that knows of no other, whatever started it. Local. */
lk_status lk_comm_create_alone(lk_comm **out);
/** Finalizes MPI if we started it. Collective. */
void lk_comm_destroy(lk_comm **comm);

/** Lays out hosts, after the config is known; until then every rank knows only rank and size. Called again, by the
 * next run of the same job, it begins anew: nothing that the layout before was used for may be left. Collective. */
lk_status lk_comm_layout(lk_comm *comm, const lk_comm_options *options);

int         lk_comm_rank(const lk_comm *comm);
int         lk_comm_size(const lk_comm *comm);
bool        lk_comm_is_root(const lk_comm *comm);
bool        lk_comm_has_mpi(const lk_comm *comm);
int         lk_comm_n_hosts(const lk_comm *comm);
int         lk_comm_host(const lk_comm *comm);                 /* index of this rank's host */
int         lk_comm_host_ranks(const lk_comm *comm, int host); /* ranks on that host */
int         lk_comm_rank_on_host(const lk_comm *comm);
const char *lk_comm_host_name(const lk_comm *comm, int host); /* "?" before a layout */
int         lk_comm_host_of(const lk_comm *comm, int rank);
/** Machines share memory; several virtual hosts may be one. Numbered by their first rank. */
int lk_comm_machine(const lk_comm *comm);
int lk_comm_rank_on_machine(const lk_comm *comm);
/** The rank of another host for whose message this rank waits just now, -1 for none. From any thread. */
int lk_comm_awaited(const lk_comm *comm);
/** Whether this rank is inside a collective of this header, or compares replicas: it waits for others there. From any thread. */
bool        lk_comm_meets(const lk_comm *comm);
const char *lk_comm_mpi_version(const lk_comm *comm); /* "Open MPI v4.1.4 ..." or "none" */

/** The same of the library that is linked, started or not. */
void lk_mpi_library(char *text, size_t size);

/** Every rank gets the same status and message: that of the lowest failing rank, "rank 3 on host n7: ...".
 * Collective. */
lk_status lk_comm_agree(lk_comm *comm, lk_status status);

/**
 * Whether the last failure is one that every rank knows of (lk_comm_agree, a reduction): if not, this rank
 * failed alone, and the others may wait for it for ever. True without other ranks. Local.
 */
bool lk_comm_failed_together(const lk_comm *comm);

/** Root's bytes to all. Collective. */
lk_status lk_comm_broadcast(lk_comm *comm, void *bytes, size_t size);
/** Root's text (may be NULL elsewhere) to all; *text owned by the caller (lk_free) on every rank. Collective.
 */
lk_status lk_comm_broadcast_text(lk_comm *comm, char **text);

lk_status lk_comm_barrier(lk_comm *comm);
/** `out` [size * n] on the root: n doubles of each rank in rank order; NULL elsewhere. Collective. LK_E_CONFIG if all of them
 * are more than MPI counts. */
lk_status lk_comm_gather(lk_comm *comm, const double *values, int64_t n, double *out);
/** The same to all ranks. Collective. */
lk_status lk_comm_allgather(lk_comm *comm, const double *values, int64_t n, double *out);
/** Sums n floats over all ranks in place, in pieces of at most `piece` (0: as few as MPI's counts allow). The
 * order of the additions is MPI's and depends on the ranks. Collective. */
lk_status lk_comm_sum(lk_comm *comm, float *values, int64_t n, int64_t piece);

/** Ends the whole job at once with this exit code, from any thread; for watchdogs. Does not return. */
void lk_comm_abort(lk_comm *comm, int exit_code) __attribute__((noreturn));

#endif
