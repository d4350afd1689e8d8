/**
 * Augmentation of images [height, width, channels] in a batch, in place. What is drawn depends on (seed,
 * epoch, sample) alone, so a sample looks the same on any number of ranks.
 */
#ifndef LK_DATA_AUGMENT_H
#define LK_DATA_AUGMENT_H

#include "data/recipe.h"

/**
 * rows [n] of the recipe's shape, float, in and out; sample [n]; scratch of one row. A shift fills with what
 * a raw 0 becomes under the recipe's normalisation. Fields without three axes stay as they are.
 */
void lk_augment(const lk_augment_options *options, int n_options, const lk_recipe *recipe, uint64_t seed,
                int64_t epoch, int64_t n, const int64_t *sample, float *rows, float *scratch);

#endif
