/*
 * The header of a checkpoint: bytes as a whole file, and the same bytes laid over a header that is right. Behind it is
 * no HDF5, so a file that gets past the header is refused there.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "checkpoint/checkpoint.h"
#include "fuzz.h"

enum { BLOCK = 512, BODY = 96 };

static void open_bytes(const void *bytes, size_t size)
{
    char           path[64];
    lk_checkpoint *checkpoint = NULL;
    int            file = lk_fuzz_file(bytes, size, path);
    lk_status      st = lk_checkpoint_open(path, &checkpoint);
    lk_fuzz_expect(st);
    if (st == LK_OK) abort();
    lk_checkpoint_close(&checkpoint);
    close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char image[BLOCK + BODY] = "";
    open_bytes(bytes, size);
    memset(image + BLOCK, 7, BODY);
    XXH128_hash_t hash = XXH3_128bits(image + BLOCK, BODY);
    snprintf(image, BLOCK, "LOCKSTEP 1\nsize %d\nxxh3 %016llx%016llx\nstep 12\n", BLOCK + BODY,
             (unsigned long long)hash.high64, (unsigned long long)hash.low64);
    size_t at = size >= 2 ? ((size_t)bytes[0] << 8 | bytes[1]) % BLOCK : 0, n = size >= 2 ? size - 2 : 0;
    if (n > BLOCK - at) n = BLOCK - at;
    if (n) memcpy(image + at, bytes + 2, n);
    open_bytes(image, sizeof image);
    return 0;
}
