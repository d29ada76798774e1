/* server.c - sockets and answers, over libmicrohttpd. One thread runs its loop; each connection makes one request and
 * is closed, which leaves nothing to smuggle a second one in with. */
#include "watch/server.h"

#include "base/clock.h"
#include "ledger/picture.h"
#include "report/page.h"
#include "watch/assets.h"
#include "watch/live_page.h"
#include "watch/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOP_MS = 200, PAGE_MAX = 80 << 20 };

static const char icon[] = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><path fill=\"none\" "
                           "stroke=\"#2762a8\" stroke-width=\"2\" d=\"M1 14L5 9L9 11L15 2\"/></svg>";

/* ---- answers ---- */

static const char *const headers[][2] = {
    { "Connection", "close" },
    { "Content-Security-Policy",
      "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
};

static enum MHD_Result send_cached(struct MHD_Connection *connection, uint32_t status, const char *type,
                                   const char *cache, struct MHD_Response *response)
{
    if (!response)
        return MHD_NO;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        MHD_add_response_header(response, headers[i][0], headers[i][1]);
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", cache);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    const enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

enum MHD_Result server_send(struct MHD_Connection *connection, uint32_t status, const char *type,
                            struct MHD_Response *response)
{
    return send_cached(connection, status, type, "no-store", response);
}

/* The buffer's bytes become the response's. NULL when it failed. */
static struct MHD_Response *take(struct buffer *b)
{
    const uint64_t size = b->size;
    char *data = buffer_take(b);
    struct MHD_Response *r = data ? MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_FREE) : NULL;
    if (!r)
        free(data);
    return r;
}

enum MHD_Result server_refuse(struct MHD_Connection *connection, uint32_t status, const char *why)
{
    struct buffer b = BUFFER_INIT(1000);
    buffer_printf(&b, "%u: %s\n", (unsigned)status, why);
    return server_send(connection, status, "text/plain; charset=utf-8", take(&b));
}

static enum MHD_Result send_text(struct MHD_Connection *connection, const char *type, const char *first,
                                 const char *second)
{
    struct buffer b = BUFFER_INIT(1 << 20);
    buffer_text(&b, first);
    buffer_text(&b, second);
    return server_send(connection, 200, type, take(&b));
}

static enum MHD_Result send_page(struct server *s, struct MHD_Connection *connection, bool is_whole)
{
    struct buffer b = BUFFER_INIT(PAGE_MAX);
    struct snapshot *now = feed_take(s->feed);
    char version[32];
    snprintf(version, sizeof version, "%llu", (unsigned long long)now->version);
    buffer_append(&b, "", 0);
    if (is_whole)
        live_page(now, &b);
    else
        buffer_append(&b, now->parts.data, now->parts.size);
    buffer_text(&b, "\n");
    feed_give_back(now);
    struct MHD_Response *r = take(&b);
    if (r)
        MHD_add_response_header(r, "Winnow-Version", version);
    return server_send(connection, 200, "text/html; charset=utf-8", r);
}

/* The picture that the ledger has under two keys. Its address has this server's epoch in it, so it may be kept. */
static enum MHD_Result send_picture(struct server *s, struct MHD_Connection *connection, const struct verdict *v)
{
    struct buffer b = BUFFER_INIT(PICTURE_MAX_BYTES);
    struct snapshot *now = feed_take(s->feed);
    const struct data_trial *t = now->data ? live_trial(now->data, v->trial) : NULL;
    const struct data_candidate *c = t ? live_candidate(t, v->candidate) : NULL;
    wn_error err;
    const bool is_there = c && c->image[0] && picture_read(now->data->directory, c->image, &b, &err) == WN_OK;
    feed_give_back(now);
    if (is_there)
        return send_cached(connection, 200, "image/png", "private, max-age=86400, immutable", take(&b));
    buffer_free(&b);
    return server_refuse(connection, 404, "there is no such picture");
}

static enum MHD_Result answer(struct server *s, struct MHD_Connection *connection, const struct verdict *v)
{
    switch (v->route) {
    case ROUTE_PAGE:
    case ROUTE_PARTS:
        return send_page(s, connection, v->route == ROUTE_PAGE);
    case ROUTE_EVENTS:
        return stream_open(s, connection, v);
    case ROUTE_STYLE:
        return send_text(connection, "text/css; charset=utf-8", page_style, watch_css);
    case ROUTE_SCRIPT:
        return send_text(connection, "text/javascript; charset=utf-8", watch_js, "");
    case ROUTE_ICON:
        return send_text(connection, "image/svg+xml", icon, "");
    case ROUTE_PICTURE:
        return send_picture(s, connection, v);
    default:
        return MHD_NO;
    }
}

/* ---- requests ---- */

static struct client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

struct wanted {
    const char *name;
    struct request_header *header;
};

static enum MHD_Result gather(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
    (void)kind;
    for (struct wanted *w = arg; w->name; w++)
        if (strcasecmp(w->name, key) == 0) {
            w->header->value = value ? value : "";
            w->header->count++;
        }
    return MHD_YES;
}

static void read_headers(struct MHD_Connection *connection, struct request *r)
{
    struct wanted wanted[] = { { "Host", &r->host },
                               { "Origin", &r->origin },
                               { "Sec-Fetch-Site", &r->fetch_site },
                               { "Sec-Fetch-Mode", &r->fetch_mode },
                               { "Last-Event-ID", &r->last_event_id },
                               { "Content-Length", &r->content_length },
                               { "Transfer-Encoding", &r->transfer_encoding },
                               { NULL, NULL } };
    MHD_get_connection_values(connection, MHD_HEADER_KIND, gather, wanted);
}

/* Called with the whole target before anything is made of it. */
static void *note_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct client *c = client_of(connection);
    (void)arg;
    if (c)
        snprintf(c->target, sizeof c->target, "%s", target); /* the gate lets no longer ones in */
    return NULL;
}

static size_t leave_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg, (void)connection;
    return strlen(text);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **context)
{
    struct server *s = arg;
    struct client *c = client_of(connection);
    (void)url, (void)version, (void)upload, (void)upload_size, (void)context;
    if (!c)
        return MHD_NO;
    struct request r = { .method = method, .target = c->target };
    read_headers(connection, &r);
    const struct verdict v = request_judge(&r, feed_epoch(s->feed));
    if (v.route == ROUTE_EVENTS && strcmp(method, "HEAD") == 0) /* the library would end a stream's head with a body */
        return server_send(connection, v.status, EVENTS_TYPE,
                           MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
    if (v.route == ROUTE_EVENTS)
        c->deadline = 0;
    return v.status == 200 ? answer(s, connection, &v) : server_refuse(connection, v.status, v.why);
}

/* ---- connections ---- */

static void begin_client(struct server *s, struct MHD_Connection *connection, void **context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct client *c = info ? calloc(1, sizeof *c) : NULL;
    *context = c;
    if (!c)
        return; /* its request will find no client, and be dropped */
    c->next = s->clients;
    c->fd = info->connect_fd;
    c->deadline = clock_seconds() + SERVER_ANSWER_SECONDS;
    s->clients = c;
    s->client_count++;
}

static void end_client(struct server *s, struct client *c)
{
    struct client **at = &s->clients;
    while (*at && *at != c)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = c->next;
    s->client_count--;
    free(c);
}

static void note_connection(void *arg, struct MHD_Connection *connection, void **context,
                            enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        begin_client(arg, connection, context);
    else
        end_client(arg, *context);
}

/* The gate's: a connection with a good head. */
static bool pass(void *arg, int fd, const struct sockaddr_in *from)
{
    struct server *s = arg;
    if (s->client_count >= SERVER_CONNECTIONS)
        return false;
    (void)MHD_add_connection(s->daemon, fd, (const struct sockaddr *)from, sizeof *from); /* closes what it refuses */
    return true;
}

/* The library ends an idle connection; a client that takes its answer byte by byte is ended here. */
static void end_overdue(const struct server *s)
{
    const double now = clock_seconds();
    for (struct client *c = s->clients; c; c = c->next)
        if (c->deadline > 0 && now > c->deadline)
            shutdown(c->fd, SHUT_RDWR);
}

/* ---- the loop ---- */

static wn_status listen_on(uint16_t *port, int *listener, wn_error *err)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(*port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return wn_fail(err, WN_E_IO, "cannot make a socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, SERVER_QUEUE) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        const int saved = errno;
        close(fd);
        return wn_fail(err, WN_E_ARG, "cannot listen on 127.0.0.1:%u: %s; choose another --port, or 0 for any",
                       (unsigned)*port, strerror(saved));
    }
    *port = ntohs(address.sin_port);
    *listener = fd;
    return WN_OK;
}

/* Takes over the listener. */
static wn_status start(struct server *s, int listener, wn_error *err)
{
    s->gate = gate_create(listener, pass, s);
    if (!s->gate)
        close(listener);
    s->daemon = MHD_start_daemon(
        MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, s,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVER_CONNECTIONS + 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)SERVER_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVER_IDLE_SECONDS,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, note_target, s, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_escapes, s, MHD_OPTION_NOTIFY_CONNECTION, note_connection, s, MHD_OPTION_END);
    return s->gate && s->daemon ? WN_OK
                                : wn_fail(err, WN_E_MEMORY,
                                          "no memory for a server, or libmicrohttpd has no "
                                          "epoll");
}

static void stop(struct server *s)
{
    gate_destroy(s->gate);
    s->is_ending = true;
    stream_wake(s); /* the library ends no connection that sleeps */
    if (s->daemon) {
        MHD_run(s->daemon);
        MHD_stop_daemon(s->daemon);
    }
    feed_destroy(s->feed);
}

/* The library's descriptors are behind one of its own. */
static void wait_for_work(struct server *s)
{
    struct pollfd fds[GATE_FDS + 1];
    int timeout_ms = LOOP_MS;
    MHD_UNSIGNED_LONG_LONG library_ms;
    if (MHD_get_timeout(s->daemon, &library_ms) == MHD_YES && library_ms < LOOP_MS)
        timeout_ms = (int)library_ms;
    const uint32_t count = gate_fds(s->gate, fds, &timeout_ms);
    fds[count] = (struct pollfd){ MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, POLLIN, 0 };
    poll(fds, count + 1, timeout_ms);
}

static void serve(struct server *s, const atomic_int *cancelled)
{
    while (!atomic_load(cancelled)) {
        wait_for_work(s);
        gate_turn(s->gate);
        MHD_run(s->daemon);
        end_overdue(s);
        stream_wake(s);
    }
}

wn_status watch_run(const struct watch *w, wn_error *err)
{
    struct server s = { 0 };
    uint16_t port = w->port;
    char url[64];
    int listener = -1;
    WN_TRY(listen_on(&port, &listener, err));
    wn_status status = feed_create(w->run_dir, &s.feed, err);
    if (status != WN_OK) {
        close(listener);
        return status;
    }
    status = start(&s, listener, err);
    if (status == WN_OK) {
        snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)port);
        w->ready(w->arg, url);
        serve(&s, w->cancelled);
    }
    stop(&s);
    return status;
}
