#include "data/augment.h"

#include "core/rng.h"

#include <string.h>

typedef struct image {
    int64_t h, w, c;
} image;

/* Rows or columns change places with those opposite. */
static void flip(image s, bool vertical, float *x, float *scratch)
{
    int64_t line = s.w * s.c;
    memcpy(scratch, x, (size_t)(s.h * line) * sizeof *x);
    for (int64_t i = 0; i < s.h; i++)
        for (int64_t j = 0; j < s.w; j++) {
            const float *from = vertical ? scratch + (s.h - 1 - i) * line + j * s.c
                                         : scratch + i * line + (s.w - 1 - j) * s.c;
            memcpy(x + i * line + j * s.c, from, (size_t)s.c * sizeof *x);
        }
}

/* What a raw 0 looks like after normalisation. */
static float empty(const lk_recipe *recipe, int64_t channel)
{
    if (recipe->n_channels == 0) return 0.0f;
    int64_t i = recipe->n_channels == 1 ? 0 : channel;
    return (float)((0.0 - recipe->mean[i]) / recipe->std[i]);
}

static void shift(image s, const lk_recipe *recipe, int64_t down, int64_t right, float *x, float *scratch)
{
    int64_t line = s.w * s.c;
    memcpy(scratch, x, (size_t)(s.h * line) * sizeof *x);
    for (int64_t i = 0; i < s.h; i++)
        for (int64_t j = 0; j < s.w; j++) {
            int64_t from_i = i - down, from_j = j - right;
            bool    inside = from_i >= 0 && from_i < s.h && from_j >= 0 && from_j < s.w;
            for (int64_t c = 0; c < s.c; c++)
                x[i * line + j * s.c + c] =
                    inside ? scratch[from_i * line + from_j * s.c + c] : empty(recipe, c);
        }
}

/* Four draws an option: 4 k .. 4 k + 3 of the sample's stream. */
static void one_row(const lk_augment_options *option, int k, const lk_recipe *recipe, const lk_rng *rng,
                    image s, float *x, float *scratch)
{
    uint64_t at = 4 * (uint64_t)k;
    if (option->kind == LK_AUGMENT_FLIP) {
        if (lk_rng_uniform(rng, at) < option->horizontal) flip(s, false, x, scratch);
        if (lk_rng_uniform(rng, at + 1) < option->vertical) flip(s, true, x, scratch);
    } else {
        uint32_t range = 2 * (uint32_t)option->pixels + 1;
        int64_t  down = (int64_t)(((uint64_t)lk_rng_word(rng, at) * range) >> 32) - option->pixels;
        int64_t  right = (int64_t)(((uint64_t)lk_rng_word(rng, at + 1) * range) >> 32) - option->pixels;
        if (down || right) shift(s, recipe, down, right, x, scratch);
    }
}

void lk_augment(const lk_augment_options *options, int n_options, const lk_recipe *recipe, uint64_t seed,
                int64_t epoch, int64_t n, const int64_t *sample, float *rows, float *scratch)
{
    const lk_shape *shape = &recipe->field.shape;
    if (n_options == 0 || shape->n_axes != 3 || recipe->field.dtype != LK_F32) return;
    image   s = {shape->axis[0], shape->axis[1], shape->axis[2]};
    int64_t size = s.h * s.w * s.c;
    for (int64_t i = 0; i < n; i++) {
        lk_rng rng = lk_rng_make(seed, LK_RNG_AUGMENT, 0, epoch, sample[i]);
        for (int k = 0; k < n_options; k++)
            one_row(&options[k], k, recipe, &rng, s, rows + i * size, scratch);
    }
}
