/** The header of a checkpoint as checkpoint.h describes it, written anew by a second hand. */
#ifndef LK_TEST_HEADER_H
#define LK_TEST_HEADER_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { LK_HEADER_BYTES = 512 };

/** Gives the bytes of a checkpoint's file a header of this format and step with the hash that belongs to them. */
static inline void lk_test_write_header(char *bytes, size_t size, int format, int64_t step)
{
    uint64_t      seed = format == 1 ? 0 : (uint64_t)format << 56 ^ (uint64_t)step;
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes + LK_HEADER_BYTES, size - LK_HEADER_BYTES, seed);
    memset(bytes, 0, LK_HEADER_BYTES);
    snprintf(bytes, LK_HEADER_BYTES,
             "LOCKSTEP %d\nsize %zu\nxxh3 %016" PRIx64 "%016" PRIx64 "\nstep %" PRId64 "\n", format, size,
             hash.high64, hash.low64, step);
}

#endif
