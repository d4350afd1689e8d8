/**
 * Tests that run on several ranks. A cmocka assertion jumps away, and a rank that jumps alone leaves the
 * others waiting; so a test computes its verdict, shares it with lk_test_everywhere, and asserts that on all
 * ranks alike.
 */
#ifndef LK_TEST_MPI_H
#define LK_TEST_MPI_H

#include "comm/comm.h"
#include "lk_test.h"

/** True on every rank if `ok` holds on every rank; the first rank where it does not is named. Collective. */
static inline bool lk_test_everywhere(lk_comm *comm, bool ok)
{
    lk_status st = ok ? LK_OK : lk_fail(LK_E_BUG, "the test's condition does not hold");
    st = lk_comm_agree(comm, st);
    if (st != LK_OK && lk_comm_is_root(comm)) print_error("%s\n", lk_error_message());
    return st == LK_OK;
}

#define assert_everywhere(comm, condition) assert_true(lk_test_everywhere((comm), (condition)))
#define assert_ok_everywhere(comm, call)   assert_int_equal(lk_test_share((comm), (call)), LK_OK)

/** The status of the lowest rank that failed; its message is printed. Collective. */
static inline lk_status lk_test_share(lk_comm *comm, lk_status st)
{
    st = lk_comm_agree(comm, st);
    if (st != LK_OK && lk_comm_is_root(comm)) print_error("%s\n", lk_error_message());
    return st;
}

/** The comm of the whole job; set by lk_test_mpi_run. */
static lk_comm *lk_test_comm;

/** Ranks above 0 write to <name>.rank<N>.log in the working directory; the job fails if any rank does. */
static inline int lk_test_mpi_run(const char *name, int (*run)(void))
{
    int failed = 1;
    if (lk_comm_create(&lk_test_comm) != LK_OK) {
        fprintf(stderr, "%s: %s\n", name, lk_error_message());
        return 1;
    }
    if (!lk_comm_is_root(lk_test_comm)) {
        char path[256];
        snprintf(path, sizeof path, "%s.np%d.rank%d.log", name, lk_comm_size(lk_test_comm),
                 lk_comm_rank(lk_test_comm));
        if (!freopen(path, "w", stdout) || !freopen(path, "a", stderr)) lk_comm_abort(lk_test_comm, 1);
    }
    failed = run();
    bool fine = lk_test_everywhere(lk_test_comm, failed == 0);
    lk_comm_destroy(&lk_test_comm);
    return fine ? 0 : 1;
}

#endif
