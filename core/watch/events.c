#include "watch/events.h"

#include "watch/live_page.h"

#include <math.h>
#include <string.h>

enum { EVENT_MAX = 1 << 20 };

static void send(const struct events *e, const char *kind, struct buffer *json)
{
    if (!json->failed)
        e->each(e->arg, kind, buffer_string(json));
    buffer_free(json);
}

static void send_trial(const struct events *e, const struct data_trial *t)
{
    struct buffer b = BUFFER_INIT(EVENT_MAX);
    struct json_text j = json_begin(&b, 0);
    json_object(&j);
    json_key(&j, "trial"), json_u64(&j, t->id);
    json_key_string(&j, "prompt_id", t->prompt_id);
    json_key_string(&j, "prompt", t->prompt);
    json_key_string(&j, "state", t->state);
    json_key_string(&j, "ended", t->ended[0] ? t->ended : NULL);
    json_key(&j, "nfe"), json_u64(&j, t->nfe);
    json_end(&j);
    send(e, "trial", &b);
}

/* The scores that `was` has not; all of them when it is NULL. */
static void write_scores(struct json_text *j, const struct data *d, const struct data_candidate *was,
                         const struct data_candidate *c)
{
    json_key(j, "scores"), json_object(j);
    for (uint64_t i = 0; i < d->metric_count; i++)
        if (!isnan(c->values[i]) && (!was || isnan(was->values[i])))
            json_key(j, d->metrics[i].title), json_number(j, c->values[i]);
    json_end(j);
}

static void send_candidate(const struct events *e, const struct data *d, const struct data_trial *t,
                           const struct data_candidate *c)
{
    struct buffer b = BUFFER_INIT(EVENT_MAX), address = BUFFER_INIT(256);
    struct json_text j = json_begin(&b, 0);
    live_address(e->epoch, t->id, c->id, &address);
    json_object(&j);
    json_key(&j, "trial"), json_u64(&j, t->id);
    json_key_string(&j, "prompt_id", t->prompt_id);
    json_key_string(&j, "candidate", c->id);
    json_key(&j, "ordinal"), json_u64(&j, c->ordinal);
    json_key(&j, "point"), json_u64(&j, c->point);
    json_key(&j, "finished"), json_bool(&j, c->finished);
    json_key(&j, "nfe_total"), json_u64(&j, c->nfe_total);
    write_scores(&j, d, NULL, c);
    json_key(&j, "winner"), json_bool(&j, c == t->winner);
    json_key_string(&j, "picture", c->image[0] ? buffer_string(&address) : NULL);
    json_end(&j);
    buffer_free(&address);
    send(e, "candidate", &b);
}

static bool has_more_scores(const struct data *d, const struct data_candidate *was, const struct data_candidate *c)
{
    for (uint64_t i = 0; i < d->metric_count; i++)
        if (isnan(was->values[i]) && !isnan(c->values[i]))
            return true;
    return false;
}

static void send_scores(const struct events *e, const struct data *d, const struct data_trial *t,
                        const struct data_candidate *was, const struct data_candidate *c)
{
    struct buffer b = BUFFER_INIT(EVENT_MAX);
    struct json_text j = json_begin(&b, 0);
    json_object(&j);
    json_key(&j, "trial"), json_u64(&j, t->id);
    json_key_string(&j, "candidate", c->id);
    write_scores(&j, d, was, c);
    json_end(&j);
    send(e, "scores", &b);
}

/* Both lists are in the order of (ordinal, id), and a candidate keeps its ordinal: one pass over both. */
static int order(const struct data_candidate *a, const struct data_candidate *b)
{
    if (a->ordinal != b->ordinal)
        return a->ordinal < b->ordinal ? -1 : 1;
    return strcmp(a->id, b->id);
}

static void compare_trial(const struct events *e, const struct data *d, const struct data_trial *was,
                          const struct data_trial *now)
{
    uint64_t at = 0;
    const bool is_new = !was || strcmp(was->state, now->state) != 0 || strcmp(was->ended, now->ended) != 0;
    if (is_new && e->each)
        send_trial(e, now);
    for (uint64_t i = 0; i < now->candidate_count; i++) {
        const struct data_candidate *c = &now->candidates[i], *old = NULL;
        while (was && at < was->candidate_count && order(&was->candidates[at], c) < 0)
            at++;
        if (was && at < was->candidate_count && order(&was->candidates[at], c) == 0)
            old = &was->candidates[at];
        if (!old && c->finished && e->found)
            e->found(e->arg, now, c);
        if (!e->each)
            continue;
        if (!old)
            send_candidate(e, d, now, c);
        else if (has_more_scores(d, old, c))
            send_scores(e, d, now, old, c);
    }
}

static bool has_equal_metrics(const struct data *a, const struct data *b)
{
    if (a->metric_count != b->metric_count)
        return false;
    for (uint64_t i = 0; i < a->metric_count; i++)
        if (strcmp(a->metrics[i].title, b->metrics[i].title) != 0)
            return false;
    return true;
}

void events_compare(const struct events *e, const struct data *was, const struct data *now)
{
    if (!was || !now || !has_equal_metrics(was, now) || was->trial_count > now->trial_count) {
        if ((was || now) && e->each)
            e->each(e->arg, "reset", "{}");
        return;
    }
    for (uint64_t i = 0, at = 0; i < now->trial_count; i++) {
        while (at < was->trial_count && was->trials[at].id < now->trials[i].id)
            at++;
        const bool is_old = at < was->trial_count && was->trials[at].id == now->trials[i].id;
        compare_trial(e, now, is_old ? &was->trials[at] : NULL, &now->trials[i]);
    }
}
