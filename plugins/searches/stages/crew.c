/* crew.c - tracks, and what is handed from stage to stage; see view.h. */
#include "view.h"

#include <explore/chance.h>

#include <stdlib.h>
#include <string.h>

struct track track_of(uint64_t first, uint64_t schedule_steps, uint64_t asked, uint64_t shrink)
{
    const uint64_t most = schedule_steps - first;
    struct track t = {
        .steps = most, .first = first, .last = schedule_steps, .shrink = shrink, .is_draft = asked > 0 || shrink > 1
    };
    if (asked > 0 && asked < most)
        t.steps = asked;
    return t;
}

uint64_t track_point(const struct track *t, uint64_t step)
{
    return t->first + (step * (t->last - t->first) + t->steps / 2) / t->steps;
}

uint64_t track_step_at(const struct track *t, double share)
{
    uint64_t step = 0;
    while (step + 1 < t->steps && (double)track_point(t, step + 1) <= share * (double)t->last + 1e-9)
        step++;
    return step;
}

static void drop(const wn_env *env, const struct survivor *s)
{
    env->drop(env->ctx, s->sample);
    env->drop(env->ctx, s->origin);
    env->drop(env->ctx, s->trail);
}

wn_status crew_add(struct crew *c, const struct survivor *s, wn_error *err)
{
    if (c->count == c->capacity) {
        const uint64_t capacity = c->capacity ? 2 * c->capacity : 16;
        struct survivor *grown = realloc(c->all, capacity * sizeof *grown);
        if (!grown)
            return wn_fail(err, WN_E_MEMORY, "no memory for %llu offers", (unsigned long long)capacity);
        c->all = grown;
        c->capacity = capacity;
    }
    struct survivor *own = &c->all[c->count];
    *own = (struct survivor){ .score = s->score, .set = s->set, .is_whole = s->is_whole };
    c->count++;
    WN_TRY(view_copy(c->env, s->sample, &own->sample, err));
    WN_TRY(view_copy(c->env, s->origin, &own->origin, err));
    return view_copy(c->env, s->trail, &own->trail, err);
}

/* ---- who goes on ------------------------------------------------------------------------------------------------- */

static wn_status ask_again(const struct crew *c, double *scores, wn_error *err)
{
    bool is_one_set = true;
    for (uint64_t i = 0; i < c->count; i++) {
        scores[i] = c->all[i].score;
        is_one_set = is_one_set && c->all[i].set == c->all[0].set;
    }
    if (is_one_set)
        return WN_OK;
    wn_sample *samples = calloc(c->count, sizeof *samples);
    double *fresh = calloc(c->count, sizeof *fresh);
    wn_status status = samples && fresh ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory to compare offers");
    for (uint64_t i = 0; status == WN_OK && i < c->count; i++)
        samples[i] = c->all[i].sample;
    if (status == WN_OK)
        status = c->env->score(c->env->ctx, c->count, samples, fresh, err);
    if (status == WN_OK)
        memcpy(scores, fresh, c->count * sizeof *fresh);
    free(samples);
    free(fresh);
    return status == WN_E_BUDGET ? WN_OK : status; /* then by what was said of each */
}

static bool is_new(const struct crew *c, uint64_t kept, const float *noise)
{
    const uint64_t n = c->env->latent_values;
    for (uint64_t i = 0; i < kept; i++)
        if (memcmp(c->noises + i * n, noise, n * sizeof *noise) == 0)
            return false;
    return true;
}

/* order [count]: best first. The chosen ones come to stand first, in that order. */
static wn_status choose(struct crew *c, uint64_t most, const uint64_t *order, struct survivor *chosen, wn_error *err)
{
    const wn_env *env = c->env;
    uint64_t kept = 0;
    for (uint64_t i = 0; i < c->count; i++) {
        struct survivor *s = &c->all[order[i]];
        float *noise = c->noises + kept * env->latent_values;
        if (kept == most)
            continue;
        WN_TRY(env->peek(env->ctx, s->origin, noise, NULL, err));
        if (!s->trail && !is_new(c, kept, noise))
            continue;
        chosen[kept++] = *s;
        *s = (struct survivor){ 0 };
    }
    for (uint64_t i = 0; i < c->count; i++)
        drop(env, &c->all[i]);
    memcpy(c->all, chosen, kept * sizeof *chosen);
    c->count = kept;
    return WN_OK;
}

wn_status crew_settle(struct crew *c, uint64_t most, wn_error *err)
{
    if (c->count == 0)
        return WN_OK;
    const uint64_t kept = most < c->count ? most : c->count;
    double *scores = calloc(c->count, sizeof *scores);
    uint64_t *order = calloc(c->count, sizeof *order);
    struct survivor *chosen = calloc(kept, sizeof *chosen);
    c->noises = malloc(kept * c->env->latent_values * sizeof *c->noises);
    wn_status status = scores && order && chosen && c->noises
                           ? ask_again(c, scores, err)
                           : wn_fail(err, WN_E_MEMORY, "no memory for %llu noises", (unsigned long long)kept);
    if (status == WN_OK) {
        wn_rank(c->count, scores, order);
        status = choose(c, kept, order, chosen, err);
    }
    free(scores);
    free(order);
    free(chosen);
    return status;
}

void crew_finish(struct crew *c)
{
    for (uint64_t i = 0; i < c->count; i++)
        drop(c->env, &c->all[i]);
    free(c->all);
    free(c->noises);
    *c = (struct crew){ .env = c->env };
}
