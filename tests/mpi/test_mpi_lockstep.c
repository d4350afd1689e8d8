/*
 * The reduction through its API: random lane gradients, a small update, and bits that must be those of a
 * serial oracle on every rank count and every layout of hosts.
 */
#include <float.h>
#include <mpi.h>

#include "comm/plan.h"
#include "comm/reduce.h"
#include "comm/tags.h"
#include "comm/tile.h"
#include "core/alloc.h"
#include "core/rng.h"
#include "lk_test_mpi.h"

enum { STEPS = 4, N_SLOTS = 2, N_SUMS = 4, MAX_LANES = 64, MAX_TOTAL = 60000, MAX_RANKS = 64 };

/* ---- a model's spans, and what each lane's backward would give ---- */

static lk_span_table spans;

static void add_span(const char *name, lk_span_kind kind, int64_t rows, int64_t columns)
{
    lk_span span = {.kind = kind, .shape = {.n_axes = 2, .axis = {rows, columns}}};
    snprintf(span.name, sizeof span.name, "%s", name);
    if (lk_span_table_add(&spans, &span) != LK_OK) abort();
}

static void make_spans(void)
{
    add_span("first/weight", LK_SPAN_PARAMETER, 37, 211);
    add_span("first/bias", LK_SPAN_PARAMETER, 1, 37);
    add_span("second/weight", LK_SPAN_PARAMETER, 160, 256);
    add_span("second/bias", LK_SPAN_PARAMETER, 1, 3);
    add_span("norm/mean", LK_SPAN_STATISTIC, 1, 37);
    add_span("norm/variance", LK_SPAN_STATISTIC, 1, 37);
}

typedef struct scene {
    int lanes, step;
    int empty_from; /* lanes from here on are empty, as in a last batch */
    int holes;      /* every so many-th lane is empty too; 0: none */
} scene;

static bool lane_present(const scene *it, int lane)
{
    return lane < it->empty_from && (it->holes == 0 || lane % it->holes != 1);
}

/* [total_floats] of every span, zero between them; drawn once. */
static const float *lane_gradient(const scene *it, int lane)
{
    static float *drawn[STEPS][MAX_LANES];
    float        *g = drawn[it->step][lane];
    if (g) return g;
    g = drawn[it->step][lane] = calloc((size_t)spans.total_floats, sizeof *g);
    if (!g) abort();
    lk_rng rng = lk_rng_make(5, LK_RNG_TEST, lane, it->step, 0);
    for (int s = 0; s < spans.n_spans; s++)
        for (int64_t i = spans.spans[s].offset; i < spans.spans[s].offset + spans.spans[s].count; i++) {
            uint32_t word[4];
            lk_rng_block(&rng, (uint64_t)i, word);
            g[i] = ldexpf((float)(word[0] & 0xffffff) - (float)0x7fffff, (int)(word[0] >> 24) % 24 - 40);
        }
    return g;
}

static void lane_sums(const scene *it, int lane, double row[N_SUMS])
{
    row[0] = 3.25 + lane % 5;
    row[1] = 3 + lane % 5;
    row[2] = (double)lane_gradient(it, lane)[1] + lane * 0.1;
    row[3] = 1e-17 * lane + (double)lane_gradient(it, lane)[2] * 1e10;
}

/* value(node) from the definition; returns whether any lane is present. `out` [total]. */
static bool tree_value(const scene *it, lk_node node, float *out)
{
    if (node.lo >= it->lanes) return false;
    if (node.s == 1) {
        if (!lane_present(it, node.lo)) return false;
        memcpy(out, lane_gradient(it, node.lo), (size_t)spans.total_floats * sizeof *out);
        return true;
    }
    int    half = node.s / 2;
    bool   left = tree_value(it, (lk_node){node.lo, half}, out);
    float *other = malloc((size_t)spans.total_floats * sizeof *other);
    bool   right = tree_value(it, (lk_node){node.lo + half, half}, left ? other : out);
    for (int64_t i = 0; left && right && i < spans.total_floats; i++) out[i] = out[i] + other[i];
    free(other);
    return left || right;
}

static scene scene_of(int lanes, int step)
{
    scene it = {.lanes = lanes, .step = step, .empty_from = lanes};
    if (step == 1) it.empty_from = (lanes + 1) / 2;
    if (step == 2) it.holes = 3;
    if (step == 3) it.empty_from = 1;
    return it;
}

/* ---- the update, as an optimizer would do it ---- */

typedef struct replica {
    float *state, *slot[N_SLOTS];
} replica;

static void update_tile(void *context, const lk_tile_update *u)
{
    replica *it = context;
    bool     parameter = spans.spans[u->tile->span].kind == LK_SPAN_PARAMETER;
    for (int64_t i = 0; i < u->tile->count; i++) {
        if (!parameter) {
            u->state[i] = 0.9f * u->state[i] + 0.1f * (u->sum[i] * u->mean_scale);
            continue;
        }
        float  g = u->sum[i] * u->mean_scale * u->grad_scale;
        float *m = it->slot[0] + u->tile->offset, *v = it->slot[1] + u->tile->offset;
        m[i] = 0.9f * m[i] + 0.1f * g;
        v[i] = 0.5f * v[i] + g * g;
        u->state[i] -= 0.01f * m[i] / (sqrtf(v[i]) + 1e-3f);
    }
}

static void initialise(float *state, float *const slot[N_SLOTS])
{
    for (int64_t i = 0; i < spans.total_floats; i++) state[i] = 0.001f * (float)(i % 97);
    for (int k = 0; k < N_SLOTS; k++)
        for (int64_t i = 0; i < spans.parameter_floats; i++) slot[k][i] = 0.25f * (float)(k + 1);
}

/* ---- the serial oracle ---- */

typedef struct oracle {
    float  state[MAX_TOTAL], slot[N_SLOTS][MAX_TOTAL];
    double norm[STEPS], sums[STEPS][N_SUMS];
} oracle;

static oracle expected[MAX_LANES + 1]; /* by lanes; made on first use */
static bool   made[MAX_LANES + 1];

static const double clip = 1e-4; /* well below the norms, so clipping acts in every step */

static void oracle_step(oracle *o, const scene *it, const float *sum)
{
    double   row[MAX_LANES][N_SUMS], squares[1000], total = 0;
    bool     present[MAX_LANES];
    lk_tile *tiles = NULL;
    int      n_tiles = 0;
    replica  mine = {o->state, {o->slot[0], o->slot[1]}};
    memset(row, 0, sizeof row);
    for (int k = 0; k < it->lanes; k++) {
        present[k] = lane_present(it, k);
        if (present[k]) lane_sums(it, k, row[k]);
    }
    double *out = o->sums[it->step];
    lk_tree_sum_rows(&row[0][0], present, it->lanes, N_SUMS, out);
    if (lk_span_table_tiles(&spans, &tiles, &n_tiles) != LK_OK) abort();
    for (int t = 0; t < n_tiles; t++) {
        bool parameter = spans.spans[tiles[t].span].kind == LK_SPAN_PARAMETER;
        squares[t] = parameter ? lk_tile_squares(tiles[t].count, sum + tiles[t].offset) : 0;
    }
    lk_tree_sum_rows(squares, NULL, n_tiles, 1, &total);
    o->norm[it->step] = sqrt(total) * (1.0 / out[0]);
    float scale = (float)(clip / (o->norm[it->step] + 1e-6));
    for (int t = 0; t < n_tiles; t++) {
        bool  parameter = spans.spans[tiles[t].span].kind == LK_SPAN_PARAMETER;
        float factor = (float)(1.0 / out[parameter ? 0 : 1]);
        update_tile(&mine, &(lk_tile_update){&tiles[t], o->state + tiles[t].offset, sum + tiles[t].offset,
                                             factor, scale});
    }
    lk_free(&tiles);
}

static const oracle *oracle_of(int lanes)
{
    oracle *o = &expected[lanes];
    if (made[lanes]) return o;
    int    s = 1;
    float *sum = calloc((size_t)spans.total_floats, sizeof *sum);
    initialise(o->state, (float *[]){o->slot[0], o->slot[1]});
    while (s < lanes) s *= 2;
    for (int step = 0; step < STEPS; step++) {
        scene it = scene_of(lanes, step);
        tree_value(&it, (lk_node){0, s}, sum);
        oracle_step(o, &it, sum);
    }
    free(sum);
    made[lanes] = true;
    return o;
}

/* ---- a rank's part of a step ---- */

typedef struct rig {
    lk_comm   *comm;
    lk_reduce *reduce;
    replica    mine;
} rig;

typedef struct layout {
    int ranks_per_host, sizes[4], n_sizes;
} layout;

static lk_status rig_create(rig *it, const layout *hosts, lk_reduce_kind kind, int lanes, int group_lanes)
{
    lk_status         st = LK_OK;
    MPI_Comm          world = MPI_COMM_WORLD;
    lk_reduce_options options = {.kind = kind,
                                 .lanes = lanes,
                                 .group_lanes = group_lanes,
                                 .n_slots = N_SLOTS,
                                 .n_sums = N_SUMS,
                                 .clip_norm = clip,
                                 .bucket_bytes = 20000};
    memset(it, 0, sizeof *it);
    LK_TRY(lk_comm_create_on(&world, &it->comm));
    LK_TRY(lk_comm_layout(it->comm, &(lk_comm_options){.ranks_per_host = hosts->ranks_per_host,
                                                       .host_sizes = hosts->sizes,
                                                       .n_host_sizes = hosts->n_sizes}));
    LK_TRY(lk_reduce_create(it->comm, &options, &spans, &it->reduce));
    it->mine.state = lk_reduce_state(it->reduce);
    for (int k = 0; k < N_SLOTS; k++) it->mine.slot[k] = lk_reduce_slot(it->reduce, k);
    if (lk_comm_is_root(it->comm)) initialise(it->mine.state, it->mine.slot);
    LK_TRY(lk_reduce_publish(it->reduce));
done:
    return st;
}

static void rig_destroy(rig *it)
{
    lk_reduce_destroy(&it->reduce);
    lk_comm_destroy(&it->comm);
}

/* Forward and backward of my groups; `spoil` writes a NaN into the named span. */
static void local_half(rig *it, const scene *now, int spoil_span)
{
    int first, n;
    lk_reduce_run(it->reduce, &first, &n);
    for (int g = 0; g < lk_reduce_n_groups(it->reduce); g++) {
        lk_node node = lk_reduce_group(it->reduce, g);
        bool    any = false;
        float  *buffer = lk_reduce_group_begin(it->reduce, g);
        for (int k = node.lo; k < node.lo + node.s && k < now->lanes; k++) any = any || lane_present(now, k);
        if (any) {
            for (int64_t i = 0; i < spans.total_floats; i++)
                buffer[i] = NAN; /* to be overwritten, never read */
            tree_value(now, node, buffer);
            if (spoil_span >= 0) buffer[spans.spans[spoil_span].offset + 1] = NAN;
        }
        for (int s = spans.n_spans - 1; s >= 0 && any; s--) lk_reduce_span_ready(it->reduce, s);
        lk_reduce_group_end(it->reduce, g, any);
    }
    for (int k = first; k < first + n; k++)
        if (lane_present(now, k)) lane_sums(now, k, lk_reduce_lane_sums(it->reduce, k));
}

static bool equals_oracle(const rig *it, const oracle *o)
{
    bool same = memcmp(it->mine.state, o->state, (size_t)spans.total_floats * sizeof(float)) == 0;
    for (int k = 0; k < N_SLOTS; k++)
        same =
            same && memcmp(it->mine.slot[k], o->slot[k], (size_t)spans.parameter_floats * sizeof(float)) == 0;
    return same;
}

static bool run_steps(rig *it, int lanes)
{
    const oracle *o = oracle_of(lanes);
    bool          fine = true;
    for (int step = 0; step < STEPS; step++) {
        scene          now = scene_of(lanes, step);
        lk_step_result result;
        local_half(it, &now, -1);
        lk_status st = lk_reduce_finish(it->reduce, LK_OK, 0, update_tile, &it->mine, &result);
        if (st != LK_OK) print_error("step %d: %s\n", step, lk_error_message());
        if (st != LK_OK) return false;
        fine = fine && memcmp(result.sums, o->sums[step], sizeof o->sums[step]) == 0;
        fine = fine && memcmp(&result.grad_norm, &o->norm[step], sizeof result.grad_norm) == 0;
    }
    return fine && equals_oracle(it, o);
}

static const layout layouts[] = {
    {0, {0}, 0}, {1, {0}, 0}, {2, {0}, 0}, {3, {0}, 0}, {0, {2, 1, 1, 3}, 4}, {0, {1, 3}, 2}, {0, {3, 1}, 2},
};
enum { N_LAYOUTS = sizeof layouts / sizeof *layouts };

static bool check_layout(int lanes, const layout *hosts, int group_lanes)
{
    rig  it;
    bool fine =
        rig_create(&it, hosts, LK_REDUCE_LOCKSTEP, lanes, group_lanes) == LK_OK && run_steps(&it, lanes);
    if (it.reduce) fine = lk_reduce_verify(it.reduce) == LK_OK && fine;
    if (!fine)
        print_error("lanes %d, ranks a host %d, sizes %d..., groups of %d: %s\n", lanes,
                    hosts->ranks_per_host, hosts->sizes[0], group_lanes, lk_error_message());
    rig_destroy(&it);
    return fine;
}

/* ---- the claims ---- */

static void any_layout_gives_the_serial_bits(void **state)
{
    (void)state;
    const int lanes[] = {1, 5, 8, 12, 64};
    bool      fine = true;
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++)
        for (int k = 0; k < N_LAYOUTS; k++)
            fine = check_layout(lanes[i], &layouts[k], 1 << (i + (size_t)k) % 4) && fine;
    assert_everywhere(lk_test_comm, fine);
}

static void allreduce_has_other_bits_and_the_same_numbers(void **state)
{
    (void)state;
    rig           it;
    const oracle *o = oracle_of(8);
    int           size = lk_comm_size(lk_test_comm);
    double        worst = 0;
    bool          fine = true;
    assert_ok_everywhere(lk_test_comm, rig_create(&it, &layouts[0], LK_REDUCE_ALLREDUCE, 8, 1));
    for (int step = 0; step < STEPS; step++) {
        scene          now = scene_of(8, step);
        lk_step_result result;
        local_half(&it, &now, -1);
        fine = fine && lk_reduce_finish(it.reduce, LK_OK, 0, update_tile, &it.mine, &result) == LK_OK;
        fine = fine && fabs(result.sums[2] - o->sums[step][2]) <= 1e-9 * (1 + fabs(o->sums[step][2]));
        fine = fine && result.sums[0] == o->sums[step][0]; /* exact in double in any order */
        fine = fine && fabs(result.grad_norm - o->norm[step]) <= 1e-6 * o->norm[step];
    }
    for (int64_t i = 0; i < spans.total_floats; i++)
        worst = fmax(worst, fabs((double)it.mine.state[i] - (double)o->state[i]));
    bool same = equals_oracle(&it, o);
    rig_destroy(&it);
    assert_everywhere(lk_test_comm, fine);
    assert_everywhere(lk_test_comm,
                      worst < 1e-3); /* a step moves a parameter by 0.01 at most; ill-conditioned sums */
    if (size == 3 || size == 5) assert_everywhere(lk_test_comm, !same); /* the test of the bits has power */
}

static bool share_text(const char *text, const lk_comm *comm)
{
    char mine[512] = "", root[512] = "";
    (void)comm;
    snprintf(mine, sizeof mine, "%s", text);
    memcpy(root, mine, sizeof root);
    return lk_comm_broadcast(lk_test_comm, root, sizeof root) == LK_OK && strcmp(mine, root) == 0;
}

/* After a bad step every rank has this status and the same text, which contains `part`, and nothing has
 * moved. */
static bool bad_step(rig *it, const oracle *before, lk_status local, const char *words, int spoil,
                     const scene *now, lk_status expected_status, const char *part)
{
    lk_step_result result;
    local_half(it, now, spoil);
    if (local != LK_OK) lk_fail(local, "%s", words);
    lk_status st = lk_reduce_finish(it->reduce, local, 0, update_tile, &it->mine, &result);
    char      text[512];
    snprintf(text, sizeof text, "%s", lk_error_message());
    bool fine = st == expected_status && strstr(text, part) && share_text(text, it->comm) &&
                equals_oracle(it, before);
    if (!fine)
        print_error("status %d, message '%s', wanted %d and '%s'\n", (int)st, text, (int)expected_status,
                    part);
    return fine;
}

static bool bad_steps(lk_reduce_kind kind, const layout *hosts)
{
    static oracle start;
    rig           it;
    int           rank = lk_comm_rank(lk_test_comm), size = lk_comm_size(lk_test_comm), first, n;
    scene         now = scene_of(8, 0), none = now;
    char          part[64];
    none.empty_from = 0;
    initialise(start.state, (float *[]){start.slot[0], start.slot[1]});
    bool fine = rig_create(&it, hosts, kind, 8, 2) == LK_OK;
    for (int bad = 0; bad < size && fine; bad++) { /* each rank alone, and each with the last one */
        bool me = rank == bad || rank == size - 1;
        snprintf(part, sizeof part, size > 1 && bad < size ? "rank %d on host " : "sample", bad);
        if (size == 2 && bad == 0) snprintf(part, sizeof part, "rank 0 on host ");
        char words[64];
        snprintf(words, sizeof words, "sample %d is broken", 40 + rank);
        fine = bad_step(&it, &start, me ? LK_E_DATA : LK_OK, words, -1, &now, LK_E_DATA, part) && fine;
    }
    fine = fine &&
           bad_step(&it, &start, LK_E_NOMEM, "the same for all", -1, &now, LK_E_NOMEM, "the same for all");
    lk_reduce_run(it.reduce, &first, &n);
    bool spoils = first <= 3 && 3 < first + n; /* who has lane 3 */
    fine = bad_step(&it, &start, LK_OK, "", spoils ? 2 : -1, &now, LK_E_DIVERGED, "'second/weight'") && fine;
    fine = bad_step(&it, &start, LK_OK, "", spoils ? 4 : -1, &now, LK_E_DIVERGED, "'norm/mean'") && fine;
    fine = bad_step(&it, &start, LK_OK, "", -1, &none, LK_E_DATA, "weight") && fine;
    rig_destroy(&it);
    return fine;
}

static void a_bad_step_moves_nothing_and_all_say_the_same(void **state)
{
    (void)state;
    for (int k = 0; k < N_LAYOUTS; k++)
        assert_everywhere(lk_test_comm, bad_steps(LK_REDUCE_LOCKSTEP, &layouts[k]));
    assert_everywhere(lk_test_comm, bad_steps(LK_REDUCE_ALLREDUCE, &layouts[0]));
}

static void a_good_step_follows_a_bad_one(void **state)
{
    (void)state;
    bool fine = true;
    for (int k = 0; k < N_LAYOUTS; k++) {
        rig            it;
        lk_step_result result;
        int            first, n;
        fine = rig_create(&it, &layouts[k], LK_REDUCE_LOCKSTEP, 12, 1) == LK_OK && fine;
        scene now = scene_of(12, 0);
        lk_reduce_run(it.reduce, &first, &n);
        local_half(&it, &now, first == 0 && n > 0 ? 0 : -1); /* who has lane 0 */
        lk_status st = lk_reduce_finish(it.reduce, LK_OK, 0, update_tile, &it.mine, &result);
        fine = fine && st == LK_E_DIVERGED && run_steps(&it, 12);
        rig_destroy(&it);
    }
    assert_everywhere(lk_test_comm, fine);
}

static void stop_flags_reach_every_rank(void **state)
{
    (void)state;
    int  rank = lk_comm_rank(lk_test_comm), size = lk_comm_size(lk_test_comm);
    bool fine = true;
    for (int k = 0; k <= N_LAYOUTS; k++) {
        rig            it;
        lk_step_result result;
        scene          now = scene_of(8, 0);
        lk_reduce_kind kind = k < N_LAYOUTS ? LK_REDUCE_LOCKSTEP : LK_REDUCE_ALLREDUCE;
        fine = rig_create(&it, &layouts[k % N_LAYOUTS], kind, 8, 4) == LK_OK && fine;
        unsigned flags = (rank == size - 1 ? (unsigned)LK_FLAG_STOP : 0u) |
                         (rank == size / 2 ? (unsigned)LK_FLAG_TIME : 0u);
        for (int step = 0; step < 2; step++) { /* flags of one step do not stay for the next */
            local_half(&it, &now, -1);
            lk_status st =
                lk_reduce_finish(it.reduce, LK_OK, step ? 0 : flags, update_tile, &it.mine, &result);
            fine =
                fine && st == LK_OK && result.flags == (step ? 0u : (unsigned)(LK_FLAG_STOP | LK_FLAG_TIME));
        }
        rig_destroy(&it);
    }
    assert_everywhere(lk_test_comm, fine);
}

/* What the plan says of all hosts together, over the STEPS scenes: floats that travel, and room for what
 * rides along. */
typedef struct traffic {
    double planned;           /* bytes of one step in which every lane is present */
    double payload, overhead; /* bytes of gradients in all steps; at most so much beside them */
} traffic;

static bool value_present(const scene *it, lk_node node)
{
    bool any = false;
    for (int k = node.lo; k < node.lo + node.s && k < it->lanes; k++) any = any || lane_present(it, k);
    return any;
}

static lk_status expect_traffic(const lk_comm *comm, int lanes, traffic *out)
{
    lk_status st = LK_OK;
    int       ranks[MAX_RANKS], n_tiles = 0, n_chunks = 0;
    lk_tile  *tiles = NULL;
    lk_chunk *chunks = NULL;
    lk_plan  *plan = NULL;
    int64_t   floats[1000];
    memset(out, 0, sizeof *out);
    for (int i = 0; i < lk_comm_n_hosts(comm); i++) ranks[i] = lk_comm_host_ranks(comm, i);
    LK_TRY(lk_span_table_tiles(&spans, &tiles, &n_tiles));
    LK_TRY(lk_plan_chunks(tiles, n_tiles, lk_comm_n_hosts(comm), ranks, &chunks, &n_chunks));
    for (int i = 0; i < n_chunks; i++) floats[i] = chunks[i].count;
    LK_TRY(lk_plan_create(&(lk_plan_spec){.lanes = lanes,
                                          .n_hosts = lk_comm_n_hosts(comm),
                                          .host_ranks = ranks,
                                          .n_chunks = n_chunks,
                                          .chunk_floats = floats,
                                          .host = -1,
                                          .end_chunk = n_chunks},
                          &plan));
    double header = 4 + 16, rider = 8 + 200 + 8.0 * N_SUMS * lanes; /* a message's, and with chunk 0 */
    for (int i = 0; i < plan->n_reports; i++) out->overhead += STEPS * (header + rider);
    int n_up = plan->n_adds + plan->n_visits;
    for (int i = 0; i < n_up + plan->n_backs; i++) {
        const lk_plan_add   *add = i < plan->n_adds ? &plan->adds[i] : NULL;
        const lk_plan_visit *visit = !add && i < n_up ? &plan->visits[i - plan->n_adds] : NULL;
        int                  chunk = add ? add->chunk : visit ? visit->chunk : plan->backs[i - n_up].chunk;
        double               bytes = (double)floats[chunk] * sizeof(float);
        if (add && add->from == add->to) continue;
        out->planned += bytes;
        out->overhead += STEPS * (header + (chunk == 0 ? rider : 0));
        for (int step = 0; step < STEPS; step++) {
            scene now = scene_of(lanes, step);
            if (i >= n_up || value_present(&now, add ? add->moved : visit->node)) out->payload += bytes;
        }
    }
done:
    lk_plan_destroy(&plan);
    lk_free(&chunks);
    lk_free(&tiles);
    return st;
}

/* Each present value crosses exactly as often as the plan says, and nothing else of its size does. */
static bool check_counters(const rig *it, int lanes)
{
    lk_reduce_info info;
    traffic        want;
    lk_reduce_get_info(it->reduce, &info);
    int  hosts = lk_comm_n_hosts(it->comm), mine = lk_comm_host_ranks(it->comm, lk_comm_host(it->comm));
    bool fine = info.n_window_steps == (mine > 1 ? STEPS : 0) && (mine > 1) == (info.window_bytes > 0);
    fine = fine && info.n_exchange_steps == (hosts > 1 ? STEPS : 0);
    double sent[3] = {(double)info.sent_bytes, (double)info.planned_bytes_step, (double)info.payload_bytes};
    double all[3 * MAX_RANKS], total = 0, planned = 0, payload = 0;
    fine = lk_comm_allgather(it->comm, sent, 3, all) == LK_OK && fine;
    for (int r = 0; r < lk_comm_size(it->comm); r++) {
        total += all[3 * r];
        planned += all[3 * r + 1];
        payload += all[3 * r + 2];
    }
    if (hosts == 1) return fine && total == 0 && planned == 0 && info.n_early_segments == 0;
    int first, n_lanes; /* alone on its host and with lanes: nobody else's flags to wait for */
    lk_reduce_run(it->reduce, &first, &n_lanes);
    if (mine == 1 && n_lanes > 0) fine = fine && info.n_early_segments > 0;
    fine = expect_traffic(it->comm, lanes, &want) == LK_OK && fine && planned == want.planned;
    fine = fine && payload == want.payload; /* to the byte */
    fine = fine && total > want.payload && total <= want.payload + want.overhead;
    double bound = 2.0 * (hosts - 1) * (double)spans.total_floats * sizeof(float);
    if (info.fringe_total == hosts)
        fine = fine && planned <= bound; /* the least that any allreduce can send */
    if (!fine)
        print_error("%d hosts: planned %.0f, wanted %.0f; sent %.0f, wanted %.0f and up to %.0f beside it\n",
                    hosts, planned, want.planned, total, want.payload, want.overhead);
    return fine;
}

static void counters_prove_window_and_exchange(void **state)
{
    (void)state;
    const int lanes[] = {1, 5, 8};
    bool      fine = true;
    for (int k = 0; k < 3 * N_LAYOUTS; k++) {
        rig it;
        int n = lanes[k / N_LAYOUTS];
        fine = rig_create(&it, &layouts[k % N_LAYOUTS], LK_REDUCE_LOCKSTEP, n, 4) == LK_OK &&
               run_steps(&it, n) && fine;
        fine = check_counters(&it, n) && fine;
        rig_destroy(&it);
    }
    assert_everywhere(lk_test_comm, fine);
}

enum { MAX_TILES = 64 };

static void count_tile(void *context, const lk_tile_update *update)
{
    double *count = context;
    count[update->tile->index]++;
}

/* A replica (host, or rank of the textbook path) updates each tile exactly once a step. */
static bool tiles_of_a_step(lk_reduce_kind kind, const layout *hosts)
{
    rig            it;
    lk_step_result result;
    lk_tile       *tiles = NULL;
    int            n_tiles = 0, rank = 0;
    double         mine[MAX_TILES] = {0}, all[MAX_RANKS * MAX_TILES];
    scene          now = scene_of(8, 0);
    bool           fine = rig_create(&it, hosts, kind, 8, 2) == LK_OK;
    fine = lk_span_table_tiles(&spans, &tiles, &n_tiles) == LK_OK && fine && n_tiles <= MAX_TILES;
    local_half(&it, &now, -1);
    fine = lk_reduce_finish(it.reduce, LK_OK, 0, count_tile, mine, &result) == LK_OK && fine;
    fine = lk_comm_allgather(it.comm, mine, MAX_TILES, all) == LK_OK && fine;
    for (int host = 0; host < lk_comm_n_hosts(it.comm); host++) {
        int n = lk_comm_host_ranks(it.comm, host), copies = kind == LK_REDUCE_LOCKSTEP ? 1 : n;
        for (int t = 0; t < MAX_TILES; t++) {
            double count = 0;
            for (int r = rank; r < rank + n; r++) count += all[r * MAX_TILES + t];
            fine = fine && count == (t < n_tiles ? copies : 0);
        }
        rank += n;
    }
    lk_free(&tiles);
    rig_destroy(&it);
    return fine;
}

static void a_host_updates_each_tile_once(void **state)
{
    (void)state;
    bool fine = true;
    for (int k = 0; k < N_LAYOUTS; k++) fine = tiles_of_a_step(LK_REDUCE_LOCKSTEP, &layouts[k]) && fine;
    fine = tiles_of_a_step(LK_REDUCE_ALLREDUCE, &layouts[0]) && fine;
    assert_everywhere(lk_test_comm, fine);
}

/* Rank `who` fails its k-th allocation of lk_reduce_create, for every k: all ranks say so, and none waits. */
static bool create_without_memory(const layout *hosts, lk_reduce_kind kind, int who)
{
    lk_reduce_options options = {
        .kind = kind, .lanes = 8, .group_lanes = 1, .n_slots = N_SLOTS, .n_sums = N_SUMS};
    rig  it;
    bool fine = rig_create(&it, hosts, kind, 8, 1) == LK_OK;
    int  k = 1;
    for (lk_status st = LK_E_NOMEM; fine && st != LK_OK; k++) {
        lk_reduce *reduce = NULL;
        if (lk_comm_rank(lk_test_comm) == who) lk_alloc_fail_at(k);
        st = lk_reduce_create(it.comm, &options, &spans, &reduce);
        lk_alloc_fail_at(0);
        fine = st == LK_OK || (st == LK_E_NOMEM && reduce == NULL);
        lk_reduce_destroy(&reduce);
    }
    rig_destroy(&it);
    return fine && k > 8;
}

static void running_out_of_memory_is_everybodys_status(void **state)
{
    (void)state;
    bool fine = true;
    for (int k = 0; k < 3; k++) fine = create_without_memory(&layouts[k], LK_REDUCE_LOCKSTEP, 0) && fine;
    fine = create_without_memory(&layouts[1], LK_REDUCE_LOCKSTEP, lk_comm_size(lk_test_comm) - 1) && fine;
    fine = create_without_memory(&layouts[0], LK_REDUCE_ALLREDUCE, 0) && fine;
    assert_everywhere(lk_test_comm, fine);
}

static int tag_limit; /* 0: MPI's own */

int MPI_Comm_get_attr(MPI_Comm comm, int key, void *value, int *known)
{
    if (key != MPI_TAG_UB || tag_limit == 0) return PMPI_Comm_get_attr(comm, key, value, known);
    *(int **)value = &tag_limit;
    *known = 1;
    return MPI_SUCCESS;
}

static void an_exchange_of_more_tags_than_mpi_has_is_refused(void **state)
{
    (void)state;
    lk_reduce_options options = {
        .kind = LK_REDUCE_LOCKSTEP, .lanes = 8, .group_lanes = 1, .n_slots = N_SLOTS, .n_sums = N_SUMS};
    const layout hosts = {.ranks_per_host = 1};
    rig          it;
    lk_reduce   *reduce = NULL;
    bool         fine = rig_create(&it, &hosts, LK_REDUCE_LOCKSTEP, 8, 1) == LK_OK;
    tag_limit = LK_TAG_EXCHANGE;
    lk_status st = lk_reduce_create(it.comm, &options, &spans, &reduce);
    tag_limit = 0;
    bool refused = st == LK_E_CONFIG && !reduce && strstr(lk_error_message(), "fewer ranks a host");
    fine = fine && (lk_comm_size(it.comm) > 1 ? refused : st == LK_OK);
    lk_reduce_destroy(&reduce);
    rig_destroy(&it);
    assert_everywhere(lk_test_comm, fine);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_layout_gives_the_serial_bits),
        cmocka_unit_test(allreduce_has_other_bits_and_the_same_numbers),
        cmocka_unit_test(a_bad_step_moves_nothing_and_all_say_the_same),
        cmocka_unit_test(a_good_step_follows_a_bad_one),
        cmocka_unit_test(stop_flags_reach_every_rank),
        cmocka_unit_test(counters_prove_window_and_exchange),
        cmocka_unit_test(a_host_updates_each_tile_once),
        cmocka_unit_test(running_out_of_memory_is_everybodys_status),
        cmocka_unit_test(an_exchange_of_more_tags_than_mpi_has_is_refused),
    };
    make_spans();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lk_span_table_clear(&spans);
    return failed;
}

int main(void)
{
    return lk_test_mpi_run("test_mpi_lockstep", run);
}
