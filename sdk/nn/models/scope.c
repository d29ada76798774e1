/* scope.c - layers by name. Formatting a name is the whole work; missing tensors are the graph's own errors. */
#include "scope.h"

#include <stdlib.h>
#include <string.h>

nn_scope scope_in(const nn_scope *parent, const char *format, ...)
{
    nn_scope s = *parent;
    const size_t used = strlen(s.prefix);
    va_list args;
    va_start(args, format);
    vsnprintf(s.prefix + used, sizeof s.prefix - used, format, args);
    va_end(args);
    return s;
}

nn_layer scope_layer(const nn_scope *s, const char *leaf, uint64_t rows, uint64_t cols)
{
    return (nn_layer){ nn_weight(s->g, s->w, rows, cols, "%s%s.weight", s->prefix, leaf),
                       nn_weight(s->g, s->w, 1, rows, "%s%s.bias", s->prefix, leaf) };
}

nn_layer scope_join(const nn_scope *s, uint32_t count, const char *const *leaf, uint64_t rows_each, uint64_t cols)
{
    nn_w w[4] = { 0 };
    nn_w b[4] = { 0 };
    for (uint32_t i = 0; i < count && i < 4; i++) {
        const nn_layer l = scope_layer(s, leaf[i], rows_each, cols);
        w[i] = l.w;
        b[i] = l.b;
    }
    return (nn_layer){ nn_stack(s->g, count, w), nn_stack(s->g, count, b) };
}

nn_layer layer_rows(nn_graph *g, nn_layer layer, uint64_t first, uint64_t count)
{
    return (nn_layer){ nn_slice(g, layer.w, first, count), nn_slice(g, layer.b, first, count) };
}

nn_t scope_linear(const nn_scope *s, const char *leaf, nn_t x, uint64_t n, const nn_epilogue *e)
{
    const nn_layer l = scope_layer(s, leaf, n, nn_cols(s->g, x));
    return nn_linear(s->g, x, l.w, l.b, e);
}

nn_t scope_project(const nn_scope *s, const char *leaf, nn_t x, uint64_t n, const nn_epilogue *e)
{
    const nn_w w = nn_weight(s->g, s->w, n, nn_cols(s->g, x), "%s%s.weight", s->prefix, leaf);
    return nn_linear(s->g, x, w, 0, e);
}

nn_t scope_layer_norm(const nn_scope *s, const char *leaf, nn_t x, float eps)
{
    const uint64_t n = nn_cols(s->g, x);
    const nn_w w = nn_weight(s->g, s->w, 1, n, "%s%s.weight", s->prefix, leaf);
    const nn_w b = nn_weight(s->g, s->w, 1, n, "%s%s.bias", s->prefix, leaf);
    return nn_layer_norm(s->g, x, w, b, eps);
}

static const nn_tensor *find(const nn_weights *w, const char *prefix, const char *name)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return nn_weights_find(w, full);
}

int scope_has(const nn_scope *s, const char *name)
{
    return find(s->w, s->prefix, name) != NULL;
}

const char *weights_prefix(const nn_weights *w, const char *const *prefixes, const char *name)
{
    for (; *prefixes; prefixes++)
        if (find(w, *prefixes, name))
            return *prefixes;
    return NULL;
}

uint64_t weights_blocks(const nn_weights *w, const char *prefix)
{
    const size_t length = strlen(prefix);
    uint64_t count = 0;
    for (uint64_t i = 0; i < nn_weights_count(w); i++) {
        const char *name = nn_weights_at(w, i)->name;
        if (strncmp(name, prefix, length) != 0)
            continue;
        char *end;
        const unsigned long n = strtoul(name + length, &end, 10);
        if (end != name + length && *end == '.' && n < 10000 && n + 1 > count)
            count = n + 1;
    }
    return count;
}

uint64_t weights_dim(const nn_weights *w, uint32_t dim, const char *format, ...)
{
    char name[512];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const nn_tensor *t = nn_weights_find(w, name);
    return t && dim < t->rank ? t->shape[dim] : 0;
}

int32_t activation_by_name(const char *name)
{
    static const struct {
        const char *name;
        int32_t activation;
    } table[] = {
        { "quick_gelu", WN_ACT_QUICK_GELU },
        { "gelu", WN_ACT_GELU_ERF },
        { "gelu_new", WN_ACT_GELU_TANH },
        { "gelu_pytorch_tanh", WN_ACT_GELU_TANH },
        { "silu", WN_ACT_SILU },
        { "swish", WN_ACT_SILU },
        { "relu", WN_ACT_RELU },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].activation;
    return 0;
}
