/**
 * Log lines. The library never prints: the program installs a sink, and without one lines vanish.
 *
 * Lines are for the root unless marked per rank: the sink of the other ranks drops them.
 */
#ifndef LK_CORE_LOG_H
#define LK_CORE_LOG_H

typedef enum lk_log_level { LK_LOG_INFO, LK_LOG_WARN, LK_LOG_RANK } lk_log_level;

typedef void lk_log_sink(void *context, lk_log_level level, const char *line);

/** Installs the sink (borrowed context); NULL removes it. Called once, before threads start. */
void lk_log_set_sink(lk_log_sink *sink, void *context);

void lk_log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void lk_log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Said by any rank that has something of its own to say; the text must name the rank. */
void lk_log_rank(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
