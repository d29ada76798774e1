/* check.c - whether a graph is what device.h promises, before anything is planned or packed.
 *
 * Everything behind this may index without looking: handles, shapes, windows, weights, activations and aliasing are all
 * checked here, one message for each mistake, naming graph, op, output and both values.
 */
#include "blocks.h"
#include "graph.h"

#include <stdlib.h>

#define U(x)         ((unsigned long long)(x))
#define MAX_SIDE     (UINT64_C(1) << 31)
#define MAX_ELEMENTS (UINT64_C(1) << 40)

struct check {
    const wn_graph *g;
    const wn_op *op;
    uint64_t index;
    wn_error *err;
};

const char *check_op_name(int32_t kind)
{
    static const char *const names[] = { "?",    "linear",     "norm",   "head_norm_rope", "attention",
                                         "conv", "group_norm", "embed",  "binary",         "unary",
                                         "copy", "pick_row",   "weight", "group_moments",  "group_table" };
    return kind >= WN_OP_LINEAR && kind <= WN_OP_GROUP_TABLE ? names[kind] : names[0];
}

static const char *tensor_name(const wn_graph *g, uint32_t t)
{
    return t < g->tensor_count && g->tensors[t].name ? g->tensors[t].name : "";
}

wn_status check_fail(const wn_graph *graph, uint64_t op, wn_error *err, wn_status code, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const char *name = graph->name ? graph->name : "";
    if (op >= graph->op_count)
        return wn_fail(err, code, "graph \"%s\": %s", name, what);
    const wn_op *o = &graph->ops[op];
    return wn_fail(err, code, "graph \"%s\", op %llu (%s \"%s\"): %s", name, U(op), check_op_name(o->kind),
                   tensor_name(graph, o->out), what);
}

#define FAIL(c, ...) check_fail((c)->g, (c)->index, (c)->err, WN_E_ARG, __VA_ARGS__)

/* ---- tensors ------------------------------------------------------------------------------------------------ */

static const wn_tensor *base_of(const wn_graph *g, const wn_tensor *t)
{
    return t->role == WN_ROLE_WINDOW ? &g->tensors[t->base] : t;
}

static wn_status check_window(const struct check *c, uint64_t i, const wn_tensor *t)
{
    if (t->base >= c->g->tensor_count || c->g->tensors[t->base].role == WN_ROLE_WINDOW)
        return FAIL(c, "tensor %llu is a window of tensor %u, which is absent or itself a window", U(i), t->base);
    const wn_tensor *b = &c->g->tensors[t->base];
    if (t->row0 > b->rows || t->rows > b->rows - t->row0 || t->col0 > b->cols || t->cols > b->cols - t->col0)
        return FAIL(c, "tensor %llu, the window [%llu+%llu, %llu+%llu], leaves its base \"%s\" [%llu, %llu]", U(i),
                    U(t->row0), U(t->rows), U(t->col0), U(t->cols), b->name ? b->name : "", U(b->rows), U(b->cols));
    if (t->dtype != b->dtype)
        return FAIL(c, "tensor %llu has dtype %d, its base \"%s\" has %d", U(i), t->dtype, b->name ? b->name : "",
                    b->dtype);
    return WN_OK;
}

static wn_status check_tensor(const struct check *c, uint64_t i)
{
    const wn_tensor *t = &c->g->tensors[i];
    if (t->role < WN_ROLE_INPUT || t->role > WN_ROLE_WINDOW)
        return FAIL(c, "tensor %llu \"%s\" has the unknown role %d", U(i), tensor_name(c->g, (uint32_t)i), t->role);
    if (t->dtype != WN_F32 && t->dtype != WN_I32)
        return FAIL(c, "tensor %llu \"%s\" has dtype %d, must be F32 or I32", U(i), tensor_name(c->g, (uint32_t)i),
                    t->dtype);
    if (t->rows == 0 || t->cols == 0 || t->rows > MAX_SIDE || t->cols > MAX_SIDE || t->rows > MAX_ELEMENTS / t->cols)
        return FAIL(c, "tensor %llu \"%s\" is [%llu, %llu]: sides must be 1 to 2^31, elements at most 2^40", U(i),
                    tensor_name(c->g, (uint32_t)i), U(t->rows), U(t->cols));
    if (t->role == WN_ROLE_CONST && !t->data)
        return FAIL(c, "constant %llu \"%s\" has no data", U(i), tensor_name(c->g, (uint32_t)i));
    return t->role == WN_ROLE_WINDOW ? check_window(c, i, t) : WN_OK;
}

static wn_status check_weight(const struct check *c, uint64_t i)
{
    const wn_weight *w = &c->g->weights[i];
    const char *name = w->name ? w->name : "";
    uint64_t rows = 0;
    if (w->part_count < 1 || w->part_count > 4)
        return FAIL(c, "weight \"%s\" has %llu parts, must be 1 to 4", name, U(w->part_count));
    if (w->rows == 0 || w->cols == 0 || w->rows > MAX_SIDE || w->cols > MAX_SIDE || w->rows > MAX_ELEMENTS / w->cols)
        return FAIL(c, "weight \"%s\" is [%llu, %llu]: sides must be 1 to 2^31, elements at most 2^40", name,
                    U(w->rows), U(w->cols));
    for (uint64_t k = 0; k < w->part_count; k++) {
        const wn_weight_part *part = &w->part[k];
        if (!part->data)
            return FAIL(c, "part %llu of weight \"%s\" has no data", U(k), name);
        if (!weight_row_bytes(part->dtype, w->cols))
            return FAIL(c, "part %llu of weight \"%s\" has dtype %d, which is no type of weights of %llu columns", U(k),
                        name, part->dtype, U(w->cols));
        rows += smaller(part->rows, MAX_SIDE);
    }
    if (rows != w->rows)
        return FAIL(c, "the parts of weight \"%s\" have %llu rows, the weight %llu", name, U(rows), U(w->rows));
    return WN_OK;
}

/* ---- operands ----------------------------------------------------------------------------------------------- */

static const wn_tensor *in(const struct check *c, int slot)
{
    return c->op->in[slot] == WN_NONE ? NULL : &c->g->tensors[c->op->in[slot]];
}

static const wn_tensor *out(const struct check *c)
{
    return &c->g->tensors[c->op->out];
}

static wn_status need_in(const struct check *c, int slot, const char *what)
{
    return in(c, slot) ? WN_OK : FAIL(c, "%s is missing", what);
}

static wn_status need_shape(const struct check *c, const wn_tensor *t, const char *what, uint64_t rows, uint64_t cols)
{
    if (!t || (t->rows == rows && t->cols == cols))
        return WN_OK;
    return FAIL(c, "%s \"%s\" is [%llu, %llu], must be [%llu, %llu]", what, t->name ? t->name : "", U(t->rows),
                U(t->cols), U(rows), U(cols));
}

static wn_status need_weight(const struct check *c, int slot)
{
    return c->op->weight[slot] == WN_NONE ? FAIL(c, "weight %d is missing", slot) : WN_OK;
}

static wn_status need_matrix(const struct check *c, uint64_t rows, uint64_t cols)
{
    WN_TRY(need_weight(c, 0));
    const wn_weight *w = &c->g->weights[c->op->weight[0]];
    if (w->rows != rows || w->cols != cols)
        return FAIL(c, "weight \"%s\" is [%llu, %llu], must be [%llu, %llu]", w->name ? w->name : "", U(w->rows),
                    U(w->cols), U(rows), U(cols));
    return WN_OK;
}

/* A vector weight that may be absent, [1, n] or [n, 1]. */
static wn_status need_vector(const struct check *c, int slot, uint64_t n)
{
    if (c->op->weight[slot] == WN_NONE)
        return WN_OK;
    const wn_weight *w = &c->g->weights[c->op->weight[slot]];
    if ((w->rows == 1 && w->cols == n) || (w->cols == 1 && w->rows == n))
        return WN_OK;
    return FAIL(c, "weight \"%s\" is [%llu, %llu], must be a vector of %llu", w->name ? w->name : "", U(w->rows),
                U(w->cols), U(n));
}

static wn_status need_divides(const struct check *c, uint64_t cols, int64_t by, const char *what)
{
    if (by > 0 && cols % (uint64_t)by == 0)
        return WN_OK;
    return FAIL(c, "%llu columns cannot be divided among %lld %s", U(cols), (long long)by, what);
}

/* ---- operations --------------------------------------------------------------------------------------------- */

static wn_status check_linear(const struct check *c)
{
    WN_TRY(need_in(c, 0, "x"));
    uint64_t rows = in(c, 0)->rows, cols = out(c)->cols;
    WN_TRY(need_shape(c, out(c), "out", rows, cols));
    WN_TRY(need_shape(c, in(c, 1), "mul", rows, cols));
    WN_TRY(need_shape(c, in(c, 2), "gate", 1, cols));
    WN_TRY(need_shape(c, in(c, 3), "residual", rows, cols));
    WN_TRY(need_matrix(c, cols, in(c, 0)->cols));
    return need_vector(c, 1, cols);
}

static wn_status check_norm(const struct check *c)
{
    WN_TRY(need_in(c, 0, "x"));
    uint64_t cols = in(c, 0)->cols;
    if (c->op->i[0] != 1 && c->op->i[0] != 2)
        return FAIL(c, "i[0] is %lld, must be 1 (LayerNorm) or 2 (RMSNorm)", (long long)c->op->i[0]);
    WN_TRY(need_shape(c, out(c), "out", in(c, 0)->rows, cols));
    WN_TRY(need_shape(c, in(c, 1), "scale", 1, cols));
    WN_TRY(need_shape(c, in(c, 2), "shift", 1, cols));
    if ((in(c, 1) && c->op->weight[0] != WN_NONE) || (in(c, 2) && c->op->weight[1] != WN_NONE))
        return FAIL(c, "scale and shift cannot be tensors and weights at once");
    WN_TRY(need_vector(c, 0, cols));
    return need_vector(c, 1, cols);
}

static wn_status check_head_norm_rope(const struct check *c)
{
    WN_TRY(need_in(c, 0, "x"));
    uint64_t rows = in(c, 0)->rows, cols = in(c, 0)->cols;
    WN_TRY(need_divides(c, cols, c->op->i[0], "heads"));
    uint64_t size = cols / (uint64_t)c->op->i[0];
    WN_TRY(need_shape(c, out(c), "out", rows, cols));
    WN_TRY(need_shape(c, in(c, 1), "table", rows, size));
    if (in(c, 1) && size % 2)
        return FAIL(c, "heads of %llu columns cannot be rotated in pairs", U(size));
    return need_vector(c, 0, size);
}

static wn_status check_attention(const struct check *c)
{
    WN_TRY(need_in(c, 0, "q"));
    WN_TRY(need_in(c, 1, "k"));
    WN_TRY(need_in(c, 2, "v"));
    uint64_t rows = in(c, 0)->rows, keys = in(c, 1)->rows, cols = in(c, 0)->cols;
    WN_TRY(need_divides(c, cols, c->op->i[0], "heads"));
    WN_TRY(need_shape(c, in(c, 1), "k", keys, cols));
    WN_TRY(need_shape(c, in(c, 2), "v", keys, cols));
    WN_TRY(need_shape(c, in(c, 3), "bias", (uint64_t)c->op->i[0], rows + keys - 1));
    return need_shape(c, out(c), "out", rows, cols);
}

static wn_status check_conv(const struct check *c)
{
    const int64_t *i = c->op->i;
    WN_TRY(need_in(c, 0, "x"));
    for (int k = 0; k < 8; k++) {
        int64_t least = k == 4 || k == 5 || k == 7 ? 0 : 1;
        if (i[k] < least || i[k] > INT32_MAX)
            return FAIL(c, "i[%d] is %lld, must be %lld to 2^31-1", k, (long long)i[k], (long long)least);
    }
    if (i[6] > 2)
        return FAIL(c, "upsampling by %lld, must be 1 or 2", (long long)i[6]);
    if ((uint64_t)i[0] * (uint64_t)i[1] != in(c, 0)->rows)
        return FAIL(c, "x has %llu rows, its picture %lld x %lld positions", U(in(c, 0)->rows), (long long)i[0],
                    (long long)i[1]);
    int64_t h = i[0] * i[6] + i[4] + i[5] - i[2], w = i[1] * i[6] + i[4] + i[5] - i[2];
    if (h < 0 || w < 0)
        return FAIL(c, "kernel %lld does not fit the padded picture of %lld x %lld", (long long)i[2],
                    (long long)(h + i[2]), (long long)(w + i[2]));
    if (i[2] > 1 << 12)
        return FAIL(c, "kernel %lld, must be at most 4096", (long long)i[2]);
    const uint64_t height = (uint64_t)(h / i[3] + 1), width = (uint64_t)(w / i[3] + 1), first = (uint64_t)i[7];
    const uint64_t rows = out(c)->rows, cols = out(c)->cols;
    if (rows % width || first > height || rows / width > height - first)
        return FAIL(c, "out has %llu positions from row %llu on, the result %llu x %llu", U(rows), U(first), U(height),
                    U(width));
    WN_TRY(need_shape(c, in(c, 3), "residual", rows, cols));
    WN_TRY(need_matrix(c, cols, in(c, 0)->cols * (uint64_t)i[2] * (uint64_t)i[2]));
    return need_vector(c, 1, cols);
}

static wn_status check_group_norm(const struct check *c)
{
    WN_TRY(need_in(c, 0, "x"));
    WN_TRY(need_divides(c, in(c, 0)->cols, c->op->i[0], "groups"));
    WN_TRY(need_shape(c, out(c), "out", in(c, 0)->rows, in(c, 0)->cols));
    WN_TRY(need_shape(c, in(c, 1), "table", 3, in(c, 0)->cols));
    if (in(c, 1) && (c->op->i[0] != 1 || c->op->weight[0] != WN_NONE || c->op->weight[1] != WN_NONE))
        return FAIL(c, "groups and weights are in the table");
    WN_TRY(need_vector(c, 0, in(c, 0)->cols));
    return need_vector(c, 1, in(c, 0)->cols);
}

static wn_status need_chunks(const struct check *c)
{
    if (c->op->i[1] < 1 || c->op->i[1] > INT32_MAX)
        return FAIL(c, "chunks of %lld rows, must be 1 to 2^31-1", (long long)c->op->i[1]);
    return WN_OK;
}

static wn_status check_group_moments(const struct check *c)
{
    WN_TRY(need_in(c, 0, "x"));
    WN_TRY(need_chunks(c));
    WN_TRY(need_divides(c, in(c, 0)->cols, c->op->i[0], "groups"));
    if (in(c, 0)->rows % (uint64_t)c->op->i[1])
        return FAIL(c, "%llu rows are no whole chunks of %lld", U(in(c, 0)->rows), (long long)c->op->i[1]);
    return need_shape(c, out(c), "out", in(c, 0)->rows / (uint64_t)c->op->i[1], 2 * (uint64_t)c->op->i[0]);
}

static wn_status check_group_table(const struct check *c)
{
    WN_TRY(need_in(c, 0, "moments"));
    WN_TRY(need_chunks(c));
    WN_TRY(need_divides(c, out(c)->cols, c->op->i[0], "groups"));
    WN_TRY(need_shape(c, in(c, 0), "moments", in(c, 0)->rows, 2 * (uint64_t)c->op->i[0]));
    WN_TRY(need_shape(c, out(c), "out", 3, out(c)->cols));
    WN_TRY(need_vector(c, 0, out(c)->cols));
    return need_vector(c, 1, out(c)->cols);
}

static wn_status check_embed(const struct check *c)
{
    WN_TRY(need_in(c, 0, "ids"));
    WN_TRY(need_weight(c, 0));
    uint64_t rows = out(c)->rows, cols = out(c)->cols;
    WN_TRY(need_shape(c, in(c, 0), "ids", rows, 1));
    WN_TRY(need_matrix(c, c->g->weights[c->op->weight[0]].rows, cols));
    const wn_weight *p = c->op->weight[1] == WN_NONE ? NULL : &c->g->weights[c->op->weight[1]];
    if (p && (p->rows < rows || p->cols != cols))
        return FAIL(c, "positions \"%s\" are [%llu, %llu], must be at least [%llu, %llu]", p->name ? p->name : "",
                    U(p->rows), U(p->cols), U(rows), U(cols));
    return WN_OK;
}

static wn_status check_binary(const struct check *c)
{
    WN_TRY(need_in(c, 0, "a"));
    WN_TRY(need_in(c, 1, "b"));
    if (c->op->i[0] != 1 && c->op->i[0] != 2)
        return FAIL(c, "i[0] is %lld, must be 1 (add) or 2 (multiply)", (long long)c->op->i[0]);
    uint64_t rows = in(c, 0)->rows, cols = in(c, 0)->cols;
    WN_TRY(need_shape(c, out(c), "out", rows, cols));
    return need_shape(c, in(c, 1), "b", in(c, 1)->rows == 1 ? 1 : rows, cols);
}

static wn_status check_same(const struct check *c)
{
    WN_TRY(need_in(c, 0, "x"));
    return need_shape(c, out(c), "out", in(c, 0)->rows, in(c, 0)->cols);
}

static wn_status check_pick_row(const struct check *c)
{
    WN_TRY(need_in(c, 0, "x"));
    WN_TRY(need_in(c, 1, "index"));
    WN_TRY(need_shape(c, in(c, 1), "index", 1, 1));
    return need_shape(c, out(c), "out", 1, in(c, 0)->cols);
}

static wn_status check_weight_rows(const struct check *c)
{
    return need_matrix(c, out(c)->rows, out(c)->cols);
}

/* ---- aliasing and order -------------------------------------------------------------------------------------- */

/* 0: apart; 1: the same elements; 2: some are shared. */
static int overlap(const wn_graph *g, uint32_t ta, uint32_t tb)
{
    const wn_tensor *a = &g->tensors[ta], *b = &g->tensors[tb];
    if (base_of(g, a) != base_of(g, b))
        return 0;
    wn_tensor wa = *a, wb = *b; /* only windows have an origin */
    if (a->role != WN_ROLE_WINDOW)
        wa.row0 = wa.col0 = 0;
    if (b->role != WN_ROLE_WINDOW)
        wb.row0 = wb.col0 = 0;
    if (wa.row0 + wa.rows <= wb.row0 || wb.row0 + wb.rows <= wa.row0 || wa.col0 + wa.cols <= wb.col0 ||
        wb.col0 + wb.cols <= wa.col0)
        return 0;
    return wa.row0 == wb.row0 && wa.col0 == wb.col0 && wa.rows == wb.rows && wa.cols == wb.cols ? 1 : 2;
}

/* Bit s: in[s] may be `out` itself, because each element is read before it is written. */
static unsigned in_place_slots(int32_t kind)
{
    switch (kind) {
    case WN_OP_LINEAR:
    case WN_OP_CONV:
        return 1u << 1 | 1u << 3;
    case WN_OP_NORM:
    case WN_OP_HEAD_NORM_ROPE:
    case WN_OP_GROUP_NORM:
    case WN_OP_UNARY:
    case WN_OP_COPY:
        return 1u << 0;
    case WN_OP_BINARY:
        return 1u << 0 | 1u << 1;
    default:
        return 0;
    }
}

static wn_status check_aliasing(const struct check *c)
{
    for (int s = 0; s < 4; s++) {
        int shared = in(c, s) ? overlap(c->g, c->op->in[s], c->op->out) : 0;
        if (shared == 2 || (shared == 1 && !(in_place_slots(c->op->kind) & 1u << s)))
            return FAIL(c, "out overlaps input %d \"%s\"", s, tensor_name(c->g, c->op->in[s]));
    }
    return WN_OK;
}

static wn_status check_handles(const struct check *c)
{
    for (int s = 0; s < 4; s++) {
        if (c->op->in[s] != WN_NONE && c->op->in[s] >= c->g->tensor_count)
            return FAIL(c, "input %d is tensor %u of %llu", s, c->op->in[s], U(c->g->tensor_count));
        int is_id = (c->op->kind == WN_OP_EMBED && s == 0) || (c->op->kind == WN_OP_PICK_ROW && s == 1);
        if (in(c, s) && in(c, s)->dtype != (is_id ? WN_I32 : WN_F32))
            return FAIL(c, "input %d \"%s\" must be %s", s, tensor_name(c->g, c->op->in[s]), is_id ? "I32" : "F32");
    }
    for (int s = 0; s < 2; s++) {
        if (c->op->weight[s] != WN_NONE && c->op->weight[s] >= c->g->weight_count)
            return FAIL(c, "weight %d is weight %u of %llu", s, c->op->weight[s], U(c->g->weight_count));
    }
    if (c->op->out >= c->g->tensor_count)
        return FAIL(c, "out is tensor %u of %llu", c->op->out, U(c->g->tensor_count));
    const wn_tensor *base = base_of(c->g, out(c));
    if (out(c)->dtype != WN_F32)
        return FAIL(c, "out must be F32");
    if (base->role == WN_ROLE_CONST || (base->role == WN_ROLE_INPUT && base->flags & WN_TENSOR_SHARED))
        return FAIL(c, "out is in a constant or shared input, which cannot be written");
    return WN_OK;
}

static wn_status check_op(const struct check *c)
{
    static wn_status (*const checks[])(const struct check *) = {
        [WN_OP_LINEAR] = check_linear,
        [WN_OP_NORM] = check_norm,
        [WN_OP_HEAD_NORM_ROPE] = check_head_norm_rope,
        [WN_OP_ATTENTION] = check_attention,
        [WN_OP_CONV] = check_conv,
        [WN_OP_GROUP_NORM] = check_group_norm,
        [WN_OP_EMBED] = check_embed,
        [WN_OP_BINARY] = check_binary,
        [WN_OP_UNARY] = check_same,
        [WN_OP_COPY] = check_same,
        [WN_OP_PICK_ROW] = check_pick_row,
        [WN_OP_WEIGHT] = check_weight_rows,
        [WN_OP_GROUP_MOMENTS] = check_group_moments,
        [WN_OP_GROUP_TABLE] = check_group_table,
    };
    if (c->op->kind < WN_OP_LINEAR || c->op->kind > WN_OP_GROUP_TABLE)
        return FAIL(c, "unknown kind %d", c->op->kind);
    if (c->op->activation < WN_ACT_NONE || c->op->activation > WN_ACT_TANH)
        return FAIL(c, "unknown activation %d", c->op->activation);
    WN_TRY(check_handles(c));
    WN_TRY(checks[c->op->kind](c));
    return check_aliasing(c);
}

/* Whether every tensor is written before it is read; a window counts for its whole base. */
static wn_status check_order(struct check *c, unsigned char *is_written)
{
    const wn_graph *g = c->g;
    for (uint64_t t = 0; t < g->tensor_count; t++)
        is_written[t] = g->tensors[t].role == WN_ROLE_INPUT || g->tensors[t].role == WN_ROLE_CONST;
    for (c->index = 0; c->index < g->op_count; c->index++) {
        c->op = &g->ops[c->index];
        for (int s = 0; s < 4; s++) {
            if (in(c, s) && !is_written[base_of(g, in(c, s)) - g->tensors])
                return FAIL(c, "input %d \"%s\" is read before anything was written to it", s,
                            tensor_name(g, c->op->in[s]));
        }
        is_written[base_of(g, out(c)) - g->tensors] = 1;
    }
    for (uint64_t t = 0; t < g->tensor_count; t++) {
        if (g->tensors[t].role == WN_ROLE_OUTPUT && !is_written[t])
            return FAIL(c, "output \"%s\" is never written", tensor_name(g, (uint32_t)t));
    }
    return WN_OK;
}

wn_status check_graph(const wn_graph *graph, wn_error *err)
{
    struct check c = { graph, NULL, UINT64_MAX, err };
    if (graph->tensor_count >= WN_NONE || graph->op_count >= WN_NONE || graph->op_count == 0)
        return FAIL(&c, "%llu ops and %llu tensors: must be at least one op, fewer than 2^32 of each",
                    U(graph->op_count), U(graph->tensor_count));
    for (uint64_t i = 0; i < graph->tensor_count; i++)
        WN_TRY(check_tensor(&c, i));
    for (uint64_t i = 0; i < graph->weight_count; i++)
        WN_TRY(check_weight(&c, i));
    for (c.index = 0; c.index < graph->op_count; c.index++) {
        c.op = &graph->ops[c.index];
        WN_TRY(check_op(&c));
    }
    unsigned char *is_written = calloc(graph->tensor_count ? graph->tensor_count : 1, 1);
    if (!is_written)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu tensors", U(graph->tensor_count));
    wn_status status = check_order(&c, is_written);
    free(is_written);
    return status;
}
