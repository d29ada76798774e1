/* bind.c - from a run's bindings to one pointer for each input, output and item. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

static uint64_t names_bytes(const wn_graph *g)
{
    uint64_t bytes = 1;
    for (uint64_t i = 0; i < g->tensor_count; i++)
        bytes += g->tensors[i].name ? strlen(g->tensors[i].name) + 1 : 1;
    return bytes;
}

static const char *keep(const char *name, char **room)
{
    const size_t size = name ? strlen(name) + 1 : 1;
    char *copy = memcpy(*room, name ? name : "", size);
    *room += size;
    return copy;
}

wn_status bind_describe(const wn_graph *graph, const struct plan *plan, struct bind_table *table, wn_error *err)
{
    const char *graph_name = graph->name ? graph->name : "";
    *table = (struct bind_table){ .slots = calloc(graph->tensor_count + 1, sizeof *table->slots),
                                  .names = malloc(names_bytes(graph)),
                                  .graph_name = malloc(strlen(graph_name) + 1) };
    if (!table->slots || !table->names || !table->graph_name)
        return check_fail(graph, UINT64_MAX, err, WN_E_MEMORY, "out of memory for the program");
    strcpy(table->graph_name, graph_name);
    char *room = table->names;
    for (uint32_t i = 0; i < graph->tensor_count; i++) {
        const wn_tensor *t = &graph->tensors[i];
        if (t->role == WN_ROLE_INPUT || t->role == WN_ROLE_OUTPUT)
            table->slots[table->slot_count++] =
                (struct bind_slot){ .name = keep(t->name, &room),
                                    .tensor = i,
                                    .role = t->role,
                                    .is_shared = t->role == WN_ROLE_INPUT && t->flags & WN_TENSOR_SHARED,
                                    .bytes = t->rows * t->cols * 4,
                                    .offset = plan->offset[i],
                                    .stride = plan->stride[i] };
    }
    return WN_OK;
}

void bind_free(struct bind_table *table)
{
    free(table->slots);
    free(table->names);
    free(table->graph_name);
    *table = (struct bind_table){ 0 };
}

static uint64_t items_of(const struct bind_slot *slot, uint64_t count)
{
    return slot->is_shared ? 1 : count;
}

static wn_status take_one(const struct bind_table *t, uint64_t count, const wn_binding *bindings, uint64_t i,
                          void **data, wn_error *err)
{
    const wn_binding *b = &bindings[i];
    uint64_t index = 0;
    while (index < t->slot_count && t->slots[index].tensor != b->tensor)
        index++;
    if (index == t->slot_count)
        return wn_fail(err, WN_E_ARG, "graph \"%s\": binding %llu names tensor %u, which is no input or output",
                       t->graph_name, (unsigned long long)i, b->tensor);
    const struct bind_slot *slot = &t->slots[index];
    if (b->item >= items_of(slot, count))
        return wn_fail(err, WN_E_ARG, "graph \"%s\": \"%s\" is bound for item %u of %llu", t->graph_name, slot->name,
                       b->item, (unsigned long long)items_of(slot, count));
    data[index * count + b->item] = b->data;
    return WN_OK;
}

static wn_status check_bound(const struct bind_table *t, uint64_t count, void *const *data, wn_error *err)
{
    for (uint64_t k = 0; k < t->slot_count; k++) {
        for (uint64_t item = 0; item < items_of(&t->slots[k], count); item++) {
            if (!data[k * count + item])
                return wn_fail(err, WN_E_ARG, "graph \"%s\": %s \"%s\" is not bound for item %llu", t->graph_name,
                               t->slots[k].role == WN_ROLE_INPUT ? "input" : "output", t->slots[k].name,
                               (unsigned long long)item);
        }
    }
    return WN_OK;
}

static wn_status take_all(const struct bind_table *table, uint64_t count, const wn_binding *bindings,
                          uint64_t binding_count, void **data, wn_error *err)
{
    for (uint64_t i = 0; i < binding_count; i++)
        WN_TRY(take_one(table, count, bindings, i, data, err));
    return check_bound(table, count, data, err);
}

wn_status bind_take(const struct bind_table *table, uint64_t max_items, uint64_t count, const wn_binding *bindings,
                    uint64_t binding_count, void ***data, wn_error *err)
{
    *data = NULL;
    if (count < 1 || count > max_items)
        return wn_fail(err, WN_E_ARG, "graph \"%s\": run of %llu items, must be 1 to %llu as compiled",
                       table->graph_name, (unsigned long long)count, (unsigned long long)max_items);
    void **all = calloc(table->slot_count * count + 1, sizeof *all);
    if (!all)
        return wn_fail(err, WN_E_MEMORY, "graph \"%s\": out of memory for bindings", table->graph_name);
    const wn_status status = take_all(table, count, bindings, binding_count, all, err);
    if (status == WN_OK)
        *data = all;
    else
        free(all);
    return status;
}
