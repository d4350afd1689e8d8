/* After warm-up a step allocates nothing: our own allocations on any number of ranks; and where no MPI was started,
 * nobody's, the C library's and HDF5's included. */
#include "lk_test_session.h"

#include <stdatomic.h>

/* ---- counting every allocation of the process ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Atomic int64_t all_allocations;

#ifndef __SANITIZE_ADDRESS__
void *malloc(size_t size)
{
    atomic_fetch_add(&all_allocations, 1);
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    atomic_fetch_add(&all_allocations, 1);
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    atomic_fetch_add(&all_allocations, 1);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&all_allocations, 1);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    atomic_fetch_add(&all_allocations, 1);
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : 12; /* ENOMEM */
}
#endif

/* ---- runs ---- */

enum { SAMPLES = 200, SIDE = 8, PIXELS = SIDE * SIDE, WARM_UP = 12, STEPS = 60 };

static lk_status write_data(void)
{
    uint8_t x[SAMPLES * PIXELS];
    int32_t y[SAMPLES];
    for (int i = 0; i < SAMPLES * PIXELS; i++) x[i] = (uint8_t)(i * 37 % 251);
    for (int i = 0; i < SAMPLES; i++) y[i] = i % 4;
    return write_train(path_of("d.h5"), (test_array){LK_H5_U8, 4, {SAMPLES, SIDE, SIDE, 1}, x},
                       (test_array){LK_H5_I32, 1, {SAMPLES}, y});
}

/* Dropout, batch norm, augmentation, clipping, an uneven last batch: 200 samples in 33s. */
static lk_status count(const char *reduce, const char *over, const char *optimizer, int64_t *ours,
                       int64_t *all)
{
    lk_status st = LK_OK;
    test_run  it;
    LK_TRY(start_run(
        session->comm, &it,
        "lockstep: 1\nseed: 5\n"
        "data: {train: \"%s:/train\", normalise: unit, augment: [flip, {shift: 1}]}\n"
        "model:\n  - conv2d: {filters: 8, kernel: 3, padding: same, activation: relu}\n"
        "  - batch_norm: {over: %s}\n  - max_pool\n  - flatten\n  - dropout: 0.3\n  - dense: {units: 16, "
        "activation: gelu}\n"
        "  - layer_norm\n  - dense: {units: 4}\nloss: softmax_cross_entropy\nmetrics: [accuracy, "
        "f1, confusion_matrix]\n"
        "optimizer: %s\nschedule: {cosine: {warmup: 1 epoch}}\nregularize: {l2: 1e-4}\n"
        "train: {epochs: 20, batch_size: 33, reduce: %s, clip_norm: 1}\n",
        path_of("d.h5"), over, optimizer, reduce));
    for (int i = 0; i < WARM_UP + STEPS; i++) {
        unsigned flags = 0;
        double   loss;
        if (i == WARM_UP) {
            *ours = lk_alloc_count();
            *all = atomic_load(&all_allocations);
        }
        LK_TRY(lk_run_step(it.run, &flags, &loss));
    }
    *ours = lk_alloc_count() - *ours;
    *all = atomic_load(&all_allocations) - *all;
done:
    stop_run(&it);
    return st;
}

static void steps_allocate_nothing_after_warm_up(void **state)
{
    (void)state;
    static const char *const reduces[] = {"lockstep", "allreduce"},
                             *optimizers[] = {"adam", "{sgd: {momentum: 0.9}}", "adagrad", "rmsprop",
                                              "adamw"};
    bool alone = !getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMI_SIZE");
    for (int r = 0; r < 2; r++)
        for (int o = 0; o < 5; o++) {
            int64_t ours = 0, all = 0;
            /* The optimizer and the batch norm know nothing of each other. */
            lk_status st = count(reduces[r], o == 1 ? "batch" : "lane", optimizers[o], &ours, &all);
            bool      none = st == LK_OK && ours == 0 && (!alone || all == 0);
            if (st == LK_OK && !none)
                print_error("%s, %s: %lld of our allocations, %lld in all in %d steps\n", reduces[r],
                            optimizers[o], (long long)ours, (long long)all, STEPS);
            if (st != LK_OK) print_error("%s\n", lk_error_message());
            st = lk_session_agree(session, none ? LK_OK : lk_fail(LK_E_BUG, "a rank allocated"));
            assert_int_equal(st, LK_OK);
        }
}

/* The counter counts: else the test above could not fail. */
static void the_counter_counts(void **state)
{
    (void)state;
#ifndef __SANITIZE_ADDRESS__
    int64_t before = atomic_load(&all_allocations), ours = lk_alloc_count();
    char   *text = NULL;
    assert_int_equal(lk_strdup("text", &text), LK_OK);
    assert_true(atomic_load(&all_allocations) > before && lk_alloc_count() == ours + 1);
    lk_free(&text);
#endif
}

static int set_up(void **state)
{
    if (begin_session(state) != 0) return 1;
    /* Virtual hosts of two ranks: three and four ranks also go through the exchange. */
    if (lk_comm_layout(session->comm, &(lk_comm_options){.ranks_per_host = 2}) != LK_OK) return 1;
    return lk_session_agree(session, lk_session_is_root(session) ? write_data() : LK_OK) != LK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counter_counts),
        cmocka_unit_test(steps_allocate_nothing_after_warm_up),
    };
    return cmocka_run_group_tests(tests, set_up, end_session);
}
