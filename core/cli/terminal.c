/* terminal.c - one lock, one line at the bottom. A message erases the line, is printed, and the line drawn again. */
#include "cli/terminal.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_BYTES = 512, SECONDS_BETWEEN_LINES = 5 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_quiet, is_live, is_drawn;
static enum terminal_colour wanted_colour = TERMINAL_AUTO;
static char current[LINE_BYTES];
static char question[LINE_BYTES]; /* stands in place of the progress line while it waits */
static double last_printed = -1e9;

static bool is_dumb(void)
{
    const char *term = getenv("TERM");
    return term && strcmp(term, "dumb") == 0;
}

bool terminal_has_colour(FILE *file)
{
    const char *no = getenv("NO_COLOR");
    if (wanted_colour != TERMINAL_AUTO)
        return wanted_colour == TERMINAL_ALWAYS;
    return !(no && *no) && !is_dumb() && isatty(fileno(file));
}

static uint64_t columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col : 80;
}

static void erase(void)
{
    if (is_drawn)
        fputs("\r\x1b[K", stderr);
    is_drawn = false;
}

/* Bytes of line that fill at most `width` columns; every character is taken as one. */
static uint64_t cut(const char *line, uint64_t width)
{
    uint64_t i = 0, used = 0;
    for (; line[i]; i++)
        if (((unsigned char)line[i] & 0xc0) != 0x80 && used++ == width)
            break;
    return i;
}

static void draw(void)
{
    const char *line = question[0] ? question : is_live ? current : "";
    if (!line[0])
        return;
    fprintf(stderr, "\r%.*s\x1b[K", (int)cut(line, columns() - 1), line);
    fflush(stderr);
    is_drawn = true;
}

static const char *colour_of(int32_t level)
{
    return level >= LOG_ERROR ? "\x1b[31m" : level == WN_LOG_WARN ? "\x1b[33m" : "\x1b[2m";
}

static void write_log(void *arg, int32_t level, const char *line)
{
    (void)arg;
    bool colour = terminal_has_colour(stderr);
    if (is_quiet && level < WN_LOG_WARN)
        return;
    pthread_mutex_lock(&lock);
    erase();
    if (level == WN_LOG_INFO)
        fprintf(stderr, "%s\n", line);
    else
        fprintf(stderr, "%s%s:%s %s\n", colour ? colour_of(level) : "", log_level_name(level), colour ? "\x1b[0m" : "",
                line);
    draw();
    pthread_mutex_unlock(&lock);
}

void terminal_start(bool quiet, enum terminal_colour colour)
{
    is_quiet = quiet;
    wanted_colour = colour;
    is_live = !quiet && isatty(STDERR_FILENO) && !is_dumb();
    log_set_sink(write_log, NULL);
}

void terminal_stop(void)
{
    pthread_mutex_lock(&lock);
    erase();
    current[0] = '\0';
    fflush(stderr);
    pthread_mutex_unlock(&lock);
}

void terminal_progress(const char *line)
{
    pthread_mutex_lock(&lock);
    snprintf(current, sizeof current, "%s", line);
    double now = clock_seconds();
    if (question[0]) {
        /* it waits longer than progress is news */
    } else if (is_live) {
        draw();
    } else if (!is_quiet && now - last_printed >= SECONDS_BETWEEN_LINES) {
        if (last_printed > 0)
            fprintf(stderr, "%s\n", current);
        last_printed = now;
    }
    pthread_mutex_unlock(&lock);
}

void terminal_message(const char *line)
{
    pthread_mutex_lock(&lock);
    erase();
    fprintf(stderr, "%s\n", line);
    draw();
    pthread_mutex_unlock(&lock);
}

void terminal_setup_progress(void *arg, double done, double total, const char *what)
{
    char line[LINE_BYTES];
    (void)arg;
    snprintf(line, sizeof line, "%.300s %.0f %%", what, total > 0 ? 100 * done / total : 0);
    terminal_progress(line);
}

void terminal_show(const void *data, uint64_t bytes)
{
    pthread_mutex_lock(&lock);
    erase();
    fwrite(data, 1, bytes, stderr);
    draw();
    fflush(stderr);
    pthread_mutex_unlock(&lock);
}

void terminal_question(const char *line)
{
    pthread_mutex_lock(&lock);
    erase();
    snprintf(question, sizeof question, "%s", line);
    draw();
    fflush(stderr);
    pthread_mutex_unlock(&lock);
}
