/*
 * make_hostile KIND OUT.h5 OTHER: HDF5 files that want more than to be read. Each has groups train with x and
 * y as a configuration would name them. OTHER is a file that must never be opened through them. Without
 * arguments: the kinds, one a line.
 */
#include <hdf5.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 16, WIDTH = 4 };

typedef struct target {
    hid_t       file, group;
    const char *path, *other;
} target;

static hid_t space_of(int axes, hsize_t a, hsize_t b)
{
    hsize_t size[2] = {a, b};
    return H5Screate_simple(axes, size, NULL);
}

static void put(hid_t where, const char *name, hid_t type, hid_t space, hid_t create, const void *values,
                hid_t memory)
{
    hid_t set = H5Dcreate2(where, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    if (set < 0) {
        fprintf(stderr, "make_hostile: %s cannot be made\n", name);
        exit(2);
    }
    if (values && H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) exit(2);
    H5Dclose(set);
}

static void good_x(hid_t where)
{
    float x[N * WIDTH];
    for (int i = 0; i < N * WIDTH; i++) x[i] = (float)(i % 7);
    put(where, "x", H5T_IEEE_F32LE, space_of(2, N, WIDTH), H5P_DEFAULT, x, H5T_NATIVE_FLOAT);
}

static void good_y(hid_t where)
{
    uint8_t y[N];
    for (int i = 0; i < N; i++) y[i] = (uint8_t)(i % 2);
    put(where, "y", H5T_STD_U8LE, space_of(1, N, 0), H5P_DEFAULT, y, H5T_NATIVE_UINT8);
}

/* ---- what leads out of the file ---- */

static void external_link(target *t)
{
    H5Ldelete(t->file, "train", H5P_DEFAULT);
    H5Lcreate_external(t->other, "/train", t->file, "train", H5P_DEFAULT, H5P_DEFAULT);
}

static void external_x(target *t)
{
    H5Lcreate_external(t->other, "/train/x", t->group, "x", H5P_DEFAULT, H5P_DEFAULT);
    good_y(t->group);
}

static void external_storage(target *t)
{
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(create, t->other, 0, N * WIDTH * sizeof(float));
    put(t->group, "x", H5T_IEEE_F32LE, space_of(2, N, WIDTH), create, NULL, 0);
    good_y(t->group);
}

static void virtual_dataset(target *t)
{
    hid_t create = H5Pcreate(H5P_DATASET_CREATE), space = space_of(2, N, WIDTH);
    H5Pset_virtual(create, space, t->other, "/train/x", space);
    put(t->group, "x", H5T_IEEE_F32LE, space, create, NULL, 0);
    good_y(t->group);
}

/* Its very size is found by opening other files. */
static void virtual_unlimited(target *t)
{
    hsize_t size[2] = {0, WIDTH}, most[2] = {H5S_UNLIMITED, WIDTH}, from[2] = {0, 0}, one[2] = {1, 1},
            block[2] = {H5S_UNLIMITED, WIDTH};
    hid_t create = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(2, size, most),
          source = H5Screate_simple(2, size, most);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, one, block);
    H5Sselect_hyperslab(source, H5S_SELECT_SET, from, NULL, one, block);
    H5Pset_virtual(create, space, t->other, "/train/x", source);
    put(t->group, "x", H5T_IEEE_F32LE, space, create, NULL, 0);
    good_y(t->group);
}

/* ---- what never ends ---- */

static void soft_loop(target *t)
{
    H5Lcreate_soft("/train/x", t->group, "x", H5P_DEFAULT, H5P_DEFAULT);
    good_y(t->group);
}

static void soft_pair(target *t)
{
    H5Lcreate_soft("/train/y", t->group, "x", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/train/x", t->group, "y", H5P_DEFAULT, H5P_DEFAULT);
}

/* Each of 30 groups holds the next one twice: 2^30 ways to the last. */
static void doubling_groups(target *t)
{
    hid_t group = t->group;
    good_y(t->group);
    for (int i = 0; i < 30; i++) {
        hid_t next = H5Gcreate2(group, "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Lcreate_hard(group, "a", group, "b", H5P_DEFAULT, H5P_DEFAULT);
        group = next;
    }
}

static void ring_of_groups(target *t)
{
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "ring%d", i);
        H5Lcreate_hard(t->file, "/", t->group, name, H5P_DEFAULT, H5P_DEFAULT);
        H5Lcreate_hard(t->file, "/train", t->group, name + 1, H5P_DEFAULT, H5P_DEFAULT);
    }
    good_y(t->group);
}

static void deep_groups(target *t)
{
    hid_t group = t->group;
    for (int i = 0; i < 10000; i++) {
        hid_t next = H5Gcreate2(group, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        if (group != t->group) H5Gclose(group);
        group = next;
    }
    good_y(t->group);
}

/* ---- what claims too much ---- */

static hid_t chunks(hsize_t a, hsize_t b, bool pack)
{
    hsize_t chunk[2] = {a, b};
    hid_t   create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(create, 2, chunk);
    if (pack) H5Pset_deflate(create, 9);
    return create;
}

static void never_written(target *t)
{
    put(t->group, "x", H5T_IEEE_F64LE, space_of(2, 1000000000000, 1000000), chunks(64, 1024, true), NULL, 0);
    put(t->group, "y", H5T_STD_U8LE, space_of(2, 1000000000000, 1), chunks(1 << 20, 1, true), NULL, 0);
}

static void three_axes_of_a_million(target *t)
{
    hsize_t size[3] = {1000000, 1000000, 1000000}, chunk[3] = {16, 64, 64};
    hid_t   create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(create, 3, chunk);
    H5Pset_deflate(create, 9);
    put(t->group, "x", H5T_IEEE_F32LE, H5Screate_simple(3, size, NULL), create, NULL, 0);
    good_y(t->group);
}

/* One chunk of a huge dataset is there. */
static void one_chunk_of_many(target *t)
{
    hid_t   space = space_of(2, 1000000000, 1000), set, memory = space_of(2, 1, 1);
    hsize_t first[2] = {0, 0}, one[2] = {1, 1};
    float   value = 1;
    set = H5Dcreate2(t->group, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, chunks(64, 1000, true), H5P_DEFAULT);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, first, NULL, one, NULL);
    if (H5Dwrite(set, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, &value) < 0) exit(2);
    H5Dclose(set);
    put(t->group, "y", H5T_STD_U8LE, space_of(2, 1000000000, 1), chunks(1 << 20, 1, true), NULL, 0);
}

/* Sixteen rows in a chunk of 3 GB that packs into 3 MB. */
static void chunk_bomb(target *t)
{
    hsize_t  size[2] = {N, WIDTH}, most[2] = {H5S_UNLIMITED, WIDTH}, at[2] = {0, 0};
    hid_t    create = chunks((hsize_t)200000000, WIDTH, true), space = H5Screate_simple(2, size, most);
    hid_t    set = H5Dcreate2(t->group, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, create, H5P_DEFAULT);
    uint8_t  packed[64] = {0};
    unsigned skip = 0;
    if (set < 0 || H5Dwrite_chunk(set, H5P_DEFAULT, skip, at, sizeof packed, packed) < 0) exit(2);
    H5Dclose(set);
    good_y(t->group);
}

static void fifty_axes_of_nothing(target *t)
{
    hsize_t size[32];
    for (int i = 0; i < 32; i++) size[i] = 1;
    put(t->group, "x", H5T_IEEE_F32LE, H5Screate_simple(32, size, NULL), H5P_DEFAULT, NULL, 0);
    good_y(t->group);
}

/* ---- what is no number ---- */

static void lists(target *t)
{
    float values[2] = {1, 2};
    hvl_t list[N];
    hid_t type = H5Tvlen_create(H5T_NATIVE_FLOAT);
    for (int i = 0; i < N; i++) list[i] = (hvl_t){2, values};
    put(t->group, "x", type, space_of(1, N, 0), H5P_DEFAULT, list, type);
    good_y(t->group);
}

static void records(target *t)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, 16);
    H5Tinsert(type, "a", 0, H5T_NATIVE_DOUBLE);
    H5Tinsert(type, "b", 8, H5T_NATIVE_DOUBLE);
    put(t->group, "x", type, space_of(1, N, 0), H5P_DEFAULT, NULL, 0);
    good_y(t->group);
}

static void texts(target *t)
{
    const char *words[N];
    hid_t       type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    for (int i = 0; i < N; i++) words[i] = "one";
    put(t->group, "x", type, space_of(1, N, 0), H5P_DEFAULT, words, type);
    good_y(t->group);
}

static void references(target *t)
{
    put(t->group, "x", H5T_STD_REF_OBJ, space_of(1, N, 0), H5P_DEFAULT, NULL, 0);
    good_y(t->group);
}

static void no_dataspace(target *t)
{
    put(t->group, "x", H5T_IEEE_F32LE, H5Screate(H5S_NULL), H5P_DEFAULT, NULL, 0);
    good_y(t->group);
}

static size_t pass(unsigned flags, size_t n, const unsigned *values, size_t size, size_t *room, void **buffer)
{
    (void)flags, (void)n, (void)values, (void)room, (void)buffer;
    return size;
}

static void unknown_filter(target *t)
{
    const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, 32015, 1, 1, "zstd", NULL, NULL, pass};
    hid_t              create = chunks(4, WIDTH, false);
    float              x[N * WIDTH] = {0};
    H5Zregister(&filter);
    H5Pset_filter(create, 32015, H5Z_FLAG_MANDATORY, 0, NULL);
    put(t->group, "x", H5T_IEEE_F32LE, space_of(2, N, WIDTH), create, x, H5T_NATIVE_FLOAT);
    good_y(t->group);
}

/* A thousand attributes of 64 KiB that say nothing, and a scale that is a text. */
static void attribute_flood(target *t)
{
    hsize_t size = 65000;
    char   *bytes = calloc(1, size), name[16];
    hid_t   space = H5Screate_simple(1, &size, NULL);
    good_x(t->group);
    good_y(t->group);
    hid_t x = H5Dopen2(t->group, "x", H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "a%d", i);
        hid_t a = H5Acreate2(t->group, name, H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT);
        H5Awrite(a, H5T_NATIVE_UINT8, bytes);
        H5Aclose(a);
    }
    hid_t scale = H5Acreate2(x, "scale_factor", type, H5Screate(H5S_SCALAR), H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(scale, type, "x");
    H5Aclose(scale);
    H5Dclose(x);
    free(bytes);
}

/* ---- lies, told to the file afterwards ---- */

static void reopen_bytes(target *t, long at, const void *bytes, size_t size)
{
    FILE *file = fopen(t->path, "r+b");
    if (!file || fseek(file, at, SEEK_SET) != 0 || fwrite(bytes, 1, size, file) != size) exit(2);
    fclose(file);
}

/* A user block that says "HDF5" first at 512, where nothing is. */
static void user_block_lies(target *t)
{
    good_x(t->group);
    good_y(t->group);
}

static const struct {
    const char *name;
    void (*make)(target *t);
} kinds[] = {{"external_link", external_link},
             {"external_x", external_x},
             {"external_storage", external_storage},
             {"virtual_dataset", virtual_dataset},
             {"virtual_unlimited", virtual_unlimited},
             {"soft_loop", soft_loop},
             {"soft_pair", soft_pair},
             {"doubling_groups", doubling_groups},
             {"ring_of_groups", ring_of_groups},
             {"deep_groups", deep_groups},
             {"never_written", never_written},
             {"three_axes_of_a_million", three_axes_of_a_million},
             {"one_chunk_of_many", one_chunk_of_many},
             {"chunk_bomb", chunk_bomb},
             {"many_axes", fifty_axes_of_nothing},
             {"lists", lists},
             {"records", records},
             {"texts", texts},
             {"references", references},
             {"no_dataspace", no_dataspace},
             {"unknown_filter", unknown_filter},
             {"attribute_flood", attribute_flood},
             {"user_block_lies", user_block_lies},
             {"superblock_lies", user_block_lies}};

int main(int argc, char **argv)
{
    enum { KINDS = sizeof kinds / sizeof *kinds };
    for (int i = 0; argc != 4 && i < KINDS; i++) puts(kinds[i].name);
    if (argc != 4) return argc == 1 ? 0 : 2;
    for (int i = 0; i < KINDS; i++) {
        if (strcmp(argv[1], kinds[i].name) != 0) continue;
        bool   block = !strcmp(argv[1], "user_block_lies");
        hid_t  create = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
        target t = {.path = argv[2], .other = argv[3]};
        H5Pset_userblock(create, block ? 1024 : 0);
        /* Attributes above 64 KiB together, and many links, want the newer format. */
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
        t.file = H5Fcreate(argv[2], H5F_ACC_TRUNC, create, access);
        t.group = H5Gcreate2(t.file, "train", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        kinds[i].make(&t);
        H5Gclose(t.group);
        H5Fclose(t.file);
        if (block) reopen_bytes(&t, 512, "\211HDF\r\n\032\n\2\10\10\0", 12);
        if (!strcmp(argv[1], "superblock_lies")) reopen_bytes(&t, 28, "\377\377\377\377\377\377\377\177", 8);
        return 0;
    }
    fprintf(stderr, "make_hostile: what is %s?\n", argv[1]);
    return 2;
}
