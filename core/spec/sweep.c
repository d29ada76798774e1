/* sweep.c - points are made of the tree, checked by loading each as the spec that it is, and forgotten again but for
 * their ids and what they will take: a sweep over many prompts holds one list of prompts at a time.
 */
#include "spec/sweep.h"

#include "base/sha256.h"
#include "spec/source.h"
#include "spec/sweep_points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- for spec_load --------------------------------------------------------------------------------------------- */

static const char *place_of(struct arena *arena, const struct tree_node *value)
{
    char pointer[300];
    tree_pointer(value, NULL, pointer, sizeof pointer);
    return value->line ? arena_printf(arena, "%s:%u:%u: %s", value->source, value->line, value->column, pointer)
                       : arena_printf(arena, "%s: %s", value->source, pointer);
}

static bool name_it(struct loader *l, const char *name)
{
    return tree_put(l->root, "name", tree_new_string(l->arena, name));
}

bool sweep_settle(struct loader *l)
{
    const struct sweep_changes *c = l->request->changes;
    struct tree_node *sweep = tree_get(l->root, "sweep");
    if (sweep && !c && !l->request->without_run) {
        problems_add(&l->problems, WN_E_ARG, sweep, NULL,
                     "this is a sweep, many experiments, where one is wanted; give it "
                     "to `winnow run`, or take the spec of a point, POINT/spec.resolved.json");
        return false;
    }
    if (sweep)
        tree_remove(l->root, sweep);
    for (uint32_t i = 0; c && i < c->count; i++) {
        const char *place = place_of(l->arena, c->changes[i].value);
        source_change(l->arena, &l->problems, l->root, c->changes[i].path, c->changes[i].value, place ? place : "");
    }
    if (c && c->name && !name_it(l, c->name))
        problems_add_line(&l->problems, WN_E_MEMORY, "sweep: no memory");
    return l->problems.count == 0;
}

/* ---- checking -------------------------------------------------------------------------------------------------- */

/* One line of the points' reports, and who has it. */
struct finding {
    const char *line;
    uint32_t first, count;
    struct finding *next;
};

static bool note(struct arena *arena, struct finding **head, const char *line, uint64_t length, uint32_t point)
{
    struct finding **link = head;
    uint32_t known = 0;
    for (; *link; link = &(*link)->next, known++)
        if (strlen((*link)->line) == length && memcmp((*link)->line, line, length) == 0) {
            (*link)->count++;
            return true;
        }
    if (known > PROBLEMS_MAX) /* more than will be shown */
        return true;
    *link = arena_alloc(arena, sizeof **link);
    if (*link)
        **link = (struct finding){ arena_copy(arena, line, length), point, 1, NULL };
    return *link && (*link)->line;
}

static bool note_all(struct arena *arena, struct finding **head, const char *report, uint32_t point)
{
    bool fine = true;
    for (const char *line = report, *end; fine && (end = strchr(line, '\n')); line = end + 1)
        fine = note(arena, head, line, (uint64_t)(end - line), point);
    return fine;
}

static void tell(const struct sweep *s, const struct finding *f, wn_status code, struct problems *problems)
{
    for (; f; f = f->next)
        if (f->count == s->count)
            problems_add_line(problems, code, "%s", f->line);
        else if (f->count == 1)
            problems_add_line(problems, code, "%s (point %u of %u: %s)", f->line, f->first + 1, s->count,
                              s->points[f->first].changes.name);
        else
            problems_add_line(problems, code, "%s (%u of %u points, the first %s)", f->line, f->count, s->count,
                              s->points[f->first].changes.name);
}

static void write_part(struct json_text *j, const struct tree_node *object, const char *key)
{
    const struct tree_node *n = tree_get(object, key);
    if (n)
        tree_write(j, n, true);
    else
        json_null(j);
}

bool sweep_cost(const char *resolved, char hash[65])
{
    struct arena *memory = arena_create();
    struct buffer text = BUFFER_INIT(TREE_MAX_BYTES * 8);
    struct tree_fault fault;
    const struct tree_node *root = memory ? tree_parse(memory, "", resolved, strlen(resolved), &fault) : NULL;
    struct json_text j = json_begin(&text, 0);
    json_array(&j);
    write_part(&j, root, "sampler");
    write_part(&j, tree_get(root, "canvas"), "width");
    write_part(&j, tree_get(root, "canvas"), "height");
    json_end(&j);
    const bool fine = root && !text.failed;
    if (fine)
        sha256_of(text.data, text.size, hash);
    buffer_free(&text);
    arena_destroy(memory);
    return fine;
}

static void keep(struct sweep *s, struct sweep_point *p, const struct spec *spec)
{
    memcpy(p->id, spec->hash, sizeof p->id);
    sweep_cost(spec->resolved, p->cost);
    p->prompt_count = spec->prompt_count;
    p->each = spec_bounds(spec, 1);
    p->disk = spec_disk(spec, &p->each);
    p->folder = arena_printf(s->memory, "%s-%.*s", p->changes.name, SWEEP_ID, p->id);
    if (!s->output) {
        s->output = arena_string(s->memory, spec->output);
        s->name = arena_string(s->memory, spec->name);
    }
}

static int by_id(const void *a, const void *b)
{
    const struct sweep_point *x = *(const struct sweep_point *const *)a, *y = *(const struct sweep_point *const *)b;
    const int order = strcmp(x->id, y->id);
    return order ? order : (x > y) - (x < y);
}

/* The same content twice would be one folder; the engine's keys change no result. */
static void check_distinct(const struct sweep *s, const struct tree_node *node, struct problems *problems)
{
    const struct sweep_point **sorted = arena_array(s->memory, s->count, sizeof *sorted);
    for (uint32_t i = 0; sorted && i < s->count; i++)
        sorted[i] = &s->points[i];
    if (!sorted) {
        problems_add_line(problems, WN_E_MEMORY, "sweep: no memory to check %u points", s->count);
        return;
    }
    qsort(sorted, s->count, sizeof *sorted, by_id);
    for (uint32_t i = 1; i < s->count; i++)
        if (strcmp(sorted[i - 1]->id, sorted[i]->id) == 0)
            problems_add(problems, WN_E_ARG, node, NULL,
                         "points %u (%s) and %u (%s) are the same experiment: what "
                         "differs changes no result; remove one",
                         (unsigned)(sorted[i - 1] - s->points) + 1, sorted[i - 1]->changes.name,
                         (unsigned)(sorted[i] - s->points) + 1, sorted[i]->changes.name);
}

static wn_status load_point(const struct sweep *s, struct registry *registry, struct sweep_changes *changes,
                            const char *output, struct spec **spec, char **report, wn_error *err)
{
    struct spec_request request = s->request;
    request.changes = changes;
    if (output)
        request.output = output;
    return spec_load(&request, registry, spec, report, err);
}

static void check_points(struct sweep *s, const struct tree_node *node, struct registry *registry,
                         struct problems *problems)
{
    struct finding *findings = NULL;
    wn_status code = WN_OK;
    bool fine = true;
    for (uint32_t i = 0; fine && i < s->count; i++) {
        struct sweep_changes changes = s->points[i].changes;
        struct spec *spec = NULL;
        char *report = NULL;
        wn_error err = { 0 };
        changes.name = NULL;
        wn_status status = load_point(s, registry, &changes, NULL, &spec, &report, &err);
        if (status == WN_OK)
            keep(s, &s->points[i], spec);
        else
            fine = report ? note_all(s->memory, &findings, report, i) : false;
        code = code ? code : status;
        free(report);
        spec_free(spec);
    }
    if (!fine)
        problems_add_line(problems, WN_E_MEMORY, "sweep: no memory to check %u points", s->count);
    tell(s, findings, code, problems);
    if (!problems->count)
        check_distinct(s, node, problems);
}

/* ---- from outside ---------------------------------------------------------------------------------------------- */

static wn_status hand_over(struct sweep *s, struct problems *problems, struct sweep **out, char **report, wn_error *err)
{
    wn_status status = WN_OK;
    if (problems->count) {
        *err = problems->first;
        *report = buffer_take(&problems->lines);
        status = err->code;
        sweep_free(s);
    } else {
        *out = s;
    }
    problems_free(problems);
    return status;
}

wn_status sweep_load(const struct spec_request *request, struct registry *registry, struct sweep **out, char **report,
                     wn_error *err)
{
    struct arena *memory = arena_create();
    struct sweep *s = memory ? arena_alloc(memory, sizeof *s) : NULL;
    struct problems problems;
    *out = NULL;
    *report = NULL;
    if (!s) {
        arena_destroy(memory);
        return wn_fail(err, WN_E_MEMORY, "sweep: no memory");
    }
    s->memory = memory;
    s->request = *request;
    problems_init(&problems);
    const struct tree_node *root = source_load(request, memory, &problems, &s->request.text);
    const struct tree_node *node = tree_get(root, "sweep");
    if (node)
        sweep_points(s, node, &problems);
    if (node && !problems.count)
        check_points(s, node, registry, &problems);
    return hand_over(s, &problems, out, report, err);
}

void sweep_free(struct sweep *s)
{
    if (s)
        arena_destroy(s->memory);
}

wn_status sweep_point_load(const struct sweep *s, struct registry *registry, uint32_t point, const char *output,
                           struct spec **out, char **report, wn_error *err)
{
    struct sweep_changes changes = s->points[point].changes;
    WN_TRY(load_point(s, registry, &changes, output, out, report, err));
    if (strcmp((*out)->hash, s->points[point].id) == 0)
        return WN_OK;
    spec_free(*out);
    *out = NULL;
    return wn_fail(err, WN_E_ARG, "%s: what point %u (%s) stands on was changed while the sweep ran; start it again",
                   s->request.path, point + 1, changes.name);
}
