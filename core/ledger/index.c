/* A resumed run asks for every candidate that it would sample again, from many threads, and must not wait for SQL. An
 * open-addressing table, keyed by trial and id, holds the rows; verifier and metric names are few and interned to
 * numbers. A trial that has ended asks no more: its rows are let go, or a long run would keep them all. */
#include "ledger/index.h"

#include <stdlib.h>
#include <string.h>

struct value {
    uint32_t name; /* index into names */
    double value;
    double seconds;
};

struct entry {
    struct ledger_candidate row;
    struct value *values; // [value_count]
    uint32_t value_count;
    struct entry *next; // of the trial
};

struct name {
    char *verifier;
    char *metric;
};

struct index {
    struct entry **slots; // [capacity], a power of two
    uint64_t capacity;
    uint64_t count;
    uint64_t let_go;
    struct entry **trials; // [trial_count]: the last entry of each
    uint64_t trial_count;
    struct name *names; // [name_count]
    uint32_t name_count;
};

/* ---- names ---- */

static int64_t name_find(const struct index *x, const struct ledger_score *s)
{
    for (uint32_t i = 0; i < x->name_count; i++)
        if (strcmp(x->names[i].verifier, s->verifier) == 0 && strcmp(x->names[i].metric, s->metric) == 0)
            return i;
    return -1;
}

static int64_t name_add(struct index *x, const struct ledger_score *s)
{
    struct name *grown = realloc(x->names, (x->name_count + 1) * sizeof *grown);
    if (!grown)
        return -1;
    x->names = grown;
    struct name name = { strdup(s->verifier), strdup(s->metric) };
    if (!name.verifier || !name.metric) {
        free(name.verifier);
        free(name.metric);
        return -1;
    }
    grown[x->name_count] = name;
    return x->name_count++;
}

/* ---- entries ---- */

static uint64_t hash(uint64_t trial, const char *id)
{
    uint64_t h = 0xcbf29ce484222325u ^ (trial * 0x9e3779b97f4a7c15u); /* FNV-1a */
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 0x100000001b3u;
    return h ^ (h >> 32);
}

/* The slot that holds the candidate, or the empty one where it belongs. */
static struct entry **slot(const struct index *x, uint64_t trial, const char *id)
{
    uint64_t at = hash(trial, id) & (x->capacity - 1);
    while (x->slots[at] && (x->slots[at]->row.trial != trial || strcmp(x->slots[at]->row.id, id) != 0))
        at = (at + 1) & (x->capacity - 1);
    return &x->slots[at];
}

static bool grow(struct index *x)
{
    struct index bigger = { .capacity = x->capacity * 2 };
    bigger.slots = calloc((size_t)bigger.capacity, sizeof(struct entry *));
    if (!bigger.slots)
        return false;
    for (uint64_t i = 0; i < x->capacity; i++)
        if (x->slots[i])
            *slot(&bigger, x->slots[i]->row.trial, x->slots[i]->row.id) = x->slots[i];
    free(x->slots);
    x->slots = bigger.slots;
    x->capacity = bigger.capacity;
    return true;
}

static void entry_destroy(struct entry *e)
{
    if (!e)
        return;
    free(e->values);
    free(e);
}

static struct entry *entry_create(const struct ledger_candidate *c)
{
    size_t lineage = c->lineage ? strlen(c->lineage) : 0;
    struct entry *e = calloc(1, sizeof *e + lineage + 1);
    if (!e)
        return NULL;
    e->row = *c;
    e->row.lineage = lineage ? memcpy(e + 1, c->lineage, lineage) : (char *)(e + 1);
    return e;
}

struct index *index_create(void)
{
    struct index *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->capacity = 1024;
    x->slots = calloc((size_t)x->capacity, sizeof *x->slots);
    if (x->slots)
        return x;
    free(x);
    return NULL;
}

void index_destroy(struct index *x)
{
    if (!x)
        return;
    for (uint64_t i = 0; i < x->capacity; i++)
        entry_destroy(x->slots[i]);
    for (uint32_t i = 0; i < x->name_count; i++) {
        free(x->names[i].verifier);
        free(x->names[i].metric);
    }
    free(x->names);
    free(x->trials);
    free(x->slots);
    free(x);
}

uint64_t index_count(const struct index *x)
{
    return x->count + x->let_go;
}

/* Room for the trial's list. */
static bool reach_trial(struct index *x, uint64_t trial)
{
    if (trial < x->trial_count)
        return true;
    const uint64_t count = trial < 32 ? 64 : 2 * trial;
    if (trial > UINT32_MAX)
        return false;
    struct entry **grown = realloc(x->trials, count * sizeof(struct entry *));
    if (!grown)
        return false;
    memset(grown + x->trial_count, 0, (count - x->trial_count) * sizeof(struct entry *));
    x->trials = grown;
    x->trial_count = count;
    return true;
}

bool index_candidate(struct index *x, const struct ledger_candidate *c)
{
    if ((x->count >= x->capacity / 2 && !grow(x)) || !reach_trial(x, c->trial))
        return false;
    struct entry **at = slot(x, c->trial, c->id);
    if (*at)
        return true;
    *at = entry_create(c);
    if (!*at)
        return false;
    (*at)->next = x->trials[c->trial];
    x->trials[c->trial] = *at;
    x->count++;
    return true;
}

/* Empties a slot; what stood behind it and is looked for from before it moves up. */
static void take_out(struct index *x, struct entry **at)
{
    const uint64_t mask = x->capacity - 1;
    uint64_t hole = (uint64_t)(at - x->slots);
    for (uint64_t i = (hole + 1) & mask; x->slots[i]; i = (i + 1) & mask) {
        const uint64_t home = hash(x->slots[i]->row.trial, x->slots[i]->row.id) & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        x->slots[hole] = x->slots[i];
        hole = i;
    }
    x->slots[hole] = NULL;
}

void index_forget(struct index *x, uint64_t trial)
{
    struct entry *e = trial < x->trial_count ? x->trials[trial] : NULL;
    while (e) {
        struct entry *next = e->next;
        take_out(x, slot(x, trial, e->row.id));
        entry_destroy(e);
        x->count--;
        x->let_go++;
        e = next;
    }
    if (trial < x->trial_count)
        x->trials[trial] = NULL;
}

static const struct value *value_find(const struct entry *e, int64_t name)
{
    for (uint32_t i = 0; i < e->value_count; i++)
        if (e->values[i].name == name)
            return &e->values[i];
    return NULL;
}

bool index_score(struct index *x, uint64_t trial, const char *candidate, const struct ledger_score *score)
{
    struct entry *e = *slot(x, trial, candidate);
    int64_t name = name_find(x, score);
    if (!e || (name >= 0 && value_find(e, name)))
        return true; /* a score of nothing is dropped; the first score of a metric stays */
    if (name < 0 && (name = name_add(x, score)) < 0)
        return false;
    struct value *grown = realloc(e->values, (e->value_count + 1) * sizeof *grown);
    if (!grown)
        return false;
    e->values = grown;
    grown[e->value_count++] = (struct value){ (uint32_t)name, score->value, score->seconds };
    return true;
}

bool index_find(const struct index *x, uint64_t trial, const char *candidate, uint64_t count,
                struct ledger_score *scores, struct ledger_candidate *found)
{
    const struct entry *e = *slot(x, trial, candidate);
    if (!e)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        const struct value *v = value_find(e, name_find(x, &scores[i]));
        if (!v)
            return false;
        scores[i].value = v->value;
        scores[i].seconds = v->seconds;
    }
    if (found)
        *found = e->row;
    return true;
}
