/** Settings to the option structs of the modules. */
#ifndef LK_CONFIG_FILL_H
#define LK_CONFIG_FILL_H

#include "config/setting.h"
#include "lockstep/config.h"
#include "train/options.h"

/** Settings without problems; everything options point to lives in `pool` or in the settings. */
void lk_fill_options(const lk_setting *root, const char *base, lk_pool *pool, lk_run_options *options);

/** A list of layers, below `repeat` and `residual` too. */
void lk_fill_layers(const lk_setting *list, lk_pool *pool, const lk_layer_options **layers, int *n_layers);

#endif
