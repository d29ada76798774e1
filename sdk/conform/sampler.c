/* sampler.c - a velocity is a matter of (x, sigma, prompt), not of who else is in the batch. */
#include "kit.h"

#include <winnow/memory.h>
#include <winnow/sampler.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3, STEPS = 4 };

struct scene {
    const wn_sampler *sampler;
    wn_sampler_info info;
    wn_canvas canvas;
    float sigma[STEPS + 1];
    uint64_t values;
    wn_cond *cond[2];
    float *x; /* [BATCH][values] */
    float *v; /* [BATCH][values] */
};

static uint32_t side_of(const wn_sampler_info *info)
{
    const uint64_t step = info->size_multiple_px ? info->size_multiple_px : 1;
    const uint64_t usual = info->usual_size_px && info->usual_size_px <= 64 ? info->usual_size_px : info->min_size_px;
    const uint64_t least = usual > step ? usual : step;
    return (uint32_t)((least + step - 1) / step * step);
}

static void end_scene(struct scene *s, void *self)
{
    for (int i = 0; i < 2; i++)
        if (s->cond[i])
            s->sampler->cond_free(self, s->cond[i]);
    free(s->x);
    free(s->v);
}

/* On a square canvas of so many times the side that is usual. */
static wn_status set_scene_of(struct kit *k, struct scene *s, uint32_t times, void *self, wn_error *err)
{
    static const wn_prompt prompts[] = { { "a red circle", "one", "", "{}" }, { "two blue squares", "two", "", "{}" } };
    *s = (struct scene){ .sampler = k->subject->plugin->vtable, .info.struct_size = sizeof s->info };
    WN_TRY(s->sampler->describe(self, &s->info, err));
    s->canvas = (wn_canvas){ .struct_size = sizeof s->canvas, .steps = STEPS, .extra = k->subject->canvas_extra };
    s->canvas.width_px = s->canvas.height_px = times * side_of(&s->info);
    const uint64_t side = s->canvas.width_px / (s->info.latent_stride_px ? s->info.latent_stride_px : 1);
    s->values = s->info.latent_channels * side * side;
    s->x = calloc(BATCH * s->values, sizeof *s->x);
    s->v = calloc(BATCH * s->values, sizeof *s->v);
    if (!s->x || !s->v)
        return wn_fail(err, WN_E_MEMORY, "no latents");
    WN_TRY(s->sampler->schedule(self, &s->canvas, s->sigma, err));
    for (int i = 0; i < 2; i++)
        WN_TRY(s->sampler->encode(self, &prompts[i], &s->canvas, s->sigma, &s->cond[i], err));
    for (int i = 0; i < BATCH; i++)
        kit_noise((uint64_t)i + 1, s->x + (uint64_t)i * s->values, s->values);
    return WN_OK;
}

static wn_status set_scene(struct kit *k, struct scene *s, void *self, wn_error *err)
{
    return set_scene_of(k, s, 1, self, err);
}

static wn_status velocities(struct scene *s, void *self, int first, int count, float *v, wn_error *err)
{
    wn_velocity_item items[BATCH];
    for (int i = 0; i < count; i++)
        items[i] = (wn_velocity_item){ .x = s->x + (uint64_t)(first + i) * s->values,
                                       .v = v + (uint64_t)i * s->values,
                                       .cond = s->cond[(first + i) % 2],
                                       .sigma = s->sigma[first + i] };
    return s->sampler->velocity(self, &s->canvas, (uint64_t)count, items, err);
}

static bool scene_or_fail(struct kit *k, struct scene *s, void *self)
{
    wn_error err = { 0 };
    const wn_status status = set_scene(k, s, self, &err);
    kit_check_error(k, "describe, schedule or encode", status, &err);
    if (status != WN_OK)
        kit_fail(k, "setting up: status %d: %.900s", status, err.message);
    return status == WN_OK;
}

static void check_info(struct kit *k, void *self)
{
    struct scene s;
    if (scene_or_fail(k, &s, self)) {
        const wn_sampler_info *i = &s.info;
        if (i->parametrisation != WN_PARAMETRISATION_FLOW)
            kit_fail(k, "parametrisation %lld is not known", (long long)i->parametrisation);
        if (!i->latent_channels || !i->latent_stride_px || !i->evals_per_velocity || !i->max_batch)
            kit_fail(k, "a zero among latent_channels, latent_stride_px, evals_per_velocity, max_batch");
        if (!i->model_key[0] || !memchr(i->model_key, '\0', sizeof i->model_key))
            kit_fail(k, "model_key is empty or does not end");
    }
    end_scene(&s, self);
}

static void check_schedule(struct kit *k, void *self)
{
    struct scene s;
    if (scene_or_fail(k, &s, self)) {
        if (s.sigma[0] != 1.0f || s.sigma[STEPS] != 0.0f)
            kit_fail(k, "the schedule leads from %g to %g, not from 1 to 0", (double)s.sigma[0],
                     (double)s.sigma[STEPS]);
        for (int i = 0; i < STEPS; i++)
            if (!(s.sigma[i] > s.sigma[i + 1]))
                kit_fail(k, "sigma[%d] = %g is not above sigma[%d] = %g", i, (double)s.sigma[i], i + 1,
                         (double)s.sigma[i + 1]);
    }
    end_scene(&s, self);
}

static void compare_alone(struct kit *k, struct scene *s, void *self, int i, float *alone)
{
    wn_error err = { 0 };
    if (velocities(s, self, i, 1, alone, &err) != WN_OK)
        kit_fail(k, "velocity of one: %.900s", err.message);
    else if (memcmp(alone, s->v + (uint64_t)i * s->values, s->values * sizeof *alone) != 0)
        kit_fail(k, "the velocity of item %d differs alone and among %d", i, BATCH);
}

static void check_batch(struct kit *k, void *self)
{
    struct scene s;
    wn_error err = { 0 };
    if (scene_or_fail(k, &s, self)) {
        float *alone = calloc(s.values, sizeof *alone);
        if (s.info.max_batch < BATCH)
            kit_skip(k, "its batches hold %llu", (unsigned long long)s.info.max_batch);
        else if (velocities(&s, self, 0, BATCH, s.v, &err) != WN_OK)
            kit_fail(k, "velocity: %.900s", err.message);
        k->runs_backwards = true;
        for (int i = 0; alone && !k->why[0] && i < BATCH; i++)
            compare_alone(k, &s, self, i, alone);
        for (uint64_t i = 0; !k->why[0] && i < BATCH * s.values; i++)
            if (!isfinite(s.v[i]))
                kit_fail(k, "a velocity is not finite");
        free(alone);
    }
    end_scene(&s, self);
}

static wn_status work_elsewhere(struct kit *k, void *self, wn_error *err)
{
    struct scene large;
    wn_status status = set_scene_of(k, &large, 2, self, err);
    if (status == WN_OK)
        status = velocities(&large, self, 0, 1, large.v, err);
    end_scene(&large, self);
    return status;
}

/* A search may draft on a smaller canvas than it finishes on. */
static void check_canvases(struct kit *k, void *self)
{
    struct scene s;
    wn_error err = { 0 };
    if (scene_or_fail(k, &s, self)) {
        float *again = calloc(s.values, sizeof *again);
        if (s.info.max_size_px && 2ull * s.canvas.width_px > s.info.max_size_px)
            kit_skip(k, "it makes no pictures of twice %u px", s.canvas.width_px);
        else if (velocities(&s, self, 0, 1, s.v, &err) != WN_OK || work_elsewhere(k, self, &err) != WN_OK ||
                 (again && velocities(&s, self, 0, 1, again, &err) != WN_OK))
            kit_fail(k, "velocity: %.900s", err.message);
        else if (again && memcmp(again, s.v, s.values * sizeof *again) != 0)
            kit_fail(k, "a velocity differs after one on another canvas");
        free(again);
    }
    end_scene(&s, self);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* Two steps of BATCH samples: the second goes on from what the first left. */
struct steps {
    uint64_t bytes;
    float *v[2];               // [BATCH][values]
    char *memory[2];           // [BATCH][bytes]
    bool has_memory[2][BATCH]; // whether the step left any
};

static void end_steps(struct steps *t)
{
    for (int step = 0; step < 2; step++) {
        free(t->v[step]);
        free(t->memory[step]);
    }
}

static bool begin_steps(const struct scene *s, uint64_t bytes, struct steps *t)
{
    *t = (struct steps){ .bytes = bytes };
    for (int step = 0; step < 2; step++) {
        t->v[step] = calloc(BATCH * s->values, sizeof(float));
        t->memory[step] = calloc(BATCH, bytes);
    }
    return t->v[0] && t->v[1] && t->memory[0] && t->memory[1];
}

static wn_status take_step(struct scene *s, void *self, const wn_memory *m, struct steps *t, int step, int first,
                           int count, wn_error *err)
{
    wn_velocity_item items[BATCH];
    wn_memory_item memory[BATCH];
    for (int i = 0; i < count; i++) {
        const uint64_t k = (uint64_t)(first + i);
        items[i] = (wn_velocity_item){
            .x = s->x + k * s->values, .v = t->v[step] + k * s->values, .cond = s->cond[k % 2], .sigma = s->sigma[step]
        };
        memory[i] = (wn_memory_item){ .before = step && t->has_memory[0][k] ? t->memory[0] + k * t->bytes : NULL,
                                      .after = t->memory[step] + k * t->bytes };
    }
    WN_TRY(m->velocity(self, &s->canvas, (uint64_t)count, items, memory, err));
    for (int i = 0; i < count; i++)
        t->has_memory[step][first + i] = memory[i].has_after != 0;
    return WN_OK;
}

static wn_status take_steps(struct scene *s, void *self, const wn_memory *m, struct steps *t, int at_once,
                            wn_error *err)
{
    for (int step = 0; step < 2; step++)
        for (int first = 0; first < BATCH; first += at_once)
            WN_TRY(take_step(s, self, m, t, step, first, at_once, err));
    return WN_OK;
}

static void compare_steps(struct kit *k, const struct scene *s, const struct steps *a, const struct steps *b)
{
    for (int step = 0; step < 2; step++) {
        if (memcmp(a->v[step], b->v[step], BATCH * s->values * sizeof(float)) != 0)
            kit_fail(k, "step %d of samples that remember differs alone and among %d", step + 1, BATCH);
        for (uint64_t i = 0; i < BATCH; i++)
            if (a->has_memory[step][i] != b->has_memory[step][i] ||
                (a->has_memory[step][i] &&
                 memcmp(a->memory[step] + i * a->bytes, b->memory[step] + i * b->bytes, a->bytes) != 0))
                kit_fail(k, "item %d of step %d remembers otherwise alone and among %d", (int)i, step + 1, BATCH);
    }
}

/* What remembers nothing is as if nobody remembered. */
static void compare_plain(struct kit *k, struct scene *s, void *self, const struct steps *t)
{
    wn_error err = { 0 };
    for (int i = 0; i < BATCH; i++) {
        const wn_velocity_item item = { s->x + (uint64_t)i * s->values, s->v, s->cond[i % 2], s->sigma[0], 0 };
        if (s->sampler->velocity(self, &s->canvas, 1, &item, &err) != WN_OK)
            kit_fail(k, "velocity: %.900s", err.message);
        else if (memcmp(s->v, t->v[0] + (uint64_t)i * s->values, s->values * sizeof *s->v) != 0)
            kit_fail(k, "the velocity of item %d, which remembers nothing, is not the one without memory", i);
    }
}

static void check_remembered(struct kit *k, struct scene *s, void *self, const wn_memory *m, uint64_t bytes)
{
    wn_error err = { 0 };
    struct steps together, alone;
    const bool has_room = begin_steps(s, bytes, &together);
    if (begin_steps(s, bytes, &alone) && has_room) {
        if (take_steps(s, self, m, &together, BATCH, &err) != WN_OK ||
            take_steps(s, self, m, &alone, 1, &err) != WN_OK) {
            kit_fail(k, "velocity with memory: %.900s", err.message);
        } else {
            compare_steps(k, s, &together, &alone);
            compare_plain(k, s, self, &together);
        }
    }
    end_steps(&together);
    end_steps(&alone);
}

static void check_memory(struct kit *k, void *self)
{
    struct scene s;
    if (scene_or_fail(k, &s, self)) {
        const wn_memory *m = WN_HAS(wn_sampler, s.sampler, extension) && s.sampler->extension
                                 ? s.sampler->extension(self, WN_MEMORY)
                                 : NULL;
        const uint64_t bytes = m ? m->bytes(self, &s.canvas) : 0;
        if (bytes == 0)
            kit_skip(k, "its samples remember nothing");
        else if (s.info.max_batch < BATCH)
            kit_skip(k, "its batches hold %llu", (unsigned long long)s.info.max_batch);
        else
            check_remembered(k, &s, self, m, bytes);
    }
    end_scene(&s, self);
}

static wn_status decode(struct scene *s, void *self, uint8_t *rgb, wn_error *err)
{
    const float *x0 = s->x;
    return s->sampler->decode(self, &s->canvas, 1, &x0, WN_QUALITY_FULL, &rgb, err);
}

static void check_decode(struct kit *k, void *self)
{
    enum { GUARD = 64 };
    struct scene s;
    wn_error err = { 0 };
    if (scene_or_fail(k, &s, self)) {
        const uint64_t bytes = (uint64_t)s.canvas.width_px * s.canvas.height_px * 3;
        uint8_t *rgb = malloc(bytes + GUARD), *again = malloc(bytes + GUARD);
        if (rgb && again) {
            memset(rgb, 0xa5, bytes + GUARD);
            memset(again, 0x5a, bytes + GUARD);
            if (decode(&s, self, rgb, &err) != WN_OK || decode(&s, self, again, &err) != WN_OK)
                kit_fail(k, "decode: %.900s", err.message);
            else if (memcmp(rgb, again, bytes) != 0)
                kit_fail(k, "the same latent has two pictures, or not all pixels are written");
            for (uint64_t i = bytes; i < bytes + GUARD; i++)
                if (rgb[i] != 0xa5)
                    kit_fail(k, "decode writes behind the picture");
        }
        free(rgb);
        free(again);
    }
    end_scene(&s, self);
}

static wn_status exercise(struct kit *k, void *self, wn_error *err)
{
    struct scene s;
    wn_status status = set_scene(k, &s, self, err);
    if (status == WN_OK)
        status = velocities(&s, self, 0, 1, s.v, err);
    end_scene(&s, self);
    return status;
}

const struct kind_checks *kit_sampler_checks(void)
{
    static const struct check checks[] = {
        { "describes itself", check_info, false },
        { "the schedule falls from 1 to 0", check_schedule, false },
        { "a velocity is the same alone and in a batch", check_batch, false },
        { "canvases take turns", check_canvases, false },
        { "a sample that remembers is the same alone and in a batch", check_memory, false },
        { "pictures are whole and can be had again", check_decode, false },
        { NULL, NULL, false },
    };
    static const struct kind_checks own = { checks, exercise };
    return &own;
}
