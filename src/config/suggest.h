/**
 * Answers to names that are not ours: foreign names (lr, Conv2d, cross_entropy) first, then spelling, then
 * the place where the key does belong.
 */
#ifndef LK_CONFIG_SUGGEST_H
#define LK_CONFIG_SUGGEST_H

#include "config/table.h"
#include "config/tree.h"

/** An answer: the text to put behind "unknown key 'lr' in optimizer.adam", and what was meant where that is
 * clear. */
typedef struct lk_suggestion {
    const char      *text;   /* " (did you mean 'learning_rate'?)"; "" if nothing comes to mind */
    const lk_option *option; /* the child of the place that was meant; NULL if unsure */
} lk_suggestion;

lk_suggestion lk_suggest_key(lk_pool *pool, const lk_option *place, const char *word);
/** The text for a word that is not among an option's `words`. */
const char *lk_suggest_word(lk_pool *pool, const lk_option *option, const char *word);

/** "a, b or c" from "a|b|c". */
const char *lk_suggest_list(lk_pool *pool, const char *words);
/** "a, b or c" of the children of a place. */
const char *lk_suggest_children(lk_pool *pool, const lk_option *place);

#endif
