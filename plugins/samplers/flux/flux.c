/* flux.c - FLUX.1 as a sampler: any size of the architecture, from diffusers folders and single files.
 *
 * A prompt is encoded once: CLIP, T5, the embedded text and the modulation of every sigma of its schedule. A velocity
 * is then one program run for the whole batch. The scalars sigma and guidance enter in float32; the reference pipeline
 * in bfloat16 rounds them (1000 sigma to multiples of 4), which gives visibly different pictures for the same noise.
 */
#include "flux.h"

#include <stdlib.h>
#include <string.h>

enum { MIN_PX = 16, MAX_PX = 8192, MAX_TEXT = 4096 };

static const wn_option options[] = {
    WN_PATH(struct flux_options, model, NULL,
            "A diffusers pipeline folder, or a transformer (folder or file) with the other parts named below."),
    WN_PATH(struct flux_options, transformer, "\"\"", "Transformer to use instead of the model's own."),
    WN_PATH(struct flux_options, vae, "\"\"", "Autoencoder to use instead of the model's own."),
    WN_PATH(struct flux_options, text_encoder, "\"\"", "CLIP text encoder to use instead of the model's own."),
    WN_PATH(struct flux_options, text_encoder_2, "\"\"", "T5 encoder to use instead of the model's own."),
    WN_PATH(struct flux_options, tokenizer, "\"\"", "Folder of CLIP's vocab.json and merges.txt."),
    WN_PATH(struct flux_options, tokenizer_2, "\"\"", "Folder of T5's spiece.model."),
    WN_PATH(struct flux_options, scheduler, "\"\"", "Folder of scheduler_config.json."),
    WN_PATH(struct flux_options, preview, "\"vae\"", "Decoder of previews: vae, or the path of a TAEF1."),
    WN_STRING(struct flux_options, device, "\"cpu\"",
              "Device that computes: cpu, vulkan, vulkan:0, ... Several of one kind, as in vulkan:0,vulkan:1, share a "
              "batch."),
    WN_ENUM(struct flux_options, dtype, "\"f32\"", "f32|bf16|f16",
            "Type of the matrix products; sums are float32. f16 is the transformer's alone."),
    WN_ENUM(struct flux_options, encoders, "\"auto\"", "auto|keep|release|swap",
            "Keep the text encoders in memory, release them when prompts are encoded, or release the transformer too "
            "while they work; auto keeps them where all fits."),
    WN_ENUM(struct flux_options, decode, "\"auto\"", "auto|whole|tiles",
            "tiles: the autoencoder makes its last level in bands, with statistics over the whole picture. Half the "
            "memory, a third more work, and the same picture to the last bit. auto: where the whole takes over 4 GiB."),
    WN_JSON(struct flux_options, loras, "[]",
            "LoRAs merged into the weights: paths, or objects with a path and a scale (default 1)."),
    WN_INT(struct flux_options, text_length, "0", 0, MAX_TEXT,
           "Tokens of T5, padding included; 0 = the tokenizer's model_max_length. Another length, another image."),
    WN_INT(struct flux_options, batch, "16", 1, 256, "Most images in one network evaluation."),
    WN_ENUM(struct flux_options, reuse, "\"off\"", "off|first_block|steps",
            "Skip all blocks but the first and add what they added at an earlier step of the sample: where the first "
            "block does nearly the same as then (first_block), or at every step but each n-th (steps). Approximate."),
    WN_NUMBER(struct flux_options, reuse_threshold, "0.1", 0, 10,
              "first_block: the relative difference of the first block's residuals below which the rest is skipped."),
    WN_INT(struct flux_options, reuse_every, "2", 1, 1000, "steps: each so many-th step is computed in full."),
    WN_NUMBER(struct flux_options, reuse_from, "1", 0, 1,
              "The highest noise level sigma at which anything is skipped."),
    WN_NUMBER(struct flux_options, reuse_to, "0", 0, 1, "The lowest."),
    WN_OPTIONS_END
};

static const wn_option canvas_options[] = {
    WN_NUMBER(struct flux_canvas_options, guidance, "-1", -1, 1000,
              "Distilled guidance; -1 = 3.5 where the model has it. An error for models without (schnell)."),
    WN_OPTIONS_END
};

/* ---- life --------------------------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    struct flux *f = self;
    if (!f)
        return;
    text_release(f);
    conditioning_release(f);
    velocity_end(f);
    for (int i = 0; i < PROGRAM_SIZES; i++)
        nn_program_end(&f->decoder[i].program);
    models_close(f);
    free(f->pictures);
    free(f);
}

static wn_status read_models(struct flux *f, wn_error *err)
{
    const struct flux_parts *p = &f->parts;
    const char *scheduler = p->path[PART_SCHEDULER];
    WN_TRY(nn_flux_read(p->path[PART_TRANSFORMER], p->weights[PART_TRANSFORMER], &f->flux, err));
    WN_TRY(nn_vae_read(p->path[PART_VAE], p->weights[PART_VAE], &f->vae, err));
    WN_TRY(nn_clip_text_read(p->path[PART_TEXT_ENCODER], p->weights[PART_TEXT_ENCODER], &f->clip, err));
    WN_TRY(loras_merge(f, err));
    WN_TRY(nn_t5_read(p->path[PART_TEXT_ENCODER_2], p->weights[PART_TEXT_ENCODER_2], &f->t5, err));
    WN_TRY(nn_clip_bpe_open(p->path[PART_TOKENIZER], &f->clip_tokenizer, err));
    WN_TRY(nn_t5_spm_open(p->path[PART_TOKENIZER_2], &f->t5_tokenizer, err));
    if (p->weights[PART_PREVIEW])
        WN_TRY(nn_taef1_read(p->weights[PART_PREVIEW], &f->taef1, err));
    f->schedule = schedule_default(f->flux.has_guidance);
    return *scheduler ? schedule_read(scheduler, &f->schedule, err) : WN_OK;
}

static wn_status check_graph(nn_graph *g, wn_error *err)
{
    const wn_status status = nn_graph_status(g, err);
    nn_graph_free(g);
    return status;
}

/* Whether every tensor is there and has its shape: said now, not when the first prompt is under way. */
static wn_status check_tensors(const struct flux *f, wn_error *err)
{
    nn_weights *const *w = f->parts.weights;
    WN_TRY(check_graph(nn_flux_velocity_graph(&f->flux, w[PART_TRANSFORMER], 1, 1, 1), err));
    WN_TRY(check_graph(nn_flux_conditioning_graph(&f->flux, w[PART_TRANSFORMER], 1), err));
    WN_TRY(check_graph(nn_flux_context_graph(&f->flux, w[PART_TRANSFORMER], 1), err));
    WN_TRY(check_graph(nn_clip_text_graph(&f->clip, w[PART_TEXT_ENCODER], 1, 0), err));
    WN_TRY(check_graph(nn_t5_graph(&f->t5, w[PART_TEXT_ENCODER_2], 1), err));
    return check_graph(nn_vae_decoder_graph(&f->vae, w[PART_VAE], 1, 1, NULL), err);
}

static wn_status mismatch(const char *what, uint64_t a, const char *other, uint64_t b, wn_error *err)
{
    return wn_fail(err, WN_E_FORMAT, "the parts do not belong together: %s %llu, %s %llu", what, (unsigned long long)a,
                   other, (unsigned long long)b);
}

static wn_status check_fit(const struct flux *f, wn_error *err)
{
    const uint64_t features = 4 * f->vae.latent_channels;
    if (f->flux.in_channels != features || f->flux.out_channels != features)
        return mismatch("the transformer takes token features", f->flux.in_channels, "four latent channels are",
                        features, err);
    if (f->flux.text_width != f->t5.width)
        return mismatch("the transformer takes text of width", f->flux.text_width, "T5 gives", f->t5.width, err);
    if (f->flux.pooled_width != f->clip.shape.width)
        return mismatch("the transformer takes pooled text of width", f->flux.pooled_width, "CLIP gives",
                        f->clip.shape.width, err);
    if (f->parts.weights[PART_PREVIEW] &&
        (f->taef1.latent_channels != f->vae.latent_channels || nn_vae_stride(&f->vae) != 8))
        return mismatch("the preview decoder has latent channels", f->taef1.latent_channels, "the autoencoder",
                        f->vae.latent_channels, err);
    return WN_OK;
}

static uint64_t elements(const nn_weights *w)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < nn_weights_count(w); i++) {
        const nn_tensor *t = nn_weights_at(w, i);
        uint64_t n = 1;
        for (uint32_t d = 0; d < t->rank; d++)
            n *= t->shape[d];
        sum += n;
    }
    return sum;
}

/* Whether encoders and transformer together would take more than 60 % of the memory of the device that has both. */
static wn_status is_memory_short(const struct flux *f, bool *is_short, wn_error *err)
{
    wn_device_info info = { .struct_size = sizeof info };
    WN_TRY(f->host->device_info(f->host->ctx, f->device.device, &info, err));
    const uint64_t size = f->velocity_dtype == WN_F32 ? 4 : 2;
    const uint64_t bytes =
        size * (elements(f->parts.weights[PART_TRANSFORMER]) + elements(f->parts.weights[PART_TEXT_ENCODER_2]));
    *is_short = bytes / 6 > info.memory_bytes / 10;
    return WN_OK;
}

static wn_status open_runner(struct flux *f, const char *name, size_t length, wn_error *err)
{
    struct runner *r = &f->runner[f->runner_count];
    struct wn_device *device;
    const struct wn_device_api *api;
    if (f->runner_count == RUNNERS || length == 0 || length >= sizeof r->name)
        return wn_fail(err, WN_E_ARG, "device \"%s\": expected a name, or up to %d names with commas between",
                       f->options->device, RUNNERS);
    memcpy(r->name, name, length);
    r->name[length] = '\0';
    WN_TRY(f->host->open_device(f->host->ctx, r->name, &api, &device, err));
    r->device = (nn_device){ api, device };
    f->runner_count++;
    return WN_OK;
}

void take_dtype(struct flux *f, const char *name)
{
    f->velocity_dtype = strcmp(name, "bf16") == 0 ? WN_BF16 : strcmp(name, "f16") == 0 ? WN_F16 : WN_F32;
    f->dtype = f->velocity_dtype == WN_F16 ? WN_F32 : f->velocity_dtype;
}

static wn_status open_devices(struct flux *f, wn_error *err)
{
    for (const char *name = f->options->device;; name++) {
        const size_t length = strcspn(name, ",");
        WN_TRY(open_runner(f, name, length, err));
        name += length;
        if (*name == '\0')
            break;
    }
    f->device = f->runner[0].device;
    take_dtype(f, f->options->dtype);
    return WN_OK;
}

wn_status models_open(struct flux *f, wn_error *err)
{
    WN_TRY(parts_open(f, err));
    WN_TRY(read_models(f, err));
    parts_tell_tokenizers(f);
    WN_TRY(check_fit(f, err));
    WN_TRY(check_tensors(f, err));
    WN_TRY(reuse_check(f, err));
    f->text_length = (uint64_t)f->options->text_length;
    if (f->text_length == 0)
        f->text_length = nn_t5_spm_max_length(f->t5_tokenizer);
    if (f->text_length > MAX_TEXT)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s: model_max_length is %llu, at most %d can be; set text_length",
                       f->parts.path[PART_TOKENIZER_2], (unsigned long long)f->text_length, MAX_TEXT);
    return WN_OK;
}

void models_close(struct flux *f)
{
    nn_clip_bpe_close(f->clip_tokenizer);
    nn_t5_spm_close(f->t5_tokenizer);
    loras_close(&f->loras);
    parts_close(&f->parts);
}

static wn_status prepare(struct flux *f, wn_error *err)
{
    WN_TRY(open_devices(f, err));
    WN_TRY(models_open(f, err));
    f->swap_transformer = strcmp(f->options->encoders, "swap") == 0;
    f->release_encoders = f->swap_transformer || strcmp(f->options->encoders, "release") == 0;
    if (strcmp(f->options->encoders, "auto") == 0)
        WN_TRY(is_memory_short(f, &f->release_encoders, err));
    if (f->release_encoders)
        f->host->log(f->host->ctx, WN_LOG_INFO,
                     "flux: the text encoders are released when the prompts that wait are encoded");
    WN_TRY(velocity_plan(f, err));
    return model_key(f, err);
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct flux *f = calloc(1, sizeof *f);
    if (!f)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    f->host = host;
    f->options = given;
    const wn_status status = prepare(f, err);
    if (status != WN_OK)
        destroy(f);
    else
        *self = f;
    return status;
}

/* ---- the sampler -------------------------------------------------------------------------------------------- */

static wn_status describe(void *self, wn_sampler_info *info, wn_error *err)
{
    const struct flux *f = self;
    (void)err;
    info->parametrisation = WN_PARAMETRISATION_FLOW;
    info->flags = WN_SAMPLER_PREVIEW;
    info->latent_channels = f->vae.latent_channels;
    info->latent_stride_px = nn_vae_stride(&f->vae);
    info->size_multiple_px = 2 * nn_vae_stride(&f->vae);
    info->min_size_px = MIN_PX;
    info->max_size_px = MAX_PX;
    info->evals_per_velocity = 1;
    info->max_batch = (uint64_t)f->options->batch * f->runner_count;
    snprintf(info->model_key, sizeof info->model_key, "%s", f->model_key);
    info->usual_size_px = f->vae.sample_px - f->vae.sample_px % info->size_multiple_px;
    info->usual_steps = f->schedule.is_dynamic ? 28 : 4; /* FluxPipeline's default; schnell is distilled to few steps */
    return WN_OK;
}

static wn_status check_side(const struct flux *f, const char *what, uint32_t px, wn_error *err)
{
    const uint32_t multiple = (uint32_t)(2 * nn_vae_stride(&f->vae));
    if (px < MIN_PX || px > MAX_PX)
        return wn_fail(err, WN_E_ARG, "%s %u is outside %d..%d", what, px, MIN_PX, MAX_PX);
    if (px % multiple)
        return wn_fail(err, WN_E_ARG, "%s %u is not a multiple of %u; %u is", what, px, multiple,
                       px < multiple ? multiple : px - px % multiple);
    return WN_OK;
}

/* The guidance that enters the network; unused by models without. */
static wn_status check_canvas(const struct flux *f, const wn_canvas *canvas, float *guidance, wn_error *err)
{
    const struct flux_canvas_options *extra = canvas->extra;
    WN_TRY(check_side(f, "width", canvas->width_px, err));
    WN_TRY(check_side(f, "height", canvas->height_px, err));
    if (canvas->steps == 0)
        return wn_fail(err, WN_E_ARG, "steps is 0; at least 1 is needed");
    *guidance = 3.5f;
    if (!extra || extra->guidance < 0)
        return WN_OK;
    if (!f->flux.has_guidance)
        return wn_fail(err, WN_E_ARG, "guidance %g was given, but %s has no guidance embedding; remove it",
                       extra->guidance, f->parts.path[PART_TRANSFORMER]);
    *guidance = (float)extra->guidance;
    return WN_OK;
}

static wn_status schedule(void *self, const wn_canvas *canvas, float *sigma, wn_error *err)
{
    const struct flux *f = self;
    const uint64_t patch_px = 2 * nn_vae_stride(&f->vae);
    float guidance;
    WN_TRY(check_canvas(f, canvas, &guidance, err));
    schedule_fill(&f->schedule, (canvas->width_px / patch_px) * (canvas->height_px / patch_px), canvas->steps, sigma);
    return WN_OK;
}

static void cond_free(void *self, wn_cond *cond)
{
    struct flux *f = self;
    for (wn_cond **at = &f->conds; *at; at = &(*at)->next)
        if (*at == cond) {
            *at = cond->next;
            break;
        }
    cond_end(cond);
}

static wn_status encode(void *self, const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma,
                        wn_cond **cond, wn_error *err)
{
    struct flux *f = self;
    wn_cond *c = calloc(1, sizeof *c);
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "out of memory for a prompt");
    wn_status status = check_canvas(f, canvas, &c->guidance, err);
    if (f->swap_transformer)
        velocity_release(f);
    if (status == WN_OK)
        status = text_encode(f, prompt, c, err);
    if (status == WN_OK)
        status = conditioning_begin(f, c, canvas->steps, sigma, err);
    if (status == WN_OK && !f->release_encoders)
        status = conditioning_schedule(f, c, err);
    if (status != WN_OK) {
        cond_end(c);
        return status;
    }
    c->next = f->conds;
    f->conds = c;
    *cond = c;
    return WN_OK;
}

static wn_status velocity(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                          wn_error *err)
{
    return velocity_run(self, canvas, count, items, NULL, err);
}

static wn_status velocity_remembering(void *self, const wn_canvas *canvas, uint64_t count,
                                      const wn_velocity_item *items, wn_memory_item *memory, wn_error *err)
{
    return velocity_run(self, canvas, count, items, memory, err);
}

static uint64_t memory_bytes(void *self, const wn_canvas *canvas)
{
    const struct flux *f = self;
    const uint64_t stride = nn_vae_stride(&f->vae);
    return reuse_bytes(f, canvas->height_px / stride, canvas->width_px / stride);
}

static wn_status decode(void *self, const wn_canvas *canvas, uint64_t count, const float *const *x0, int32_t quality,
                        uint8_t *const *rgb, wn_error *err)
{
    return decode_run(self, canvas, count, x0, quality, rgb, err);
}

static const void *extension(void *self, const char *id)
{
    static const wn_image_to_latent image_to_latent = { .struct_size = sizeof image_to_latent, .encode = encode_image };
    static const wn_memory memory = { .struct_size = sizeof memory,
                                      .bytes = memory_bytes,
                                      .velocity = velocity_remembering };
    (void)self;
    if (strcmp(id, WN_WORKLOAD_1) == 0)
        return &workload;
    if (strcmp(id, WN_MEMORY) == 0)
        return &memory;
    return strcmp(id, WN_IMAGE_TO_LATENT) == 0 ? &image_to_latent : NULL;
}

static const wn_sampler sampler = {
    .struct_size = sizeof sampler,
    .canvas_options = canvas_options,
    .canvas_options_size = sizeof(struct flux_canvas_options),
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
    .name = "flux",
    .version = "1.0",
    .summary = "FLUX.1 of any size, from diffusers folders and single files.",
    .source = "Black Forest Labs 2024, https://github.com/black-forest-labs/flux",
    .options = options,
    .options_size = sizeof(struct flux_options),
    .create = create,
    .destroy = destroy,
    .vtable = &sampler,
};

WN_MODULE(&plugin);
