/* The walk is the engine's, of one move, in a plain loop: no batch, no search, no ledger. */
#include "cli/paint.h"

#include "base/clock.h"
#include "base/json_text.h"
#include "engine/identity.h"
#include "engine/solver.h"
#include "engine/start.h"
#include "ledger/recipe.h"
#include "weights/safetensors.h"

#include <stdlib.h>
#include <string.h>

static const wn_sampler *vtable(const struct paint *p)
{
    return p->instance->use->plugin->vtable;
}

/* ---- room ---- */

static wn_status measure(struct paint *p, wn_error *err)
{
    const wn_canvas *canvas = &p->spec->canvas;
    p->info.struct_size = sizeof p->info;
    WN_TRY(vtable(p)->describe(p->instance->self, &p->info, err));
    p->height = canvas->height_px / p->info.latent_stride_px;
    p->width = canvas->width_px / p->info.latent_stride_px;
    if (__builtin_mul_overflow(p->height * p->width, p->info.latent_channels, &p->values) || p->values > 1u << 30)
        return wn_fail(err, WN_E_MEMORY, "a latent of %llu x %llu x %llu values is too large",
                       (unsigned long long)p->info.latent_channels, (unsigned long long)p->height,
                       (unsigned long long)p->width);
    return WN_OK;
}

static struct solver solver_of(const struct paint *p)
{
    return (struct solver){
        .method = (enum spec_solver)p->spec->solver,
        .sigma = p->sigma,
        .steps = p->spec->canvas.steps,
        .values = p->values,
        .start = p->start,
    };
}

wn_status paint_begin(struct paint *p, wn_error *err)
{
    const wn_canvas *canvas = &p->spec->canvas;
    WN_TRY(measure(p, err));
    const struct solver solver = solver_of(p);
    p->calls = solver_velocities(&solver, 0, solver.steps);
    p->sigma = calloc(canvas->steps + 1, sizeof *p->sigma);
    p->noise = calloc(p->values, sizeof *p->noise);
    p->x = calloc(p->values, sizeof *p->x);
    p->velocity = calloc(p->keep_velocity ? p->calls : 1, p->values * sizeof *p->velocity);
    p->rgb = calloc((size_t)canvas->height_px * canvas->width_px, 3);
    if (!p->sigma || !p->noise || !p->x || !p->velocity || !p->rgb)
        return wn_fail(err, WN_E_MEMORY, "no memory for a picture of %u x %u px", canvas->width_px, canvas->height_px);
    WN_TRY(velocities_open(vtable(p), p->instance->self, 1, &p->velocities, err));
    WN_TRY(start_schedule(p->spec, p->instance->self, p->sigma, err));
    return start_latent(p->spec, p->instance->self, p->values, &p->start, err);
}

void paint_end(struct paint *p)
{
    free(p->sigma);
    free(p->start);
    free(p->noise);
    free(p->x);
    free(p->velocity);
    free(p->rgb);
    velocities_close(&p->velocities);
}

/* ---- noise ---- */

static struct noise_source source(const struct paint *p)
{
    return (struct noise_source){ .mode = (enum spec_noise)p->spec->noise, .seed = p->spec->seed, .aux_seed = p->spec->seed };
}

void paint_draw_noise(struct paint *p, uint64_t stream)
{
    const struct noise_source s = source(p);
    noise_source_fill(&s, stream, p->noise, p->values);
}

static wn_status wrong_shape(const struct paint *p, const char *path, const nn_tensor *t, wn_error *err)
{
    char shape[NN_MAX_RANK * 24] = "";
    size_t n = 0;
    for (uint32_t i = 0; i < t->rank; i++)
        n += (size_t)snprintf(shape + n, sizeof shape - n, "%s%llu", i ? ", " : "", (unsigned long long)t->shape[i]);
    return wn_fail(err, WN_E_ARG, "%s: tensor \"noise\" is [%s], this canvas takes [%llu, %llu, %llu]", path, shape,
                   (unsigned long long)p->info.latent_channels, (unsigned long long)p->height,
                   (unsigned long long)p->width);
}

static wn_status take_noise(struct paint *p, const char *path, const nn_tensor *t, wn_error *err)
{
    const uint64_t want[3] = { p->info.latent_channels, p->height, p->width };
    if (!t)
        return wn_fail(err, WN_E_MISSING, "%s has no tensor \"noise\"", path);
    if (t->dtype != WN_F32)
        return wn_fail(err, WN_E_FORMAT, "%s: tensor \"noise\" is %s, must be F32", path, nn_dtype_name(t->dtype));
    uint32_t skip = t->rank == 4 && t->shape[0] == 1 ? 1 : 0;
    if (t->rank - skip != 3 || memcmp(t->shape + skip, want, sizeof want) != 0)
        return wrong_shape(p, path, t, err);
    memcpy(p->noise, t->data, p->values * sizeof *p->noise);
    return WN_OK;
}

wn_status paint_read_noise(struct paint *p, const char *path, wn_error *err)
{
    nn_safetensors *file;
    WN_TRY(nn_safetensors_open(path, &file, err));
    wn_status status = take_noise(p, path, nn_safetensors_find(file, "noise"), err);
    nn_safetensors_close(file);
    return status;
}

/* ---- the walk ---- */

static void show(const struct paint *p, uint32_t done, double seconds)
{
    char what[100];
    uint32_t steps = p->spec->canvas.steps;
    double left = done ? seconds / done * (steps - done) : 0;
    snprintf(what, sizeof what, "step %u of %u, %.2f steps/s, %.0f s left,", done, steps, done ? done / seconds : 0,
             left);
    if (p->process->progress)
        p->process->progress(p->process->progress_arg, done, steps, what);
}

static wn_status ask(struct paint *p, const wn_cond *cond, struct walk *w, float sigma, float *v, wn_error *err)
{
    const wn_velocity_item item = { .x = w->x, .v = v, .cond = cond, .sigma = sigma };
    if (atomic_load(&p->process->cancelled))
        return wn_fail(err, WN_E_CANCELLED, "interrupted at step %u of %u; nothing was written", w->point,
                       p->spec->canvas.steps);
    return velocities_ask(&p->velocities, &p->spec->canvas, 1, &item, &w, NULL, err);
}

static wn_status advance(struct paint *p, const wn_cond *cond, struct walk *w, wn_error *err)
{
    const double start = clock_seconds();
    const struct solver solver = solver_of(p);
    const struct noise_source unused = { 0 }; /* steps alone draw none */
    float sigma;
    for (uint64_t i = 0; solver_wants(&solver, &unused, w, false, NULL, &sigma); i++) {
        float *v = p->keep_velocity ? p->velocity + i * p->values : p->velocity;
        WN_TRY(ask(p, cond, w, sigma, v, err));
        solver_take(&solver, &unused, w, v, NULL);
        show(p, w->point, clock_seconds() - start);
    }
    return WN_OK;
}

static wn_status walk(struct paint *p, const wn_cond *cond, wn_error *err)
{
    struct walk w = { 0 };
    wn_status status = walk_append(&w, (struct move){ .kind = MOVE_ADVANCE, .point = p->spec->canvas.steps }, err);
    const struct solver solver = solver_of(p);
    solver_begin(&solver, p->noise, p->x);
    w.x = p->x;
    w.v = calloc(p->values, sizeof *w.v);
    if (status == WN_OK && !w.v)
        status = wn_fail(err, WN_E_MEMORY, "no memory for a velocity of %llu values", (unsigned long long)p->values);
    if (status == WN_OK)
        status = advance(p, cond, &w, err);
    w.x = NULL; /* the picture's */
    walk_finish(&w);
    return status;
}

static wn_status decode(const struct paint *p, wn_error *err)
{
    const float *x0 = p->x;
    uint8_t *rgb = p->rgb;
    return vtable(p)->decode(p->instance->self, &p->spec->canvas, 1, &x0, WN_QUALITY_FULL, &rgb, err);
}

wn_status paint_run(struct paint *p, wn_error *err)
{
    wn_cond *cond = NULL;
    WN_TRY(vtable(p)->encode(p->instance->self, p->prompt, &p->spec->canvas, p->sigma, &cond, err));
    wn_status status = walk(p, cond, err);
    if (status == WN_OK)
        status = decode(p, err);
    vtable(p)->cond_free(p->instance->self, cond);
    return status;
}

/* ---- what is kept ---- */

static nn_tensor f32_tensor(const char *name, const float *data, uint32_t rank, const uint64_t *shape)
{
    nn_tensor t = { .name = name, .dtype = WN_F32, .rank = rank, .bytes = sizeof *data, .data = data };
    for (uint32_t i = 0; i < rank; i++) {
        t.shape[i] = shape[i];
        t.bytes *= shape[i];
    }
    return t;
}

wn_status paint_save(const struct paint *p, const char *path, const char *name, const float *tensor, wn_error *err)
{
    const uint64_t shape[3] = { p->info.latent_channels, p->height, p->width };
    const nn_tensor t = f32_tensor(name, tensor, 3, shape);
    return nn_safetensors_write(path, &t, 1, NULL, 0, err);
}

wn_status paint_save_velocity(const struct paint *p, const char *path, wn_error *err)
{
    const uint64_t points = p->spec->canvas.steps + 1ull;
    const uint64_t shape[4] = { p->calls, p->info.latent_channels, p->height, p->width };
    const nn_tensor tensors[2] = { f32_tensor("sigma", p->sigma, 1, &points),
                                   f32_tensor("velocity", p->velocity, 4, shape) };
    return nn_safetensors_write(path, tensors, 2, NULL, 0, err);
}

/* The lineage as the engine writes it, or the file that the noise came from. */
static void put_lineage(const struct paint *p, const struct identity *noise, const char *noise_file, uint64_t stream,
                        struct buffer *out)
{
    struct json_text j = json_begin(out, 0);
    json_object(&j);
    json_key(&j, "noise"), json_string(&j, noise->text);
    if (noise_file)
        json_key(&j, "file"), json_string(&j, noise_file);
    else
        json_key(&j, "seed"), json_u64(&j, p->spec->seed), json_key(&j, "stream"), json_u64(&j, stream);
    json_key(&j, "moves"), json_array(&j), json_object(&j);
    json_key(&j, "advance"), json_u64(&j, p->spec->canvas.steps);
    json_end(&j), json_end(&j), json_end(&j);
}

static struct ledger_candidate candidate(const struct paint *p, const struct identity *noise)
{
    const uint32_t steps = p->spec->canvas.steps;
    const struct noise_source s = source(p);
    const struct move advance = { .kind = MOVE_ADVANCE, .point = steps };
    const struct identity context =
        identity_context(p->spec, p->info.model_key, vtable(p)->canvas_options, p->sigma, p->prompt->text);
    const struct identity id = identity_candidate(&context, noise, &s, 1, &advance);
    struct ledger_candidate c = {
        .ordinal = 1, .point = steps, .finished = true, .nfe = p->calls * p->info.evals_per_velocity
    };
    memcpy(c.id, id.text, sizeof c.id);
    return c;
}

wn_status paint_png(const struct paint *p, const char *noise_file, uint64_t stream, struct buffer *png, wn_error *err)
{
    const struct identity noise = identity_noise(p->noise, p->values);
    struct buffer lineage = BUFFER_INIT(1 << 16);
    struct ledger_candidate c = candidate(p, &noise);
    put_lineage(p, &noise, noise_file, stream, &lineage);
    c.lineage = buffer_string(&lineage);
    const struct recipe recipe = { p->spec, p->prompt, p->info.model_key, &c };
    const wn_image image = { p->spec->canvas.width_px, p->spec->canvas.height_px, p->rgb };
    wn_status status = buffer_status(&lineage, "a lineage", err);
    if (status == WN_OK)
        status = recipe_png(&recipe, &image, png, err);
    buffer_free(&lineage);
    return status;
}
