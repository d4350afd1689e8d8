#include "comm/window.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "comm/barrier.h"
#include "comm/comm_internal.h"
#include "core/alloc.h"

struct lk_window {
    MPI_Win     win;    /* owned; MPI_WIN_NULL where memory is private */
    void       *memory; /* owned where private */
    char       *base;   /* at a page boundary */
    size_t      size, used;
    lk_barrier *barrier; /* first piece */
    int         n_ranks;
    bool        crowded;
};

size_t lk_window_piece(size_t bytes)
{
    return (bytes + LK_PAGE_BYTES - 1) / LK_PAGE_BYTES * LK_PAGE_BYTES;
}

/* Where Open MPI and MPICH put the memory; Open MPI can be told otherwise. */
static const char *backing_directory(void)
{
    const char *named = getenv("OMPI_MCA_osc_sm_backing_directory");
    return named && *named ? named : "/dev/shm";
}

/* The first rank of each machine compares the need of all its hosts with what is free there. */
static lk_status check_room(lk_comm *comm, size_t bytes)
{
    lk_status      st = LK_OK;
    int            n_node = 0, on_machine = 0;
    struct statvfs fs;
    LK_TRY_MPI(MPI_Comm_size(comm->node, &n_node));
    LK_TRY_MPI(MPI_Comm_rank(comm->machine, &on_machine));
    double mine = comm->rank_on_host == 0 && n_node > 1 ? (double)bytes : 0, need = 0;
    LK_TRY_MPI(MPI_Allreduce(&mine, &need, 1, MPI_DOUBLE, MPI_SUM, comm->machine));
    if (on_machine == 0 && need > 0 && statvfs(backing_directory(), &fs) == 0) {
        double free_bytes = (double)fs.f_bavail * (double)fs.f_frsize;
        LK_CHECK(need <= free_bytes, LK_E_NOMEM,
                 "shared memory: %.1f MB are needed in %s for one copy of the parameters, the optimizer "
                 "state and the "
                 "gradients, %.1f MB are free; enlarge it (containers: --shm-size), use fewer ranks a host, "
                 "or set "
                 "train.reduce: allreduce",
                 need / 1e6, backing_directory(), free_bytes / 1e6);
    }
done:
    return st;
}

/* Whether the machine has more ranks, of all its virtual hosts, than cores that they may use together. */
static lk_status find_crowding(lk_comm *comm, bool *crowded)
{
    lk_status st = LK_OK;
    uint64_t  mine[LK_CORE_WORDS], all[LK_CORE_WORDS];
    int       n = 0;
    lk_barrier_cores(mine);
    LK_TRY_MPI(MPI_Comm_size(comm->machine, &n));
    LK_TRY_MPI(MPI_Allreduce(mine, all, LK_CORE_WORDS, MPI_UINT64_T, MPI_BOR, comm->machine));
    *crowded = n > lk_barrier_count_cores(all);
done:
    return st;
}

static lk_status allocate_shared(lk_comm *comm, size_t bytes, lk_window *window)
{
    lk_status st = LK_OK;
    void     *base = NULL;
    MPI_Aint  size = 0;
    int       unit = 1;
    MPI_Aint  want = comm->rank_on_host == 0 ? (MPI_Aint)(bytes + LK_PAGE_BYTES) : 0;
    LK_TRY_MPI(MPI_Win_allocate_shared(want, 1, MPI_INFO_NULL, comm->node, &base, &window->win));
    LK_TRY_MPI(MPI_Win_set_errhandler(window->win, MPI_ERRORS_RETURN));
    LK_TRY_MPI(MPI_Win_shared_query(window->win, 0, &size, &unit, &base));
    /* The mapping begins a page in every process, so the same distance leads to a page boundary in all of
     * them. */
    uint64_t skip = (uint64_t)(-(uintptr_t)base & (LK_PAGE_BYTES - 1)), root_skip = skip;
    LK_TRY_MPI(MPI_Bcast(&root_skip, 1, MPI_UINT64_T, 0, comm->node));
    LK_CHECK(skip == root_skip, LK_E_MPI, "MPI maps the shared window at different offsets within a page");
    window->base = (char *)base + skip;
    /* One access epoch for the window's whole life; loads and stores are ordered by our own barrier. */
    LK_TRY_MPI(MPI_Win_lock_all(MPI_MODE_NOCHECK, window->win));
done:
    return st;
}

static lk_status allocate(lk_comm *comm, size_t bytes, lk_window *window)
{
    lk_status st = LK_OK;
    if (window->n_ranks > 1) return allocate_shared(comm, bytes, window);
    LK_TRY(LK_ALLOC(bytes + LK_PAGE_BYTES, (char **)&window->memory));
    window->base = (char *)window->memory + (-(uintptr_t)window->memory & (LK_PAGE_BYTES - 1));
done:
    return st;
}

lk_status lk_window_create(lk_comm *comm, size_t bytes, lk_window **out)
{
    lk_status  st = LK_OK;
    lk_window *window = NULL;
    int        one = 1;
    bytes += lk_window_piece(sizeof(lk_barrier));
    st = LK_ALLOC(1, out);
    if (st == LK_OK) {
        window = *out;
        window->win = MPI_WIN_NULL;
        window->size = bytes;
        window->n_ranks = lk_comm_host_ranks(comm, lk_comm_host(comm));
    }
    LK_TRY(lk_comm_agree(comm, st));
    if (comm->has_mpi) {
        LK_TRY(lk_comm_agree(comm, check_room(comm, bytes)));
        LK_TRY(lk_comm_agree(comm, find_crowding(comm, &window->crowded)));
    }
    LK_TRY(lk_comm_agree(comm, allocate(comm, bytes, window)));
    window->barrier = lk_window_take(window, sizeof *window->barrier);
    if (lk_comm_rank_on_host(comm) == 0) memset(window->barrier, 0, sizeof *window->barrier);
    /* Nobody may enter our barrier before it is zeroed. */
    if (comm->has_mpi) LK_TRY(lk_mpi_status(MPI_Bcast(&one, 1, MPI_INT, 0, comm->node), "MPI_Bcast"));
done:
    return st;
}

void lk_window_destroy(lk_window **window)
{
    if (!window || !*window) return;
    lk_window *it = *window;
    if (it->win != MPI_WIN_NULL) {
        if (it->base) MPI_Win_unlock_all(it->win);
        MPI_Win_free(&it->win);
    }
    lk_free(&it->memory);
    lk_free(window);
}

void *lk_window_take(lk_window *window, size_t bytes)
{
    LK_ASSERT(window->used + lk_window_piece(bytes) <= window->size);
    void *piece = window->base + window->used;
    window->used += lk_window_piece(bytes);
    return piece;
}

void lk_window_barrier(lk_window *window)
{
    lk_barrier_wait(window->barrier, window->n_ranks, window->crowded);
}

bool lk_window_is_shared(const lk_window *window)
{
    return window->win != MPI_WIN_NULL;
}
