/*
 * make_data OUT.h5 [key=value]...: a small data set in the plain layout, for tests that start from files.
 *   samples=120 (train; a quarter of it each for validation and test)  shape=8x8x1  type=u8|i16|f32|f64
 *   classes=4 (0: float y)  noise=0 (per cent of labels that are drawn)  deflate=1  seed=1
 *   nan=INDEX (train/x of that sample, f32 and f64)  label=INDEX:VALUE (train/y)  layout=fields
 *
 * Class c lights the c-th band of elements, plus noise: a model learns it in a few steps.
 */
#include "core/alloc.h"
#include "core/rng.h"
#include "io/h5.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct wish {
    long long   samples, classes, noise, nan, label, label_value, deflate, seed;
    const char *shape, *type;
} wish;

static const struct {
    const char *name;
    lk_h5_type  type;
} TYPES[] = {{"u8", LK_H5_U8}, {"i16", LK_H5_I16}, {"f32", LK_H5_F32}, {"f64", LK_H5_F64}};

static double value_of(const wish *w, int split, int64_t sample, int64_t element, int64_t elements,
                       int64_t class)
{
    lk_rng rng = lk_rng_make((uint64_t)w->seed, LK_RNG_TEST, split, 0, sample);
    bool   bright = w->classes > 0 && element * w->classes / elements == class;
    return (double)(int)(60.0f * lk_rng_uniform(&rng, (uint64_t)element)) + (bright ? 180.0 : 0.0);
}

static void store(const char *type, void *x, int64_t i, double value)
{
    if (!strcmp(type, "u8")) ((uint8_t *)x)[i] = (uint8_t)value;
    if (!strcmp(type, "i16")) ((int16_t *)x)[i] = (int16_t)value;
    if (!strcmp(type, "f32")) ((float *)x)[i] = (float)value;
    if (!strcmp(type, "f64")) ((double *)x)[i] = value;
}

static lk_status write_x(lk_h5 *file, const char *path, const wish *w, int n_axes, const int64_t *axis,
                         const void *x)
{
    lk_h5_type type = LK_H5_U8;
    int64_t    chunk[LK_H5_MAX_AXES];
    for (int i = 0; i < 4; i++)
        if (!strcmp(TYPES[i].name, w->type)) type = TYPES[i].type;
    if (!w->deflate) return lk_h5_write(file, path, type, n_axes, axis, x);
    memcpy(chunk, axis, sizeof chunk);
    chunk[0] = axis[0] < 16 ? axis[0] : 16;
    return lk_h5_write_chunked(file, path, type, n_axes, axis, chunk, 4, x);
}

static lk_status write_split(lk_h5 *file, const wish *w, const char *name, int split, int64_t n)
{
    lk_status st = LK_OK;
    int64_t   axis[LK_H5_MAX_AXES] = {n}, elements = 1;
    int       n_axes = 1;
    char      path[64], *x = NULL;
    double   *y = NULL;
    int32_t  *labels = NULL;
    for (const char *at = w->shape; *at && n_axes < LK_H5_MAX_AXES; n_axes++) {
        char *end;
        axis[n_axes] = strtoll(at, &end, 10);
        elements *= axis[n_axes];
        at = *end ? end + 1 : end;
    }
    LK_TRY(LK_ALLOC(n * elements * 8, &x));
    LK_TRY(LK_ALLOC(n, &y));
    LK_TRY(LK_ALLOC(n, &labels));
    for (int64_t i = 0; i < n; i++) {
        labels[i] = w->classes > 0 ? (int32_t)(i * 7 % w->classes) : 0;
        int32_t band = labels[i];
        lk_rng  luck = lk_rng_make((uint64_t)w->seed, LK_RNG_TEST, split, 1, i);
        if (w->noise > 0 && 100.0f * lk_rng_uniform(&luck, 0) < (float)w->noise)
            labels[i] = (int32_t)((float)w->classes * lk_rng_uniform(&luck, 1));
        for (int64_t e = 0; e < elements; e++) {
            double value = value_of(w, split, i, e, elements, band);
            if (split == 0 && i == w->nan && e == elements / 2) value = (double)NAN;
            store(w->type, x, i * elements + e, value);
            y[i] += value * ((double)(e % 3) - 1.0) / 60.0;
        }
        if (split == 0 && i == w->label) labels[i] = (int32_t)w->label_value;
    }
    snprintf(path, sizeof path, "/%s/x", name);
    LK_TRY(write_x(file, path, w, n_axes, axis, x));
    snprintf(path, sizeof path, "/%s/y", name);
    if (w->classes > 0)
        LK_TRY(lk_h5_write(file, path, LK_H5_I32, 1, &n, labels));
    else
        LK_TRY(lk_h5_write(file, path, LK_H5_F64, 1, &n, y));
done:
    lk_free(&x);
    lk_free(&y);
    lk_free(&labels);
    return st;
}

enum { FIELD_H = 12, FIELD_W = 16, FIELD = FIELD_H * FIELD_W };

/* Waves of random phase and amplitude. */
static lk_status write_fields(lk_h5 *file, const wish *w)
{
    lk_status st = LK_OK;
    int64_t   n = w->samples, axis[3] = {n, FIELD_H, FIELD_W}, chunk[3] = {8, FIELD_H, FIELD_W};
    double   *field = NULL, *energy = NULL;
    LK_TRY(LK_ALLOC(n * FIELD, &field));
    LK_TRY(LK_ALLOC(n, &energy));
    for (int f = 0; f < 2; f++) {
        for (int64_t i = 0; i < n; i++) {
            lk_rng rng = lk_rng_make((uint64_t)w->seed, LK_RNG_TEST, f, 0, i);
            double amplitude = 0.5 + (double)lk_rng_uniform(&rng, 0),
                   phase = 6.28 * (double)lk_rng_uniform(&rng, 1);
            for (int k = 0; k < FIELD; k++) {
                double v = field[i * FIELD + k] =
                    amplitude * sin(phase + 0.4 * (k % FIELD_W) + 0.5 * (k / FIELD_W));
                energy[i] += v * v / FIELD;
            }
        }
        LK_TRY(lk_h5_write_chunked(file, f ? "/fields/u" : "/fields/h", LK_H5_F64, 3, axis, chunk, 4, field));
    }
    LK_TRY(lk_h5_write(file, "/diag/energy", LK_H5_F64, 1, &n, energy));
done:
    lk_free(&field);
    lk_free(&energy);
    return st;
}

static bool take(const char *argument, const char *key, long long *value)
{
    size_t n = strlen(key);
    if (strncmp(argument, key, n) != 0 || argument[n] != '=') return false;
    *value = atoll(argument + n + 1);
    return true;
}

int main(int argc, char **argv)
{
    lk_status st = LK_OK;
    lk_h5    *file = NULL;
    wish      w = {
             .samples = 120, .classes = 4, .nan = -1, .label = -1, .seed = 1, .shape = "8x8x1", .type = "u8"};
    bool fields = false;
    if (argc < 2) return 2;
    for (int i = 2; i < argc; i++) {
        const char *colon = strchr(argv[i], ':');
        if (!strncmp(argv[i], "shape=", 6))
            w.shape = argv[i] + 6;
        else if (!strcmp(argv[i], "layout=fields"))
            fields = true;
        else if (!strncmp(argv[i], "type=", 5))
            w.type = argv[i] + 5;
        else if (take(argv[i], "label", &w.label))
            w.label_value = colon ? atoll(colon + 1) : 0;
        else if (!take(argv[i], "samples", &w.samples) && !take(argv[i], "classes", &w.classes) &&
                 !take(argv[i], "noise", &w.noise) && !take(argv[i], "nan", &w.nan) &&
                 !take(argv[i], "deflate", &w.deflate) && !take(argv[i], "seed", &w.seed))
            return fprintf(stderr, "make_data: what is %s?\n", argv[i]), 2;
    }
    LK_TRY(lk_h5_create(argv[1], &file));
    if (fields) {
        LK_TRY(write_fields(file, &w));
        LK_TRY(lk_h5_close(&file));
        goto done;
    }
    LK_TRY(write_split(file, &w, "train", 0, w.samples));
    LK_TRY(write_split(file, &w, "validation", 1, w.samples / 4));
    LK_TRY(write_split(file, &w, "test", 2, w.samples / 4));
    LK_TRY(lk_h5_close(&file));
done:
    if (st != LK_OK) fprintf(stderr, "make_data: %s\n", lk_error_message());
    lk_h5_abandon(&file);
    return st != LK_OK;
}
