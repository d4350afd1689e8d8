/* Shared memory of a host: too little of it is found before it is asked for, on all ranks, and a smaller wish
 * then works. */
#include <mpi.h>
#include <sys/statvfs.h>

#include "comm/reduce.h"
#include "core/clock.h"
#include "lk_test_mpi.h"

enum { MANY_SLOTS = 1000 };

typedef struct wish {
    lk_span_table spans;
    int64_t       columns;
    int           n_slots;
} wish;

static lk_status wish_make(wish *it, int64_t columns, int n_slots)
{
    lk_span span = {.kind = LK_SPAN_PARAMETER, .name = "w", .shape = {.n_axes = 2, .axis = {1, columns}}};
    memset(it, 0, sizeof *it);
    it->columns = columns;
    it->n_slots = n_slots;
    return lk_span_table_add(&it->spans, &span);
}

static lk_status wish_create(lk_comm *comm, const wish *it, lk_reduce_kind kind, lk_reduce **reduce)
{
    lk_reduce_options options = {
        .kind = kind, .lanes = 64, .group_lanes = 64, .n_slots = it->n_slots, .n_sums = 3};
    return lk_reduce_create(comm, &options, &it->spans, reduce);
}

static lk_status lay_out(int ranks_per_host, lk_comm **comm)
{
    lk_status st = LK_OK;
    MPI_Comm  world = MPI_COMM_WORLD;
    LK_TRY(lk_comm_create_on(&world, comm));
    LK_TRY(lk_comm_layout(*comm, &(lk_comm_options){.ranks_per_host = ranks_per_host}));
done:
    return st;
}

/* Every host's window alone would fit where `share` is below 1; all of a machine count together. */
static bool too_much_is_refused(int ranks_per_host, double share)
{
    lk_comm       *comm = NULL;
    lk_reduce     *reduce = NULL;
    wish           big, small;
    struct statvfs fs;
    double         start = lk_clock_seconds(), free_bytes = 0;
    bool           fine = lay_out(ranks_per_host, &comm) == LK_OK;
    if (statvfs("/dev/shm", &fs) == 0) free_bytes = (double)fs.f_bavail * (double)fs.f_frsize;
    fine = lk_comm_broadcast(comm, &free_bytes, sizeof free_bytes) == LK_OK && fine && free_bytes > 0;
    fine = wish_make(&big, (int64_t)(share * free_bytes / sizeof(float) / MANY_SLOTS) + 1, MANY_SLOTS) ==
               LK_OK &&
           fine;
    fine = wish_make(&small, 5000, 2) == LK_OK && fine;
    lk_status   st = wish_create(comm, &big, LK_REDUCE_LOCKSTEP, &reduce);
    const char *text = lk_error_message();
    fine = fine && st == LK_E_NOMEM && reduce == NULL && strstr(text, "shared memory: ") &&
           strstr(text, "/dev/shm");
    fine = fine && strstr(text, "--shm-size") && strstr(text, "train.reduce: allreduce");
    if (!fine) print_error("status %d: %s\n", (int)st, text);
    fine = fine && wish_create(comm, &small, LK_REDUCE_LOCKSTEP, &reduce) == LK_OK;
    if (fine) lk_reduce_state(reduce)[lk_comm_rank(comm)] = 1;
    lk_reduce_destroy(&reduce);
    lk_comm_destroy(&comm);
    lk_span_table_clear(&big.spans);
    lk_span_table_clear(&small.spans);
    return fine && lk_clock_seconds() - start < 20;
}

static void too_little_shared_memory_is_found_before_the_call(void **state)
{
    (void)state;
    if (lk_comm_size(lk_test_comm) == 1) skip(); /* one rank a host has memory of its own */
    assert_everywhere(lk_test_comm, too_much_is_refused(0, 1.05));
}

static void virtual_hosts_of_a_machine_share_what_there_is(void **state)
{
    (void)state;
    if (lk_comm_size(lk_test_comm) < 4) skip();
    assert_everywhere(lk_test_comm, too_much_is_refused(2, 0.6));
}

/* State, slots and slabs of a host do not grow with its ranks, but for a slab a fringe value. */
static void a_host_has_one_copy_of_state_and_slots(void **state)
{
    (void)state;
    lk_comm       *comm = NULL;
    lk_reduce     *reduce = NULL;
    lk_reduce_info info;
    wish           it;
    bool           fine = lay_out(0, &comm) == LK_OK && wish_make(&it, 300000, 2) == LK_OK;
    fine = fine && wish_create(comm, &it, LK_REDUCE_LOCKSTEP, &reduce) == LK_OK;
    if (fine) {
        lk_reduce_get_info(reduce, &info);
        double bytes = (double)it.spans.total_floats * sizeof(float) * (1 + 2 + info.n_slabs_host);
        fine = lk_comm_size(comm) == 1 ? info.window_bytes == 0 && (double)info.private_bytes >= bytes &&
                                             (double)info.private_bytes < bytes + 3e5
                                       : info.private_bytes == 0 && (double)info.window_bytes >= bytes &&
                                             (double)info.window_bytes < bytes + 3e5;
        if (lk_comm_is_root(comm)) lk_reduce_state(reduce)[7] = 42;
        fine = lk_reduce_publish(reduce) == LK_OK && fine;
        fine = fine && lk_reduce_state(reduce)[7] == 42 && lk_reduce_slot(reduce, 1)[299999] == 0;
    }
    lk_reduce_destroy(&reduce);
    lk_comm_destroy(&comm);
    lk_span_table_clear(&it.spans);
    assert_everywhere(lk_test_comm, fine);
}

/* Proportional set size, in bytes, of the mapping that holds `address`: each page's share in this process. -1: no such one. */
static double mapped_share(const void *address)
{
    char               line[512];
    unsigned long long from = 0, to = 0;
    double             kilobytes = -1;
    bool               here = false;
    FILE              *file = fopen("/proc/self/smaps", "r");
    while (file && kilobytes < 0 && fgets(line, sizeof line, file)) {
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            here = (uintptr_t)address >= from && (uintptr_t)address < to;
        else if (here)
            sscanf(line, "Pss: %lf kB", &kilobytes);
    }
    if (file) fclose(file);
    return kilobytes < 0 ? -1 : 1024 * kilobytes;
}

/* What the kernel counts, all ranks together, less the slabs of gradients: one copy of state and slots, within the window's small
 * pieces. A private copy a rank would show as so many. */
static void the_kernel_counts_one_copy_a_host(void **context)
{
    (void)context;
    if (lk_comm_size(lk_test_comm) == 1)
        skip(); /* its own memory: the mapping holds neighbours on the heap too */
    enum { COLUMNS = 4000000, SLOTS = 2 };
    lk_comm       *comm = NULL;
    lk_reduce     *reduce = NULL;
    lk_reduce_info info;
    wish           it;
    double         share = 0, all[64], total = 0;
    bool           fine = lay_out(0, &comm) == LK_OK && wish_make(&it, COLUMNS, SLOTS) == LK_OK;
    fine = fine && lk_comm_size(comm) <= 64 && wish_create(comm, &it, LK_REDUCE_LOCKSTEP, &reduce) == LK_OK;
    if (fine) {
        double copy = (double)COLUMNS * (1 + SLOTS) * sizeof(float);
        lk_reduce_get_info(reduce, &info);
        volatile float seen = 0; /* each rank reads all of it, as a forward pass does */
        for (int64_t i = 0; i < COLUMNS; i += 16) seen += lk_reduce_state(reduce)[i];
        (void)seen;
        fine = lk_comm_barrier(comm) == LK_OK;
        share = mapped_share(lk_reduce_state(reduce));
        fine = lk_comm_allgather(comm, &share, 1, all) == LK_OK && fine && share > 0;
        for (int r = 0; r < lk_comm_size(comm); r++) total += all[r];
        total -= (double)info.n_slabs_host * COLUMNS * sizeof(float);
        fine = fine && total > 0.98 * copy && total < 1.02 * copy;
        if (lk_comm_is_root(comm))
            print_message("np %d: parameters and optimizer state take %.1f MB, one copy has %.1f MB\n",
                          lk_comm_size(comm), total / 1e6, copy / 1e6);
        fine = lk_comm_barrier(comm) == LK_OK && fine;
    }
    lk_reduce_destroy(&reduce);
    lk_comm_destroy(&comm);
    lk_span_table_clear(&it.spans);
    assert_everywhere(lk_test_comm, fine);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_little_shared_memory_is_found_before_the_call),
        cmocka_unit_test(virtual_hosts_of_a_machine_share_what_there_is),
        cmocka_unit_test(a_host_has_one_copy_of_state_and_slots),
        cmocka_unit_test(the_kernel_counts_one_copy_a_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return lk_test_mpi_run("test_mpi_window", run);
}
