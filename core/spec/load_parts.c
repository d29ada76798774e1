/* load_parts.c - a search made of searches: each element of its list is found, checked and bound like the search of the
 * spec, so that a mistake in the third stage's options has its place in the file like any other. */
#include "spec/load.h"

#include "plugin/options.h"
#include "spec/shape.h"

#include <string.h>

enum { PARTS_MAX = 64 };

static bool is_made_of_searches(const wn_plugin *p)
{
    for (const wn_option *row = p->options; row && row->name; row++)
        if (row->type == WN_OPTION_SEARCHES)
            return true;
    return false;
}

static void load_part(struct loader *l, const struct tree_node *node, const wn_search *outer, struct spec_use *use,
                      wn_search_part *part, struct tree_node *written)
{
    const wn_option *tables[] = { shape_use_options, outer->part_options };
    use->name = "search";
    options_check_keys(node, tables, 2, SHAPE_SEARCH_KEYS, &l->problems);
    load_bind(l, tables[0], sizeof(struct shape_use), node, node, NULL, written);
    if (outer->part_options)
        part->own = load_bind(l, tables[1], outer->part_options_size, node, node, NULL, written);
    load_use(l, node, WN_KIND_SEARCH, use, written);
    part->plugin = use->plugin;
    part->options = use->options;
    if (use->plugin && is_made_of_searches(use->plugin))
        problems_add(&l->problems, WN_E_ARG, tree_get(node, "use"), NULL,
                     "%s is made of searches itself; put its searches into this list", use->plugin->name);
}

/* NULL when memory ran out. */
static const wn_search_parts *load_all_parts(struct loader *l, const struct tree_node *list, struct spec_use *outer,
                                             struct tree_node *written)
{
    wn_search_parts *all = load_memory(l, 1, sizeof *all);
    wn_search_part *parts = load_memory(l, list->count + 1, sizeof *parts);
    outer->parts = load_memory(l, list->count + 1, sizeof *outer->parts);
    if (!all || !parts || !outer->parts || !written)
        return NULL;
    if (list->count < 1 || list->count > PARTS_MAX)
        problems_add(&l->problems, WN_E_ARG, list, NULL, "%u searches; 1 to %d are possible", list->count, PARTS_MAX);
    outer->part_count = list->count;
    *all = (wn_search_parts){ .struct_size = sizeof *all, .count = list->count, .parts = parts };
    const struct tree_node *n = list->child;
    for (uint32_t i = 0; n; n = n->next, i++) {
        char show[64];
        if (n->type == TREE_OBJECT)
            load_part(l, n, outer->plugin->vtable, &outer->parts[i], &parts[i], load_resolved(l, written, NULL));
        else
            problems_add(&l->problems, WN_E_ARG, n, NULL, "%s where a search, {\"use\": ...}, is expected",
                         tree_show(n, show));
    }
    return all;
}

void load_parts(struct loader *l, const struct tree_node *options, struct spec_use *use, void *filled,
                struct tree_node *written)
{
    for (const wn_option *row = use->plugin->options; row && row->name; row++) {
        const struct tree_node *list = row->type == WN_OPTION_SEARCHES ? tree_get(options, row->name) : NULL;
        if (!list || list->type != TREE_ARRAY) /* reported by the binder */
            continue;
        struct tree_node *copy = tree_put(written, row->name, tree_new(l->arena, TREE_ARRAY));
        const wn_search_parts *parts = load_all_parts(l, list, use, copy);
        memcpy((char *)filled + row->offset, &parts, sizeof parts);
    }
}
