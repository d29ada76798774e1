/* request.h - which requests are answered: a pure function of what a client sent, once the gate
 * has found it to be a plain request. README.md beside this has the table.
 *
 * A page on the live server's address could be asked for by any page that a browser on this machine shows. Three things
 * keep such a page out: the Host must name this machine (a foreign name that resolves to 127.0.0.1 does not), the
 * Origin, where there is one, must be this server's, and a request that the browser says another site made is none of
 * ours. No part of a path ever becomes the name of a file. */
#ifndef WINNOW_WATCH_REQUEST_H
#define WINNOW_WATCH_REQUEST_H

#include <winnow/plugin.h>

#include <stdbool.h>

/* A header that came more than once is no header of ours: `count` tells. value: NULL when absent. */
struct request_header {
    const char *value;
    uint32_t count;
};

struct request {
    const char *method;
    const char *target; /* as it was sent, not decoded */
    struct request_header host, origin, fetch_site, fetch_mode, last_event_id, content_length, transfer_encoding;
};

enum route { ROUTE_PAGE = 1, ROUTE_PARTS, ROUTE_EVENTS, ROUTE_STYLE, ROUTE_SCRIPT, ROUTE_ICON, ROUTE_PICTURE };

struct verdict {
    uint32_t status; /* 200, or why not */
    const char *why; /* of a refusal */
    enum route route;
    uint64_t trial; /* ROUTE_PICTURE */
    char candidate[33];
    bool resumes; /* ROUTE_EVENTS: Last-Event-ID was given, */
    bool is_ours; /* and its epoch is ours: */
    uint64_t after;
};

struct verdict request_judge(const struct request *r, const char *epoch);

#endif
