/** Learning-rate schedules: a factor that is a pure function of the position in training. */
#ifndef LK_SCHED_SCHED_H
#define LK_SCHED_SCHED_H

#include <stdbool.h>

#include "core/status.h"
#include "core/when.h"

typedef enum lk_sched_kind {
    LK_SCHED_CONSTANT,
    LK_SCHED_LINEAR,
    LK_SCHED_STEP,
    LK_SCHED_EXPONENTIAL,
    LK_SCHED_COSINE
} lk_sched_kind;

typedef struct lk_sched_options {
    lk_sched_kind kind;
    lk_when       warmup; /* before any kind: factor rises linearly from 1/steps to 1 */
    float         to;     /* linear, cosine: final factor */
    float         gamma;  /* step, exponential: factor per `every` */
    lk_when       every;  /* step: drops each time; exponential: continuous decay by gamma per `every` */
} lk_sched_options;

/** Where training is; conversions need the lengths. Counted before the step: the first step has step 0. */
typedef struct lk_position {
    int64_t step, steps_per_epoch, total_steps, samples_per_epoch, batch_size;
} lk_position;

/** Samples of the first `step` steps: the last batch of each epoch may be short. */
int64_t lk_position_samples(const lk_position *position, int64_t step);

/**
 * Steps in a span of training, rounded up. Epochs: count * steps_per_epoch. Samples: whole epochs first,
 * because the last batch of an epoch may be short, then the rest by batch_size. LK_WHEN_NEVER: 0. Errors:
 * LK_E_CONFIG for seconds, which would let a clock decide a result, and for what no int64_t holds.
 */
lk_status lk_when_steps(const lk_when *when, const lk_position *position, int64_t *steps);

/**
 * The factor for the step at `position`: s = position->step, W = warm-up steps, T = total_steps, E = `every` in steps.
 *   s < W         (s + 1) / W
 *   constant      1
 *   linear        1 + (to - 1) t                       t = (s - W) / (T - W), at most 1
 *   cosine        to + (1 - to) (1 + cos(pi t)) / 2
 *   step          gamma ^ floor((s - W) / E)
 *   exponential   gamma ^ ((s - W) / E)
 * So the first step after warm-up has factor 1 and `to` would be reached by step T, one after the last: as PyTorch's
 * LinearLR and CosineAnnealingLR with T_max = T stepped after every update. Keras' CosineDecay has `to` as `alpha`.
 * Computed in double, rounded once. Local, pure. Errors: LK_E_CONFIG (E below one step, seconds).
 * Source: cosine: Loshchilov, Hutter, SGDR, ICLR 2017, eq. 5; warm-up: Goyal et al., arXiv 1706.02677, sec. 2.2.
 */
lk_status lk_sched_factor(const lk_sched_options *options, const lk_position *position, float *factor);

/** True if the factors of the first `position->step` steps would be equal with another total (design 5: more
 * epochs). */
bool lk_sched_is_prefix(const lk_sched_options *options, const lk_position *position,
                        int64_t other_total_steps);

#endif
