/* Links between hosts: every pair once, whatever the number of hosts. */
#include <mpi.h>

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

static int run(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair_of_hosts_is_tested_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return lk_test_mpi_run("test_mpi_link", run);
}
