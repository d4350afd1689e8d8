/* Augmentation: each picture is one of the few it may become, and the same one for any ranks and batches. */
#include "lk_test_folder.h"

#include "data/data_internal.h"

enum { N = 60, H = 5, W = 4, C = 2, SIZE = H * W * C, SEED = 9 };

/* Means and deviations given, so that a raw 0 is -2 in channel 0 and 6 in channel 1, exactly. */
static const double mean[C] = {4, -3}, deviation[C] = {2, 0.5};

static unsigned char raw_of(int i, int h, int w, int c)
{
    return (unsigned char)(1 + (i * 31 + h * 53 + w * 17 + c * 101) % 251);
}

static float normal(int raw, int c)
{
    return (float)((raw - mean[c]) / deviation[c]);
}

/* a.h5: /image has x [N, H, W, C]; /flat has x [N, C]; /dense has y [N, H, W, C]. */
static int write_file(void **state)
{
    static unsigned char x[N][H][W][C];
    static float         y[N];
    lk_h5               *file = NULL;
    int64_t              n = N, image[] = {N, H, W, C}, flat[] = {N, C};
    if (make_folder(state) != 0) return -1;
    for (int i = 0; i < N; i++)
        for (int h = 0; h < H; h++)
            for (int w = 0; w < W; w++)
                for (int c = 0; c < C; c++) x[i][h][w][c] = raw_of(i, h, w, c);
    assert_ok(lk_h5_create(path_of("a.h5"), &file));
    assert_ok(lk_h5_write(file, "/image/x", LK_H5_U8, 4, image, x));
    assert_ok(lk_h5_write(file, "/image/y", LK_H5_F32, 1, &n, y));
    assert_ok(lk_h5_write(file, "/flat/x", LK_H5_U8, 2, flat, x));
    assert_ok(lk_h5_write(file, "/flat/y", LK_H5_F32, 1, &n, y));
    assert_ok(lk_h5_write(file, "/dense/x", LK_H5_U8, 4, image, x));
    assert_ok(lk_h5_write(file, "/dense/y", LK_H5_U8, 4, image, x));
    assert_ok(lk_h5_close(&file));
    return 0;
}

typedef struct fixture {
    const char     *files[1];
    lk_data_options options;
    lk_data        *data;
} fixture;

static void open_shuffled(fixture *f, const char *group, const lk_augment_options *augment, int n,
                          lk_shuffle shuffle)
{
    *f = (fixture){.files = {group},
                   .options = {.normalise = LK_NORMALISE_GIVEN,
                               .mean = mean,
                               .std = deviation,
                               .n_given = C,
                               .shuffle = shuffle,
                               .augment = augment,
                               .n_augment = n,
                               .base = folder}};
    f->options.train = (lk_split_options){.files = f->files, .n_files = 1};
    assert_ok(lk_data_open(&f->options, SEED, NULL, &f->data));
}

static void open_group(fixture *f, const char *group, const lk_augment_options *augment, int n)
{
    open_shuffled(f, group, augment, n, LK_SHUFFLE_FULL);
}

static lk_stream_options whole(int64_t batch_size)
{
    return (lk_stream_options){.split = LK_SPLIT_TRAIN,
                               .batch_size = batch_size,
                               .lanes = 1,
                               .n_lanes = 1,
                               .training = true,
                               .seed = SEED};
}

/* Epoch `epoch` of one stream, put in the order of samples: out [N][SIZE]. */
static void read_epoch(lk_data *data, const lk_stream_options *options, int64_t epoch, float *out)
{
    lk_stream      *stream = NULL;
    const lk_batch *batch = NULL;
    assert_ok(lk_stream_create(data, options, &stream));
    lk_stream_seek(stream, epoch, 0);
    for (int64_t b = 0; b < lk_stream_batches(stream); b++) {
        assert_ok(lk_stream_next(stream, &batch));
        for (int64_t i = 0; i < batch->n; i++)
            memcpy(out + batch->sample[i] * SIZE, (const float *)batch->input[0] + i * SIZE,
                   SIZE * sizeof *out);
    }
    lk_stream_destroy(&stream);
}

/* The picture of sample i turned, then moved; what comes in from outside was 0 in the file. */
static void picture(int i, bool horizontal, bool vertical, int down, int right, float *out)
{
    for (int h = 0; h < H; h++)
        for (int w = 0; w < W; w++)
            for (int c = 0; c < C; c++) {
                int  from_h = h - down, from_w = w - right;
                bool inside = from_h >= 0 && from_h < H && from_w >= 0 && from_w < W;
                if (vertical) from_h = H - 1 - from_h;
                if (horizontal) from_w = W - 1 - from_w;
                *out++ = normal(inside ? raw_of(i, from_h, from_w, c) : 0, c);
            }
}

typedef struct moved {
    int horizontal, vertical, down, right, matches;
} moved;

/* Which of the allowed pictures sample i became; matches says how many it could be. */
static moved recognise(int i, const float *x, bool flips, int pixels)
{
    moved found = {0};
    float expected[SIZE];
    for (int turn = 0; turn < (flips ? 4 : 1); turn++)
        for (int down = -pixels; down <= pixels; down++)
            for (int right = -pixels; right <= pixels; right++) {
                picture(i, turn & 1, turn & 2, down, right, expected);
                if (memcmp(expected, x, sizeof expected) != 0) continue;
                found = (moved){turn & 1, turn >> 1, down, right, found.matches + 1};
            }
    return found;
}

static float seen[3][N * SIZE];

static void pictures_do_not_depend_on_ranks_batches_order_or_reading_ahead(void **state)
{
    lk_augment_options augment[] = {{.kind = LK_AUGMENT_FLIP, .horizontal = 0.5f, .vertical = 0.5f},
                                    {.kind = LK_AUGMENT_SHIFT, .pixels = 2}};
    (void)state;
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        fixture           f;
        lk_stream_options options = whole(7);
        open_shuffled(&f, "a.h5:/image", augment, 2, shuffle ? LK_SHUFFLE_NONE : LK_SHUFFLE_FULL);
        /* The first time round this is what all others are held against. */
        read_epoch(f.data, &options, 2, shuffle == 0 ? seen[0] : seen[1]);
        if (shuffle) assert_memory_equal(seen[1], seen[0], sizeof seen[0]);
        for (int ranks = 1; ranks <= 4; ranks++) {
            memset(seen[1], 0xff, sizeof seen[1]);
            for (int r = 0; r < ranks; r++) {
                options = whole(13);
                options.lanes = 6;
                options.first_lane = r * 6 / ranks;
                options.n_lanes = (r + 1) * 6 / ranks - options.first_lane;
                options.prefetch = ranks % 2;
                read_epoch(f.data, &options, 2, seen[1]);
            }
            assert_memory_equal(seen[1], seen[0], sizeof seen[0]);
        }
        lk_data_close(&f.data);
    }
}

static void pictures_change_with_the_epoch_and_the_seed(void **state)
{
    lk_augment_options augment[] = {{.kind = LK_AUGMENT_SHIFT, .pixels = 2}};
    fixture            f;
    lk_stream_options  options = whole(8);
    (void)state;
    open_group(&f, "a.h5:/image", augment, 1);
    read_epoch(f.data, &options, 0, seen[0]);
    read_epoch(f.data, &options, 1, seen[1]);
    options.seed = SEED + 1;
    read_epoch(f.data, &options, 0, seen[2]);
    for (int other = 1; other < 3; other++) {
        int same = 0;
        for (int i = 0; i < N; i++)
            same += !memcmp(seen[0] + i * SIZE, seen[other] + i * SIZE, SIZE * sizeof(float));
        assert_true(same <= 12); /* 1 in 25 is fair: 2.4 of 60 */
    }
    lk_data_close(&f.data);
}

static void flips_are_mirrors_as_often_as_asked(void **state)
{
    static const struct {
        float horizontal, vertical;
    } wish[] = {{0.5f, 0}, {0, 0.5f}, {1, 0}, {0, 1}, {1, 1}, {0, 0}, {0.25f, 0.75f}};
    enum { EPOCHS = 10, DRAWS = N * EPOCHS };
    (void)state;
    for (size_t k = 0; k < sizeof wish / sizeof *wish; k++) {
        lk_augment_options augment[] = {
            {.kind = LK_AUGMENT_FLIP, .horizontal = wish[k].horizontal, .vertical = wish[k].vertical}};
        lk_stream_options options = whole(16);
        fixture           f;
        int               horizontal = 0, vertical = 0, both = 0;
        open_group(&f, "a.h5:/image", augment, 1);
        for (int epoch = 0; epoch < EPOCHS; epoch++) {
            read_epoch(f.data, &options, epoch, seen[0]);
            for (int i = 0; i < N; i++) {
                moved m = recognise(i, seen[0] + i * SIZE, true, 0);
                assert_int_equal(m.matches, 1);
                horizontal += m.horizontal;
                vertical += m.vertical;
                both += m.horizontal && m.vertical;
            }
        }
        /* Four deviations of a binomial of 600 draws; at 0 and 1 none. */
        double p = (double)wish[k].horizontal, q = (double)wish[k].vertical;
        assert_true(fabs(horizontal - DRAWS * p) <= 4 * sqrt(DRAWS * p * (1 - p)));
        assert_true(fabs(vertical - DRAWS * q) <= 4 * sqrt(DRAWS * q * (1 - q)));
        assert_true(fabs(both - DRAWS * p * q) <= 4 * sqrt(DRAWS * p * q * (1 - p * q)));
        lk_data_close(&f.data);
    }
}

static void shifts_are_uniform_and_fill_with_a_raw_zero(void **state)
{
    enum { PIXELS = 2, RANGE = 2 * PIXELS + 1, EPOCHS = 20 };
    lk_augment_options augment[] = {{.kind = LK_AUGMENT_SHIFT, .pixels = PIXELS}};
    lk_stream_options  options = whole(16);
    fixture            f;
    int                count[RANGE][RANGE] = {{0}};
    double             chi = 0, expected = (double)N * EPOCHS / (RANGE * RANGE);
    (void)state;
    open_group(&f, "a.h5:/image", augment, 1);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        read_epoch(f.data, &options, epoch, seen[0]);
        for (int i = 0; i < N; i++) {
            moved m = recognise(i, seen[0] + i * SIZE, false, PIXELS);
            assert_int_equal(m.matches, 1);
            count[m.down + PIXELS][m.right + PIXELS]++;
        }
    }
    for (int i = 0; i < RANGE; i++)
        for (int j = 0; j < RANGE; j++) chi += pow(count[i][j] - expected, 2) / expected;
    assert_true(chi < 60); /* 24 degrees of freedom: beyond 60 lies less than 1 in 10,000 */
    lk_data_close(&f.data);
}

/* A flip after a shift mirrors the shifted picture: the list is an order. */
static void augmentations_follow_one_another_in_their_order(void **state)
{
    lk_augment_options augment[] = {{.kind = LK_AUGMENT_SHIFT, .pixels = 1},
                                    {.kind = LK_AUGMENT_FLIP, .horizontal = 1}};
    lk_stream_options  options = whole(16);
    fixture            alone, f;
    (void)state;
    open_group(&alone, "a.h5:/image", augment, 1);
    read_epoch(alone.data, &options, 0, seen[0]);
    open_group(&f, "a.h5:/image", augment, 2);
    read_epoch(f.data, &options, 0, seen[1]);
    for (int i = 0; i < N; i++)
        for (int h = 0; h < H; h++)
            for (int w = 0; w < W; w++)
                assert_memory_equal(seen[1] + i * SIZE + (h * W + w) * C,
                                    seen[0] + i * SIZE + (h * W + W - 1 - w) * C, C * sizeof(float));
    lk_data_close(&alone.data);
    lk_data_close(&f.data);
}

static void a_shift_by_more_than_the_picture_leaves_zeros(void **state)
{
    lk_augment_options augment[] = {{.kind = LK_AUGMENT_SHIFT, .pixels = 4000}};
    lk_stream_options  options = whole(16);
    fixture            f;
    int                empty = 0;
    float              zeros[SIZE];
    (void)state;
    for (int k = 0; k < SIZE; k++) zeros[k] = normal(0, k % C);
    open_group(&f, "a.h5:/image", augment, 1);
    read_epoch(f.data, &options, 0, seen[0]);
    for (int i = 0; i < N; i++) empty += !memcmp(seen[0] + i * SIZE, zeros, sizeof zeros);
    assert_true(empty >= N - 2); /* 1 in 500 keeps a corner */
    lk_data_close(&f.data);
}

static void evaluation_sees_pictures_as_they_are(void **state)
{
    lk_augment_options augment[] = {{.kind = LK_AUGMENT_FLIP, .horizontal = 1, .vertical = 1},
                                    {.kind = LK_AUGMENT_SHIFT, .pixels = 2}};
    lk_stream_options  options = whole(16);
    fixture            f;
    (void)state;
    options.training = false;
    open_group(&f, "a.h5:/image", augment, 2);
    read_epoch(f.data, &options, 0, seen[0]);
    for (int i = 0; i < N; i++) {
        float plain[SIZE];
        picture(i, false, false, 0, 0, plain);
        assert_memory_equal(plain, seen[0] + i * SIZE, sizeof plain);
    }
    lk_data_close(&f.data);
}

static void augmentation_that_cannot_work_is_refused(void **state)
{
    static const struct {
        const char *group, *message;
    } bad[] = {{"a.h5:/flat", "no input is an image"}, {"a.h5:/dense", "target 'y' (5x4x2)"}};
    lk_augment_options augment[] = {{.kind = LK_AUGMENT_FLIP, .horizontal = 0.5f}};
    (void)state;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        fixture           f;
        lk_stream        *stream = NULL;
        lk_stream_options options = whole(16);
        open_group(&f, bad[k].group, augment, 1);
        assert_int_equal(lk_stream_create(f.data, &options, &stream), LK_E_CONFIG);
        assert_null(stream);
        if (!strstr(lk_error_message(), bad[k].message)) print_error("%s\n", lk_error_message());
        assert_non_null(strstr(lk_error_message(), bad[k].message));
        options.training = false; /* evaluation does not augment and does not mind */
        assert_ok(lk_stream_create(f.data, &options, &stream));
        lk_stream_destroy(&stream);
        lk_data_close(&f.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_do_not_depend_on_ranks_batches_order_or_reading_ahead),
        cmocka_unit_test(pictures_change_with_the_epoch_and_the_seed),
        cmocka_unit_test(flips_are_mirrors_as_often_as_asked),
        cmocka_unit_test(shifts_are_uniform_and_fill_with_a_raw_zero),
        cmocka_unit_test(augmentations_follow_one_another_in_their_order),
        cmocka_unit_test(a_shift_by_more_than_the_picture_leaves_zeros),
        cmocka_unit_test(evaluation_sees_pictures_as_they_are),
        cmocka_unit_test(augmentation_that_cannot_work_is_refused),
    };
    return cmocka_run_group_tests(tests, write_file, remove_folder);
}
