/** What the public functions of this folder share. */
#ifndef LK_CONFIG_INTERNAL_H
#define LK_CONFIG_INTERNAL_H

#include "config/setting.h"
#include "core/str.h"

/** Gives the text to a caller who will call free(), and leaves `text` empty. */
lk_status lk_config_hand_over(lk_str *text, char **out);

/** Key by key: see lk_config_compare. The bases are absolute folders of the two configurations. */
lk_status lk_compare_settings(const lk_setting *before, const char *base_before, const lk_setting *after,
                              const char *base_after, int *same_results, int *other_length,
                              lk_str *difference);

#endif
