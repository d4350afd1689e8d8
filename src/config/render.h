/** Settings to YAML, in the order of the table, one key a line, defaults included. */
#ifndef LK_CONFIG_RENDER_H
#define LK_CONFIG_RENDER_H

#include "config/setting.h"
#include "core/str.h"

/** `base`: absolute folder that relative file names are put behind; NULL leaves them as they are. */
void lk_render_settings(const lk_setting *root, const char *base, bool origins, lk_str *out);

/** One scalar as it is rendered: quotes where it needs them, files below `base`. */
void lk_render_scalar(const lk_setting *setting, const char *base, lk_str *out);

#endif
