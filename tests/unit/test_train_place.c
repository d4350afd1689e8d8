/* Launches as they go wrong, and what is said about them; and that nothing is said where all is well. */
#include "lk_test.h"

#include "core/alloc.h"
#include "train/place.h"

enum { MOST = 300 };

static lk_place all[MOST];
static lk_str   said;

/* `ranks` ranks on each of `hosts` machines of `cores` cores; every rank may use all of them. */
static int launch(int hosts, int ranks, int cores)
{
    memset(all, 0, sizeof all);
    for (int h = 0; h < hosts; h++)
        for (int r = 0; r < ranks; r++) {
            lk_place *place = &all[h * ranks + r];
            snprintf(place->host, sizeof place->host, "h%d", h);
            place->machine = h * ranks;
            place->machine_first = r == 0;
            place->n_cores = cores;
            place->threads_per_core = 1;
            for (int i = 0; i < cores; i++) place->cores[i / 64] |= (uint64_t)1 << (i % 64);
            snprintf(place->kernels, sizeof place->kernels, "avx512");
            snprintf(place->library, sizeof place->library, "glibc 2.36, lockstep 1");
            place->n_networks = 2;
            place->networks[0] = (lk_network){
                .name = "lo", .address = 0x7f000001, .prefix = 8, .running = true, .loopback = true};
            place->networks[1] = (lk_network){.name = "e0",
                                              .address = 0x0a4d0001u + (uint32_t)h,
                                              .prefix = 24,
                                              .mbits = 1000,
                                              .running = true};
            place->in_use = hosts > 1 ? 2 : 0;
        }
    return hosts * ranks;
}

static void bind_to(int rank, int first, int n)
{
    memset(all[rank].cores, 0, sizeof all[rank].cores);
    for (int i = first; i < first + n; i++) all[rank].cores[i / 64] |= (uint64_t)1 << (i % 64);
}

static const char *judge(int n)
{
    lk_str_clear(&said);
    assert_ok(lk_place_judge(all, n, &said));
    return lk_str_text(&said);
}

#define assert_said(n, text)                                                                                 \
    do {                                                                                                     \
        const char *lk_said = judge(n);                                                                      \
        if (!strstr(lk_said, text)) fail_msg("'%s' is not in:\n%s", text, lk_said);                          \
    } while (0)

static int lines(const char *text)
{
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void good_launches_are_not_spoken_of(void **state)
{
    (void)state;
    assert_string_equal(judge(launch(1, 1, 1)), "");
    assert_string_equal(judge(launch(1, 1, 64)), "");
    assert_string_equal(judge(launch(1, 64, 64)), "");
    assert_string_equal(judge(launch(3, 64, 64)), "");
    int n = launch(2, 4, 4);
    for (int i = 0; i < n; i++) bind_to(i, i % 4, 1);
    assert_string_equal(judge(n), "");
    /* Two ranks may use core 0, but one of them has another one to go to, if a third makes room. */
    n = launch(1, 3, 4);
    bind_to(0, 0, 2);
    bind_to(1, 0, 1);
    bind_to(2, 1, 2);
    assert_string_equal(judge(n), "");
    /* Variables that others obey mean nothing where every core has its rank. */
    n = launch(1, 4, 4);
    for (int i = 0; i < n; i++) {
        all[i].threads_asked = 4;
        snprintf(all[i].threads_by, sizeof all[i].threads_by, "OMP_NUM_THREADS");
    }
    assert_string_equal(judge(n), "");
}

static void more_ranks_than_cores_are_named(void **state)
{
    (void)state;
    assert_said(
        launch(1, 8, 2),
        "8 ranks share 2 cores on host h0, and every step waits for the slowest. Start at most 2 on a host");
    assert_said(launch(1, 8, 2), "--ntasks-per-node=2");
    int n = launch(5, 8, 2);
    assert_said(n, "8 ranks share 2 cores on hosts h0, h1, h2 and 2 more,");
    assert_int_equal(lines(judge(n)), 1);
    for (int i = 0; i < n; i++) all[i].threads_per_core = 2;
    assert_said(n, "(hardware threads of a core are not counted)");
}

static void ranks_bound_to_the_same_cores_are_named(void **state)
{
    (void)state;
    int n = launch(2, 2, 8);
    for (int i = 0; i < n; i++) bind_to(i, 3, 1);
    assert_said(n, "2 ranks may use 1 of 8 cores on hosts h0, h1,");
    assert_said(n, "--bind-to core");
    assert_int_equal(lines(judge(n)), 1);
    /* Three ranks, two cores between them, a third core that none may use alone. */
    n = launch(1, 3, 8);
    bind_to(0, 0, 2);
    bind_to(1, 0, 2);
    bind_to(2, 0, 1);
    assert_said(n, "3 ranks may use 2 of 8 cores on host h0,");
}

static void threads_that_a_rank_does_not_have_are_named(void **state)
{
    (void)state;
    int n = launch(1, 1, 8);
    all[0].threads_asked = 8;
    snprintf(all[0].threads_by, sizeof all[0].threads_by, "OMP_NUM_THREADS");
    assert_said(n, "OMP_NUM_THREADS=8 on host h0 means 8 threads a rank, but a rank computes with one. Start "
                   "8 ranks on a host, each with a core of its own");
    bind_to(0, 5, 1);
    assert_said(n, "a rank computes with one, and each is bound to one core. Start 8 ranks");
    all[0].threads_asked = 64; /* more than there are cores */
    assert_said(n, "means 64 threads a rank, but a rank computes with one, and each is bound to one core. "
                   "Start 8 ranks");
    n = launch(2, 2, 8);
    for (int i = 0; i < n; i++) all[i].slurm_cpus = 4;
    assert_said(n, "--cpus-per-task=4 on hosts h0, h1 means 4 threads a rank, but a rank computes with one. "
                   "Start 8 ranks");
    /* Two hardware threads for a rank are one core. */
    for (int i = 0; i < n; i++) {
        all[i].slurm_cpus = 2;
        all[i].threads_per_core = 2;
    }
    assert_string_equal(judge(n), "");
}

static void mixed_machines_are_named(void **state)
{
    (void)state;
    int n = launch(3, 2, 4);
    snprintf(all[4].kernels, sizeof all[4].kernels, "haswell");
    snprintf(all[5].kernels, sizeof all[5].kernels, "haswell");
    assert_said(n, "mixed kernel sets: avx512 on hosts h0, h1; haswell on host h2. ");
    assert_said(n, "train.kernels=haswell or portable");
    assert_int_equal(lines(judge(n)), 1);
    n = launch(2, 1, 4);
    snprintf(all[1].library, sizeof all[1].library, "glibc 2.31, lockstep 1");
    assert_said(n, "mixed libraries: glibc 2.36, lockstep 1 on host h0; glibc 2.31, lockstep 1 on host h1. ");
}

static void an_address_on_two_hosts_is_named(void **state)
{
    (void)state;
    int n = launch(2, 2, 4);
    for (int i = 0; i < n; i++)
        all[i].networks[all[i].n_networks++] = (lk_network){
            .name = "docker0", .address = 0xac110001, .prefix = 16, .running = true, .inside = true};
    assert_said(n, "hosts h0 and h1 both have the address 172.17.0.1 (docker0)");
    assert_said(n, "mpirun --mca btl_tcp_if_exclude docker0,lo");
    for (int i = 0; i < n; i++) snprintf(all[i].settings.include, sizeof all[i].settings.include, "e0");
    assert_string_equal(judge(n), "");
    for (int i = 0; i < n; i++) {
        all[i].settings.include[0] = '\0';
        all[i].in_use = 0; /* another transport: nobody minds */
    }
    assert_string_equal(judge(n), "");
    /* Virtual hosts are one machine: the address is its own. */
    n = launch(1, 2, 4);
    all[1].in_use = all[0].in_use = 2;
    assert_string_equal(judge(n), "");
}

static void a_slow_network_beside_a_fast_one_is_named(void **state)
{
    (void)state;
    int n = launch(2, 1, 4);
    for (int i = 0; i < n; i++)
        all[i].networks[all[i].n_networks++] = (lk_network){.name = "ib0",
                                                            .address = 0x0a630001u + (uint32_t)i,
                                                            .prefix = 24,
                                                            .mbits = 100000,
                                                            .running = true};
    assert_said(n, "hosts talk over e0 (1 Gbit/s) though each has ib0 (100 Gbit/s): mpirun --mca "
                   "btl_tcp_if_include ib0");
    all[1].networks[2].running = false;
    assert_string_equal(judge(n), "");
    all[1].networks[2].running = true;
    all[0].in_use = all[1].in_use = 4;
    assert_string_equal(judge(n), "");
}

static void lack_of_memory_is_a_status(void **state)
{
    (void)state;
    int n = launch(2, 2, 4);
    for (int k = 1; k <= 3; k++) {
        lk_alloc_fail_at(k);
        assert_status(lk_place_judge(all, n, &said), LK_E_NOMEM);
        lk_alloc_fail_at(0);
    }
}

/* 128 ranks on each of 2 machines, bound to two cores each and all wrong: judged at once. */
static void many_ranks_are_judged_at_once(void **state)
{
    (void)state;
    int n = launch(2, 128, 256);
    for (int i = 0; i < n; i++) bind_to(i, i % 128 / 2, 2);
    assert_said(n, "128 ranks may use 65 of 256 cores on hosts h0, h1,");
}

/* What this process sees of itself cannot be wrong in these respects. */
static void a_rank_sees_where_it_is(void **state)
{
    (void)state;
    lk_place *place = NULL;
    assert_ok(LK_ALLOC(1, &place));
    setenv("OMP_NUM_THREADS", "3", 1);
    lk_place_read(place);
    assert_true(place->n_cores >= 1 && lk_barrier_count_cores(place->cores) >= 1);
    assert_true(lk_barrier_count_cores(place->cores) <= place->n_cores);
    assert_true(place->threads_per_core >= 1);
    assert_int_equal(place->threads_asked, 3);
    assert_string_equal(place->threads_by, "OMP_NUM_THREADS");
    assert_true(strlen(place->kernels) > 0 && strlen(place->library) > 0);
    assert_int_equal(place->in_use, 0);
    lk_free(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_launches_are_not_spoken_of),
        cmocka_unit_test(more_ranks_than_cores_are_named),
        cmocka_unit_test(ranks_bound_to_the_same_cores_are_named),
        cmocka_unit_test(threads_that_a_rank_does_not_have_are_named),
        cmocka_unit_test(mixed_machines_are_named),
        cmocka_unit_test(an_address_on_two_hosts_is_named),
        cmocka_unit_test(a_slow_network_beside_a_fast_one_is_named),
        cmocka_unit_test(lack_of_memory_is_a_status),
        cmocka_unit_test(many_ranks_are_judged_at_once),
        cmocka_unit_test(a_rank_sees_where_it_is),
    };
    lk_str_init(&said);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lk_str_clear(&said);
    return failed;
}
