/* gate.h - what every connection passes before the HTTP library sees a byte of it: a whole, plain, small head of a
 * request, in time. Libraries differ from version to version in what they make of NUL bytes, folded lines, missing
 * versions and slow senders; behind the gate there are none, and what is refused is refused in one documented way. */
#ifndef WINNOW_WATCH_GATE_H
#define WINNOW_WATCH_GATE_H

#include <winnow/plugin.h>

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>

enum {
    GATE_WAITING = 64, /* connections whose head is not whole yet; more are refused */
    GATE_FDS = GATE_WAITING + 1,
    GATE_HEAD_BYTES = 16 << 10, /* of a request's line and headers */
    GATE_TARGET_BYTES = 255,
    GATE_SECONDS = 10, /* for a head, however it drips */
    GATE_LOOK_MS = 50, /* how often a head that came in part is looked at again */
};

/* What is wrong with the first `bytes` bytes of a connection: 200 when they begin with a good head, 0 when more must
 * come to tell, else the status; *why then says it. */
uint32_t gate_judge(const char *head, uint64_t bytes, const char **why);

struct gate;

/* pass: takes over a connection, whose bytes are all still to be read; false: there is no room for it, it stays ours.
 * Takes over the listener. NULL when memory ran out. */
struct gate *gate_create(int listener, bool (*pass)(void *arg, int fd, const struct sockaddr_in *from), void *arg);
void gate_destroy(struct gate *g); /* NULL is fine */

/* Fills what poll should wait for, and cuts *timeout_ms where it must not wait so long; returns how many. */
uint32_t gate_fds(const struct gate *g, struct pollfd fds[GATE_FDS], int *timeout_ms);
/* Accepts what comes, passes on what is whole, refuses what is not to be. Never blocks. */
void gate_turn(struct gate *g);

/* Sends a refusal, if there is room for it in the socket, and closes. */
void gate_refuse(int fd, uint32_t status, const char *why);

#endif
