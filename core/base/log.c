/* log.c - one lock around one sink and one file, so that lines of many threads stay whole. */
#include "base/log.h"

#include "base/plain.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { LINE_BYTES = 2048 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static log_sink *sink_function;
static void *sink_arg;
static int32_t sink_level = WN_LOG_INFO;
static FILE *log_file;

static const char *const level_names[] = { "", "debug", "info", "warn", "error" };

void log_set_sink(log_sink *sink, void *arg)
{
    pthread_mutex_lock(&lock);
    sink_function = sink;
    sink_arg = arg;
    pthread_mutex_unlock(&lock);
}

void log_set_level(int32_t level)
{
    pthread_mutex_lock(&lock);
    sink_level = level;
    pthread_mutex_unlock(&lock);
}

const char *log_level_name(int32_t level)
{
    return level >= WN_LOG_DEBUG && level <= LOG_ERROR ? level_names[level] : "info";
}

int32_t log_level_from(const char *name)
{
    for (int32_t level = WN_LOG_DEBUG; level <= LOG_ERROR; level++)
        if (strcmp(name, level_names[level]) == 0)
            return level;
    return 0;
}

wn_status log_set_file(const char *path, wn_error *err)
{
    FILE *file = path ? fopen(path, "abe") : NULL;
    if (path && !file)
        return wn_fail(err, WN_E_IO, "%s: cannot write the log: %s", path, strerror(errno));
    pthread_mutex_lock(&lock);
    FILE *old = log_file;
    log_file = file;
    pthread_mutex_unlock(&lock);
    if (old)
        fclose(old);
    return WN_OK;
}

static void write_to_file(int32_t level, const char *line)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    fprintf(log_file, "%s %-5s %s\n", stamp, log_level_name(level), line);
    fflush(log_file);
}

void log_line(int32_t level, const char *line)
{
    char clean[LINE_BYTES];
    plain_copy(clean, sizeof clean, line, 0); /* it must not move the cursor or fake further lines */
    pthread_mutex_lock(&lock);
    if (log_file)
        write_to_file(level, clean);
    if (sink_function && level >= sink_level)
        sink_function(sink_arg, level, clean);
    pthread_mutex_unlock(&lock);
}

void log_printf(int32_t level, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log_line(level, line);
}
