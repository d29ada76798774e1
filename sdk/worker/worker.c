/* worker.c - see worker.h.
 *
 * Everything that waits, waits in one place (wait_for): for the socket, with an eye on the child's standard error, the
 * user's patience and the clock. A frame that arrives, whichever, is a sign of life and starts the clock again. */
#include "worker.h"

#include "child.h"
#include "shared.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 1000, LINES_MAX = 500, TICK_MS = 100, DEATHS = 4 /* times attempts: in a row, without an answer */ };

struct worker_log {
    char line[LINE]; /* not yet ended */
    uint64_t length;
    char last[LINE]; /* the last one that was */
    uint64_t lines;  /* since the last request */
};

struct wn_worker {
    struct wn_worker_setup setup;
    struct wn_child child;
    struct wn_pipe pipe;
    char **env;
    char *python_path; /* PYTHONPATH=..., env's */
    cJSON *ready;
    struct wn_shared shared;
    struct worker_log log;
    double limit_s;  /* of the silence in progress */
    double heard;    /* when the worker last gave a sign of life */
    uint64_t deaths; /* in a row */
    uint64_t starts;
    uint64_t id;   /* of the last request */
    int is_broken; /* the last failure was the process's, not an answer */
    int shares;    /* the worker maps the shared memory */
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- standard error to the log ---- */

static void say(const struct wn_worker *w, int32_t level, const char *line)
{
    w->setup.host->log(w->setup.host->ctx, level, line);
}

/* What the program says of itself, by standard error or by frames. */
static void log_bounded(struct wn_worker *w, int32_t level, const char *line)
{
    if (++w->log.lines <= LINES_MAX)
        say(w, level, line);
    if (w->log.lines == LINES_MAX)
        say(w, WN_LOG_WARN, "it says too much; no more is shown until it has done what it was asked");
}

static void end_line(struct wn_worker *w)
{
    struct worker_log *l = &w->log;
    if (l->length == 0)
        return;
    l->line[l->length] = '\0';
    memcpy(l->last, l->line, l->length + 1);
    l->length = 0;
    log_bounded(w, WN_LOG_INFO, l->last);
}

/* No more than a full pipe at a time: who writes faster than this reads is not to keep the host from its watch. */
static void take_errors(struct wn_worker *w)
{
    char bytes[4096];
    ssize_t count;
    for (int reads = 0; reads < 16 && (count = read(w->child.errors, bytes, sizeof bytes)) > 0; reads++)
        for (ssize_t i = 0; i < count; i++) {
            if (bytes[i] != '\n')
                w->log.line[w->log.length++] = bytes[i];
            if (bytes[i] == '\n' || w->log.length == LINE - 1)
                end_line(w);
        }
}

/* ---- waiting ---- */

/* A process that has ended may have left its socket to one that it started: then no end of the stream tells of it. */
static int has_died(const struct wn_worker *w)
{
    siginfo_t info = { 0 };
    return waitid(P_PID, (id_t)w->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == w->child.pid;
}

static wn_status look_around(const struct wn_worker *w, wn_error *err)
{
    if (w->setup.host->cancelled(w->setup.host->ctx))
        return wn_fail(err, WN_E_CANCELLED, "the user interrupted");
    if (now_s() - w->heard > w->limit_s)
        return wn_fail(err, WN_E_INTERNAL, "nothing was heard for %g s", w->limit_s);
    return WN_OK;
}

static wn_status wait_for(void *arg, int is_writing, wn_error *err)
{
    struct wn_worker *w = arg;
    for (;;) {
        struct pollfd fds[2] = { { w->child.socket, is_writing ? POLLOUT : POLLIN, 0 },
                                 { w->child.errors, POLLIN, 0 } };
        WN_TRY(look_around(w, err));
        if (poll(fds, 2, TICK_MS) < 0 && errno != EINTR)
            return wn_fail(err, WN_E_IO, "poll: %s", strerror(errno));
        if (fds[1].revents & POLLIN)
            take_errors(w);
        if (fds[0].revents)
            return WN_OK;
        if (has_died(w))
            return wn_fail(err, WN_E_IO, "it has gone and left its pipe to others");
        if (fds[1].revents & (POLLHUP | POLLERR)) /* closed: poll would return at once, again and again */
            nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
}

void *wn_worker_share(struct wn_worker *w, uint64_t bytes)
{
    return w->shares ? wn_shared_grow(&w->shared, bytes) : NULL;
}

/* ---- frames ---- */

wn_status wn_worker_broken(struct wn_worker *w, wn_error *err, const char *format, ...)
{
    va_list args;
    w->is_broken = 1;
    err->code = WN_E_FORMAT;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return WN_E_FORMAT;
}

wn_status wn_worker_refused(struct wn_worker *w, const cJSON *message, wn_error *err)
{
    int is_one;
    const wn_status status = wn_message_fail(message, &is_one, err);
    w->is_broken = !is_one;
    return status;
}

wn_status wn_worker_send(struct wn_worker *w, const cJSON *message, const struct wn_part *parts, uint64_t part_count,
                         wn_error *err)
{
    char *text = wn_message_print(message);
    if (!text)
        return wn_fail(err, WN_E_MEMORY, "no memory for a request");
    w->heard = now_s();
    const wn_status status = wn_frame_send(&w->pipe, text, part_count, parts, err);
    cJSON_free(text);
    w->is_broken = status != WN_OK && status != WN_E_ARG;
    return status;
}

/* Log and progress frames are dealt with here. */
static int is_aside(struct wn_worker *w, const cJSON *message)
{
    const wn_host *host = w->setup.host;
    const char *text, *level;
    double done, total;
    wn_error err;
    if (wn_message_is(message, "log") && wn_message_text(message, "text", "", &text, &err) == WN_OK &&
        wn_message_text(message, "level", "info", &level, &err) == WN_OK) {
        log_bounded(w, *level == 'd' ? WN_LOG_DEBUG : *level == 'w' ? WN_LOG_WARN : WN_LOG_INFO, text);
        return 1;
    }
    if (!wn_message_is(message, "progress") || wn_message_number(message, "done", 0, &done, &err) != WN_OK ||
        wn_message_number(message, "total", 0, &total, &err) != WN_OK ||
        wn_message_text(message, "what", "", &text, &err) != WN_OK)
        return 0;
    host->progress(host->ctx, done, total, text);
    return 1;
}

wn_status wn_worker_receive(struct wn_worker *w, struct wn_frame_limits limits, cJSON **message, struct wn_frame *frame,
                            wn_error *err)
{
    *frame = (struct wn_frame){ 0 };
    for (*message = NULL;; wn_frame_free(frame), cJSON_Delete(*message)) {
        w->heard = now_s();
        wn_status status = look_around(w, err); /* frames may come so fast that nothing ever waits */
        if (status == WN_OK)
            status = wn_frame_receive(&w->pipe, limits, frame, err);
        if (status == WN_OK)
            status = wn_message_parse(frame, message, err);
        if (status != WN_OK) {
            wn_frame_free(frame);
            w->is_broken = 1;
            return status;
        }
        if (!is_aside(w, *message))
            return WN_OK;
    }
}

/* ---- requests ---- */

static wn_status check_answer(struct wn_worker *w, const struct wn_request *r, const cJSON *message,
                              const struct wn_frame *frame, wn_error *err)
{
    uint64_t id;
    wn_error why = { 0 };
    if (wn_message_u64(message, "id", UINT64_MAX, &id, &why) != WN_OK || id != w->id)
        return wn_worker_broken(w, err, "an answer without the request's \"id\": %.200s", frame->text);
    if (wn_message_is(message, "error"))
        return wn_worker_refused(w, message, err);
    if (!wn_message_is(message, r->answer))
        return wn_worker_broken(w, err, "it answered \"%.40s\" where \"%s\" is called for", wn_message_op(message),
                                r->answer);
    if (frame->data_bytes != r->answer_bytes)
        return wn_worker_broken(w, err, "its answer \"%s\" has %llu bytes of data where %llu are called for", r->answer,
                                (unsigned long long)frame->data_bytes, (unsigned long long)r->answer_bytes);
    if (r->answer_bytes)
        memcpy(r->data, frame->data, r->answer_bytes);
    return WN_OK;
}

wn_status wn_worker_ask_once(struct wn_worker *w, const struct wn_request *r, wn_error *err)
{
    cJSON *message = NULL;
    struct wn_frame frame = { 0 };
    cJSON_DeleteItemFromObjectCaseSensitive(r->message, "id");
    if (!cJSON_AddNumberToObject(r->message, "id", (double)++w->id))
        return wn_fail(err, WN_E_MEMORY, "no memory for a request");
    WN_TRY(wn_worker_send(w, r->message, r->parts, r->part_count, err));
    const struct wn_frame_limits limits = { WN_WORKER_MAX_TEXT, r->answer_bytes };
    WN_TRY(wn_worker_receive(w, limits, &message, &frame, err));
    const wn_status status = check_answer(w, r, message, &frame, err);
    cJSON_Delete(message);
    wn_frame_free(&frame);
    return status;
}

wn_status wn_worker_ask(struct wn_worker *w, const struct wn_request *request, wn_error *err)
{
    for (uint64_t attempt = 1;; attempt++) {
        wn_status status = wn_worker_up(w, err);
        if (status == WN_OK)
            status = wn_worker_ask_once(w, request, err);
        if (status == WN_OK)
            wn_worker_praise(w);
        if (status == WN_OK || !wn_worker_lost(w, attempt, err))
            return status == WN_OK ? WN_OK : err->code;
    }
}

void wn_worker_praise(struct wn_worker *w)
{
    w->deaths = 0;
    w->log.lines = 0;
}

/* ---- life and death ---- */

static void bury(struct wn_worker *w, int is_patient, char *how, uint64_t how_size)
{
    wn_child_kill(&w->child, is_patient, how, how_size);
    take_errors(w); /* its last words are in the pipe by now */
    wn_child_close(&w->child);
    end_line(w);
}

int wn_worker_lost(struct wn_worker *w, uint64_t attempt, wn_error *err)
{
    char how[100] = "was not there", why[1020];
    if (!w->is_broken) {
        w->deaths = 0;
        return 0;
    }
    w->is_broken = 0;
    if (w->child.pid > 0)
        bury(w, err->code == WN_E_IO, how, sizeof how);
    if (err->code == WN_E_CANCELLED)
        return 0;
    snprintf(why, sizeof why, "%s", err->message);
    w->deaths++;
    wn_fail(err, WN_E_IO, "the process of %.200s %s (%.300s)%s%.200s", w->setup.name, how, why,
            *w->log.last ? "; its last line: " : "", w->log.last);
    const uint64_t most = DEATHS * w->setup.attempts;
    const int goes_on = attempt < w->setup.attempts && w->deaths < most;
    if (goes_on)
        say(w, WN_LOG_WARN, err->message);
    return goes_on;
}

static wn_status check_ready(struct wn_worker *w, const cJSON *ready, wn_error *err)
{
    const char *kind;
    uint64_t protocol;
    if (wn_message_is(ready, "error"))
        return wn_worker_refused(w, ready, err);
    if (!wn_message_is(ready, "ready"))
        return wn_worker_broken(w, err, "it answered \"%.40s\" where \"ready\" is called for", wn_message_op(ready));
    WN_TRY(wn_message_u64(ready, "protocol", UINT64_MAX, &protocol, err));
    WN_TRY(wn_message_text(ready, "kind", "nothing", &kind, err));
    WN_TRY(wn_message_bool(ready, "shared_memory", 0, &w->shares, err));
    if (protocol != WN_WORKER_PROTOCOL)
        return wn_fail(err, WN_E_UNSUPPORTED, "it speaks protocol %llu, this winnow speaks %d",
                       (unsigned long long)protocol, WN_WORKER_PROTOCOL);
    if (strcmp(kind, w->setup.kind) != 0)
        return wn_fail(err, WN_E_ARG, "it is a %.40s where the spec wants a %s", kind, w->setup.kind);
    return WN_OK;
}

/* What decides results: a process that says other things of itself than the first did is another verifier. */
static wn_status check_same(struct wn_worker *w, cJSON *ready, wn_error *err)
{
    if (cJSON_Compare(w->ready, ready, 1))
        return WN_OK;
    return wn_fail(err, WN_E_ARG,
                   "started anew, it says other things of itself than before; was it changed during the "
                   "run? start the run again");
}

static wn_status introduce(struct wn_worker *w, wn_error *err)
{
    cJSON *hello = wn_message_new("hello", 0), *ready = NULL;
    struct wn_frame frame = { 0 };
    const int is_whole = cJSON_AddNumberToObject(hello, "protocol", WN_WORKER_PROTOCOL) &&
                         cJSON_AddStringToObject(hello, "kind", w->setup.kind) &&
                         cJSON_AddRawToObject(hello, "options", w->setup.options) &&
                         cJSON_AddNumberToObject(hello, "threads", w->setup.host->thread_count(w->setup.host->ctx));
    w->limit_s = w->setup.start_s;
    wn_status status = is_whole ? wn_worker_send(w, hello, NULL, 0, err) : wn_fail(err, WN_E_MEMORY, "no memory");
    cJSON_Delete(hello);
    if (status == WN_OK)
        status = wn_worker_receive(w, (struct wn_frame_limits){ WN_WORKER_MAX_TEXT, 0 }, &ready, &frame, err);
    if (status != WN_OK)
        return status;
    status = check_ready(w, ready, err);
    if (status == WN_OK && w->ready)
        status = check_same(w, ready, err);
    wn_frame_free(&frame);
    w->limit_s = w->setup.answer_s;
    if (w->ready || status != WN_OK)
        cJSON_Delete(ready);
    else
        w->ready = ready;
    return status;
}

/* The more have died in a row, the longer the next is waited with. */
static void pause_before_start(const struct wn_worker *w)
{
    if (w->deaths > 1)
        nanosleep(&(struct timespec){ 0, (long)(fmin(0.02 * (double)w->deaths, 0.9) * 1e9) }, NULL);
}

wn_status wn_worker_up(struct wn_worker *w, wn_error *err)
{
    char how[100];
    if (w->child.pid > 0)
        return WN_OK;
    pause_before_start(w);
    *w->log.last = '\0';
    WN_TRY(wn_child_start(&w->child, (char *const *)(uintptr_t)w->setup.argv, w->env, w->shared.reader, err));
    w->pipe = (struct wn_pipe){ w->child.socket, w->child.socket, wait_for, w };
    wn_status status = introduce(w, err);
    if (status == WN_OK && w->starts++ > 0 && w->setup.restarted)
        status = w->setup.restarted(w->setup.arg, w, err);
    if (status != WN_OK && !w->is_broken) /* it refuses: nobody is to take it for ready */
        bury(w, 1, how, sizeof how);
    return status;
}

/* ---- setup ---- */

extern char **environ;

/* The environment as it is, with the modules in front of Python's own path. */
static wn_status make_environment(struct wn_worker *w, wn_error *err)
{
    const char *old = getenv("PYTHONPATH");
    uint64_t count = 0, kept = 0;
    while (environ[count])
        count++;
    w->env = calloc(count + 2, sizeof *w->env);
    if (!w->env)
        return wn_fail(err, WN_E_MEMORY, "no memory for an environment");
    for (uint64_t i = 0; i < count; i++)
        if (!w->setup.modules || strncmp(environ[i], "PYTHONPATH=", 11) != 0)
            w->env[kept++] = environ[i];
    if (!w->setup.modules)
        return WN_OK;
    const uint64_t size = strlen(w->setup.modules) + (old ? strlen(old) : 0) + 16;
    w->python_path = malloc(size);
    if (!w->python_path)
        return wn_fail(err, WN_E_MEMORY, "no memory for an environment");
    snprintf(w->python_path, size, "PYTHONPATH=%s%s%s", w->setup.modules, old && *old ? ":" : "", old ? old : "");
    w->env[kept] = w->python_path;
    return WN_OK;
}

/* A program that cannot even start is not started again and again: the user is at the keyboard. */
static wn_status first_start(struct wn_worker *w, wn_error *err)
{
    WN_TRY(make_environment(w, err));
    wn_shared_open(&w->shared);
    const wn_status status = wn_worker_up(w, err);
    if (status != WN_OK)
        wn_worker_lost(w, w->setup.attempts, err);
    return status == WN_OK ? WN_OK : err->code;
}

static void tell_files(const struct wn_worker *w)
{
    const wn_host *host = w->setup.host;
    const cJSON *file;
    cJSON_ArrayForEach(file, cJSON_GetObjectItemCaseSensitive(w->ready, "files")) if (cJSON_IsString(file))
        host->uses_file(host->ctx, file->valuestring);
}

wn_status wn_worker_start(const struct wn_worker_setup *setup, struct wn_worker **out, wn_error *err)
{
    struct wn_worker *w = calloc(1, sizeof *w);
    if (!w)
        return wn_fail(err, WN_E_MEMORY, "no memory for a worker");
    w->setup = *setup;
    w->child = (struct wn_child)WN_CHILD_NONE;
    w->shared = (struct wn_shared)WN_SHARED_NONE;
    const wn_status status = first_start(w, err);
    if (status == WN_OK) {
        tell_files(w);
        *out = w;
    } else {
        wn_worker_stop(w);
    }
    return status;
}

void wn_worker_stop(struct wn_worker *w)
{
    char how[100];
    if (!w)
        return;
    if (w->child.pid > 0)
        bury(w, 1, how, sizeof how);
    wn_shared_close(&w->shared);
    cJSON_Delete(w->ready);
    free(w->env);
    free(w->python_path);
    free(w);
}

int wn_worker_is_up(const struct wn_worker *w)
{
    return w->child.pid > 0;
}

const cJSON *wn_worker_ready(const struct wn_worker *w)
{
    return w->ready;
}
