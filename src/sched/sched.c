#include "sched/sched.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

int64_t lk_position_samples(const lk_position *position, int64_t step)
{
    int64_t epochs = step / position->steps_per_epoch,
            rest = step % position->steps_per_epoch * position->batch_size;
    return epochs * position->samples_per_epoch + rest;
}

lk_status lk_when_steps(const lk_when *when, const lk_position *position, int64_t *steps)
{
    lk_status st = LK_OK;
    double    value = 0.0, epochs = 0.0;

    *steps = 0;
    LK_CHECK(when->unit == LK_WHEN_NEVER || when->count >= 0.0, LK_E_CONFIG,
             "a span of training of %g is negative", when->count);
    switch (when->unit) {
    case LK_WHEN_NEVER:
        break;
    case LK_WHEN_EPOCHS:
        value = when->count * (double)position->steps_per_epoch;
        break;
    case LK_WHEN_STEPS:
        value = when->count;
        break;
    case LK_WHEN_SAMPLES:
        LK_CHECK(position->samples_per_epoch > 0 && position->batch_size > 0, LK_E_CONFIG,
                 "%g samples cannot be counted in steps: an epoch has %lld samples, a batch %lld",
                 when->count, (long long)position->samples_per_epoch, (long long)position->batch_size);
        epochs = floor(when->count / (double)position->samples_per_epoch);
        value = epochs * (double)position->steps_per_epoch;
        value +=
            ceil((when->count - epochs * (double)position->samples_per_epoch) / (double)position->batch_size);
        break;
    case LK_WHEN_SECONDS:
        st = lk_fail(LK_E_CONFIG,
                     "%g s is a duration, and here the result would depend on the clock: "
                     "say it in epochs, steps or samples",
                     when->count);
        goto done;
    }
    value = ceil(value);
    LK_CHECK(value < 9e15, LK_E_CONFIG, "a span of %g steps is longer than any training", value);
    *steps = (int64_t)value;
done:
    return st;
}

/** gamma to the power of `every`-s passed; whole: only full ones count. */
static lk_status decay(const lk_sched_options *options, const lk_position *position, int64_t after,
                       bool whole, double *factor)
{
    lk_status st = LK_OK;
    int64_t   every = 0;

    LK_TRY(lk_when_steps(&options->every, position, &every));
    LK_CHECK(every >= 1, LK_E_CONFIG, "schedule: `every` is %g, it must be at least one step",
             options->every.count);
    *factor = pow((double)options->gamma, whole ? (double)(after / every) : (double)after / (double)every);
done:
    return st;
}

lk_status lk_sched_factor(const lk_sched_options *options, const lk_position *position, float *factor)
{
    lk_status st = LK_OK;
    int64_t   warmup = 0;
    double    value = 1.0, to = (double)options->to;

    LK_TRY(lk_when_steps(&options->warmup, position, &warmup));
    if (position->step < warmup) {
        *factor = (float)((double)(position->step + 1) / (double)warmup);
        goto done;
    }
    int64_t after = position->step - warmup, span = position->total_steps - warmup;
    double  t = span > after ? (double)after / (double)span : 1.0;
    switch (options->kind) {
    case LK_SCHED_CONSTANT:
        break;
    case LK_SCHED_LINEAR:
        value = 1.0 + (to - 1.0) * t;
        break;
    case LK_SCHED_COSINE:
        value = to + (1.0 - to) * 0.5 * (1.0 + cos(PI * t));
        break;
    case LK_SCHED_STEP:
        LK_TRY(decay(options, position, after, true, &value));
        break;
    case LK_SCHED_EXPONENTIAL:
        LK_TRY(decay(options, position, after, false, &value));
        break;
    }
    *factor = (float)value;
done:
    return st;
}

bool lk_sched_is_prefix(const lk_sched_options *options, const lk_position *position,
                        int64_t other_total_steps)
{
    int64_t warmup = 0;

    if (other_total_steps == position->total_steps) return true;
    if (options->kind != LK_SCHED_LINEAR && options->kind != LK_SCHED_COSINE) return true;
    if (options->to == 1.0f) return true; /* both are flat then */
    if (lk_when_steps(&options->warmup, position, &warmup) != LK_OK) return false;
    /* The first step after warm-up has factor 1 whatever the total, as long as there is one in both. */
    int64_t shorter = position->total_steps < other_total_steps ? position->total_steps : other_total_steps;
    int64_t equal = shorter > warmup ? warmup + 1 : warmup;
    return position->step <= equal;
}
