/* load_devices.c - "devices": options of device plugins, by the plugins' names, for whoever opens such a device.
 *
 * A spec that says nothing has no such key when it is resolved either, so that its hash is what it was.
 */
#include "spec/load.h"

#include "plugin/options.h"

static void load_device(struct loader *l, const struct tree_node *node, struct tree_node *resolved)
{
    char pointer[300], show[64];
    wn_error err = { 0 };
    struct spec_use *use = &l->spec->devices[l->spec->device_count++];
    tree_pointer(node, NULL, pointer, sizeof pointer);
    use->name = arena_string(l->arena, node->key);
    use->pointer = arena_string(l->arena, pointer);
    if (node->type != TREE_OBJECT) {
        problems_add(&l->problems, WN_E_ARG, node, NULL, "%s where an object of options is expected",
                     tree_show(node, show));
        return;
    }
    const wn_status status = registry_find(l->registry, WN_KIND_DEVICE, node->key, &use->plugin, &use->module, &err);
    if (status != WN_OK) {
        problems_add(&l->problems, status, node, NULL, "%s", err.message);
        return;
    }
    const wn_option *table = use->plugin->options;
    options_check_keys(node, &table, 1, NULL, &l->problems);
    use->options =
        load_bind(l, table, use->plugin->options_size, node, node, NULL, load_resolved(l, resolved, node->key));
}

void load_devices(struct loader *l)
{
    const struct tree_node *object = load_object(l, l->root, "devices", false);
    if (!object || !(l->spec->devices = load_memory(l, object->count + 1, sizeof *l->spec->devices)))
        return;
    struct tree_node *resolved = load_resolved(l, l->resolved, "devices");
    for (const struct tree_node *n = object->child; n; n = n->next)
        load_device(l, n, resolved);
}
