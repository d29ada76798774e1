/* http.c - libcurl's multi interface, driven from the thread that scores. */
#include "http.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

double http_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the address ---- */

static bool is_this_machine(const char *host)
{
    struct in_addr v4;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static wn_status check_parts(CURLU *u, const char *base, bool allow_http, bool *is_local, wn_error *err)
{
    static const struct {
        CURLUPart part;
        const char *name;
    } unwanted[] = { { CURLUPART_USER, "a user name" },
                     { CURLUPART_PASSWORD, "a password" },
                     { CURLUPART_QUERY, "a query" },
                     { CURLUPART_FRAGMENT, "a fragment" } };
    char *part = NULL;
    for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++)
        if (curl_url_get(u, unwanted[i].part, &part, 0) == CURLUE_OK) {
            curl_free(part);
            return wn_fail(err, WN_E_ARG,
                           "base_url has %s, which would stand in specs and logs; a key comes from the "
                           "environment (key_env)",
                           unwanted[i].name);
        }
    if (curl_url_get(u, CURLUPART_HOST, &part, 0) != CURLUE_OK)
        return wn_fail(err, WN_E_ARG, "base_url %.200s names no host", base);
    *is_local = is_this_machine(part);
    curl_free(part);
    if (strncmp(base, "https://", 8) == 0 || (strncmp(base, "http://", 7) == 0 && (*is_local || allow_http)))
        return WN_OK;
    return wn_fail(err, WN_E_ARG,
                   "base_url %.200s: https:// is wanted; http:// is for this machine (127.0.0.1, localhost, [::1]), or "
                   "with allow_http, where everybody on the way reads prompts, pictures and key",
                   base);
}

wn_status http_check_base(const char *base, bool allow_http, bool *is_local, wn_error *err)
{
    CURLU *u = curl_url();
    if (!u)
        return wn_fail(err, WN_E_MEMORY, "no memory to read base_url");
    const CURLUcode code = curl_url_set(u, CURLUPART_URL, base, 0);
    const wn_status status = code == CURLUE_OK
                                 ? check_parts(u, base, allow_http, is_local, err)
                                 : wn_fail(err, WN_E_ARG, "base_url is no URL: %s", curl_url_strerror(code));
    curl_url_cleanup(u);
    return status;
}

/* ---- what comes in ---- */

/* Called with a header line, or the status line that begins another set of headers. */
static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "retry-after:";
    struct http_slot *s = arg;
    const size_t bytes = size * count, n = sizeof name - 1;
    char line[128];
    s->header_bytes += bytes;
    if (s->header_bytes > HTTP_HEADERS_MAX) {
        s->limit = "the server's headers have more than 64 KiB";
        return 0;
    }
    if (bytes > 5 && memcmp(data, "HTTP/", 5) == 0)
        s->retry_after = 0;
    if (bytes > n && strncasecmp(data, name, n) == 0) {
        snprintf(line, sizeof line, "%.*s", (int)(bytes < sizeof line ? bytes : sizeof line - 1), data);
        s->retry_after = failure_retry_after(line + n, time(NULL));
    }
    return bytes;
}

static bool make_room(struct http_slot *s, size_t bytes)
{
    if (s->size + bytes <= s->capacity)
        return true;
    const size_t capacity = 2 * (s->size + bytes);
    char *grown = realloc(s->body, capacity);
    if (!grown)
        return false;
    s->body = grown;
    s->capacity = capacity;
    return true;
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_slot *s = arg;
    const size_t bytes = size * count;
    if (!(s->body_started > 0))
        s->body_started = http_now();
    if (s->size + bytes > HTTP_BODY_MAX || !make_room(s, bytes)) {
        s->limit = "the server's reply has more than 1 MiB";
        return 0;
    }
    memcpy(s->body + s->size, data, bytes);
    s->size += bytes;
    return bytes;
}

/* ---- life ---- */

static void link_headers(struct http *h)
{
    static char type[] = "Content-Type: application/json", accept[] = "Accept: application/json",
                expect[] = "Expect:"; /* so that libcurl does not wait to be asked for the body */
    char *lines[5] = { type, accept, expect, NULL, NULL };
    size_t n = 3;
    if (h->settings.secret && h->settings.secret->header)
        lines[n++] = h->settings.secret->header;
    if (h->settings.header)
        lines[n++] = (char *)(uintptr_t)h->settings.header; /* only read */
    for (size_t i = 0; i < n; i++)
        h->headers[i] = (struct curl_slist){ lines[i], i + 1 < n ? &h->headers[i + 1] : NULL };
}

static bool set_all(struct http *h, struct http_slot *s, bool is_local)
{
    CURL *e = s->easy;
    const struct http_settings *o = &h->settings;
    const double connect = fmin(o->timeout_s, HTTP_CONNECT_SECONDS);
    struct curl_slist *headers = h->headers;
    unsigned bad = CURLE_OK;
    bad |= curl_easy_setopt(e, CURLOPT_URL, h->url);
    bad |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    bad |= curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    bad |= curl_easy_setopt(e, CURLOPT_USERAGENT, "winnow-llm_judge/1.0");
    bad |= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= curl_easy_setopt(e, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    bad |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* an interrupted run does not wait for a name server */
    bad |= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(1000 * o->timeout_s));
    bad |= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(1000 * connect));
    bad |= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
    bad |= curl_easy_setopt(e, CURLOPT_HEADERDATA, s);
    bad |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    bad |= curl_easy_setopt(e, CURLOPT_WRITEDATA, s);
    bad |= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->trouble);
    bad |= curl_easy_setopt(e, CURLOPT_PRIVATE, s);
    if (is_local)
        bad |= curl_easy_setopt(e, CURLOPT_PROXY, "");
    if (o->ca_file[0])
        bad |= curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file);
    return bad == CURLE_OK;
}

wn_status http_open(struct http *h, const struct http_settings *settings, bool is_local, uint32_t slots, wn_error *err)
{
    *h = (struct http){ .settings = *settings };
    h->url = strdup(settings->url);
    h->multi = curl_multi_init();
    h->slots = calloc(slots, sizeof *h->slots);
    h->count = h->slots ? slots : 0;
    link_headers(h);
    bool is_fine = h->url && h->multi && h->slots;
    for (uint32_t i = 0; is_fine && i < slots; i++) {
        h->slots[i].easy = curl_easy_init();
        is_fine = h->slots[i].easy && set_all(h, &h->slots[i], is_local);
    }
    h->settings.url = h->settings.ca_file = NULL; /* the caller's; libcurl has its own */
    if (is_fine)
        return WN_OK;
    http_close(h);
    return wn_fail(err, WN_E_MEMORY, "cannot make libcurl %s ready for %u requests at a time", curl_version(), slots);
}

void http_close(struct http *h)
{
    if (h->multi)
        http_stop_all(h);
    for (uint32_t i = 0; i < h->count; i++)
        curl_easy_cleanup(h->slots[i].easy);
    curl_multi_cleanup(h->multi);
    free(h->slots);
    free(h->url);
    *h = (struct http){ 0 };
}

/* ---- requests ---- */

struct http_slot *http_free_slot(struct http *h)
{
    for (uint32_t i = 0; i < h->count; i++)
        if (!h->slots[i].user)
            return &h->slots[i];
    return NULL;
}

void http_release(struct http_slot *s)
{
    cJSON_free(s->request);
    free(s->body);
    s->request = s->body = NULL;
    s->size = s->capacity = 0;
    s->user = NULL;
}

wn_status http_start(struct http *h, struct http_slot *s, char *request, void *user, wn_error *err)
{
    s->request = request;
    s->user = user;
    s->header_bytes = 0;
    s->body_started = s->retry_after = 0;
    s->limit = NULL;
    s->trouble[0] = '\0';
    if (curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, request) == CURLE_OK &&
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request)) == CURLE_OK &&
        curl_multi_add_handle(h->multi, s->easy) == CURLM_OK)
        return WN_OK;
    http_release(s);
    return wn_fail(err, WN_E_MEMORY, "libcurl has no memory for another request");
}

void http_stop_all(struct http *h)
{
    for (uint32_t i = 0; i < h->count; i++)
        if (h->slots[i].user) {
            curl_multi_remove_handle(h->multi, h->slots[i].easy);
            http_release(&h->slots[i]);
        }
}

static void note_sent(struct http_slot *s)
{
    curl_off_t sent = 0;
    s->was_sent = curl_easy_getinfo(s->easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK && sent > 0;
}

/* One whose body began long ago and has not ended. */
static struct http_slot *next_slow(struct http *h, struct failure *failure)
{
    const double now = http_now();
    for (uint32_t i = 0; i < h->count; i++) {
        struct http_slot *s = &h->slots[i];
        if (!s->user || !(s->body_started > 0) || now - s->body_started <= h->settings.body_timeout_s)
            continue;
        note_sent(s);
        curl_multi_remove_handle(h->multi, s->easy);
        failure_of_transfer(failure, CURLE_OPERATION_TIMEDOUT, "the server's reply began and did not end in time");
        return s;
    }
    return NULL;
}

struct http_slot *http_next_done(struct http *h, long *status, struct failure *failure)
{
    CURLMsg *message;
    int left;
    *status = 0;
    while ((message = curl_multi_info_read(h->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *slot = NULL;
        CURL *easy = message->easy_handle;
        const CURLcode code = message->data.result; /* the message dies with the next call */
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &slot);
        struct http_slot *s = (struct http_slot *)(void *)slot;
        if (code == CURLE_OK)
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
        else
            failure_of_transfer(failure, (int)code, s->limit ? s->limit : s->trouble);
        note_sent(s);
        curl_multi_remove_handle(h->multi, easy);
        return s;
    }
    return next_slow(h, failure);
}

static wn_status check(CURLMcode code, wn_error *err)
{
    return code == CURLM_OK ? WN_OK : wn_fail(err, WN_E_IO, "libcurl: %s", curl_multi_strerror(code));
}

wn_status http_move(struct http *h, wn_error *err)
{
    int running;
    return check(curl_multi_perform(h->multi, &running), err);
}

wn_status http_wait(struct http *h, double wait_s, wn_error *err)
{
    return check(curl_multi_poll(h->multi, NULL, 0, (int)ceil(1000 * wait_s), NULL), err);
}
