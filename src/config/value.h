/** Scalars: what people write to what it means, by the kind that the option table asks for. */
#ifndef LK_CONFIG_VALUE_H
#define LK_CONFIG_VALUE_H

#include "config/setting.h"

/**
 * Fills text and value of `setting` from a scalar. False after a problem at the scalar's place, which says
 * what would be right. `what` names the key in messages.
 */
bool lk_value_read(const lk_tree *scalar, lk_setting *setting, lk_problems *problems);

/** The shortest text that reads back as the same double: 0.001, 1e-5, 256. */
const char *lk_value_number_text(lk_pool *pool, double number);

#endif
