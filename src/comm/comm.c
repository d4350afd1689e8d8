#include "comm/comm.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/comm_internal.h"
#include "comm/patience.h"
#include "core/alloc.h"

enum { BROADCAST_PIECE = 1 << 30, MESSAGE_BYTES = 2048, ABORT_PATIENCE_S = 5 };

lk_status lk_mpi_status(int code, const char *call)
{
    if (code == MPI_SUCCESS) return LK_OK;
    char text[MPI_MAX_ERROR_STRING + 1] = "";
    int  length = 0;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) length = 0;
    text[length] = '\0';
    return lk_fail(LK_E_MPI, "%.*s: %s", (int)strcspn(call, "("), call, length ? text : "unknown MPI error");
}

lk_status lk_mpi_broadcast(MPI_Comm mpi, int root, void *bytes, size_t size)
{
    lk_status st = LK_OK;
    for (size_t at = 0; at < size; at += BROADCAST_PIECE) {
        size_t piece = size - at < BROADCAST_PIECE ? size - at : BROADCAST_PIECE;
        LK_TRY_MPI(MPI_Bcast((char *)bytes + at, (int)piece, MPI_BYTE, root, mpi));
    }
done:
    return st;
}

/* ---- start and end ---- */

static void read_host_name(char name[LK_HOST_NAME_BYTES])
{
    if (gethostname(name, LK_HOST_NAME_BYTES - 16) != 0) snprintf(name, LK_HOST_NAME_BYTES, "localhost");
    name[LK_HOST_NAME_BYTES - 16] = '\0';
}

void lk_mpi_library(char *text, size_t size)
{
    char whole[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int  length = 0;
    MPI_Get_library_version(whole, &length);
    snprintf(text, size, "%.*s", (int)strcspn(whole, ",\n"), whole);
}

/* A communicator without MPI is already laid out: one host, one rank. */
static lk_status create_alone(lk_comm *comm)
{
    lk_status st = LK_OK;
    comm->size = comm->n_hosts = 1;
    comm->laid_out = true;
    snprintf(comm->version, sizeof comm->version, "no MPI");
    LK_TRY(LK_ALLOC(2, &comm->host_first));
    comm->host_first[1] = 1;
    LK_TRY(LK_ALLOC(1, &comm->host_names));
    read_host_name(comm->host_names[0]);
done:
    return st;
}

static lk_status create_blank(lk_comm **out)
{
    lk_status st = LK_ALLOC(1, out);
    if (st != LK_OK) return st;
    (*out)->base = (*out)->all = (*out)->machine = (*out)->node = (*out)->leaders = MPI_COMM_NULL;
    atomic_store(&(*out)->awaited, -1);
    return LK_OK;
}

static lk_status adopt(lk_comm *comm, MPI_Comm given)
{
    lk_status st = LK_OK;
    comm->has_mpi = true;
    LK_TRY_MPI(MPI_Comm_dup(given, &comm->base));
    LK_TRY_MPI(MPI_Comm_set_errhandler(comm->base, MPI_ERRORS_RETURN));
    comm->all = comm->base;
    LK_TRY_MPI(MPI_Comm_rank(comm->base, &comm->rank));
    LK_TRY_MPI(MPI_Comm_size(comm->base, &comm->size));
    lk_mpi_library(comm->version, sizeof comm->version);
done:
    return st;
}

/* A peer that is gone shows as a failed MPI call, which the job survives long enough to say what happened. Left alone, the
 * second write of a transport to that peer's socket would end this rank by SIGPIPE, and the job would seem to have died here. */
static void survive_closed_connections(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

static lk_status start_mpi(lk_comm *comm)
{
    lk_status st = LK_OK;
    int       finalized = 0, initialized = 0, provided = MPI_THREAD_SINGLE;
    LK_TRY_MPI(MPI_Finalized(&finalized));
    LK_CHECK(!finalized, LK_E_MPI, "MPI was finalized already; a process can start it once");
    LK_TRY_MPI(MPI_Initialized(&initialized));
    if (!initialized) {
        /* Copying straight from another process is refused in many containers and then costs a warning a
         * rank. */
        setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
        /* Over TCP: long messages as a stream of fragments. With its other protocol (put) each waits for
         * words that stand behind the opposite direction's data: 0.69 of a link used both ways, against 1.00
         * (two hosts, 100 Mb/s). */
        setenv("OMPI_MCA_btl_tcp_flags", "send", 0);
        LK_TRY_MPI(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided));
        comm->started_mpi = true;
        survive_closed_connections();
        /* What fails in our first message is ours to explain. */
        LK_TRY_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
        LK_CHECK(provided >= MPI_THREAD_FUNNELED, LK_E_MPI,
                 "this MPI offers thread level %d, MPI_THREAD_FUNNELED (%d) is needed", provided,
                 MPI_THREAD_FUNNELED);
    }
    LK_TRY(adopt(comm, MPI_COMM_WORLD));
done:
    return st;
}

/* MPI under somebody's eye. A rank that does not get through cannot leave in good order either: it leaves without. */
static lk_status start_watched(lk_comm *comm, const lk_launch *launch)
{
    lk_patience *patience = lk_patience_begin(launch);
    lk_status    st = start_mpi(comm);
    lk_patience_end(&patience);
    if (st == LK_OK) return LK_OK;
    comm->started_mpi = false;
    return lk_patience_explain(launch, st);
}

lk_status lk_comm_create(lk_comm **out)
{
    lk_status st = LK_OK;
    lk_launch launch = lk_launch_detect();
    *out = NULL;
    if (!launch.launcher) LK_TRY(lk_launch_check(&launch, 1, "none"));
    LK_TRY(create_blank(out));
    LK_TRY(launch.launcher ? start_watched(*out, &launch) : create_alone(*out));
    LK_TRY(lk_launch_check(&launch, (*out)->size, (*out)->version));
done:
    if (st != LK_OK) lk_comm_destroy(out);
    return st;
}

lk_status lk_comm_create_alone(lk_comm **out)
{
    lk_status st = LK_OK;
    LK_TRY(create_blank(out));
    LK_TRY(create_alone(*out));
done:
    if (st != LK_OK) lk_comm_destroy(out);
    return st;
}

lk_status lk_comm_create_on(const void *mpi_comm, lk_comm **out)
{
    lk_status st = LK_OK;
    LK_TRY(create_blank(out));
    LK_TRY(adopt(*out, *(const MPI_Comm *)mpi_comm));
done:
    if (st != LK_OK) lk_comm_destroy(out);
    return st;
}

static void free_mpi(MPI_Comm *mpi)
{
    if (*mpi != MPI_COMM_NULL) MPI_Comm_free(mpi);
    *mpi = MPI_COMM_NULL;
}

static void free_layout(lk_comm *comm)
{
    free_mpi(&comm->leaders);
    free_mpi(&comm->node);
    free_mpi(&comm->machine);
    if (comm->all != comm->base) free_mpi(&comm->all);
    lk_free(&comm->host_first);
    lk_free(&comm->host_names);
}

void lk_comm_destroy(lk_comm **comm)
{
    if (!comm || !*comm) return;
    free_layout(*comm);
    free_mpi(&(*comm)->base);
    if ((*comm)->started_mpi) MPI_Finalize();
    lk_free(comm);
}

/* ---- hosts ---- */

/* Number of the virtual host on this machine that its rank `rank` falls to. */
static int virtual_host(const lk_comm_options *options, int rank)
{
    if (options->n_host_sizes > 0) {
        int host = 0;
        for (int end = options->host_sizes[0]; rank >= end && host + 1 < options->n_host_sizes;)
            end += options->host_sizes[++host];
        return host;
    }
    return options->ranks_per_host > 0 ? rank / options->ranks_per_host : 0;
}

/* Splits into machines, then into hosts; afterwards `node` has my host's ranks in the order of `base`. */
static lk_status split_hosts(lk_comm *comm, const lk_comm_options *options)
{
    lk_status st = LK_OK;
    int       rank_on_machine = 0;
    LK_TRY_MPI(
        MPI_Comm_split_type(comm->base, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &comm->machine));
    LK_TRY_MPI(MPI_Comm_rank(comm->machine, &rank_on_machine));
    LK_TRY_MPI(
        MPI_Comm_split(comm->machine, virtual_host(options, rank_on_machine), comm->rank, &comm->node));
    LK_TRY_MPI(MPI_Comm_rank(comm->node, &comm->rank_on_host));
done:
    return st;
}

/* Hosts are numbered by their lowest rank in `base`, so the root before and after is the same process. */
static lk_status order_ranks(lk_comm *comm)
{
    lk_status st = LK_OK;
    int       leader = comm->rank, key[2];
    MPI_Comm  all = MPI_COMM_NULL;
    LK_TRY_MPI(MPI_Bcast(&leader, 1, MPI_INT, 0, comm->node));
    LK_TRY_MPI(
        MPI_Comm_split(comm->base, comm->rank_on_host == 0 ? 0 : MPI_UNDEFINED, comm->rank, &comm->leaders));
    key[0] = comm->leaders != MPI_COMM_NULL;
    if (key[0]) {
        int size = 0, n = 0;
        LK_TRY_MPI(MPI_Comm_rank(comm->leaders, &comm->host));
        LK_TRY_MPI(MPI_Comm_size(comm->leaders, &comm->n_hosts));
        LK_TRY_MPI(MPI_Comm_size(comm->node, &size));
        LK_TRY_MPI(MPI_Exscan(&size, &n, 1, MPI_INT, MPI_SUM, comm->leaders));
        key[1] = comm->host == 0 ? 0 : n; /* Exscan leaves the first rank's result undefined */
    }
    LK_TRY_MPI(MPI_Bcast(&comm->host, 1, MPI_INT, 0, comm->node));
    LK_TRY_MPI(MPI_Bcast(&comm->n_hosts, 1, MPI_INT, 0, comm->node));
    LK_TRY_MPI(MPI_Bcast(&key[1], 1, MPI_INT, 0, comm->node));
    LK_TRY_MPI(MPI_Comm_split(comm->base, 0, key[1] + comm->rank_on_host, &all));
    comm->all = all;
    LK_TRY_MPI(MPI_Comm_rank(comm->all, &comm->rank));
done:
    return st;
}

static lk_status number_machines(lk_comm *comm)
{
    lk_status st = LK_OK;
    comm->machine_number = comm->rank;
    LK_TRY_MPI(MPI_Comm_rank(comm->machine, &comm->rank_on_machine));
    LK_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, &comm->machine_number, 1, MPI_INT, MPI_MIN, comm->machine));
done:
    return st;
}

static lk_status share_host_table(lk_comm *comm, bool is_virtual)
{
    lk_status st = LK_OK;
    int       size = 0;
    char      name[LK_HOST_NAME_BYTES] = "";
    st = LK_ALLOC(comm->n_hosts + 1, &comm->host_first);
    if (st == LK_OK) st = LK_ALLOC(comm->n_hosts, &comm->host_names);
    LK_TRY(lk_comm_agree(comm, st));
    read_host_name(name);
    if (is_virtual) snprintf(name + strlen(name), 16, "#%d", comm->host);
    LK_TRY_MPI(MPI_Comm_size(comm->node, &size));
    if (comm->rank_on_host == 0) {
        LK_TRY_MPI(MPI_Allgather(&size, 1, MPI_INT, comm->host_first + 1, 1, MPI_INT, comm->leaders));
        LK_TRY_MPI(MPI_Allgather(name, LK_HOST_NAME_BYTES, MPI_CHAR, comm->host_names, LK_HOST_NAME_BYTES,
                                 MPI_CHAR, comm->leaders));
    }
    LK_TRY_MPI(MPI_Bcast(comm->host_first, comm->n_hosts + 1, MPI_INT, 0, comm->node));
    LK_TRY_MPI(MPI_Bcast(comm->host_names, comm->n_hosts * LK_HOST_NAME_BYTES, MPI_CHAR, 0, comm->node));
    for (int i = 0; i < comm->n_hosts; i++) comm->host_first[i + 1] += comm->host_first[i];
done:
    return st;
}

static lk_status check_layout_options(const lk_comm_options *options)
{
    if (options->ranks_per_host < 0)
        return lk_fail(LK_E_USAGE, "comm.ranks_per_host is %d; 0 (real hosts) or more is right",
                       options->ranks_per_host);
    for (int i = 0; i < options->n_host_sizes; i++)
        if (options->host_sizes[i] < 1)
            return lk_fail(LK_E_USAGE, "virtual host %d has %d ranks; at least 1 is right", i,
                           options->host_sizes[i]);
    return LK_OK;
}

lk_status lk_comm_layout(lk_comm *comm, const lk_comm_options *options)
{
    lk_status st = LK_OK;
    LK_TRY(check_layout_options(options));
    if (!comm->has_mpi) return LK_OK;
    if (comm->laid_out) { /* another run in the same job: from the order of the launcher again */
        free_layout(comm);
        comm->all = comm->base;
        comm->laid_out = false;
        LK_TRY_MPI(MPI_Comm_rank(comm->base, &comm->rank));
    }
    LK_TRY(split_hosts(comm, options));
    LK_TRY(order_ranks(comm));
    LK_TRY(number_machines(comm));
    LK_TRY(share_host_table(comm, options->ranks_per_host > 0 || options->n_host_sizes > 0));
    comm->laid_out = true;
done:
    return st;
}

int lk_comm_rank(const lk_comm *comm)
{
    return comm->rank;
}

int lk_comm_size(const lk_comm *comm)
{
    return comm->size;
}

bool lk_comm_is_root(const lk_comm *comm)
{
    return comm->rank == 0;
}

bool lk_comm_has_mpi(const lk_comm *comm)
{
    return comm->has_mpi;
}

int lk_comm_n_hosts(const lk_comm *comm)
{
    return comm->n_hosts;
}

int lk_comm_host(const lk_comm *comm)
{
    return comm->host;
}

int lk_comm_host_ranks(const lk_comm *comm, int host)
{
    return comm->host_first[host + 1] - comm->host_first[host];
}

int lk_comm_rank_on_host(const lk_comm *comm)
{
    return comm->rank_on_host;
}

const char *lk_comm_host_name(const lk_comm *comm, int host)
{
    return comm->laid_out ? comm->host_names[host] : "?";
}

int lk_comm_host_of(const lk_comm *comm, int rank)
{
    int host = 0;
    while (host + 1 < comm->n_hosts && comm->host_first[host + 1] <= rank) host++;
    return host;
}

int lk_comm_machine(const lk_comm *comm)
{
    return comm->machine_number;
}

int lk_comm_rank_on_machine(const lk_comm *comm)
{
    return comm->rank_on_machine;
}

int lk_comm_awaited(const lk_comm *comm)
{
    return atomic_load_explicit(&comm->awaited, memory_order_relaxed);
}

bool lk_comm_meets(const lk_comm *comm)
{
    return atomic_load_explicit(&comm->meets, memory_order_relaxed);
}

const char *lk_comm_mpi_version(const lk_comm *comm)
{
    return comm->version;
}

/* ---- agreement ---- */

/* One number that differs (but for chance) when status or message differ; FNV-1a. */
static uint64_t failure_hash(lk_status status)
{
    uint64_t hash = 14695981039346656037u ^ (uint64_t)status;
    for (const char *c = lk_error_message(); *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return status == LK_OK ? 0 : hash;
}

typedef struct failure {
    int  status, place_known;
    char host[LK_HOST_NAME_BYTES];
    char message[MESSAGE_BYTES];
} failure;

/* The first failing rank's status and message become everybody's; unless all say the same, its place goes in
 * front. */
static lk_status adopt_failure(lk_comm *comm, lk_status status, int first)
{
    lk_status st = LK_OK;
    failure   it = {.status = (int)status};
    uint64_t  hash = failure_hash(status), range[2] = {hash, ~hash}, lowest[2];
    snprintf(it.message, sizeof it.message, "%s", lk_error_message());
    if (comm->laid_out)
        snprintf(it.host, sizeof it.host, "%s", comm->host_names[comm->host]);
    else
        read_host_name(it.host);
    LK_TRY_MEETING(comm, MPI_Allreduce(range, lowest, 2, MPI_UINT64_T, MPI_MIN, comm->all));
    LK_TRY_MEETING(comm, MPI_Bcast(&it, (int)sizeof it, MPI_BYTE, first, comm->all));
    if (lowest[0] == ~lowest[1]) /* minimum equals maximum: all failed alike */
        return lk_fail((lk_status)it.status, "%s", it.message);
    /* Mistakes of the user are the same on every rank: which one speaks is no news. */
    if (it.status == LK_E_CONFIG || it.status == LK_E_SHAPE || it.status == LK_E_USAGE)
        return lk_fail((lk_status)it.status, "%s", it.message);
    return lk_fail((lk_status)it.status, "rank %d on host %s: %s", first, it.host, it.message);
done:
    return st;
}

lk_status lk_comm_agree(lk_comm *comm, lk_status status)
{
    lk_status st = LK_OK;
    int       mine = status == LK_OK ? INT_MAX : comm->rank, first = INT_MAX;
    if (!comm->has_mpi || comm->size == 1) return status;
    comm->failed_together = false;
    LK_TRY_MEETING(comm, MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, comm->all));
    if (first != INT_MAX) st = adopt_failure(comm, status, first);
    comm->failed_together = first != INT_MAX && st != LK_E_MPI;
done:
    return st;
}

bool lk_comm_failed_together(const lk_comm *comm)
{
    return comm->size == 1 || comm->failed_together;
}

/* ---- small collectives ---- */

lk_status lk_comm_broadcast(lk_comm *comm, void *bytes, size_t size)
{
    if (!comm->has_mpi) return LK_OK;
    atomic_store_explicit(&comm->meets, true, memory_order_relaxed);
    lk_status st = lk_mpi_broadcast(comm->all, 0, bytes, size);
    atomic_store_explicit(&comm->meets, false, memory_order_relaxed);
    return st;
}

lk_status lk_comm_broadcast_text(lk_comm *comm, char **text)
{
    lk_status st = LK_OK, local = LK_OK;
    uint64_t  size = 0; /* with its NUL; 0: the root has no text */
    if (!comm->has_mpi) return LK_OK;
    if (comm->rank == 0 && *text) size = strlen(*text) + 1;
    LK_TRY(lk_comm_broadcast(comm, &size, sizeof size));
    if (comm->rank != 0) {
        *text = NULL;
        if (size) local = LK_ALLOC(size, text);
    }
    LK_TRY(lk_comm_agree(comm, local));
    LK_TRY(lk_comm_broadcast(comm, *text, size));
done:
    if (st != LK_OK && comm->rank != 0) lk_free(text);
    return st;
}

lk_status lk_comm_barrier(lk_comm *comm)
{
    lk_status st = LK_OK;
    if (comm->has_mpi) LK_TRY_MEETING(comm, MPI_Barrier(comm->all));
done:
    return st;
}

/* The same on all ranks. MPI's algorithms pass on what they have of several ranks as one message. */
static lk_status check_gathered(const lk_comm *comm, int64_t n)
{
    if (n <= INT_MAX / comm->size) return LK_OK;
    return lk_fail(LK_E_CONFIG,
                   "%lld numbers of each of %d ranks are more than MPI counts at once (%d in all); "
                   "fewer ranks can do it",
                   (long long)n, comm->size, INT_MAX);
}

lk_status lk_comm_gather(lk_comm *comm, const double *values, int64_t n, double *out)
{
    lk_status st = LK_OK;
    if (!comm->has_mpi) {
        memcpy(out, values, (size_t)n * sizeof *values);
        return LK_OK;
    }
    LK_TRY(check_gathered(comm, n));
    LK_TRY_MEETING(comm, MPI_Gather(values, (int)n, MPI_DOUBLE, out, (int)n, MPI_DOUBLE, 0, comm->all));
done:
    return st;
}

lk_status lk_comm_allgather(lk_comm *comm, const double *values, int64_t n, double *out)
{
    lk_status st = LK_OK;
    if (!comm->has_mpi) {
        memcpy(out, values, (size_t)n * sizeof *values);
        return LK_OK;
    }
    LK_TRY(check_gathered(comm, n));
    LK_TRY_MEETING(comm, MPI_Allgather(values, (int)n, MPI_DOUBLE, out, (int)n, MPI_DOUBLE, comm->all));
done:
    return st;
}

lk_status lk_comm_sum(lk_comm *comm, float *values, int64_t n, int64_t piece)
{
    lk_status st = LK_OK;
    if (!comm->has_mpi) return LK_OK;
    if (piece < 1 || piece > INT_MAX) piece = INT_MAX;
    for (int64_t at = 0; at < n; at += piece) {
        int count = (int)(n - at < piece ? n - at : piece);
        LK_TRY_MEETING(comm, MPI_Allreduce(MPI_IN_PLACE, values + at, count, MPI_FLOAT, MPI_SUM, comm->all));
    }
done:
    return st;
}

/* ---- the end by force ---- */

static void *exit_if_abort_hangs(void *code)
{
    sleep(ABORT_PATIENCE_S);
    _exit(*(const int *)code);
}

void lk_comm_abort(lk_comm *comm, int exit_code)
{
    static int code; /* outlives this call for the second thread */
    pthread_t  thread;
    code = exit_code;
    if (comm && comm->has_mpi) {
        /* The main thread may hold MPI's locks for ever; a rank that leaves without MPI_Finalize ends the job
         * too. */
        if (pthread_create(&thread, NULL, exit_if_abort_hangs, &code) == 0) pthread_detach(thread);
        MPI_Abort(comm->base, exit_code);
    }
    _exit(exit_code);
}
