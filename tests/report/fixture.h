/* fixture.h - runs made up for the tests of the report: real ledgers and pictures, invented scores. */
#ifndef TESTS_REPORT_FIXTURE_H
#define TESTS_REPORT_FIXTURE_H

#include <winnow/plugin.h>

#include <stdbool.h>

struct fixture {
    const char *directory; /* made when absent */
    int prompts;           /* the first has a hostile text */
    int candidates;        /* of each prompt */
    bool is_iid;
    bool last_fails;
};

wn_status fixture_make(const struct fixture *f, wn_error *err);

/* A prompt that tries to be markup, to turn the writing direction and to end a script. */
extern const char fixture_hostile[];

#endif
