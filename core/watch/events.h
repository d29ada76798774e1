/* events.h - what is new between two looks at a run, as server-sent events. */
#ifndef WINNOW_WATCH_EVENTS_H
#define WINNOW_WATCH_EVENTS_H

#include "watch/feed.h"

struct events {
    /* Called for each event with its kind and its data, one line of JSON; may be NULL. */
    void (*each)(void *arg, const char *kind, const char *json);
    /* Called for each candidate that is new and finished; may be NULL. */
    void (*found)(void *arg, const struct data_trial *t, const struct data_candidate *c);
    void *arg;
    const char *epoch;
};

/* was: NULL at the first look. Events: "trial" (began, ended), "candidate", "scores" (of a candidate that was there),
 * or one "reset" when the looks cannot be compared. */
void events_compare(const struct events *e, const struct data *was, const struct data *now);

#endif
