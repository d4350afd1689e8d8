/*
 * The stream: which samples a batch has, and reading them ahead of time.
 *
 * Position p of an epoch is a sample by a pure function of (seed, epoch, p). Two buffers change places: while
 * the caller works on one, a helper thread fills the other with the batch that comes next.
 */
#include "core/alloc.h"
#include "core/clock.h"
#include "core/rng.h"
#include "data/augment.h"
#include "data/data_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#ifdef __linux__
#include <linux/sched.h> /* SCHED_BATCH, which POSIX does not have */
#endif

enum { MAX_FIELDS = 8, MAX_LANES = 1024 }; /* what an lk_batch_view holds */

/* One batch in memory, and what became of reading it. */
typedef struct buffer {
    lk_batch  batch;
    void     *input[MAX_FIELDS], *target[MAX_FIELDS]; /* owned */
    float    *weight, *mask;                          /* owned or NULL */
    int64_t  *sample;                                 /* owned */
    int64_t  *start;                                  /* owned [n_lanes + 1] */
    int64_t   bytes;                                  /* taken from files when it had been read */
    lk_status st;
    char      message[2048];
} buffer;

struct lk_stream {
    lk_data               *data; /* borrowed (outlives the stream) */
    const lk_transform    *transform;
    lk_stream_options      options;
    const lk_data_options *wish;
    lk_data_reader        *reader; /* owned */
    int64_t                samples, batches, max_rows;
    int64_t                epoch, number; /* of the next batch */
    int64_t               *index;         /* owned [max_rows]: positions in the split, filler's scratch */
    float                 *row;           /* owned: one row for augmentation */
    buffer                 buffers[2];
    int                    current; /* the one the caller has */
    int64_t                bytes;   /* the current buffer's: the reader's own count belongs to the thread */
    double                 wait_s;

    pthread_t       thread;
    pthread_mutex_t mutex;
    pthread_cond_t  changed;
    /* ordered: the other buffer is to be filled, and nobody has begun; begun: the thread is at it; filled: it is ready */
    bool threaded, ordered, begun, filled, leaving;
};

/*
 * Stretches of `window` samples in random order, and a random order inside each. What does not fill a stretch
 * is a short one with a place of its own: were it always the last, each epoch would end on the same samples.
 */
static int64_t window_permute(const lk_rng *rng, int64_t n, int64_t window, int64_t position)
{
    int64_t chunks = n / window, rest = n - chunks * window;
    if (chunks < 2) return lk_rng_permute(rng, n, position);
    /* Above all elements that lk_rng_permute draws. */
    int64_t place = (int64_t)(lk_rng_word(rng, UINT64_MAX) * (uint64_t)(chunks + 1) >> 32);
    int64_t chunk = chunks, within = position - place * window, size = rest;
    if (within < 0 || within >= rest) {
        int64_t among_whole = within < 0 ? position : position - rest;
        chunk = lk_rng_permute(rng, chunks, among_whole / window);
        within = among_whole % window;
        size = window;
    }
    lk_rng own = *rng;
    own.stream[1] ^= (uint32_t)chunk * 0x9e3779b1u + 1u;
    return chunk * window + lk_rng_permute(&own, size, within);
}

/* index[i] = the sample at position first + i. */
static void samples_at(const lk_stream *s, const lk_rng *rng, int64_t first, int64_t n, int64_t *index)
{
    int64_t window = s->wish->shuffle == LK_SHUFFLE_WINDOW ? s->wish->shuffle_window : 0;
    if (!s->options.training || s->wish->shuffle == LK_SHUFFLE_NONE)
        for (int64_t i = 0; i < n; i++) index[i] = first + i;
    else if (window > 0)
        for (int64_t i = 0; i < n; i++) index[i] = window_permute(rng, s->samples, window, first + i);
    else
        lk_rng_permute_run(rng, s->samples, first, n, index);
}

/* This rank's rows of batch `number`: lanes are cut by global position, rows of other ranks are left out. */
static int64_t choose_rows(const lk_stream *s, int64_t epoch, int64_t number, int64_t *start, int64_t *index)
{
    const lk_stream_options *o = &s->options;
    int64_t                  first = number * o->batch_size,
            n = s->samples - first < o->batch_size ? s->samples - first : o->batch_size;
    int64_t begin = o->first_lane * n / o->lanes;
    lk_rng  rng = lk_rng_make(o->seed, LK_RNG_SHUFFLE, 0, epoch, 0);
    for (int k = 0; k <= o->n_lanes; k++) start[k] = (o->first_lane + k) * n / o->lanes - begin;
    samples_at(s, &rng, first + begin, start[o->n_lanes], index);
    return start[o->n_lanes];
}

static void fill(lk_stream *s, buffer *b, int64_t epoch, int64_t number)
{
    int64_t n = choose_rows(s, epoch, number, b->start, s->index);
    b->batch.n = n;
    b->batch.epoch = epoch;
    b->batch.step = epoch * s->batches + number;
    b->st = n ? lk_data_read(s->reader, n, s->index, b->input, b->batch.n_targets ? b->target : NULL,
                             b->weight, b->mask, b->sample)
              : LK_OK;
    b->bytes = lk_data_bytes(s->reader);
    if (b->st != LK_OK) {
        snprintf(b->message, sizeof b->message, "%s", lk_error_message());
        return;
    }
    for (int i = 0; s->options.training && i < b->batch.n_inputs; i++)
        lk_augment(s->wish->augment, s->wish->n_augment, &s->transform->input[i], s->options.seed, epoch, n,
                   b->sample, b->input[i], s->row);
}

static void advance(const lk_stream *s, int64_t *epoch, int64_t *number)
{
    if (++*number < s->batches) return;
    *number = 0;
    ++*epoch;
}

static void *filler(void *context)
{
    lk_stream *s = context;
    pthread_mutex_lock(&s->mutex);
    while (!s->leaving) {
        if (!s->ordered) {
            pthread_cond_wait(&s->changed, &s->mutex);
            continue;
        }
        buffer *b = &s->buffers[1 - s->current];
        int64_t epoch = s->epoch, number = s->number;
        s->ordered = false;
        s->begun = true;
        pthread_mutex_unlock(&s->mutex);
        fill(s, b, epoch, number);
        pthread_mutex_lock(&s->mutex);
        s->begun = false;
        s->filled = true;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

static lk_status prepare_field(const lk_field *field, int64_t rows, void **out)
{
    float    *values = NULL; /* int32_t has the same size */
    lk_status st = LK_ALLOC(rows * lk_shape_count(&field->shape) + 1, &values);
    *out = values;
    return st;
}

static lk_status prepare_buffer(lk_stream *s, buffer *b)
{
    lk_status           st = LK_OK;
    const lk_transform *t = s->transform;
    int64_t             rows = s->max_rows;
    lk_split            split = s->options.split;
    LK_TRY(LK_ALLOC(s->options.n_lanes + 1, &b->start));
    LK_TRY(LK_ALLOC(rows + 1, &b->sample));
    b->batch = (lk_batch){.lanes = {s->options.first_lane, s->options.n_lanes, b->start},
                          .n_inputs = t->n_inputs,
                          .n_targets = lk_data_has_targets(s->data, split) ? t->n_targets : 0,
                          .input = (const void **)(void *)b->input,
                          .target = (const void **)(void *)b->target};
    for (int i = 0; i < b->batch.n_inputs; i++) LK_TRY(prepare_field(&t->input[i].field, rows, &b->input[i]));
    for (int i = 0; i < b->batch.n_targets; i++)
        LK_TRY(prepare_field(&t->target[i].field, rows, &b->target[i]));
    if (lk_data_has_weights(s->data, split)) LK_TRY(LK_ALLOC(rows + 1, &b->weight));
    if (lk_data_has_mask(s->data, split) && b->batch.n_targets)
        LK_TRY(LK_ALLOC(rows * lk_shape_count(&t->target[0].field.shape) + 1, &b->mask));
    b->batch.weight = b->weight;
    b->batch.mask = b->mask;
    b->batch.sample = b->sample;
done:
    return st;
}

/*
 * The thread fills gaps. Where it has no core of its own, waking it would put it in the caller's place there and then (2.4 % of a
 * step of the MLP); as a batch thread it begins when the caller waits, at a barrier or for the batch (0.15 %).
 */
static void never_preempt(pthread_t thread)
{
#ifdef SCHED_BATCH
    const struct sched_param none = {0};
    (void)pthread_setschedparam(thread, SCHED_BATCH, &none); /* refused: as before */
#else
    (void)thread;
#endif
}

/* Signals are for the main thread, which knows what to do about them; but for those that a page which cannot be read sends. */
static lk_status start_thread(lk_stream *s)
{
    sigset_t all, old;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&s->thread, NULL, filler, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed) return lk_fail(LK_E_NOMEM, "cannot start a reading thread: %s", strerror(failed));
    never_preempt(s->thread);
    s->threaded = true;
    return LK_OK;
}

static bool is_image(const lk_recipe *recipe)
{
    return recipe->field.dtype == LK_F32 && recipe->field.shape.n_axes == 3;
}

/* Augmentation that would do nothing, or tear inputs and targets apart, is refused. */
static lk_status check_augment(const lk_stream *s)
{
    lk_status           st = LK_OK;
    const lk_transform *t = s->transform;
    char                text[LK_SHAPE_TEXT_BYTES];
    bool                any = false;
    if (!s->options.training || s->wish->n_augment == 0) return LK_OK;
    for (int i = 0; i < t->n_inputs; i++) any = any || is_image(&t->input[i]);
    LK_CHECK(any, LK_E_CONFIG, "data.augment: no input is an image [height, width, channels]; '%s' is %s",
             t->input[0].field.name, lk_shape_text(&t->input[0].field.shape, text));
    for (int i = 0; i < t->n_targets; i++) {
        const lk_field *field = &t->target[i].field;
        LK_CHECK(
            field->shape.n_axes < 2, LK_E_CONFIG,
            "data.augment moves inputs only, and target '%s' (%s) would no longer fit them: leave it out",
            field->name, lk_shape_text(&field->shape, text));
    }
done:
    return st;
}

/* A batch of more samples than there are is all of them. */
static int64_t most_rows(const lk_data *data, const lk_stream_options *o)
{
    int64_t samples = lk_data_n(data, o->split), largest = samples < o->batch_size ? samples : o->batch_size;
    return ((o->first_lane + o->n_lanes) * largest) / o->lanes - (o->first_lane * largest) / o->lanes +
           o->n_lanes;
}

size_t lk_stream_batch_bytes(const lk_data *data, const lk_stream_options *options)
{
    const lk_transform *t = lk_data_transform(data);
    int64_t             width = 0;
    for (int i = 0; i < t->n_inputs; i++) width += lk_shape_count(&t->input[i].field.shape);
    for (int i = 0; lk_data_has_targets(data, options->split) && i < t->n_targets; i++)
        width += lk_shape_count(&t->target[i].field.shape);
    return 2 * (size_t)(most_rows(data, options) * width) * sizeof(float);
}

lk_status lk_stream_create(lk_data *data, const lk_stream_options *options, lk_stream **out)
{
    lk_status  st = LK_OK;
    lk_stream *s = NULL;
    int64_t    widest = 1;
    lk_shared  shared = lk_data_shared(data, options->shared, options->sharers);
    *out = NULL;
    LK_TRY(LK_ALLOC(1, &s));
    s->data = data;
    s->transform = lk_data_transform(data);
    s->options = *options;
    s->wish = lk_data_options_of(data);
    s->samples = lk_data_n(data, options->split);
    s->batches = (s->samples + options->batch_size - 1) / options->batch_size;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    LK_CHECK(s->samples > 0, LK_E_DATA, "the split has no sample");
    LK_CHECK(s->transform->n_inputs <= MAX_FIELDS && s->transform->n_targets <= MAX_FIELDS, LK_E_CONFIG,
             "data: more than %d inputs or targets", MAX_FIELDS);
    LK_CHECK(options->lanes >= 1 && options->lanes <= MAX_LANES, LK_E_CONFIG,
             "data: %d lanes, a batch view holds 1 to %d", options->lanes, MAX_LANES);
    LK_TRY(check_augment(s));
    s->max_rows = most_rows(data, options);
    LK_TRY(lk_data_reader_create(data, options->split, options->training ? &shared : NULL, &s->reader));
    LK_TRY(LK_ALLOC(s->max_rows + 1, &s->index));
    for (int i = 0; i < s->transform->n_inputs; i++) {
        int64_t width = lk_shape_count(&s->transform->input[i].field.shape);
        if (width > widest) widest = width;
    }
    LK_TRY(LK_ALLOC(widest, &s->row));
    for (int i = 0; i < 2; i++) LK_TRY(prepare_buffer(s, &s->buffers[i]));
    if (options->prefetch) LK_TRY(start_thread(s));
    *out = s;
    s = NULL;
done:
    lk_stream_destroy(&s);
    return st;
}

void lk_stream_destroy(lk_stream **stream)
{
    lk_stream *s = *stream;
    if (!s) return;
    if (s->threaded) {
        pthread_mutex_lock(&s->mutex);
        s->leaving = true;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->mutex);
        pthread_join(s->thread, NULL);
    }
    for (int k = 0; k < 2; k++) {
        buffer *b = &s->buffers[k];
        for (int i = 0; i < MAX_FIELDS; i++) {
            lk_free(&b->input[i]);
            lk_free(&b->target[i]);
        }
        lk_free(&b->weight);
        lk_free(&b->mask);
        lk_free(&b->sample);
        lk_free(&b->start);
    }
    lk_data_reader_destroy(&s->reader);
    lk_free(&s->index);
    lk_free(&s->row);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->changed);
    lk_free(stream);
}

void lk_stream_seek(lk_stream *s, int64_t epoch, int64_t batch)
{
    pthread_mutex_lock(&s->mutex);
    while (s->begun) pthread_cond_wait(&s->changed, &s->mutex); /* what it reads now is for another place */
    s->ordered = s->filled = false;
    s->epoch = epoch;
    s->number = batch;
    pthread_mutex_unlock(&s->mutex);
}

int64_t lk_stream_batches(const lk_stream *stream)
{
    return stream->batches;
}

/* The current buffer holds the next batch afterwards. Where the thread has not begun, for want of a core, the caller reads the
 * batch itself rather than changing places with it twice: over the one it is done with, which is still in its cache. */
static void await(lk_stream *s)
{
    double began = lk_clock_seconds();
    pthread_mutex_lock(&s->mutex);
    while (s->begun) pthread_cond_wait(&s->changed, &s->mutex);
    bool mine = !s->filled;
    if (!mine) s->current = 1 - s->current;
    s->ordered = s->filled = false;
    pthread_mutex_unlock(&s->mutex);
    if (mine) fill(s, &s->buffers[s->current], s->epoch, s->number);
    s->wait_s += lk_clock_seconds() - began;
}

lk_status lk_stream_next(lk_stream *s, const lk_batch **batch)
{
    await(s);
    pthread_mutex_lock(&s->mutex);
    buffer *b = &s->buffers[s->current];
    s->bytes = b->bytes;
    advance(s, &s->epoch, &s->number);
    if (s->threaded && b->st == LK_OK) {
        s->ordered = true;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->mutex);
    *batch = &b->batch;
    return b->st == LK_OK ? LK_OK : lk_fail(b->st, "%s", b->message);
}

void lk_stream_figures(const lk_stream *stream, int64_t *bytes, double *wait_s)
{
    *bytes = stream->bytes;
    *wait_s = stream->wait_s;
}

void lk_batch_cut(const lk_batch *batch, const lk_data *data, int first, int n, lk_batch_view *cut)
{
    const lk_transform *t = lk_data_transform(data);
    int                 lane = first - batch->lanes.first;
    const int64_t      *start = batch->lanes.start + lane;
    int64_t             row = start[0];
    for (int k = 0; k <= n; k++) cut->start[k] = start[k] - row;
    cut->batch = *batch;
    cut->batch.n = cut->start[n];
    cut->batch.lanes = (lk_lanes){first, n, cut->start};
    cut->batch.input = cut->input;
    cut->batch.target = cut->target;
    for (int i = 0; i < batch->n_inputs; i++)
        cut->input[i] = (const char *)batch->input[i] + row * lk_shape_count(&t->input[i].field.shape) * 4;
    for (int i = 0; i < batch->n_targets; i++)
        cut->target[i] = (const char *)batch->target[i] + row * lk_shape_count(&t->target[i].field.shape) * 4;
    if (batch->weight) cut->batch.weight = batch->weight + row;
    if (batch->mask) cut->batch.mask = batch->mask + row * lk_shape_count(&t->target[0].field.shape);
    cut->batch.sample = batch->sample + row;
}
