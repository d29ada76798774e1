/* log.h - the process's one log: what plugins and core say on the way.
 *
 * Lines go to a sink (the command's terminal, when it set one) from log_level up, and to the run's log file, once open,
 * from debug up with a time stamp. Core itself never prints. All functions: any thread.
 */
#ifndef WINNOW_BASE_LOG_H
#define WINNOW_BASE_LOG_H

#include <winnow/plugin.h>

enum { LOG_ERROR = WN_LOG_WARN + 1 }; /* beside WN_LOG_DEBUG, WN_LOG_INFO, WN_LOG_WARN */

typedef void log_sink(void *arg, int32_t level, const char *line);

void log_set_sink(log_sink *sink, void *arg); /* NULL = none; when it returns, the old sink is no longer called */
void log_set_level(int32_t level);            /* for the sink; WN_LOG_INFO at first */
const char *log_level_name(int32_t level);    /* "debug", ... */
int32_t log_level_from(const char *name);     /* 0 when unknown */

/* Appends to path from now on; NULL closes. One file at a time. */
wn_status log_set_file(const char *path, wn_error *err);

void log_line(int32_t level, const char *line); /* control characters are replaced by spaces */
WN_PRINTF(2, 3) void log_printf(int32_t level, const char *format, ...);

#endif
