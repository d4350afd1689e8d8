/**
 * Failure inside the library: set a message, return a status, leave by one door.
 *
 * Three macros change control flow: LK_TRY and LK_CHECK jump to `done` with `st` set; LK_ASSERT is for our
 * own bugs.
 */
#ifndef LK_CORE_STATUS_H
#define LK_CORE_STATUS_H

#include "lockstep/status.h"

/** Stores the message (printf form, cut at 2,048 bytes) for this thread and returns `status`. */
lk_status lk_fail(lk_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Puts "prefix: " in front of this thread's message and returns `status`. Used where a caller knows the
 * place. */
lk_status lk_fail_context(lk_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Forgets this thread's message. */
void lk_error_clear(void);

void lk_assert_failed(const char *text, const char *file, int line) __attribute__((noreturn));

#define LK_TRY(call)                                                                                         \
    do {                                                                                                     \
        st = (call);                                                                                         \
        if (st != LK_OK) goto done;                                                                          \
    } while (0)

#define LK_CHECK(condition, status, ...)                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            st = lk_fail((status), __VA_ARGS__);                                                             \
            goto done;                                                                                       \
        }                                                                                                    \
    } while (0)

#ifdef NDEBUG
#define LK_ASSERT(condition) ((void)0)
#else
#define LK_ASSERT(condition) ((condition) ? (void)0 : lk_assert_failed(#condition, __FILE__, __LINE__))
#endif

#endif
