/* load.c - spec_load: the tree is checked and bound part by part, and written again with every default in it.
 *
 * No part stops at a mistake of another one, so all mistakes are reported together; a part whose ground is missing (the
 * options of an unknown plugin) says nothing more. The resolved tree is the checked one: it is written from the bound
 * structs, never copied from the input.
 */
#include "spec/load.h"

#include "base/log.h"
#include "base/sha256.h"
#include "plugin/options.h"
#include "spec/prompts.h"
#include "spec/shape.h"
#include "spec/source.h"
#include "spec/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- shared with the parts ---- */

void *load_memory(struct loader *l, uint64_t count, uint64_t size)
{
    void *memory = arena_array(l->arena, count, size);
    if (!memory)
        problems_add_line(&l->problems, WN_E_MEMORY, "spec: no memory for %llu items of %llu bytes",
                          (unsigned long long)count, (unsigned long long)size);
    return memory;
}

static struct tree_node *load_member(struct loader *l, const struct tree_node *object, const char *key, int32_t type)
{
    char show[64];
    struct tree_node *node = tree_get(object, key);
    if (!node || node->type == type)
        return node;
    problems_add(&l->problems, WN_E_ARG, node, NULL, "%s where %s is expected", tree_show(node, show),
                 tree_type_name(type));
    return NULL;
}

struct tree_node *load_object(struct loader *l, const struct tree_node *object, const char *key, bool required)
{
    if (required && !tree_get(object, key))
        problems_add(&l->problems, WN_E_ARG, object, NULL, "\"%s\" is missing; add the object", key);
    return load_member(l, object, key, TREE_OBJECT);
}

struct tree_node *load_list(struct loader *l, const struct tree_node *object, const char *key)
{
    return load_member(l, object, key, TREE_ARRAY);
}

struct tree_node *load_resolved(struct loader *l, struct tree_node *parent, const char *key)
{
    struct tree_node *node = tree_put(parent, key, tree_new(l->arena, TREE_OBJECT));
    if (!node)
        problems_add_line(&l->problems, WN_E_MEMORY, "spec: no memory");
    return node;
}

void *load_bind(struct loader *l, const wn_option *table, uint64_t size, const struct tree_node *object,
                const struct tree_node *at, const char *at_key, struct tree_node *resolved)
{
    uint32_t before = l->problems.count;
    void *bound = load_memory(l, 1, size);
    if (!bound)
        return NULL;
    options_bind(table, object, at, at_key, bound, l->arena, &l->problems);
    if (l->problems.count == before && resolved && !options_write(table, bound, resolved, l->arena))
        problems_add_line(&l->problems, WN_E_MEMORY, "spec: no memory");
    return bound;
}

/* ---- the parts ---- */

/* "configs/quickstart.json" -> "quickstart" */
static const char *default_name(struct loader *l)
{
    const char *path = l->spec->path, *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    uint64_t length = dot && dot > base ? (uint64_t)(dot - base) : strlen(base);
    return length ? arena_copy(l->arena, base, length) : "run";
}

static void check_name(struct loader *l, const char *name)
{
    uint64_t length = strlen(name);
    const struct tree_node *node = tree_get(l->root, "name");
    if (node && (length > 100 || strchr(name, '/') || name[0] == '.'))
        problems_add(&l->problems, WN_E_ARG, node, NULL,
                     "\"%.40s\" cannot name a directory; use at most 100 characters, "
                     "no '/' and no '.' at the start",
                     name);
}

static void load_top(struct loader *l)
{
    const wn_option *table = shape_top_options;
    struct spec *s = l->spec;
    options_check_keys(l->root, &table, 1, SHAPE_TOP_KEYS, &l->problems);
    load_member(l, l->root, "$schema", TREE_STRING);
    struct shape_top *top = load_bind(l, table, sizeof *top, l->root, l->root, NULL, NULL);
    if (!top || !top->name || !top->output || !top->noise)
        return;
    if (!*top->name)
        top->name = default_name(l);
    check_name(l, top->name);
    if (l->request->output)
        top->output = l->request->output;
    else if (!*top->output)
        top->output = arena_printf(l->arena, "runs/%s", top->name);
    if (!top->name || !top->output || !options_write(table, top, l->resolved, l->arena))
        problems_add_line(&l->problems, WN_E_MEMORY, "spec: no memory");
    s->name = top->name;
    s->output = top->output;
    s->seed = top->seed;
    s->noise = shape_choice_index(SHAPE_NOISE_CHOICES, top->noise);
}

/* The canvas has core's keys and those that the sampler adds. */
static void load_canvas(struct loader *l)
{
    const struct tree_node *object = load_object(l, l->root, "canvas", !l->request->without_run);
    struct tree_node *resolved = load_resolved(l, l->resolved, "canvas");
    const wn_sampler *sampler = l->spec->sampler.plugin ? l->spec->sampler.plugin->vtable : NULL;
    const wn_option *tables[] = { shape_canvas_options, sampler ? sampler->canvas_options : NULL, shape_start_options };
    if (!object)
        return;
    if (sampler) /* without one, nobody knows what it would add */
        options_check_keys(object, tables, 3, NULL, &l->problems);
    struct shape_canvas *shape = load_bind(l, tables[0], sizeof *shape, object, object, NULL, resolved);
    wn_canvas *canvas = &l->spec->canvas;
    if (sampler && sampler->canvas_options)
        canvas->extra = load_bind(l, tables[1], sampler->canvas_options_size, object, object, NULL, resolved);
    if (!shape || !shape->solver)
        return;
    canvas->struct_size = sizeof *canvas;
    canvas->width_px = (uint32_t)shape->width;
    canvas->height_px = (uint32_t)shape->height;
    canvas->steps = (uint32_t)shape->steps;
    l->spec->solver = shape_choice_index(SHAPE_SOLVER_CHOICES, shape->solver);
    load_start(l, object, resolved);
}

static void load_sampler(struct loader *l)
{
    const struct tree_node *object = load_object(l, l->root, "sampler", !l->request->without_run);
    struct tree_node *resolved = load_resolved(l, l->resolved, "sampler");
    const wn_option *table = shape_use_options;
    l->spec->sampler.name = "sampler";
    if (!object)
        return;
    options_check_keys(object, &table, 1, SHAPE_SAMPLER_KEYS, &l->problems);
    load_bind(l, table, sizeof(struct shape_use), object, object, NULL, resolved);
    load_use(l, object, WN_KIND_SAMPLER, &l->spec->sampler, resolved);
}

static void load_search(struct loader *l)
{
    const struct tree_node *object = load_object(l, l->root, "search", !l->request->without_run);
    struct tree_node *resolved = load_resolved(l, l->resolved, "search");
    const wn_option *table = shape_search_options;
    l->spec->search.name = "search";
    if (!object)
        return;
    options_check_keys(object, &table, 1, SHAPE_SEARCH_KEYS, &l->problems);
    load_bind(l, table, sizeof(struct shape_search), object, object, NULL, resolved);
    load_use(l, object, WN_KIND_SEARCH, &l->spec->search, resolved);
}

static double or_infinite(double value)
{
    return value > 0 ? value : (double)INFINITY;
}

static bool is_unbounded(const struct spec_budget *b)
{
    return isinf(b->nfe) && isinf(b->seconds) && isinf(b->verifier_calls) && isinf(b->candidates);
}

static void load_budget(struct loader *l)
{
    const wn_option *table = shape_budget_options;
    const struct tree_node *object = load_object(l, l->root, "budget", false);
    struct tree_node *resolved = load_resolved(l, l->resolved, "budget");
    options_check_keys(object, &table, 1, NULL, &l->problems);
    struct shape_budget *b = load_bind(l, table, sizeof *b, object, l->root, "budget", resolved);
    if (!b)
        return;
    struct spec *s = l->spec;
    s->budget = (struct spec_budget){ or_infinite((double)b->nfe), or_infinite(b->seconds),
                                      or_infinite((double)b->verifier_calls), or_infinite((double)b->candidates) };
    s->run_budget = (struct spec_budget){ or_infinite((double)b->run_nfe), or_infinite(b->run_seconds),
                                          or_infinite((double)b->run_verifier_calls),
                                          or_infinite((double)b->run_candidates) };
    s->shares_budget = b->share != 0;
    if (s->shares_budget && is_unbounded(&s->run_budget))
        problems_add(&l->problems, WN_E_ARG, object, "share", "there is no budget of the run to share; give \"run_nfe\" or "
                     "another of the run's");
}

static void load_engine(struct loader *l)
{
    const wn_option *table = shape_engine_options;
    const struct tree_node *object = load_object(l, l->root, "engine", false);
    struct tree_node *resolved = load_resolved(l, l->resolved, "engine");
    options_check_keys(object, &table, 1, NULL, &l->problems);
    struct shape_engine *e = load_bind(l, table, sizeof *e, object, l->root, "engine", resolved);
    if (e && e->cache)
        l->spec->engine = (struct spec_engine){ .batch = (uint32_t)e->batch,
                                                .live = (uint32_t)e->live,
                                                .threads = (uint32_t)e->threads,
                                                .state_memory = or_infinite(e->state_memory * (1 << 20)),
                                                .save_images = e->save_images != 0,
                                                .save_previews = (uint64_t)e->save_previews,
                                                .cache = e->cache,
                                                .cache_bytes = (uint64_t)(e->cache_size * (1 << 20)) };
}

static void load_prompts(struct loader *l)
{
    const struct tree_node *object = load_object(l, l->root, "prompts", !l->request->without_run);
    struct tree_node *resolved = load_resolved(l, l->resolved, "prompts");
    l->spec->prompts_path = "";
    if (object)
        prompts_load(l, object, resolved);
}

/* ---- what follows from the whole ---- */

static void check_search(struct loader *l)
{
    const struct spec_use *use = &l->spec->search;
    wn_error err = { 0 };
    if (!use->plugin || !use->options || l->problems.count)
        return;
    const wn_search *search = use->plugin->vtable;
    const wn_status status = search->check ? search->check(use->options, &err) : WN_OK;
    if (status != WN_OK)
        problems_add(&l->problems, status, l->root, "search", "search \"%s\": %s", use->plugin->name, err.message);
}

static void check_bounded(struct loader *l)
{
    const struct spec *s = l->spec;
    if (!s->search.plugin || !s->search.options || l->problems.count)
        return;
    wn_search_plan plan = { .struct_size = sizeof plan };
    const wn_search *search = s->search.plugin->vtable;
    search->plan(s->search.options, s->canvas.steps, 1, &plan);
    if (plan.nfe == UINT64_MAX && is_unbounded(&s->budget) && is_unbounded(&s->run_budget))
        problems_add(&l->problems, WN_E_ARG, l->root, "budget", "search \"%s\" goes on for ever without a budget; give "
                     "\"budget\": {\"nfe\": ...}", s->search.plugin->name);
}

static bool divides(uint64_t factor, const wn_canvas *canvas)
{
    return canvas->width_px % factor == 0 && canvas->height_px % factor == 0;
}

/* What is known before there is a sampler, which may want multiples of its own. */
static void check_shrinks(struct loader *l)
{
    const struct spec *s = l->spec;
    const char *name = s->search.plugin ? s->search.plugin->name : "";
    if (!s->search.options || l->problems.count)
        return;
    const uint64_t shrinks = spec_shrinks(s);
    for (uint64_t factor = 2; factor < 64; factor++) {
        if (!(shrinks >> factor & 1))
            continue;
        if (factor > WN_SHRINK_MAX || !divides(factor, &s->canvas))
            problems_add(&l->problems, WN_E_ARG, l->root, "search",
                         "search \"%s\" shrinks the canvas by %llu, which does "
                         "not divide %u x %u px; take another factor up to %d, or another canvas",
                         name, (unsigned long long)factor, s->canvas.width_px, s->canvas.height_px, WN_SHRINK_MAX);
        else if (s->start_image)
            problems_add(&l->problems, WN_E_ARG, l->root, "search",
                         "search \"%s\" shrinks the canvas by %llu, but the "
                         "picture of /canvas/image is only there at its full size; take one of them away",
                         name, (unsigned long long)factor);
    }
}

static void warn_unused(const struct spec *s)
{
    for (uint32_t i = 0; i < s->verifier_count; i++) {
        bool used = i == s->guide;
        for (uint32_t k = 0; k < s->judge_count; k++)
            used = used || s->judges[k] == i;
        for (uint32_t k = i + 1; k < s->verifier_count; k++)
            for (uint32_t m = 0; m < s->verifiers[k].input_count; m++)
                used = used || s->verifiers[k].inputs[m] == i;
        if (!used)
            log_printf(WN_LOG_WARN, "verifier \"%s\" is neither guide nor judge nor input: it scores nothing",
                       s->verifiers[i].name);
    }
}

static const char *write_text(struct loader *l, const struct tree_node *tree, uint32_t indent, bool sorted)
{
    struct buffer text = BUFFER_INIT(8 * TREE_MAX_BYTES);
    struct json_text j = json_begin(&text, indent);
    tree_write(&j, tree, sorted);
    if (indent)
        buffer_byte(&text, '\n');
    const char *copy = text.failed ? NULL : arena_copy(l->arena, text.data, text.size);
    if (!copy)
        problems_add_line(&l->problems, WN_E_ARG, "the resolved spec is too large or nested too deep");
    buffer_free(&text);
    return copy;
}

static void forget(struct tree_node *object, const char *key)
{
    struct tree_node *member = tree_get(object, key);
    if (member)
        tree_remove(object, member);
}

/* What results depend on: not where they go, what they are called or how and where they are computed; of a prompt file
 * or a picture its content, not its name. Keys are sorted, so their order in the spec is free. */
static void write_hash(struct loader *l)
{
    static const char *const free_keys[] = { "name", "output", "engine" };
    struct tree_node *tree = tree_copy(l->arena, l->resolved), *verifiers = tree_get(tree, "verifiers");
    for (uint32_t i = 0; i < 3; i++)
        forget(tree, free_keys[i]);
    forget(tree_get(tree, "prompts"), "file");
    forget(tree_get(tree, "canvas"), "image");
    for (struct tree_node *v = verifiers ? verifiers->child : NULL; v; v = v->next) {
        forget(v, "isolate");
        forget(v, "patience_s");
    }
    const char *text = tree ? write_text(l, tree, 0, true) : NULL;
    if (text)
        sha256_of(text, strlen(text), l->spec->hash);
}

static void load_all(struct loader *l)
{
    load_top(l);
    load_prompts(l);
    load_sampler(l);
    load_canvas(l);
    load_verifiers(l);
    load_devices(l);
    load_search(l);
    load_budget(l);
    load_engine(l);
    check_search(l);
    check_bounded(l);
    check_shrinks(l);
    if (l->problems.count)
        return;
    l->spec->resolved = write_text(l, l->resolved, 2, false);
    write_hash(l);
    if (!l->request->without_run && !l->request->changes)
        warn_unused(l->spec);
}

static bool prepare(struct loader *l, const struct spec_request *request)
{
    struct spec *s = arena_alloc(l->arena, sizeof *s);
    l->spec = s;
    l->resolved = s ? tree_new(l->arena, TREE_OBJECT) : NULL;
    if (!l->resolved)
        return false;
    s->memory = l->arena;
    s->path = strcmp(request->path, "-") == 0 ? "" : arena_string(l->arena, request->path);
    s->directory = request->directory ? arena_string(l->arena, request->directory)
                                      : source_directory(l->arena, request->path);
    return s->path && s->directory;
}

wn_status spec_load(const struct spec_request *request, struct registry *registry, struct spec **out, char **report,
                    wn_error *err)
{
    struct loader l = { .request = request, .registry = registry, .arena = arena_create() };
    *out = NULL;
    *report = NULL;
    if (!l.arena || !prepare(&l, request)) {
        arena_destroy(l.arena);
        return wn_fail(err, WN_E_MEMORY, "spec: no memory");
    }
    problems_init(&l.problems);
    l.root = source_load(request, l.arena, &l.problems, &l.spec->text);
    if (l.root && sweep_settle(&l))
        load_all(&l);
    if (!l.problems.count) {
        problems_free(&l.problems);
        *out = l.spec;
        return WN_OK;
    }
    *err = l.problems.first;
    *report = buffer_take(&l.problems.lines);
    problems_free(&l.problems);
    arena_destroy(l.arena);
    return err->code;
}

void spec_free(struct spec *spec)
{
    if (spec)
        arena_destroy(spec->memory);
}
