/* serve.c - see serve.h. The peer is the winnow that started this process, so what it says is believed, but for what
 * would be read or written out of bounds. */
#include "serve.h"

#include "child.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STOPPED = 2 /* exit status: the host is gone */ };

/* One for the process, as are its standard input and output. */
static struct server {
    pthread_mutex_t writing;
    struct wn_pipe pipe;
    uint8_t *shared; /* mapped */
    uint64_t shared_bytes;
} server = { .writing = PTHREAD_MUTEX_INITIALIZER, .pipe = { .in = -1, .out = -1 } };

/* ---- sending ---- */

static wn_status send_message(cJSON *message, const void *data, uint64_t bytes, wn_error *err)
{
    const struct wn_part part = { data, bytes };
    char *text = wn_message_print(message);
    cJSON_Delete(message);
    if (!text)
        return wn_fail(err, WN_E_MEMORY, "no memory for an answer");
    pthread_mutex_lock(&server.writing);
    const wn_status status = wn_frame_send(&server.pipe, text, bytes ? 1 : 0, &part, err);
    pthread_mutex_unlock(&server.writing);
    cJSON_free(text);
    return status;
}

void wn_serve_log(int32_t level, const char *line)
{
    wn_error err;
    cJSON *message = wn_message_new("log", 0);
    cJSON_AddStringToObject(message, "level", level >= WN_LOG_WARN ? "warn" : level == WN_LOG_INFO ? "info" : "debug");
    cJSON_AddStringToObject(message, "text", line);
    send_message(message, NULL, 0, &err); /* if the host is gone, the next read tells */
}

void wn_serve_progress(void *arg, double done, double total, const char *what)
{
    wn_error err;
    cJSON *message = wn_message_new("progress", 0);
    (void)arg;
    cJSON_AddNumberToObject(message, "done", done);
    cJSON_AddNumberToObject(message, "total", total);
    cJSON_AddStringToObject(message, "what", what);
    send_message(message, NULL, 0, &err);
}

static wn_status send_error(uint64_t id, const wn_error *what, wn_error *err)
{
    cJSON *message = wn_message_new("error", id);
    cJSON_AddStringToObject(message, "code", wn_message_code(what->code));
    cJSON_AddStringToObject(message, "message", what->message);
    return send_message(message, NULL, 0, err);
}

static wn_status send_ready(const struct wn_service *s, wn_error *err)
{
    cJSON *message = wn_message_new("ready", 0), *files;
    cJSON_AddNumberToObject(message, "protocol", WN_WORKER_PROTOCOL);
    cJSON_AddStringToObject(message, "kind", "verifier");
    cJSON_AddStringToObject(message, "name", s->name);
    cJSON_AddStringToObject(message, "version", s->version);
    cJSON_AddBoolToObject(message, "shared_memory", 1);
    wn_message_put_verifier(message, s->verifier);
    files = cJSON_AddArrayToObject(message, "files");
    for (uint64_t i = 0; i < s->file_count; i++)
        cJSON_AddItemToArray(files, cJSON_CreateString(s->files[i]));
    return send_message(message, NULL, 0, err);
}

/* ---- a request's pixels -------------------------------------------------------------------------------------------
 */

static wn_status map_shared(uint64_t bytes, wn_error *err)
{
    struct stat st;
    if (bytes <= server.shared_bytes)
        return WN_OK;
    if (fstat(WN_CHILD_SHARED_FD, &st) != 0 || (uint64_t)st.st_size < bytes)
        return wn_fail(err, WN_E_FORMAT, "a request with %llu shared bytes, but the shared memory has not so many",
                       (unsigned long long)bytes);
    if (server.shared)
        munmap(server.shared, server.shared_bytes);
    server.shared_bytes = 0;
    server.shared = mmap(NULL, bytes, PROT_READ, MAP_SHARED, WN_CHILD_SHARED_FD, 0);
    if (server.shared == MAP_FAILED) {
        server.shared = NULL;
        return wn_fail(err, WN_E_MEMORY, "mapping %llu bytes: %s", (unsigned long long)bytes, strerror(errno));
    }
    server.shared_bytes = bytes;
    return WN_OK;
}

struct set {
    uint64_t count;
    uint64_t prompt_count;
    wn_prompt *prompts;    /* [prompt_count] */
    char **records;        /* [prompt_count], owned */
    const wn_prompt **of;  /* [count] */
    wn_image *images;      /* [2 * count]: images, then previews */
    double *scores;        /* [count][metric_count] */
    const uint8_t *pixels; /* not yet given out */
    uint64_t pixels_left;
};

static void free_set(struct set *s)
{
    for (uint64_t i = 0; s->records && i < s->prompt_count; i++)
        cJSON_free(s->records[i]);
    free(s->prompts);
    free(s->records);
    free(s->of);
    free(s->images);
    free(s->scores);
}

static uint64_t length_of(const cJSON *message, const char *key)
{
    return (uint64_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(message, key));
}

static wn_status make_set(struct set *s, const cJSON *message, uint64_t metrics, wn_error *err)
{
    s->count = length_of(message, "images");
    s->prompt_count = length_of(message, "prompts");
    s->prompts = calloc(s->prompt_count + 1, sizeof *s->prompts);
    s->records = calloc(s->prompt_count + 1, sizeof *s->records);
    s->of = calloc(s->count + 1, sizeof *s->of);
    s->images = calloc(2 * s->count + 1, sizeof *s->images);
    s->scores = calloc(s->count * metrics + 1, sizeof *s->scores);
    if (!s->prompts || !s->records || !s->of || !s->images || !s->scores)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu images", (unsigned long long)s->count);
    for (uint64_t i = 0; i < s->count * metrics; i++)
        s->scores[i] = (double)NAN;
    return WN_OK;
}

static wn_status read_prompts(struct set *s, const cJSON *message, wn_error *err)
{
    const cJSON *object, *index;
    uint64_t i = 0;
    cJSON_ArrayForEach(object, cJSON_GetObjectItemCaseSensitive(message, "prompts"))
    {
        wn_prompt *p = &s->prompts[i];
        WN_TRY(wn_message_text(object, "text", "", &p->text, err));
        WN_TRY(wn_message_text(object, "id", "", &p->id, err));
        WN_TRY(wn_message_text(object, "category", "", &p->category, err));
        s->records[i] = wn_message_print(cJSON_GetObjectItemCaseSensitive(object, "record"));
        p->json = s->records[i] ? s->records[i] : "{}";
        i++;
    }
    i = 0;
    cJSON_ArrayForEach(index, cJSON_GetObjectItemCaseSensitive(message, "prompt"))
    {
        if (i == s->count || !(index->valuedouble >= 0 && index->valuedouble < (double)s->prompt_count))
            break;
        s->of[i++] = &s->prompts[(uint64_t)index->valuedouble];
    }
    return i == s->count ? WN_OK : wn_fail(err, WN_E_FORMAT, "a request does not say the prompt of every image");
}

static wn_status read_images(struct set *s, const cJSON *list, wn_image *images, wn_error *err)
{
    const cJSON *size;
    uint64_t i = 0;
    cJSON_ArrayForEach(size, list)
    {
        const double width = cJSON_GetNumberValue(cJSON_GetArrayItem(size, 0));
        const double height = cJSON_GetNumberValue(cJSON_GetArrayItem(size, 1));
        if (i == s->count)
            break;
        i++;
        if (cJSON_IsNull(size))
            continue;
        if (!(width >= 1 && width <= 65536 && height >= 1 && height <= 65536) ||
            3 * width * height > (double)s->pixels_left)
            return wn_fail(err, WN_E_FORMAT, "a request with fewer pixels than its images have");
        images[i - 1] = (wn_image){ (uint32_t)width, (uint32_t)height, s->pixels };
        s->pixels += 3 * (uint64_t)width * (uint64_t)height;
        s->pixels_left -= 3 * (uint64_t)width * (uint64_t)height;
    }
    return WN_OK;
}

static wn_status read_set(struct set *s, const cJSON *message, const struct wn_frame *frame, wn_error *err)
{
    uint64_t shared;
    WN_TRY(wn_message_u64(message, "shared", 0, &shared, err));
    WN_TRY(map_shared(shared, err));
    s->pixels = shared ? server.shared : frame->data;
    s->pixels_left = shared ? shared : frame->data_bytes;
    WN_TRY(read_prompts(s, message, err));
    WN_TRY(read_images(s, cJSON_GetObjectItemCaseSensitive(message, "images"), s->images, err));
    return read_images(s, cJSON_GetObjectItemCaseSensitive(message, "previews"), s->images + s->count, err);
}

/* ---- requests ---- */

static wn_status score(const struct wn_service *service, const cJSON *message, const struct wn_frame *frame,
                       struct set *s, wn_error *err)
{
    const wn_verifier *v = service->verifier;
    WN_TRY(make_set(s, message, v->metric_count, err));
    WN_TRY(read_set(s, message, frame, err));
    const wn_score_request request = {
        .struct_size = sizeof request,
        .count = s->count,
        .prompts = s->of,
        .images = s->images,
        .previews = v->flags & WN_VERIFIER_NEEDS_PREVIEW ? s->images + s->count : NULL,
        .scores = s->scores,
    };
    return v->score(service->self, &request, err);
}

static wn_status answer(const struct wn_service *service, const cJSON *message, const struct wn_frame *frame,
                        wn_error *err)
{
    struct set set = { 0 };
    uint64_t id;
    wn_error why = { 0 };
    wn_status status = wn_message_u64(message, "id", 0, &id, &why);
    if (status == WN_OK)
        status = wn_message_is(message, "score")
                     ? score(service, message, frame, &set, &why)
                     : wn_fail(&why, WN_E_UNSUPPORTED, "a verifier is not asked to \"%.40s\"", wn_message_op(message));
    if (status == WN_OK)
        status = send_message(wn_message_new("scores", id), set.scores,
                              set.count * service->verifier->metric_count * sizeof *set.scores, err);
    else
        status = send_error(id, &why, err);
    free_set(&set);
    return status;
}

static wn_status next_message(cJSON **message, struct wn_frame *frame, wn_error *err)
{
    const struct wn_frame_limits limits = { WN_FRAME_MAX_TEXT, UINT64_MAX };
    WN_TRY(wn_frame_receive(&server.pipe, limits, frame, err));
    const wn_status status = wn_message_parse(frame, message, err);
    if (status != WN_OK)
        wn_frame_free(frame);
    return status;
}

/* Until the other side goes away, which is the end that all have. */
static wn_status serve(const struct wn_service *service, wn_error *err)
{
    cJSON *message;
    struct wn_frame frame;
    for (;;) {
        wn_status status = next_message(&message, &frame, err);
        if (status == WN_E_IO)
            return WN_OK;
        if (status != WN_OK)
            return status;
        status = answer(service, message, &frame, err);
        cJSON_Delete(message);
        wn_frame_free(&frame);
        if (status != WN_OK)
            return status;
    }
}

static wn_status greet(const struct wn_service_maker *maker, struct wn_service *service, wn_error *err)
{
    cJSON *hello;
    struct wn_frame frame;
    wn_error why = { 0 };
    WN_TRY(next_message(&hello, &frame, err));
    wn_status status = maker->open(maker->arg, cJSON_GetObjectItemCaseSensitive(hello, "options"), service, &why);
    cJSON_Delete(hello);
    wn_frame_free(&frame);
    if (status == WN_OK)
        return send_ready(service, err);
    send_error(0, &why, err);
    *err = why;
    return status;
}

/* ---- the process ---- */

/* A verifier that hangs would outlive the host that hung up on it. */
static void *watch_host(void *arg)
{
    struct pollfd fd = { server.pipe.in, POLLRDHUP, 0 };
    (void)arg;
    while (poll(&fd, 1, -1) < 0 && errno == EINTR)
        ;
    nanosleep(&(struct timespec){ 0, 200000000 }, NULL); /* for one that can end by itself */
    _exit(STOPPED);
}

/* Frames keep what standard input and output were, and nobody who is started from here inherits it; whoever prints
 * prints to standard error, whoever reads reads nothing. */
static wn_status take_over_stdio(wn_error *err)
{
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    server.pipe.in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, WN_CHILD_SHARED_FD + 1);
    server.pipe.out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, WN_CHILD_SHARED_FD + 1);
    const int is_done = nothing >= 0 && server.pipe.in >= 0 && server.pipe.out >= 0 &&
                        dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 && dup2(nothing, STDIN_FILENO) >= 0;
    const int why = errno;
    if (nothing >= 0)
        close(nothing);
    return is_done ? WN_OK : wn_fail(err, WN_E_IO, "standard input and output: %s", strerror(why));
}

wn_status wn_serve_verifier(const struct wn_service_maker *maker, wn_error *err)
{
    struct wn_service service = { 0 };
    pthread_t watcher;
    WN_TRY(take_over_stdio(err));
    if (pthread_create(&watcher, NULL, watch_host, NULL) != 0)
        return wn_fail(err, WN_E_MEMORY, "no thread to watch over the host");
    pthread_detach(watcher);
    wn_status status = greet(maker, &service, err);
    if (status == WN_OK)
        status = serve(&service, err);
    maker->close(maker->arg);
    return status;
}
