/**
 * Answers to names that are not ours: foreign names (lr, Conv2d, cross_entropy) first, then spelling, then
 * the place where the key does belong.
 */
#ifndef LK_CONFIG_SUGGEST_H
#define LK_CONFIG_SUGGEST_H

#include "config/table.h"
#include "config/tree.h"

/** What stands behind "unknown key 'lr' in optimizer.adam": " (did you mean 'learning_rate'?)", or "". */
const char *lk_suggest_key(lk_pool *pool, const lk_option *place, const char *word);
/** The same for a word of an option with `words`. */
const char *lk_suggest_word(lk_pool *pool, const lk_option *option, const char *word);
/** True if the answer to `word` at `place` names `key`. */
bool lk_suggest_names(lk_pool *pool, const lk_option *place, const char *word, const char *key);

/** "a, b or c" from "a|b|c". */
const char *lk_suggest_list(lk_pool *pool, const char *words);
/** "a, b or c" of the children of a place. */
const char *lk_suggest_children(lk_pool *pool, const lk_option *place);

#endif
