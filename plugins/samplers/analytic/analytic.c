/* analytic - a sampler without a network: a mixture of Gaussians, whose velocity field has a closed form.
 *
 * Clean latents are distributed as x0 ~ sum_k 1/K N(mu_k, s^2 I), mu_k drawn for the prompt. Noised to sigma,
 *     x ~ sum_k 1/K N((1 - sigma) mu_k, V I),  V = (1 - sigma)^2 s^2 + sigma^2,
 *     E[x0 | x] = sum_k r_k (mu_k + (1 - sigma) s^2 / V (x - (1 - sigma) mu_k)),  r_k = P(k | x),
 *     v = E[eps - x0 | x] = (x - E[x0 | x]) / sigma,
 * so every claim about steps, schedules and searches can be checked against numbers that are known, in any dimension
 * and at a million steps a second. One latent value is 8 x 8 pixels of gray: 128 + 32 x0. */
#include <winnow/memory.h>
#include <winnow/sampler.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STRIDE_PX = 8, MAX_COMPONENTS = 64, PARALLEL_VALUES = 65536 };

struct options {
    int64_t components;
    double radius;
    double spread;
    int64_t delay_us;
    int64_t evals_per_velocity;
    double memory;
};

static const wn_option options[] = {
    WN_INT(struct options, components, "4", 1, MAX_COMPONENTS, "Gaussians in the mixture, K"),
    WN_NUMBER(struct options, radius, "1.5", 0, 100, "standard deviation of the components' means"),
    WN_NUMBER(struct options, spread, "0.3", 1e-6, 100, "standard deviation of one component, s"),
    WN_INT(struct options, delay_us, "0", 0, 1e7, "microseconds that a velocity call sleeps, to rehearse a slow model"),
    WN_INT(struct options, evals_per_velocity, "1", 1, 16, "evaluations that one velocity counts as"),
    WN_NUMBER(struct options, memory, "0", 0, 1,
              "share of a velocity that the sample remembers of an earlier step, to rehearse samplers that reuse"),
    WN_OPTIONS_END
};

struct sampler {
    const struct options *o;
    const wn_host *host;
};

struct wn_cond {
    uint64_t values;
    float means[]; // [components][values]
};

/* ---- the prompt's mixture -------------------------------------------------------------------------------------- */

static uint64_t hash_text(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    return h;
}

static double uniform(uint64_t *state) // splitmix64
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* The means depend on the prompt alone, not on the run's seed: a prompt's best picture is the same in every run.
 * Uniform with the standard deviation asked for. */
static wn_status encode(void *self, const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma,
                        wn_cond **cond, wn_error *err)
{
    const struct options *o = ((const struct sampler *)self)->o;
    const uint64_t values = (uint64_t)(canvas->width_px / STRIDE_PX) * (canvas->height_px / STRIDE_PX);
    const uint64_t count = values * (uint64_t)o->components;
    (void)sigma;
    wn_cond *c = malloc(sizeof *c + count * sizeof(float));
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "no memory for %lld means of %llu values", (long long)o->components,
                       (unsigned long long)values);
    c->values = values;
    uint64_t state = hash_text(prompt->text);
    for (uint64_t i = 0; i < count; i++)
        c->means[i] = (float)(o->radius * 3.46410161513775459 * (uniform(&state) - 0.5));
    *cond = c;
    return WN_OK;
}

static void cond_free(void *self, wn_cond *cond)
{
    (void)self;
    free(cond);
}

/* ---- velocity -------------------------------------------------------------------------------------------------- */

/* r [components] = P(k | x), by way of logarithms that cannot underflow all at once. */
static void responsibilities(uint64_t components, const wn_cond *c, const float *x, float alpha, float variance,
                             float *r)
{
    float nearest = INFINITY;
    for (uint64_t k = 0; k < components; k++) {
        const float *mean = c->means + k * c->values;
        float sum = 0;
        for (uint64_t i = 0; i < c->values; i++) {
            const float d = x[i] - alpha * mean[i];
            sum += d * d;
        }
        r[k] = sum;
        nearest = sum < nearest ? sum : nearest;
    }
    float total = 0;
    for (uint64_t k = 0; k < components; k++)
        total += r[k] = expf((nearest - r[k]) / (2 * variance));
    for (uint64_t k = 0; k < components; k++)
        r[k] /= total;
}

static void velocity_of(const struct options *o, const wn_velocity_item *item)
{
    const wn_cond *c = item->cond;
    const float s2 = (float)(o->spread * o->spread);
    const float alpha = 1 - item->sigma;
    const float variance = alpha * alpha * s2 + item->sigma * item->sigma;
    const float gain = alpha * s2 / variance;
    float r[MAX_COMPONENTS];
    responsibilities((uint64_t)o->components, c, item->x, alpha, variance, r);
    for (uint64_t i = 0; i < c->values; i++) {
        float mean = 0; // of the components, as likely as x makes them
        for (int64_t k = 0; k < o->components; k++)
            mean += r[k] * c->means[(uint64_t)k * c->values + i];
        const float x0 = mean + gain * (item->x[i] - alpha * mean);
        item->v[i] = (item->x[i] - x0) / item->sigma;
    }
}

/* A part of v is what it was when it was remembered last; whether it is remembered anew depends on the sample. */
static void remember(const struct options *o, const wn_velocity_item *item, wn_memory_item *memory)
{
    const uint64_t values = item->cond->values;
    const float *before = memory->before;
    const float old = (float)o->memory, fresh = 1 - old;
    for (uint64_t i = 0; before && i < values; i++)
        item->v[i] = old * before[i] + fresh * item->v[i];
    memory->is_reused = before && item->x[0] < 0;
    memory->has_after = !memory->is_reused;
    if (memory->has_after)
        memcpy(memory->after, item->v, values * sizeof *item->v);
}

struct work {
    const struct options *o;
    const wn_velocity_item *items;
    wn_memory_item *memory; /* or NULL */
};

static void velocity_at(void *arg, uint64_t i)
{
    const struct work *w = arg;
    velocity_of(w->o, &w->items[i]);
    if (w->memory)
        remember(w->o, &w->items[i], &w->memory[i]);
}

static void rehearse(int64_t us)
{
    struct timespec left = { us / 1000000, us % 1000000 * 1000 };
    while (us > 0 && nanosleep(&left, &left) != 0) {
    }
}

static wn_status remembering(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                             wn_memory_item *memory, wn_error *err)
{
    const struct sampler *s = self;
    (void)canvas;
    (void)err;
    struct work work = { s->o, items, memory };
    rehearse(s->o->delay_us);
    if (count > 1 && count * items[0].cond->values >= PARALLEL_VALUES)
        s->host->parallel_for(s->host->ctx, count, velocity_at, &work);
    else
        for (uint64_t i = 0; i < count; i++)
            velocity_at(&work, i);
    return WN_OK;
}

static wn_status velocity(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                          wn_error *err)
{
    return remembering(self, canvas, count, items, NULL, err);
}

static uint64_t memory_bytes(void *self, const wn_canvas *canvas)
{
    const struct options *o = ((const struct sampler *)self)->o;
    return o->memory > 0 ? (canvas->width_px / STRIDE_PX) * (canvas->height_px / STRIDE_PX) * sizeof(float) : 0;
}

static const void *extension(void *self, const char *id)
{
    static const wn_memory memory = { .struct_size = sizeof memory, .bytes = memory_bytes, .velocity = remembering };
    (void)self;
    return strcmp(id, WN_MEMORY) == 0 ? &memory : NULL;
}

/* ---- the rest -------------------------------------------------------------------------------------------------- */

static uint8_t gray(float x0)
{
    const float level = 128 + 32 * x0;
    return (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level + 0.5f);
}

static wn_status decode(void *self, const wn_canvas *canvas, uint64_t count, const float *const *x0, int32_t quality,
                        uint8_t *const *rgb, wn_error *err)
{
    const uint32_t width = canvas->width_px;
    const uint32_t columns = width / STRIDE_PX;
    (void)self;
    (void)quality;
    (void)err;
    for (uint64_t i = 0; i < count; i++)
        for (uint32_t y = 0; y < canvas->height_px; y++)
            for (uint32_t x = 0; x < columns; x++)
                memset(rgb[i] + ((size_t)y * width + (size_t)x * STRIDE_PX) * 3,
                       gray(x0[i][(size_t)(y / STRIDE_PX) * columns + x]), STRIDE_PX * 3);
    return WN_OK;
}

static wn_status schedule(void *self, const wn_canvas *canvas, float *sigma, wn_error *err)
{
    (void)self;
    (void)err;
    for (uint32_t i = 0; i <= canvas->steps; i++)
        sigma[i] = (float)(canvas->steps - i) / (float)canvas->steps;
    return WN_OK;
}

static wn_status describe(void *self, wn_sampler_info *info, wn_error *err)
{
    const struct options *o = ((const struct sampler *)self)->o;
    (void)err;
    info->parametrisation = WN_PARAMETRISATION_FLOW;
    info->flags = WN_SAMPLER_PREVIEW;
    info->latent_channels = 1;
    info->latent_stride_px = STRIDE_PX;
    info->size_multiple_px = STRIDE_PX;
    info->min_size_px = STRIDE_PX;
    info->max_size_px = 4096;
    info->evals_per_velocity = (uint64_t)o->evals_per_velocity;
    info->max_batch = 4096;
    const int length = snprintf(info->model_key, sizeof info->model_key, "analytic-%lld-%a-%a",
                                (long long)o->components, o->radius, o->spread);
    if (o->memory > 0)
        snprintf(info->model_key + length, sizeof info->model_key - (size_t)length, "-%a", o->memory);
    return WN_OK;
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    struct sampler *s = malloc(sizeof *s);
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "no memory for a sampler");
    *s = (struct sampler){ values, host };
    *self = s;
    return WN_OK;
}

static void destroy(void *self)
{
    free(self);
}

static const wn_sampler sampler = {
    .struct_size = sizeof sampler,
    .describe = describe,
    .schedule = schedule,
    .encode = encode,
    .cond_free = cond_free,
    .velocity = velocity,
    .decode = decode,
    .extension = extension,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SAMPLER,
    .name = "analytic",
    .version = "1.0",
    .summary = "mixture of Gaussians with a closed-form velocity, for exact tests of searches",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &sampler,
};

WN_MODULE(&plugin);
