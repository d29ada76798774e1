/* compile.c - from a checked graph to commands: memory planned and taken, constants and weights uploaded, each op
 * lowered by ops_*.c.
 */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>

/* ---- operands ----------------------------------------------------------------------------------------------- */

struct operand operand_of(const struct compiler *c, uint32_t tensor)
{
    if (tensor == WN_NONE)
        return (struct operand){ 0 };
    const wn_tensor *t = &c->g->tensors[tensor];
    const int is_window = t->role == WN_ROLE_WINDOW;
    const uint32_t base = is_window ? t->base : tensor;
    const wn_tensor *b = &c->g->tensors[base];
    const int is_constant = b->role == WN_ROLE_CONST;
    const struct slice *slice = is_constant ? &c->p->constants : &c->p->memory;
    const uint64_t row0 = is_window ? t->row0 : 0, col0 = is_window ? t->col0 : 0;
    const uint64_t stride = c->p->plan.stride[base], first = c->p->plan.offset[base];
    const enum element type = (enum element)c->p->types[base];
    const uint64_t size = element_bytes(type), item_bytes = b->rows * b->cols * size;
    /* Nothing writes a constant: it touches no byte of the program's memory, and nothing waits for its readers. */
    const uint64_t begin = is_constant ? 0 : first;
    const uint64_t end = is_constant ? 0 : first + stride * (c->p->max_items - 1) + item_bytes;
    return (struct operand){ .address = slice->address + first + size * (row0 * b->cols + col0),
                             .type = type,
                             .rows = (uint32_t)t->rows,
                             .cols = (uint32_t)t->cols,
                             .ld = (uint32_t)b->cols,
                             .item_stride = (uint32_t)(stride / size),
                             .touch = { begin, end, base, row0, t->rows, col0, t->cols } };
}

struct operand workspace_of(const struct compiler *c)
{
    const uint64_t first = c->p->plan.workspace[c->op];
    return (struct operand){ .address = c->p->memory.address + first,
                             .touch = { .first = first, .last = first + c->workspace_bytes[c->op], .base = WN_NONE } };
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

struct command *command_new(struct compiler *c, enum kernel kernel, const void *push, size_t push_bytes)
{
    wn_program *p = c->p;
    if (p->command_count == p->command_capacity) {
        const uint64_t capacity = p->command_capacity ? 2 * p->command_capacity : 64;
        struct command *larger = realloc(p->commands, capacity * sizeof *larger);
        if (!larger) {
            wn_fail(c->err, WN_E_MEMORY, "out of memory");
            return NULL;
        }
        p->commands = larger;
        p->command_capacity = capacity;
    }
    struct command *k = &p->commands[p->command_count++];
    *k = (struct command){ .variant.kernel = kernel, .push_bytes = (uint32_t)push_bytes, .op = c->op, .columns = 1 };
    memcpy(k->push, push, push_bytes);
    return k;
}

void command_constant(struct command *k, uint32_t value)
{
    k->variant.value[k->variant.count++] = value;
}

void command_reads(struct command *k, const struct operand *o)
{
    if (o->address)
        k->read[k->reads++] = o->touch;
}

void command_writes(struct command *k, const struct operand *o)
{
    k->write = o->touch;
}

void command_weight(struct command *k, const struct packed *packed, size_t at)
{
    if (packed->is_streamed) {
        k->streamed = packed;
        k->streamed_at = (uint32_t)at;
    }
}

wn_status weight_of(struct compiler *c, int slot, enum packing packing, enum element type, uint64_t taps,
                    const struct packed **packed)
{
    wn_program *p = c->p;
    const uint32_t index = c->g->ops[c->op].weight[slot];
    *packed = NULL;
    if (index == WN_NONE)
        return WN_OK;
    WN_TRY(weights_get(c->device, &c->g->weights[index], packing, type, taps, packed, c->err));
    if (c->weights < p->packed_count) /* what the program kept when it gave way, most likely the same */
        weights_release(c->device, p->packed[c->weights]);
    else
        p->packed_count++;
    p->packed[c->weights++] = *packed;
    return WN_OK;
}

wn_status check_turns(const struct compiler *c, uint64_t turns)
{
    if (!c->device->caps->is_software || turns <= MAX_TURNS)
        return WN_OK;
    return wn_fail(c->err, WN_E_UNSUPPORTED,
                   "too large for a software device: %llu turns of loops in a kernel, of which drivers allow %d; use "
                   "device \"cpu\"",
                   (unsigned long long)turns, MAX_TURNS);
}

/* ---- ops ---------------------------------------------------------------------------------------------------- */

const struct lowering *lowering_of(int32_t kind)
{
    static const struct lowering lowerings[] = {
        [WN_OP_LINEAR] = { lower_linear, NULL },
        [WN_OP_NORM] = { lower_norm, NULL },
        [WN_OP_HEAD_NORM_ROPE] = { lower_head_norm_rope, NULL },
        [WN_OP_ATTENTION] = { lower_attention, NULL },
        [WN_OP_CONV] = { lower_conv, NULL },
        [WN_OP_GROUP_NORM] = { lower_group_norm, group_norm_workspace },
        [WN_OP_EMBED] = { lower_embed, NULL },
        [WN_OP_BINARY] = { lower_binary, NULL },
        [WN_OP_UNARY] = { lower_unary, NULL },
        [WN_OP_COPY] = { lower_copy, NULL },
        [WN_OP_PICK_ROW] = { lower_pick_row, NULL },
        [WN_OP_WEIGHT] = { lower_weight, NULL },
        [WN_OP_GROUP_MOMENTS] = { lower_group_moments, NULL },
        [WN_OP_GROUP_TABLE] = { lower_group_table, NULL },
    };
    return &lowerings[kind];
}

static wn_status lower_op(struct compiler *c)
{
    const wn_op *op = &c->g->ops[c->op];
    const uint64_t first = c->p->command_count;
    wn_error why = { 0 }, *err = c->err;
    c->err = &why;
    const wn_status status = lowering_of(op->kind)->lower(c, op);
    c->err = err;
    if (status != WN_OK)
        return check_fail(c->g, c->op, err, status, "%.400s", why.message);
    const struct op_record *r = &c->p->ops[c->op];
    const double work = r->flops > 50 * r->bytes ? r->flops : 50 * r->bytes;
    for (uint64_t i = first; i < c->p->command_count; i++)
        c->p->commands[i].work = work / (double)(c->p->command_count - first);
    return WN_OK;
}

/* ---- building ----------------------------------------------------------------------------------------------- */

static wn_status take_memory(wn_program *p, wn_error *err)
{
    uint64_t io = 0;
    for (uint64_t i = 0; i < p->bindings.slot_count; i++)
        io +=
            round_up(p->bindings.slots[i].bytes, PLAN_ALIGNMENT) * (p->bindings.slots[i].is_shared ? 1 : p->max_items);
    WN_TRY(memory_get(p->device, MEMORY_DEVICE, p->plan.memory_bytes, "activations", &p->memory, err));
    WN_TRY(memory_get(p->device, MEMORY_DEVICE, p->plan.constant_bytes, "constants", &p->constants, err));
    if (!p->memory.mapped)
        WN_TRY(memory_get(p->device, MEMORY_READBACK, io, "inputs and outputs", &p->io, err));
    for (uint64_t i = 0; i < p->graph->tensor_count; i++) {
        const wn_tensor *t = &p->graph->tensors[i];
        if (t->role == WN_ROLE_CONST)
            WN_TRY(memory_upload(p->device, &p->constants, p->plan.offset[i], t->data, t->rows * t->cols * 4, err));
    }
    return WN_OK;
}

static wn_status make_objects(wn_program *p, wn_error *err)
{
    wn_device *d = p->device;
    const VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                           .queueFamilyIndex = d->caps->queue_family };
    const VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    WN_TRY(device_check(d, d->vk.CreateCommandPool(d->handle, &pool, NULL, &p->pool), "a command pool", err));
    return device_check(d, d->vk.CreateFence(d->handle, &fence, NULL, &p->fence), "a fence", err);
}

static wn_status lower_all(struct compiler *c)
{
    wn_program *p = c->p;
    for (c->op = 0; c->op < c->g->op_count; c->op++)
        WN_TRY(lower_op(c));
    WN_TRY(stream_open(p, c->err));
    if (p->ring.bytes && !p->device->copy_queue)
        WN_TRY(stream_in_commands(p, c->err));
    for (uint64_t i = 0; i < p->command_count; i++)
        if (!p->commands[i].is_copy)
            WN_TRY(pipeline_get(p->device, &p->commands[i].variant, &p->commands[i].pipeline, c->err));
    order_commands(p->commands, p->command_count);
    return p->ring.bytes && p->device->copy_queue ? stream_in_legs(p, c->err) : WN_OK;
}

static void find_workspaces(struct compiler *c)
{
    for (c->op = 0; c->op < c->g->op_count; c->op++) {
        const struct lowering *l = lowering_of(c->g->ops[c->op].kind);
        c->workspace_bytes[c->op] = l->workspace ? l->workspace(c, &c->g->ops[c->op]) : 0;
    }
}

static wn_status build_parts(wn_program *p, uint64_t *workspace_bytes, wn_error *err)
{
    struct compiler c = { .device = p->device, .g = p->graph, .p = p, .workspace_bytes = workspace_bytes, .err = err };
    if (!workspace_bytes || !p->packed)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    find_workspaces(&c);
    WN_TRY(take_memory(p, err));
    WN_TRY(make_objects(p, err));
    return lower_all(&c);
}

wn_status program_build(wn_program *p, wn_error *err)
{
    uint64_t *workspace_bytes = calloc(p->graph->op_count, sizeof *workspace_bytes);
    pthread_mutex_lock(&p->device->build_mutex);
    if (!p->packed)
        p->packed = calloc(p->graph->op_count * 2, sizeof *p->packed);
    room_join(p);
    const wn_status status = build_parts(p, workspace_bytes, err);
    p->is_built = status == WN_OK;
    if (status != WN_OK)
        program_unbuild(p);
    pthread_mutex_unlock(&p->device->build_mutex);
    free(workspace_bytes);
    return status;
}

void program_give_back(wn_program *p)
{
    wn_device *d = p->device;
    record_free_all(p);
    if (device_is_there(d)) {
        d->vk.DestroyFence(d->handle, p->fence, NULL);
        d->vk.DestroyCommandPool(d->handle, p->pool, NULL);
    }
    memory_put(d, &p->memory);
    memory_put(d, &p->constants);
    memory_put(d, &p->io);
    stream_close(p);
    free(p->commands);
    p->commands = NULL;
    p->command_count = p->command_capacity = 0;
    p->pool = VK_NULL_HANDLE;
    p->fence = VK_NULL_HANDLE;
    p->is_built = 0;
}

void program_unbuild(wn_program *p)
{
    if (!room_quit(p))
        return;
    for (uint64_t i = 0; i < p->packed_count; i++)
        weights_release(p->device, p->packed[i]);
    free(p->packed);
    p->packed = NULL;
    p->packed_count = 0;
}

/* ---- compile ------------------------------------------------------------------------------------------------ */

/* Row numbers are checked on the host before a run, so they must come from there. */
static wn_status check_ids_are_inputs(const wn_graph *g, wn_error *err)
{
    for (uint64_t i = 0; i < g->op_count; i++) {
        const wn_op *op = &g->ops[i];
        const int slot = op->kind == WN_OP_EMBED ? 0 : op->kind == WN_OP_PICK_ROW ? 1 : -1;
        if (slot >= 0 && g->tensors[op->in[slot]].role != WN_ROLE_INPUT)
            return check_fail(g, i, err, WN_E_UNSUPPORTED, "row numbers must be an input");
    }
    return WN_OK;
}

static wn_status check_options(const wn_graph *graph, const wn_compile_options *options, wn_error *err)
{
    if (options->dtype != WN_F32 && options->dtype != WN_BF16 && options->dtype != WN_F16)
        return check_fail(graph, UINT64_MAX, err, WN_E_UNSUPPORTED, "dtype %lld: vulkan multiplies in F32, BF16 or F16",
                          (long long)options->dtype);
    if (options->max_items < 1 || options->max_items > UINT32_MAX)
        return check_fail(graph, UINT64_MAX, err, WN_E_ARG, "max_items is %llu, must be 1 to 2^32-1",
                          (unsigned long long)options->max_items);
    WN_TRY(check_graph(graph, err));
    return check_ids_are_inputs(graph, err);
}

/* Kernels count elements of all items of a tensor in 32 bits, and SPIR-V takes an index as signed. */
static wn_status check_sizes(const wn_program *p, wn_error *err)
{
    for (uint64_t i = 0; i < p->graph->tensor_count; i++) {
        const wn_tensor *t = &p->graph->tensors[i];
        if (t->role != WN_ROLE_WINDOW &&
            p->plan.stride[i] / element_bytes((enum element)p->types[i]) * (p->max_items - 1) + t->rows * t->cols >
                INT32_MAX)
            return check_fail(p->graph, UINT64_MAX, err, WN_E_MEMORY,
                              "tensor \"%s\" [%llu, %llu] of %llu items has 2^31 or more elements: a smaller "
                              "engine.batch or canvas is needed",
                              t->name ? t->name : "", (unsigned long long)t->rows, (unsigned long long)t->cols,
                              (unsigned long long)p->max_items);
    }
    return WN_OK;
}

/* The same of a weight, whose rows are padded. */
static wn_status check_weights(const wn_graph *g, wn_error *err)
{
    for (uint64_t i = 0; i < g->weight_count; i++) {
        const wn_weight *w = &g->weights[i];
        if (w->rows > INT32_MAX / round_up(w->cols, ROW_ALIGNMENT))
            return check_fail(
                g, UINT64_MAX, err, WN_E_UNSUPPORTED,
                "weight \"%s\" [%llu, %llu] has 2^31 or more elements in padded rows, vulkan takes fewer: "
                "use the device cpu",
                w->name ? w->name : "", (unsigned long long)w->rows, (unsigned long long)w->cols);
    }
    return WN_OK;
}

static wn_status plan(const struct compiler *c)
{
    wn_program *p = c->p;
    uint8_t *sizes = malloc(p->graph->tensor_count + 1);
    p->types = calloc(p->graph->tensor_count + 1, sizeof *p->types);
    if (!sizes || !p->types) {
        free(sizes);
        return wn_fail(c->err, WN_E_MEMORY, "out of memory");
    }
    elements_choose(c, p->types);
    for (uint64_t i = 0; i < p->graph->tensor_count; i++)
        sizes[i] = (uint8_t)element_bytes((enum element)p->types[i]);
    const wn_status status = plan_memory(p->graph, p->max_items, sizes, c->workspace_bytes, &p->plan, c->err);
    free(sizes);
    return status;
}

static wn_status describe(wn_program *p, wn_error *err)
{
    const wn_graph *g = p->graph;
    uint64_t *workspace_bytes = calloc(g->op_count, sizeof *workspace_bytes);
    struct compiler c = { .device = p->device, .g = g, .p = p, .workspace_bytes = workspace_bytes, .err = err };
    p->ops = calloc(g->op_count, sizeof *p->ops);
    if (!workspace_bytes || !p->ops) {
        free(workspace_bytes);
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    }
    find_workspaces(&c);
    const wn_status status = plan(&c);
    free(workspace_bytes);
    WN_TRY(status);
    for (uint64_t i = 0; i < g->op_count; i++)
        p->ops[i] = (struct op_record){ work_flops(g, &g->ops[i]), work_bytes(g, &g->ops[i]), 0, 0 };
    WN_TRY(check_sizes(p, err));
    WN_TRY(check_weights(g, err));
    return bind_describe(g, &p->plan, &p->bindings, err);
}

static wn_status build(void *program, wn_error *err)
{
    room_enter(program);
    const wn_status status = program_build(program, err);
    room_leave(program);
    return status;
}

/* All but what lives on the device; *program is ended by program_free, whatever was returned. */
static wn_status begin(wn_device *device, const wn_graph *graph, const wn_compile_options *options,
                       wn_program **program, wn_error *err)
{
    *program = NULL;
    WN_TRY(check_options(graph, options, err));
    wn_program *p = calloc(1, sizeof *p);
    if (!p || !(p->graph = copy_graph(graph))) {
        free(p);
        return wn_fail(err, WN_E_MEMORY, "out of memory for graph \"%s\"", graph->name ? graph->name : "");
    }
    p->device = device;
    p->dtype = options->dtype;
    p->max_items = options->max_items;
    *program = p;
    return describe(p, err);
}

wn_status program_compile(wn_device *device, const wn_graph *graph, const wn_compile_options *options,
                          wn_program **program, wn_error *err)
{
    wn_status status = begin(device, graph, options, program, err);
    if (status == WN_OK)
        status = device_use(device, build, *program, err);
    if (status != WN_OK) {
        program_free(*program);
        *program = NULL;
    }
    return status;
}

wn_status program_plan(wn_device *device, const wn_graph *graph, const wn_compile_options *options,
                       uint64_t *activation_bytes, wn_error *err)
{
    wn_program *p;
    const wn_status status = begin(device, graph, options, &p, err);
    if (status == WN_OK)
        *activation_bytes = p->plan.memory_bytes + p->plan.constant_bytes;
    program_free(p);
    return status;
}

void program_free(wn_program *p)
{
    if (!p)
        return;
    pthread_rwlock_rdlock(&p->device->use_lock);
    program_unbuild(p);
    pthread_rwlock_unlock(&p->device->use_lock);
    plan_free(&p->plan);
    bind_free(&p->bindings);
    free(p->ops);
    free(p->types);
    free(p->graph);
    free(p);
}

/* Commands that do a part each of one operation use one weight. */
static int is_first_use(const wn_program *p, uint64_t index)
{
    for (uint64_t i = 0; i < index; i++)
        if (p->packed[i] == p->packed[index])
            return 0;
    return 1;
}

void program_memory(const wn_program *p, uint64_t *activation_bytes, uint64_t *weight_bytes)
{
    uint64_t place_bytes = 0;
    *activation_bytes = p->plan.memory_bytes + p->plan.constant_bytes;
    *weight_bytes = 0;
    for (uint64_t i = 0; i < p->packed_count; i++) {
        const uint64_t bytes = p->packed[i]->slice.bytes;
        if (p->packed[i]->is_streamed)
            place_bytes = bytes > place_bytes ? bytes : place_bytes;
        else
            *weight_bytes += is_first_use(p, i) ? bytes : 0;
    }
    *weight_bytes += RING_PLACES * place_bytes;
}

uint64_t program_profile(wn_program *p, wn_op_profile *out, uint64_t capacity)
{
    if (out && !p->is_measured) {
        p->is_measured = 1;
        pthread_rwlock_rdlock(&p->device->use_lock);
        room_enter(p);
        record_free_all(p); /* the next run records with times */
        room_leave(p);
        pthread_rwlock_unlock(&p->device->use_lock);
    }
    for (uint64_t i = 0; out && i < p->graph->op_count && i < capacity; i++) {
        const struct op_record *o = &p->ops[i];
        const char *name = p->graph->tensors[p->graph->ops[i].out].name;
        out[i] = (wn_op_profile){ name ? name : check_op_name(p->graph->ops[i].kind), o->seconds,
                                  o->flops * (double)o->items, o->bytes * (double)o->items };
    }
    return p->graph->op_count;
}
