/* What all threads of a run may ask of it, and tell it: that it failed, and lines for its events. */
#include "engine/engine.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const wn_verifier *engine_verifier(const struct engine *e, uint32_t index)
{
    return &e->instances->verifiers[index].verifier;
}

bool engine_is_stopping(const struct engine *e)
{
    return atomic_load_explicit(&e->process->cancelled, memory_order_relaxed) || atomic_load(&e->is_failed);
}

wn_status engine_shrink(const struct engine *e, uint64_t factor, const struct ground **ground, wn_error *err)
{
    *ground = factor <= WN_SHRINK_MAX ? e->smaller[factor] : NULL;
    return *ground ? WN_OK
                   : wn_fail(err, WN_E_ARG, "the search shrinks a canvas by %llu, which its plan does not say",
                             (unsigned long long)factor);
}

void engine_fail(struct engine *e, const wn_error *err)
{
    pthread_mutex_lock(&e->mutex);
    if (e->failure.code == WN_OK)
        e->failure = *err;
    pthread_mutex_unlock(&e->mutex);
    atomic_store(&e->is_failed, true);
}

wn_status engine_blame(struct engine *e, wn_status status, const wn_error *err)
{
    wn_error why;
    if (status != WN_E_DEVICE)
        return status;
    wn_fail(&why, status, "%.900s; what is recorded stays, the same command goes on from there", err->message);
    engine_fail(e, &why);
    return WN_E_CANCELLED;
}

wn_status engine_blame_sampler(struct engine *e, wn_status status, const wn_error *err)
{
    if (status != WN_E_UNSUPPORTED)
        return engine_blame(e, status, err);
    engine_fail(e, err);
    return WN_E_CANCELLED;
}

void engine_event(struct engine *e, const char *kind, const char *format, ...)
{
    char text[1500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_line(strcmp(kind, "failed") == 0 || strcmp(kind, "warning") == 0 ? WN_LOG_WARN : WN_LOG_INFO, text);
    wn_error err;
    if (ledger_event(e->ledger, kind, text, &err) != WN_OK)
        engine_fail(e, &err);
}
