/** The shape of one sample: axes without the batch axis. Images are [height, width, channels]. */
#ifndef LK_CORE_SHAPE_H
#define LK_CORE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LK_MAX_AXES = 5, LK_NAME_BYTES = 64, LK_SHAPE_TEXT_BYTES = 128 };

typedef struct lk_shape {
    int     n_axes; /* 0: one scalar */
    int64_t axis[LK_MAX_AXES];
} lk_shape;

int64_t lk_shape_count(const lk_shape *shape); /* product of the axes; 1 for a scalar */
bool    lk_shape_equal(const lk_shape *a, const lk_shape *b);

/** Equal once axes of length 1 are dropped: 10 and 10x1, a scalar and 1. */
bool lk_shape_equal_but_ones(const lk_shape *a, const lk_shape *b);

/** Writes "28x28x1" ("scalar" without axes) and returns text. */
const char *lk_shape_text(const lk_shape *shape, char text[LK_SHAPE_TEXT_BYTES]);

typedef enum lk_dtype { LK_F32, LK_I32 } lk_dtype;

/** What a named input or target of a sample looks like once it is in a batch. */
typedef struct lk_field {
    char     name[LK_NAME_BYTES]; /* "x" and "y" in the plain layout */
    lk_dtype dtype;               /* LK_I32: class or token indices */
    lk_shape shape;
    int64_t  classes; /* LK_I32: values lie in 0..classes-1, 0 if unknown; LK_F32: 0 */
} lk_field;

#endif
