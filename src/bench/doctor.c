/* Is this machine, and this launch, what it should be? Findings with cures; silence about what is well. */
#include "lockstep/inspect.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/str.h"
#include "io/h5.h"
#include "kernels/kernels.h"
#include "train/session.h"

lk_status lk_version_text(char **text)
{
    lk_str out;
    lk_str_init(&out);
    lk_kernels_select("auto");
    lk_str_printf(&out, "lockstep %s\nkernels %s\nhdf5 %s\n", LK_VERSION, lk_kernels_detail(),
                  lk_h5_version());
    *text = strdup(lk_str_text(&out));
    lk_str_clear(&out);
    return *text ? LK_OK : lk_fail(LK_E_NOMEM, "out of memory for the version");
}

static int cores_allowed(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void check_cores(lk_comm *comm, lk_str *out)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int  ranks = lk_comm_host_ranks(comm, lk_comm_host(comm));
    lk_str_printf(out, "cores       %ld on this host, %d allowed to this rank, %d rank%s here\n", cores,
                  cores_allowed(), ranks, ranks == 1 ? "" : "s");
    if (ranks > cores)
        lk_str_printf(
            out, "  trouble: %d ranks share %ld cores; start at most %ld a host (results stay the same)\n",
            ranks, cores, cores);
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    if (threads && atoi(threads) > 1)
        lk_str_printf(out,
                      "  note: OPENBLAS_NUM_THREADS=%s is ignored: one thread a rank, ranks use the cores\n",
                      threads);
}

static void check_shared_memory(lk_str *out)
{
    struct statvfs info;
    if (statvfs("/dev/shm", &info) != 0) {
        lk_str_append(
            out, "  trouble: there is no /dev/shm: train.reduce=allreduce works without shared memory\n");
        return;
    }
    double free_mib = (double)info.f_bavail * (double)info.f_frsize / (1 << 20);
    lk_str_printf(out, "shared mem  %.0f MiB free in /dev/shm\n", free_mib);
    if (free_mib < 128)
        lk_str_append(out, "  trouble: containers often give 64 MiB; start yours with --shm-size=1g or use "
                           "train.reduce=allreduce\n");
}

lk_status lk_doctor(lk_session *session, char **text)
{
    lk_status st = LK_OK;
    lk_comm  *comm = session->comm;
    lk_str    out;
    lk_str_init(&out);
    *text = NULL;
    LK_TRY(lk_comm_layout(comm, &(lk_comm_options){0}));
    LK_TRY(lk_kernels_select("auto"));
    lk_str_printf(&out, "lockstep    %s, %s\n", LK_VERSION, lk_comm_mpi_version(comm));
    lk_str_printf(&out, "kernels     %s, %.1f GF/s sgemm on one core\n", lk_kernels_detail(),
                  lk_kernels_sgemm_rate(0.3));
    lk_str_printf(&out, "ranks       %d on %d host%s\n", lk_comm_size(comm), lk_comm_n_hosts(comm),
                  lk_comm_n_hosts(comm) == 1 ? "" : "s");
    check_cores(comm, &out);
    check_shared_memory(&out);
    if (lk_comm_is_root(comm)) {
        *text = strdup(lk_str_text(&out));
        LK_CHECK(*text, LK_E_NOMEM, "out of memory for a report");
    }
done:
    lk_str_clear(&out);
    return st;
}
