/** Learning-rate schedules: a factor that is a pure function of the position in training. */
#ifndef LK_SCHED_SCHED_H
#define LK_SCHED_SCHED_H

#include <stdbool.h>

#include "core/status.h"
#include "core/when.h"

typedef enum lk_sched_kind { LK_SCHED_CONSTANT, LK_SCHED_LINEAR, LK_SCHED_STEP, LK_SCHED_EXPONENTIAL, LK_SCHED_COSINE } lk_sched_kind;

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

/** Steps in a span of training, rounded up; LK_E_CONFIG for seconds. */
lk_status lk_when_steps(const lk_when *when, const lk_position *position, int64_t *steps);

/** The factor for the step at `position`. Linear and cosine run from the end of warm-up to total_steps. */
lk_status lk_sched_factor(const lk_sched_options *options, const lk_position *position, float *factor);

/** True if the factors of the first `position->step` steps would be equal with another total (design 5: more epochs). */
bool lk_sched_is_prefix(const lk_sched_options *options, const lk_position *position, int64_t other_total_steps);

#endif
