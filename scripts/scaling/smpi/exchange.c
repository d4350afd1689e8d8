/*
 * The exchange's plan run by an independent simulator, SimGrid's SMPI: a second opinion on src/bench/replay.c.
 *
 * exchange BYTES COMPUTE_S: one rank a host, four lanes each; computes, then every segment goes through its rounds as in
 * comm/exchange.c. Prints the simulated seconds of a step of the slowest rank. The ranks' buffers are one, and nothing is
 * added up: only the times count.
 */
#include <mpi.h>
#include <smpi/smpi.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/plan.h"
#include "core/span.h"

enum { SPANS = 8, LANES = 4, MOST_BYTES = 1 << 24, MOST_ROUNDS = 64 };

/* What this rank sends to and takes from a peer in a round of a segment. */
typedef struct piece {
    int segment, round, peer, send, bytes;
} piece;

static piece *pieces;
static int    n_pieces, n_rounds;

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, offsetof(piece, bytes)); /* any order that brings equal ones together */
}

static void must(lk_status status)
{
    if (status == LK_OK) return;
    fprintf(stderr, "%s\n", lk_error_message());
    exit(1);
}

static void add(const lk_chunk *chunk, int round, int from, int to, int rank)
{
    pieces[n_pieces++] =
        (piece){chunk->segment, round - 1, from == rank ? to : from, from == rank, (int)(4 * chunk->count)};
}

static int make_pieces(long long bytes, int hosts, int rank)
{
    lk_span_table table = {0};
    lk_tile      *tiles;
    lk_chunk     *chunks;
    lk_plan      *plan;
    int           n_tiles, n, kept = 0, *ranks = malloc((size_t)hosts * sizeof *ranks);
    for (int i = 0; i < hosts; i++) ranks[i] = 1;
    for (int i = 0; i < SPANS; i++) {
        lk_span span = {.kind = LK_SPAN_PARAMETER, .shape = {.n_axes = 1, .axis = {bytes / 4 / SPANS}}};
        snprintf(span.name, sizeof span.name, "span_%d/weight", i);
        must(lk_span_table_add(&table, &span));
    }
    must(lk_span_table_tiles(&table, &tiles, &n_tiles));
    must(lk_plan_chunks(tiles, n_tiles, hosts, ranks, &chunks, &n));
    int64_t *floats = malloc((size_t)n * sizeof *floats);
    for (int i = 0; i < n; i++) floats[i] = chunks[i].count;
    lk_plan_spec spec = {.lanes = LANES * hosts,
                         .n_hosts = hosts,
                         .host_ranks = ranks,
                         .n_chunks = n,
                         .chunk_floats = floats,
                         .host = rank,
                         .end_chunk = n};
    must(lk_plan_create(&spec, &plan));
    n_rounds = plan->up_rounds + plan->back_rounds;
    pieces = calloc((size_t)(plan->n_adds + plan->n_visits + plan->n_backs), sizeof *pieces);
    for (int i = 0; i < plan->n_visits; i++)
        add(&chunks[plan->visits[i].chunk], plan->visits[i].round, plan->visits[i].from, plan->visits[i].to,
            rank);
    for (int i = 0; i < plan->n_adds; i++)
        if (plan->adds[i].from != plan->adds[i].to)
            add(&chunks[plan->adds[i].chunk], plan->adds[i].round, plan->adds[i].from, plan->adds[i].to,
                rank);
    for (int i = 0; i < plan->n_backs; i++)
        add(&chunks[plan->backs[i].chunk], plan->up_rounds + plan->backs[i].round, plan->backs[i].from,
            plan->backs[i].to, rank);
    qsort(pieces, (size_t)n_pieces, sizeof *pieces, compare);
    for (int i = 0; i < n_pieces; i++) {
        if (kept && compare(&pieces[kept - 1], &pieces[i]) == 0)
            pieces[kept - 1].bytes += pieces[i].bytes;
        else
            pieces[kept++] = pieces[i];
    }
    n_pieces = kept;
    return chunks[n - 1].segment + 1;
}

/* Posts the next round of a segment in which there is something to do; returns how many messages. */
static int post(int segment, int *round, MPI_Request *requests, int *owner, int *n, char *buffer)
{
    int posted = 0;
    for (; *round < n_rounds && !posted; ++*round)
        for (int i = 0; i < n_pieces; i++) {
            const piece *p = &pieces[i];
            if (p->segment != segment || p->round != *round) continue;
            int tag = segment * MOST_ROUNDS + p->round;
            owner[*n] = segment;
            if (p->send)
                MPI_Isend(buffer, p->bytes, MPI_BYTE, p->peer, tag, MPI_COMM_WORLD, &requests[(*n)++]);
            else
                MPI_Irecv(buffer, p->bytes, MPI_BYTE, p->peer, tag, MPI_COMM_WORLD, &requests[(*n)++]);
            posted++;
        }
    return posted;
}

int main(int argc, char **argv)
{
    int rank, size;
    MPI_Init(&argc, &argv);
    if (argc != 3) return 2;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int          n_segments = make_pieces(atoll(argv[1]), size, rank), n = 0;
    char        *buffer = SMPI_SHARED_MALLOC(MOST_BYTES);
    MPI_Request *requests = malloc((size_t)(n_pieces + 1) * sizeof *requests);
    int         *owner = malloc((size_t)(n_pieces + 1) * sizeof *owner),
        *done = malloc((size_t)(n_pieces + 1) * sizeof *done);
    int *round = calloc((size_t)n_segments, sizeof *round), *open = calloc((size_t)n_segments, sizeof *open);
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime(), mine, slowest;
    smpi_execute(atof(argv[2]));
    for (int s = n_segments - 1; s >= 0; s--) open[s] = post(s, &round[s], requests, owner, &n, buffer);
    for (int got = 0;;) {
        MPI_Waitsome(n, requests, &got, done, MPI_STATUSES_IGNORE);
        if (got == MPI_UNDEFINED) break;
        for (int i = 0; i < got; i++) {
            int s = owner[done[i]];
            if (--open[s] == 0) open[s] = post(s, &round[s], requests, owner, &n, buffer);
        }
    }
    mine = MPI_Wtime() - start;
    MPI_Reduce(&mine, &slowest, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    if (rank == 0) printf("%d,%s,%.6f\n", size, argv[1], slowest);
    MPI_Finalize();
    return 0;
}
