#include "io/map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where all maps stand, so that a signal handler finds them without a lock. More maps than places: those are read instead. */
enum { MAPS_MOST = 1024 };
struct lk_map {
    _Atomic(char *) pages;  /* NULL: the place is free */
    _Atomic size_t  size;   /* from pages on */
    size_t          offset; /* of the first byte that was asked for */
    atomic_bool     damaged;
};
static lk_map           maps[MAPS_MOST];
static pthread_mutex_t  mutex = PTHREAD_MUTEX_INITIALIZER; /* taken to open and close, not by the handler */
static struct sigaction before;
static size_t           page;

static lk_map *map_at(const char *address)
{
    for (int i = 0; i < MAPS_MOST; i++) {
        const char *pages = atomic_load(&maps[i].pages);
        if (pages && address >= pages && address < pages + atomic_load(&maps[i].size)) return &maps[i];
    }
    return NULL;
}

/* Zeros in place of the page at `address`. */
static bool patch(lk_map *map, const char *address)
{
    char *pages = atomic_load(&map->pages), *bad = pages + (size_t)(address - pages) / page * page;
    atomic_store(&map->damaged, true);
    return mmap(bad, page, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) == bad;
}

static void pass_on(int signal, siginfo_t *info, void *context)
{
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(signal, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(signal);
    } else { /* the access is tried again, or the signal is sent again, without us */
        sigaction(signal, &before, NULL);
        if (info->si_code <= 0) raise(signal);
    }
}

static void on_bus_error(int signal, siginfo_t *info, void *context)
{
    int     error = errno;
    lk_map *map = info->si_code > 0 ? map_at(info->si_addr) : NULL; /* others come from kill() */
    if (!map || !patch(map, info->si_addr)) pass_on(signal, info, context);
    errno = error;
}

/* Each time: others may have put a handler of theirs in the place of ours. */
static bool guard(void)
{
    struct sigaction now, action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    page = (size_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, NULL, &now) != 0) return false;
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_bus_error) return true;
    before = now; /* first: the handler may run as soon as it is there */
    return sigaction(SIGBUS, &action, NULL) == 0;
}

static lk_map *free_place(void)
{
    lk_map *map = maps;
    while (map < maps + MAPS_MOST && atomic_load(&map->pages)) map++;
    return map < maps + MAPS_MOST ? map : NULL;
}

/* [offset, offset + size) of `file` in a free place; under the lock. */
static lk_map *place(int file, int64_t offset, int64_t size)
{
    lk_map *map = free_place();
    if (!map || !guard()) return NULL;
    map->offset = (size_t)offset % page;
    size_t whole = map->offset + (size_t)size;
    char  *pages = mmap(NULL, whole, PROT_READ, MAP_SHARED, file, (off_t)(offset - (int64_t)map->offset));
    if (pages == MAP_FAILED) return NULL;
    atomic_store(&map->damaged, false);
    atomic_store(&map->size, whole);
    atomic_store(&map->pages, pages);
    return map;
}

lk_map *lk_map_open(const char *path, int64_t file_size, int64_t offset, int64_t size)
{
    struct stat info;
    lk_map     *map = NULL;
    if (!free_place()) return NULL; /* of many files most find none: those are not opened for nothing */
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return NULL;
    if (size > 0 && offset >= 0 && fstat(file, &info) == 0 && S_ISREG(info.st_mode) &&
        (file_size == 0 || info.st_size == file_size) && (int64_t)info.st_size - offset >= size) {
        pthread_mutex_lock(&mutex);
        map = place(file, offset, size);
        pthread_mutex_unlock(&mutex);
    }
    close(file);
    return map;
}

void lk_map_close(lk_map **map)
{
    lk_map *it = *map;
    if (!it) return;
    pthread_mutex_lock(&mutex);
    char *pages = atomic_load(&it->pages);
    munmap(pages, atomic_load(&it->size));
    atomic_store(&it->pages, NULL);
    pthread_mutex_unlock(&mutex);
    *map = NULL;
}

const char *lk_map_bytes(const lk_map *map)
{
    return atomic_load(&map->pages) + map->offset;
}

bool lk_map_damaged(const lk_map *map)
{
    return atomic_load(&map->damaged);
}
