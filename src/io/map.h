/**
 * A piece of a file as memory, to read from: the page cache itself, one copy a host, without a call or a copy for each row.
 *
 * Where a page cannot be had, because the file became shorter or the disk failed, the kernel sends SIGBUS. Here that page
 * becomes zeros and the map is damaged, so whoever took values from it asks afterwards, and fails like after any other bad
 * read. A SIGBUS elsewhere goes to the handler that was there before. Threads that read maps must not block SIGBUS.
 */
#ifndef LK_IO_MAP_H
#define LK_IO_MAP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lk_map lk_map;

/** `size` bytes from `offset`. NULL where the file system, the kernel or the file's length do not allow it, or the file is not
 * file_size long (0: however long): then the bytes are there to be read. */
lk_map     *lk_map_open(const char *path, int64_t file_size, int64_t offset, int64_t size);
void        lk_map_close(lk_map **map);
const char *lk_map_bytes(const lk_map *map);
/** Whether some page could not be had so far. */
bool lk_map_damaged(const lk_map *map);

#endif
