/* gate.c - heads are looked at with MSG_PEEK, so that the library reads them from the start. */
#include "watch/gate.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct waiting {
    int fd;
    bool has_part; /* of its head: poll would say again and again that it can be read */
    double deadline;
    struct sockaddr_in from;
};

struct gate {
    int listener;
    bool (*pass)(void *arg, int fd, const struct sockaddr_in *from);
    void *arg;
    struct waiting waiting[GATE_WAITING];
    uint32_t count;
    char head[GATE_HEAD_BYTES + 1]; /* the one that is looked at */
};

/* ---- heads ---- */

static uint32_t refuse(uint32_t status, const char *why, const char **out)
{
    *out = why;
    return status;
}

/* The head's length with its empty line; 0 when that has not come. */
static uint64_t length_of(const char *head, uint64_t bytes)
{
    const char *end = memmem(head, bytes, "\r\n\r\n", 4);
    return end ? (uint64_t)(end - head) + 4 : 0;
}

/* Text, with lines that end with CR LF. */
static bool is_plain(const char *head, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++) {
        const unsigned char c = (unsigned char)head[i];
        const bool is_line_end =
            (c == '\r' && (i + 1 == bytes || head[i + 1] == '\n')) || (c == '\n' && i > 0 && head[i - 1] == '\r');
        if ((c < 0x20 && c != '\t' && !is_line_end) || c == 0x7f)
            return false;
    }
    return true;
}

/* METHOD SP TARGET SP VERSION, with no other blanks. line ends where its CR stands. */
static uint32_t judge_line(const char *line, uint64_t bytes, const char **why)
{
    const char *end = line + bytes, *first = memchr(line, ' ', bytes);
    const char *second = first ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;
    if (!second || first == line || second == first + 1)
        return refuse(400, "a request line is METHOD TARGET HTTP/1.1", why);
    if (second - first - 1 > GATE_TARGET_BYTES)
        return refuse(414, "no target here has more than 255 bytes", why);
    const size_t version = (size_t)(end - second - 1);
    if (version < 5 || strncmp(second + 1, "HTTP/", 5) != 0 || memchr(second + 1, ' ', version))
        return refuse(400, "a request line is METHOD TARGET HTTP/1.1", why);
    if (version != 8 || (strncmp(second + 1, "HTTP/1.1", 8) != 0 && strncmp(second + 1, "HTTP/1.0", 8) != 0))
        return refuse(505, "HTTP/1.1 is spoken here", why);
    return 200;
}

/* NAME: VALUE; neither a line that goes on with the one before, nor a blank in the name. */
static bool is_header(const char *line, uint64_t bytes)
{
    const char *colon = memchr(line, ':', bytes);
    if (!colon || colon == line)
        return false;
    for (const char *c = line; c < colon; c++)
        if (*c == ' ' || *c == '\t' || (unsigned char)*c >= 0x7f)
            return false;
    return true;
}

/* The lines after the first. */
static uint32_t judge_headers(const char *line, const char *end, const char **why)
{
    for (const char *stop; line < end; line = stop + 2) {
        stop = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (!is_header(line, (uint64_t)(stop - line)))
            return refuse(400, "a header is NAME: VALUE on one line", why);
    }
    return 200;
}

uint32_t gate_judge(const char *head, uint64_t bytes, const char **why)
{
    const uint64_t whole = length_of(head, bytes), known = whole ? whole : bytes;
    const char *line_end = memmem(head, known, "\r\n", 2);
    if (!is_plain(head, known))
        return refuse(400, "a request is text, in lines that end with CR LF", why);
    if (!line_end && known > GATE_HEAD_BYTES)
        return refuse(414, "no target here has more than 255 bytes", why);
    const uint32_t status = line_end ? judge_line(head, (uint64_t)(line_end - head), why) : 0;
    if (line_end && status != 200)
        return status;
    if (whole)
        return judge_headers(line_end + 2, head + whole - 2, why);
    return known > GATE_HEAD_BYTES ? refuse(431, "a request's head has 16384 bytes at most", why) : 0;
}

/* ---- connections ---- */

void gate_refuse(int fd, uint32_t status, const char *why)
{
    char text[600], rest[4096];
    const int body = (int)strlen(why) + 6;
    const int length =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %u Refused\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
                 "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
                 "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
                 "Content-Length: %d\r\n\r\n%u: %s\n",
                 (unsigned)status, body, (unsigned)status, why);
    if (send(fd, text, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) == length)
        shutdown(fd, SHUT_WR);
    /* What is left unread at close makes the system reset the connection, and the answer may be lost with it. */
    for (int i = 0; i < 64 && recv(fd, rest, sizeof rest, MSG_DONTWAIT) > 0; i++)
        ;
    close(fd);
}

/* False when the connection is no longer ours to wait for. */
static bool look_at(struct gate *g, struct waiting *w)
{
    const char *why = "no request came in time";
    const ssize_t n = recv(w->fd, g->head, sizeof g->head, MSG_PEEK | MSG_DONTWAIT);
    const bool is_silent = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    uint32_t status = n > 0 ? gate_judge(g->head, (uint64_t)n, &why) : 0;
    if (n == 0 || (n < 0 && !is_silent)) {
        close(w->fd);
        return false;
    }
    w->has_part = n > 0;
    if (status == 0 && clock_seconds() > w->deadline)
        status = 408;
    if (status == 0)
        return true;
    if (status == 200 && g->pass(g->arg, w->fd, &w->from))
        return false;
    gate_refuse(w->fd, status == 200 ? 503 : status, status == 200 ? "too many connections are open" : why);
    return false;
}

static void accept_all(struct gate *g)
{
    for (;;) {
        struct waiting w = { .deadline = clock_seconds() + GATE_SECONDS };
        socklen_t size = sizeof w.from;
        w.fd = accept4(g->listener, (struct sockaddr *)&w.from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (w.fd < 0)
            return;
        if (g->count < GATE_WAITING)
            g->waiting[g->count++] = w;
        else
            gate_refuse(w.fd, 503, "too many connections are open");
    }
}

static void look_at_all(struct gate *g)
{
    for (uint32_t i = 0; i < g->count;)
        if (look_at(g, &g->waiting[i]))
            i++;
        else
            g->waiting[i] = g->waiting[--g->count];
}

/* Whoever has gone gives up its place before others ask for one. */
void gate_turn(struct gate *g)
{
    look_at_all(g);
    accept_all(g);
    look_at_all(g);
}

uint32_t gate_fds(const struct gate *g, struct pollfd fds[GATE_FDS], int *timeout_ms)
{
    uint32_t count = 0;
    fds[count++] = (struct pollfd){ g->listener, POLLIN, 0 };
    for (uint32_t i = 0; i < g->count; i++)
        if (!g->waiting[i].has_part)
            fds[count++] = (struct pollfd){ g->waiting[i].fd, POLLIN, 0 };
        else if (*timeout_ms > GATE_LOOK_MS)
            *timeout_ms = GATE_LOOK_MS;
    return count;
}

struct gate *gate_create(int listener, bool (*pass)(void *arg, int fd, const struct sockaddr_in *from), void *arg)
{
    struct gate *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->listener = listener;
    g->pass = pass;
    g->arg = arg;
    return g;
}

void gate_destroy(struct gate *g)
{
    if (!g)
        return;
    for (uint32_t i = 0; i < g->count; i++)
        close(g->waiting[i].fd);
    close(g->listener);
    free(g);
}
