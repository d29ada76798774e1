/* retry.c - a verifier that fails now and then, as one that fails rarely.
 *
 * A service that is asked over a network, or a process that may die, fails in ways that pass. Such a request is made
 * again after a wait that doubles each time; a random part of it is taken off, so that many who failed together do not
 * come back together. What no repetition mends (a wrong argument, a missing file) is handed up at once. */
#include <wrap/wrap.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
    int64_t attempts;
    double wait_s;
    double longest_wait_s;
    double jitter;
};

static const wn_option options[] = {
    WN_INT(struct options, attempts, "4", 1, 100, "How often a request is made before its failure is handed up."),
    WN_NUMBER(struct options, wait_s, "0.5", 0, 3600, "Seconds before the second attempt; doubled before each next."),
    WN_NUMBER(struct options, longest_wait_s, "60", 0, 3600, "Seconds that a wait grows to at most."),
    WN_NUMBER(struct options, jitter, "0.5", 0, 1, "Largest part of a wait that is taken off at random."),
    WN_OPTIONS_END
};

struct retry {
    const wn_host *host;
    const struct options *options;
    const wn_verifier_ref *input;
    uint64_t random; /* only spreads waits: no result depends on it */
};

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    free(self);
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct timespec now;
    struct retry *r = calloc(1, sizeof *r);
    if (!r)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    clock_gettime(CLOCK_REALTIME, &now);
    *r = (struct retry){ host, given, host->input(host->ctx, 0), (uint64_t)now.tv_nsec ^ (uint64_t)(uintptr_t)r };
    *self = r;
    return WN_OK;
}

/* As the input, and in its batches: a request is one request again. */
static wn_status describe(void *self, wn_verifier_info *info, wn_error *err)
{
    const struct retry *r = self;
    (void)err;
    wn_wrap_mirror(r->input, info);
    return WN_OK;
}

/* ---- scoring ----------------------------------------------------------------------------------------------------- */

static int may_pass(wn_status status)
{
    return status == WN_E_IO || status == WN_E_FORMAT || status == WN_E_DEVICE || status == WN_E_MEMORY ||
           status == WN_E_INTERNAL;
}

/* In 0 .. 1. */
static double next_random(struct retry *r)
{
    r->random = r->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(r->random >> 11) / (double)(UINT64_C(1) << 53);
}

static double wait_before(struct retry *r, int64_t attempt)
{
    const double wait = ldexp(r->options->wait_s, (int)(attempt - 1));
    return fmin(wait, r->options->longest_wait_s) * (1 - r->options->jitter * next_random(r));
}

/* In short naps: an interrupted run is not to wait for a minute. */
static wn_status wait_for(const struct retry *r, double seconds, wn_error *err)
{
    for (double nap; seconds > 0; seconds -= nap) {
        if (r->host->cancelled(r->host->ctx))
            return wn_fail(err, WN_E_CANCELLED, "interrupted while waiting for the next attempt");
        nap = fmin(seconds, 0.05);
        nanosleep(&(struct timespec){ 0, (long)(nap * 1e9) }, NULL);
    }
    return WN_OK;
}

static void tell(const struct retry *r, int64_t attempt, double wait, const wn_error *err)
{
    char line[1200];
    snprintf(line, sizeof line, "attempt %lld of %lld failed, the next is in %.1f s: %s", (long long)attempt,
             (long long)r->options->attempts, wait, err->message);
    r->host->log(r->host->ctx, WN_LOG_WARN, line);
}

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    struct retry *r = self;
    for (int64_t attempt = 1;; attempt++) {
        wn_error why = { 0 };
        const wn_status status = wn_wrap_ask(r->input, request, request->scores, &why);
        if (status == WN_OK)
            return WN_OK;
        if (!may_pass(status))
            return wn_fail(err, status, "%s", why.message);
        if (attempt >= r->options->attempts)
            return wn_fail(err, status, "%lld attempts: %.980s", (long long)attempt, why.message);
        const double wait = wait_before(r, attempt);
        tell(r, attempt, wait, &why);
        WN_TRY(wait_for(r, wait, err));
    }
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .min_inputs = 1,
    .max_inputs = 1,
    .score = score,
    .describe = describe,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "retry",
    .version = "1.0",
    .summary = "Asks a verifier again when it fails, after waits that grow.",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
