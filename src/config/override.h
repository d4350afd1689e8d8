/** --set a.b=v: the very YAML path, layers by name. */
#ifndef LK_CONFIG_OVERRIDE_H
#define LK_CONFIG_OVERRIDE_H

#include "config/tree.h"

/** Changes the tree as the text says, before it is checked; the set-th override (from 1) in messages. */
void lk_override_apply(const char *text, int set, lk_tree *root, lk_problems *problems);

#endif
