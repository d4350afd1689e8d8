/*
 * kill_at N FOLDER TRACE COMMAND...: runs COMMAND and kills it with SIGKILL at its N-th stop at a system call
 * that touches FOLDER; 0: never.
 *
 * There are two stops a call, before the kernel has done anything and after it has done all, counted over all
 * threads in the order in which they happen. Each stop is a line of TRACE: "N entry|exit CALL PATH". Ends as
 * COMMAND did, killed by SIGKILL itself if it killed, so that mpirun sees a rank that died; 77 where ptrace
 * is not allowed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_THREADS = 256, OURS = 3, NOT_ALLOWED = 77 };

/* The calls that change what lies on disk or make it durable; `at`: which argument tells the file. */
typedef struct call {
    long        number;
    const char *name;
    int         at;
    bool        is_path; /* else a descriptor */
} call;

static const call calls[] = {
    {SYS_openat, "openat", 1, true},
    {SYS_renameat2, "renameat2", 3, true},
    {SYS_unlinkat, "unlinkat", 1, true},
    {SYS_mkdirat, "mkdirat", 1, true},
    {SYS_truncate, "truncate", 0, true},
    {SYS_write, "write", 0, false},
    {SYS_pwrite64, "pwrite64", 0, false},
    {SYS_ftruncate, "ftruncate", 0, false},
    {SYS_fallocate, "fallocate", 0, false},
    {SYS_fsync, "fsync", 0, false},
    {SYS_fdatasync, "fdatasync", 0, false},
    {SYS_close, "close", 0, false},
#ifdef SYS_renameat
    {SYS_renameat, "renameat", 3, true},
#endif
#ifdef SYS_open
    {SYS_open, "open", 0, true},
    {SYS_rename, "rename", 1, true},
    {SYS_unlink, "unlink", 0, true},
    {SYS_mkdir, "mkdir", 0, true},
#endif
};

typedef struct thread {
    pid_t       id;
    const call *inside; /* a call that touches the folder, between its two stops */
    char        path[PATH_MAX];
} thread;

static thread      threads[MOST_THREADS];
static const char *folder;
static FILE       *trace;
static long        stops, kill_at;

static thread *thread_of(pid_t id)
{
    thread *free_slot = NULL;
    for (int i = 0; i < MOST_THREADS; i++) {
        if (threads[i].id == id) return &threads[i];
        if (!threads[i].id && !free_slot) free_slot = &threads[i];
    }
    if (!free_slot) {
        fprintf(stderr, "kill_at: more than %d threads at once\n", MOST_THREADS);
        exit(OURS);
    }
    *free_slot = (thread){.id = id};
    return free_slot;
}

static void forget(pid_t id)
{
    for (int i = 0; i < MOST_THREADS; i++)
        if (threads[i].id == id) threads[i] = (thread){0};
}

/* A path in the memory of the other process; cut where it cannot be read on. */
static void read_path(pid_t id, uint64_t address, char path[PATH_MAX])
{
    size_t n = 0;
    path[0] = '\0';
    while (n < PATH_MAX - 1) {
        size_t       piece = 256 - (size_t)((address + n) % 256); /* never across a page */
        struct iovec here, there;
        if (piece > PATH_MAX - 1 - n) piece = PATH_MAX - 1 - n;
        here = (struct iovec){path + n, piece};
        there = (struct iovec){(void *)(uintptr_t)(address + n), piece};
        ssize_t got = process_vm_readv(id, &here, 1, &there, 1, 0);
        if (got <= 0) break;
        n += (size_t)got;
        if (memchr(path + n - got, '\0', (size_t)got)) return;
    }
    path[n] = '\0';
}

static void read_descriptor(pid_t id, uint64_t descriptor, char path[PATH_MAX])
{
    char    link[64];
    ssize_t n;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)id, (int)descriptor);
    n = readlink(link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
}

static void enter(thread *t, const struct __ptrace_syscall_info *info)
{
    t->inside = NULL;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].number != (long)info->entry.nr) continue;
        if (calls[i].is_path)
            read_path(t->id, info->entry.args[calls[i].at], t->path);
        else
            read_descriptor(t->id, info->entry.args[calls[i].at], t->path);
        if (!strncmp(t->path, folder, strlen(folder))) t->inside = &calls[i];
    }
}

/* True if this stop is the one to kill at. */
static bool count(thread *t)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, t->id, (void *)sizeof info, &info) <= 0) return false;
    bool entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (entry) enter(t, &info);
    if (!t->inside) return false;
    fprintf(trace, "%ld %s %s %s\n", ++stops, entry ? "entry" : "exit", t->inside->name, t->path);
    if (!entry) t->inside = NULL;
    return stops == kill_at;
}

static void die_as_killed(pid_t child)
{
    int status;
    kill(child, SIGKILL);
    while (waitpid(-1, &status, __WALL) > 0 || errno == EINTR) {
    }
    fclose(trace);
    raise(SIGKILL);
}

static int follow(pid_t child)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                         PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    int status = 0;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return WEXITSTATUS(status);
    if (ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)options) != 0) return NOT_ALLOWED;
    ptrace(PTRACE_SYSCALL, child, NULL, NULL);
    for (;;) {
        pid_t id = waitpid(-1, &status, __WALL);
        if (id < 0 && errno == EINTR) continue;
        if (id < 0) return OURS;
        if (!WIFSTOPPED(status)) {
            forget(id);
            if (id != child) continue;
            if (WIFSIGNALED(status)) raise(WTERMSIG(status));
            return WEXITSTATUS(status);
        }
        int  signal = WSTOPSIG(status), event = status >> 16;
        bool at_call = signal == (SIGTRAP | 0x80);
        if (at_call && count(thread_of(id))) die_as_killed(child);
        /* A new thread begins with a SIGSTOP of ptrace's; that and ptrace's own traps are not for the
         * program. */
        bool ours = at_call || event || (signal == SIGSTOP && !thread_of(id)->inside);
        ptrace(PTRACE_SYSCALL, id, NULL, (void *)(long)(ours ? 0 : signal));
    }
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "kill_at N FOLDER TRACE COMMAND...\n");
        return 2;
    }
    kill_at = atol(argv[1]);
    folder = argv[2];
    trace = fopen(argv[3], "we");
    if (!trace) {
        perror(argv[3]);
        return 2;
    }
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(NOT_ALLOWED);
        raise(SIGSTOP);
        execvp(argv[4], argv + 4);
        perror(argv[4]);
        _exit(127);
    }
    int code = child < 0 ? NOT_ALLOWED : follow(child);
    fclose(trace);
    return code;
}
