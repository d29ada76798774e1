/* workload.c - what the sampler's graphs take, each by itself: the extension "winnow.workload/1". The graphs are built
 * as the sampler builds them, from the same weights or from random ones of a known model's shapes. */
#include "flux.h"
#include "presets.h"

#include <device/clock.h>
#include <device/graph.h>
#include <weights/synthetic.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { JOB_T5, JOB_CLIP, JOB_CONTEXT, JOB_CONDITIONING, JOB_VELOCITY, JOB_DECODER, JOB_COUNT };
enum { ENCODERS = 1, MODULATION = 2 }; /* what `encoders: release` has on the device at one time */

static const struct {
    const char *name;
    uint64_t transient;
    uint64_t gives_way;
    uint64_t per_prompt;
} jobs[JOB_COUNT] = {
    [JOB_T5] = { "T5", ENCODERS, 0, 1 },
    [JOB_CLIP] = { "CLIP", ENCODERS, 0, 1 },
    [JOB_CONTEXT] = { "text embedder", ENCODERS, 0, 1 },
    [JOB_CONDITIONING] = { "modulation", MODULATION, 0, 1 },
    [JOB_VELOCITY] = { "transformer", 0, 1, 0 },
    [JOB_DECODER] = { "VAE decoder", 0, 0, 0 },
};

/* One compiled part with memory for its inputs and outputs. */
struct job {
    wn_program *program;
    char **names; // [op_count]
    uint64_t op_count;
    wn_binding *bindings; // [max_items][slot_count]
    uint64_t slot_count;
    char *memory;  /* behind the bindings */
    bool is_stale; /* of another size */
};

struct wn_workload {
    struct flux f;
    struct flux_options options;
    uint64_t height, width; /* of the latent */
    uint64_t steps;
    struct job job[JOB_COUNT];
};

/* ---- the model ---------------------------------------------------------------------------------------------- */

static wn_status invent(wn_workload *w, const wn_workload_request *r, wn_error *err)
{
    static const int with_weights[] = { PART_TRANSFORMER, PART_VAE, PART_TEXT_ENCODER, PART_TEXT_ENCODER_2 };
    struct flux *f = &w->f;
    const struct flux_preset *preset;
    WN_TRY(preset_find(r->synthetic, &preset, err));
    f->flux = preset->flux;
    f->vae = preset->vae;
    f->clip = preset->clip;
    f->t5 = preset->t5;
    f->text_length = preset->text_length;
    f->flux.double_blocks = smaller(f->flux.double_blocks, r->blocks[0]);
    f->flux.single_blocks = smaller(f->flux.single_blocks, r->blocks[1]);
    for (size_t i = 0; i < sizeof with_weights / sizeof *with_weights; i++)
        WN_TRY(nn_weights_synthetic(preset->name, WN_BF16, &f->parts.weights[with_weights[i]], err));
    return WN_OK;
}

static wn_status set_size(wn_workload *w, uint64_t width_px, uint64_t height_px, wn_error *err)
{
    const uint64_t stride = nn_vae_stride(&w->f.vae);
    if (width_px == 0 || width_px > 8192 || width_px % (2 * stride) || height_px == 0 || height_px > 8192 ||
        height_px % (2 * stride))
        return wn_fail(err, WN_E_ARG, "%llu x %llu px: sides must be multiples of %llu up to 8192",
                       (unsigned long long)width_px, (unsigned long long)height_px, (unsigned long long)(2 * stride));
    w->height = height_px / stride;
    w->width = width_px / stride;
    return WN_OK;
}

static wn_status workload_resize(wn_workload *w, uint64_t width_px, uint64_t height_px, wn_error *err)
{
    WN_TRY(set_size(w, width_px, height_px, err));
    for (uint64_t i = 0; i < JOB_COUNT; i++)
        w->job[i].is_stale = !jobs[i].per_prompt;
    return WN_OK;
}

static wn_status check_request(const wn_workload *w, const wn_workload_request *r, wn_error *err)
{
    if (r->steps == 0 || r->steps > 100000)
        return wn_fail(err, WN_E_ARG, "%llu steps; 1 to 100000 are possible", (unsigned long long)r->steps);
    if (w->f.text_length == 0 || w->f.text_length > 4096)
        return wn_fail(err, WN_E_ARG, "%llu text tokens; 1 to 4096 are possible", (unsigned long long)w->f.text_length);
    return WN_OK;
}

/* The first of the option's list. */
static wn_status open_device(struct flux *f, wn_error *err)
{
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(f->options->device, ","), f->options->device);
    return f->host->open_device(f->host->ctx, name, &f->device.api, &f->device.device, err);
}

static wn_status prepare(wn_workload *w, const wn_workload_request *r, wn_error *err)
{
    struct flux *f = &w->f;
    take_dtype(f, w->options.dtype);
    WN_TRY(r->synthetic ? invent(w, r, err) : models_open(f, err));
    if (r->text_tokens)
        f->text_length = r->text_tokens;
    WN_TRY(check_request(w, r, err));
    w->steps = r->steps;
    wn_error ignored; /* where the device is not here, it is asked nothing */
    if (open_device(f, &ignored) == WN_OK)
        WN_TRY(velocity_plan(f, err));
    return set_size(w, r->width_px, r->height_px, err);
}

static nn_graph *graph_of(const wn_workload *w, uint64_t job)
{
    const struct flux *f = &w->f;
    nn_weights *const *weights = f->parts.weights;
    switch (job) {
    case JOB_T5:
        return nn_t5_graph(&f->t5, weights[PART_TEXT_ENCODER_2], f->text_length);
    case JOB_CLIP:
        return nn_clip_text_graph(&f->clip, weights[PART_TEXT_ENCODER], f->clip.positions, 0);
    case JOB_CONTEXT:
        return nn_flux_context_graph(&f->flux, weights[PART_TRANSFORMER], f->text_length);
    case JOB_CONDITIONING:
        return nn_flux_conditioning_graph(&f->flux, weights[PART_TRANSFORMER], w->steps);
    case JOB_VELOCITY:
        return nn_flux_velocity_graph(&f->flux, weights[PART_TRANSFORMER], w->height / 2, w->width / 2, f->text_length);
    default:
        return decoder_graph(f, w->height, w->width);
    }
}

static uint64_t items_of(const wn_workload *w, uint64_t job)
{
    return job == JOB_VELOCITY  ? velocity_items(&w->f, w->height, w->width)
           : job == JOB_DECODER ? decoder_items(&w->f, w->height, w->width)
                                : 1;
}

/* ---- counting ----------------------------------------------------------------------------------------------- */

/* The same data used twice is packed once. */
static bool is_counted(const wn_graph *g, const uint8_t *counted, uint32_t weight)
{
    const wn_weight *a = &g->weights[weight];
    for (uint32_t i = 0; i < g->weight_count; i++) {
        const wn_weight *b = &g->weights[i];
        if (counted[i] && a->part[0].data == b->part[0].data && a->rows == b->rows && a->cols == b->cols)
            return true;
    }
    return false;
}

static void count_weight(const wn_graph *g, const wn_op *op, int slot, wn_workload_part *part)
{
    const wn_weight *w = &g->weights[op->weight[slot]];
    const uint64_t values = w->rows * w->cols;
    const bool is_product = slot == 0 && (op->kind == WN_OP_LINEAR || op->kind == WN_OP_CONV);
    const bool is_table = slot == 0 && (op->kind == WN_OP_EMBED || op->kind == WN_OP_WEIGHT);
    if (is_product && w->cols % 256 == 0)
        part->product_values += values;
    else if (is_product && w->cols % 32 == 0)
        part->odd_product_values += values;
    else if (is_product || is_table)
        part->other_values += values;
    else
        part->vector_values += values;
}

static wn_status count_weights(const wn_graph *g, wn_workload_part *part, wn_error *err)
{
    uint8_t *counted = calloc(g->weight_count + 1, 1);
    if (!counted)
        return wn_fail(err, WN_E_MEMORY, "out of memory for a list of weights");
    for (uint64_t i = 0; i < g->op_count; i++)
        for (int slot = 0; slot < 2; slot++) {
            const uint32_t weight = g->ops[i].weight[slot];
            if (weight == WN_NONE || is_counted(g, counted, weight))
                continue;
            counted[weight] = 1;
            count_weight(g, &g->ops[i], slot, part);
        }
    free(counted);
    return WN_OK;
}

static wn_status plan_floats(const wn_graph *g, wn_workload_part *part, wn_error *err)
{
    uint64_t *workspace = calloc(g->op_count + 1, sizeof *workspace);
    struct plan plan = { 0 };
    if (!workspace)
        return wn_fail(err, WN_E_MEMORY, "out of memory while memory was planned");
    const wn_status status = plan_memory(g, part->max_items, NULL, workspace, &plan, err);
    part->activation_bytes += plan.memory_bytes + plan.constant_bytes;
    plan_free(&plan);
    free(workspace);
    return status;
}

static int64_t dtype_of(const wn_workload *w, uint64_t job)
{
    return job == JOB_VELOCITY ? w->f.velocity_dtype : w->f.dtype;
}

/* A device that keeps some activations in 16 bits says so itself; where it is not here they count as float32. */
static wn_status plan_activations(const wn_workload *w, uint64_t job, const wn_graph *g, wn_workload_part *part,
                                  wn_error *err)
{
    const nn_device *d = &w->f.device;
    const wn_compile_options options = { sizeof options, dtype_of(w, job), part->max_items };
    wn_error ignored;
    uint64_t bytes;
    if (!d->api || !d->api->plan || d->api->plan(d->device, g, &options, &bytes, &ignored) != WN_OK)
        return plan_floats(g, part, err);
    part->activation_bytes += bytes;
    return WN_OK;
}

static wn_status describe(const wn_workload *w, uint64_t job, const wn_graph *g, wn_workload_part *part, wn_error *err)
{
    WN_TRY(count_weights(g, part, err));
    WN_TRY(plan_activations(w, job, g, part, err));
    for (uint64_t i = 0; i < g->op_count; i++)
        part->flops += work_flops(g, &g->ops[i]);
    return WN_OK;
}

/* Where steps are reused, a velocity is three programs that lie on the device together. */
static wn_status plan_reuse(const wn_workload *w, wn_workload_part *part, wn_error *err)
{
    const struct flux *f = &w->f;
    const nn_weights *weights = f->parts.weights[PART_TRANSFORMER];
    const uint64_t rows = w->height / 2, cols = w->width / 2;
    nn_graph *const graphs[] = { nn_flux_head_graph(&f->flux, weights, rows, cols, f->text_length),
                                 nn_flux_rest_graph(&f->flux, weights, rows, cols, f->text_length),
                                 nn_flux_tail_graph(&f->flux, weights, rows * cols) };
    wn_status status = WN_OK;
    part->activation_bytes = 0;
    for (int i = 0; i < 3; i++) {
        if (status == WN_OK)
            status = nn_graph_status(graphs[i], err);
        if (status == WN_OK)
            status = plan_activations(w, JOB_VELOCITY, nn_graph_get(graphs[i]), part, err);
        nn_graph_free(graphs[i]);
    }
    return status;
}

static wn_status workload_part(wn_workload *w, uint64_t index, wn_workload_part *part, wn_error *err)
{
    nn_graph *g = graph_of(w, index);
    *part = (wn_workload_part){ .struct_size = sizeof *part,
                                .name = jobs[index].name,
                                .transient = jobs[index].transient,
                                .gives_way = jobs[index].gives_way,
                                .per_prompt = jobs[index].per_prompt,
                                .max_items = items_of(w, index),
                                .sample_bytes = index == JOB_VELOCITY ? reuse_bytes(&w->f, w->height, w->width) : 0 };
    wn_status status = nn_graph_status(g, err);
    if (status == WN_OK)
        status = describe(w, index, nn_graph_get(g), part, err);
    nn_graph_free(g);
    if (status == WN_OK && part->sample_bytes > 0)
        status = plan_reuse(w, part, err);
    return status;
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static bool is_bound(const wn_tensor *t)
{
    return t->role == WN_ROLE_INPUT || t->role == WN_ROLE_OUTPUT;
}

static uint64_t bytes_of(const wn_tensor *t)
{
    return round_up(t->rows * t->cols * 4, 64);
}

/* Numbers of rows are 0; all else is small and neither zero nor equal. */
static void fill(const wn_tensor *t, float *values)
{
    uint32_t state = 7;
    for (uint64_t i = 0; t->dtype == WN_F32 && t->role == WN_ROLE_INPUT && i < t->rows * t->cols; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) / (float)(1 << 23) - 1.0f;
    }
}

static wn_status bind(struct job *j, const wn_graph *g, uint64_t items, wn_error *err)
{
    uint64_t bytes = 0, at = 0, n = 0;
    j->slot_count = 0;
    for (uint64_t i = 0; i < g->tensor_count; i++)
        if (is_bound(&g->tensors[i])) {
            bytes += bytes_of(&g->tensors[i]);
            j->slot_count++;
        }
    j->bindings = calloc(items * j->slot_count + 1, sizeof *j->bindings);
    j->memory = calloc(items, bytes);
    if (!j->bindings || !j->memory)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu inputs and outputs",
                       (unsigned long long)(items * j->slot_count));
    for (uint64_t item = 0; item < items; item++)
        for (uint64_t i = 0; i < g->tensor_count; i++) {
            if (!is_bound(&g->tensors[i]))
                continue;
            fill(&g->tensors[i], (float *)(void *)(j->memory + at));
            j->bindings[n++] = (wn_binding){ (uint32_t)i, (uint32_t)item, j->memory + at };
            at += bytes_of(&g->tensors[i]);
        }
    return WN_OK;
}

/* An operation is called after its weight, where it has one: several write into one tensor. */
static wn_status name_ops(struct job *j, const wn_graph *g, wn_error *err)
{
    j->names = calloc(g->op_count + 1, sizeof(*j->names));
    for (; j->names && j->op_count < g->op_count; j->op_count++) {
        const wn_op *op = &g->ops[j->op_count];
        const char *weight = op->weight[0] != WN_NONE && op->kind != WN_OP_HEAD_NORM_ROPE && op->kind != WN_OP_NORM &&
                                     op->kind != WN_OP_GROUP_NORM && op->kind != WN_OP_GROUP_TABLE
                                 ? g->weights[op->weight[0]].name
                                 : NULL;
        if (!(j->names[j->op_count] = strdup(weight ? weight : check_op_name(op->kind))))
            break;
    }
    return j->names && j->op_count == g->op_count ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for names");
}

static void job_end(wn_workload *w, struct job *j)
{
    if (j->program)
        w->f.device.api->free_program(j->program);
    for (uint64_t i = 0; i < j->op_count; i++)
        free(j->names[i]);
    free(j->names);
    free(j->bindings);
    free(j->memory);
    *j = (struct job){ 0 };
}

static void workload_release(wn_workload *w, uint64_t index)
{
    job_end(w, &w->job[index]);
}

/* The one of another size ends after this, so that the device keeps the weights that both use. */
static wn_status compile(wn_workload *w, uint64_t index, wn_error *err)
{
    struct flux *f = &w->f;
    struct job j = { 0 };
    if (!f->device.api)
        WN_TRY(open_device(f, err));
    nn_graph *g = graph_of(w, index);
    wn_status status = nn_graph_compile(g, &f->device, dtype_of(w, index), items_of(w, index), &j.program, err);
    if (status == WN_OK)
        status = bind(&j, nn_graph_get(g), items_of(w, index), err);
    if (status == WN_OK)
        status = name_ops(&j, nn_graph_get(g), err);
    nn_graph_free(g);
    if (status == WN_OK) {
        job_end(w, &w->job[index]);
        w->job[index] = j;
    } else {
        job_end(w, &j);
    }
    return status;
}

static wn_status workload_run(wn_workload *w, uint64_t index, uint64_t items, double *seconds, wn_error *err)
{
    struct job *j = &w->job[index];
    if (items == 0 || items > items_of(w, index))
        return wn_fail(err, WN_E_ARG, "%s: %llu items; 1 to %llu are possible in one run", jobs[index].name,
                       (unsigned long long)items, (unsigned long long)items_of(w, index));
    if (!j->program || j->is_stale)
        WN_TRY(compile(w, index, err));
    const double start = seconds_now();
    WN_TRY(w->f.device.api->run(j->program, items, j->bindings, items * j->slot_count, err));
    *seconds = seconds_now() - start;
    return WN_OK;
}

static uint64_t workload_profile(wn_workload *w, uint64_t index, wn_op_profile *out, uint64_t capacity)
{
    const struct job *j = &w->job[index];
    if (!j->program)
        return 0;
    const uint64_t count = w->f.device.api->profile(j->program, out, capacity);
    for (uint64_t i = 0; i < count && i < capacity && i < j->op_count; i++)
        out[i].name = j->names[i];
    return count;
}

static void workload_memory(const wn_workload *w, uint64_t index, uint64_t *activation_bytes, uint64_t *weight_bytes)
{
    *activation_bytes = *weight_bytes = 0;
    if (w->job[index].program)
        w->f.device.api->memory(w->job[index].program, activation_bytes, weight_bytes);
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static void workload_close(wn_workload *w)
{
    if (!w)
        return;
    for (uint64_t i = 0; i < JOB_COUNT; i++)
        workload_release(w, i);
    models_close(&w->f);
    free(w);
}

static wn_status workload_open(const wn_workload_request *request, wn_workload **out, wn_error *err)
{
    wn_workload *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    w->options = *(const struct flux_options *)request->options;
    w->options.batch = request->batch ? (int64_t)smaller(request->batch, 256) : w->options.batch;
    if (WN_HAS(wn_workload_request, request, tiles) && request->tiles)
        w->options.decode = "tiles";
    w->f.host = request->host;
    w->f.options = &w->options;
    const wn_status status = prepare(w, request, err);
    if (status == WN_OK)
        *out = w;
    else
        workload_close(w);
    return status;
}

static uint64_t workload_count(const wn_workload *w)
{
    (void)w;
    return JOB_COUNT;
}

const wn_workload_api workload = {
    .struct_size = sizeof workload,
    .synthetic = preset_names,
    .open = workload_open,
    .close = workload_close,
    .count = workload_count,
    .resize = workload_resize,
    .part = workload_part,
    .run = workload_run,
    .profile = workload_profile,
    .memory = workload_memory,
    .release = workload_release,
};
