/* A device of the old days, which can do one thing: out = f[2] (f[0] x + f[1]) + f[3]. */
#include <winnow/device.h>

#include <stdlib.h>
#include <string.h>

struct wn_device {
    int64_t unused;
};

struct wn_program {
    wn_op op;
    uint64_t values;
};

static struct wn_device the_device; /* has no state */

static uint64_t count(void *driver)
{
    (void)driver;
    return 1;
}

static wn_status info(void *driver, uint64_t index, wn_device_info *info, wn_error *err)
{
    (void)driver, (void)index, (void)err;
    info->kind = WN_DEVICE_CPU;
    info->memory_bytes = 1 << 30;
    info->dtypes = 1 << WN_F32;
    strcpy(info->name, "abacus");
    return WN_OK;
}

static wn_status open_device(void *driver, uint64_t index, wn_device **device, wn_error *err)
{
    (void)driver, (void)index, (void)err;
    *device = &the_device;
    return WN_OK;
}

static void close_device(wn_device *device)
{
    (void)device;
}

static wn_status compile(wn_device *device, const wn_graph *graph, const wn_compile_options *how, wn_program **program,
                         wn_error *err)
{
    (void)device, (void)how;
    if (graph->op_count != 1 || graph->ops[0].kind != WN_OP_UNARY || graph->ops[0].activation != WN_ACT_NONE)
        return wn_fail(err, WN_E_UNSUPPORTED, "an abacus does one unary operation, not %llu operations",
                       (unsigned long long)graph->op_count);
    *program = malloc(sizeof **program);
    if (!*program)
        return wn_fail(err, WN_E_MEMORY, "no memory for a program");
    const wn_tensor *in = &graph->tensors[graph->ops[0].in[0]];
    **program = (wn_program){ graph->ops[0], in->rows * in->cols };
    return WN_OK;
}

static void free_program(wn_program *program)
{
    free(program);
}

static float *find(const wn_binding *bindings, uint64_t n, uint32_t tensor, uint64_t item)
{
    for (uint64_t i = 0; i < n; i++)
        if (bindings[i].tensor == tensor && bindings[i].item == item)
            return bindings[i].data;
    return NULL;
}

static wn_status run(wn_program *program, uint64_t items, const wn_binding *bindings, uint64_t n, wn_error *err)
{
    const float *f = program->op.f;
    for (uint64_t item = 0; item < items; item++) {
        const float *in = find(bindings, n, program->op.in[0], item);
        float *out = find(bindings, n, program->op.out, item);
        if (!in || !out)
            return wn_fail(err, WN_E_ARG, "item %llu is not bound", (unsigned long long)item);
        for (uint64_t i = 0; i < program->values; i++)
            out[i] = f[2] * (f[0] * in[i] + f[1]) + f[3];
    }
    return WN_OK;
}

static void memory(const wn_program *program, uint64_t *activation_bytes, uint64_t *weight_bytes)
{
    (void)program;
    *activation_bytes = *weight_bytes = 0;
}

static uint64_t profile(wn_program *program, wn_op_profile *out, uint64_t capacity)
{
    (void)program, (void)out, (void)capacity;
    return 0;
}

static wn_status create(const wn_host *host, const void *options, void **self, wn_error *err)
{
    (void)host, (void)options, (void)err;
    *self = &the_device;
    return WN_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static const wn_option options[] = { WN_OPTIONS_END };
static const wn_device_api api = { .struct_size = sizeof api,
                                   .count = count,
                                   .info = info,
                                   .open = open_device,
                                   .close = close_device,
                                   .compile = compile,
                                   .free_program = free_program,
                                   .run = run,
                                   .memory = memory,
                                   .profile = profile };
static const wn_plugin plugin = { .struct_size = sizeof plugin,
                                  .kind = WN_KIND_DEVICE,
                                  .name = "old",
                                  .version = "1.0",
                                  .summary = "one unary operation",
                                  .source = "",
                                  .options = options,
                                  .create = create,
                                  .destroy = destroy,
                                  .vtable = &api };
WN_MODULE(&plugin);
