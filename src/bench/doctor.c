/* Is this machine, and this launch, what it should be? What was tested, then findings with cures. */
#include "lockstep/inspect.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "comm/link.h"
#include "comm/window.h"
#include "config/tree.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/str.h"
#include "data/import.h"
#include "io/h5.h"
#include "kernels/kernels.h"
#include "train/place.h"
#include "train/report.h"
#include "train/session.h"

enum { BARRIERS = 200, RANKS_SHOWN = 16, SMALL_SHM_MIB = 128, SLOWER = 4, LINK_TURNS = 3 };
static const double SGEMM_SECONDS = 0.3, LINK_SECONDS = 0.1, SLOW_SHARE = 0.1;

lk_status lk_version_text(char **text)
{
    lk_str out;
    char   mpi[96];
    lk_str_init(&out);
    lk_kernels_select("auto");
    lk_mpi_library(mpi, sizeof mpi);
    lk_str_printf(&out, "lockstep %s\nkernels %s\nmpi %s\nhdf5 %s\n", LK_VERSION, lk_kernels_detail(), mpi,
                  lk_h5_version());
    lk_str_printf(&out, "libyaml %s\njansson %s\nzlib %s\n", lk_yaml_version(), jansson_version_str(),
                  lk_import_zlib_version());
    lk_status st = lk_str_copy(&out, text);
    lk_str_clear(&out);
    return st;
}

/* What is tested, in this order: what the watchdog calls a step. */
enum { TEST_CORES, TEST_WINDOW, TEST_LAUNCH, TEST_LINKS, TEST_CONFIG };
static const char *const tests[] = {"cores", "shared memory", "the launch", "links", "the configuration"};

/* What is being looked at: lines of facts, and lines of trouble that follow them all. */
typedef struct patient {
    lk_comm              *comm;     /* borrowed */
    lk_watchdog          *watchdog; /* owned; a test that hangs ends */
    lk_place             *places;   /* owned; root, of all ranks */
    lk_str                facts, trouble;
    const lk_run_options *options; /* borrowed, NULL: no configuration was named */
} patient;

static void tick(const patient *p, int test, lk_wait wait)
{
    lk_watchdog_tick(p->watchdog, test, LK_PHASE_OTHER, wait);
}

/* ---- where the ranks are ---- */

static void put_cores(const lk_place *place, lk_str *out)
{
    const char *comma = "";
    for (int i = 0; i < LK_CORE_WORDS * 64; i++) {
        if (!(place->cores[i / 64] >> (i % 64) & 1)) continue;
        lk_str_printf(out, "%s%d", comma, i);
        comma = ",";
    }
}

static void binding(patient *p)
{
    int n = lk_comm_size(p->comm);
    for (int i = 0; i < n && i < RANKS_SHOWN; i++) {
        const lk_place *place = &p->places[i];
        int             allowed = lk_barrier_count_cores(place->cores);
        lk_str_printf(&p->facts, "rank %-6d on %s, ", i, place->host);
        if (allowed == place->n_cores) {
            lk_str_printf(&p->facts, "may use all its %d cores\n", place->n_cores);
            continue;
        }
        lk_str_append(&p->facts, allowed == 1 ? "bound to core " : "bound to cores ");
        put_cores(place, &p->facts);
        lk_str_printf(&p->facts, " of %d\n", place->n_cores);
    }
    if (n > RANKS_SHOWN) lk_str_printf(&p->facts, "            and %d more\n", n - RANKS_SHOWN);
}

static lk_status launch(patient *p)
{
    lk_status st = LK_OK;
    LK_TRY(lk_place_findings(p->comm, &p->trouble, &p->places));
    if (p->places) binding(p);
done:
    return st;
}

/* ---- shared memory ---- */

/* Every rank writes its page, and sees what the others of its host wrote. */
static lk_status try_window(lk_comm *comm, lk_window *window, double *barrier_us)
{
    lk_status st = LK_OK;
    int       n = lk_comm_host_ranks(comm, lk_comm_host(comm)), mine = lk_comm_rank_on_host(comm);
    int64_t   words = LK_PAGE_BYTES / (int64_t)sizeof(uint64_t);
    uint64_t *pages = lk_window_take(window, (size_t)n * LK_PAGE_BYTES);
    for (int64_t i = 0; i < words; i++) pages[mine * words + i] = (uint64_t)(mine + 1) << 32 | (uint64_t)i;
    lk_window_barrier(window);
    for (int64_t i = 0; i < n * words && st == LK_OK; i++)
        if (pages[i] != ((uint64_t)(i / words + 1) << 32 | (uint64_t)(i % words)))
            st = lk_fail(
                LK_E_MPI,
                "what rank %d of host %s wrote into the shared window is not what rank %d of it reads",
                (int)(i / words), lk_comm_host_name(comm, lk_comm_host(comm)), mine);
    double began = lk_clock_seconds();
    for (int i = 0; i < BARRIERS; i++) lk_window_barrier(window);
    *barrier_us = (lk_clock_seconds() - began) / BARRIERS * 1e6;
    return st;
}

static void shared_memory_here(patient *p)
{
    struct statvfs info;
    if (statvfs("/dev/shm", &info) != 0) {
        lk_str_append(&p->trouble,
                      "there is no /dev/shm: train.reduce=allreduce works without shared memory\n");
        return;
    }
    double free_mib = (double)info.f_bavail * (double)info.f_frsize / (1 << 20);
    lk_str_printf(&p->facts, "shared mem  %.0f MiB free in /dev/shm\n", free_mib);
    if (free_mib < SMALL_SHM_MIB)
        lk_str_printf(
            &p->trouble,
            "only %.0f MiB of shared memory are free in /dev/shm, and several ranks of a host need it for "
            "the "
            "parameters (containers often give 64 MiB): start the container with --shm-size=1g, or use "
            "train.reduce=allreduce\n",
            free_mib);
}

static lk_status window(patient *p)
{
    lk_status  st = LK_OK;
    lk_window *shared = NULL;
    double     barrier_us = 0, *all = NULL;
    int        n = lk_comm_size(p->comm), most = 1;
    if (lk_comm_is_root(p->comm)) shared_memory_here(p);
    for (int i = 0; i < lk_comm_n_hosts(p->comm); i++)
        most = lk_comm_host_ranks(p->comm, i) > most ? lk_comm_host_ranks(p->comm, i) : most;
    if (most == 1) {
        if (n > 1) lk_str_append(&p->facts, "window      not needed: one rank a host\n");
        return LK_OK;
    }
    st = lk_window_create(p->comm, (size_t)lk_comm_host_ranks(p->comm, lk_comm_host(p->comm)) * LK_PAGE_BYTES,
                          &shared);
    if (st == LK_OK) st = lk_comm_agree(p->comm, try_window(p->comm, shared, &barrier_us));
    if (st != LK_OK && lk_comm_failed_together(p->comm)) { /* a finding, not the end of the examination */
        lk_str_printf(&p->trouble, "window: %s\n", lk_error_message());
        st = LK_OK;
        goto done;
    }
    LK_TRY(st);
    LK_TRY(lk_comm_agree(p->comm, LK_ALLOC(n, &all)));
    LK_TRY(lk_comm_allgather(p->comm, &barrier_us, 1, all));
    for (int i = 0; i < n; i++) barrier_us = all[i] > barrier_us ? all[i] : barrier_us;
    lk_str_printf(&p->facts, "window      shared by the ranks of each host, a barrier takes %.1f us\n",
                  barrier_us);
done:
    lk_free(&all);
    lk_window_destroy(&shared);
    return st;
}

/* ---- links between hosts ---- */

static int by_rate(const void *a, const void *b)
{
    double x = ((const lk_link *)a)->mbytes_per_s, y = ((const lk_link *)b)->mbytes_per_s;
    return (x > y) - (x < y);
}

/* The network that the root's connections begin at, NULL if they are not TCP. */
static const lk_network *network_in_use(const lk_place *place)
{
    for (int i = 0; i < place->n_networks; i++)
        if (place->in_use >> i & 1) return &place->networks[i];
    return NULL;
}

/* Rate of the best link that a host has: a bad cable slows all of them. */
static double best_rate(const lk_link *links, int n, int host)
{
    double best = 0;
    for (int i = 0; i < n; i++)
        if ((links[i].from == host || links[i].to == host) && links[i].mbytes_per_s > best)
            best = links[i].mbytes_per_s;
    return best;
}

/* Some link is several times slower than another. */
static bool links_differ(const lk_link *links, int n)
{
    double slowest = links[0].mbytes_per_s, fastest = slowest;
    for (int i = 1; i < n; i++) {
        slowest = links[i].mbytes_per_s < slowest ? links[i].mbytes_per_s : slowest;
        fastest = links[i].mbytes_per_s > fastest ? links[i].mbytes_per_s : fastest;
    }
    return SLOWER * slowest < fastest;
}

/* Links, or all links of one host, that are several times slower than the fastest. `links` sorted, slowest first. */
static void judge_differences(patient *p, const lk_link *links, int n)
{
    const lk_link *slowest = &links[0];
    double         fastest = links[n - 1].mbytes_per_s, worst = fastest;
    const char    *from = lk_comm_host_name(p->comm, slowest->from),
               *to = lk_comm_host_name(p->comm, slowest->to);
    const char *host = from;
    if (!links_differ(links, n)) return;
    for (int i = 0; i < lk_comm_n_hosts(p->comm); i++)
        if (best_rate(links, n, i) < worst) {
            worst = best_rate(links, n, i);
            host = lk_comm_host_name(p->comm, i);
        }
    if (SLOWER * worst < fastest)
        lk_str_printf(&p->trouble, "host %s reaches no other with more than %.0f MB/s", host, worst);
    else
        lk_str_printf(&p->trouble, "hosts %s and %s reach %.0f MB/s", from, to, slowest->mbytes_per_s);
    lk_str_printf(&p->trouble,
                  ", others %.0f: a cable, a switch, another network, or a host busy with something else; "
                  "every step waits for it. Leave %s "
                  "out (mpirun --host, Slurm "
                  "--exclude) or name a network that all have: mpirun --mca btl_tcp_if_include NAME\n",
                  fastest, SLOWER * worst < fastest ? "it" : "one of them");
}

static void judge_links(patient *p, const lk_link *links, int n)
{
    const lk_link    *slowest = &links[0], *fastest = &links[n - 1];
    const lk_network *network = network_in_use(&p->places[0]);
    lk_str_printf(&p->facts, "links       %d pair%s of hosts: %.0f to %.0f MB/s; slowest %s - %s, %.0f us", n,
                  n == 1 ? "" : "s", slowest->mbytes_per_s, fastest->mbytes_per_s,
                  lk_comm_host_name(p->comm, slowest->from), lk_comm_host_name(p->comm, slowest->to),
                  slowest->latency_us);
    if (network) {
        char address[16];
        lk_network_address(network->address, address);
        lk_str_printf(&p->facts, "; TCP over %s %s/%d", network->name, address, network->prefix);
    }
    lk_str_append(&p->facts, "\n");
    judge_differences(p, links, n);
    double nominal = network ? network->mbits / 8.0 : 0;
    if (nominal > 0 && fastest->mbytes_per_s < SLOW_SHARE * nominal)
        lk_str_printf(&p->trouble,
                      "no pair of hosts reaches more than %.0f MB/s over %s, which says of itself %.0f: "
                      "something between them is "
                      "slower. Another network may be meant for this: mpirun --mca btl_tcp_if_include NAME\n",
                      fastest->mbytes_per_s, network->name, nominal);
}

/* The better of two measurements of the same pairs: what disturbs one makes it slower, never faster. */
static void keep_better(lk_link *links, const lk_link *again, int n)
{
    for (int i = 0; i < n; i++) {
        if (again[i].mbytes_per_s > links[i].mbytes_per_s) links[i].mbytes_per_s = again[i].mbytes_per_s;
        if (again[i].latency_us < links[i].latency_us) links[i].latency_us = again[i].latency_us;
    }
}

/* A busy host looks like a bad cable once, not each time: what differs is measured again before it is said. */
static lk_status links(patient *p)
{
    lk_status st = LK_OK;
    lk_link  *list = NULL, *again = NULL;
    int       n = 0;
    bool      differ = lk_comm_n_hosts(p->comm) > 1;
    for (int turn = 0; turn < LINK_TURNS && differ; turn++) {
        tick(p, TEST_LINKS, LK_WAIT_ALL);
        LK_TRY(lk_link_pairs(p->comm, LINK_SECONDS, turn == 0 ? &list : &again, &n));
        if (again) keep_better(list, again, n);
        lk_free(&again);
        differ = n > 0 && links_differ(list, n);
        LK_TRY(lk_comm_broadcast(p->comm, &differ, sizeof differ));
    }
    if (n == 0) goto done;
    qsort(list, (size_t)n, sizeof *list, by_rate);
    judge_links(p, list, n);
done:
    lk_free(&list);
    return st;
}

/* ---- a configuration ---- */

/* All that `train` prepares before its first step. */
static lk_status prepare(patient *p)
{
    lk_status st = LK_OK;
    lk_run   *run = NULL;
    st = lk_run_create(p->comm, p->options, NULL, NULL, true, &run);
    if (st != LK_OK && lk_comm_failed_together(p->comm)) { /* what train would end with: a finding too */
        lk_str_printf(&p->trouble, "train would not start: %s\n", lk_error_message());
        st = LK_OK;
        goto done;
    }
    LK_TRY(st);
    if (lk_comm_is_root(p->comm)) {
        lk_report_header(run, &p->facts);
        lk_report_warnings(run, &p->trouble);
    }
done:
    lk_run_destroy(&run);
    return st;
}

/* ---- all of it ---- */

static lk_status examine(patient *p, lk_watch watch)
{
    lk_status st = LK_OK;
    watch.tests = tests;
    LK_TRY(lk_watchdog_create(p->comm, watch, &p->watchdog));
    LK_TRY(lk_comm_agree(p->comm, lk_kernels_select(p->options ? p->options->kernels : "auto")));
    tick(p, TEST_CORES, LK_WAIT_NONE);
    lk_str_printf(&p->facts, "lockstep    %s, %s\n", LK_VERSION, lk_comm_mpi_version(p->comm));
    lk_str_printf(&p->facts, "kernels     %s\n", lk_kernels_detail());
    lk_str_printf(&p->facts, "yardstick   %.1f GF/s sgemm on one core by %s\n",
                  lk_kernels_sgemm_rate(SGEMM_SECONDS), lk_kernels_blas());
    lk_str_printf(&p->facts, "ranks       %d on %d host%s\n", lk_comm_size(p->comm), lk_comm_n_hosts(p->comm),
                  lk_comm_n_hosts(p->comm) == 1 ? "" : "s");
    tick(p, TEST_WINDOW, LK_WAIT_ALL);
    LK_TRY(window(p));
    tick(p, TEST_LAUNCH, LK_WAIT_ALL);
    LK_TRY(launch(p));
    LK_TRY(links(p));
    if (p->options) {
        tick(p, TEST_CONFIG, LK_WAIT_START); /* statistics of large data take their time */
        LK_TRY(prepare(p));
    }
done:
    return st;
}

static void put_trouble(const char *trouble, lk_str *out)
{
    if (!*trouble) lk_str_append(out, "no trouble found\n");
    while (*trouble) {
        size_t n = strcspn(trouble, "\n");
        lk_str_printf(out, "trouble     %.*s\n", (int)n, trouble);
        trouble += n + (trouble[n] == '\n');
    }
}

lk_status lk_doctor(lk_session *session, const lk_run_options *options, char **text)
{
    lk_status st = LK_OK;
    patient   p = {.comm = session->comm, .options = options};
    *text = NULL;
    lk_str_init(&p.facts);
    lk_str_init(&p.trouble);
    LK_TRY(lk_comm_layout(p.comm, options ? &options->comm : &(lk_comm_options){0}));
    LK_TRY(examine(&p, lk_session_watch(session, options)));
    if (!lk_comm_is_root(p.comm)) goto done;
    put_trouble(lk_str_text(&p.trouble), &p.facts);
    LK_TRY(lk_str_copy(&p.facts, text));
done:
    lk_session_leave_alone(session, st);
    lk_watchdog_destroy(&p.watchdog);
    lk_free(&p.places);
    lk_str_clear(&p.facts);
    lk_str_clear(&p.trouble);
    return st;
}
