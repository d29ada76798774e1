#include "report/checks.h"

#include "base/arena.h"

static wn_status compute(const struct data *d, const struct numbers *n, struct checks *k, wn_error *err)
{
    WN_TRY(gap_compute(d, n, k, err));
    WN_TRY(previews_compute(d, k, err));
    WN_TRY(ties_compute(d, n, k, err));
    return diversity_compute(d, k, err);
}

wn_status checks_compute(const struct data *d, const struct numbers *n, struct checks **out, wn_error *err)
{
    struct arena *memory = arena_create();
    struct checks *k = memory ? arena_alloc(memory, sizeof *k) : NULL;

    *out = NULL;
    if (!k) {
        arena_destroy(memory);
        return wn_fail(err, WN_E_MEMORY, "no memory for the checks of a report");
    }
    k->memory = memory;
    if (compute(d, n, k, err) != WN_OK) {
        checks_free(k);
        return err->code;
    }
    *out = k;
    return WN_OK;
}

void checks_free(struct checks *k)
{
    if (k)
        arena_destroy(k->memory);
}
