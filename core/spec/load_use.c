/* load_use.c - one {"use": NAME, "options": {...}}: finds the plugin, fills its options. */
#include "spec/load.h"

#include "plugin/options.h"
#include "spec/shape.h"
#include "spec/source.h"

#include <string.h>

/* A name with a slash is a file, relative to the spec file that says so. */
static const char *plugin_name(struct loader *l, const struct tree_node *node)
{
    if (!strchr(node->text, '/') || node->text[0] == '/' || !node->line)
        return node->text;
    const char *directory = source_directory(l->arena, node->source);
    return directory ? arena_printf(l->arena, "%s/%s", directory, node->text) : node->text;
}

static void find_plugin(struct loader *l, const struct tree_node *object, int64_t kind, struct spec_use *use)
{
    wn_error err = { 0 };
    const struct tree_node *node = tree_get(object, "use");
    if (!node || node->type != TREE_STRING) /* reported by the binder */
        return;
    wn_status status = registry_find(l->registry, kind, plugin_name(l, node), &use->plugin, &use->module, &err);
    if (status)
        problems_add(&l->problems, status, node, NULL, "%s", err.message);
}

static const char *own_pointer(struct loader *l, const struct tree_node *object)
{
    char pointer[300];
    tree_pointer(object, NULL, pointer, sizeof pointer);
    const char *copy = arena_string(l->arena, pointer);
    return copy ? copy : "";
}

void load_use(struct loader *l, const struct tree_node *object, int64_t kind, struct spec_use *use,
              struct tree_node *resolved)
{
    use->pointer = own_pointer(l, object);
    find_plugin(l, object, kind, use);
    struct tree_node *options = load_object(l, object, "options", false);
    struct tree_node *written = load_resolved(l, resolved, "options");
    if (!use->plugin || (tree_get(object, "options") && !options))
        return;
    const wn_option *table = use->plugin->options;
    options_check_keys(options, &table, 1, NULL, &l->problems);
    void *filled = load_bind(l, table, use->plugin->options_size, options, options ? options : object,
                             options ? NULL : "options", written);
    if (filled)
        load_parts(l, options, use, filled, written);
    use->options = filled;
}
