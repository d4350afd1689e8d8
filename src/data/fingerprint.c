#include "data/fingerprint.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/str.h"
#include "data/catalogue.h"
#include "data/decode.h"
#include "data/set.h"

enum { BLOCK_BYTES = 4096 };

static void print_hash(uint64_t high, uint64_t low, char hex[33])
{
    snprintf(hex, 33, "%016llx%016llx", (unsigned long long)high, (unsigned long long)low);
}

lk_status lk_sample_take(lk_handles *handles, int file, lk_sample *out)
{
    lk_status   st = LK_OK;
    const char *path = handles->files->path[file];
    struct stat info;
    char        block[BLOCK_BYTES];
    *out = (lk_sample){0};
    LK_CHECK(stat(path, &info) == 0, LK_E_DATA, "%s is not there any more", path);
    out->size = info.st_size;
    int64_t size = info.st_size < BLOCK_BYTES ? info.st_size : BLOCK_BYTES, last = info.st_size - size;
    for (int64_t i = 0; i < LK_SAMPLE_BLOCKS; i++) {
        LK_TRY(lk_handles_pread(handles, file, last / (LK_SAMPLE_BLOCKS - 1) * i, (size_t)size, block));
        XXH128_hash_t hash = XXH3_128bits(block, (size_t)size);
        out->high[i] = hash.high64;
        out->low[i] = hash.low64;
    }
    out->taken = true;
done:
    return st;
}

/* The folder does not count: moved data is the same data. */
static lk_status describe_file(lk_handles *handles, int file, lk_str *text)
{
    lk_status        st = LK_OK;
    lk_sample        own;
    const lk_sample *sample = lk_catalogue_sample(handles->catalogue, file);
    const char      *path = handles->files->path[file], *slash = strrchr(path, '/');
    char             hex[33];
    if (!sample) {
        LK_TRY(lk_sample_take(handles, file, &own));
        sample = &own;
    }
    lk_str_printf(text, "%s %lld\n", slash ? slash + 1 : path, (long long)sample->size);
    for (int i = 0; i < LK_SAMPLE_BLOCKS; i++) {
        print_hash(sample->high[i], sample->low[i], hex);
        lk_str_printf(text, "%s\n", hex);
    }
done:
    return st;
}

static void describe_source(const lk_source *source, lk_str *text)
{
    for (int k = 0; k < source->n_columns; k++)
        for (int i = 0; i < source->column[k].n_parts; i++) {
            const lk_part *part = &source->column[k].part[i];
            lk_str_printf(text, "%s %s", part->dataset, lk_decode_type_name(part->info.type));
            for (int a = 0; a < part->info.n_axes; a++)
                lk_str_printf(text, " %lld", (long long)part->info.axis[a]);
            lk_str_append(text, "\n");
        }
}

static lk_status describe_set(const lk_set *set, lk_handles *handles, lk_str *text)
{
    lk_status st = LK_OK;
    for (int i = 0; i < set->n_inputs; i++) describe_source(&set->input[i], text);
    for (int i = 0; i < set->n_targets; i++) describe_source(&set->target[i], text);
    if (set->has_weight) describe_source(&set->weight, text);
    for (int i = 0; i < set->places.n; i++)
        if (i == 0 || set->places.number[i] != set->places.number[i - 1])
            LK_TRY(describe_file(handles, set->places.number[i], text));
    for (int f = 0; f < set->n_own; f++)
        for (int i = 0; i < set->own[f].n; i++) LK_TRY(describe_file(handles, set->own[f].number[i], text));
done:
    return st;
}

lk_status lk_data_fingerprints(lk_data *data, lk_handles *handles)
{
    lk_status st = LK_OK;
    lk_str    text;
    lk_str_init(&text);
    for (int i = 0; i < LK_SPLITS; i++) {
        snprintf(data->split[i].fingerprint, sizeof data->split[i].fingerprint, "%032d", 0);
        if (!data->split[i].set) continue;
        lk_str_clear(&text);
        lk_str_init(&text);
        LK_TRY(describe_set(data->split[i].set, handles, &text));
        LK_CHECK(!text.failed, LK_E_NOMEM, "no memory to describe the data");
        XXH128_hash_t hash = XXH3_128bits(lk_str_text(&text), strlen(lk_str_text(&text)));
        print_hash(hash.high64, hash.low64, data->split[i].fingerprint);
    }
done:
    lk_str_clear(&text);
    return st;
}
