#include "train/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/log.h"
#include "io/atomic.h"

enum { HOLDER_BYTES = 256, BEAT_BYTES = 512 };

/* A holder beats every second, so one that is silent for this long is none. */
static const double BEAT_SECONDS = 1, SILENT_SECONDS = 4, LOOK_SECONDS = 0.25;
/* Who takes a silent directory over waits this long for others that do so at the same moment: the last one
 * has it. */
static const double SETTLE_SECONDS = 1;

struct lk_lock {
    char            directory[PATH_MAX - 64];
    char            path[PATH_MAX];       /* DIR/.lock */
    char            beat_path[PATH_MAX];  /* DIR/.lock.beat */
    char            holder[HOLDER_BYTES]; /* me */
    int             file;                 /* descriptor of .lock that carries the kernel's lock, -1 without */
    bool            beats;                /* by heartbeat */
    pthread_t       thread;
    bool            running;
    pthread_mutex_t mutex;
    pthread_cond_t  wake;
    bool            leave;
    long long       beat;
    atomic_bool     lost;
    char            taken_by[BEAT_BYTES]; /* stands once it is lost */
};

static void name_holder(char text[HOLDER_BYTES])
{
    char        host[128] = "?";
    const char *job = getenv("SLURM_JOB_ID");
    gethostname(host, sizeof host - 1);
    snprintf(text, HOLDER_BYTES, "host %s, process %ld%s%.32s", host, (long)getpid(),
             job ? ", Slurm job " : "", job ? job : "");
}

static lk_status refuse(const lk_lock *lock, const char *holder)
{
    return lk_fail(LK_E_LOCKED, "run directory %s is in use by %s", lock->directory,
                   *holder ? holder : "another job");
}

/* ---- the kernel's lock ---- */

/* What the holder wrote; if it has not written yet and is one of this host, what the kernel knows. */
static void read_holder(const lk_lock *lock, char text[HOLDER_BYTES])
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char         process[64] = "";
    ssize_t      n = pread(lock->file, text, HOLDER_BYTES - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (fcntl(lock->file, F_GETLK, &whole) != 0 || whole.l_type == F_UNLCK || whole.l_pid <= 0) return;
    snprintf(process, sizeof process, ", process %ld", (long)whole.l_pid);
    if (kill(whole.l_pid, 0) != 0 || strstr(text, process)) return;
    snprintf(text, HOLDER_BYTES, "%.*s%s", (int)strcspn(lock->holder, ","), lock->holder, process);
}

/* A start that failed removes its lock and its directory while it holds the lock: who opened it before has a lock on nothing. */
static bool is_there(const lk_lock *lock)
{
    struct stat open_one, named;
    return fstat(lock->file, &open_one) != 0 || /* cannot tell */
           (stat(lock->path, &named) == 0 && open_one.st_ino == named.st_ino &&
            open_one.st_dev == named.st_dev);
}

/* *without: the file system has no locks. */
static lk_status take_kernel_lock(lk_lock *lock, bool *without)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char         holder[HOLDER_BYTES];
    *without = false;
    lock->file = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (lock->file < 0) return lk_fail(LK_E_IO, "cannot open %s: %s", lock->path, lk_file_reason(errno));
    if (fcntl(lock->file, F_SETLK, &whole) == 0)
        return is_there(lock)
                   ? LK_OK
                   : lk_fail(LK_E_LOCKED,
                             "run directory %s has just been removed by another start, which failed; "
                             "start again",
                             lock->directory);
    if (errno == EACCES || errno == EAGAIN) {
        read_holder(lock, holder);
        return refuse(lock, holder);
    }
    *without = true;
    return LK_OK;
}

/* ---- the heartbeat ---- */

static void nap(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

/* "" where there is none. */
static void read_beat(const lk_lock *lock, char text[BEAT_BYTES])
{
    char  *bytes = NULL;
    size_t size = 0;
    text[0] = '\0';
    if (lk_file_read(lock->beat_path, BEAT_BYTES - 1, &bytes, &size) == LK_OK)
        snprintf(text, BEAT_BYTES, "%.*s", (int)size, bytes);
    lk_free(&bytes);
}

/* "N of host a, process 12": a number that changes, and who changes it. */
static lk_status write_beat(lk_lock *lock)
{
    char text[BEAT_BYTES], temporary[PATH_MAX];
    int  n = snprintf(text, sizeof text, "%lld of %s\n", ++lock->beat, lock->holder);
    snprintf(temporary, sizeof temporary, "%s/.lock.%ld", lock->directory, (long)getpid());
    return lk_atomic_write(lock->beat_path, temporary, text, (size_t)n);
}

static bool is_mine(const lk_lock *lock, const char *beat)
{
    const char *of = strstr(beat, " of ");
    size_t      n = strlen(lock->holder);
    return of && !strncmp(of + 4, lock->holder, n) && of[4 + n] == '\n';
}

/* Its end of line is cut off. */
static const char *holder_of(char *beat)
{
    char *of = strstr(beat, " of ");
    beat[strcspn(beat, "\n")] = '\0';
    return of ? of + 4 : "";
}

static lk_status refuse_beating(const lk_lock *lock, char *beat)
{
    return refuse(lock, holder_of(beat));
}

static void *keep_beating(void *context)
{
    lk_lock        *lock = context;
    struct timespec until;
    pthread_mutex_lock(&lock->mutex);
    while (!lock->leave) {
        char seen[BEAT_BYTES];
        read_beat(lock, seen);
        if (*seen && !is_mine(lock, seen)) {
            snprintf(lock->taken_by, sizeof lock->taken_by, "%s", holder_of(seen));
            atomic_store(&lock->lost, true);
            break;
        }
        (void)write_beat(lock); /* a beat that fails is made up for by the next */
        until = lk_clock_after(BEAT_SECONDS);
        pthread_cond_timedwait(&lock->wake, &lock->mutex, &until);
    }
    pthread_mutex_unlock(&lock->mutex);
    return NULL;
}

static lk_status start_beating(lk_lock *lock)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    lock->running = pthread_create(&lock->thread, NULL, keep_beating, lock) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return lock->running ? LK_OK : lk_fail(LK_E_NOMEM, "%s: no thread for its heartbeat", lock->beat_path);
}

static lk_status take_by_heartbeat(lk_lock *lock)
{
    lk_status st = LK_OK;
    char      first[BEAT_BYTES], now[BEAT_BYTES];
    lk_log_warn("%s is on a file system without locks: a heartbeat keeps other jobs out", lock->directory);
    lock->beats = true;
    read_beat(lock, first);
    for (double until = lk_clock_seconds() + SILENT_SECONDS; *first && lk_clock_seconds() < until;) {
        nap(LOOK_SECONDS);
        read_beat(lock, now);
        if (*now && strcmp(first, now) != 0) return refuse_beating(lock, now);
    }
    LK_TRY(write_beat(lock));
    nap(SETTLE_SECONDS);
    read_beat(lock, now);
    if (!is_mine(lock, now)) return refuse_beating(lock, now);
    LK_TRY(start_beating(lock));
done:
    return st;
}

/* ---- both ---- */

lk_status lk_lock_take(const char *directory, lk_lock **out)
{
    lk_status st = LK_OK;
    lk_lock  *lock = NULL;
    bool      without = false;
    *out = NULL;
    LK_TRY(LK_ALLOC(1, &lock));
    lock->file = -1;
    pthread_mutex_init(&lock->mutex, NULL);
    lk_clock_cond_init(&lock->wake);
    snprintf(lock->directory, sizeof lock->directory, "%s", directory);
    snprintf(lock->path, sizeof lock->path, "%s/.lock", lock->directory);
    snprintf(lock->beat_path, sizeof lock->beat_path, "%s/.lock.beat", lock->directory);
    name_holder(lock->holder);
    LK_TRY(take_kernel_lock(lock, &without));
    if (without) LK_TRY(take_by_heartbeat(lock));
    *out = lock;
    lock = NULL;
done:
    lk_lock_release(&lock);
    return st;
}

lk_status lk_lock_sign(lk_lock *lock)
{
    char text[HOLDER_BYTES + 1];
    int  n = snprintf(text, sizeof text, "%s\n", lock->holder);
    if (ftruncate(lock->file, 0) == 0 && pwrite(lock->file, text, (size_t)n, 0) == n) return LK_OK;
    return lk_fail(LK_E_IO, "cannot write %s: %s", lock->path, lk_file_reason(errno));
}

lk_status lk_lock_held(lk_lock *lock)
{
    if (!atomic_load(&lock->lost)) return LK_OK;
    return lk_fail(
        LK_E_LOCKED,
        "run directory %s has been taken over by %s, which had seen no sign of life of this job for %g s; "
        "this one ends and writes nothing more",
        lock->directory, *lock->taken_by ? lock->taken_by : "another job", SILENT_SECONDS);
}

static void stop_beating(lk_lock *it)
{
    if (!it->running) return;
    pthread_mutex_lock(&it->mutex);
    it->leave = true;
    pthread_cond_signal(&it->wake);
    pthread_mutex_unlock(&it->mutex);
    pthread_join(it->thread, NULL);
    it->running = false;
    if (!atomic_load(&it->lost)) (void)lk_file_remove(it->beat_path);
}

void lk_lock_release(lk_lock **lock)
{
    lk_lock *it = *lock;
    if (!it) return;
    stop_beating(it);
    if (it->file >= 0) close(it->file);
    pthread_mutex_destroy(&it->mutex);
    pthread_cond_destroy(&it->wake);
    lk_free(lock);
}

static bool is_all_there_is(const lk_lock *lock)
{
    bool           alone = true;
    struct dirent *entry;
    DIR           *folder = opendir(lock->directory);
    if (!folder) return false;
    while ((entry = readdir(folder)))
        alone &=
            !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || !strcmp(entry->d_name, ".lock");
    closedir(folder);
    return alone;
}

void lk_lock_withdraw(lk_lock **lock)
{
    lk_lock *it = *lock;
    if (!it) return;
    stop_beating(it);
    if (!atomic_load(&it->lost) && is_all_there_is(it)) {
        (void)lk_file_remove(it->path);
        (void)rmdir(it->directory);
    }
    lk_lock_release(lock);
}
