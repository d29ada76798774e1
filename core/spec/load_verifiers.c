/* load_verifiers.c - the verifiers and what they are wrapped around.
 *
 * "inputs" makes a graph. It must have no circle; the verifiers are put in an order in which inputs come first, so
 * instances are made, and closed, along the list.
 */
#include "spec/load.h"

#include "base/suggest.h"
#include "plugin/options.h"
#include "spec/shape.h"

#include <string.h>

enum { STATE_NEW = 0, STATE_OPEN, STATE_DONE }; /* of a depth-first walk */

struct draft {
    const struct tree_node *node;
    struct spec_use use;
    uint32_t *inputs; /* indices into drafts */
    uint32_t place;   /* in the final order */
    int state;
};

struct drafts {
    struct draft *items;
    uint32_t count;
    uint32_t placed;
};

static const wn_verifier *vtable_of(const struct draft *d)
{
    return d->use.plugin ? d->use.plugin->vtable : NULL;
}

static int64_t index_of(const struct drafts *all, const char *name)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (strcmp(all->items[i].use.name, name) == 0)
            return i;
    return -1;
}

static void report_no_verifier(struct loader *l, const struct drafts *all, const struct tree_node *name)
{
    char hint[128], show[64];
    struct suggest s = suggest_begin(name->text);
    for (uint32_t i = 0; i < all->count; i++)
        suggest_try(&s, all->items[i].use.name);
    problems_add(&l->problems, WN_E_ARG, name, NULL, "no verifier of this spec is named %s%s", tree_show(name, show),
                 s.best ? suggest_text(&s, hint) : "; add it under \"verifiers\"");
}

/* The verifier that a string names; -1, reported, when there is none. */
static int64_t resolve_reference(struct loader *l, const struct drafts *all, const struct tree_node *name)
{
    char show[64];
    if (name->type != TREE_STRING) {
        problems_add(&l->problems, WN_E_ARG, name, NULL, "%s where the name of a verifier is expected",
                     tree_show(name, show));
        return -1;
    }
    int64_t found = index_of(all, name->text);
    if (found < 0)
        report_no_verifier(l, all, name);
    return found;
}

static void check_input_count(struct loader *l, const struct draft *d, uint32_t count)
{
    const wn_verifier *v = vtable_of(d);
    const struct tree_node *inputs = tree_get(d->node, "inputs");
    if (!v || (count >= v->min_inputs && count <= v->max_inputs))
        return;
    if (v->max_inputs == 0)
        problems_add(&l->problems, WN_E_ARG, inputs, NULL, "%s takes no inputs, not %u; remove them",
                     d->use.plugin->name, count);
    else
        problems_add(&l->problems, WN_E_ARG, inputs ? inputs : d->node, inputs ? NULL : "inputs",
                     "%s takes %llu to %llu inputs, not %u; name verifiers of this spec", d->use.plugin->name,
                     (unsigned long long)v->min_inputs, (unsigned long long)v->max_inputs, count);
}

static void read_inputs(struct loader *l, const struct drafts *all, struct draft *d, struct tree_node *resolved)
{
    const struct tree_node *list = load_list(l, d->node, "inputs");
    check_input_count(l, d, list ? list->count : 0);
    if (!list || !list->count || !(d->inputs = load_memory(l, list->count, sizeof *d->inputs)))
        return;
    tree_put(resolved, "inputs", tree_copy(l->arena, list));
    for (const struct tree_node *n = list->child; n; n = n->next) {
        int64_t found = resolve_reference(l, all, n);
        if (found >= 0)
            d->inputs[d->use.input_count++] = (uint32_t)found;
    }
}

static bool is_good_name(const char *name)
{
    uint64_t length = strlen(name);
    return length >= 1 && length <= 64 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

/* The inputs of a wrapper are called in its process, so it stays in theirs. */
static void read_isolation(struct loader *l, struct draft *d, const struct shape_verifier *shape)
{
    const wn_verifier *v = vtable_of(d);
    d->use.isolate = shape && shape->isolate;
    d->use.patience_s = shape ? shape->patience_s : 0;
    if (d->use.isolate && v && v->max_inputs > 0)
        problems_add(&l->problems, WN_E_ARG, d->node, "isolate",
                     "%s works on other verifiers, which live in this process; isolate those instead",
                     d->use.plugin->name);
}

static void read_draft(struct loader *l, struct draft *d)
{
    if (!is_good_name(d->node->key))
        problems_add(&l->problems, WN_E_ARG, d->node, NULL, "a verifier's name must be of the form [a-z0-9_-]{1,64}");
    d->use.name = arena_string(l->arena, d->node->key);
    struct tree_node *resolved = load_resolved(l, tree_get(l->resolved, "verifiers"), d->node->key);
    if (d->node->type != TREE_OBJECT) {
        problems_add(&l->problems, WN_E_ARG, d->node, NULL, "%s where an object {\"use\": ...} is expected",
                     tree_type_name(d->node->type));
        return;
    }
    const wn_option *table = shape_verifier_options;
    options_check_keys(d->node, &table, 1, SHAPE_VERIFIER_KEYS, &l->problems);
    const struct shape_verifier *shape = load_bind(l, table, sizeof *shape, d->node, d->node, NULL, resolved);
    load_use(l, d->node, WN_KIND_VERIFIER, &d->use, resolved);
    read_isolation(l, d, shape);
}

/* Depth first: a verifier is placed when all its inputs are. False at a circle, which is reported once. */
static bool place(struct loader *l, struct drafts *all, struct draft *d)
{
    if (d->state == STATE_DONE)
        return true;
    if (d->state == STATE_OPEN) {
        problems_add(&l->problems, WN_E_ARG, d->node, "inputs", "%s is an input of itself; break the circle",
                     d->use.name);
        return false;
    }
    d->state = STATE_OPEN;
    for (uint32_t i = 0; i < d->use.input_count; i++)
        if (!place(l, all, &all->items[d->inputs[i]]))
            return false;
    d->state = STATE_DONE;
    d->place = all->placed++;
    return true;
}

static void store(struct loader *l, struct drafts *all)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (!place(l, all, &all->items[i]))
            return;
    for (uint32_t i = 0; i < all->count; i++) {
        struct draft *d = &all->items[i];
        for (uint32_t k = 0; k < d->use.input_count; k++)
            d->inputs[k] = all->items[d->inputs[k]].place;
        d->use.inputs = d->inputs;
        l->spec->verifiers[d->place] = d->use;
    }
    l->spec->verifier_count = all->count;
}

static void read_guide(struct loader *l, struct drafts *all)
{
    const struct tree_node *guide = tree_get(tree_get(l->root, "search"), "guide");
    int64_t found = guide && guide->type == TREE_STRING ? resolve_reference(l, all, guide) : -1;
    if (found >= 0)
        l->spec->guide = all->items[found].place;
}

static void read_judges(struct loader *l, struct drafts *all)
{
    const struct tree_node *list = load_list(l, l->root, "judge");
    struct tree_node *written = list ? tree_copy(l->arena, list) : tree_new(l->arena, TREE_ARRAY);
    tree_put(l->resolved, "judge", written);
    if (!list || !list->count || !(l->spec->judges = load_memory(l, list->count, sizeof *l->spec->judges)))
        return;
    const struct tree_node *guide = tree_get(tree_get(l->root, "search"), "guide");
    for (const struct tree_node *n = list->child; n; n = n->next) {
        int64_t found = resolve_reference(l, all, n);
        if (found < 0)
            continue;
        for (const struct tree_node *m = list->child; m != n; m = m->next)
            if (m->type == TREE_STRING && strcmp(m->text, n->text) == 0)
                problems_add(&l->problems, WN_E_ARG, n, NULL, "\"%s\" stands in the list twice; remove one", n->text);
        if (guide && guide->type == TREE_STRING && strcmp(guide->text, n->text) == 0)
            problems_add(&l->problems, WN_E_ARG, n, NULL, "\"%s\" is the guide, whose scores are reported anyway; "
                         "remove it here", n->text);
        l->spec->judges[l->spec->judge_count++] = all->items[found].place;
    }
}

void load_verifiers(struct loader *l)
{
    const struct tree_node *object = load_object(l, l->root, "verifiers", !l->request->without_run);
    struct tree_node *resolved = load_resolved(l, l->resolved, "verifiers");
    struct drafts all = { .count = object ? object->count : 0 };
    all.items = load_memory(l, all.count + 1, sizeof *all.items);
    l->spec->verifiers = load_memory(l, all.count + 1, sizeof *l->spec->verifiers);
    if (!all.items || !l->spec->verifiers)
        return;
    const struct tree_node *n = object ? object->child : NULL;
    for (uint32_t i = 0; n; n = n->next, i++) {
        all.items[i].node = n;
        read_draft(l, &all.items[i]);
    }
    for (uint32_t i = 0; i < all.count; i++)
        if (all.items[i].node->type == TREE_OBJECT)
            read_inputs(l, &all, &all.items[i], tree_get(resolved, all.items[i].node->key));
    store(l, &all);
    read_guide(l, &all);
    read_judges(l, &all);
}
