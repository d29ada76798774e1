/* failure.h - what a request that brought no reply to read means: try again, and when, or not at all. */
#ifndef LLM_JUDGE_FAILURE_H
#define LLM_JUDGE_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum failure_kind {
    FAILURE_PASSING = 1,  /* busy, broken, or not reached: worth waiting for */
    FAILURE_GARBLED = 2,  /* something came that is no HTTP, or too much of it: worth asking once more */
    FAILURE_ANSWERED = 3, /* this request will not be served, the next may be */
    FAILURE_CLOSED = 4    /* nor will any other: no key, no credit, no such model */
};

struct failure {
    enum failure_kind kind;
    double wait;   /* seconds that the server asks for at least; 0 when it says nothing */
    char why[400]; /* may quote the server: mask it */
};

/* The value of a Retry-After header in seconds from now: whole seconds or an HTTP date (RFC 9110, 10.2.3); 0 for
 * anything else. */
double failure_retry_after(const char *value, time_t now);

/* A reply with another status than 200; retry_after as above, body as it came. [any] */
void failure_of_status(struct failure *f, long status, double retry_after, const char *body, size_t bytes);

/* No reply; code is a CURLcode and text what libcurl says of it. [any] */
void failure_of_transfer(struct failure *f, int code, const char *text);

/* Seconds to wait before attempt number `attempt` + 1 (from 1): exponential with full jitter, random being 0..1, on top
 * of what the server asks for. */
double failure_back_off(uint32_t attempt, double base, double cap, double wait, double random);

#endif
