/* sweep.c - points are made of the tree, checked by loading each as the spec that it is, and forgotten again but for
 * their ids and what they will take: a sweep over many prompts holds one list of prompts at a time.
 */
#include "spec/sweep.h"

#include "base/sha256.h"
#include "plugin/options.h"
#include "spec/shape.h"
#include "spec/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct maker {
    struct sweep *sweep;
    struct problems *problems;
    const struct tree_node *node;  /* "sweep" */
    const struct tree_node *grid;  /* NULL where there is none */
    const struct tree_node *first; /* of the list; NULL: one point without changes */
    uint32_t point;
};

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
        problems_add(&l->problems, WN_E_ARG, sweep, NULL, "this is a sweep, many experiments, where one is wanted; give it "
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

/* ---- what a point is called ------------------------------------------------------------------------------------ */

static const char *last_step(const char *path)
{
    const char *last = path;
    for (const char *p = path; *p; p++)
        if ((*p == '.' || *p == '/') && p[1])
            last = p + 1;
    return last;
}

static void add_word(struct buffer *name, const char *key, const char *value)
{
    buffer_printf(name, "%s%s%s%s", name->size ? "," : "", key ? key : "", key ? "=" : "", value);
}

static const char *scalar(const struct tree_node *n, char text[64])
{
    if (n->type == TREE_STRING || n->type == TREE_NUMBER)
        return n->text;
    return n->type == TREE_NULL ? "none" : n->type == TREE_BOOL ? tree_show(n, text) : NULL;
}

/* A plugin is called by its name and the options that it is given. */
static void name_use(struct buffer *name, const struct tree_node *object)
{
    const struct tree_node *use = tree_get(object, "use"), *options = tree_get(object, "options");
    char text[64];
    add_word(name, NULL, use->text);
    for (const struct tree_node *n = options && options->type == TREE_OBJECT ? options->child : NULL; n; n = n->next)
        if (scalar(n, text))
            add_word(name, n->key, scalar(n, text));
}

static void name_change(struct buffer *name, const struct sweep_change *c)
{
    const struct tree_node *use = tree_get(c->value, "use");
    const char *key = last_step(c->path);
    char text[64];
    if (use && use->type == TREE_STRING)
        name_use(name, c->value);
    else if (scalar(c->value, text))
        add_word(name, strcmp(key, "use") == 0 || strcmp(key, "guide") == 0 ? NULL : key, scalar(c->value, text));
    else
        add_word(name, NULL, key);
}

/* Names stand in paths, in tables and on command lines. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._=,+-", c);
}

/* given: for the first `named` changes, or NULL. */
static const char *name_of(struct arena *arena, const char *given, uint32_t named, const struct sweep_changes *c)
{
    struct buffer name = BUFFER_INIT(1 << 16);
    if (given)
        add_word(&name, NULL, given);
    for (uint32_t i = given ? named : 0; i < c->count; i++)
        name_change(&name, &c->changes[i]);
    if (!name.size)
        buffer_text(&name, "base");
    char *copy = name.failed ? NULL : arena_copy(arena, name.data, name.size < SWEEP_NAME ? name.size : SWEEP_NAME);
    for (char *p = copy; p && *p; p++)
        if (!is_plain(*p) || (p == copy && (*p == '.' || *p == '-')))
            *p = '_';
    buffer_free(&name);
    return copy;
}

/* ---- from the tree to points ----------------------------------------------------------------------------------- */

static bool add_change(struct maker *m, struct sweep_changes *c, struct sweep_change *room, const char *path,
                       const struct tree_node *value)
{
    static const char *const not_ours[] = { "output", "sweep", "winnow", "name" };
    for (uint32_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
        if (strcmp(path + (*path == '/'), not_ours[i]) == 0) {
            problems_add(m->problems, WN_E_ARG, value, NULL,
                         "\"%s\" cannot change from point to point%s", path,
                         i == 3 ? " of a grid; in \"list\" it says what a point is called" : "");
            return false;
        }
    for (uint32_t i = 0; i < c->count; i++)
        if (strcmp(room[i].path, path) == 0) {
            problems_add(m->problems, WN_E_ARG, value, NULL, "\"%s\" is changed by \"list\" and by \"grid\"; leave it to one "
                         "of them", path);
            return false;
        }
    room[c->count++] = (struct sweep_change){ path, value };
    return true;
}

static const struct tree_node *item_at(const struct tree_node *list, uint32_t index)
{
    const struct tree_node *n = list->child;
    for (; index > 0; index--)
        n = n->next;
    return n;
}

static uint32_t steps_of(const char *path)
{
    uint32_t steps = 0;
    for (const char *p = path; *p; p++)
        steps += (*p == '.' || *p == '/' || *p == '[') && p > path;
    return steps;
}

/* Whole nodes before their parts, so that {"search": {...}} and "search.guide" go together in any order. */
static void sort(struct sweep_change *changes, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = i; k > 0 && steps_of(changes[k - 1].path) > steps_of(changes[k].path); k--) {
            const struct sweep_change one = changes[k];
            changes[k] = changes[k - 1];
            changes[k - 1] = one;
        }
}

/* The point's members but its name, then the grid's values of combination `at`, whose last digit counts fastest. */
static bool fill(struct maker *m, const struct tree_node *item, uint64_t at, struct sweep_point *p)
{
    const uint32_t keys = m->grid ? m->grid->count : 0;
    struct sweep_change *room = arena_array(m->sweep->memory, (item ? item->count : 0) + keys + 1ull, sizeof *room);
    const char *given = NULL;
    uint64_t place = 1;
    if (!room)
        return false;
    for (const struct tree_node *n = item ? item->child : NULL; n; n = n->next)
        if (strcmp(n->key, "name") == 0 && n->type == TREE_STRING)
            given = n->text;
        else if (!add_change(m, &p->changes, room, n->key, n))
            return true;
    const uint32_t named = p->changes.count;
    for (const struct tree_node *n = m->grid ? m->grid->child : NULL; n; n = n->next)
        place *= n->count;
    for (const struct tree_node *n = m->grid ? m->grid->child : NULL; n; n = n->next) {
        place /= n->count;
        if (!add_change(m, &p->changes, room, n->key, item_at(n, (uint32_t)(at / place % n->count))))
            return true;
    }
    p->changes.changes = room;
    p->changes.name = name_of(m->sweep->memory, given, named, &p->changes);
    sort(room, p->changes.count);
    return p->changes.name;
}

static void make_points(struct maker *m, uint64_t combinations)
{
    struct sweep *s = m->sweep;
    s->points = arena_array(s->memory, s->count, sizeof *s->points);
    const struct tree_node *item = m->first;
    bool fine = s->points;
    for (uint32_t i = 0; fine && i < s->count && !m->problems->count; i++) {
        fine = fill(m, item, i % combinations, &s->points[i]);
        if (item && (i + 1) % combinations == 0)
            item = item->next;
    }
    if (!fine)
        problems_add_line(m->problems, WN_E_MEMORY, "sweep: no memory for %u points", s->count);
}

static bool check_grid(struct maker *m)
{
    const uint32_t before = m->problems->count;
    char show[64];
    for (const struct tree_node *n = m->grid->child; n; n = n->next)
        if (n->type != TREE_ARRAY)
            problems_add(m->problems, WN_E_ARG, n, NULL, "%s where a list of values is expected; write [%s]",
                         tree_show(n, show), n->type == TREE_OBJECT ? "{...}" : show);
        else if (!n->count)
            problems_add(m->problems, WN_E_ARG, n, NULL, "no value: the grid would have no point; give one, or leave the "
                         "key out");
    return m->problems->count == before;
}

static bool check_list(struct maker *m, const struct tree_node *list)
{
    const uint32_t before = m->problems->count;
    char show[64];
    for (const struct tree_node *n = list->child; n; n = n->next)
        if (n->type != TREE_OBJECT)
            problems_add(m->problems, WN_E_ARG, n, NULL, "%s where a point is expected: an object of keys as --set has them",
                         tree_show(n, show));
    return m->problems->count == before;
}

/* "3 x 2 x 10 = 60 points"; a product beyond counting is a very large one. */
static uint64_t product(const struct maker *m, const struct tree_node *list, struct buffer *text)
{
    double all = list ? list->count : 1;
    if (list)
        buffer_printf(text, "%u", list->count);
    for (const struct tree_node *n = m->grid ? m->grid->child : NULL; n; n = n->next) {
        all *= n->count;
        buffer_printf(text, "%s%u", text->size ? " x " : "", n->count);
    }
    if (strchr(buffer_string(text), 'x'))
        buffer_printf(text, " = %.0f", all);
    return all < 1e15 ? (uint64_t)all : (uint64_t)1e15;
}

static void refuse_empty(struct maker *m)
{
    problems_add(m->problems, WN_E_ARG, m->node, NULL, "a sweep without a point; give it \"grid\": {\"seed\": [1, 2]} or "
                 "\"list\": [{...}]");
}

static void measure(struct maker *m, const struct tree_node *list, uint64_t max_points)
{
    struct buffer text = BUFFER_INIT(1 << 16);
    const uint64_t count = product(m, list, &text);
    if (count == 0)
        refuse_empty(m);
    else if (count > max_points)
        problems_add(m->problems, WN_E_ARG, m->node, NULL, "%s points, where max_points allows %llu; give fewer values, or "
                     "raise \"max_points\"", buffer_string(&text), (unsigned long long)max_points);
    else
        m->sweep->count = (uint32_t)count;
    buffer_free(&text);
    if (m->sweep->count)
        make_points(m, count / (list ? list->count : 1));
}

static const struct tree_node *member(struct maker *m, const char *key, int32_t type)
{
    const struct tree_node *n = tree_get(m->node, key);
    char show[64];
    if (n && n->type != type)
        problems_add(m->problems, WN_E_ARG, n, NULL, "%s where %s is expected", tree_show(n, show), tree_type_name(type));
    return n && n->type == type ? n : NULL;
}

static void read_sweep(struct maker *m)
{
    const wn_option *table = shape_sweep_options;
    struct shape_sweep shape = { 0 };
    if (m->node->type != TREE_OBJECT) {
        problems_add(m->problems, WN_E_ARG, m->node, NULL, "%s where an object is expected: {\"grid\": {...}} or {\"list\": "
                     "[...]}", tree_type_name(m->node->type));
        return;
    }
    options_check_keys(m->node, &table, 1, SHAPE_SWEEP_KEYS, m->problems);
    options_bind(table, m->node, m->node, NULL, &shape, m->sweep->memory, m->problems);
    const struct tree_node *list = member(m, "list", TREE_ARRAY);
    m->grid = member(m, "grid", TREE_OBJECT);
    if (m->grid && !m->grid->count)
        m->grid = NULL;
    m->first = list ? list->child : NULL;
    if (m->problems->count || (m->grid && !check_grid(m)) || (list && !check_list(m, list)))
        return;
    if (list || m->grid)
        measure(m, list, (uint64_t)shape.max_points);
    else
        refuse_empty(m);
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

static void tell(struct maker *m, const struct finding *f, wn_status code)
{
    const struct sweep *s = m->sweep;
    for (; f; f = f->next)
        if (f->count == s->count)
            problems_add_line(m->problems, code, "%s", f->line);
        else if (f->count == 1)
            problems_add_line(m->problems, code, "%s (point %u of %u: %s)", f->line, f->first + 1, s->count,
                              s->points[f->first].changes.name);
        else
            problems_add_line(m->problems, code, "%s (%u of %u points, the first %s)", f->line, f->count, s->count,
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
    p->seconds = spec->budget.seconds;
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
static void check_distinct(struct maker *m)
{
    const struct sweep *s = m->sweep;
    const struct sweep_point **sorted = arena_array(s->memory, s->count, sizeof *sorted);
    for (uint32_t i = 0; sorted && i < s->count; i++)
        sorted[i] = &s->points[i];
    if (!sorted) {
        problems_add_line(m->problems, WN_E_MEMORY, "sweep: no memory to check %u points", s->count);
        return;
    }
    qsort(sorted, s->count, sizeof *sorted, by_id);
    for (uint32_t i = 1; i < s->count; i++)
        if (strcmp(sorted[i - 1]->id, sorted[i]->id) == 0)
            problems_add(m->problems, WN_E_ARG, m->node, NULL, "points %u (%s) and %u (%s) are the same experiment: what "
                         "differs changes no result; remove one", (unsigned)(sorted[i - 1] - s->points) + 1,
                         sorted[i - 1]->changes.name, (unsigned)(sorted[i] - s->points) + 1, sorted[i]->changes.name);
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

static void check_points(struct maker *m, struct registry *registry)
{
    struct sweep *s = m->sweep;
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
        problems_add_line(m->problems, WN_E_MEMORY, "sweep: no memory to check %u points", s->count);
    tell(m, findings, code);
    if (!m->problems->count)
        check_distinct(m);
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
    struct maker m = { .sweep = s, .problems = &problems, .node = tree_get(root, "sweep") };
    if (m.node)
        read_sweep(&m);
    if (m.node && !problems.count)
        check_points(&m, registry);
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
