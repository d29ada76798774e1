/* kit.c - runs the checks one after another, each with an instance of its own. */
#include "kit.h"

#include <math.h>
#include <string.h>

static const char skip_mark[] = "\001";

void kit_fail(struct kit *k, const char *format, ...)
{
    va_list args;
    if (k->why[0])
        return;
    va_start(args, format);
    vsnprintf(k->why, sizeof k->why, format, args);
    va_end(args);
}

void kit_skip(struct kit *k, const char *format, ...)
{
    va_list args;
    if (k->why[0])
        return;
    va_start(args, format);
    memcpy(k->why, skip_mark, sizeof skip_mark);
    vsnprintf(k->why + 1, sizeof k->why - 1, format, args);
    va_end(args);
}

/* ---- instances ---------------------------------------------------------------------------------------------- */

static void ignore_log(void *ctx, int32_t level, const char *line)
{
    (void)ctx, (void)level, (void)line;
}

static void ignore_progress(void *ctx, double done, double total, const char *what)
{
    (void)ctx, (void)done, (void)total, (void)what;
}

static void ignore_file(void *ctx, const char *path)
{
    (void)ctx, (void)path;
}

/* The services that the kit has its hands in find it through this; the checks run one at a time. */
static struct kit *current;

static int32_t cancelled(void *ctx)
{
    (void)ctx;
    return current->is_cancelled;
}

static void parallel_for(void *ctx, uint64_t n, void (*fn)(void *arg, uint64_t i), void *arg)
{
    if (!current->runs_backwards) {
        current->subject->host->parallel_for(ctx, n, fn, arg);
        return;
    }
    while (n-- > 0)
        fn(arg, n);
}

bool kit_make(struct kit *k, void **self)
{
    wn_error err = { 0 };
    *self = NULL;
    const wn_status status = k->subject->plugin->create(&k->host, k->subject->options, self, &err);
    if (status != WN_OK)
        kit_fail(k, "create: status %d: %.900s", status, err.message);
    return status == WN_OK;
}

void kit_end(struct kit *k, void *self)
{
    k->subject->plugin->destroy(self);
}

/* ---- small things ------------------------------------------------------------------------------------------- */

void kit_check_error(struct kit *k, const char *what, wn_status status, const wn_error *err)
{
    if (status < WN_OK || status > WN_E_INTERNAL)
        kit_fail(k, "%s returns %d, which is no status", what, status);
    else if (status != WN_OK && !err->message[0])
        kit_fail(k, "%s fails with status %d and no message: return wn_fail(err, code, \"what: why\")", what, status);
    else if (status != WN_OK && strchr(err->message, '\n'))
        kit_fail(k, "%s: its message has a line break", what);
    else if (status != WN_OK && err->code != status)
        kit_fail(k, "%s returns %d but writes %d into the error", what, status, err->code);
}

uint32_t kit_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

void kit_noise(uint64_t seed, float *dst, uint64_t n)
{
    uint64_t state = seed * 2 + 1;
    for (uint64_t i = 0; i < n; i++) { /* Box and Muller */
        const double a = (kit_random(&state) + 1.0) / 2147483649.0, b = kit_random(&state) / 2147483648.0;
        dst[i] = (float)(sqrt(-2 * log(a)) * cos(6.283185307179586 * b));
    }
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static void tell(struct kit *k, const char *name)
{
    const struct conform_subject *s = k->subject;
    const int32_t verdict = !k->why[0] ? CONFORM_PASS : k->why[0] == skip_mark[0] ? CONFORM_SKIP : CONFORM_FAIL;
    k->failures += verdict == CONFORM_FAIL;
    s->tell(s->arg, verdict, name, k->why + (verdict == CONFORM_SKIP));
}

static void run_check(struct kit *k, const struct check *check)
{
    void *self = NULL;
    k->why[0] = '\0';
    k->is_cancelled = k->runs_backwards = false;
    if (check->without_instance || kit_make(k, &self))
        check->run(k, self);
    if (self)
        kit_end(k, self);
    tell(k, check->name);
}

static const struct check common[] = {
    { "exports nothing but its module", kit_check_symbols, true },
    { "create and destroy leave nothing behind", kit_check_lives, true },
    { "gives all memory back", kit_check_leaks, true },
    { "prints nothing", kit_check_silence, true },
    { "changes nothing of the process", kit_check_state, true },
    { "keeps its own data as it was", kit_check_globals, false },
    { "survives a lack of memory", kit_check_memory, true },
    { NULL, NULL, false },
};

static const struct kind_checks *checks_of(int64_t kind)
{
    if (kind == WN_KIND_VERIFIER)
        return kit_verifier_checks();
    if (kind == WN_KIND_SAMPLER)
        return kit_sampler_checks();
    return kind == WN_KIND_SEARCH ? kit_search_checks() : NULL;
}

wn_status kit_exercise(struct kit *k, void *self, wn_error *err)
{
    return checks_of(k->subject->plugin->kind)->exercise(k, self, err);
}

uint32_t conform_run(const struct conform_subject *subject)
{
    struct kit k = { .subject = subject, .host = *subject->host };
    const struct kind_checks *own = checks_of(subject->plugin->kind);
    if (!own)
        return 0;
    struct kit_catcher catcher; /* what a plugin prints is not to stand among the verdicts */
    char ignored[2];
    current = &k;
    const bool is_caught = kit_listen(&catcher);
    k.host.log = ignore_log;
    k.host.progress = ignore_progress;
    k.host.uses_file = ignore_file;
    k.host.cancelled = cancelled;
    k.host.parallel_for = parallel_for;
    for (const struct check *c = own->checks; c->name; c++)
        run_check(&k, c);
    for (const struct check *c = common; c->name; c++)
        run_check(&k, c);
    if (is_caught)
        kit_hear(&catcher, ignored, sizeof ignored);
    current = NULL;
    return k.failures;
}
