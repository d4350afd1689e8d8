#include "train/place.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "core/alloc.h"
#include "kernels/kernels.h"

enum { CORES = LK_CORE_WORDS * 64, DESCRIPTORS_MOST = 4096, FASTER = 4 };

static bool has(const uint64_t *set, int core)
{
    return (set[core / 64] >> (core % 64) & 1) != 0;
}

static void add(uint64_t *set, int core)
{
    set[core / 64] |= (uint64_t)1 << (core % 64);
}

/* ---- what a rank sees ---- */

/* The first hardware thread of the core that `cpu` belongs to; `cpu` itself where the system does not say. */
static int first_sibling(int cpu)
{
    char  path[96];
    int   first = cpu;
    FILE *file = NULL;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    file = fopen(path, "re");
    if (!file) return cpu;
    if (fscanf(file, "%d", &first) != 1 || first < 0 || first > cpu) first = cpu;
    fclose(file);
    return first;
}

static void read_cores(lk_place *place)
{
    uint64_t mine[LK_CORE_WORDS], machine[LK_CORE_WORDS] = {0};
    long     threads = sysconf(_SC_NPROCESSORS_ONLN);
    lk_barrier_cores(mine);
    if (threads > CORES) threads = CORES;
    for (int cpu = 0; cpu < CORES; cpu++) {
        if (cpu >= threads && !has(mine, cpu)) continue;
        int core = first_sibling(cpu);
        add(machine, core);
        if (has(mine, cpu)) add(place->cores, core);
    }
    place->n_cores = lk_barrier_count_cores(machine);
    place->threads_per_core = threads > place->n_cores ? (int)threads / place->n_cores : 1;
}

static int asked(const char *name)
{
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

static void read_threads(lk_place *place)
{
    static const char *const names[] = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (asked(names[i]) <= 1 || place->threads_asked) continue;
        place->threads_asked = asked(names[i]);
        snprintf(place->threads_by, sizeof place->threads_by, "%s", names[i]);
    }
    place->slurm_cpus = asked("SLURM_CPUS_PER_TASK");
}

/* A connection of ours that ends at another machine marks the network it begins at. */
static void mark_used(lk_place *place, int descriptor)
{
    struct sockaddr_in here, there;
    socklen_t          size = sizeof here;
    memset(&here, 0, sizeof here);
    if (getsockname(descriptor, (struct sockaddr *)&here, &size) != 0 || here.sin_family != AF_INET) return;
    size = sizeof there;
    if (getpeername(descriptor, (struct sockaddr *)&there, &size) != 0) return;
    for (int i = 0; i < place->n_networks; i++) {
        const lk_network *network = &place->networks[i];
        bool              leaves = !network->loopback && here.sin_addr.s_addr != there.sin_addr.s_addr;
        if (leaves && network->address == ntohl(here.sin_addr.s_addr)) place->in_use |= 1 << i;
    }
}

void lk_place_read(lk_place *place)
{
    long most = sysconf(_SC_OPEN_MAX);
    read_cores(place);
    read_threads(place);
    snprintf(place->kernels, sizeof place->kernels, "%s", lk_kernels_name());
#ifdef __GLIBC__
    snprintf(place->library, sizeof place->library, "glibc %s, lockstep %s", gnu_get_libc_version(),
             LK_VERSION);
#else
    snprintf(place->library, sizeof place->library, "lockstep %s", LK_VERSION);
#endif
    place->n_networks = lk_network_list(place->networks, LK_NETWORKS);
    lk_network_settings_read(&place->settings);
    if (most < 0 || most > DESCRIPTORS_MOST) most = DESCRIPTORS_MOST;
    for (int i = 3; i < most; i++) mark_used(place, i);
}

/* ---- findings ---- */

/* "host h1", "hosts h1, h2 and 5 more" */
static void put_hosts(const lk_place *const *hosts, int n, lk_str *text)
{
    lk_str_append(text, n > 1 ? "hosts " : "host ");
    for (int i = 0; i < n && i < 3; i++) lk_str_printf(text, "%s%s", i ? ", " : "", hosts[i]->host);
    if (n > 3) lk_str_printf(text, " and %d more", n - 3);
}

/* Finds a core for a rank, moving others to cores of their own where that frees one (augmenting path). */
static bool seat(const lk_place *const *ranks, int rank, int *owner, uint64_t *seen)
{
    for (int core = 0; core < CORES; core++) {
        if (!has(ranks[rank]->cores, core) || owner[core] >= 0) continue;
        owner[core] = rank;
        return true;
    }
    for (int core = 0; core < CORES; core++) {
        if (!has(ranks[rank]->cores, core) || has(seen, core)) continue;
        add(seen, core);
        if (!seat(ranks, owner[core], owner, seen)) continue;
        owner[core] = rank;
        return true;
    }
    return false;
}

/* How many of a machine's ranks can have a core of their own at the same time. */
static int seats(const lk_place *const *ranks, int n)
{
    int owner[CORES], seated = 0;
    for (int i = 0; i < CORES; i++) owner[i] = -1;
    for (int i = 0; i < n; i++) {
        uint64_t seen[LK_CORE_WORDS] = {0};
        seated += seat(ranks, i, owner, seen);
    }
    return seated;
}

typedef struct machine {
    const lk_place **ranks; /* borrowed: its part of one array */
    int              n, seats, allowed;
} machine;

typedef struct machines {
    const lk_place **ranks; /* owned, sorted by machine */
    machine         *list;  /* owned */
    const lk_place **named; /* owned [n]: hosts that share a finding */
    int              n;
} machines;

static void clear_machines(machines *all)
{
    lk_free(&all->ranks);
    lk_free(&all->list);
    lk_free(&all->named);
}

static lk_status sort_machines(const lk_place *places, int n, machines *all)
{
    lk_status st = LK_OK;
    int       at = 0;
    memset(all, 0, sizeof *all);
    LK_TRY(LK_ALLOC(n, &all->ranks));
    LK_TRY(LK_ALLOC(n, &all->list));
    LK_TRY(LK_ALLOC(n, &all->named));
    for (int i = 0; i < n; i++) {
        if (!places[i].machine_first) continue;
        machine *m = &all->list[all->n++];
        m->ranks = all->ranks + at;
        uint64_t allowed[LK_CORE_WORDS] = {0};
        for (int k = 0; k < n; k++) {
            if (places[k].machine != places[i].machine) continue;
            m->ranks[m->n++] = &places[k];
            for (int w = 0; w < LK_CORE_WORDS; w++) allowed[w] |= places[k].cores[w];
        }
        at += m->n;
        m->seats = seats(m->ranks, m->n);
        m->allowed = lk_barrier_count_cores(allowed);
    }
done:
    return st;
}

/* Ranks that share a core: too many of them, or bound to the same ones while others idle. */
static void judge_cores(machines *all, lk_str *out)
{
    for (int bound = 0; bound <= 1; bound++) {
        const machine *worst = NULL;
        int            n = 0;
        for (int i = 0; i < all->n; i++) {
            const machine *m = &all->list[i];
            bool           spare = m->seats < m->ranks[0]->n_cores && m->seats < m->n;
            if (m->seats >= m->n || spare != (bound == 1)) continue;
            all->named[n++] = m->ranks[0];
            if (!worst || m->n * worst->seats > worst->n * m->seats) worst = m;
        }
        if (!worst) continue;
        const lk_place *place = worst->ranks[0];
        if (bound)
            lk_str_printf(out, "%d ranks may use %d of %d cores on ", worst->n, worst->allowed,
                          place->n_cores);
        else
            lk_str_printf(out, "%d ranks share %d cores on ", worst->n, worst->seats);
        put_hosts(all->named, n, out);
        if (bound)
            lk_str_append(
                out,
                ", so they wait for each other: bound to the same cores, two jobs on one host, taskset, or a "
                "container. Start with 'mpirun --bind-to core' ('srun --cpu-bind=cores'), or fewer ranks\n");
        else
            lk_str_printf(out,
                          "%s, and every step waits for the slowest. Start at most %d on a host (mpirun "
                          "--map-by ppr:%d:node, Slurm "
                          "--ntasks-per-node=%d): the result is the same\n",
                          place->threads_per_core > 1 ? " (hardware threads of a core are not counted)" : "",
                          worst->seats, worst->seats, worst->seats);
    }
}

/* Threads that a rank is to have, by a variable that other programs obey or by Slurm; at most 1: none. */
static int threads_meant(const lk_place *rank)
{
    return rank->threads_asked > 1 ? rank->threads_asked : rank->slurm_cpus / rank->threads_per_core;
}

/* A rank computes with one thread: cores that were meant for its others lie idle. */
static void judge_threads(machines *all, lk_str *out)
{
    const lk_place *first = NULL;
    int             n = 0, could = 0; /* ranks that have a core each there */
    for (int i = 0; i < all->n; i++) {
        const machine *m = &all->list[i];
        if (threads_meant(m->ranks[0]) <= 1 || m->n >= m->ranks[0]->n_cores) continue;
        all->named[n++] = m->ranks[0];
        if (first) continue;
        first = m->ranks[0];
        could = m->n * threads_meant(first) < first->n_cores ? m->n * threads_meant(first) : first->n_cores;
    }
    if (!first) return;
    if (first->threads_asked > 1)
        lk_str_printf(out, "%s=%d on ", first->threads_by, first->threads_asked);
    else
        lk_str_printf(out, "--cpus-per-task=%d on ", first->slurm_cpus);
    put_hosts(all->named, n, out);
    bool one = lk_barrier_count_cores(first->cores) == 1 && first->n_cores > 1;
    lk_str_printf(out,
                  " means %d threads a rank, but a rank computes with one%s. Start %d ranks on a host, each "
                  "with a core of its own: the result is the same\n",
                  threads_meant(first), one ? ", and each is bound to one core" : "", could);
}

/* "avx512 on host h0; haswell on hosts h1, h2" where ranks differ in the text at `offset`; false where all are alike. */
static bool put_kinds(const lk_place *places, int n, size_t offset, machines *all, lk_str *out)
{
    const char *first = (const char *)&places[0] + offset;
    bool        mixed = false;
    for (int i = 1; i < n; i++) mixed = mixed || strcmp((const char *)&places[i] + offset, first) != 0;
    for (int i = 0; mixed && i < n; i++) {
        const char *kind = (const char *)&places[i] + offset;
        int         named = 0;
        bool        known = false;
        for (int k = 0; k < i; k++) known = known || !strcmp((const char *)&places[k] + offset, kind);
        if (known) continue;
        for (int k = i; k < n; k++) {
            bool same = !strcmp((const char *)&places[k] + offset, kind);
            if (same && (!named || strcmp(all->named[named - 1]->host, places[k].host) != 0))
                all->named[named++] = &places[k];
        }
        lk_str_printf(out, "%s%s on ", i ? "; " : "", kind);
        put_hosts(all->named, named, out);
    }
    return mixed;
}

static void judge_kinds(const lk_place *places, int n, machines *all, lk_str *out)
{
    lk_str kinds;
    lk_str_init(&kinds);
    if (put_kinds(places, n, offsetof(lk_place, kernels), all, &kinds))
        lk_str_printf(out,
                      "mixed kernel sets: %s. The slowest sets the pace, and equal bits are promised for "
                      "equal sets only: choose "
                      "one that all have, train.kernels=haswell or portable\n",
                      lk_str_text(&kinds));
    lk_str_clear(&kinds);
    if (put_kinds(places, n, offsetof(lk_place, library), all, &kinds))
        lk_str_printf(out,
                      "mixed libraries: %s. exp and log may differ in their last bit: the same bits are "
                      "promised for the same "
                      "program and libraries only\n",
                      lk_str_text(&kinds));
    lk_str_clear(&kinds);
}

static bool same_address(const lk_place *a, const lk_place *b, const lk_network **network)
{
    for (int i = 0; i < a->n_networks; i++)
        for (int k = 0; k < b->n_networks; k++) {
            const lk_network *mine = &a->networks[i], *other = &b->networks[k];
            if (mine->loopback || mine->address != other->address) continue;
            if (!lk_network_allowed(mine, &a->settings) || !lk_network_allowed(other, &b->settings)) continue;
            *network = mine;
            return true;
        }
    return false;
}

/* An address that two machines have cannot lead from one to the other. */
static void judge_addresses(const machines *all, lk_str *out)
{
    for (int i = 0; i < all->n; i++)
        for (int k = i + 1; k < all->n; k++) {
            const lk_place   *a = all->list[i].ranks[0], *b = all->list[k].ranks[0];
            const lk_network *network = NULL;
            char              address[16];
            if (!(a->in_use | b->in_use) || !same_address(a, b, &network)) continue;
            lk_network_address(network->address, address);
            lk_str_printf(out,
                          "hosts %s and %s both have the address %s (%s), and MPI may use it: it can then "
                          "wait for ever for an "
                          "answer. Leave it out: mpirun --mca btl_tcp_if_exclude %s,lo (srun: export "
                          "OMPI_MCA_btl_tcp_if_exclude=%s,lo)\n",
                          a->host, b->host, address, network->name, network->name, network->name);
            return;
        }
}

static const lk_network *by_name(const lk_place *place, const char *name)
{
    for (int i = 0; i < place->n_networks; i++)
        if (!strcmp(place->networks[i].name, name)) return &place->networks[i];
    return NULL;
}

/* A much faster interface that every machine has, beside the one in use. */
static void judge_speed(const machines *all, lk_str *out)
{
    const lk_place   *root = all->list[0].ranks[0];
    const lk_network *used = NULL, *best = lk_network_best(root->networks, root->n_networks);
    for (int i = 0; i < root->n_networks; i++)
        if (root->in_use >> i & 1 && (!used || root->networks[i].mbits > used->mbits))
            used = &root->networks[i];
    if (!used || !best || used->mbits <= 0 || best->mbits < FASTER * used->mbits) return;
    for (int i = 1; i < all->n; i++) {
        const lk_network *other = by_name(all->list[i].ranks[0], best->name);
        if (!other || other->mbits != best->mbits || !other->running) return;
    }
    lk_str_printf(out,
                  "hosts talk over %s (%.3g Gbit/s) though each has %s (%.3g Gbit/s): mpirun --mca "
                  "btl_tcp_if_include %s (srun: "
                  "export OMPI_MCA_btl_tcp_if_include=%s)\n",
                  used->name, used->mbits * 1e-3, best->name, best->mbits * 1e-3, best->name, best->name);
}

lk_status lk_place_judge(const lk_place *places, int n, lk_str *findings)
{
    lk_status st = LK_OK;
    machines  all = {0};
    LK_TRY(sort_machines(places, n, &all));
    judge_cores(&all, findings);
    judge_threads(&all, findings);
    judge_kinds(places, n, &all, findings);
    if (all.n > 1) judge_addresses(&all, findings);
    if (all.n > 1) judge_speed(&all, findings);
done:
    clear_machines(&all);
    return st;
}

/* ---- all ranks ---- */

/* Bytes travel as doubles: what a gather of them moves is not looked at. */
static lk_status gather(lk_comm *comm, const lk_place *mine, lk_place **out)
{
    enum { DOUBLES = (sizeof(lk_place) + sizeof(double) - 1) / sizeof(double) };
    lk_status st = LK_OK;
    double    packed[DOUBLES] = {0}, *all = NULL;
    int       n = lk_comm_size(comm);
    *out = NULL;
    memcpy(packed, mine, sizeof *mine);
    if (lk_comm_is_root(comm)) {
        st = LK_ALLOC((int64_t)n * DOUBLES, &all);
        if (st == LK_OK) st = LK_ALLOC(n, out);
    }
    LK_TRY(lk_comm_agree(comm, st));
    LK_TRY(lk_comm_gather(comm, packed, DOUBLES, all));
    for (int i = 0; *out && i < n; i++) memcpy(&(*out)[i], all + (int64_t)i * DOUBLES, sizeof **out);
done:
    lk_free(&all);
    return st;
}

lk_status lk_place_findings(lk_comm *comm, lk_str *findings, lk_place **places)
{
    lk_status st = LK_OK;
    lk_place *all = NULL, *mine = NULL;
    st = LK_ALLOC(1, &mine);
    if (st == LK_OK) {
        lk_place_read(mine);
        if (gethostname(mine->host, sizeof mine->host - 1) != 0)
            snprintf(mine->host, sizeof mine->host, "localhost");
        mine->machine = lk_comm_machine(comm);
        mine->machine_first = lk_comm_rank_on_machine(comm) == 0;
    }
    LK_TRY(lk_comm_agree(comm, st));
    LK_TRY(gather(comm, mine, &all));
    if (all) st = lk_place_judge(all, lk_comm_size(comm), findings);
    LK_TRY(lk_comm_agree(comm, st));
    if (places) {
        *places = all;
        all = NULL;
    }
done:
    lk_free(&all);
    lk_free(&mine);
    return st;
}
