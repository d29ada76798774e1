/* graph.c - the builder's tensors and weights, and the way to the device.
 *
 * Models are written as straight-line code, so nothing here returns an error: the first mistake is kept with the graph,
 * every later call does nothing, and nn_graph_compile reports it. Handles are array indices plus one.
 */
#include "graph_internal.h"

#include "weights/safetensors.h"
#include "weights/scale.h"

#include <device/blocks.h>

#include <stdlib.h>
#include <string.h>

void graph_fail(nn_graph *g, wn_status code, const char *format, ...)
{
    if (!graph_is_good(g))
        return;
    g->first.code = code;
    int used = snprintf(g->first.message, sizeof g->first.message, "graph \"%s\", op %u: ", g->name, g->op_count);
    size_t start = used > 0 && (size_t)used < sizeof g->first.message ? (size_t)used : 0;
    va_list args;
    va_start(args, format);
    vsnprintf(g->first.message + start, sizeof g->first.message - start, format, args);
    va_end(args);
}

int graph_is_good(const nn_graph *g)
{
    return g && g->first.code == WN_OK;
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

static void out_of_memory(nn_graph *g)
{
    graph_fail(g, WN_E_MEMORY, "out of memory while the graph was built");
}

static void *block_alloc(nn_graph *g, size_t size)
{
    struct graph_block *block = size < SIZE_MAX - sizeof *block ? malloc(sizeof *block + size) : NULL;
    if (!block) {
        out_of_memory(g);
        return NULL;
    }
    block->next = g->blocks;
    g->blocks = block;
    return block + 1;
}

static const char *block_text(nn_graph *g, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = block_alloc(g, size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* Makes room for one more element of an array of the graph; 0 when memory ran out. */
static int grow(nn_graph *g, void **array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return 1;
    uint32_t wanted = *capacity ? *capacity * 2 : 32;
    void *larger = wanted > count ? realloc(*array, wanted * size) : NULL;
    if (!larger) {
        out_of_memory(g);
        return 0;
    }
    *array = larger;
    *capacity = wanted;
    return 1;
}

nn_graph *nn_graph_new(const char *name)
{
    static nn_graph none; /* what an exhausted process gets: a graph in which everything has failed */
    nn_graph *g = calloc(1, sizeof *g);
    char *copy = malloc(strlen(name) + 1);
    if (!g || !copy) {
        free(g);
        free(copy);
        none.first.code = WN_E_MEMORY;
        return &none;
    }
    g->name = strcpy(copy, name);
    return g;
}

void nn_graph_free(nn_graph *g)
{
    if (!g || !g->name)
        return;
    for (struct graph_block *b = g->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(g->tensors);
    free(g->weights);
    free(g->ops);
    free(g->name);
    free(g);
}

/* ---- tensors ------------------------------------------------------------------------------------------------ */

const wn_tensor *graph_tensor(nn_graph *g, nn_t t, const char *what)
{
    if (!graph_is_good(g))
        return NULL;
    if (t == 0 || t > g->tensor_count) {
        graph_fail(g, WN_E_INTERNAL, "%s: %s", what, t ? "no such tensor" : "a tensor is required here");
        return NULL;
    }
    return &g->tensors[t - 1];
}

static nn_t tensor_append(nn_graph *g, const wn_tensor *tensor)
{
    if (!graph_is_good(g))
        return 0;
    if (tensor->rows == 0 || tensor->cols == 0) {
        graph_fail(g, WN_E_ARG, "tensor \"%s\" is [%llu, %llu]: no side may be 0", tensor->name ? tensor->name : "",
                   (unsigned long long)tensor->rows, (unsigned long long)tensor->cols);
        return 0;
    }
    if (!grow(g, (void **)&g->tensors, g->tensor_count, &g->tensor_capacity, sizeof *g->tensors))
        return 0;
    wn_tensor *slot = &g->tensors[g->tensor_count];
    *slot = *tensor;
    if (tensor->name && !(slot->name = block_text(g, tensor->name)))
        return 0;
    return ++g->tensor_count;
}

nn_t nn_input(nn_graph *g, const char *name, int32_t dtype, uint64_t rows, uint64_t cols, uint32_t flags)
{
    return tensor_append(g, &(wn_tensor){ .name = name,
                                          .role = WN_ROLE_INPUT,
                                          .dtype = dtype,
                                          .rows = rows,
                                          .cols = cols,
                                          .base = WN_NONE,
                                          .flags = flags });
}

nn_t nn_temp(nn_graph *g, const char *name, uint64_t rows, uint64_t cols, uint32_t flags)
{
    return tensor_append(g, &(wn_tensor){ .name = name,
                                          .role = WN_ROLE_TEMP,
                                          .dtype = WN_F32,
                                          .rows = rows,
                                          .cols = cols,
                                          .base = WN_NONE,
                                          .flags = flags });
}

nn_t nn_const(nn_graph *g, const char *name, uint64_t rows, uint64_t cols, const float *data)
{
    if (!graph_is_good(g))
        return 0;
    if (cols && rows > SIZE_MAX / sizeof *data / cols) {
        out_of_memory(g);
        return 0;
    }
    void *copy = block_alloc(g, rows * cols * sizeof *data);
    if (!copy)
        return 0;
    memcpy(copy, data, rows * cols * sizeof *data);
    return tensor_append(g, &(wn_tensor){ .name = name,
                                          .role = WN_ROLE_CONST,
                                          .dtype = WN_F32,
                                          .rows = rows,
                                          .cols = cols,
                                          .base = WN_NONE,
                                          .data = copy });
}

nn_t nn_window(nn_graph *g, nn_t base, uint64_t row0, uint64_t rows, uint64_t col0, uint64_t cols)
{
    const wn_tensor *b = graph_tensor(g, base, "window");
    if (!b)
        return 0;
    if (row0 > b->rows || rows > b->rows - row0 || col0 > b->cols || cols > b->cols - col0) {
        graph_fail(g, WN_E_ARG, "window of %llu rows from %llu and %llu columns from %llu leaves \"%s\" [%llu, %llu]",
                   (unsigned long long)rows, (unsigned long long)row0, (unsigned long long)cols,
                   (unsigned long long)col0, b->name ? b->name : "", (unsigned long long)b->rows,
                   (unsigned long long)b->cols);
        return 0;
    }
    wn_tensor w = { .name = b->name,
                    .role = WN_ROLE_WINDOW,
                    .dtype = b->dtype,
                    .rows = rows,
                    .cols = cols,
                    .base = base - 1,
                    .row0 = row0,
                    .col0 = col0 };
    if (b->role == WN_ROLE_WINDOW) { /* a window of a window looks at the same base */
        w.base = b->base;
        w.row0 += b->row0;
        w.col0 += b->col0;
    }
    return tensor_append(g, &w);
}

void nn_output(nn_graph *g, const char *name, nn_t t)
{
    const wn_tensor *from = graph_tensor(g, t, "output");
    if (!from)
        return;
    nn_copy(g, t,
            tensor_append(g, &(wn_tensor){ .name = name,
                                           .role = WN_ROLE_OUTPUT,
                                           .dtype = from->dtype,
                                           .rows = from->rows,
                                           .cols = from->cols,
                                           .base = WN_NONE }));
}

uint64_t nn_rows(const nn_graph *g, nn_t t)
{
    return t && t <= g->tensor_count ? g->tensors[t - 1].rows : 0;
}

uint64_t nn_cols(const nn_graph *g, nn_t t)
{
    return t && t <= g->tensor_count ? g->tensors[t - 1].cols : 0;
}

nn_t graph_out(nn_graph *g, const char *name, nn_t into, uint64_t rows, uint64_t cols)
{
    if (!into)
        return nn_temp(g, name, rows, cols, 0);
    const wn_tensor *t = graph_tensor(g, into, name);
    if (!t)
        return 0;
    if (t->rows != rows || t->cols != cols) {
        graph_fail(g, WN_E_ARG, "%s gives [%llu, %llu] but is written into [%llu, %llu]", name,
                   (unsigned long long)rows, (unsigned long long)cols, (unsigned long long)t->rows,
                   (unsigned long long)t->cols);
        return 0;
    }
    return into;
}

/* ---- weights ------------------------------------------------------------------------------------------------ */

const wn_weight *graph_weight(nn_graph *g, nn_w w, const char *what)
{
    if (!graph_is_good(g))
        return NULL;
    if (w == 0 || w > g->weight_count) {
        graph_fail(g, WN_E_INTERNAL, "%s: %s", what, w ? "no such weight" : "a weight is required here");
        return NULL;
    }
    return &g->weights[w - 1];
}

uint64_t graph_vector_size(const wn_weight *w)
{
    return w->rows == 1 ? w->cols : w->cols == 1 ? w->rows : 0;
}

static nn_w weight_append(nn_graph *g, const wn_weight *weight)
{
    if (!grow(g, (void **)&g->weights, g->weight_count, &g->weight_capacity, sizeof *g->weights))
        return 0;
    wn_weight *slot = &g->weights[g->weight_count];
    *slot = *weight;
    if (!(slot->name = block_text(g, weight->name)))
        return 0;
    return ++g->weight_count;
}

/* Whether some leading axes multiply to rows and the others to cols. */
static int folds_to(const nn_tensor *t, uint64_t rows, uint64_t cols)
{
    for (uint32_t split = 0; split <= t->rank; split++) {
        uint64_t r = 1, c = 1;
        for (uint32_t i = 0; i < t->rank; i++)
            *(i < split ? &r : &c) *= t->shape[i];
        if (r == rows && c == cols)
            return 1;
    }
    return 0;
}

static void shape_text(const nn_tensor *t, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < t->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%llu", i ? ", " : "", (unsigned long long)t->shape[i]);
}

static nn_w weight_find(nn_graph *g, const nn_weights *from, uint64_t rows, uint64_t cols, int is_required,
                        const char *name)
{
    const nn_tensor *t = nn_weights_shaped(from, name, rows, cols);
    if (!t) {
        if (is_required)
            graph_fail(g, WN_E_MISSING, "%s has no tensor \"%s\" [%llu, %llu]", nn_weights_path(from), name,
                       (unsigned long long)rows, (unsigned long long)cols);
        return 0;
    }
    if (!folds_to(t, rows, cols)) {
        char shape[128];
        shape_text(t, shape, sizeof shape);
        graph_fail(g, WN_E_FORMAT,
                   "%s: tensor \"%s\" is [%s], the model needs [%llu, %llu]; does config.json belong "
                   "to these weights?",
                   t->file, name, shape, (unsigned long long)rows, (unsigned long long)cols);
        return 0;
    }
    float scale;
    wn_error err;
    if (weight_scale(from, t, &scale, &err) != WN_OK) {
        graph_fail(g, err.code, "%s", err.message);
        return 0;
    }
    return weight_append(g, &(wn_weight){ .name = name,
                                          .rows = rows,
                                          .cols = cols,
                                          .part_count = 1,
                                          .part = { { t->data, t->dtype, scale, rows } } });
}

static nn_w weight_format(nn_graph *g, const nn_weights *from, uint64_t rows, uint64_t cols, int is_required,
                          const char *format, va_list args) WN_PRINTF(6, 0);

static nn_w weight_format(nn_graph *g, const nn_weights *from, uint64_t rows, uint64_t cols, int is_required,
                          const char *format, va_list args)
{
    char name[256];
    if (!graph_is_good(g))
        return 0;
    int used = vsnprintf(name, sizeof name, format, args);
    if (used < 0 || (size_t)used >= sizeof name) {
        graph_fail(g, WN_E_ARG, "the tensor name made from \"%s\" has more than %zu bytes", format, sizeof name - 1);
        return 0;
    }
    return weight_find(g, from, rows, cols, is_required, name);
}

nn_w nn_weight(nn_graph *g, const nn_weights *from, uint64_t rows, uint64_t cols, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nn_w w = weight_format(g, from, rows, cols, 1, format, args);
    va_end(args);
    return w;
}

nn_w nn_weight_if(nn_graph *g, const nn_weights *from, uint64_t rows, uint64_t cols, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nn_w w = weight_format(g, from, rows, cols, 0, format, args);
    va_end(args);
    return w;
}

/* A vector seen as [n, 1], so that stacking and slicing need to know only rows. */
static wn_weight as_column(const wn_weight *w)
{
    wn_weight column = *w;
    if (w->rows == 1 && w->part_count == 1) {
        column.rows = column.part[0].rows = w->cols;
        column.cols = 1;
    }
    return column;
}

nn_w nn_stack(nn_graph *g, uint32_t count, const nn_w *parts)
{
    wn_weight stack = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        const wn_weight *given = graph_weight(g, parts[i], "stack");
        if (!given)
            return 0;
        wn_weight w = as_column(given);
        if (i == 0)
            stack.name = w.name, stack.cols = w.cols;
        if (w.cols != stack.cols) {
            graph_fail(g, WN_E_FORMAT, "weights \"%s\" and \"%s\" cannot be stacked: %llu and %llu columns", stack.name,
                       w.name, (unsigned long long)stack.cols, (unsigned long long)w.cols);
            return 0;
        }
        if (stack.part_count + w.part_count > 4) {
            graph_fail(g, WN_E_INTERNAL, "a stack from \"%s\" has more than 4 parts", stack.name);
            return 0;
        }
        for (uint64_t k = 0; k < w.part_count; k++)
            stack.part[stack.part_count++] = w.part[k];
        stack.rows += w.rows;
    }
    return count ? weight_append(g, &stack) : 0;
}

nn_w nn_slice(nn_graph *g, nn_w w, uint64_t first, uint64_t count)
{
    const wn_weight *given = graph_weight(g, w, "slice");
    if (!given)
        return 0;
    wn_weight from = as_column(given), slice = from;
    if (first > from.rows || count > from.rows - first || count == 0) {
        graph_fail(g, WN_E_FORMAT, "rows %llu..%llu of weight \"%s\", which has %llu", (unsigned long long)first,
                   (unsigned long long)(first + count), from.name, (unsigned long long)from.rows);
        return 0;
    }
    slice.rows = count;
    slice.part_count = 0;
    for (uint64_t k = 0, row = 0; k < from.part_count; row += from.part[k].rows, k++) {
        wn_weight_part part = from.part[k];
        const uint64_t bytes = weight_row_bytes(part.dtype, from.cols);
        uint64_t begin = first > row ? first - row : 0;
        uint64_t end = first + count < row + part.rows ? first + count - row : part.rows;
        if (first + count <= row || begin >= end)
            continue;
        if (bytes == 0) {
            graph_fail(g, WN_E_UNSUPPORTED, "weight \"%s\" of dtype %s cannot be cut into rows of %llu", from.name,
                       nn_dtype_name(part.dtype), (unsigned long long)from.cols);
            return 0;
        }
        part.data = (const char *)part.data + begin * bytes;
        part.rows = end - begin;
        slice.part[slice.part_count++] = part;
    }
    return weight_append(g, &slice);
}

/* ---- ready -------------------------------------------------------------------------------------------------- */

void graph_append(nn_graph *g, const wn_op *op)
{
    if (graph_is_good(g) && grow(g, (void **)&g->ops, g->op_count, &g->op_capacity, sizeof *g->ops))
        g->ops[g->op_count++] = *op;
}

uint32_t nn_find(const nn_graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->tensor_count; i++) {
        const wn_tensor *t = &g->tensors[i];
        if ((t->role == WN_ROLE_INPUT || t->role == WN_ROLE_OUTPUT) && t->name && strcmp(t->name, name) == 0)
            return i;
    }
    return WN_NONE;
}

const wn_graph *nn_graph_get(const nn_graph *g)
{
    wn_graph *view = (wn_graph *)&g->view; /* a picture of the fields, not state */
    *view = (wn_graph){ sizeof *view, g->name,         g->tensors, g->tensor_count,
                        g->weights,   g->weight_count, g->ops,     g->op_count };
    return view;
}

wn_status nn_graph_status(const nn_graph *g, wn_error *err)
{
    if (graph_is_good(g))
        return WN_OK;
    return wn_fail(err, g->first.code, "%s",
                   g->first.message[0] ? g->first.message : "out of memory while a graph was begun");
}

wn_status nn_graph_compile(const nn_graph *g, const nn_device *d, int64_t dtype, uint64_t max_items,
                           wn_program **program, wn_error *err)
{
    WN_TRY(nn_graph_status(g, err));
    wn_compile_options options = { sizeof options, dtype, max_items };
    return d->api->compile(d->device, nn_graph_get(g), &options, program, err);
}
