/* check.h - what the test programs share: checks that print both values, and a skip that says why. */
#ifndef WINNOW_TESTS_CHECK_H
#define WINNOW_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures;

#define CHECK_FAIL(...) (check_failures++, fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))

#define CHECK(condition) ((condition) ? (void)0 : (void)CHECK_FAIL("%s is false", #condition))
#define CHECK_INT(got, want)                                                                                           \
    do {                                                                                                               \
        long long check_got = (long long)(got), check_want = (long long)(want);                                        \
        if (check_got != check_want)                                                                                   \
            CHECK_FAIL("%s = %lld, want %lld", #got, check_got, check_want);                                           \
    } while (0)
#define CHECK_STR(got, want)                                                                                           \
    do {                                                                                                               \
        const char *check_got = (got), *check_want = (want);                                                           \
        if (strcmp(check_got, check_want) != 0)                                                                        \
            CHECK_FAIL("%s = \"%s\", want \"%s\"", #got, check_got, check_want);                                       \
    } while (0)
#define CHECK_CONTAINS(text, part)                                                                                     \
    do {                                                                                                               \
        const char *check_text = (text);                                                                               \
        if (!strstr(check_text, (part)))                                                                               \
            CHECK_FAIL("\"%s\" does not contain \"%s\"", check_text, (part));                                          \
    } while (0)
#define CHECK_NEAR(got, want, bound)                                                                                   \
    do {                                                                                                               \
        double check_got = (got), check_want = (want);                                                                 \
        if (!(fabs(check_got - check_want) <= (bound)))                                                                \
            CHECK_FAIL("%s = %.9g, want %.9g within %g", #got, check_got, check_want, (double)(bound));                \
    } while (0)
/* A wn_status call that must succeed; prints the error's message. */
#define CHECK_OK(call, err)                                                                                            \
    do {                                                                                                               \
        int check_status = (int)(call);                                                                                \
        if (check_status != 0)                                                                                         \
            CHECK_FAIL("%s: status %d: %s", #call, check_status, (err).message);                                       \
    } while (0)

#define CHECK_SKIP(...) (fprintf(stderr, "skipped: "), fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(77))
#define CHECK_DONE() (check_failures ? (fprintf(stderr, "%d checks failed\n", check_failures), 1) : 0)

#endif
