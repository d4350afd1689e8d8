/*
 * R3: the power fails at any moment of a run's checkpoints.
 *
 * A recorder under lk_io notes each call that changes a file or a name, and executes it. Then a disk is played that lost its
 * power before a random call: what was fsynced is there; of the rest any part may be, in any order: single blocks of 512
 * bytes, lengths, names. Each such state must hold a whole checkpoint that is not older than the last acknowledged one, no
 * damaged file under a final name, and best.h5 at least as new as that checkpoint knows of.
 */
#include "lk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/rng.h"
#include "io/atomic_internal.h"
#include "train/saver.h"

enum { STATES = 10000, CONTROLS = 1000, STEPS = 9, FLOATS = 512, BLOCK = 512, PIECE = 1700 };
enum { MOST_CALLS = 1000, MOST_FILES = 16, MOST_DESCRIPTORS = 1024, FILE_BYTES = 1 << 15 };

typedef enum kind { CREATE, CUT, RESERVE, WRITE, SYNC_FILE, SYNC_FOLDER, RENAME, UNLINK, ACKNOWLEDGE } kind;

/* A call. Files are numbered in the order of their creation; a file may have any name, or none. */
typedef struct call {
    kind  what;
    int   file;
    char  name[48], from[48]; /* below the run directory */
    off_t offset;
    char *bytes; /* owned */
    off_t size;  /* of `bytes`, or reserved; the step of an acknowledgement */
} call;

static call          calls[MOST_CALLS];
static int           n_calls, n_files, n_states, n_warnings;
static int           file_of[MOST_DESCRIPTORS]; /* -1: a folder */
static char          name_of[MOST_DESCRIPTORS][48];
static char          run[64];
static lk_io_calls   real;
static lk_span_table spans;
static float         values[FLOATS], back[FLOATS];
static bool          lazy; /* the control: fsync does nothing */

/* ---- the recorder ---- */

static call *note(kind what, int file, const char *name)
{
    assert_true(n_calls < MOST_CALLS);
    call *it = &calls[n_calls++];
    *it = (call){.what = what, .file = file};
    snprintf(it->name, sizeof it->name, "%s", name);
    return it;
}

static const char *below_run(const char *path)
{
    return !strncmp(path, run, strlen(run)) && path[strlen(run)] == '/' ? path + strlen(run) + 1 : "";
}

static int file_named(const char *name)
{
    int file = -1;
    for (int i = 0; i < n_calls; i++) {
        if (calls[i].what == CREATE && !strcmp(calls[i].name, name)) file = calls[i].file;
        if (calls[i].what == RENAME && !strcmp(calls[i].name, name)) file = calls[i].file;
        if (calls[i].what == RENAME && !strcmp(calls[i].from, name)) file = -1;
        if (calls[i].what == UNLINK && !strcmp(calls[i].name, name)) file = -1;
    }
    return file;
}

static int record_open(const char *path, int flags, mode_t mode)
{
    int descriptor = real.open(path, flags, mode);
    assert_in_range(descriptor, 0, MOST_DESCRIPTORS - 1);
    snprintf(name_of[descriptor], sizeof name_of[descriptor], "%s", below_run(path));
    file_of[descriptor] = -1;
    if (!(flags & O_CREAT)) return descriptor;
    int file = file_named(below_run(path));
    if (file < 0)
        note(CREATE, file = n_files++, below_run(path));
    else
        note(CUT, file, "");
    file_of[descriptor] = file;
    return descriptor;
}

static int record_reserve(int descriptor, off_t offset, off_t size)
{
    note(RESERVE, file_of[descriptor], "")->size = offset + size;
    return real.fallocate(descriptor, offset, size);
}

static ssize_t record_write(int descriptor, const void *bytes, size_t size)
{
    if (size > PIECE) size = PIECE; /* so that there are moments between */
    call *it = note(WRITE, file_of[descriptor], "");
    it->offset = lseek(descriptor, 0, SEEK_CUR);
    it->size = (off_t)size;
    assert_ok(LK_ALLOC(size, &it->bytes));
    memcpy(it->bytes, bytes, size);
    return real.write(descriptor, bytes, size);
}

static int record_fsync(int descriptor)
{
    if (lazy) return 0;
    note(file_of[descriptor] < 0 ? SYNC_FOLDER : SYNC_FILE, file_of[descriptor], name_of[descriptor]);
    return 0; /* the disk is played: the real one need not be waited for */
}

static int record_rename(const char *from, const char *to)
{
    int   file = file_named(below_run(from));
    call *it = note(RENAME, file, below_run(to));
    snprintf(it->from, sizeof it->from, "%s", below_run(from));
    return real.rename(from, to);
}

static int record_unlink(const char *path)
{
    note(UNLINK, -1, below_run(path));
    return real.unlink(path);
}

/* ---- a run ---- */

static void fill(int64_t step)
{
    for (int i = 0; i < FLOATS; i++) values[i] = (float)(step * 1000 + i);
}

/* Best are steps 0, 1, 4 and 7. */
static bool is_best(int64_t step)
{
    return step % 3 == 1 || step == 0;
}

static int64_t best_at(int64_t step)
{
    while (!is_best(step)) step--;
    return step;
}

static void save(lk_saver *saver, int64_t step)
{
    lk_checkpoint_writer *writer;
    fill(step);
    assert_ok(lk_checkpoint_begin(&writer));
    assert_ok(lk_checkpoint_put_spans(writer, "/model", &spans, 1, values));
    assert_ok(lk_h5_put_int(lk_checkpoint_file(writer), "/state", "step", step));
    assert_ok(lk_h5_put_int(lk_checkpoint_file(writer), "/state", "best_step", best_at(step)));
    assert_ok(lk_checkpoint_seal(writer, step));
    assert_ok(lk_saver_put(saver, &writer, step, is_best(step)));
    assert_ok(lk_saver_wait(saver));
}

static lk_saver *open_saver(void)
{
    lk_saver *saver;
    char      folder[80], best[80];
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC); /* logs: fdatasync says EINVAL, which is fine */
    snprintf(folder, sizeof folder, "%s/checkpoints", run);
    snprintf(best, sizeof best, "%s/best.h5", run);
    lk_saver_options options = {
        .folder = folder, .best = best, .keep = 2, .logs = {nowhere, nowhere, nowhere}};
    assert_ok(lk_saver_create(&options, &saver));
    return saver;
}

static void record_run(void)
{
    lk_saver *saver = open_saver();
    n_calls = n_files = 0;
    lk_io = (lk_io_calls){record_open, record_reserve, record_write, record_fsync,
                          real.close,  record_rename,  record_unlink};
    for (int64_t step = 0; step < STEPS; step++) {
        save(saver, step);
        note(ACKNOWLEDGE, -1, "")->size = step;
    }
    lk_io = real;
    lk_saver_destroy(&saver);
}

/* ---- the disk after the power failed ---- */

typedef struct disk {
    char  bytes[MOST_FILES][FILE_BYTES];
    off_t size[MOST_FILES];
    char  name[MOST_FILES][48]; /* of entry i; "" is free */
    int   file[MOST_FILES];     /* of entry i */
} disk;

static disk     now;
static lk_rng   luck;
static uint64_t drawn;

static uint32_t draw(uint32_t below)
{
    return lk_rng_word(&luck, drawn++) % below;
}

static void put_block(int file, const call *it, off_t from, off_t to)
{
    assert_true(to <= FILE_BYTES);
    memcpy(now.bytes[file] + from, it->bytes + (from - it->offset), (size_t)(to - from));
    if (to > now.size[file]) now.size[file] = to;
}

/* All of it, or of its blocks those that `chance` of 4 lets through. */
static void apply_data(const call *it, uint32_t chance)
{
    if (it->what == CUT && draw(4) < chance) now.size[it->file] = 0;
    if (it->what == RESERVE && it->size > now.size[it->file] && draw(4) < chance)
        now.size[it->file] = it->size;
    if (it->what != WRITE) return;
    for (off_t from = it->offset, end = it->offset + it->size; from < end;) {
        off_t to = (from / BLOCK + 1) * BLOCK;
        if (to > end) to = end;
        if (draw(4) < chance) put_block(it->file, it, from, to);
        from = to;
    }
}

static void set_name(const char *name, int file)
{
    int at = -1;
    for (int i = MOST_FILES - 1; i >= 0; i--)
        if (!now.name[i][0]) at = i;
    for (int i = 0; i < MOST_FILES; i++)
        if (!strcmp(now.name[i], name)) at = i;
    assert_true(at >= 0);
    snprintf(now.name[at], sizeof now.name[at], "%s", file < 0 ? "" : name);
    now.file[at] = file;
}

static void apply_name(const call *it)
{
    if (it->what == RENAME) set_name(it->from, -1);
    set_name(it->name, it->what == UNLINK ? -1 : it->file);
}

static bool is_data(const call *it)
{
    return it->what == CUT || it->what == RESERVE || it->what == WRITE;
}

static bool is_name(const call *it)
{
    return it->what == CREATE || it->what == RENAME || it->what == UNLINK;
}

static bool in_folder(const char *name, const char *folder)
{
    const char *slash = strrchr(name, '/');
    return slash ? !strncmp(name, folder, (size_t)(slash - name)) && strlen(folder) == (size_t)(slash - name)
                 : !*folder;
}

/* Whether a later fsync before the failure made this call durable. */
static bool durable(const call *it, int end)
{
    for (const call *sync = it + 1; sync < calls + end; sync++) {
        if (sync->what == SYNC_FILE && is_data(it) && sync->file == it->file) return true;
        if (sync->what == SYNC_FOLDER && is_name(it) && in_folder(it->name, sync->name)) return true;
    }
    return false;
}

/* The disk if the power fails before call number `end`; returns the last acknowledged step. */
static int64_t fail_before(int end)
{
    int64_t  acknowledged = -1;
    uint32_t data = 1 + draw(4), names = 1 + draw(4); /* chances of 4: 4 is all of it */
    memset(&now, 0, sizeof now);
    for (int i = 0; i < MOST_FILES && draw(2); i++)
        memset(now.bytes[i], 0x5a, FILE_BYTES); /* old contents of blocks */
    for (const call *it = calls; it < calls + end; it++) {
        if (it->what == ACKNOWLEDGE) acknowledged = it->size;
        if (is_data(it)) apply_data(it, durable(it, end) ? 4 : data);
        if (is_name(it) && (durable(it, end) || draw(4) < names)) apply_name(it);
    }
    return acknowledged;
}

static void lay_out(void)
{
    char path[PATH_MAX];
    for (int i = 0; i < MOST_FILES; i++) {
        if (!now.name[i][0]) continue;
        snprintf(path, sizeof path, "%s/%s", run, now.name[i]);
        int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        assert_true(file >= 0);
        assert_int_equal(write(file, now.bytes[now.file[i]], (size_t)now.size[now.file[i]]),
                         now.size[now.file[i]]);
        close(file);
    }
}

static void clear(void)
{
    static const char *const others[] = {"best.h5", ".new", "checkpoints/.new"};
    char                     path[PATH_MAX], name[32];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(path, sizeof path, "%s/%s", run, others[i]);
        unlink(path);
    }
    for (int64_t step = 0; step <= STEPS + 1; step++) {
        lk_checkpoint_name(step, name);
        snprintf(path, sizeof path, "%s/checkpoints/%s", run, name);
        unlink(path);
    }
}

static uint64_t hash_of_disk(void)
{
    uint64_t hash = 0;
    for (int i = 0; i < MOST_FILES; i++)
        if (now.name[i][0])
            hash += XXH3_64bits_withSeed(now.bytes[now.file[i]], (size_t)now.size[now.file[i]],
                                         XXH3_64bits(now.name[i], strlen(now.name[i])));
    return hash;
}

/* Whether a restart goes on from a whole checkpoint of `acknowledged` or later. */
static bool restarts(int64_t acknowledged)
{
    char           folder[80], best[80], *path = NULL;
    lk_checkpoint *checkpoint = NULL;
    int64_t        best_step = 0;
    snprintf(folder, sizeof folder, "%s/checkpoints", run);
    snprintf(best, sizeof best, "%s/best.h5", run);
    n_warnings = 0;
    if (lk_checkpoint_find_newest(folder, &path) != LK_OK || n_warnings) return lk_free(&path), false;
    if (!path) return acknowledged < 0;
    assert_ok(lk_checkpoint_open(path, &checkpoint));
    int64_t step = lk_checkpoint_step(checkpoint);
    bool    good =
        step >= acknowledged && lk_checkpoint_get_spans(checkpoint, "/model", &spans, 1, back) == LK_OK;
    assert_ok(lk_h5_get_int(lk_checkpoint_h5(checkpoint), "/state", "best_step", &best_step));
    lk_checkpoint_close(&checkpoint);
    lk_free(&path);
    fill(step);
    good = good && !memcmp(back, values, sizeof back);
    good =
        good && lk_checkpoint_open(best, &checkpoint) == LK_OK && lk_checkpoint_step(checkpoint) >= best_step;
    lk_checkpoint_close(&checkpoint);
    return good;
}

/* What is left lies in nobody's way: the run writes on, and finds that. */
static void goes_on(void)
{
    char      folder[80], *path = NULL, name[32];
    lk_saver *saver = open_saver();
    save(saver, STEPS + 1);
    lk_saver_destroy(&saver);
    snprintf(folder, sizeof folder, "%s/checkpoints", run);
    assert_ok(lk_checkpoint_find_newest(folder, &path));
    lk_checkpoint_name(STEPS + 1, name);
    assert_string_equal(strrchr(path, '/') + 1, name);
    unlink(path);
    lk_free(&path);
}

/* False if this very disk was there before. */
static bool is_new(uint64_t hash)
{
    static uint64_t seen[4 * STATES];
    uint64_t        at = hash % (4 * STATES);
    while (seen[at] && seen[at] != hash) at = (at + 1) % (4 * STATES);
    bool found = seen[at] != 0;
    seen[at] = hash;
    return !found;
}

/* Draws disks until there were so many different ones; how many of them a restart cannot go on from. */
static int lost_states(int n)
{
    int lost = 0;
    n_states = 0;
    clear();
    for (int i = 0; n_states < n; i++) {
        luck = lk_rng_make(3, LK_RNG_TEST, lazy, 0, i);
        drawn = 0;
        int     end = (int)draw((uint32_t)n_calls + 1);
        int64_t acknowledged = fail_before(end);
        if (!is_new(hash_of_disk())) continue;
        lay_out();
        bool good = restarts(acknowledged);
        if (!good && !lazy) print_error("draw %d: power lost before call %d of %d\n", i, end, n_calls);
        lost += !good;
        if (good && !lazy && n_states % 16 == 0) goes_on();
        clear();
        n_states++;
    }
    return lost;
}

static void power_loss_loses_nothing_acknowledged(void **state)
{
    (void)state;
    record_run();
    int lost = lost_states(STATES);
    print_message("%d different disks over %d calls: %d lost\n", n_states, n_calls, lost);
    assert_int_equal(lost, 0);
}

/* The test has power: without fsync the same disk loses checkpoints. */
static void without_fsync_it_would(void **state)
{
    (void)state;
    lazy = true;
    record_run();
    int lost = lost_states(CONTROLS);
    print_message("without fsync: %d of %d lost\n", lost, n_states);
    assert_true(lost > CONTROLS / 10);
}

static void count_warning(void *context, lk_log_level level, const char *line)
{
    (void)context, (void)line;
    n_warnings += level == LK_LOG_WARN;
}

static int begin(void **state)
{
    lk_span span = {.name = "dense_1/weight", .shape = {.n_axes = 1, .axis = {FLOATS}}};
    char    folder[80];
    (void)state;
    real = lk_io;
    /* In memory where that is to be had: tens of thousands of files come and go. */
    snprintf(run, sizeof run, "%s/lk_power_XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(run) || lk_span_table_add(&spans, &span) != LK_OK) return -1;
    snprintf(folder, sizeof folder, "%s/checkpoints", run);
    n_calls = 0;
    lk_log_set_sink(count_warning, NULL);
    return mkdir(folder, 0777);
}

static int end(void **state)
{
    char command[128];
    (void)state;
    lazy = false;
    lk_io = real;
    lk_log_set_sink(NULL, NULL);
    lk_span_table_clear(&spans);
    for (int i = 0; i < MOST_CALLS; i++) lk_free(&calls[i].bytes);
    snprintf(command, sizeof command, "rm -rf '%s'", run);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(power_loss_loses_nothing_acknowledged, begin, end),
        cmocka_unit_test_setup_teardown(without_fsync_it_would, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
