/* The i-th row of a subset is that of a plain list, however thin or dense it is; and it is small. */
#include "lk_test_folder.h"

#include <unistd.h>

#include "core/alloc.h"
#include "core/rng.h"
#include "data/data_internal.h"
#include "data/subset.h"

static void rows_are_those_of_a_list(void **state)
{
    static const double  share[] = {0, 0.001, 0.02, 0.5, 0.9, 1};
    static const int64_t sizes[] = {1, 63, 64, 65, 128, 1000, 70001};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t k = 0; k < sizeof share / sizeof *share; k++) {
            lk_subset subset;
            int64_t  *list = NULL, n = 0;
            assert_ok(LK_ALLOC(sizes[s], &list));
            assert_ok(lk_subset_init(&subset, sizes[s]));
            for (int64_t row = 0; row < sizes[s]; row++) {
                lk_rng rng = lk_rng_make(7, LK_RNG_TEST, (int64_t)k, 0, row);
                if ((double)lk_rng_uniform(&rng, 0) >= share[k]) continue;
                lk_subset_add(&subset, row);
                list[n++] = row;
            }
            assert_ok(lk_subset_finish(&subset));
            assert_int_equal(subset.n, n);
            for (int64_t i = 0; i < n; i++) assert_int_equal(lk_subset_row(&subset, i), list[i]);
            if (n > 0) {
                int64_t *i = NULL, *row = NULL;
                assert_ok(LK_ALLOC(n, &i));
                assert_ok(LK_ALLOC(n, &row));
                for (int64_t r = 0; r < n; r++) i[r] = n - 1 - r;
                lk_subset_rows(&subset, n, i, row);
                for (int64_t r = 0; r < n; r++) assert_int_equal(row[r], list[n - 1 - r]);
                lk_free(&i);
                lk_free(&row);
            }
            lk_subset_clear(&subset);
            lk_free(&list);
        }
}

static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE     *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (fscanf(file, "%*d %lld", &pages) != 1) pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* Lists would take 24 bytes a sample at once, 48 MB here. */
static void splits_by_fraction_take_a_byte_a_sample(void **state)
{
    enum { ROWS = 2000000 };
    const char     *train[] = {"many.h5:/train"};
    lk_data_options options = {.train = {.files = train, .n_files = 1},
                               .validation = {.fraction = 0.1},
                               .test = {.fraction = 0.1},
                               .base = folder};
    const int64_t   axes[] = {ROWS, 1};
    unsigned char  *values = NULL;
    lk_h5          *file = NULL;
    lk_data        *data = NULL;
    (void)state;
    assert_ok(LK_ALLOC(ROWS, &values));
    for (int i = 0; i < ROWS; i++) values[i] = (unsigned char)(i % 7);
    assert_ok(lk_h5_create(path_of("many.h5"), &file));
    assert_ok(lk_h5_write(file, "/train/x", LK_H5_U8, 2, axes, values));
    assert_ok(lk_h5_write(file, "/train/y", LK_H5_U8, 1, axes, values));
    assert_ok(lk_h5_close(&file));
    lk_free(&values);
    int64_t before = resident_bytes();
    assert_ok(lk_data_open(&options, 1, NULL, &data));
    int64_t taken = resident_bytes() - before, columns = 2 * ROWS, most = columns + ROWS + (8 << 20);
#ifdef __SANITIZE_ADDRESS__
    most += 8 << 20; /* it keeps what was freed */
#endif
    if (taken > most) print_error("%lld bytes were taken\n", (long long)taken);
    assert_true(taken <= most);
    assert_int_equal(lk_data_n(data, LK_SPLIT_TRAIN) + lk_data_n(data, LK_SPLIT_VALIDATION) +
                         lk_data_n(data, LK_SPLIT_TEST),
                     ROWS);
    lk_data_close(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_of_a_list),
        cmocka_unit_test(splits_by_fraction_take_a_byte_a_sample),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
