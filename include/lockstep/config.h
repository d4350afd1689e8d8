/**
 * The configuration: one YAML file, one option table. Load, check, render, compare, describe.
 */
#ifndef LOCKSTEP_CONFIG_H
#define LOCKSTEP_CONFIG_H

#include <stdint.h>

#include "lockstep/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_config      lk_config;
typedef struct lk_run_options lk_run_options;

/**
 * Reads `text` (label: the file's name in messages; base: folder that relative data paths start from, or
 * NULL) and applies `overrides` ("train.epochs=3", the very YAML path, layers by name:
 * "model.features.units=256"). All mistakes are collected, at most 20: the message has one line each,
 * "run.yaml:14:5: unknown key ...". Errors: LK_E_CONFIG.
 */
LK_API lk_status lk_config_parse(const char *text, const char *label, const char *base,
                                 const char *const *overrides, int n_overrides, lk_config **out);
/** The same from a file; LK_E_CONFIG if it cannot be read. */
LK_API lk_status lk_config_load(const char *path, const char *const *overrides, int n_overrides,
                                lk_config **out);
/** Layers of `config`, parsed from a rendering of `original`, get the places of the file `original` was
 * loaded from. */
LK_API void lk_config_take_places(lk_config *config, const lk_config *original);

LK_API void lk_config_destroy(lk_config **config);

/** Option structs, owned by the config and valid as long as it is. */
LK_API const lk_run_options *lk_config_options(const lk_config *config);

/**
 * The full configuration as YAML: every key with its value; `origins` adds "# default", "# file", "# --set".
 * Relative data paths come out absolute when `absolute`. render(parse(render(c))) == render(c). *text is
 * freed with free().
 */
LK_API lk_status lk_config_render(const lk_config *config, int origins, int absolute, char **text);

/**
 * Compares two configurations key by key. *same_results: no key differs that can change a bit. Apart from that
 * are "train.epochs" and "train.steps", which set *other_length, and the folders of data files: moved data is
 * the same data where its fingerprint is. *difference: one line a differing key,
 * "optimizer.adam.learning_rate: 1e-3 -> 2e-3", of those that make other results if there are any, else of all that
 * differ; "" if none does. Freed with free().
 */
LK_API lk_status lk_config_compare(const lk_config *before, const lk_config *after, int *same_results,
                                   int *other_length, char **difference);

/** The reference generated from the option table: Markdown. Freed with free(). */
LK_API lk_status lk_config_reference(char **markdown);

/**
 * One key of it by its path ("optimizer.adam", "train.lanes", "model.dense.init"): what it takes, its default
 * and what stands below it, for a terminal. Errors: LK_E_USAGE with the nearest known key. Freed with free().
 */
LK_API lk_status lk_config_describe(const char *path, char **text);

/** A commented starting configuration; `description` of a dataset (from lk_data_describe_file) or NULL. */
LK_API lk_status lk_config_init(const char *dataset_path, char **yaml);
/**
 * A Slurm batch script that trains the configuration at `path` with the program at `program` and queues
 * itself again where that makes sense. `config`: what stands at `path`, for the number of ranks to suggest,
 * or NULL. *script is freed with free().
 */
LK_API lk_status lk_config_slurm(const lk_config *config, const char *path, const char *program,
                                 char **script);

#ifdef __cplusplus
}
#endif
#endif
