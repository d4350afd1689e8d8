/** A growing string. Appending never fails halfway: on lack of memory the text stays and `failed` is set. */
#ifndef LK_CORE_STR_H
#define LK_CORE_STR_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

typedef struct lk_str {
    char  *text; /* owned; NUL-terminated once something was appended, else NULL */
    size_t size; /* bytes without the NUL */
    size_t capacity;
    bool   failed;
} lk_str;

void lk_str_init(lk_str *str);
void lk_str_clear(lk_str *str);
void lk_str_append(lk_str *str, const char *text);
void lk_str_append_bytes(lk_str *str, const char *bytes, size_t size);
void lk_str_printf(lk_str *str, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** `text` as a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void        lk_str_append_json(lk_str *str, const char *text);
const char *lk_str_text(const lk_str *str); /* "" when empty */

/** LK_E_NOMEM if an append failed: what is there is not the whole text, and must not pass for it. */
lk_status lk_str_whole(const lk_str *str);
/** A copy for a caller who knows free() alone; LK_E_NOMEM too if an append failed. */
lk_status lk_str_copy(const lk_str *str, char **out);
/** Hands the text over (caller frees with lk_free) and leaves the string empty; LK_E_NOMEM if an append
 * failed. */
lk_status lk_str_take(lk_str *str, char **out);

/** Bytes of the UTF-8 character at `text`, which ends with a NUL somewhere: 1 to 4, or 0 if there is none. */
int lk_utf8_length(const char *text);

/** Number of single-letter insertions, deletions, replacements and swaps of neighbours between a and b, at
 * most 99. */
int lk_str_distance(const char *a, const char *b);

#endif
