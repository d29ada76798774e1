/* progress.h - how far a run is, how fast it goes and when it will be done, as seen from outside: from its ledger, its
 * plan in manifest.json and the watcher's clock. */
#ifndef WINNOW_WATCH_PROGRESS_H
#define WINNOW_WATCH_PROGRESS_H

#include "base/json_text.h"
#include "report/data.h"

enum progress_state {
    PROGRESS_READING = 1, /* nobody has looked yet */
    PROGRESS_WAITING,     /* nothing is there */
    PROGRESS_STARTING,    /* somebody holds the run's lock, but has not begun to search */
    PROGRESS_RUNNING,
    PROGRESS_STOPPED, /* nobody writes; prompts are left */
    PROGRESS_ENDED,
    PROGRESS_BROKEN, /* cannot be read */
};

struct progress {
    enum progress_state state;
    uint64_t prompts; /* of the whole run; 0 = not known */
    uint64_t done, failed, open;
    uint64_t candidates;
    uint64_t nfe;
    double candidates_planned, nfe_planned; /* of the whole run; NaN = not known */
    double nfe_left;                        /* NaN = not known */
    double seconds_spent, seconds_left;     /* of a budget of seconds; NaN = there is none */
    double best_mean;                       /* the guide's score of the winners so far; NaN = none yet */
    double nfe_per_second, eta_seconds;     /* NaN = not known */
};

/* Everything but the two rates. d: NULL when there is nothing to read. is_live: the run's lock is held. */
struct progress progress_of(const struct data *d, bool is_live);

/* 0..1, by evaluations, or by the seconds of a budget where these are nearer to their end; NaN = not known. */
double progress_share(const struct progress *p);

/* The evaluations of the last minute, one sample for each look. */
enum { PACE_SAMPLES = 128, PACE_WINDOW_SECONDS = 60 };
struct pace {
    double seconds[PACE_SAMPLES];
    uint64_t nfe[PACE_SAMPLES];
    uint64_t count; /* ever added */
};

/* Adds a sample and fills p's rates. A run that does not run, or whose evaluations went back, starts anew. */
void pace_add(struct pace *pace, double seconds, struct progress *p);

const char *progress_state_name(enum progress_state state);

/* "5 of 12 prompts, 80 of 192 candidates, 960 NFE, 85 NFE/s, about 3m20s left" */
void progress_text(const struct progress *p, struct buffer *out);

/* The members of an object that the caller opened; unknown numbers are null. */
void progress_json(const struct progress *p, struct json_text *j);

#endif
