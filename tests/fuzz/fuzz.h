/**
 * Fuzzing a reader: one function that takes bytes. clang's libFuzzer drives it (scripts/fuzz.sh), and replay.c gives it
 * files that are kept: seeds, and inputs that once did harm.
 */
#ifndef LK_FUZZ_H
#define LK_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/** A file in memory for readers that take paths; `path` leads to it until `file` is closed. */
static inline int lk_fuzz_file(const void *bytes, size_t size, char path[64])
{
    int file = memfd_create("fuzz", 0);
    if (file < 0 || (size && write(file, bytes, size) != (ssize_t)size)) abort();
    snprintf(path, 64, "/proc/self/fd/%d", file);
    return file;
}

/** A reader may refuse, in so many words; anything else is a finding. */
static inline void lk_fuzz_expect(lk_status st)
{
    if (st == LK_OK) return;
    if (st != LK_E_DATA && st != LK_E_CONFIG && st != LK_E_SHAPE && st != LK_E_USAGE && st != LK_E_NEWER) {
        fprintf(stderr, "status %d: %s\n", (int)st, lk_error_message());
        abort();
    }
    if (!*lk_error_message()) abort();
}

#endif
