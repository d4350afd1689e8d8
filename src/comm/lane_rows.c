#include "comm/lane_rows.h"

#include <limits.h>
#include <string.h>

#include "comm/comm_internal.h"
#include "comm/tree.h"
#include "core/alloc.h"

struct lk_lane_rows {
    lk_comm *comm; /* borrowed (outlives us) */
    int      lanes;
    int64_t  most_width;
    int      first, end; /* this rank's lanes */
    double  *mine, *all; /* owned: a rank sends one number, 1 if it has failed, and the rows of its lanes */
    int     *counts, *places; /* owned [size], in doubles */
    int64_t  bytes;
};

lk_status lk_lane_rows_create(lk_comm *comm, int lanes, int64_t most_width, lk_lane_rows **out)
{
    lk_status     st = LK_OK;
    lk_lane_rows *r = NULL;
    int           p = lk_comm_size(comm), q = lk_comm_rank(comm);
    *out = NULL;
    LK_CHECK(
        most_width <= (INT_MAX - p) / lanes, LK_E_CONFIG,
        "batch_norm over the whole batch: %d lanes of %lld numbers are too many; fewer train.lanes would do",
        lanes, (long long)most_width);
    LK_TRY(LK_ALLOC(1, &r));
    *r = (lk_lane_rows){.comm = comm,
                        .lanes = lanes,
                        .most_width = most_width,
                        .first = lk_tree_cut(lanes, p, q),
                        .end = lk_tree_cut(lanes, p, q + 1)};
    if (p > 1) {
        int64_t n_mine = 1 + (r->end - r->first) * most_width, n_all = p + lanes * most_width;
        LK_TRY(LK_ALLOC(n_mine, &r->mine));
        LK_TRY(LK_ALLOC(n_all, &r->all));
        r->bytes = 8 * (n_mine + n_all);
    }
    LK_TRY(LK_ALLOC(p, &r->counts));
    LK_TRY(LK_ALLOC(p, &r->places));
    *out = r;
    r = NULL;
done:
    lk_lane_rows_destroy(&r);
    return st;
}

void lk_lane_rows_destroy(lk_lane_rows **rows)
{
    if (!*rows) return;
    lk_free(&(*rows)->mine);
    lk_free(&(*rows)->all);
    lk_free(&(*rows)->counts);
    lk_free(&(*rows)->places);
    lk_free(rows);
}

int64_t lk_lane_rows_bytes(const lk_lane_rows *rows)
{
    return rows->bytes;
}

/* Ranks follow each other in lane order, so all rows together are the table, but for the number before each rank's. */
static void unpack(const lk_lane_rows *r, double *values, int64_t width, bool *well)
{
    for (int q = 0, p = lk_comm_size(r->comm); q < p; q++) {
        const double *from = r->all + r->places[q];
        int           first = lk_tree_cut(r->lanes, p, q), end = lk_tree_cut(r->lanes, p, q + 1);
        if (from[0] > 0) *well = false;
        memcpy(values + first * width, from + 1, (size_t)((end - first) * width) * sizeof *values);
    }
}

lk_status lk_lane_rows_share(lk_lane_rows *rows, double *values, int64_t width, bool *well)
{
    lk_status st = LK_OK;
    int       p = lk_comm_size(rows->comm), n_mine = rows->end - rows->first;
    LK_ASSERT(width <= rows->most_width);
    if (p == 1) return LK_OK;
    rows->mine[0] = *well ? 0 : 1;
    memcpy(rows->mine + 1, values + rows->first * width, (size_t)(n_mine * width) * sizeof *values);
    for (int q = 0, place = 0; q < p; place += rows->counts[q++]) {
        int n = lk_tree_cut(rows->lanes, p, q + 1) - lk_tree_cut(rows->lanes, p, q);
        rows->counts[q] = 1 + n * (int)width;
        rows->places[q] = place;
    }
    LK_TRY_MEETING(rows->comm,
                   MPI_Allgatherv(rows->mine, rows->counts[lk_comm_rank(rows->comm)], MPI_DOUBLE, rows->all,
                                  rows->counts, rows->places, MPI_DOUBLE, rows->comm->all));
    unpack(rows, values, width, well);
done:
    return st;
}
