#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };

static _Thread_local char message[MESSAGE_BYTES];

static const struct {
    int         exit_code;
    const char *text;
} table[LK_STATUS_COUNT] = {
#define LK_STATUS_ROW(name, exit_code, text) [name] = {exit_code, text},
    LK_STATUS_LIST(LK_STATUS_ROW)
#undef LK_STATUS_ROW
};

int lk_status_exit_code(lk_status status)
{
    return (unsigned)status < LK_STATUS_COUNT ? table[status].exit_code : 70;
}

const char *lk_status_text(lk_status status)
{
    return (unsigned)status < LK_STATUS_COUNT ? table[status].text : "unknown status";
}

const char *lk_error_message(void)
{
    return message;
}

void lk_error_clear(void)
{
    message[0] = '\0';
}

lk_status lk_fail(lk_status status, const char *format, ...)
{
    /* The arguments may point into the message itself, so format aside first. */
    char    text[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof message);
    return status;
}

lk_status lk_fail_context(lk_status status, const char *format, ...)
{
    char    text[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0) n = 0;
    if ((size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, ": %.*s", (int)(sizeof text - (size_t)n - 3), message);
    memcpy(message, text, sizeof message);
    return status;
}

void lk_assert_failed(const char *text, const char *file, int line)
{
    fprintf(stderr, "lockstep: bug: %s:%d: %s\n", file, line, text);
    abort();
}
