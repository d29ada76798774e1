#include "report/family.h"

#include <stdlib.h>
#include <string.h>

struct name {
    const char *id;
    uint64_t place;
};

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->id, ((const struct name *)b)->id);
}

wn_status family_parents(const struct data_trial *t, uint64_t *parents, wn_error *err)
{
    struct name *names = calloc(t->candidate_count + 1, sizeof *names);

    if (!names)
        return wn_fail(err, WN_E_MEMORY, "no memory for the lineage of %llu candidates",
                       (unsigned long long)t->candidate_count);
    for (uint64_t i = 0; i < t->candidate_count; i++)
        names[i] = (struct name){ t->candidates[i].id, i };
    qsort(names, t->candidate_count, sizeof *names, by_id);
    for (uint64_t i = 0; i < t->candidate_count; i++) {
        const struct name wanted = { t->candidates[i].parent, 0 };
        const struct name *found =
            wanted.id[0] ? bsearch(&wanted, names, t->candidate_count, sizeof *names, by_id) : NULL;
        parents[i] = found && found->place < i ? found->place : FAMILY_NONE;
    }
    free(names);
    return WN_OK;
}
