/*
 * R1 for the writer: SIGKILL before and after every system call of commit and prune.
 *
 * A child under ptrace stops at the entry and at the exit of each call; round k kills it at stop k, until a
 * round lets it finish. Whatever is left on disk must hold a good checkpoint, old or new, with its own bits.
 */
#include "lk_test.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "core/alloc.h"
#include "core/log.h"
#include "io/atomic_internal.h"

enum { FLOATS = 512, MOST_STOPS = 4000, CRUMB = 1500 };

static char          folder[64];
static lk_span_table spans;
static float         values[FLOATS], back[FLOATS];
static int           n_warnings;
static volatile int *acknowledged; /* shared with the child: 1 after commit, 2 after prune */
static lk_io_calls   real;

static void count_warning(void *context, lk_log_level level, const char *line)
{
    (void)context, (void)line;
    n_warnings += level == LK_LOG_WARN;
}

static void fill(int64_t step)
{
    for (int i = 0; i < FLOATS; i++) values[i] = (float)(step * 1000 + i);
}

static void path_of(int64_t step, char path[192])
{
    char name[32];
    lk_checkpoint_name(step, name);
    snprintf(path, 192, "%s/%s", folder, name);
}

static void seal(int64_t step, lk_checkpoint_writer **writer)
{
    fill(step);
    assert_ok(lk_checkpoint_begin(writer));
    assert_ok(lk_checkpoint_put_spans(*writer, "/model", &spans, 1, values));
    assert_ok(lk_h5_put_int(lk_checkpoint_file(*writer), "/state", "step", step));
    assert_ok(lk_checkpoint_seal(*writer, step));
}

static void save(int64_t step)
{
    lk_checkpoint_writer *writer;
    char                  path[192];
    seal(step, &writer);
    path_of(step, path);
    assert_ok(lk_checkpoint_commit(writer, path, NULL));
    lk_checkpoint_abandon(&writer);
}

static ssize_t write_crumb(int file, const void *bytes, size_t size)
{
    return real.write(file, bytes, size < CRUMB ? size : CRUMB);
}

/* In the child: stops itself so that the parent takes hold, then does what a run does at a checkpoint. */
static void commit_and_die(const lk_checkpoint_writer *writer, int64_t step)
{
    char path[192];
    path_of(step, path);
    lk_io.write = write_crumb; /* so that files of many lengths are left behind */
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(77);
    raise(SIGSTOP);
    if (lk_checkpoint_commit(writer, path, NULL) != LK_OK) _exit(1);
    *acknowledged = 1;
    if (lk_checkpoint_prune(folder, 2) != LK_OK) _exit(2);
    *acknowledged = 2;
    _exit(0);
}

typedef struct tally {
    int  opens, writes, fsyncs, renames, unlinks, reserves;
    bool forbidden; /* the system does not let us trace */
} tally;

static void count_call(pid_t child, tally *t)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info) <= 0) return;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return;
    long nr = (long)info.entry.nr;
    t->opens += nr == SYS_openat;
    t->writes += nr == SYS_write;
    t->fsyncs += nr == SYS_fsync;
    t->reserves += nr == SYS_fallocate;
    t->renames += nr == SYS_renameat || nr == SYS_renameat2;
    t->unlinks += nr == SYS_unlinkat;
#ifdef SYS_rename
    t->renames += nr == SYS_rename;
    t->unlinks += nr == SYS_unlink;
#endif
}

/* Kills the child at its k-th stop; true if it ended by itself before. */
static bool run_to_stop(pid_t child, int k, tally *t)
{
    int  stops = 0, status = 0;
    long deliver = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    t->forbidden = WIFEXITED(status) && WEXITSTATUS(status) == 77;
    if (t->forbidden) return true;
    assert_true(WIFSTOPPED(status));
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
    for (;;) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, (void *)deliver), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return true;
        }
        assert_true(WIFSTOPPED(status));
        bool call = WSTOPSIG(status) == (SIGTRAP | 0x80);
        deliver = call ? 0 : WSTOPSIG(status);
        if (!call) continue;
        count_call(child, t);
        if (++stops < k) continue;
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        return false;
    }
}

/* The step that a restart would go on from; its bits are those of that step. */
static int64_t step_found(void)
{
    char          *path;
    lk_checkpoint *checkpoint;
    n_warnings = 0;
    assert_ok(lk_checkpoint_find_newest(folder, &path));
    assert_non_null(path);
    assert_int_equal(n_warnings, 0); /* what bears a final name is whole */
    assert_ok(lk_checkpoint_open(path, &checkpoint));
    int64_t step = lk_checkpoint_step(checkpoint);
    assert_ok(lk_checkpoint_get_spans(checkpoint, "/model", &spans, 1, back));
    fill(step);
    assert_memory_equal(back, values, sizeof back);
    lk_checkpoint_close(&checkpoint);
    lk_free(&path);
    return step;
}

static void clean(int64_t last)
{
    char path[192];
    for (int64_t step = 0; step <= last; step++) {
        path_of(step, path);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/.new", folder);
    unlink(path);
}

static void expect_prune_done(void)
{
    char path[192];
    path_of(0, path);
    assert_int_equal(access(path, F_OK), -1);
    path_of(1, path);
    assert_int_equal(access(path, F_OK), 0);
}

/* One round: steps 0 and 1 are there, the child writes 2. Returns whether it was let to the end. */
static bool round_of(const lk_checkpoint_writer *writer, int k, int found[3], tally *t)
{
    clean(3);
    save(0);
    save(1);
    *acknowledged = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) commit_and_die(writer, 2);
    bool ended = run_to_stop(child, k, t);
    if (t->forbidden) return true;
    int64_t step = step_found();
    assert_in_range(step, 1, 2); /* never older than the last that was acknowledged */
    if (*acknowledged >= 1) assert_int_equal(step, 2);
    if (*acknowledged >= 2) expect_prune_done();
    found[step]++;
    save(3); /* and what was left behind is not in the way */
    assert_int_equal(step_found(), 3);
    return ended;
}

static void killed_at_every_call(void **state)
{
    lk_checkpoint_writer *writer;
    int                   found[3] = {0}, k;
    tally                 t = {0};
    bool                  ended = false;
    (void)state;
    seal(2, &writer);
    for (k = 1; k < MOST_STOPS && !ended; k++) {
        t = (tally){0};
        ended = round_of(writer, k, found, &t);
    }
    lk_checkpoint_abandon(&writer);
    if (t.forbidden) {
        print_message("ptrace is not allowed here: skipped\n");
        skip();
    }
    assert_true(ended);
    print_message("%d kills: %d times the old one was found, %d times the new one\n", k - 2, found[1],
                  found[2] - 1);
    /* The last round saw all calls, so the sweep went through each of them. */
    assert_true(t.opens >= 2 && t.writes >= 3 && t.fsyncs == 2 && t.renames == 1 && t.unlinks >= 1);
    assert_true(found[1] >= 2 * (t.writes + 2) && found[2] >= 4);
}

static int begin(void **state)
{
    lk_span span = {.name = "dense_1/weight", .shape = {.n_axes = 1, .axis = {FLOATS}}};
    (void)state;
    real = lk_io;
    snprintf(folder, sizeof folder, "/tmp/lk_crash_XXXXXX");
    if (!mkdtemp(folder) || lk_span_table_add(&spans, &span) != LK_OK) return -1;
    acknowledged = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    lk_log_set_sink(count_warning, NULL);
    return acknowledged == MAP_FAILED ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    lk_log_set_sink(NULL, NULL);
    clean(3);
    munmap((void *)(uintptr_t)acknowledged, 4096);
    lk_span_table_clear(&spans);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(killed_at_every_call, begin, end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
