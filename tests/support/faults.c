/*
 * A library to be preloaded into one rank of a job, which makes that rank meet what is rare: LK_FAULT says what, LK_FAULT_RANK
 * in which rank (0).
 *   alloc:N         allocation number N of the program fails; a line "allocations N" goes to the file LK_FAULT_COUNT at the end
 *   slow:MS         every write of a MiB or more takes so many milliseconds longer
 *   nan:N, inf:N    the result of matrix product number N (train.kernels: openblas) begins with a NaN or infinity
 *   flip:BYTE:BIT   MS milliseconds (LK_FAULT_AFTER) after this host's window was made, a bit of the state or of the optimizer
 *                   slots in it is flipped; says so on stderr, and counts the comparisons of replicas from then on
 */
#include <dlfcn.h>
#include <math.h>
#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "comm/window.h"

static bool mine(void)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *wanted = getenv("LK_FAULT_RANK");
    return atoi(rank ? rank : "0") == atoi(wanted ? wanted : "0");
}

/* N of "what:N" in the rank that is meant, else -1. */
static long fault(const char *what)
{
    const char *text = getenv("LK_FAULT");
    size_t      n = strlen(what);
    return text && mine() && !strncmp(text, what, n) && text[n] == ':' ? atol(text + n + 1) : -1;
}

/* ---- alloc ---- */

static _Atomic long allocations;

static bool called_by_us(const void *address)
{
    Dl_info info;
    return dladdr(address, &info) && info.dli_fname && strstr(info.dli_fname, "lockstep");
}

__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t size)
{
    void *memory = NULL;
    if (called_by_us(__builtin_return_address(0)) && atomic_fetch_add(&allocations, 1) + 1 == fault("alloc"))
        return NULL;
    return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}

__attribute__((destructor)) static void tell_count(void)
{
    const char *path = getenv("LK_FAULT_COUNT");
    FILE       *file = path && mine() && allocations > 0 ? fopen(path, "we") : NULL;
    if (!file) return;
    fprintf(file, "allocations %ld\n", allocations);
    fclose(file);
}

/* ---- slow ---- */

__attribute__((visibility("default"))) ssize_t write(int file, const void *bytes, size_t size)
{
    if (size >= 1 << 20 && fault("slow") > 0) usleep((useconds_t)fault("slow") * 1000);
    return syscall(SYS_write, file, bytes, size);
}

/* ---- nan, inf ---- */

typedef void sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float,
                   float *, int);

__attribute__((visibility("default"))) sgemm cblas_sgemm;

void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a,
                 int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    static _Atomic long n_calls;
    static sgemm       *next;
    if (!next) *(void **)(&next) = dlsym(RTLD_NEXT, "cblas_sgemm");
    next(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    long number = atomic_fetch_add(&n_calls, 1) + 1;
    if (number == fault("nan")) c[0] = NAN;
    if (number == fault("inf")) c[0] = INFINITY;
}

/* ---- flip ---- */

static unsigned char *state;
static _Atomic int    comparisons = -1; /* since the flip */

static void *flip_later(void *nothing)
{
    const char *after = getenv("LK_FAULT_AFTER"), *bit = strrchr(getenv("LK_FAULT"), ':');
    usleep((useconds_t)(after ? atol(after) : 0) * 1000);
    state[fault("flip")] ^= (unsigned char)(1u << atoi(bit + 1));
    atomic_store(&comparisons, 0);
    fprintf(stderr, "flipped bit %s of byte %ld\n", bit + 1, fault("flip"));
    return nothing;
}

/* The window begins at a page with the barrier; state and slots follow, each at a page. */
__attribute__((visibility("default"))) int MPI_Win_shared_query(MPI_Win win, int rank, MPI_Aint *size,
                                                                int *unit, void *base)
{
    pthread_t thread;
    int       code = PMPI_Win_shared_query(win, rank, size, unit, base);
    uintptr_t address = (uintptr_t) * (void **)base;
    if (code == MPI_SUCCESS && fault("flip") >= 0) {
        state =
            (unsigned char *)((address + LK_PAGE_BYTES - 1) / LK_PAGE_BYTES * LK_PAGE_BYTES + LK_PAGE_BYTES);
        if (pthread_create(&thread, NULL, flip_later, NULL) == 0) pthread_detach(thread);
    }
    return code;
}

/* Hosts compare two numbers in this call, before each checkpoint and every so many steps. */
__attribute__((visibility("default"))) int MPI_Allreduce(const void *from, void *to, int count,
                                                         MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    if (type == MPI_UINT64_T && op == MPI_MIN && count == 2 && atomic_load(&comparisons) >= 0)
        fprintf(stderr, "comparison %d after the flip\n", atomic_fetch_add(&comparisons, 1) + 1);
    return PMPI_Allreduce(from, to, count, type, op, comm);
}
