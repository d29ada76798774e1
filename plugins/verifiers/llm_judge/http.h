/* http.h - POST requests to one URL, several at a time in one thread, with limits on everything a server can send.
 *
 * Certificates are checked, redirections are not followed, bodies are not decompressed, cookies and netrc are not read,
 * and a proxy of the environment is not asked for this machine itself.
 */
#ifndef LLM_JUDGE_HTTP_H
#define LLM_JUDGE_HTTP_H

#include "failure.h"
#include "secret.h"

#include <curl/curl.h>

enum { HTTP_BODY_MAX = 1 << 20, HTTP_HEADERS_MAX = 1 << 16, HTTP_CONNECT_SECONDS = 20 };

struct http_settings {
    const char *url;
    const char *ca_file;         /* "" = the system's certificates */
    const struct secret *secret; /* its header is sent; must outlive the requests */
    const char *header;          /* another one, or NULL */
    double timeout_s;            /* of a whole request */
    double body_timeout_s;       /* from the body's first byte to its last */
};

/* One of the requests that may run at a time. */
struct http_slot {
    CURL *easy;
    void *user; /* of the caller; NULL = free */
    char *request;
    char *body;
    size_t size, capacity;
    size_t header_bytes;
    double body_started; /* 0 = not yet */
    double retry_after;
    bool was_sent;     /* a byte of the request at least */
    const char *limit; /* of ours that the reply passed; NULL */
    char trouble[CURL_ERROR_SIZE];
};

struct http {
    struct http_settings settings;
    CURLM *multi;
    struct curl_slist headers[5]; /* not curl's copies: the key stays where it is */
    struct http_slot *slots;
    uint32_t count;
    char *url;
};

/* base is http(s)://host[:port][/path]; is_local says that host is this machine. Errors name what is wrong. [setup] */
wn_status http_check_base(const char *base, bool allow_http, bool *is_local, wn_error *err);

/* settings may go after the call, but for what its secret and header point to. [setup] */
wn_status http_open(struct http *h, const struct http_settings *settings, bool is_local, uint32_t slots, wn_error *err);
void http_close(struct http *h); /* an all-zero one is fine */

struct http_slot *http_free_slot(struct http *h); /* NULL when all are at work */
/* Starts a request with a JSON body, which is cJSON_free()d at its end. */
wn_status http_start(struct http *h, struct http_slot *slot, char *request, void *user, wn_error *err);
/* Ends whatever runs; no answer comes. */
void http_stop_all(struct http *h);

/* A request that has ended: 0 < status with what came in slot->body, or *failure filled. Free with http_release. */
struct http_slot *http_next_done(struct http *h, long *status, struct failure *failure);
void http_release(struct http_slot *slot);

wn_status http_move(struct http *h, wn_error *err); /* sends and receives what can be at once */
/* Waits for something to move, at most so long. */
wn_status http_wait(struct http *h, double wait_s, wn_error *err);

double http_now(void); /* seconds of a clock that is never set */

#endif
