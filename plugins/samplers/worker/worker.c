/* worker.c - a generative model in a program of the user's: what diffusers runs, winnow searches.
 *
 * The program keeps what it encoded (conds) under numbers that are chosen here, so that a process that is started anew
 * can be brought to know what the old one knew: every prompt that is still in use is encoded again. Velocities and
 * pictures are functions of their request, so asking twice changes nothing.
 *
 * velocity and decode may be called at the same time; the one process answers them in turn. */
#include <worker/program.h>

#include <winnow/sampler.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct wn_cond {
    struct wn_cond *next;
    uint64_t number;
    wn_canvas canvas;
    float *sigma; /* [canvas.steps + 1] */
    cJSON *prompt;
};

struct sampler {
    struct wn_program program;
    struct wn_worker *worker;
    wn_sampler_info info;
    pthread_mutex_t mutex; /* guards the worker and the list */
    struct wn_cond *conds;
    uint64_t last_number;
};

/* ---- asking ---- */

static cJSON *request_for(const char *op, const wn_canvas *canvas)
{
    cJSON *message = wn_message_new(op, 0);
    const int shape[3] = { (int)canvas->width_px, (int)canvas->height_px, (int)canvas->steps };
    cJSON_AddItemToObject(message, "canvas", cJSON_CreateIntArray(shape, 3));
    return message;
}

/* Takes the message. */
static wn_status ask(struct sampler *s, struct wn_request r, wn_error *err)
{
    pthread_mutex_lock(&s->mutex);
    const wn_status status = wn_worker_ask(s->worker, &r, err);
    pthread_mutex_unlock(&s->mutex);
    cJSON_Delete(r.message);
    return status;
}

static uint64_t latent_bytes(const struct sampler *s, const wn_canvas *canvas)
{
    return s->info.latent_channels * (canvas->height_px / s->info.latent_stride_px) *
           (canvas->width_px / s->info.latent_stride_px) * sizeof(float);
}

/* Room for one part for each of count items. */
static wn_status make_parts(uint64_t count, struct wn_part **parts, wn_error *err)
{
    *parts = calloc(count, sizeof **parts);
    return *parts ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a batch of %llu", (unsigned long long)count);
}

/* ---- prompts ---- */

static struct wn_request encode_request(const wn_cond *c, cJSON *message, struct wn_part *part)
{
    *part = (struct wn_part){ c->sigma, (c->canvas.steps + 1) * sizeof *c->sigma };
    cJSON_AddNumberToObject(message, "cond", (double)c->number);
    cJSON_AddItemToObject(message, "prompt", cJSON_Duplicate(c->prompt, 1));
    return (struct wn_request){ .message = message, .parts = part, .part_count = 1, .answer = "encoded" };
}

/* Called with the mutex held, in the midst of a request: the new process is told all that the old one was. */
static wn_status encode_again(void *arg, struct wn_worker *worker, wn_error *err)
{
    struct sampler *s = arg;
    for (wn_cond *c = s->conds; c; c = c->next) {
        struct wn_part part;
        const struct wn_request r = encode_request(c, request_for("encode", &c->canvas), &part);
        const wn_status status = wn_worker_ask_once(worker, &r, err);
        cJSON_Delete(r.message);
        if (status != WN_OK)
            return status;
    }
    return WN_OK;
}

static void free_cond(wn_cond *c)
{
    if (!c)
        return;
    cJSON_Delete(c->prompt);
    free(c->sigma);
    free(c);
}

static wn_cond *new_cond(const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma)
{
    wn_cond *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->canvas = *canvas;
    c->sigma = malloc((canvas->steps + 1) * sizeof *c->sigma);
    c->prompt = wn_message_prompt(prompt);
    if (!c->sigma || !c->prompt) {
        free_cond(c);
        return NULL;
    }
    memcpy(c->sigma, sigma, (canvas->steps + 1) * sizeof *sigma);
    return c;
}

static wn_status encode(void *self, const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma,
                        wn_cond **cond, wn_error *err)
{
    struct sampler *s = self;
    struct wn_part part;
    wn_cond *c = new_cond(prompt, canvas, sigma);
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "no memory for a prompt");
    c->number = ++s->last_number;
    const wn_status status = ask(s, encode_request(c, request_for("encode", canvas), &part), err);
    if (status != WN_OK) {
        free_cond(c);
        return status;
    }
    pthread_mutex_lock(&s->mutex);
    c->next = s->conds;
    s->conds = c;
    pthread_mutex_unlock(&s->mutex);
    *cond = c;
    return WN_OK;
}

static void unlink_cond(struct sampler *s, const wn_cond *cond)
{
    for (wn_cond **at = &s->conds; *at; at = &(*at)->next)
        if (*at == cond) {
            *at = cond->next;
            return;
        }
}

/* A process that is gone need not be told, and the next is not told of this prompt. */
static void cond_free(void *self, wn_cond *cond)
{
    struct sampler *s = self;
    wn_error ignored;
    if (!cond)
        return;
    cJSON *message = wn_message_new("forget", 0);
    cJSON_AddNumberToObject(message, "cond", (double)cond->number);
    const struct wn_request r = { .message = message, .answer = "forgotten" };
    pthread_mutex_lock(&s->mutex);
    unlink_cond(s, cond);
    if (wn_worker_is_up(s->worker) && wn_worker_ask_once(s->worker, &r, &ignored) != WN_OK)
        wn_worker_lost(s->worker, UINT64_MAX, &ignored);
    pthread_mutex_unlock(&s->mutex);
    cJSON_Delete(message);
    free_cond(cond);
}

/* ---- the model ---- */

static wn_status schedule(void *self, const wn_canvas *canvas, float *sigma, wn_error *err)
{
    const struct wn_request r = { .message = request_for("schedule", canvas),
                                  .answer = "schedule",
                                  .answer_bytes = (canvas->steps + 1) * sizeof *sigma,
                                  .data = sigma };
    return ask(self, r, err);
}

static void put_items(cJSON *message, uint64_t count, const wn_velocity_item *items)
{
    cJSON *sigmas = cJSON_AddArrayToObject(message, "sigmas"), *conds = cJSON_AddArrayToObject(message, "conds");
    for (uint64_t i = 0; i < count; i++) {
        cJSON_AddItemToArray(sigmas, cJSON_CreateNumber((double)items[i].sigma));
        cJSON_AddItemToArray(conds, cJSON_CreateNumber((double)items[i].cond->number));
    }
}

static wn_status velocity(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                          wn_error *err)
{
    struct sampler *s = self;
    const uint64_t bytes = latent_bytes(s, canvas);
    struct wn_part *parts;
    uint8_t *v = malloc(count * bytes);
    if (!v)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu velocities", (unsigned long long)count);
    wn_status status = make_parts(count, &parts, err);
    for (uint64_t i = 0; status == WN_OK && i < count; i++)
        parts[i] = (struct wn_part){ items[i].x, bytes };
    if (status == WN_OK) {
        cJSON *message = request_for("velocity", canvas);
        put_items(message, count, items);
        status = ask(s, (struct wn_request){ message, parts, count, "velocities", count * bytes, v }, err);
    }
    for (uint64_t i = 0; status == WN_OK && i < count; i++)
        memcpy(items[i].v, v + i * bytes, bytes);
    free(parts);
    free(v);
    return status;
}

static wn_status decode(void *self, const wn_canvas *canvas, uint64_t count, const float *const *x0, int32_t quality,
                        uint8_t *const *rgb, wn_error *err)
{
    struct sampler *s = self;
    const uint64_t bytes = 3 * (uint64_t)canvas->width_px * canvas->height_px;
    struct wn_part *parts;
    uint8_t *pixels = malloc(count * bytes);
    if (!pixels)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu pictures", (unsigned long long)count);
    wn_status status = make_parts(count, &parts, err);
    for (uint64_t i = 0; status == WN_OK && i < count; i++)
        parts[i] = (struct wn_part){ x0[i], latent_bytes(s, canvas) };
    if (status == WN_OK) {
        cJSON *message = request_for("decode", canvas);
        cJSON_AddNumberToObject(message, "count", (double)count);
        cJSON_AddBoolToObject(message, "preview", quality == WN_QUALITY_PREVIEW);
        status = ask(s, (struct wn_request){ message, parts, count, "pictures", count * bytes, pixels }, err);
    }
    for (uint64_t i = 0; status == WN_OK && i < count; i++)
        memcpy(rgb[i], pixels + i * bytes, bytes);
    free(parts);
    free(pixels);
    return status;
}

static wn_status describe(void *self, wn_sampler_info *info, wn_error *err)
{
    const uint64_t size = info->struct_size;
    (void)err;
    *info = ((const struct sampler *)self)->info;
    info->struct_size = size;
    return WN_OK;
}

/* ---- life ---- */

static wn_status read_info(const cJSON *ready, wn_sampler_info *info, wn_error *err)
{
    const char *key;
    int has_preview;
    info->parametrisation = WN_PARAMETRISATION_FLOW;
    WN_TRY(wn_message_bool(ready, "has_preview", 0, &has_preview, err));
    info->flags = has_preview ? WN_SAMPLER_PREVIEW : 0;
    WN_TRY(wn_message_u64(ready, "latent_channels", 0, &info->latent_channels, err));
    WN_TRY(wn_message_u64(ready, "latent_stride_px", 0, &info->latent_stride_px, err));
    WN_TRY(wn_message_u64(ready, "size_multiple_px", 0, &info->size_multiple_px, err));
    WN_TRY(wn_message_u64(ready, "min_size_px", 16, &info->min_size_px, err));
    WN_TRY(wn_message_u64(ready, "max_size_px", 16384, &info->max_size_px, err));
    WN_TRY(wn_message_u64(ready, "evals_per_velocity", 1, &info->evals_per_velocity, err));
    WN_TRY(wn_message_u64(ready, "max_batch", 64, &info->max_batch, err));
    WN_TRY(wn_message_u64(ready, "usual_size_px", 0, &info->usual_size_px, err));
    WN_TRY(wn_message_u64(ready, "usual_steps", 0, &info->usual_steps, err));
    WN_TRY(wn_message_text(ready, "model_key", "", &key, err));
    if (!*key || strlen(key) >= sizeof info->model_key)
        return wn_fail(err, WN_E_FORMAT, "its model_key has %llu characters; 1 to %llu are possible",
                       (unsigned long long)strlen(key), (unsigned long long)sizeof info->model_key - 1);
    if (!info->latent_stride_px || info->latent_channels > 65536 || info->latent_stride_px > 65536 ||
        info->size_multiple_px % info->latent_stride_px)
        return wn_fail(err, WN_E_FORMAT,
                       "latents of %llu channels, one position for %llu px, and sizes that are multiples of %llu px do "
                       "not go together",
                       (unsigned long long)info->latent_channels, (unsigned long long)info->latent_stride_px,
                       (unsigned long long)info->size_multiple_px);
    snprintf(info->model_key, sizeof info->model_key, "%s", key);
    return WN_OK;
}

static void destroy(void *self)
{
    struct sampler *s = self;
    if (!s)
        return;
    wn_worker_stop(s->worker);
    wn_program_free(&s->program);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

static wn_status create(const wn_host *host, const void *options, void **self, wn_error *err)
{
    struct sampler *s = calloc(1, sizeof *s);
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    pthread_mutex_init(&s->mutex, NULL);
    wn_status status = wn_program_init(&s->program, host, options, "sampler", err);
    s->program.setup.restarted = encode_again;
    s->program.setup.arg = s;
    if (status == WN_OK)
        status = wn_worker_start(&s->program.setup, &s->worker, err);
    if (status == WN_OK)
        status = read_info(wn_worker_ready(s->worker), &s->info, err);
    if (status != WN_OK) {
        destroy(s);
        return status;
    }
    *self = s;
    return WN_OK;
}

static const wn_sampler sampler = {
    .struct_size = sizeof sampler,
    .describe = describe,
    .schedule = schedule,
    .encode = encode,
    .cond_free = cond_free,
    .velocity = velocity,
    .decode = decode,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_SAMPLER,
    .name = "worker",
    .version = "1.0",
    .summary = "a model in a program of yours (any diffusers flow pipeline), in a process of its own",
    .source = "",
    .options = wn_program_table,
    .options_size = sizeof(struct wn_program_options),
    .create = create,
    .destroy = destroy,
    .vtable = &sampler,
};

WN_MODULE(&plugin);
