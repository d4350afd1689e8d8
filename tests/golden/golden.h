/** Golden arrays: reading tests/golden/NAME and comparing with what we computed. */
#ifndef LK_TEST_GOLDEN_H
#define LK_TEST_GOLDEN_H

#include "lk_test.h"

#include "core/alloc.h"
#include "core/shape.h"
#include "io/h5.h"

/** A dataset read whole: `values` floats or `indices`, rows first. */
typedef struct lk_golden {
    float   *values;  /* owned */
    int32_t *indices; /* owned */
    int64_t  n;       /* first axis */
    lk_shape shape;   /* the other axes */
} lk_golden;

static inline lk_h5 *lk_golden_open(const char *name)
{
    char   path[512];
    lk_h5 *file = NULL;

    snprintf(path, sizeof path, "%s/tests/golden/%s", LK_SOURCE_DIR, name);
    assert_ok(lk_h5_open(path, &file));
    return file;
}

static inline bool lk_golden_has(lk_h5 *file, const char *group, const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "/%s/%s", group, name);
    return lk_h5_exists(file, path);
}

static inline lk_golden lk_golden_read(lk_h5 *file, const char *group, const char *name)
{
    char       path[256];
    lk_h5_info info;
    int64_t    start[LK_H5_MAX_AXES] = {0};
    lk_golden  own = {.n = 1};

    snprintf(path, sizeof path, "/%s/%s", group, name);
    assert_ok(lk_h5_stat(file, path, &info));
    if (info.n_axes > 0) own.n = info.axis[0];
    own.shape.n_axes = info.n_axes > 0 ? info.n_axes - 1 : 0;
    for (int i = 1; i < info.n_axes; i++) own.shape.axis[i - 1] = info.axis[i];
    int64_t count = own.n * lk_shape_count(&own.shape);
    if (info.type == LK_H5_I32) {
        assert_ok(LK_ALLOC(count, &own.indices));
        assert_ok(lk_h5_read(file, path, start, info.axis, LK_H5_I32, own.indices));
    } else {
        assert_ok(LK_ALLOC(count, &own.values));
        assert_ok(lk_h5_read(file, path, start, info.axis, LK_H5_F32, own.values));
    }
    return own;
}

static inline int64_t lk_golden_count(const lk_golden *golden)
{
    return golden->n * lk_shape_count(&golden->shape);
}

static inline void lk_golden_clear(lk_golden *golden)
{
    lk_free(&golden->values);
    lk_free(&golden->indices);
}

/** Largest difference over the largest golden value; NaN if one side holds a NaN. */
static inline double lk_golden_error(int64_t n, const float *ours, const float *theirs)
{
    double worst = 0, largest = 1e-30;

    for (int64_t i = 0; i < n; i++) {
        double difference = fabs((double)ours[i] - (double)theirs[i]);
        if (isnan(difference)) return (double)NAN;
        worst = fmax(worst, difference);
        largest = fmax(largest, fabs((double)theirs[i]));
    }
    return worst / largest;
}

#endif
