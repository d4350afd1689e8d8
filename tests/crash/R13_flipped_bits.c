/* R13: replicas are compared by hash: every flipped bit is found, and the message names span and host. */
#include <mpi.h>

#include "comm/reduce.h"
#include "core/rng.h"
#include "lk_test_mpi.h"

enum { N_SLOTS = 2, FLIPS_ON_THREE = 1000, FLIPS = 100 };

static lk_span_table spans;

static lk_status make_spans(void)
{
    lk_status st = LK_OK;
    struct {
        const char  *name;
        lk_span_kind kind;
        int64_t      rows, columns;
    } list[] = {{"first/weight", LK_SPAN_PARAMETER, 37, 211}, {"first/bias", LK_SPAN_PARAMETER, 1, 37},
                {"second/weight", LK_SPAN_PARAMETER, 60, 96}, {"second/bias", LK_SPAN_PARAMETER, 1, 3},
                {"norm/mean", LK_SPAN_STATISTIC, 1, 37},      {"norm/variance", LK_SPAN_STATISTIC, 1, 37}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        lk_span span = {.kind = list[i].kind,
                        .shape = {.n_axes = 2, .axis = {list[i].rows, list[i].columns}}};
        snprintf(span.name, sizeof span.name, "%s", list[i].name);
        LK_TRY(lk_span_table_add(&spans, &span));
    }
done:
    return st;
}

typedef struct rig {
    lk_comm   *comm;
    lk_reduce *reduce;
} rig;

static lk_status rig_create(rig *it, lk_reduce_kind kind, int ranks_per_host)
{
    lk_status         st = LK_OK;
    MPI_Comm          world = MPI_COMM_WORLD;
    lk_reduce_options options = {.kind = kind, .lanes = 8, .group_lanes = 4, .n_slots = N_SLOTS, .n_sums = 3};
    memset(it, 0, sizeof *it);
    LK_TRY(lk_comm_create_on(&world, &it->comm));
    LK_TRY(lk_comm_layout(it->comm, &(lk_comm_options){.ranks_per_host = ranks_per_host}));
    LK_TRY(lk_reduce_create(it->comm, &options, &spans, &it->reduce));
    for (int64_t i = 0; lk_comm_is_root(it->comm) && i < spans.total_floats; i++)
        lk_reduce_state(it->reduce)[i] = 0.01f * (float)(i % 1013);
    for (int64_t i = 0; lk_comm_is_root(it->comm) && i < spans.parameter_floats; i++)
        lk_reduce_slot(it->reduce, 1)[i] = 1.0f / (float)(1 + i % 1013);
    LK_TRY(lk_reduce_publish(it->reduce));
done:
    return st;
}

static void rig_destroy(rig *it)
{
    lk_reduce_destroy(&it->reduce);
    lk_comm_destroy(&it->comm);
}

/* ---- flips ---- */

typedef struct flip {
    int     buffer; /* 0: state, then slots */
    int     span, bit, replica;
    int64_t at; /* element of the span */
} flip;

static int draw(const lk_rng *rng, int *at, int64_t below)
{
    return (int)(lk_rng_word(rng, (uint64_t)(*at)++) % (uint32_t)below);
}

/* The same on all ranks. Slots have no values for statistics. */
static flip draw_flip(int number, int replicas)
{
    lk_rng rng = lk_rng_make(17, LK_RNG_TEST, number, 0, 0);
    int    at = 0, n_parameters = 0;
    flip   it = {.buffer = draw(&rng, &at, 1 + N_SLOTS), .replica = draw(&rng, &at, replicas)};
    while (n_parameters < spans.n_spans && spans.spans[n_parameters].kind == LK_SPAN_PARAMETER)
        n_parameters++;
    it.span = draw(&rng, &at, it.buffer ? n_parameters : spans.n_spans);
    it.at = draw(&rng, &at, spans.spans[it.span].count);
    it.bit = draw(&rng, &at, 32);
    return it;
}

static void do_flip(const rig *it, const flip *f, bool mine)
{
    float *buffer = f->buffer ? lk_reduce_slot(it->reduce, f->buffer - 1) : lk_reduce_state(it->reduce);
    float *value = buffer + spans.spans[f->span].offset + f->at;
    if (mine) *(uint32_t *)(void *)value ^= (uint32_t)1 << f->bit;
}

/* What the message has to say: the span, the slot if it is one, and from three replicas on the odd one. */
static bool names_it(const flip *f, const char *replica, int replicas)
{
    const char *text = lk_error_message();
    char        part[256];
    snprintf(part, sizeof part, "%s'%s' is not the same on all %d ",
             f->buffer == 0 ? ": " : (f->buffer == 1 ? ": optimizer slot 0 of " : ": optimizer slot 1 of "),
             spans.spans[f->span].name, replicas);
    bool fine = strstr(text, part) != NULL;
    snprintf(part, sizeof part, ": the odd one is %s", replica);
    size_t length = strlen(text), tail = strlen(part);
    bool   named = length >= tail && strcmp(text + length - tail, part) == 0;
    return fine && named == (replicas > 2) && (strstr(text, "odd one") != NULL) == (replicas > 2);
}

static bool all_flips_are_found(lk_reduce_kind kind, int ranks_per_host)
{
    rig  it;
    bool fine = rig_create(&it, kind, ranks_per_host) == LK_OK;
    if (!fine) return false;
    bool ranks = kind == LK_REDUCE_ALLREDUCE;
    int  replicas = ranks ? lk_comm_size(it.comm) : lk_comm_n_hosts(it.comm);
    int  n = replicas == 3 && !ranks ? FLIPS_ON_THREE : FLIPS, found = 0;
    fine = lk_reduce_verify(it.reduce) == LK_OK;
    for (int i = 0; i < n && replicas > 1; i++) {
        flip f = draw_flip(i, replicas);
        char name[160];
        int  host = ranks ? 0 : f.replica;
        bool mine = ranks ? lk_comm_rank(it.comm) == f.replica
                          : lk_comm_host(it.comm) == host && lk_comm_rank_on_host(it.comm) == 0;
        snprintf(name, sizeof name, "%s%s", ranks ? "rank " : "host ",
                 ranks ? "" : lk_comm_host_name(it.comm, host));
        if (ranks)
            snprintf(name, sizeof name, "rank %d on host %s", f.replica, lk_comm_host_name(it.comm, 0));
        do_flip(&it, &f, mine);
        lk_status st = lk_reduce_verify(it.reduce);
        bool      good = st == LK_E_DESYNC && names_it(&f, name, replicas);
        if (!good) print_error("flip %d on %s: %d %s\n", i, name, (int)st, lk_error_message());
        found += good;
        do_flip(&it, &f, mine);
    }
    fine = fine && (replicas == 1 || found == n) && lk_reduce_verify(it.reduce) == LK_OK;
    if (replicas > 1)
        print_message("%d of %d flips found on %d %s\n", found, n, replicas, ranks ? "ranks" : "hosts");
    rig_destroy(&it);
    return fine;
}

static void flips_on_any_host_are_found_and_named(void **state)
{
    (void)state;
    for (int ranks_per_host = 1; ranks_per_host <= 3; ranks_per_host++)
        assert_everywhere(lk_test_comm, all_flips_are_found(LK_REDUCE_LOCKSTEP, ranks_per_host));
}

static void flips_on_any_rank_are_found_without_a_window(void **state)
{
    (void)state;
    assert_everywhere(lk_test_comm, all_flips_are_found(LK_REDUCE_ALLREDUCE, 0));
}

/* One host has one copy of everything: there is nothing to compare. */
static void one_host_has_nothing_to_compare(void **state)
{
    (void)state;
    rig  it;
    flip f = {.buffer = 0, .span = 0, .bit = 7, .at = 5};
    bool fine = rig_create(&it, LK_REDUCE_LOCKSTEP, 0) == LK_OK && lk_comm_n_hosts(it.comm) == 1;
    do_flip(&it, &f, lk_comm_is_root(it.comm));
    fine = fine && lk_reduce_verify(it.reduce) == LK_OK;
    rig_destroy(&it);
    assert_everywhere(lk_test_comm, fine);
}

/* Equal padding is no promise, so differing padding is no difference. */
static void padding_is_not_compared(void **state)
{
    (void)state;
    rig  it;
    bool fine = rig_create(&it, LK_REDUCE_LOCKSTEP, 1) == LK_OK;
    fine = fine && spans.spans[3].offset + 3 < spans.spans[4].offset;
    lk_reduce_state(it.reduce)[spans.spans[3].offset + 3] = (float)lk_comm_rank(it.comm);
    fine = fine && lk_reduce_verify(it.reduce) == LK_OK;
    rig_destroy(&it);
    assert_everywhere(lk_test_comm, fine);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips_on_any_host_are_found_and_named),
        cmocka_unit_test(flips_on_any_rank_are_found_without_a_window),
        cmocka_unit_test(one_host_has_nothing_to_compare),
        cmocka_unit_test(padding_is_not_compared),
    };
    if (make_spans() != LK_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lk_span_table_clear(&spans);
    return failed;
}

int main(void)
{
    return lk_test_mpi_run("R13_flipped_bits", run);
}
