/* replay FOLDER...: every file of the folders through the fuzzed function, in order of names. */
#include <dirent.h>

#include "fuzz.h"

static void run_file(const char *path)
{
    static uint8_t bytes[1 << 20];
    FILE          *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
}

int main(int argc, char **argv)
{
    int n_files = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **entry = NULL;
        int             n = scandir(argv[i], &entry, NULL, alphasort);
        for (int k = 0; k < n; k++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entry[k]->d_name);
            if (entry[k]->d_type == DT_REG) {
                fprintf(stderr, "%s\n", path); /* the last line names the file that broke it */
                run_file(path);
                n_files++;
            }
            free(entry[k]);
        }
        free(entry);
    }
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    return n_files == 0; /* nothing replayed is nothing tested */
}
