#include "watch/request.h"

#include <string.h>

static struct verdict refuse(uint32_t status, const char *why)
{
    return (struct verdict){ .status = status, .why = why };
}

/* ---- who asks ---- */

/* "127.0.0.1" or "localhost", with any port: through a tunnel the port is another one. */
static bool is_this_machine(const char *host)
{
    static const char *const names[] = { "127.0.0.1", "localhost" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t length = strlen(names[i]);
        if (strncmp(host, names[i], length) != 0)
            continue;
        const char *port = host + length;
        if (!*port)
            return true;
        const size_t digits = *port == ':' ? strspn(port + 1, "0123456789") : 0;
        return digits >= 1 && digits <= 5 && !port[1 + digits];
    }
    return false;
}

static bool is_same_origin(const char *origin, const char *host)
{
    return strncmp(origin, "http://", 7) == 0 && strcmp(origin + 7, host) == 0;
}

/* Browsers say which site made a request. A link on another page may lead here; nothing else of it may. */
static bool is_other_site(const struct request *r)
{
    const char *site = r->fetch_site.value, *mode = r->fetch_mode.value;
    if (!site || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0)
        return false;
    return !mode || strcmp(mode, "navigate") != 0;
}

static struct verdict judge_sender(const struct request *r)
{
    if (r->host.count != 1)
        return refuse(400, "a request has one Host");
    if (!is_this_machine(r->host.value))
        return refuse(421, "this server is 127.0.0.1 or localhost, and answers to no other name");
    if (r->origin.count > 1 || (r->origin.count == 1 && !is_same_origin(r->origin.value, r->host.value)))
        return refuse(403, "pages of other origins are not answered");
    if (r->fetch_site.count > 1 || r->fetch_mode.count > 1 || is_other_site(r))
        return refuse(403, "other sites' pages may link to this one, and no more");
    return (struct verdict){ .status = 200 };
}

/* ---- what is asked ---- */

/* A decimal number without leading zeros, below 10^19; moves *text behind it. */
static bool read_number(const char **text, uint64_t *value)
{
    const size_t digits = strspn(*text, "0123456789");
    if (digits == 0 || digits > 19 || (digits > 1 && **text == '0'))
        return false;
    for (*value = 0; digits && **text >= '0' && **text <= '9'; (*text)++)
        *value = *value * 10 + (uint64_t)(**text - '0');
    return true;
}

/* "/picture/EPOCH/TRIAL/CANDIDATE.png": two keys of the ledger, which are looked up there. */
static bool read_picture(const char *target, const char *epoch, struct verdict *v)
{
    static const char start[] = "/picture/";
    const char *at = target + sizeof start - 1;
    const size_t epoch_length = strlen(epoch);
    if (strncmp(target, start, sizeof start - 1) != 0 || strncmp(at, epoch, epoch_length) != 0)
        return false;
    at += epoch_length;
    if (*at++ != '/' || !read_number(&at, &v->trial) || *at++ != '/')
        return false;
    const size_t digits = strspn(at, "0123456789abcdef");
    if (digits == 0 || digits >= sizeof v->candidate || strcmp(at + digits, ".png") != 0)
        return false;
    memcpy(v->candidate, at, digits);
    v->candidate[digits] = 0;
    return true;
}

static enum route route_of(const char *target)
{
    static const struct {
        const char *target;
        enum route route;
    } routes[] = {
        { "/", ROUTE_PAGE },           { "/parts", ROUTE_PARTS },     { "/events", ROUTE_EVENTS },
        { "/style.css", ROUTE_STYLE }, { "/watch.js", ROUTE_SCRIPT }, { "/icon.svg", ROUTE_ICON },
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (strcmp(target, routes[i].target) == 0)
            return routes[i].route;
    return 0;
}

/* "EPOCH-NUMBER" of any feed: a server that was started anew is no mistake of the browser's. */
static bool read_event_id(const struct request *r, const char *epoch, struct verdict *v)
{
    const char *id = r->last_event_id.value, *at = id;
    const size_t digits = strspn(id, "0123456789abcdef");
    if (r->last_event_id.count != 1 || digits != 16 || id[16] != '-')
        return false;
    at += 17;
    v->resumes = true;
    v->is_ours = strncmp(id, epoch, 16) == 0 && !epoch[16];
    return read_number(&at, &v->after) && !*at;
}

static struct verdict judge_target(const struct request *r, const char *epoch)
{
    struct verdict v = { .status = 200 };
    if (r->target[0] != '/')
        return refuse(400, "a target begins with /");
    v.route = route_of(r->target);
    if (!v.route && read_picture(r->target, epoch, &v))
        v.route = ROUTE_PICTURE;
    if (!v.route)
        return refuse(404, "there is nothing of that name");
    if (v.route == ROUTE_EVENTS && r->last_event_id.count > 0 && !read_event_id(r, epoch, &v))
        return refuse(400, "Last-Event-ID is not one that was given out");
    return v;
}

struct verdict request_judge(const struct request *r, const char *epoch)
{
    if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0)
        return refuse(405, "nothing can be done here but look: GET and HEAD");
    const struct verdict sender = judge_sender(r);
    if (sender.status != 200)
        return sender;
    if (r->transfer_encoding.count > 0 || r->content_length.count > 1 ||
        (r->content_length.value && strcmp(r->content_length.value, "0") != 0))
        return refuse(400, "a request has no body here");
    return judge_target(r, epoch);
}
