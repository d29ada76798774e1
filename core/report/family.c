#include "report/family.h"

#include <cjson/cJSON.h>
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

/* ---- shared paths ---- */

static const char *noise_of(const cJSON *lineage)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(lineage, "noise"));
}

/* Where a move leads, and whether it is an advance: those may be cut anywhere. */
static double end_of(const cJSON *move, bool *is_advance)
{
    const cJSON *advance = cJSON_GetObjectItemCaseSensitive(move, "advance");
    const cJSON *jump = cJSON_GetObjectItemCaseSensitive(move, "renoise");
    const cJSON *kick = cJSON_GetObjectItemCaseSensitive(move, "kick");
    const cJSON *end = advance ? advance : jump ? jump : kick;

    *is_advance = advance != NULL;
    return cJSON_IsNumber(end) && end->valuedouble >= 0 && end->valuedouble < 1e9 ? end->valuedouble : 0;
}

/* How far two lineages of one noise go together: the jumps (kicks, renoises) in common, and of equal ones the point
 * reached after them. An advance that goes on where the other's ends is in common up to there. */
static double shared(const cJSON *a, const cJSON *b, uint64_t *point)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(a, "moves"), *y = cJSON_GetObjectItemCaseSensitive(b, "moves");
    double jumps = 0, reached = 0;
    bool is_x = true, is_y = true;

    x = x ? x->child : NULL;
    y = y ? y->child : NULL;
    for (; x && y && cJSON_Compare(x, y, true); x = x->next, y = y->next) {
        reached = end_of(x, &is_x);
        jumps += !is_x;
    }
    const double to_x = end_of(x, &is_x), to_y = end_of(y, &is_y);
    if (is_x && is_y)
        reached = to_x < to_y ? to_x : to_y;
    *point = (uint64_t)reached;
    return jumps + reached / 1e9;
}

static void find_branch(cJSON *const *lineages, uint64_t place, uint64_t *parents, uint64_t *left_at)
{
    const char *noise = noise_of(lineages[place]);
    double most = -1;

    for (uint64_t i = 0; noise && i < place; i++) {
        uint64_t point;
        const char *other = noise_of(lineages[i]);
        if (!other || strcmp(noise, other) != 0)
            continue;
        const double count = shared(lineages[i], lineages[place], &point);
        if (count <= most)
            continue;
        most = count;
        parents[place] = i;
        left_at[place] = point;
    }
}

wn_status family_branches(const struct data_trial *t, uint64_t *parents, uint64_t *left_at, wn_error *err)
{
    const uint64_t n = t->candidate_count;
    cJSON **lineages;

    for (uint64_t i = 0; i < n; i++)
        left_at[i] = FAMILY_NONE;
    if (n > FAMILY_MOST)
        return WN_OK;
    lineages = calloc(n + 1, sizeof(cJSON *));
    if (!lineages)
        return wn_fail(err, WN_E_MEMORY, "no memory for the lineage of %llu candidates", (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++)
        lineages[i] = t->candidates[i].finished ? cJSON_Parse(t->candidates[i].lineage) : NULL;
    for (uint64_t i = 0; i < n; i++)
        if (parents[i] == FAMILY_NONE && t->candidates[i].finished)
            find_branch(lineages, i, parents, left_at);
    for (uint64_t i = 0; i < n; i++)
        cJSON_Delete(lineages[i]);
    free(lineages);
    return WN_OK;
}
