#include "core/shape.h"

#include <stdio.h>

int64_t lk_shape_count(const lk_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->n_axes; i++) count *= shape->axis[i];
    return count;
}

bool lk_shape_equal(const lk_shape *a, const lk_shape *b)
{
    if (a->n_axes != b->n_axes) return false;
    for (int i = 0; i < a->n_axes; i++)
        if (a->axis[i] != b->axis[i]) return false;
    return true;
}

bool lk_shape_equal_but_ones(const lk_shape *a, const lk_shape *b)
{
    int i = 0, j = 0;

    for (;;) {
        while (i < a->n_axes && a->axis[i] == 1) i++;
        while (j < b->n_axes && b->axis[j] == 1) j++;
        if (i == a->n_axes || j == b->n_axes) return i == a->n_axes && j == b->n_axes;
        if (a->axis[i++] != b->axis[j++]) return false;
    }
}

const char *lk_shape_text(const lk_shape *shape, char text[LK_SHAPE_TEXT_BYTES])
{
    size_t used = 0;
    snprintf(text, LK_SHAPE_TEXT_BYTES, "scalar");
    for (int i = 0; i < shape->n_axes && used < LK_SHAPE_TEXT_BYTES; i++)
        used += (size_t)snprintf(text + used, LK_SHAPE_TEXT_BYTES - used, i ? "x%lld" : "%lld",
                                 (long long)shape->axis[i]);
    return text;
}
