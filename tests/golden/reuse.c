/* reuse.c - steps that reuse what an earlier one computed. With diffusers' first-block cache and the same noise pebble
 * skips the same steps and ends at the same latent (make_reuse.py); what is skipped is what plain double arithmetic
 * says; and where nothing can be skipped, nothing is changed, to the last bit. */
#include "check.h"
#include "host.h"
#include "painter.h"
#include "tiny.h"

#include <stdbool.h>
#include <winnow/memory.h>

enum { STEPS = 20, HEAD_FLOATS = 16 };

static const char *const pebble = WINNOW_SOURCE_DIR "/examples/pebble";

/* A sample on its way through the sampler. */
struct path {
    struct painter p;
    const wn_memory *memory;
    uint64_t bytes;
    float sigma[STEPS + 1];
    wn_cond *cond;
    float *x, *v;
    void *before, *after; // [bytes]
    bool has_memory;
    bool skipped[STEPS];
};

static void begin(struct path *path, struct host *h, const char *const *pairs, const float *noise)
{
    *path = (struct path){ 0 };
    struct painter *p = &path->p;
    painter_open(p, h, pairs, 64, 64);
    if (!p->self) {
        CHECK_FAIL("%s", p->error.message);
        exit(1);
    }
    p->canvas.steps = STEPS;
    path->memory = p->sampler->extension(p->self, WN_MEMORY);
    path->bytes = path->memory->bytes(p->self, &p->canvas);
    path->x = tiny_alloc(p->latent, sizeof *path->x);
    path->v = tiny_alloc(p->latent, sizeof *path->v);
    path->before = tiny_alloc(path->bytes + 1, 1);
    path->after = tiny_alloc(path->bytes + 1, 1);
    memcpy(path->x, noise, p->latent * sizeof *path->x);
    const wn_prompt prompt = { "a red circle", "p", "", "{}" };
    CHECK_OK(p->sampler->schedule(p->self, &p->canvas, path->sigma, &p->error), p->error);
    CHECK_OK(p->sampler->encode(p->self, &prompt, &p->canvas, path->sigma, &path->cond, &p->error), p->error);
}

static void end(struct path *path)
{
    path->p.sampler->cond_free(path->p.self, path->cond);
    painter_close(&path->p);
}

/* Whether the other blocks were skipped. */
static bool ask(struct path *path, int step, float *v, const void *before, void *after, bool *has_after)
{
    struct painter *p = &path->p;
    const wn_velocity_item item = { path->x, v, path->cond, path->sigma[step], 0 };
    wn_memory_item memory = { .before = before, .after = after };
    CHECK_OK(path->memory->velocity(p->self, &p->canvas, 1, &item, &memory, &p->error), p->error);
    *has_after = memory.has_after != 0;
    CHECK(memory.is_reused + memory.has_after == 1); /* all of it, or nothing new */
    return memory.is_reused;
}

static void move_on(struct path *path, int step)
{
    for (uint64_t i = 0; i < path->p.latent; i++)
        path->x[i] += (path->sigma[step + 1] - path->sigma[step]) * path->v[i];
}

static void take_step(struct path *path, int step)
{
    bool has_after;
    path->skipped[step] = ask(path, step, path->v, path->has_memory ? path->before : NULL, path->after, &has_after);
    if (has_after) {
        void *const old = path->before;
        path->before = path->after;
        path->after = old;
        path->has_memory = true;
    }
    move_on(path, step);
}

/* ---- diffusers ------------------------------------------------------------------------------------------------ */

static void compare_with_diffusers(struct host *h, const nn_weights *golden, const float *noise, const char *rule,
                                   const char *option, const char *value)
{
    struct path path;
    char name[100];
    begin(&path, h, (const char *const[]){ "model", pebble, "reuse", rule, option, value, NULL }, noise);
    for (int step = 0; step < STEPS; step++)
        take_step(&path, step);
    snprintf(name, sizeof name, "%s.%s.skipped", rule, value);
    const float *skipped = tiny_golden(golden, name, NULL);
    for (int step = 0; step < STEPS; step++)
        CHECK_INT(path.skipped[step], skipped[step] > 0);
    snprintf(name, sizeof name, "%s.%s.latent", rule, value);
    const double error = relative_l2(path.x, tiny_golden(golden, name, NULL), path.p.latent);
    printf("%-28s %.1e from diffusers' (bound 1e-4)\n", name, error); /* measured 4e-7 .. 2e-6 */
    CHECK(error < 1e-4);
    end(&path);
}

/* ---- the rule, in double -------------------------------------------------------------------------------------- */

/* mean |now - then| / mean |then| of the first block's residuals, which stand behind the others'. */
static double change_of(const struct path *path, const float *now, const float *then)
{
    const uint64_t n = (path->bytes / sizeof(float) - HEAD_FLOATS) / 2;
    double change = 0, size = 0;
    for (uint64_t i = HEAD_FLOATS + n; i < HEAD_FLOATS + 2 * n; i++) {
        change += fabs((double)now[i] - (double)then[i]);
        size += fabs((double)then[i]);
    }
    return change / size;
}

/* What is added again where the sample did not move at all gives the velocity that it gave. */
static void check_added(struct path *path, int step, const float *now, double threshold)
{
    float *full = tiny_alloc(path->p.latent, sizeof *full), *again = tiny_alloc(path->p.latent, sizeof *again);
    bool has_after;
    ask(path, step, full, NULL, path->after, &has_after);
    CHECK_INT(ask(path, step, again, now, path->after, &has_after), threshold > 0);
    CHECK(relative_l2(again, full, path->p.latent) < 1e-5); /* measured 4e-7 */
}

static void check_rule(struct host *h, const float *noise, const char *threshold)
{
    struct path path;
    const double limit = strtod(threshold, NULL);
    begin(&path, h,
          (const char *const[]){ "model", pebble, "reuse_threshold", threshold, "reuse", "first_block", NULL }, noise);
    float *now = tiny_alloc(path.bytes, 1);
    int skips = 0;
    for (int step = 0; step < STEPS; step++) {
        bool has_after;
        CHECK(!ask(&path, step, path.v, NULL, now, &has_after)); /* without memory nothing is skipped */
        CHECK(((const float *)now)[0] == path.sigma[step]);
        const bool skips_it = path.has_memory && change_of(&path, now, path.before) < limit;
        if (step % 5 == 0)
            check_added(&path, step, now, limit);
        take_step(&path, step);
        CHECK_INT(path.skipped[step], skips_it);
        skips += skips_it;
    }
    printf("threshold %s: %d of %d steps skipped, as in double\n", threshold, skips, STEPS);
    end(&path);
}

/* ---- where nothing is skipped --------------------------------------------------------------------------------- */

static void check_same(struct host *h, const float *noise, const char *const *pairs)
{
    struct path plain, path;
    begin(&plain, h, (const char *const[]){ "model", pebble, NULL }, noise);
    begin(&path, h, pairs, noise);
    CHECK_INT(plain.bytes, 0);
    CHECK(path.bytes > 0);
    CHECK(strcmp(plain.p.info.model_key, path.p.info.model_key) != 0);
    for (int step = 0; step < STEPS; step++) {
        struct painter *p = &plain.p;
        const wn_velocity_item item = { plain.x, plain.v, plain.cond, plain.sigma[step], 0 };
        CHECK_OK(p->sampler->velocity(p->self, &p->canvas, 1, &item, &p->error), p->error);
        move_on(&plain, step);
        take_step(&path, step);
        CHECK_INT(path.skipped[step], 0);
    }
    CHECK(memcmp(plain.x, path.x, plain.p.latent * sizeof *plain.x) == 0);
    end(&plain);
    end(&path);
}

/* Outside of the range all is computed. */
static void check_range(struct host *h, const float *noise)
{
    struct path path;
    begin(&path, h,
          (const char *const[]){ "model", pebble, "reuse", "steps", "reuse_every", "20", "reuse_from", "0.75",
                                 "reuse_to", "0.25", NULL },
          noise);
    for (int step = 0; step < STEPS; step++) {
        take_step(&path, step);
        CHECK_INT(path.skipped[step], path.sigma[step] <= 0.75f && path.sigma[step] >= 0.25f);
    }
    end(&path);
}

static void check_refused(struct host *h)
{
    struct painter p;
    painter_open(
        &p, h, (const char *const[]){ "model", pebble, "reuse", "steps", "reuse_from", "0.2", "reuse_to", "0.5", NULL },
        64, 64);
    CHECK(!p.self);
    CHECK_CONTAINS(p.error.message, "reuse_from 0.2 is below reuse_to 0.5");
}

int main(void)
{
    struct host h;
    nn_weights *golden = NULL, *noises = NULL;
    wn_error err;
    host_open(&h, 2);
    CHECK_OK(nn_weights_open(WINNOW_SOURCE_DIR "/tests/golden/models/reuse/golden.safetensors", &golden, &err), err);
    CHECK_OK(nn_weights_open(WINNOW_SOURCE_DIR "/tests/golden/models/pebble/golden.safetensors", &noises, &err), err);
    const float *noise = tiny_golden(noises, "run.noise", NULL);
    compare_with_diffusers(&h, golden, noise, "first_block", "reuse_threshold", "0.1");
    compare_with_diffusers(&h, golden, noise, "first_block", "reuse_threshold", "0.2");
    compare_with_diffusers(&h, golden, noise, "steps", "reuse_every", "2");
    compare_with_diffusers(&h, golden, noise, "steps", "reuse_every", "3");
    check_rule(&h, noise, "0.12");
    check_same(&h, noise,
               (const char *const[]){ "model", pebble, "reuse", "first_block", "reuse_threshold", "0", NULL });
    check_same(&h, noise, (const char *const[]){ "model", pebble, "reuse", "steps", "reuse_every", "1", NULL });
    check_range(&h, noise);
    check_refused(&h);
    nn_weights_close(golden);
    nn_weights_close(noises);
    host_close(&h);
    return CHECK_DONE();
}
