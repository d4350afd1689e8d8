#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>

static lk_log_sink *the_sink;
static void        *the_context;

void lk_log_set_sink(lk_log_sink *sink, void *context)
{
    the_sink = sink;
    the_context = context;
}

static void emit(lk_log_level level, const char *format, va_list args)
{
    char line[2048];
    if (!the_sink) return;
    vsnprintf(line, sizeof line, format, args);
    the_sink(the_context, level, line);
}

#define LK_LOG_BODY(level)                                                                                   \
    va_list args;                                                                                            \
    va_start(args, format);                                                                                  \
    emit(level, format, args);                                                                               \
    va_end(args)

void lk_log_info(const char *format, ...)
{
    LK_LOG_BODY(LK_LOG_INFO);
}

void lk_log_warn(const char *format, ...)
{
    LK_LOG_BODY(LK_LOG_WARN);
}

void lk_log_rank(const char *format, ...)
{
    LK_LOG_BODY(LK_LOG_RANK);
}
