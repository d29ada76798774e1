/* gate.c - heads of requests, whole, cut anywhere, and damaged at random. */
#include "check.h"
#include "watch/gate.h"

#include <stdlib.h>
#include <string.h>

static const char good[] =
    "GET /picture/0123456789abcdef/7/0d83f5.png HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nX: \xc3\xa9\tb\r\n\r\n";

/* In memory of its own, so that a byte read beyond is seen. */
static uint32_t judge(const void *head, uint64_t bytes)
{
    const char *why = NULL;
    char *copy = malloc(bytes ? bytes : 1);
    memcpy(copy, head, bytes);
    const uint32_t status = gate_judge(copy, bytes, &why);
    free(copy);
    CHECK((status == 0 || status == 200) == !why);
    return status;
}

static uint32_t judge_text(const char *head)
{
    return judge(head, strlen(head));
}

/* More bytes can only make a head good or bad; none that has begun well is refused for being cut. */
static void check_prefixes(void)
{
    for (uint64_t n = 0; n < sizeof good - 1; n++)
        CHECK(judge(good, n) == 0);
    CHECK(judge(good, sizeof good - 1) == 200);
    CHECK(judge(good, sizeof good) == 200); /* what follows a head is not the gate's */
}

static void check_lines(void)
{
    CHECK(judge_text("GET / HTTP/1.0\r\n\r\n") == 200);
    CHECK(judge_text("GET /\r\n") == 400);
    CHECK(judge_text("GET / \r\n") == 400);
    CHECK(judge_text(" GET / HTTP/1.1\r\n") == 400);
    CHECK(judge_text("GET / HTTP/1.1 \r\n") == 400);
    CHECK(judge_text("GET / HTTP/1.10\r\n") == 505);
    CHECK(judge_text("GET / HTTP/2\r\n") == 505);
    CHECK(judge_text("\r\n\r\n") == 400);
    CHECK(judge_text("GET / HTTP/1.1\r\n a: b\r\n\r\n") == 400);
    CHECK(judge_text("GET / HTTP/1.1\r\na : b\r\n\r\n") == 400);
    CHECK(judge_text("GET / HTTP/1.1\r\na\r\n\r\n") == 400);
    CHECK(judge_text("GET / HTTP/1.1\ra: b\r\n\r\n") == 400);
    CHECK(judge_text("GET / HTTP/1.1\n") == 400);
    CHECK(judge("GET /\0 HTTP/1.1\r\n", 17) == 400);
}

static void check_sizes(void)
{
    static char head[GATE_HEAD_BYTES + 1];
    memset(head, 'a', sizeof head);
    memcpy(head, "GET /", 5);
    CHECK(judge(head, GATE_HEAD_BYTES) == 0);
    CHECK(judge(head, sizeof head) == 414);
    memcpy(head + 4 + GATE_TARGET_BYTES, " HTTP/1.1\r\n", 11);
    CHECK(judge(head, 400) == 0);
    CHECK(judge(head, GATE_HEAD_BYTES) == 0);
    CHECK(judge(head, sizeof head) == 431);
    memcpy(head + 4 + GATE_TARGET_BYTES, "a HTTP/1.1\r\n", 12);
    CHECK(judge(head, 400) == 414);
}

static void check_damage(void)
{
    uint32_t state = 1, refused = 0;
    for (int round = 0; round < 200000; round++) {
        char head[sizeof good];
        memcpy(head, good, sizeof good);
        for (int k = 0; k < 1 + round % 3; k++) {
            state = state * 1664525u + 1013904223u;
            head[(state >> 16) % (sizeof good - 1)] = (char)(state >> 8 & 0xff);
        }
        refused += judge(head, sizeof good - 1 - (state >> 24) % 4) >= 400;
    }
    CHECK(refused > 50000);
}

int main(void)
{
    check_prefixes();
    check_lines();
    check_sizes();
    check_damage();
    return CHECK_DONE();
}
