/* IDX, plain and gzip: two bytes say how long the images' file is, the rest is the labels'. */
#include "fuzz.h"
#include "lockstep/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char     out[64];
    char            images_path[64], labels_path[64], *text = NULL;
    lk_import_split split = {.validation = 0.25, .seed = 1};
    if (!*out) snprintf(out, sizeof out, "/dev/shm/lk_fuzz_%d.h5", (int)getpid());
    size_t head = size >= 2 ? 2 : 0, images = head ? (size_t)bytes[0] << 8 | bytes[1] : 0;
    if (images > size - head) images = size - head;
    int a = lk_fuzz_file(bytes + head, images, images_path);
    int b = lk_fuzz_file(bytes + head + images, size - head - images, labels_path);
    lk_fuzz_expect(lk_data_import_idx(images_path, labels_path, NULL, NULL, &split, out, &text));
    free(text);
    unlink(out);
    close(a);
    close(b);
    return 0;
}
