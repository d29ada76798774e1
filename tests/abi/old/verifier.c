/* A verifier of the old days: the mean of red, times an option; by itself, or by a graph of one operation on a device.
 */
#include <winnow/device.h>
#include <winnow/verifier.h>

#include <stdlib.h>

struct options {
    double weight;
    const char *device;
};

static const wn_option options[] = { WN_NUMBER(struct options, weight, "1", 0, 100, "factor"),
                                     WN_STRING(struct options, device, "\"\"", "device that multiplies; empty: none"),
                                     WN_OPTIONS_END };

struct verifier {
    const struct options *o;
    const struct wn_device_api *api;
    wn_program *program; /* NULL without a device */
};

static wn_status compile(struct verifier *v, struct wn_device *device, wn_error *err)
{
    const wn_tensor tensors[] = {
        { .name = "mean", .role = WN_ROLE_INPUT, .dtype = WN_F32, .rows = 1, .cols = 1, .base = WN_NONE },
        { .name = "score", .role = WN_ROLE_OUTPUT, .dtype = WN_F32, .rows = 1, .cols = 1, .base = WN_NONE }
    };
    const wn_op op = { .kind = WN_OP_UNARY,
                       .activation = WN_ACT_NONE,
                       .in = { 0, WN_NONE, WN_NONE, WN_NONE },
                       .weight = { WN_NONE, WN_NONE },
                       .out = 1,
                       .f = { (float)v->o->weight, 0, 1, 0 } };
    const wn_graph graph = { sizeof graph, "old", tensors, 2, NULL, 0, &op, 1 };
    const wn_compile_options how = { sizeof how, WN_F32, 1 };
    return v->api->compile(device, &graph, &how, &v->program, err);
}

static void destroy(void *self)
{
    struct verifier *v = self;
    if (v && v->program)
        v->api->free_program(v->program);
    free(v);
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    struct wn_device *device;
    struct verifier *v = calloc(1, sizeof *v);
    if (!v)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    v->o = values;
    wn_status status = WN_OK;
    if (*v->o->device)
        status = host->open_device(host->ctx, v->o->device, &v->api, &device, err);
    if (status == WN_OK && *v->o->device)
        status = compile(v, device, err);
    if (status == WN_OK)
        *self = v;
    else
        destroy(v);
    return status;
}

static double mean_of_red(const wn_image *image)
{
    const uint64_t n = (uint64_t)image->width_px * image->height_px;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += image->rgb[3 * i];
    return (double)sum / (double)n;
}

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    const struct verifier *v = self;
    for (uint64_t i = 0; i < request->count; i++) {
        float in = (float)mean_of_red(&request->images[i]), out = 0;
        const wn_binding bindings[] = { { 0, 0, &in }, { 1, 0, &out } };
        if (v->program)
            WN_TRY(v->api->run(v->program, 1, bindings, 2, err));
        request->scores[i] = v->program ? (double)out : v->o->weight * (double)in;
    }
    return WN_OK;
}

static const wn_metric metrics[] = { { "red", "mean of red", 0, 255, WN_METRIC_HIGHER_IS_BETTER } };
static const wn_verifier verifier = {
    .struct_size = sizeof verifier, .metrics = metrics, .metric_count = 1, .score = score
};
static const wn_plugin plugin = { .struct_size = sizeof plugin,
                                  .kind = WN_KIND_VERIFIER,
                                  .name = "old",
                                  .version = "1.0",
                                  .summary = "mean of red",
                                  .source = "",
                                  .options = options,
                                  .options_size = sizeof(struct options),
                                  .create = create,
                                  .destroy = destroy,
                                  .vtable = &verifier };
WN_MODULE(&plugin);
