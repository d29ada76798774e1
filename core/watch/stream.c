/* stream.c - server-sent events. A stream with nothing to say is suspended, and costs nothing until stream_wake finds
 * that the feed has gone on, or that it is time for a sign of life. */
#include "watch/server.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { PENDING_MAX = 8 << 20 };

struct stream {
    struct stream *next;
    struct server *server;
    struct MHD_Connection *connection;
    uint64_t after;        /* the last event that went into pending */
    struct buffer pending; /* not sent yet, from `sent` on */
    uint64_t sent;
    double woken;
    bool is_suspended;
};

static void refill(struct stream *s)
{
    buffer_clear(&s->pending);
    s->sent = 0;
    feed_read(s->server->feed, &s->after, &s->pending);
    if (s->pending.size == 0 && clock_seconds() - s->woken >= SERVER_HEARTBEAT_SECONDS)
        buffer_text(&s->pending, ":\n\n");
    if (s->pending.size > 0)
        s->woken = clock_seconds();
}

static ssize_t read_stream(void *arg, uint64_t position, char *out, size_t room)
{
    struct stream *s = arg;
    (void)position;
    if (s->server->is_ending)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (s->sent == s->pending.size)
        refill(s);
    if (s->pending.failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (s->pending.size == 0) {
        MHD_suspend_connection(s->connection);
        s->is_suspended = true;
        return 0;
    }
    const uint64_t left = s->pending.size - s->sent, count = left < room ? left : room;
    memcpy(out, s->pending.data + s->sent, count);
    s->sent += count;
    return (ssize_t)count;
}

static void close_stream(void *arg)
{
    struct stream *s = arg, **at = &s->server->streams;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->server->stream_count--;
    buffer_free(&s->pending);
    free(s);
}

/* What comes first: where to go on from after a lost connection, and how soon to try. */
static void begin(struct stream *s, const struct verdict *v)
{
    buffer_text(&s->pending, "retry: 2000\n\n");
    if (!v->resumes)
        s->after = feed_hello(s->server->feed, &s->pending);
    else
        s->after = v->is_ours ? v->after : UINT64_MAX; /* a number nobody gave: a reset */
}

enum MHD_Result stream_open(struct server *server, struct MHD_Connection *connection, const struct verdict *v)
{
    if (server->stream_count >= SERVER_STREAMS)
        return server_refuse(connection, 503, "too many event streams are open");
    struct stream *s = calloc(1, sizeof *s);
    struct MHD_Response *response =
        s ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 << 10, read_stream, s, close_stream) : NULL;
    if (!response) {
        free(s);
        return MHD_NO;
    }
    *s = (struct stream){ .next = server->streams,
                          .server = server,
                          .connection = connection,
                          .pending = BUFFER_INIT(PENDING_MAX),
                          .woken = clock_seconds() };
    server->streams = s;
    server->stream_count++;
    begin(s, v);
    return server_send(connection, 200, EVENTS_TYPE, response);
}

void stream_wake(struct server *server)
{
    const uint64_t head = feed_head(server->feed);
    for (struct stream *s = server->streams; s; s = s->next)
        if (s->is_suspended &&
            (server->is_ending || head != s->after || clock_seconds() - s->woken >= SERVER_HEARTBEAT_SECONDS)) {
            s->is_suspended = false;
            MHD_resume_connection(s->connection);
        }
}
