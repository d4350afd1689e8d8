/** A span of training or of time as users write it: `epoch`, `3 epochs`, `500 steps`, `60000 samples`,
 * `10min`. */
#ifndef LK_CORE_WHEN_H
#define LK_CORE_WHEN_H

#include <stdint.h>

typedef enum lk_when_unit {
    LK_WHEN_NEVER,
    LK_WHEN_EPOCHS,
    LK_WHEN_STEPS,
    LK_WHEN_SAMPLES,
    LK_WHEN_SECONDS
} lk_when_unit;

typedef struct lk_when {
    lk_when_unit unit;
    double       count; /* in that unit */
} lk_when;

#endif
