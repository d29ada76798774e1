/* allotment.c - see allotment.h. The parts are dealt in order, each once: what prompt i is given follows from what was
 * given to those before it and from what those up to i - ALLOTMENT_LAG have spent. */
#include "engine/allotment.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { CURRENCIES = 4, TICK_MS = 100 };

struct portion {
    double given[CURRENCIES];
    double spent[CURRENCIES];
    bool has_ended;
};

struct allotment {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    double total[CURRENCIES];
    bool is_shared;
    uint32_t count;
    uint32_t dealt;           /* portions [0, dealt) are given */
    uint32_t ended;           /* portions [0, ended) have ended */
    double over[CURRENCIES];  /* what is left over of those, and not yet given to others */
    struct portion *portions; /* [count] */
};

static void to_array(const struct spec_budget *b, double out[CURRENCIES])
{
    out[0] = b->nfe;
    out[1] = b->seconds;
    out[2] = b->verifier_calls;
    out[3] = b->candidates;
}

static struct spec_budget to_budget(const double in[CURRENCIES])
{
    return (struct spec_budget){ .nfe = in[0], .seconds = in[1], .verifier_calls = in[2], .candidates = in[3] };
}

/* Whole numbers, but for seconds. */
static double whole(int currency, double value)
{
    return currency == 1 ? value : floor(value * (1 + 1e-12));
}

/* The i-th of `count` parts; they add up to the total. */
static double equal_part(const struct allotment *a, int currency, uint32_t i)
{
    const double total = a->total[currency];
    if (isinf(total))
        return total;
    return whole(currency, total * (i + 1) / a->count) - whole(currency, total * i / a->count);
}

/* The next portion of those that come after `dealt` others. */
static void deal(struct allotment *a)
{
    struct portion *p = &a->portions[a->dealt];
    for (int c = 0; c < CURRENCIES; c++) {
        const double extra = a->is_shared ? whole(c, a->over[c] / (a->count - a->dealt)) : 0;
        p->given[c] = equal_part(a, c, a->dealt) + extra;
        a->over[c] -= extra;
    }
    a->dealt++;
}

/* Takes up what has ended, in order, and no further than the lag allows for the portion that is dealt next. */
static bool can_deal(struct allotment *a)
{
    while (a->ended + ALLOTMENT_LAG <= a->dealt) {
        const struct portion *p = &a->portions[a->ended];
        if (!p->has_ended)
            return false;
        for (int c = 0; c < CURRENCIES; c++)
            a->over[c] += isinf(p->given[c]) ? 0 : p->given[c] - p->spent[c];
        a->ended++;
    }
    return true;
}

static void wait_a_while(struct allotment *a)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&a->changed, &a->mutex, &until);
}

wn_status allotment_take(struct allotment *a, uint32_t index, bool (*stopping)(void *arg), void *arg,
                         struct spec_budget *part, wn_error *err)
{
    wn_status status = WN_OK;
    pthread_mutex_lock(&a->mutex);
    while (a->dealt <= index && status == WN_OK) {
        if (can_deal(a))
            deal(a);
        else if (stopping(arg))
            status = wn_fail(err, WN_E_CANCELLED, "the run was interrupted");
        else
            wait_a_while(a);
    }
    *part = to_budget(a->portions[index].given);
    pthread_mutex_unlock(&a->mutex);
    return status;
}

void allotment_end(struct allotment *a, uint32_t index, const struct spec_budget *spent)
{
    pthread_mutex_lock(&a->mutex);
    to_array(spent, a->portions[index].spent);
    a->portions[index].has_ended = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->mutex);
}

wn_status allotment_create(const struct spec_budget *total, uint32_t count, bool is_shared, struct allotment **out,
                           wn_error *err)
{
    struct allotment *a = calloc(1, sizeof *a);
    struct portion *portions = calloc(count ? count : 1, sizeof *portions);
    if (!a || !portions) {
        free(a);
        free(portions);
        return wn_fail(err, WN_E_MEMORY, "no memory for the budgets of %u prompts", count);
    }
    to_array(total, a->total);
    a->is_shared = is_shared;
    a->count = count;
    a->portions = portions;
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->changed, NULL);
    *out = a;
    return WN_OK;
}

void allotment_destroy(struct allotment *a)
{
    if (!a)
        return;
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->mutex);
    free(a->portions);
    free(a);
}
