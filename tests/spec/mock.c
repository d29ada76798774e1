/* A module of plugins that do nothing but have every kind of option: what the spec tests are bound to. */
#include <winnow/device.h>
#include <winnow/sampler.h>
#include <winnow/search.h>
#include <winnow/verifier.h>

static wn_status create(const wn_host *host, const void *options, void **self, wn_error *err)
{
    (void)options;
    (void)err;
    *self = host->ctx;
    return WN_OK;
}

static void destroy(void *self)
{
    (void)self;
}

/* ---- sampler ---- */

struct sampler_options {
    const char *model;
    const char *device;
    const char *dtype;
    int64_t text_length;
    int32_t offload;
    uint64_t salt;
    double shift;
    const char *loras;
};

static const wn_option sampler_options[] = {
    WN_PATH(struct sampler_options, model, NULL, "folder of the model"),
    WN_STRING(struct sampler_options, device, "\"cpu\"", "device to run on"),
    WN_ENUM(struct sampler_options, dtype, "\"f32\"", "f32|bf16", "type of the matrix products"),
    WN_INT(struct sampler_options, text_length, "0", 0, 512, "text tokens, 0 = the model's"),
    WN_BOOL(struct sampler_options, offload, "false", "keep weights in host memory"),
    WN_U64(struct sampler_options, salt, "0", "any 64 bits"),
    WN_NUMBER(struct sampler_options, shift, "3.0", 0.1, 10, "schedule shift"),
    WN_JSON(struct sampler_options, loras, "[]", "list of adapters"),
    WN_OPTIONS_END
};

struct canvas_options {
    double guidance;
};

static const wn_option canvas_options[] = {
    WN_NUMBER(struct canvas_options, guidance, "3.5", 0, 30, "guidance strength"), WN_OPTIONS_END
};

static wn_status describe(void *self, wn_sampler_info *info, wn_error *err)
{
    (void)self;
    (void)err;
    info->parametrisation = WN_PARAMETRISATION_FLOW;
    info->latent_channels = 4;
    info->latent_stride_px = 8;
    info->size_multiple_px = 16;
    info->min_size_px = 32;
    info->max_size_px = 512;
    info->evals_per_velocity = 1;
    info->max_batch = 8;
    return WN_OK;
}

static wn_status schedule(void *self, const wn_canvas *canvas, float *sigma, wn_error *err)
{
    (void)self;
    (void)err;
    for (uint32_t i = 0; i <= canvas->steps; i++)
        sigma[i] = 1 - (float)i / (float)canvas->steps;
    return WN_OK;
}

static wn_status encode(void *self, const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma,
                        wn_cond **cond, wn_error *err)
{
    (void)self;
    (void)prompt;
    (void)canvas;
    (void)sigma;
    *cond = NULL;
    return wn_fail(err, WN_E_UNSUPPORTED, "the mock encodes nothing");
}

static void cond_free(void *self, wn_cond *cond)
{
    (void)self;
    (void)cond;
}

static wn_status velocity(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                          wn_error *err)
{
    (void)self;
    (void)canvas;
    (void)count;
    (void)items;
    return wn_fail(err, WN_E_UNSUPPORTED, "the mock has no velocity");
}

static wn_status decode(void *self, const wn_canvas *canvas, uint64_t count, const float *const *x0, int32_t quality,
                        uint8_t *const *rgb, wn_error *err)
{
    (void)self;
    (void)canvas;
    (void)count;
    (void)x0;
    (void)quality;
    (void)rgb;
    return wn_fail(err, WN_E_UNSUPPORTED, "the mock decodes nothing");
}

static const wn_sampler sampler = { .struct_size = sizeof sampler,
                                    .canvas_options = canvas_options,
                                    .canvas_options_size = sizeof(struct canvas_options),
                                    .describe = describe,
                                    .schedule = schedule,
                                    .encode = encode,
                                    .cond_free = cond_free,
                                    .velocity = velocity,
                                    .decode = decode };

static const wn_plugin sampler_plugin = {
    .struct_size = sizeof sampler_plugin, .kind = WN_KIND_SAMPLER, .name = "mock", .version = "1.0",
    .summary = "a sampler that samples nothing", .options = sampler_options,
    .options_size = sizeof(struct sampler_options), .create = create, .destroy = destroy, .vtable = &sampler
};

/* ---- verifiers ---- */

struct score_options {
    double scale;
};

static const wn_option score_options[] = {
    WN_NUMBER(struct score_options, scale, "2.5", 0, 100, "factor"), WN_OPTIONS_END
};

static const wn_metric metrics[] = {
    { "mock", "a number", 0, 1, WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS }
};

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    (void)self;
    (void)request;
    (void)err;
    return WN_OK;
}

static const wn_verifier single = {
    .struct_size = sizeof single, .metrics = metrics, .metric_count = 1, .score = score
};
static const wn_verifier several = { .struct_size = sizeof several, .metrics = metrics, .metric_count = 1,
                                     .min_inputs = 2, .max_inputs = 3, .score = score };

static const wn_plugin score_plugin = {
    .struct_size = sizeof score_plugin, .kind = WN_KIND_VERIFIER, .name = "mockscore", .version = "1.0",
    .summary = "no opinion", .options = score_options, .options_size = sizeof(struct score_options), .create = create,
    .destroy = destroy, .vtable = &single
};
static const wn_plugin several_plugin = {
    .struct_size = sizeof several_plugin, .kind = WN_KIND_VERIFIER, .name = "mocksum", .version = "1.0",
    .summary = "no opinion on the opinions of others", .create = create, .destroy = destroy, .vtable = &several
};

/* ---- searches ---- */

struct search_options {
    int64_t candidates;
    const char *rule;
};

static const wn_option search_options[] = {
    WN_INT(struct search_options, candidates, "16", 1, 1000000, "finished samples"),
    WN_ENUM(struct search_options, rule, "\"best\"", "best|cosine|tournament", "how to choose"),
    WN_OPTIONS_END
};

static void plan(const void *options, uint64_t steps, uint64_t evals, wn_search_plan *p)
{
    const struct search_options *o = options;
    p->candidates = p->verifier_calls = (uint64_t)o->candidates;
    p->nfe = p->candidates * steps * evals;
}

static void plan_endless(const void *options, uint64_t steps, uint64_t evals, wn_search_plan *p)
{
    (void)options;
    (void)steps;
    (void)evals;
    p->candidates = p->verifier_calls = p->nfe = UINT64_MAX;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    (void)self;
    (void)env;
    (void)err;
    return WN_OK;
}

static const wn_search search = { .struct_size = sizeof search, .plan = plan, .run = run };
static const wn_search endless = { .struct_size = sizeof endless, .plan = plan_endless, .run = run };
static const wn_search previewing = { .struct_size = sizeof previewing, .flags = WN_SEARCH_NEEDS_PREVIEW, .plan = plan,
                                      .run = run };

#define SEARCH(variable, plugin_name, search_vtable)                                                                   \
    static const wn_plugin variable = {                                                                                \
        .struct_size = sizeof variable, .kind = WN_KIND_SEARCH, .name = plugin_name, .version = "1.0",                 \
        .summary = "a search that finds nothing", .options = search_options,                                           \
        .options_size = sizeof(struct search_options), .create = create, .destroy = destroy, .vtable = search_vtable   \
    }

SEARCH(search_plugin, "mockrandom", &search);
SEARCH(endless_plugin, "mockendless", &endless);
SEARCH(previewing_plugin, "mockpreview", &previewing);

/* ---- a device, of which there is none ---- */

struct device_options {
    const char *caps;
};

static const wn_option device_options[] = {
    WN_STRING(struct device_options, caps, "\"\"", "what to do without"), WN_OPTIONS_END
};

static uint64_t count_devices(void *driver)
{
    (void)driver;
    return 0;
}

static wn_status no_info(void *driver, uint64_t index, wn_device_info *info, wn_error *err)
{
    (void)driver;
    (void)info;
    return wn_fail(err, WN_E_MISSING, "no device %llu", (unsigned long long)index);
}

static wn_status no_open(void *driver, uint64_t index, wn_device **opened, wn_error *err)
{
    (void)driver;
    (void)opened;
    return wn_fail(err, WN_E_MISSING, "no device %llu", (unsigned long long)index);
}

static void close_none(wn_device *opened)
{
    (void)opened;
}

static wn_status no_program(wn_device *opened, const wn_graph *graph, const wn_compile_options *options,
                            wn_program **program, wn_error *err)
{
    (void)opened;
    (void)graph;
    (void)options;
    (void)program;
    return wn_fail(err, WN_E_UNSUPPORTED, "the mock compiles nothing");
}

static void free_none(wn_program *program)
{
    (void)program;
}

static wn_status no_run(wn_program *program, uint64_t count, const wn_binding *bindings, uint64_t binding_count,
                        wn_error *err)
{
    (void)program;
    (void)count;
    (void)bindings;
    (void)binding_count;
    return wn_fail(err, WN_E_UNSUPPORTED, "the mock runs nothing");
}

static void no_memory(const wn_program *program, uint64_t *activation_bytes, uint64_t *weight_bytes)
{
    (void)program;
    *activation_bytes = *weight_bytes = 0;
}

static uint64_t no_profile(wn_program *program, wn_op_profile *out, uint64_t capacity)
{
    (void)program;
    (void)out;
    (void)capacity;
    return 0;
}

static const wn_device_api device = { .struct_size = sizeof device, .count = count_devices, .info = no_info,
                                      .open = no_open, .close = close_none, .compile = no_program,
                                      .free_program = free_none, .run = no_run, .memory = no_memory,
                                      .profile = no_profile };

static const wn_plugin device_plugin = {
    .struct_size = sizeof device_plugin, .kind = WN_KIND_DEVICE, .name = "mockdevice", .version = "1.0",
    .summary = "a device that is not there", .options = device_options, .options_size = sizeof(struct device_options),
    .create = create, .destroy = destroy, .vtable = &device
};

static const wn_plugin *const plugins[] = { &sampler_plugin, &score_plugin,      &several_plugin, &search_plugin,
                                            &endless_plugin, &previewing_plugin, &device_plugin };

WN_EXPORT extern const wn_module wn_module_v0;
const wn_module wn_module_v0 = { sizeof(wn_module), WN_ABI_MAJOR, WN_ABI_MINOR, plugins, 7 };
