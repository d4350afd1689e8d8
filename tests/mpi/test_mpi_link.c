/* Links between hosts: every pair once, whatever the number of hosts. */
#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "comm/link.h"
#include "core/alloc.h"
#include "lk_test_mpi.h"

static bool every_pair_is_tested(int ranks_per_host)
{
    MPI_Comm world = MPI_COMM_WORLD;
    lk_comm *comm = NULL;
    lk_link *links = NULL;
    int      n = -1, at = 0;
    bool     fine = lk_comm_create_on(&world, &comm) == LK_OK;
    fine = fine && lk_comm_layout(comm, &(lk_comm_options){.ranks_per_host = ranks_per_host}) == LK_OK;
    fine = fine && lk_link_pairs(comm, 0.002, &links, &n) == LK_OK;
    int hosts = fine ? lk_comm_n_hosts(comm) : 0;
    if (fine && !lk_comm_is_root(comm)) fine = n == 0 && !links;
    for (int from = 0; fine && lk_comm_is_root(comm) && from < hosts; from++)
        for (int to = from + 1; fine && to < hosts; to++, at++)
            fine = at < n && links[at].from == from && links[at].to == to && links[at].latency_us > 0 &&
                   links[at].latency_us < 1e6 && links[at].mbytes_per_s > 0.1 && links[at].mbytes_per_s < 1e6;
    fine = fine && (!lk_comm_is_root(comm) || at == n);
    lk_free(&links);
    lk_comm_destroy(&comm);
    return fine;
}

static void every_pair_of_hosts_is_tested_once(void **state)
{
    (void)state;
    assert_everywhere(lk_test_comm, every_pair_is_tested(1));
    assert_everywhere(lk_test_comm, every_pair_is_tested(2));
    assert_everywhere(lk_test_comm, every_pair_is_tested(0));
}

typedef struct observer {
    lk_comm    *comm;
    _Atomic int over;
    int         seen; /* a bit for each host that was waited for */
} observer;

static void *observe(void *context)
{
    observer             *it = context;
    const struct timespec nap = {0, 500000};
    while (!it->over) {
        int rank = lk_comm_awaited(it->comm);
        if (rank >= 0) it->seen |= 1 << lk_comm_host_of(it->comm, rank);
        nanosleep(&nap, NULL);
    }
    return NULL;
}

/* What a watchdog sees, from a thread of its own as here. */
static bool the_other_host_is_told(lk_comm *comm)
{
    observer  it = {.comm = comm};
    pthread_t thread;
    lk_link  *links = NULL;
    int       n = 0, others = (1 << lk_comm_n_hosts(comm)) - 1 - (1 << lk_comm_host(comm));
    bool      fine = pthread_create(&thread, NULL, observe, &it) == 0;
    if (!lk_test_everywhere(comm, fine)) return false;
    fine = lk_link_pairs(comm, 0.1, &links, &n) == LK_OK;
    it.over = 1;
    pthread_join(thread, NULL);
    lk_free(&links);
    return fine && it.seen == (lk_comm_rank_on_host(comm) == 0 ? others : 0) && lk_comm_awaited(comm) == -1;
}

static void who_tests_a_link_says_whom_it_waits_for(void **state)
{
    MPI_Comm world = MPI_COMM_WORLD;
    lk_comm *comm = NULL;
    (void)state;
    assert_ok_everywhere(lk_test_comm, lk_comm_create_on(&world, &comm));
    for (int ranks_per_host = 1; ranks_per_host <= 2; ranks_per_host++) {
        assert_ok_everywhere(lk_test_comm,
                             lk_comm_layout(comm, &(lk_comm_options){.ranks_per_host = ranks_per_host}));
        assert_everywhere(lk_test_comm, the_other_host_is_told(comm));
    }
    lk_comm_destroy(&comm);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair_of_hosts_is_tested_once),
                                       cmocka_unit_test(who_tests_a_link_says_whom_it_waits_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return lk_test_mpi_run("test_mpi_link", run);
}
