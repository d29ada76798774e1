/* server.h - what the parts of the server share. Everything but the feed's thread happens in watch_run's thread, so
 * nothing here is locked. */
#ifndef WINNOW_WATCH_SERVER_H
#define WINNOW_WATCH_SERVER_H

#include "watch/feed.h"
#include "watch/gate.h"
#include "watch/request.h"

#include <microhttpd.h>

enum {
    SERVER_CONNECTIONS = 64,       /* beyond the gate; more are refused */
    SERVER_QUEUE = 64,             /* not accepted yet: the system's */
    SERVER_STREAMS = 16,           /* of the connections: open event streams */
    SERVER_MEMORY = 64 << 10,      /* for a connection: a head that passed the gate, and the answer's */
    SERVER_IDLE_SECONDS = 10,      /* without a byte either way */
    SERVER_ANSWER_SECONDS = 30,    /* to the last byte of an answer; event streams have no end */
    SERVER_HEARTBEAT_SECONDS = 10, /* a comment on a silent stream: finds out who is gone */
};

/* One connection; it makes one request. */
struct client {
    struct client *next;
    int fd;
    double deadline; /* 0 = none */
    char target[GATE_TARGET_BYTES + 1];
};

struct stream;

#define EVENTS_TYPE "text/event-stream; charset=utf-8"

struct server {
    struct feed *feed;
    struct MHD_Daemon *daemon;
    struct gate *gate;
    struct client *clients;
    uint32_t client_count;
    struct stream *streams;
    uint32_t stream_count;
    bool is_ending;
};

/* Adds the headers that every answer has, queues it and lets it go. */
enum MHD_Result server_send(struct MHD_Connection *connection, uint32_t status, const char *type,
                            struct MHD_Response *response);
enum MHD_Result server_refuse(struct MHD_Connection *connection, uint32_t status, const char *why);

/* Answers with an event stream. */
enum MHD_Result stream_open(struct server *s, struct MHD_Connection *connection, const struct verdict *v);
/* Lets streams go on for which there is something to say, or all of them when the server ends. */
void stream_wake(struct server *s);

#endif
