/* instance.c - from a bound spec to live plugins, on to other specs of the same models, and back to nothing.
 *
 * Creation goes along the spec's order, in which inputs come before their wrappers; destruction goes backwards, and
 * devices end last, because everything may hold programs of theirs.
 */
#include "plugin/instance.h"

#include "plugin/handshake.h"
#include "plugin/host.h"
#include "plugin/isolate.h"
#include "plugin/options.h"

#include <string.h>

static wn_status no_memory(wn_error *err)
{
    return wn_fail(err, WN_E_MEMORY, "instances: no memory");
}

static wn_status make_inputs(struct host_shared *s, const struct spec_use *use, wn_verifier_ref **inputs, wn_error *err)
{
    *inputs = arena_array(s->arena, use->input_count, sizeof **inputs);
    if (!*inputs)
        return no_memory(err);
    for (uint32_t i = 0; i < use->input_count; i++) {
        const struct instance *child = &s->instances->verifiers[use->inputs[i]];
        (*inputs)[i] = (wn_verifier_ref){ .struct_size = sizeof **inputs,
                                          .name = child->use->name,
                                          .verifier = &child->verifier,
                                          .self = child->self,
                                          .identity = child->identity };
    }
    return WN_OK;
}

static wn_status create_one(struct host_shared *s, const struct spec_use *use, struct instance *instance, wn_error *err)
{
    wn_verifier_ref *inputs = NULL;
    wn_error why = { 0 };
    const char *label = arena_printf(s->arena, "%s (%s)", use->pointer, use->plugin->name);
    WN_TRY(make_inputs(s, use, &inputs, err));
    if (!label || !host_init(&instance->host, s, label, inputs, use->input_count))
        return no_memory(err);
    instance->use = use;
    wn_status status = use->isolate ? isolate_create(s, use, &instance->host, &instance->self, &why)
                                    : use->plugin->create(&instance->host, use->options, &instance->self, &why);
    if (!status)
        return WN_OK;
    instance->self = NULL;
    return wn_fail(err, status, "%s: %s", label, why.message);
}

/* The vtable as this instance has it. */
static wn_status describe_verifier(struct instance *v, wn_error *err)
{
    wn_error why = { 0 };
    v->verifier = v->use->isolate ? isolate_verifier : *(const wn_verifier *)v->use->plugin->vtable;
    if (!v->verifier.describe)
        return WN_OK;
    wn_verifier_info info = {
        .struct_size = sizeof info,
        .metrics = v->verifier.metrics,
        .metric_count = v->verifier.metric_count,
        .flags = v->verifier.flags,
        .max_batch = v->verifier.max_batch,
        .preview_sigma = v->verifier.preview_sigma,
    };
    wn_status status = v->verifier.describe(v->self, &info, &why);
    if (status == WN_OK)
        status = plugin_check_metrics(info.metric_count, info.metrics, &why);
    v->verifier.metrics = info.metrics;
    v->verifier.metric_count = info.metric_count;
    v->verifier.flags = info.flags;
    v->verifier.max_batch = info.max_batch;
    v->verifier.preview_sigma = info.preview_sigma;
    return status ? wn_fail(err, status, "%s (%s): %s", v->use->pointer, v->use->plugin->name, why.message) : WN_OK;
}

/* NULL when memory ran out. */
static struct tree_node *options_of(const struct spec_use *use, struct arena *arena)
{
    struct tree_node *options = tree_new(arena, TREE_OBJECT);
    return options && options_write(use->plugin->options, use->options, options, arena) ? options : NULL;
}

/* As JSON, for its unambiguous strings. */
static void write_identity(struct json_text *j, const struct spec_use *use, const struct tree_node *options,
                           const struct host_context *c)
{
    char files[65];
    struct sha256 told = c->files;
    sha256_hex(&told, files);
    json_object(j);
    json_key(j, "plugin"), json_string(j, use->plugin->name);
    json_key(j, "version"), json_string(j, use->plugin->version);
    json_key(j, "options"), tree_write(j, options, true);
    json_key(j, "files"), json_string(j, files);
    json_key(j, "inputs"), json_array(j);
    for (uint32_t i = 0; i < c->input_count; i++)
        json_string(j, c->inputs[i].identity);
    json_end(j), json_end(j);
}

static wn_status identify(struct host_shared *s, struct instance *v, wn_error *err)
{
    struct buffer text = BUFFER_INIT(2 * TREE_MAX_BYTES);
    struct json_text j = json_begin(&text, 0);
    const struct tree_node *options = options_of(v->use, s->arena);
    if (!options)
        return no_memory(err);
    write_identity(&j, v->use, options, v->host.ctx);
    wn_status status = buffer_status(&text, v->use->pointer, err);
    if (status == WN_OK)
        sha256_of(text.data, text.size, v->identity);
    buffer_free(&text);
    return status;
}

static wn_status create_sampler(struct host_shared *s, const struct spec *spec, struct instance *sampler, wn_error *err)
{
    WN_TRY(create_one(s, &spec->sampler, sampler, err));
    WN_TRY(identify(s, sampler, err));
    return host_check_sampler(spec, sampler, err);
}

static wn_status create_verifier(struct host_shared *s, const struct spec_use *use, struct instance *v, wn_error *err)
{
    WN_TRY(create_one(s, use, v, err));
    WN_TRY(describe_verifier(v, err));
    return identify(s, v, err);
}

static wn_status create_all(struct host_shared *s, const struct spec *spec, uint32_t which, struct instances *all,
                            wn_error *err)
{
    if ((which & INSTANCES_SAMPLER) && spec->sampler.plugin)
        WN_TRY(create_sampler(s, spec, &all->sampler, err));
    for (uint32_t i = 0; (which & INSTANCES_VERIFIERS) && i < spec->verifier_count; i++)
        WN_TRY(create_verifier(s, &spec->verifiers[i], &all->verifiers[i], err));
    if ((which & INSTANCES_SEARCH) && spec->search.plugin)
        WN_TRY(create_one(s, &spec->search, &all->search, err));
    return WN_OK;
}

wn_status instances_create(const struct spec *spec, struct process *process, uint32_t which, struct instances **out,
                           wn_error *err)
{
    struct arena *arena = arena_create();
    *out = NULL;
    struct host_shared *shared = arena ? arena_alloc(arena, sizeof *shared) : NULL;
    struct instances *all = shared ? arena_alloc(arena, sizeof *all) : NULL;
    struct instance *verifiers = all ? arena_array(arena, spec->verifier_count + 1, sizeof *verifiers) : NULL;
    if (!verifiers) {
        arena_destroy(arena);
        return no_memory(err);
    }
    *shared =
        (struct host_shared){ .arena = arena, .spec = spec, .seed = spec->seed, .process = process, .instances = all };
    host_find_places(shared);
    all->verifiers = verifiers;
    all->memory = shared;
    wn_status status = create_all(shared, spec, which, all, err);
    if (status)
        instances_destroy(all);
    else
        *out = all;
    return status;
}

static void destroy_one(struct instance *instance)
{
    if (instance->use && instance->use->isolate)
        isolate_destroy(instance->self);
    else if (instance->use)
        instance->use->plugin->destroy(instance->self);
    instance->use = NULL;
}

void instances_destroy(struct instances *all)
{
    if (!all)
        return;
    struct host_shared *s = all->memory;
    destroy_one(&all->search);
    for (uint32_t i = s->spec->verifier_count; i-- > 0;)
        destroy_one(&all->verifiers[i]);
    destroy_one(&all->sampler);
    host_close_devices(s);
    arena_destroy(s->arena);
}

/* ---- for one spec after another ---- */

static bool write_options(const struct spec_use *use, struct arena *arena, struct buffer *text)
{
    struct json_text j = json_begin(text, 0);
    const struct tree_node *options = options_of(use, arena);
    if (options)
        tree_write(&j, options, true);
    return options && !text->failed;
}

static bool have_same_options(const struct spec_use *a, const struct spec_use *b)
{
    struct buffer of_a = BUFFER_INIT(TREE_MAX_BYTES), of_b = BUFFER_INIT(TREE_MAX_BYTES);
    struct arena *arena = arena_create();
    const bool are_same = arena && write_options(a, arena, &of_a) && write_options(b, arena, &of_b) &&
                          strcmp(buffer_string(&of_a), buffer_string(&of_b)) == 0;
    buffer_free(&of_a);
    buffer_free(&of_b);
    arena_destroy(arena);
    return are_same;
}

static bool are_same(const struct spec_use *a, const struct spec_use *b)
{
    return a->plugin == b->plugin && strcmp(a->name, b->name) == 0 && strcmp(a->pointer, b->pointer) == 0 &&
           a->isolate == b->isolate && !(a->patience_s < b->patience_s) && !(a->patience_s > b->patience_s) &&
           a->input_count == b->input_count &&
           (a->input_count == 0 || memcmp(a->inputs, b->inputs, a->input_count * sizeof *a->inputs) == 0) &&
           have_same_options(a, b);
}

bool instances_fit(const struct instances *i, const struct spec *spec)
{
    const struct host_shared *s = i->memory;
    const struct spec *made = s->spec;
    bool fit = (spec->seed == s->seed || !atomic_load(&s->has_drawn)) && spec->verifier_count == made->verifier_count &&
               strcmp(spec->directory, made->directory) == 0 && are_same(&spec->sampler, &made->sampler) &&
               spec->device_count == made->device_count;
    for (uint32_t d = 0; fit && d < spec->device_count; d++)
        fit = are_same(&spec->devices[d], &made->devices[d]);
    for (uint32_t v = 0; fit && v < spec->verifier_count; v++)
        fit = are_same(&spec->verifiers[v], &made->verifiers[v]) &&
              !(i->verifiers[v].verifier.flags & WN_VERIFIER_NEEDS_NETWORK);
    return fit;
}

wn_status instances_serve(struct instances *i, const struct spec *spec, wn_error *err)
{
    struct host_shared *s = i->memory;
    s->seed = spec->seed;
    WN_TRY(host_check_sampler(spec, &i->sampler, err));
    return create_one(s, &spec->search, &i->search, err);
}

void instances_rest(struct instances *i)
{
    destroy_one(&i->search);
}
