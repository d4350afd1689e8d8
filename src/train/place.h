/**
 * Where the ranks of this job stand: cores, kernels, networks; and what about that is bad for it. Each finding is one line that
 * names the host, the numbers and the cure, once for all hosts that share it. The run header and `doctor` say the same.
 */
#ifndef LK_TRAIN_PLACE_H
#define LK_TRAIN_PLACE_H

#include <stdint.h>

#include "comm/barrier.h"
#include "comm/comm.h"
#include "comm/network.h"
#include "core/str.h"

enum { LK_PLACE_NAME_BYTES = 80, LK_PLACE_SET_BYTES = 48 };

/** What one rank sees; plain data that is gathered as bytes. */
typedef struct lk_place {
    char host[LK_PLACE_NAME_BYTES];
    int  machine_first; /* the first rank of its machine: it alone speaks for the networks */
    int  machine;       /* number of the machine, by its lowest rank */
    uint64_t
        cores[LK_CORE_WORDS]; /* that the rank may use; hardware threads of one core count as its first one */
    int n_cores;              /* of the machine */
    int threads_per_core;     /* of the machine */
    int threads_asked;        /* by OMP_NUM_THREADS or OPENBLAS_NUM_THREADS; 0: nothing */
    char                threads_by[24];              /* which of them */
    int                 slurm_cpus;                  /* SLURM_CPUS_PER_TASK; 0: nothing */
    char                kernels[LK_PLACE_SET_BYTES]; /* kernel set */
    char                library[LK_PLACE_SET_BYTES]; /* C library and program: "glibc 2.36, lockstep 0.1.0" */
    int                 n_networks;
    lk_network          networks[LK_NETWORKS];
    int                 in_use; /* bit i: this rank has a connection to another machine over networks[i] */
    lk_network_settings settings;
} lk_place;

/** Fills in all but host and machine. Local. */
void lk_place_read(lk_place *place);

/** The findings about n ranks in rank order, a line each; nothing where all is well. Pure. */
lk_status lk_place_judge(const lk_place *places, int n, lk_str *findings);

/** Reads, gathers and judges; the root's `findings` gets the lines, *places (may be NULL) what they are about, freed with
 * lk_free. After ranks have talked to each other: only then is it seen which networks are used. Collective. */
lk_status lk_place_findings(lk_comm *comm, lk_str *findings, lk_place **places);

#endif
