/* Many files: one rank looks at each, all know what one rank alone would know, and name what it would name. */
#include "lk_test_folder.h"
#include "lk_test_mpi.h"

#include "core/alloc.h"
#include "data/set.h"
#include "train/share_ranks.h"

enum { FILES = 2 * LK_HANDLES_OPEN_MOST + 5, WIDTH = 3, ROWS_MOST = 5, SEED = 7 };

/* Which way a file goes wrong. */
typedef enum wrong { RIGHT, NO_HDF5, NO_TARGET, WIDER } wrong;

static lk_status write_file(int number, wrong how)
{
    lk_status st = LK_OK;
    char      name[16];
    lk_h5    *h5 = NULL;
    float     x[ROWS_MOST * (WIDTH + 1)];
    int32_t   y[ROWS_MOST];
    int64_t   rows = 1 + number % ROWS_MOST, axes[] = {rows, how == WIDER ? WIDTH + 1 : WIDTH},
            chunk[] = {1, 2};
    for (int i = 0; i < ROWS_MOST * (WIDTH + 1); i++) x[i] = (float)(number * 100 + i);
    for (int i = 0; i < ROWS_MOST; i++) y[i] = (number + i) % 4;
    snprintf(name, sizeof name, "f_%03d.h5", number);
    LK_TRY(lk_h5_create(path_of(name), &h5));
    if (number % 3)
        LK_TRY(lk_h5_write(h5, "/x", LK_H5_F32, 2, axes, x));
    else
        LK_TRY(lk_h5_write_chunked(h5, "/x", LK_H5_F32, 2, axes, chunk, 1, x));
    if (number % 5 == 0) LK_TRY(lk_h5_put_doubles(h5, "/x", "scale_factor", &(double){0.5}, 1));
    if (how != NO_TARGET) LK_TRY(lk_h5_write(h5, "/y", LK_H5_I32, 1, &rows, y));
    LK_TRY(lk_h5_close(&h5));
    if (how == NO_HDF5 && truncate(path_of(name), 100) != 0) st = lk_fail(LK_E_IO, "cannot cut %s", name);
done:
    lk_h5_abandon(&h5);
    return st;
}

static lk_data_options options_of(const char *const *pattern)
{
    return (lk_data_options){.train = {.files = pattern, .n_files = 1}, .base = folder};
}

static void everywhere(lk_status st)
{
    assert_ok_everywhere(lk_test_comm, st);
}

/* Values are kept in memory, or left in the files. */
static void each_file_is_opened_by_one_rank(void **state)
{
    const char     *pattern = "f_*.h5";
    lk_data_options options = options_of(&pattern);
    lk_share        share = lk_share_of(lk_test_comm);
    int64_t         resident = lk_column_resident_bytes;
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        lk_data *data = NULL;
        lk_column_resident_bytes = kept ? resident : 0;
        lk_status st = lk_data_find(&options, SEED, &share, true, &data);
        int64_t   first = lk_share_first(&share, share.rank, FILES);
        int64_t   mine = lk_share_first(&share, share.rank + 1, FILES) - first;
        if (st == LK_OK && data->handles.n_opened != mine)
            st = lk_fail(LK_E_BUG, "%lld files opened, %lld are this rank's",
                         (long long)data->handles.n_opened, (long long)mine);
        lk_data_close(&data);
        lk_column_resident_bytes = resident;
        everywhere(st);
    }
}

static lk_status same_column(const lk_column *a, const lk_column *b)
{
    lk_status st = LK_OK;
    LK_CHECK(a->n == b->n && a->n_parts == b->n_parts && a->elements == b->elements, LK_E_BUG,
             "another column");
    for (int i = 0; i < a->n_parts; i++) {
        const lk_part *p = &a->part[i], *q = &b->part[i];
        size_t         bytes = (size_t)(p->n * a->elements) * 4;
        LK_CHECK(!memcmp(p->info.axis, q->info.axis, sizeof p->info.axis) && p->info.type == q->info.type &&
                     p->info.file_offset == q->info.file_offset && p->info.address == q->info.address &&
                     p->info.chunked == q->info.chunked && !strcmp(p->info.filters, q->info.filters),
                 LK_E_BUG, "part %d is another dataset", i);
        LK_CHECK(p->scaled == q->scaled && p->scale == q->scale && p->first == q->first && p->n == q->n,
                 LK_E_BUG, "part %d has other rows", i);
        LK_CHECK(!p->memory == !q->memory && (!p->memory || !memcmp(p->memory, q->memory, bytes)), LK_E_BUG,
                 "part %d has other values", i);
    }
done:
    return st;
}

static void all_know_what_one_alone_knows(void **state)
{
    const char     *pattern = "f_*.h5";
    lk_data_options options = options_of(&pattern);
    lk_share        share = lk_share_of(lk_test_comm);
    int64_t         resident = lk_column_resident_bytes;
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        lk_data *shared = NULL, *alone = NULL;
        lk_column_resident_bytes = kept ? resident : 0;
        lk_status st = lk_data_find(&options, SEED, &share, true, &shared);
        if (st == LK_OK) st = lk_data_find(&options, SEED, NULL, true, &alone);
        if (st == LK_OK) st = same_column(shared->set[0].input[0].column, alone->set[0].input[0].column);
        if (st == LK_OK) st = same_column(shared->set[0].target[0].column, alone->set[0].target[0].column);
        if (st == LK_OK && !shared->set[0].input[0].column->part[FILES - 1].memory != !kept)
            st = lk_fail(LK_E_BUG, "values are %skept", kept ? "not " : "");
        if (st == LK_OK && strcmp(shared->split[0].fingerprint, alone->split[0].fingerprint) != 0)
            st = lk_fail(LK_E_BUG, "other fingerprints");
        lk_data_close(&shared);
        lk_data_close(&alone);
        lk_column_resident_bytes = resident;
        everywhere(st);
    }
}

/* The message of a failure, on this rank. */
static lk_status refused(const lk_share *share, char *message, size_t size)
{
    const char     *pattern = "f_*.h5";
    lk_data_options options = options_of(&pattern);
    lk_data        *data = NULL;
    lk_status       st = lk_data_find(&options, SEED, share, true, &data);
    snprintf(message, size, "%s", st == LK_OK ? "" : lk_error_message());
    lk_data_close(&data);
    return st;
}

/* Columns are opened one after the other: a shape comes before a target that is missing, wherever both are. */
static void the_first_bad_file_is_named_by_all(void **state)
{
    static const struct {
        int         number;
        wrong       how;
        const char *name;
    } cases[] = {{30, NO_TARGET, "f_030.h5"},  {FILES - 1, NO_HDF5, "f_196.h5"}, {150, WIDER, "f_150.h5"},
                 {140, NO_TARGET, "f_150.h5"}, {97, NO_HDF5, "f_097.h5"},        {0, NO_HDF5, "f_000.h5"}};
    enum { CASES = sizeof cases / sizeof *cases };
    lk_share share = lk_share_of(lk_test_comm);
    (void)state;
    for (int i = 0; i < CASES; i++) {
        char      together[2048], alone[2048];
        lk_status st = LK_OK;
        if (lk_comm_is_root(lk_test_comm)) st = write_file(cases[i].number, cases[i].how);
        everywhere(st);
        lk_status a = refused(&share, together, sizeof together), b = refused(NULL, alone, sizeof alone);
        if (a != b || strcmp(together, alone) != 0 || !strstr(together, cases[i].name))
            st = lk_fail(LK_E_BUG, "case %d: '%s', alone '%s'", i, together, alone);
        everywhere(st);
    }
    lk_status st = LK_OK;
    for (int i = 0; i < CASES && st == LK_OK && lk_comm_is_root(lk_test_comm); i++)
        st = write_file(cases[i].number, RIGHT);
    everywhere(st);
}

/* LK_OK where the status is the one that was wanted, and its message has these words. */
static lk_status expect(lk_status st, lk_status wanted, const char *words)
{
    if (st == wanted && (wanted == LK_OK || strstr(lk_error_message(), words))) return LK_OK;
    return lk_fail(LK_E_BUG, "status %d, '%s'", (int)st, lk_error_message());
}

static void nobody_waits_for_a_rank_that_fails_alone(void **state)
{
    const char     *pattern[] = {"f_00*.h5", "nothing_*.h5", "f_01*.h5"};
    lk_share        share = lk_share_of(lk_test_comm);
    bool            last = share.rank == share.size - 1;
    lk_data_options none = options_of(&pattern[last ? 1 : 0]), other = options_of(&pattern[last ? 2 : 0]);
    lk_data_options options = options_of(&pattern[0]);
    lk_data        *data = NULL;
    lk_status       st = LK_OK;
    (void)state;
    st = expect(lk_data_find(&none, SEED, &share, true, &data), LK_E_CONFIG, "matches no file");
    lk_data_close(&data);
    everywhere(st);
    st = lk_data_find(&other, SEED, &share, true, &data);
    st = expect(st, share.size > 1 ? LK_E_DATA : LK_OK, "finds other data files");
    lk_data_close(&data);
    everywhere(st);
    for (int64_t k = 1, failed = 1; failed; k += 5) { /* memory ends for one of them, wherever it is */
        if (last) lk_alloc_fail_at(k);
        st = lk_data_find(&options, SEED, &share, true, &data);
        lk_alloc_fail_at(0);
        lk_data_close(&data);
        failed = lk_comm_agree(lk_test_comm, st) != LK_OK;
        everywhere(st == LK_OK || st == LK_E_NOMEM ? LK_OK : st);
    }
}

static int set_up(void **state)
{
    lk_status st = LK_OK;
    bool      root = lk_comm_is_root(lk_test_comm);
    if (root && make_folder(state) != 0) st = lk_fail(LK_E_IO, "no folder");
    for (int i = 0; i < FILES && st == LK_OK && root; i++) st = write_file(i, RIGHT);
    st = lk_comm_agree(lk_test_comm, st);
    return st != LK_OK || lk_comm_broadcast(lk_test_comm, folder, sizeof folder) != LK_OK;
}

static int tear_down(void **state)
{
    return lk_comm_is_root(lk_test_comm) ? remove_folder(state) : 0;
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_is_opened_by_one_rank),
        cmocka_unit_test(all_know_what_one_alone_knows),
        cmocka_unit_test(the_first_bad_file_is_named_by_all),
        cmocka_unit_test(nobody_waits_for_a_rank_that_fails_alone),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

int main(void)
{
    return lk_test_mpi_run("test_mpi_files", run);
}
