/* sweep_points.c - list x grid: which changes make which point, and what a point is called. */
#include "spec/sweep_points.h"

#include "plugin/options.h"
#include "spec/shape.h"

#include <string.h>

struct maker {
    struct sweep *sweep;
    struct problems *problems;
    const struct tree_node *node;  /* "sweep" */
    const struct tree_node *grid;  /* NULL where there is none */
    const struct tree_node *first; /* of the list; NULL: one point without changes */
};
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
            problems_add(m->problems, WN_E_ARG, value, NULL, "\"%s\" cannot change from point to point%s", path,
                         i == 3 ? " of a grid; in \"list\" it says what a point is called" : "");
            return false;
        }
    for (uint32_t i = 0; i < c->count; i++)
        if (strcmp(room[i].path, path) == 0) {
            problems_add(m->problems, WN_E_ARG, value, NULL,
                         "\"%s\" is changed by \"list\" and by \"grid\"; leave it to one "
                         "of them",
                         path);
            return false;
        }
    room[c->count++] = (struct sweep_change){ path, value };
    return true;
}

static bool is_name(struct maker *m, const struct tree_node *n)
{
    char show[64];
    if (n->type == TREE_STRING)
        return true;
    problems_add(m->problems, WN_E_ARG, n, NULL, "%s where what the point is called is expected, a string",
                 tree_show(n, show));
    return false;
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
        if (strcmp(n->key, "name") == 0)
            given = is_name(m, n) ? n->text : "";
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
            problems_add(m->problems, WN_E_ARG, n, NULL,
                         "no value: the grid would have no point; give one, or leave the "
                         "key out");
    return m->problems->count == before;
}

static bool check_list(struct maker *m, const struct tree_node *list)
{
    const uint32_t before = m->problems->count;
    char show[64];
    for (const struct tree_node *n = list->child; n; n = n->next)
        if (n->type != TREE_OBJECT)
            problems_add(m->problems, WN_E_ARG, n, NULL,
                         "%s where a point is expected: an object of keys as --set has them", tree_show(n, show));
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
    problems_add(m->problems, WN_E_ARG, m->node, NULL,
                 "a sweep without a point; give it \"grid\": {\"seed\": [1, 2]} or "
                 "\"list\": [{...}]");
}

static void measure(struct maker *m, const struct tree_node *list, uint64_t max_points)
{
    struct buffer text = BUFFER_INIT(1 << 16);
    const uint64_t count = product(m, list, &text);
    if (count == 0)
        refuse_empty(m);
    else if (count > max_points)
        problems_add(m->problems, WN_E_ARG, m->node, NULL,
                     "%s points, where max_points allows %llu; give fewer values, or "
                     "raise \"max_points\"",
                     buffer_string(&text), (unsigned long long)max_points);
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
        problems_add(m->problems, WN_E_ARG, n, NULL, "%s where %s is expected", tree_show(n, show),
                     tree_type_name(type));
    return n && n->type == type ? n : NULL;
}

static void read_sweep(struct maker *m)
{
    const wn_option *table = shape_sweep_options;
    struct shape_sweep shape = { 0 };
    if (m->node->type != TREE_OBJECT) {
        problems_add(m->problems, WN_E_ARG, m->node, NULL,
                     "%s where an object is expected: {\"grid\": {...}} or {\"list\": "
                     "[...]}",
                     tree_type_name(m->node->type));
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

void sweep_points(struct sweep *sweep, const struct tree_node *node, struct problems *problems)
{
    struct maker m = { .sweep = sweep, .problems = problems, .node = node };
    read_sweep(&m);
}
