/* live_page.h - the live page: the report's plots over what there is now, with the pictures by address. No style and no
 * script stands in it, so its Content-Security-Policy allows none. */
#ifndef WINNOW_WATCH_LIVE_PAGE_H
#define WINNOW_WATCH_LIVE_PAGE_H

#include "report/numbers.h"
#include "watch/feed.h"

/* A candidate that was new at some look. */
struct live_key {
    uint64_t trial;
    char id[33];
};

/* Appends the parts that change: the newest pictures, the curves, the best pictures so far. */
void live_parts(const struct data *d, const struct numbers *n, const char *epoch, uint64_t newest_count,
                const struct live_key *newest, struct buffer *out);

/* Appends the whole page. */
void live_page(const struct snapshot *s, struct buffer *out);

/* Appends "/picture/EPOCH/TRIAL/ID.png". */
void live_address(const char *epoch, uint64_t trial, const char *id, struct buffer *out);

/* NULL when there is none. */
const struct data_trial *live_trial(const struct data *d, uint64_t id);
const struct data_candidate *live_candidate(const struct data_trial *t, const char *id);

#endif
